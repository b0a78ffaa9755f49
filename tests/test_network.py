import numpy as np
import pytest
import tensorflow as tf

from genconv_tf.network import Layer, ScoringNetwork

RNG = np.random.default_rng(0)


def built(layers, rank, size, channels=3, **settings):
    network = ScoringNetwork(layers, rank, **settings)
    network.build((None, *size, channels))
    return network


def test_the_score_sums_rectified_responses_of_the_top_layer():
    network = built([Layer(4, 3), Layer(5, 3)], 2, (9, 9), boundary="valid")
    x = RNG.standard_normal((2, 9, 9, 3)).astype(np.float32)
    top = network.responses(tf.constant(x))[-1].numpy()
    assert top.shape == (2, 5, 5, 5) and top.min() == 0
    np.testing.assert_allclose(network(x), top.sum((1, 2, 3)), rtol=1e-5)


def test_a_full_layer_is_one_inner_product():
    """The fully connected top: one filter as large as the image, not rectified."""
    network = built([Layer(1, "full", relu=False)], 2, (6, 7))
    x = RNG.standard_normal((4, 6, 7, 3)).astype(np.float32)
    b = network.kernels[0].numpy()[..., 0]
    np.testing.assert_allclose(network(x), np.tensordot(x, b, 3), rtol=1e-4, atol=1e-4)


def test_a_layer_may_be_full_in_space_and_convolutional_in_time():
    """Spatially fully connected (STG, Experiment 2): one position in space, a torus in time."""
    layers = [Layer(4, (1, 3, 3)), Layer(6, (4, "full", "full"), (2, 1, 1))]
    network = built(layers, 3, (8, 6, 6))
    x = tf.constant(RNG.standard_normal((1, 8, 6, 6, 3)).astype(np.float32))
    assert network.responses(x)[-1].shape == (1, 4, 1, 1, 6)
    longer = tf.concat([x, x], 1)
    np.testing.assert_allclose(network(longer), 2 * network(x), rtol=1e-4)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_on_a_torus_the_score_does_not_change_with_a_shift(rank):
    network = built([Layer(4, 5, 2), Layer(3, 3)], rank, (12,) * rank, boundary="torus")
    x = tf.constant(RNG.standard_normal((2, *[12] * rank, 3)).astype(np.float32))
    shifted = tf.roll(x, [4] * rank, list(range(1, rank + 1)))
    np.testing.assert_allclose(network(shifted), network(x), rtol=1e-4)


@pytest.mark.parametrize(
    ("layers", "length", "once"),
    [
        ([Layer(4, 5), Layer(4, 3), Layer(3, 3)], 11, True),
        ([Layer(4, 7), Layer(4, 5, 2), Layer(3, 3)], 16, True),
        ([Layer(4, 6, 2), Layer(4, 2), Layer(3, 4, 2)], 20, True),
        ([Layer(4, 5), Layer(3, 3, 2)], 15, False),  # positions do not close around the torus
        ([Layer(4, 7), Layer(4, 7), Layer(3, 7)], 6, False),  # wraps around more than once
    ],
)
@pytest.mark.parametrize("rank", [1, 2])
def test_wrapping_the_signal_once_is_wrapping_every_layer(rank, layers, length, once, monkeypatch):
    network = built(layers, rank, (length,) * rank, boundary="torus")
    x = tf.constant(RNG.standard_normal((2, *[length] * rank, 3)).astype(np.float32))
    maps = []
    plain = network.responses
    monkeypatch.setattr(network, "responses", lambda *args: maps.extend(plain(*args)) or maps)
    score = network(x)
    expected = tf.reduce_sum(plain(x)[-1], range(1, rank + 2))
    np.testing.assert_allclose(score, expected, rtol=1e-5)
    # Wrapped once, the first layer has positions beyond the ends of the signal.
    stride = layers[0].strides(1)[0]
    assert (maps[0].shape[1] > -(-length // stride)) == once


@pytest.mark.parametrize("rank", [1, 2])
def test_branches_with_strides_keep_their_grids_on_a_torus(rank):
    """The second branch sees a sample less on the left, half of its stride."""
    layers = [Layer(2, 3), Layer(2, 3, 2), Layer(2, 3, after=0)]
    network = built(layers, rank, (16,) * rank, boundary="torus", weight_scale=1.0)
    x = tf.constant(RNG.standard_normal((2, *[16] * rank, 3)).astype(np.float32))
    maps, axes = network.responses(x), range(1, rank + 2)
    expected = sum(share * tf.reduce_sum(maps[top], axes)
                   for share, top in zip(network.shares, network.tops))  # fmt: skip
    np.testing.assert_allclose(network(x), expected, rtol=1e-5)


def test_bfloat16_convolutions_give_a_float32_score_near_that_of_float32():
    x = tf.constant(RNG.standard_normal((2, 16, 16, 3)).astype(np.float32))
    full = built([Layer(8, 5, 2), Layer(8, 3)], 2, (16, 16), seed=1)
    half = built([Layer(8, 5, 2), Layer(8, 3)], 2, (16, 16), seed=1, dtype="mixed_bfloat16")
    assert half(x).dtype == tf.float32 and half.kernels[0].dtype == "float32"
    np.testing.assert_allclose(half(x), full(x), rtol=2e-2)


def test_positions_and_receptive_field_of_the_papers_texture_network():
    layers = [Layer(100, 15, 3, padding=2), Layer(64, 5, padding=2), Layer(30, 3, padding=2)]
    network = built(layers, 2, (224, 224), boundary="valid")
    assert network.layer_positions((224, 224)) == [72**2, 72**2, 74**2]
    assert network.receptive_field() == (33, 33)


@pytest.mark.parametrize(
    "layers, settings",
    [
        ([], {}),
        ([{"filters": 0}], {}),
        ([{"filters": 4, "kernel": 0}], {}),
        ([{"filters": 4, "kernel": "half"}], {}),
        ([{"filters": 4, "stride": -1}], {}),
        ([{"filters": 4, "relu": False}, {"filters": 4}], {}),
        ([{"filters": 4}], {"rank": 4}),
        ([{"filters": 4}], {"boundary": "mirror"}),
        ([{"filters": 4}], {"weight_init": "zeros"}),
    ],
)
def test_bad_networks_are_refused(layers, settings):
    with pytest.raises(ValueError, match=r"Expected .* Received"):
        ScoringNetwork(layers, **settings)


def test_a_signal_below_the_receptive_field_is_refused():
    network = built([Layer(4, 7)], 2, (16, 16), boundary="valid")
    with pytest.raises(ValueError, match=r"at least \(7, 7\).*Received: \(5, 16\)"):
        network.layer_positions((5, 16))


def test_each_axis_may_have_a_boundary_of_its_own():
    # Frames go round, pixels end: f does not change when frames are rolled, and does when rows are.
    layers = [{"filters": 4, "kernel": 3}, {"filters": 3, "kernel": [2, "full", "full"]}]
    network = ScoringNetwork(layers, rank=3, boundary=["torus", "valid", "valid"])
    x = tf.random.stateless_normal((2, 6, 8, 9, 1), (0, 1))
    network.build(x.shape)
    assert network.kernels[1].shape == (2, 6, 7, 4, 3)
    assert network.layer_positions((6, 8, 9)) == [6 * 6 * 7, 6]
    assert network.layer_positions((6, 8, 9), network.data_boundary) == [4 * 6 * 7, 3]
    assert network.torus == (True, False, False) and network.least_size()[1:] == (3, 3)
    np.testing.assert_allclose(network(tf.roll(x, 2, 1)), network(x), rtol=1e-5)
    assert np.abs(network(tf.roll(x, 2, 2)) - network(x)).min() > 1e-3
    with pytest.raises(ValueError, match=r"at least \(.*3, 3\) per axis.*Received: \(6, 2, 9\)"):
        ScoringNetwork(layers, 3, ["torus", "valid", "valid"]).build((None, 6, 2, 9, 1))
    with pytest.raises(ValueError, match="Expected one boundary or 3"):
        ScoringNetwork(layers, rank=3, boundary=["torus", "valid"])

import numpy as np
import pytest
import tensorflow as tf

from genconv_tf import GenerativeConvNet
from genconv_tf.chains import Chains
from genconv_tf.cli.main import main
from genconv_tf.data.decode import write_image
from genconv_tf.windows import interior, lengths_of, random_window

SEEDS = tf.constant([[1, 2]])
LAYERS = [{"filters": 6, "kernel": 5}, {"filters": 4, "kernel": 3, "stride": 2}]


def test_windows_lie_in_the_signal_and_move_with_the_seed():
    x = tf.reshape(tf.range(200.0), (1, 200, 1))
    first = {int(random_window(x, [30], tf.constant([[7, i]]), -4)[0, 0, 0]) for i in range(40)}
    assert len(first) > 20 and min(first) < 40 and 130 < max(first) <= 170
    np.testing.assert_array_equal(np.diff(random_window(x, [30], SEEDS, -4)[0, :, 0]), 1)
    for whole in ([None], [200], [300]):
        np.testing.assert_array_equal(random_window(x, whole, SEEDS, -4), x)


def test_an_axis_that_f_covers_whole_has_no_window():
    layers = [{"filters": 6, "kernel": 3}, {"filters": 2, "kernel": [3, "full"]}]
    model = GenerativeConvNet(layers, size=(64, 40), boundary="same", learning={"window": 20})
    model.build_chains()
    assert model.chains.states[0].shape == (1, 20, 40, 3)
    assert lengths_of(None, (5, 5)) == (None, None)


def test_the_interior_is_what_no_edge_reaches():
    x = np.arange(2 * 40 * 9 * 7).reshape(2, 40, 9, 7, 1)
    np.testing.assert_array_equal(interior(x, (5, 5, None)), x[:, 4:36, 3:6])


def test_a_long_chain_is_a_window_and_a_short_one_is_whole():
    chains = Chains([(2, 6, 9, 3), (2, 12, 18, 3), (1, 24, 36, 3), (1, 48, 72, 3)], [(16, 16)] * 4)
    assert [tuple(s.shape[1:-1]) for s in chains.states] == [(6, 9), (12, 16), (16, 16), (16, 16)]
    assert chains.starts == [(6, 9), (12, 18), (24, 32), (32, 32)]
    assert chains.windowed == [False, True, True, True]


def test_what_lies_at_the_edges_of_a_window_teaches_nothing():
    data, chain = (tf.random.stateless_normal((1, 40, 40, 3), (3, i)) for i in range(2))
    seam = tf.pad(tf.zeros((28, 28)), [[6, 6], [6, 6]], constant_values=9.0)[None, ..., None]

    def gradient(chain, window):
        learning = {"chain_size": 64, "window": window, "overshoot_penalty": 1.0}
        model = GenerativeConvNet(LAYERS, size=40, learning=learning, weight_scale=3.0)
        model.compile()
        model.build_chains()
        return model.level_gradient(0, data, chain)[1]

    for windowed, same in ((40, True), (None, False)):
        pairs = zip(gradient(chain, windowed), gradient(chain + seam, windowed), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs) == same


def test_long_data_are_represented_by_a_window_that_moves():
    data, chain = (tf.random.stateless_normal((1, 42, 40, 3), (3, i)) for i in range(2))
    model = GenerativeConvNet(LAYERS, size=40, learning={"window": 40}, weight_scale=3.0)
    model.compile()
    model.build_chains()
    gaps = [model.level_gradient(0, data[:, i : i + 40], chain)[0].numpy() for i in range(3)]
    seen = set()
    for _ in range(20):
        gap = model.level_gradient(0, data, chain)[0].numpy()
        seen |= {i for i in range(3) if np.isclose(gaps[i], gap, rtol=1e-5)}
        model.optimizer.iterations.assign_add(1)
    assert len(set(gaps)) == 3 and seen == {0, 1, 2}


def test_fit_runs_windows_of_the_finer_levels(photograph):
    x = tf.constant(photograph[None].astype(np.float32) - 128)
    model = GenerativeConvNet(
        LAYERS,
        levels=3,
        size=32,
        learning={"chain_size": 64, "window": 24, "rejuvenation": 1.0},
        sampler={"steps": 2, "start_std": 30.0},
    )
    model.fit(tf.data.Dataset.from_tensors(x), epochs=3, verbose=0)
    coarse, middle, fine = model.chains.states
    assert coarse.shape == (1, 16, 16, 3) and middle.shape == fine.shape == (1, 24, 24, 3)
    # A window starts from a part of the chain below it, and two steps leave it like that part.
    grown = tf.image.resize(coarse, (32, 32), "bicubic")[0, :, :, 0].numpy()
    part = middle[0, 8:16, 8:16, 0].numpy()
    like = [
        np.corrcoef(grown[i : i + 8, j : j + 8].ravel(), part.ravel())[0, 1]
        for i in range(25)
        for j in range(25)
    ]
    assert max(like) > 0.99 and np.median(like) < 0.5
    assert model.sample(1, size=48).shape == (1, 48, 48, 3)


@pytest.mark.parametrize("setting", ["window", "penalty_interval"])
def test_zero_is_refused(setting):
    with pytest.raises(ValueError, match=f"Expected {setting} >= 1"):
        GenerativeConvNet(LAYERS, learning={setting: 0})


def test_a_window_too_small_to_learn_from_is_refused_before_anything_is_written(tmp_path):
    model = GenerativeConvNet(LAYERS, size=64, learning={"window": 20})
    with pytest.raises(ValueError, match="window of at least 21"):
        model.build_chains()
    GenerativeConvNet(LAYERS, size=64, learning={"window": 21}).build_chains()
    write_image(tmp_path / "a.png", np.zeros((64, 64, 3), np.uint8))
    command = ["train", "texture", str(tmp_path / "a.png"), "--output", str(tmp_path / "run")]
    assert main([*command, "--set", "learning.window=20"]) == 2
    assert not (tmp_path / "run").exists()

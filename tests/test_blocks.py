import numpy as np
import pytest
import tensorflow as tf

from genconv_tf import langevin, noise, parts, pyramid
from genconv_tf.blocks import sweep
from genconv_tf.data import Preprocessing
from genconv_tf.energy import score_gradient
from genconv_tf.graphs import shared_graph
from genconv_tf.langevin import mover
from genconv_tf.network import ScoringNetwork
from genconv_tf.resample import upsample

RNG = np.random.default_rng(0)
STRIDED = [
    {"filters": 6, "kernel": 5, "stride": 3},
    {"filters": 5, "kernel": 4},
    {"filters": 4, "kernel": 3, "stride": 2},
]


def gradient_in_blocks(network, x, largest=None):
    return sweep(network, x, lambda part, gradient, rows: gradient, largest)


@pytest.mark.parametrize("size", [(60,), (48, 20), (48, 54), (42, 11), (36, 18, 9), (43, 9)])
@pytest.mark.parametrize("blocks", [2, 3, 5])
def test_blocks_give_the_gradient_of_the_whole(size, blocks):
    rank = len(size)
    network = ScoringNetwork(STRIDED, rank=rank, weight_scale=1.0)
    network.build((None, *size, 2))
    x = tf.constant(RNG.normal(size=(2, *size, 2)).astype(np.float32))
    largest = 2 * int(np.prod(size)) // blocks

    @tf.function(input_signature=[tf.TensorSpec([None] * (rank + 1) + [2])])
    def dynamic(x):
        return gradient_in_blocks(network, x, largest)

    whole = score_gradient(network, x).numpy()
    for received in (dynamic(x), gradient_in_blocks(network, x, largest)):
        np.testing.assert_allclose(received, whole, atol=1e-5 * np.abs(whole).max())


def test_a_momentum_goes_on_in_blocks_as_it_does_on_the_whole():
    network = ScoringNetwork(STRIDED, weight_scale=1.0)
    network.build((None, 48, 20, 2))
    x = tf.constant(RNG.normal(size=(2, 48, 20, 2)).astype(np.float32))
    seeds = noise.row_seeds(1, 2)

    def run(largest):
        move = mover(lambda x, update: sweep(network, x, update, largest), seeds, 4, 0.2, 0.5, None,
                     0.8)  # fmt: skip
        return langevin.run(move, x, 4, momentum=True)

    np.testing.assert_allclose(run(2 * 48 * 20 // 3), run(None), atol=1e-4)


def test_blocks_use_the_memory_of_a_block():
    """No tensor of the graph but the canvas itself grows with the number of blocks."""
    network = ScoringNetwork(STRIDED[1:], rank=1)
    network.build((None, 64, 1))
    seen = []
    responses = network.responses

    def spy(x, boundary=None):
        tf.py_function(lambda n: seen.append(int(n)), [tf.shape(x)[1]], [])
        return responses(x, boundary)

    network.responses = spy
    for length in (400, 800, 1600):
        gradient_in_blocks(network, tf.zeros((1, length, 1)), 100)
    assert len(seen) == 4 + 8 + 16 and max(seen) < 100 + 40


def test_a_wide_canvas_is_taken_in_squares():
    """Not in strips, most of which would be what surrounds them."""
    network = ScoringNetwork([{"filters": 3, "kernel": 5}, {"filters": 2, "kernel": 3}])
    network.build((None, 20, 20, 1))
    seen = []
    responses = network.responses

    def spy(x, boundary=None):
        tf.py_function(lambda *n: seen.append([int(each) for each in n]),
                       [tf.shape(x)[1], tf.shape(x)[2]], [])  # fmt: skip
        return responses(x, boundary)

    network.responses = spy
    gradient_in_blocks(network, tf.zeros((1, 60, 200, 1)), 20 * 20)
    reach = 2 * (7 - 1)
    assert max(max(each) for each in seen) <= 20 + reach
    # What is computed in all, against strips of two rows and what surrounds them.
    assert sum(h * w for h, w in seen) < 3.5 * 60 * 200 < (2 + reach) * 30 * 200


@pytest.mark.parametrize("shape", [(30,), (13, 3), (8, 5, 3), (7, 4, 1), (5, 3, 2, 2)])
def test_a_part_of_the_noise_is_that_part_of_the_whole(shape):
    """To the bit: published models keep their samples, however large."""
    seeds = tf.constant([[1, 2], [-3, 2**31 - 1]])
    whole = noise.normal(seeds, shape, iteration=5).numpy()
    drawn = tf.function(lambda b, e: noise.normal(seeds, shape, 5, (b, e)))
    for begin in range(shape[0]):
        for end in {begin + 1, (begin + shape[0] + 1) // 2, shape[0]} - {begin}:
            np.testing.assert_array_equal(drawn(begin, end), whole[:, begin:end])


@pytest.mark.parametrize("static", [True, False])
def test_rows_are_joined_to_the_whole(static):
    x = tf.constant(RNG.normal(size=(2, 11, 6, 3)).astype(np.float32))
    lengths = []

    def part(begin, end):
        tf.py_function(lambda n: lengths.append(int(n)), [end - begin], [])
        return 2 * x[:, begin:end]

    def made(length):
        return parts.by_rows(part, (2, length, 6, 3), lambda: 3 * x, largest=50)

    spec = tf.TensorSpec([], tf.int32)
    result = made(11) if static else tf.function(made, input_signature=[spec])(11)
    np.testing.assert_array_equal(result, 2 * x)
    assert lengths == [4, 4, 3]


@pytest.fixture
def model():
    """Colours, an odd size and strides that divide it."""
    from genconv_tf import GenerativeConvNet

    return GenerativeConvNet(
        [{"filters": 4, "kernel": 5}, {"filters": 4, "kernel": 3}],
        levels=2,
        size=24,
        weight_scale=2.0,
        sampler={"steps": [3, 2], "start_std": 20.0, "final_temperature": 0.1, "bounded": True},
        preprocessing=Preprocessing(
            mean=(120.0, 110.0, 90.0),
            basis=((0.9, 1.0, 0.97), (0.35, -0.04, -0.29), (0.08, -0.2, 0.13)),
        ),
    )


def test_a_sample_in_parts_is_the_sample(model, monkeypatch):
    """Start, steps, noise, upsampling and decoding all in parts."""
    whole = model.sample(2, size=(38, 27), seed=4).astype(int)
    monkeypatch.setattr(parts, "LARGEST", 2 * 38 * 27 // 5)
    again = shared_graph(upsample.__wrapped__)
    monkeypatch.setattr(pyramid, "upsample", again)  # what was traced takes larger parts
    parted = []
    by_rows = parts.by_rows

    def spy(part, *args, **kwargs):
        return by_rows(lambda b, e: parted.append(part) or part(b, e), *args, **kwargs)

    for place in ("blocks", "resample", "data.preprocessing"):
        monkeypatch.setattr(f"genconv_tf.{place}.by_rows", spy)
    received = model.twin().sample(2, size=(38, 27), seed=4).astype(int)
    assert len(parted) >= 4
    # A pixel may be rounded the other way.
    assert np.abs(received - whole).max() <= 1 and (received != whole).mean() < 1e-3


def test_upsampling_and_decoding_in_parts_change_no_bit(model, monkeypatch):
    x = tf.constant(RNG.normal(0, 60, size=(2, 14, 9, 3)).astype(np.float32))
    large = upsample(x, (29, 18))
    media = model.preprocessing.decode(large)
    monkeypatch.setattr(parts, "LARGEST", 100)
    np.testing.assert_array_equal(upsample(x, (29, 18)), large)
    np.testing.assert_array_equal(model.preprocessing.decode(large), media)

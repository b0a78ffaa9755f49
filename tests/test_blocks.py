import numpy as np
import pytest
import tensorflow as tf

from genconv_tf.blocks import score_gradient_in_blocks
from genconv_tf.energy import score_gradient
from genconv_tf.network import ScoringNetwork

RNG = np.random.default_rng(0)
STRIDED = [
    {"filters": 6, "kernel": 5, "stride": 3},
    {"filters": 5, "kernel": 4},
    {"filters": 4, "kernel": 3, "stride": 2},
]


@pytest.mark.parametrize("size", [(60,), (48, 20), (42, 11), (36, 8, 9), (43, 9)])
@pytest.mark.parametrize("blocks", [2, 3, 5])
def test_blocks_give_the_gradient_of_the_whole(size, blocks):
    rank = len(size)
    network = ScoringNetwork(STRIDED, rank=rank, weight_scale=1.0)
    network.build((None, *size, 2))
    x = tf.constant(RNG.normal(size=(2, *size, 2)).astype(np.float32))
    largest = 2 * int(np.prod(size)) // blocks

    @tf.function(input_signature=[tf.TensorSpec([None] * (rank + 1) + [2])])
    def dynamic(x):
        return score_gradient_in_blocks(network, x, largest)

    whole = score_gradient(network, x).numpy()
    for received in (dynamic(x), score_gradient_in_blocks(network, x, largest)):
        np.testing.assert_allclose(received, whole, atol=1e-5 * np.abs(whole).max())


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
        score_gradient_in_blocks(network, tf.zeros((1, length, 1)), 100)
    assert len(seen) == 4 + 8 + 16 and max(seen) < 100 + 40

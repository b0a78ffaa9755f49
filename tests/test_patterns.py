"""Where filters find their patterns."""

import numpy as np
import pytest

from genconv_tf import patterns
from genconv_tf.layers import Layer
from genconv_tf.network import ScoringNetwork


def planted(size, places, seed=0):
    """A network whose one filter is a random pattern of 5x5, and an image that has it at places."""
    rng = np.random.default_rng(seed)
    pattern = rng.normal(size=(5, 5, 2)).astype(np.float32)
    x = np.zeros((2, *size, 2), np.float32)
    for image, row, column, strength in places:
        x[image, row : row + 5, column : column + 5] += strength * pattern
    network = ScoringNetwork([Layer(1, 5), Layer(1, 1)], 2, "torus")
    network(x)
    network.kernels[0].assign(pattern[..., None])
    return network, x, float((pattern**2).sum())


def test_planted_patterns_are_found_where_they_are_the_strongest_first():
    places = [(0, 3, 4, 1.0), (0, 15, 20, 3.0), (1, 8, 2, 2.0)]
    network, x, square = planted((24, 30), places)
    (found,) = patterns.detections(network, x, 0, count=3)
    assert [(d.image, *d.begin) for d in found] == [(0, 15, 20), (1, 8, 2), (0, 3, 4)]
    np.testing.assert_allclose([d.score for d in found], np.array([3, 2, 1]) * square, rtol=1e-4)
    assert {d.extent for d in found} == {(5, 5)}


def test_detections_do_not_overlap_and_are_active():
    rng = np.random.default_rng(1)
    network, _, _ = planted((40, 40), [])
    x = rng.normal(size=(1, 40, 40, 2)).astype(np.float32)
    (found,) = patterns.detections(network, x, 0, count=1000)
    assert 20 < len(found) < 300 and all(d.score > 0 for d in found)
    apart = np.array([[np.abs(np.subtract(a.begin, b.begin)).max() for a in found] for b in found])
    assert (apart + 1000 * np.eye(len(found)) >= 2.5).all()
    active = np.asarray(network.responses(x, "valid")[0])[0, ..., 0] > 0
    assert all(active[d.begin] for d in found)


def test_positions_are_those_of_the_signal_behind_strides():
    layers = [Layer(3, 3), Layer(operation="max", kernel=2, stride=2), Layer(2, 3)]
    network = ScoringNetwork(layers, 2, "valid", seed=2)
    x = np.random.default_rng(3).normal(size=(1, 20, 26, 1)).astype(np.float32)
    network(x)
    assert patterns.top_filters(network) == 2
    for filter_, found in enumerate(patterns.detections(network, x, 2)):
        for d in found:
            (top, left), (height, width) = d.begin, d.extent
            part = network.responses(x[:, top : top + height, left : left + width], "valid")[2]
            assert part.shape[1:3] == (1, 1)
            np.testing.assert_allclose(part[0, 0, 0, filter_], d.score, rtol=1e-5)


def test_positions_are_those_of_the_signal_behind_padding():
    layers = [Layer(1, 5, stride=2, padding=2), Layer(1, 3, padding=1)]
    network = ScoringNetwork(layers, 2, "valid")
    x = np.zeros((1, 32, 32, 1), np.float32)
    x[0, 20, 10] = 1
    network(x)
    for kernel in network.kernels:  # each passes on what it sees in its middle
        middle = kernel.shape[0] // 2
        kernel.assign(np.zeros(kernel.shape))
        kernel[middle, middle].assign(np.ones((1, 1)))
    ((found,),) = patterns.detections(network, x, 1)
    assert found.extent == (9, 9) and np.add(found.begin, 4).tolist() == [20, 10]


def test_filters_that_cover_the_image_detect_nothing():
    network = ScoringNetwork([Layer(2, "full"), Layer(1, 1, relu=False)], 2, "valid")
    x = np.zeros((1, 8, 8, 1), np.float32)
    network(x)
    assert patterns.top_filters(network) is None
    with pytest.raises(ValueError, match="smaller than the signal"):
        patterns.detections(network, x, 0)

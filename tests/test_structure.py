import numpy as np
import pytest
import tensorflow as tf

from genconv_tf.energy import Reference, energy, score_gradient
from genconv_tf.layers import Layer
from genconv_tf.network import ScoringNetwork
from genconv_tf.structure import basis_functions, deconvolve, find_mode, piece

RNG = np.random.default_rng(0)
NETS = {
    "sound": (1, (24,), [{"filters": 4, "kernel": 5, "stride": 2}, {"filters": 3, "kernel": 3}]),
    "image": (2, (9, 12), [{"filters": 5, "kernel": 3, "stride": 3}, {"filters": 4, "kernel": 2},
                           {"filters": 2, "kernel": 1, "relu": False}]),
    "odd": (2, (10, 11), [{"filters": 4, "kernel": 5, "stride": 3}, {"filters": 3, "kernel": 2}]),
    "object": (2, (8, 8), [{"filters": 5, "kernel": 3}, {"filters": 2, "kernel": "full"}]),
    "video": (3, (6, 8, 8), [{"filters": 4, "kernel": [3, 3, 3], "stride": [1, 2, 2]},
                             {"filters": 3, "kernel": [2, "full", "full"]}]),
}  # fmt: skip


def network_and_x(name, boundary, batch=2, weight_scale=1.0, rng=RNG):
    rank, size, layers = NETS[name]
    network = ScoringNetwork(layers, rank, boundary, weight_scale=weight_scale, seed=3)
    network.build((None, *size, 2))
    for bias in network.biases:
        bias.assign(rng.normal(size=bias.shape) * 0.3)
    return network, tf.constant(rng.normal(size=(batch, *size, 2)), tf.float32)


def same_pattern(one, other):
    pairs = zip(one.pattern, other.pattern, strict=True)
    return all((a.numpy() == b.numpy()).all() for a, b in pairs)


@pytest.mark.parametrize("boundary", ["valid", "same", "torus"])
@pytest.mark.parametrize("name", NETS)
def test_f_is_linear_on_a_piece(name, boundary):
    network, x = network_and_x(name, boundary)
    here = piece(network, x)
    scale = np.abs(network(x)).max() + 1
    np.testing.assert_allclose(here.score(x), network(x), atol=1e-5 * scale)  # Theorem 1
    # Passed down layer by layer, or by the one gradient of f.
    np.testing.assert_allclose(here.slope, score_gradient(network, x), atol=1e-5 * scale)
    moved, step = tf.constant(RNG.normal(size=x.shape), tf.float32), 1e-2
    while not same_pattern(here, piece(network, x + step * moved)):
        step /= 2
    assert step > 1e-6
    np.testing.assert_allclose(here.score(x + step * moved), network(x + step * moved),
                               atol=1e-5 * scale)  # fmt: skip
    far = x + 3.0
    assert np.abs(here.score(far) - network(far)).max() > 1e-2 * scale  # a piece has an end


def test_every_layer_has_coefficients_with_which_f_is_linear_in_its_responses():
    network, x = network_and_x("image", "torus")
    here, maps = piece(network, x), network.responses(x)
    for coefficients, responses in zip(here.coefficients[1:], maps):
        assert coefficients.shape == responses.shape
        moved = network_above(network, maps, responses, 1.01) - network_above(
            network, maps, responses, 1
        )
        linear = tf.reduce_sum(coefficients * responses, range(1, 4)) * 0.01
        np.testing.assert_allclose(moved, linear, rtol=2e-2, atol=1e-3)


def network_above(network, maps, responses, factor):
    """f from the responses of one layer, scaled."""
    from genconv_tf.convolution import convolve

    layer = [m is responses for m in maps].index(True)
    h = responses * factor
    for i in range(layer + 1, len(maps)):
        spec = network.specs[i]
        h = convolve(h, network.kernels[i], spec.strides(2), network.boundaries_of(spec))
        h = h + network.biases[i]
        h = tf.nn.relu(h) if spec.relu else h
    return tf.reduce_sum(h, range(1, 4))


def test_deconvolution_places_filters():
    network, x = network_and_x("image", "valid", batch=1)
    maps = network.responses(x)
    given = np.zeros(maps[0].shape, np.float32)
    given[0, 1, 2, 4] = 2.0
    image = deconvolve(network, 0, tf.constant(given), x).numpy()
    np.testing.assert_allclose(image[0, 3:6, 6:9], 2 * network.kernels[0][..., 4], rtol=1e-6)
    assert np.count_nonzero(image) <= 3 * 3 * 2


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("boundary", ["torus", "valid", "same"])
@pytest.mark.parametrize("name", ["sound", "image", "odd", "video"])
def test_basis_functions_are_derivatives_of_the_strongest_responses(name, boundary, layer):
    network, x = network_and_x(name, boundary, batch=1)
    basis = basis_functions(network, x, layer)
    responses = network.responses(x)[layer]
    assert basis.shape == (responses.shape[-1], *x.shape[1:]) and basis.numpy().any()
    for k in range(responses.shape[-1]):
        with tf.GradientTape() as tape:
            tape.watch(x)
            strongest = tf.reduce_max(network.responses(x)[layer][..., k])
        expected = tape.gradient(strongest, x)[0]
        np.testing.assert_allclose(basis[k], expected, atol=1e-5)


@pytest.mark.parametrize("operation", [
    {"operation": "absolute"}, {"operation": "bins", "bins": 7, "span": 3.0},
    {"operation": "max", "kernel": 2, "stride": 2}, {"operation": "average", "kernel": 3},
])  # fmt: skip
def test_operations_have_a_constant_and_a_slope(operation):
    net = ScoringNetwork([Layer(3, 3, relu=False), operation, Layer(8, 1)], 2, weight_scale=1.0)
    net.build((None, 8, 8, 1))
    x = tf.random.stateless_normal([2, 8, 8, 1], (2, 5))
    here, f = piece(net, x), net(x).numpy()
    assert np.abs(f).min() > 1  # some filter of the top responds
    np.testing.assert_allclose(here.score(x), f, rtol=1e-5)
    np.testing.assert_allclose(here.slope, score_gradient(net, x), atol=1e-5)
    near = x + 1e-3 * tf.random.stateless_normal(x.shape, (3, 5))
    moved = net(near).numpy() - f
    assert np.abs(moved).min() > 1e-4
    np.testing.assert_allclose(here.score(near) - f, moved, rtol=0.02, atol=1e-5)


@pytest.mark.parametrize("operation", ["absolute", "average"])
def test_basis_functions_pass_layers_that_are_not_rectified(operation):
    kernel = {"kernel": 2} if operation == "average" else {}
    layers = [Layer(3, 3, relu=False), {"operation": operation, **kernel}, Layer(9, 1)]
    net = ScoringNetwork(layers, 2, weight_scale=1.0)
    net.build((None, 8, 8, 1))
    x = tf.random.stateless_normal([1, 8, 8, 1], (2, 5))
    basis, found = basis_functions(net, x, 2), 0
    for k in range(9):
        with tf.GradientTape() as tape:
            tape.watch(x)
            strongest = tf.reduce_max(net.responses(x)[2][..., k])
        found += int(strongest > 0)
        np.testing.assert_allclose(basis[k], tape.gradient(strongest, x)[0], atol=1e-5)
    assert found >= 2


@pytest.mark.parametrize("std", [1.0, 2.0])
@pytest.mark.parametrize("name", ["sound", "image"])
def test_modes_are_decoded_exactly(name, std):
    rank, size, layers = NETS[name]
    network = ScoringNetwork(layers[:1], rank, "torus", weight_scale=1.0, seed=3)
    network.build((None, *size, 2))
    x = tf.constant(RNG.normal(size=(6, *size, 2)), tf.float32)
    reference, axes = Reference(std=std), tuple(range(1, x.shape.rank))
    mode, residual = find_mode(network, reference, x)
    assert residual.numpy().max() < 1e-4
    decoded = std**2 * piece(network, mode).slope
    error = np.sqrt(np.square(decoded - mode).sum(axes) / np.square(mode).sum(axes))
    assert error.max() < 1e-4  # Proposition 2
    fall = energy(network, reference, x) - energy(network, reference, mode)
    assert (fall.numpy() > 0).all()


@pytest.mark.parametrize("name", ["sound", "image", "object"])
def test_modes_of_several_layers_inside_a_piece_are_decoded_exactly(name):
    # Of many such networks the descent ends where pieces meet: see `find_mode`.
    network, x = network_and_x(name, "torus", 8, 0.5, np.random.default_rng(1))
    mode, residual = find_mode(network, Reference(), x, steps=3000)
    assert residual.numpy().max() < 1e-4
    size = np.linalg.norm(np.reshape(mode, [8, -1]), axis=1)
    error = np.linalg.norm(np.reshape(piece(network, mode).slope - mode, [8, -1]), axis=1)
    assert size.min() > 0.1 and (error / size).max() < 1e-4  # Proposition 2


def test_contrastive_divergence_learns_to_reconstruct():
    # Proposition 3: in the mean of one Langevin step that does not change the pattern, both
    # gradients are parallel: that of f(data) - f(chain), and minus that of ‖x - B‖²/2.
    network, x = network_and_x("image", "torus", batch=1)
    weights = network.trainable_variables
    step = 0.5 * 0.01**2 * (piece(network, x).slope - x)  # e = 0.01, E[z] = 0
    moved = x + step
    assert same_pattern(piece(network, x), piece(network, moved))
    with tf.GradientTape() as tape:
        gap = tf.reduce_sum(network(x) - network(moved))
    divergence = tape.gradient(gap, weights)
    with tf.GradientTape() as tape:
        error = tf.reduce_sum(tf.square(x - score_gradient(network, x))) / 2
    reconstruction = tape.gradient(error, weights)
    # B does not depend on the biases while the pattern stays: their gradients are none and zero.
    a, b = ([g.numpy().ravel() for g, w in zip(grads, weights) if "kernel" in w.name]
            for grads in (divergence, reconstruction))  # fmt: skip
    a, b = np.concatenate(a), -np.concatenate(b)
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.99


def test_structure_is_of_float32_and_modes_of_a_gaussian_reference():
    layers = [{"filters": 2, "kernel": 3}]
    network = ScoringNetwork(layers, 1, "torus", dtype="mixed_bfloat16")
    network.build((None, 8, 1))
    x = tf.zeros((1, 8, 1))
    for refused in (lambda: piece(network, x), lambda: basis_functions(network, x, 0),
                    lambda: find_mode(network, Reference(), x)):  # fmt: skip
        with pytest.raises(ValueError, match="network in float32"):
            refused()
    with pytest.raises(ValueError, match="Gaussian reference"):
        find_mode(network, Reference("uniform"), x)


def test_signals_may_be_arrays_of_numpy_and_layers_are_those_there_are():
    network = ScoringNetwork([{"filters": 2, "kernel": 3}], 1, "torus", weight_scale=1.0)
    network.build((None, 8, 1))
    x = RNG.normal(size=(1, 8, 1))
    np.testing.assert_allclose(piece(network, x).score(x), network(x.astype(np.float32)), rtol=1e-5)
    assert find_mode(network, Reference(), x)[1] < 1e-4
    assert basis_functions(network, x, 0).shape == (2, 8, 1)
    for layer in (-1, 1):
        with pytest.raises(ValueError, match="a layer from 0 to 0"):
            basis_functions(network, x, layer)

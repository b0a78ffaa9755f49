"""The piecewise Gaussian structure of the model (GCN section 4): pieces, deconvolution, modes.

With rectified layers f is linear wherever the activation pattern δ stays the same: f(x) is
a + ⟨x, B⟩ there (Theorem 1), and the density that of a Gaussian N(s²B, s²). x is encoded as δ by
the bottom-up convolutions and decoded as s²B by the same filters, top down. Local modes of the
density are decoded exactly, x = s²B (Proposition 2).
"""

import dataclasses
import functools
import math

import numpy as np
import tensorflow as tf

from genconv_tf.energy import energy, log_density_gradient, relative_error

PART = 8  # filters whose basis functions are decoded at a time


@dataclasses.dataclass(frozen=True)
class Piece:
    """The linear piece of f that each x of a batch is in.

    Attributes:
        pattern: δ of every layer, bottom up, `(batch, *positions, filters)` bool (GCN eq. 13).
        coefficients: B^(l) of the signal and of every layer's responses, bottom up (eq. 15): the
            first is B itself, of the shape of x, that of a top layer its share in f.
        constant: a, `(batch,)`.
    """

    pattern: list
    coefficients: list
    constant: tf.Tensor

    @property
    def slope(self):
        """B, of the shape of x."""
        return self.coefficients[0]

    def score(self, x):
        """a + ⟨x, B⟩, `(batch,)`: f itself at every x of this pattern (eq. 17). Operations (|r|,
        max pooling, bins) have pieces of their own, which the pattern does not tell: of networks
        with these it is f at the x that the piece was taken of, and near it."""
        x = tf.cast(x, tf.float32)
        return self.constant + tf.reduce_sum(self.slope * x, range(1, x.shape.rank))


def piece(network, x, boundary=None):
    """The `Piece` of f that x is in.

    Args:
        network: a `ScoringNetwork` in float32.
        x: `(batch, *spatial, channels)`.
        boundary: as the network takes it.
    """
    _check_float32(network)
    x = tf.cast(x, tf.float32)
    maps = network.responses(x, boundary)
    pattern = [m > 0 if spec.relu else tf.ones_like(m, bool)
               for m, spec in zip(maps, network.specs)]  # fmt: skip
    coefficients, slope, constant = _of_tops(network, maps), tf.zeros_like(x), 0.0
    for layer in reversed(range(len(maps))):
        given = coefficients[layer] * tf.cast(pattern[layer], x.dtype)
        parent = network.after[layer]
        below = maps[parent] if parent >= 0 else x
        passed = deconvolve(network, layer, given, below, boundary)
        constant += _offset(network, layer, given, passed, below, maps[layer])
        if parent >= 0:
            coefficients[parent] += passed
        else:
            slope += passed
    return Piece(pattern, [slope, *coefficients], constant)


def _check_float32(f):
    """Refuse a network that computes in fewer bits, to which an identity cannot hold."""
    dtype = getattr(f, "compute_dtype", "float32")
    if dtype != "float32":
        raise ValueError(f"Expected a network in float32. Received: {dtype}")


def _of_tops(network, maps):
    """What f multiplies the responses of each layer by itself: a top layer's, of which f is the sum
    over filters and positions; zeros of the others."""
    coefficients = [tf.zeros_like(m) for m in maps]
    for top, share in zip(network.tops, network.shares):
        coefficients[top] += share
    return coefficients


def _offset(network, layer, given, passed, below, above):
    """What a layer adds to a: its biases, of an operation what is not linear in the layer below."""
    axes = range(1, below.shape.rank)
    if network.specs[layer].operation is None:
        return tf.reduce_sum(given * network.biases[layer], axes)
    return tf.reduce_sum(given * above, axes) - tf.reduce_sum(passed * below, axes)


def deconvolve(network, layer, coefficients, below, boundary=None):
    """Σ coefficients · basis functions: the top-down pass through one layer (GCN eq. 16).

    Args:
        network: a `ScoringNetwork`.
        layer: its index, bottom up from 0.
        coefficients: of that layer's filters at every position, B^(l)·δ^(l).
        below: the responses that the layer takes; of filters anything of their shape.
        boundary: as the network takes it.

    Returns:
        The coefficients of the layer below, of the shape of `below`.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:  # the adjoint of a linear map
        tape.watch(below)
        image = network.respond(layer, below, boundary)
    return tape.gradient(image, below, output_gradients=coefficients)


def basis_functions(network, x, layer, boundary=None):
    """What each filter of a layer adds to the reconstruction of x where it responds the most.

    Args:
        network: a `ScoringNetwork` in float32.
        x: `(1, *spatial, channels)`, whose activation pattern turns the filters below on and off.
        layer: index, bottom up from 0.
        boundary: as the network takes it.

    Returns:
        `(filters, *spatial, channels)`: the response's derivative, zero beyond what it sees, and
        everywhere for a filter that does not respond at all.
    """
    _check_float32(network)
    if not 0 <= layer < len(network.specs):
        raise ValueError(f"Expected a layer from 0 to {len(network.specs) - 1}. Received: {layer}")
    x = tf.cast(x, tf.float32)
    maps = network.responses(x, boundary)
    responses = maps[layer][0]
    flat = tf.reshape(responses, [-1, responses.shape[-1]])
    alive = tf.cast(tf.reduce_max(flat, 0) > 0, x.dtype)
    strongest = tf.argmax(flat, 0)
    place = np.stack(np.unravel_index(strongest, responses.shape[:-1]), -1)
    seen = _seen(network, layer, place, x.shape[1:-1], boundary)

    def basis(filters):
        """Of some of the filters: what all of them take at once is large."""
        own = tf.one_hot(filters, flat.shape[-1]) * tf.gather(alive, filters)[:, None]
        if seen is not None:
            return _within(network, x, layer, own, seen[filters])
        # (filters, positions): the strongest position of each filter, for that filter alone.
        there = tf.one_hot(tf.gather(strongest, filters), len(flat))
        given = tf.reshape(there[..., None] * own[:, None], [-1, *responses.shape])
        return _passed_down(network, x, maps, layer, given, boundary)

    every = np.arange(flat.shape[-1])
    parts = np.split(every, every[PART::PART])
    return tf.concat([basis(filters) for filters in parts], 0)


def _seen(network, layer, place, size, boundary):
    """Which samples of a signal of `size` positions of a layer see, as indices into its samples
    `(count, *extent)`; `None` where that is all of it, or zeros beyond an edge.

    Args:
        place: `(count, rank)`, of the positions.
    """
    field, index = network.fields[layer], np.zeros((len(place), *[1] * network.rank), int)
    edges = network.boundaries_of(network.specs[layer], boundary)
    padded = "same" in edges or any(spec.padding for spec in network.specs)
    if padded or any(e is None or e > n for e, n in zip(field.extent, size)):
        return None
    if any(edge == "torus" and n % j for edge, n, j in zip(edges, size, field.jump)):
        return None  # what is wrapped before the first sample is known for whole strides alone
    for axis, (n, edge) in enumerate(zip(size, edges)):
        first = field.reach[axis][0] if edge == "torus" else 0
        along = place[:, axis, None] * field.jump[axis] - first + np.arange(field.extent[axis])
        shape = [len(place), *(-1 if a == axis else 1 for a in range(network.rank))]
        index = index * n + (along % n).reshape(shape)
    return index


def _within(network, x, layer, own, seen):
    """Basis functions `own`, `(count, filters)`, of a layer at one position each, which sees the
    samples `seen` of x: as of the whole of x, of which they need no more."""
    count, size, channels = len(seen), x.shape[1:-1], x.shape[-1]
    cut = tf.gather(tf.reshape(x, [-1, channels]), seen)
    maps = network.responses(cut, "valid", layer)
    given = tf.reshape(own, [count, *[1] * network.rank, -1])
    passed = _passed_down(network, cut, maps, layer, given, "valid")
    total = math.prod(size)
    index = seen.reshape(-1) + np.repeat(np.arange(count) * total, seen[0].size)
    basis = tf.math.unsorted_segment_sum(tf.reshape(passed, [-1, channels]), index, count * total)
    return tf.reshape(basis, [count, *size, channels])


def _passed_down(network, x, maps, layer, given, boundary):
    """Coefficients `given` of a layer's responses, a batch, taken down to the signal: the batch `x`
    or the only one there is."""
    while layer >= 0:
        parent = network.after[layer]
        image = maps[parent] if parent >= 0 else x
        below = image if len(image) == len(given) else tf.repeat(image, len(given), 0)
        given = deconvolve(network, layer, given, below, boundary)
        if parent >= 0 and network.specs[parent].relu:
            given *= tf.cast(image > 0, x.dtype)
        layer = parent
    return given


def find_mode(network, reference, x, steps=1000, tolerance=1e-4):
    """Descend the energy from x to a local mode of the density.

    Within a piece the energy is ‖x - s²B‖²/2s², so that one whole step ends at its centre; the step
    is halved where that leaves the piece for a higher energy, and doubled where it does not.

    Args:
        network, reference: f, in float32, and a Gaussian q.
        x: `(batch, *spatial, channels)`, where to start.
        steps: at most.
        tolerance: largest ‖x - s²B‖ / ‖x‖ that is called a mode.

    Returns:
        (x, residual): the modes and their ‖x - s²B‖ / ‖x‖, `(batch,)`. It is above `tolerance`
        where the descent had too few steps, or ended at a crease: with several layers f may fall to
        both sides of the border between two pieces, and a maximum of the density there is in
        neither. With one layer f is convex, and every mode is inside a piece.
    """
    if reference.kind != "gaussian":
        raise ValueError(f"Expected a Gaussian reference. Received: {reference.kind!r}")
    _check_float32(network)
    x = tf.cast(x, tf.float32)
    column = [-1] + [1] * (x.shape.rank - 1)

    residual = functools.partial(relative_error, network, reference)

    def body(t, x, step):
        # s²B - x; the same gradient as in the residual, of which the graph makes one.
        gap = reference.std**2 * log_density_gradient(network, reference, x)
        far = residual(x)
        moved = x + tf.reshape(step, column) * gap
        better = energy(network, reference, moved) <= energy(network, reference, x)
        better = better & (far > tolerance)
        x = tf.where(tf.reshape(better, column), moved, x)
        return t + 1, x, tf.where(better, tf.minimum(2 * step, 1.0), step / 2)

    def going_on(t, x, step):
        return (t < steps) & tf.reduce_any((residual(x) > tolerance) & (step > 1e-6))

    descend = tf.function(
        lambda x: tf.while_loop(going_on, body, (0, x, tf.ones(x.shape[0])))[1], autograph=False
    )
    x = descend(x)
    return x, residual(x)

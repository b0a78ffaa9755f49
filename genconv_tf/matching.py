"""Shared matching pursuit: one set of filters and positions that explains many aligned images.

J. Xie, W. Hu, S.-C. Zhu, Y. N. Wu, "Learning sparse FRAME models for natural image patterns"
(IJCV 2015), FRAME's [37]: of all filters F_k at all positions x, B_{x,k}, the one is selected whose
energy Σ_i ⟨I_i, B⟩² / ‖B‖² summed over the images is largest, and explained away in each,
I_i ← I_i - ⟨I_i, B⟩ B / ‖B‖². What overlaps with B has lost its energy to it: the selected inhibit
their neighbours without a rule that says so.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from genconv_tf.convolution import convolve

# A filter that an edge cuts to less of its energy than this is no such filter any more.
WHOLE = 0.5


@dataclasses.dataclass(frozen=True)
class Matched:
    """What was matched.

    Attributes:
        units: numbers of the selected units (see `units`), in order: `(count,)` int.
        places: the unit that stands for each in each image, itself but for local shifts:
            `(count, images)` int.
        coefficients: ⟨I_i, B⟩ / ‖B‖ of each in each image, `(count, images)`.
        explained: share of the energy of all images that 0, 1, … units explain, `(count + 1,)`.
        residuals: what is left of the images, of their shape.
    """

    units: np.ndarray
    places: np.ndarray
    coefficients: np.ndarray
    explained: np.ndarray
    residuals: np.ndarray


def match(units, x, count, shift=0):
    """Select `count` filters at positions, shared by all of `x`.

    Args:
        units: `units.Units` of a level, whose filters are linear and whose units have positions.
        x: `(images, *spatial, channels)`, aligned.
        count: units to select.
        shift: positions by which a unit may move in each image to where its response is largest
            there, along every axis (as in active basis models: Y. N. Wu et al., IJCV 2010).

    Returns:
        A `Matched`.

    Raises:
        ValueError: filters that are not linear or have no positions, or too few of them.
    """
    network = units.network
    if network.bank.config.get("filters") != "linear":
        raise ValueError("Expected a bank of linear filters for matching. "
                         f"Received: {network.bank.config.get('filters')!r}")  # fmt: skip
    if not units.positional:
        raise ValueError('Expected a top of kernel "full" for matching: filters at positions. '
                         "Received: kernel=1")  # fmt: skip
    if not isinstance(shift, int) or shift < 0:
        raise ValueError(f"Expected a shift >= 0. Received: {shift!r}")
    filters = _Filters(units, tuple(x.shape[1:]))
    if count > (whole := int(filters.whole.sum())):
        raise ValueError(f"Expected at most {whole} filters that lie on the image. "
                         f"Received: {count}")  # fmt: skip
    x = tf.convert_to_tensor(x, tf.float32)
    chosen, places, coefficients, energies, residuals = _select(filters, x, count, shift)
    energy = float(tf.reduce_sum(tf.square(x)))
    explained = 1 - np.concatenate([[energy], energies.numpy()]) / max(energy, 1e-30)
    return Matched(chosen.numpy(), places.numpy(), coefficients.numpy(), explained,
                   residuals.numpy())  # fmt: skip


@tf.function(autograph=False)
def _select(filters, x, count, shift):
    """The loop of the pursuit, as tensors of what `Matched` holds, energies for shares."""

    def body(t, left, free, *taken):
        response = filters.response(left)
        energy = tf.where(filters.whole, tf.square(response), 0.0)
        shared = tf.reduce_sum(filters.around(energy, shift), 0)
        best = tf.argmax(tf.where(free, shared, -1.0), output_type=tf.int32)
        free = free & (tf.range(filters.count) != best)
        near = filters.near(best, shift) & filters.whole
        # Without shifts one placed filter serves all images.
        here = tf.argmax(tf.where(near, energy, -1.0), -1, output_type=tf.int32)
        coefficient = tf.gather(response, here, batch_dims=1)
        placed = filters.placed(here if shift else here[:1])
        axes = [-1] + [1] * (x.shape.rank - 1)
        left = tf.ensure_shape(left - tf.reshape(coefficient, axes) * placed, x.shape)
        now = (best, here, coefficient, tf.reduce_sum(tf.square(left)))
        return t + 1, left, free, *(array.write(t, one) for array, one in zip(taken, now))

    types = (tf.int32, tf.int32, tf.float32, tf.float32)
    taken = [tf.TensorArray(kind, count) for kind in types]
    state = (0, x, tf.constant(filters.whole), *taken)
    _, left, _, *taken = tf.while_loop(lambda t, *_: t < count, body, state)
    return *(array.stack() for array in taken), left


class _Filters:
    """The linear filters at all positions of a signal, each of norm 1.

    Args:
        units: `units.Units`.
        shape: `(*spatial, channels)` of the signal.
    """

    def __init__(self, units, shape):
        self.units, self.network, self.shape = units, units.network, shape
        specs, after = self.network.specs, self.network.after
        # Below an operation, such as |r|, is the filter itself.
        self.layers = [tap if specs[tap].operation is None else after[tap] for tap in units.taps]
        self.count, norms, whole, where = units.count, [], [], []
        for i, layer in enumerate(self.layers):
            spec, kernel = specs[layer], tf.convert_to_tensor(self.network.kernels[layer])
            edges = self.network.boundaries_of(spec)
            strides = spec.strides(self.network.rank)
            lit = tf.ones((1, *shape))
            square = convolve(lit, tf.square(kernel), strides, edges, spec.padding)[0]
            norms.append(tf.sqrt(square))
            part = square / tf.reduce_sum(tf.square(kernel), range(self.network.rank + 1))
            whole.append(tf.reshape(part >= WHOLE - 1e-6, [-1]).numpy())
            *places, k = np.indices(square.shape).reshape(len(square.shape), -1)
            where.append(np.stack([np.full_like(k, i), k, *places], -1))
        self.norms = norms
        self.whole = np.concatenate(whole)
        self.where = np.concatenate(where).astype(np.int32)  # tap, filter and place of each unit

    def response(self, x):
        """⟨x, B⟩ / ‖B‖ of every unit, rectified where the bank's are: `(batch, units)`."""
        return self._flat(self._maps(x))

    def around(self, energy, shift):
        """The largest energy of each unit within `shift` positions of it: `(batch, units)`."""
        if not shift:
            return energy
        size, pooled = [2 * shift + 1] * self.network.rank, []
        for part, norm in zip(tf.split(energy, self.units.counts, -1), self.norms):
            part = tf.reshape(part, [-1, *norm.shape])
            pooled.append(tf.nn.pool(part, size, "MAX", padding="SAME"))
        return self._flat(pooled)

    def near(self, unit, shift):
        """The units of the same filter within `shift` positions of `unit`: `(units,)` bool."""
        apart = tf.abs(self.where - tf.gather(self.where, unit))
        return tf.reduce_all(apart[:, :2] == 0, -1) & tf.reduce_all(apart[:, 2:] <= shift, -1)

    def placed(self, units):
        """B / ‖B‖ of each of `units`, as signals: `(units, *spatial, channels)`."""
        # What responds linearly has B for its gradient.
        nothing = tf.zeros((units.shape[0], *self.shape))
        with tf.GradientTape() as tape:
            tape.watch(nothing)
            flat = self._flat(self._maps(nothing, rectify=False))
            total = tf.reduce_sum(tf.gather(flat, units, batch_dims=1))
        return tape.gradient(total, nothing)

    def _maps(self, x, rectify=True):
        maps = []
        for layer, norm in zip(self.layers, self.norms):
            h = tf.cast(
                self.network.respond(layer, tf.cast(x, self.network.compute_dtype)), x.dtype
            )
            rectified = rectify and self.network.specs[layer].relu
            maps.append((tf.nn.relu(h) if rectified else h) / tf.maximum(norm, 1e-12))
        return maps

    def _flat(self, maps):
        return tf.concat([tf.reshape(h, [tf.shape(h)[0], -1]) for h in maps], -1)

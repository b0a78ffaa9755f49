"""The mask of a sparse model, and what its chains say of every unit: gains, costs, log-likelihood.

The gain in log-likelihood over q is measured by thermodynamic integration. With H of data and E_w H
of the model, d log Z = ⟨dw, E_w H⟩, so that along a path from 0 L(w) - L(0) = ∫ ⟨dw, H - E_w H⟩.
The path is that of the learning, the integral a sum by the trapezoidal rule over means of w and
H - E_w H of a few updates each, which are taken in three precautions:

- half of the chains drive the weights and the other half measures: what drives a step is correlated
  with it, and its noise would add to the gain at every update;
- a mean of w, and of what is measured meanwhile: weights that jitter do work on chains that follow
  with a delay, of which every update dissipates some, so that it never comes back;
- the error is that between the measuring chains. It knows nothing of what they have in common: they
  lag behind a w that moves steadily, and unadjusted Langevin steps that are too long have another
  E_w H. Both make the gain too large. A temperature other than 1 is another density.
"""

import numpy as np
import tensorflow as tf

# Of the mean curvature of a unit's bins, added to each: a histogram sums to one whatever it is.
RIDGE = 1e-3


def ascent(difference, curvature):
    """The step in a unit's weights to the maximum of the log-likelihood in them, C⁻¹ Δ.

    Args:
        difference: Δ, observed less expected features: `(units, bins)`.
        curvature: C, `(units, bins, bins)`.

    Returns:
        `(units, bins)`; zero for a unit whose responses do not vary: no weight changes them.
    """
    bins = curvature.shape[-1]
    level = tf.linalg.trace(curvature)[:, None, None] / bins
    still = level <= 0
    if bins == 1:
        step = difference[..., None] / tf.where(still, 1.0, curvature)
    else:
        ridge = tf.where(still, 1.0, RIDGE * level) * tf.eye(bins)
        step = tf.linalg.solve(curvature + ridge, difference[..., None])
    return tf.where(still, 0.0, step)[..., 0]


def gains(difference, curvature):
    """How much log-likelihood each unit promises, per sample: Δ² / 2C, or ½ ⟨Δ, C⁻¹ Δ⟩ of bins.

    L(w + dw) = L(w) + ⟨dw, Δ⟩ - ½ ⟨dw, C dw⟩ + … in the weights of one unit alone, its others held,
    is largest at dw = C⁻¹ Δ. C is the variance *under the model*, the second derivative of log Z:
    of the statistic of a whole signal, not of single responses, which are correlated. The expansion
    is exact where log Z is quadratic, as of linear responses to white noise, and far off where Δ is
    many standard deviations.

    Args and shapes as of `ascent`; returns `(units,)`.
    """
    return 0.5 * tf.reduce_sum(difference * ascent(difference, curvature), -1)


def costs(weights, curvature):
    """How much log-likelihood the loss of each unit costs, per sample: ½ ⟨w, C w⟩, `(units,)`.

    The same expansion where Δ = 0, at the maximum, without a move of the other weights.
    """
    return 0.5 * tf.einsum("ub,ubc,uc->u", weights, curvature, weights)


class Mask:
    """The mask of one level, and what its chains measure.

    Attributes:
        active, leaving: 1 for units that have weights, and for those whose weights fade:
            `(units,)`.
        difference, curvature: running averages of Δ and C.
        weights: w as the last measure found it, `(units, bins)`.
        sums, means: of w and of Δ of every measuring chain: since the last node of the integral,
            and at it.
        gain: the integral up to the last node, of every measuring chain.
    """

    def __init__(self, units, chains):
        self.units = units
        self.half = chains.shape[0] // 2
        shape, measuring = (units.count, units.bins), chains.shape[0] - self.half
        self.active, self.leaving = _zeros(units.count), _zeros(units.count)
        self.difference, self.curvature = _zeros(*shape), _zeros(*shape, units.bins)
        self.weights = _zeros(*shape)
        self.sums, self.means = ([_zeros(*shape), _zeros(measuring, *shape)] for _ in range(2))
        self.gain = _zeros(measuring)

    def activate(self, chosen):
        self.active.assign(_marked(self.active.numpy(), chosen, 1.0))

    def drop(self, chosen):
        self.active.assign(_marked(self.active.numpy(), chosen, 0.0))
        self.leaving.assign(_marked(self.leaving.numpy(), chosen, 1.0))

    def apply(self, fade):
        """Make the weights of all others zero; `fade` is left of those that leave."""
        keep = self.active + fade * self.leaving
        self.units.assign(self.units.weights() * keep[:, None])

    def measure(self, data, edge, chains, chain_edge, share):
        """Take in what the chains, which follow the present weights, are like.

        Args:
            data, chains: `(batch, *spatial, channels)`, and their boundaries.
            share: of the new Δ and C in the running averages.

        Returns:
            Δ of the learning chains.
        """
        observed = tf.reduce_mean(self.units.features(data, edge), 0)
        features, curvature = self.units.moments(chains, chain_edge)
        self.weights.assign(self.units.weights())
        self.sums[0].assign_add(self.weights)
        self.sums[1].assign_add(observed - features[self.half :])
        difference = observed - tf.reduce_mean(features, 0)
        self.difference.assign_add(share * (difference - self.difference))
        self.curvature.assign_add(share * (curvature - self.curvature))
        return observed - tf.reduce_mean(features[: self.half], 0)

    def integrate(self, updates):
        """A node of the integral: the means of w and Δ over the `updates` since the last one."""
        weights, apart = (total / updates for total in self.sums)
        dw, ends = weights - self.means[0], apart + self.means[1]
        self.gain.assign_add(0.5 * tf.einsum("ub,nub->n", dw, ends))
        for total, mean, value in zip(self.sums, self.means, (weights, apart)):
            mean.assign(value)
            total.assign(tf.zeros_like(total))

    def boost(self, difference, rate, batch, count):
        """Move the weights of the `batch` units of the largest gains by γ C⁻¹ Δ, new ones among
        them as long as there are fewer than `count`.

        Returns:
            Their numbers, -1 of one that may not be moved, and gains.
        """
        promised = gains(difference, self.curvature)
        room = count - tf.cast(tf.reduce_sum(self.active), tf.int32)
        promised = tf.where((room > 0) | (self.active > 0), promised, -1.0)
        best, chosen = tf.math.top_k(promised, min(batch, self.units.count))
        new = tf.cast(tf.gather(self.active, chosen) == 0, tf.int32)
        moved = (best > 0) & ((new == 0) | (tf.cumsum(new) <= room))
        step = tf.gather(ascent(difference, self.curvature), chosen)
        step = rate * tf.where(moved[:, None], step, 0.0)
        self.active.assign(tf.tensor_scatter_nd_max(
            self.active, chosen[:, None], tf.cast(moved, tf.float32)))  # fmt: skip
        self.units.assign(tf.tensor_scatter_nd_add(self.units.weights(), chosen[:, None], step))
        return tf.where(moved, chosen, -1), best


def _zeros(*shape):
    return tf.Variable(tf.zeros(shape), trainable=False)


def _marked(mask, chosen, value):
    mask = mask.copy()
    mask[np.asarray(chosen, int)] = value
    return mask

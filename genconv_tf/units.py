"""What a sparse FRAME model selects among: filters, or filters at positions (FRAME section 3.2).

f is linear in the weights of the layer on a bank, f(x; w) = Σ_u ⟨w_u, H_u(x)⟩. A unit u is a filter
F_k, H_u = Σ_x [F_k * I](x), where the top has a kernel of 1 (the stationary model, eq. 10), and a
filter at a position, H_u = [F_k * I](x), where its kernel is `"full"` (the non-stationary one,
eq. 9). It has one weight, or one for each bin where responses are histograms (eq. 5).

All here is per sample of the signal (a pixel, or what a level has of them): with H/|D| of a signal
of |D| samples, called its features, log p per sample has the gradient Δ = observed - expected
features, and minus its second derivative is the curvature |D| Cov(H/|D|).
"""

import itertools
import math

import numpy as np
import tensorflow as tf

from genconv_tf import linear_filters
from genconv_tf.layers import per_axis

# At most so many blocks along an axis, each as long as the receptive field or longer, whose means
# are taken for independent: a stationary model has few chains to tell a variance by.
BLOCKS = 4

# This share of a unit's curvature is the mean over its layer of filters: of a dozen chains, some
# unit among thousands always varies far less than it should, or not at all.
POOLED = 0.1


class Units:
    """The units of one level.

    Args:
        network: a built `ScoringNetwork` on a bank, with a single linear filter on every tap, of
            kernel 1 or `"full"`.

    Attributes:
        count: number of units.
        bins: weights of each.

    Raises:
        ValueError: another network.
    """

    def __init__(self, network):
        self.network, self.positional = network, _positional(network)
        self.taps = [network.after[top] for top in network.tops]
        self.kernels = [network.kernels[top] for top in network.tops]
        specs = [network.specs[tap] for tap in self.taps]
        bins = {spec.bins if spec.operation == "bins" else 1 for spec in specs}
        if len(bins) > 1:
            raise ValueError(f"Expected as many bins on every tap. Received: {sorted(bins)}")
        (self.bins,) = bins
        self.counts = [math.prod(kernel.shape) // self.bins for kernel in self.kernels]
        self.count = sum(self.counts)

    def weights(self):
        """w, `(units, bins)`: of one tap after the other, positions first, then filters."""
        return tf.concat([tf.reshape(kernel, [-1, self.bins]) for kernel in self.kernels], 0)

    def assign(self, weights):
        """Put `weights`, as `weights()` has them, into the network."""
        for part, kernel in zip(tf.split(weights, self.counts), self.kernels):
            kernel.assign(tf.reshape(part, kernel.shape))

    def features(self, x, boundary=None):
        """H/|D| of every signal: `(batch, units, bins)` from `x`, `(batch, *spatial, channels)`."""
        size = math.prod(x.shape[1:-1])
        return tf.concat(
            [self._means(h, i, size) for i, h in enumerate(self._maps(x, boundary))], 1
        )

    def moments(self, x, boundary=None):
        """The features of chains and the curvature that their model has.

        A stationary model has few chains. The variance of a mean over |D| samples is that over a
        block of |b| of them times |b|/|D| where blocks are longer than responses are correlated,
        so that the curvature |D| Cov is |b| Cov of the means over blocks. That |D| falls out of it
        is also why it fits data of another size than the chains'. What is correlated over longer
        distances than a block is missed. A non-stationary model has its chains alone.

        Args:
            x: `(chains, *spatial, channels)`.

        Returns:
            `(chains, units, bins)`, and `(units, bins, bins)`: the covariances between the bins of
            each unit; those between units are not estimated.
        """
        whole, features, curvature = math.prod(x.shape[1:-1]), [], []
        for i, h in enumerate(self._maps(x, boundary)):
            means, size = self._means(h, i, whole), whole
            features.append(means)
            if not self.positional:
                counts = self._blocks(h.shape[1:-1], i)
                size = math.prod(n // c for n, c in zip(h.shape[1:-1], counts)) * self._cell(i)
                means = self._means(block_means(h, counts), i, size)
            apart = means - tf.reduce_mean(means, 0)
            degrees = max(means.shape[0] - 1, 1)
            own = size / degrees * tf.einsum("nub,nuc->ubc", apart, apart)
            curvature.append((1 - POOLED) * own + POOLED * tf.reduce_mean(own, 0, keepdims=True))
        return tf.concat(features, 1), tf.concat(curvature, 0)

    def describe(self, unit):
        """The name of unit number `unit`, and of a positional one the sample of its centre."""
        starts = [0, *itertools.accumulate(self.counts)]
        i = next(i for i in range(len(self.counts)) if unit < starts[i + 1])
        kernel, tap = self.kernels[i], self.taps[i]
        *place, k = np.unravel_index(
            unit - starts[i], (*kernel.shape[:-2], kernel.shape[-2] // self.bins)
        )
        about = {"name": self._names(i)[k]}
        if self.positional:
            field = self.network.fields[tap]
            axes = zip(place, field.extent, field.jump, field.reach, self.network.boundaries)
            about["position"] = [
                int(p * j + (e - 1) // 2 - (first if edge != "valid" else 0))
                for p, e, j, (first, _), edge in axes
            ]
        return about

    def _names(self, i):
        """What the filters of tap number `i` are called."""
        config, filters = self.network.bank.config, self.kernels[i].shape[-2] // self.bins
        if config.get("filters") != "linear":
            return [f"{config['layers'][i]} filter {k}" for k in range(filters)]
        own = linear_filters.names(**{k: v for k, v in config.items() if k != "filters"})[i]
        channels = filters // len(own)
        if channels == 1:
            return own
        return [f"{name}, channel {c}" for c in range(channels) for name in own]

    def _maps(self, x, boundary):
        responses = self.network.responses(x, boundary)
        return [tf.cast(responses[tap], tf.float32) for tap in self.taps]

    def _means(self, h, i, size):
        """What responses `h` of tap number `i` to signals of `size` samples add to H/|D|."""
        cells = self._cell(i), self._cell(-1)
        if self.positional:
            scale = cells[0] / cells[1] / size
        else:
            h, scale = tf.reduce_mean(h, range(1, len(h.shape) - 1)), 1 / cells[1]
        return scale * tf.reshape(h, [-1, self.counts[i], self.bins])

    def _cell(self, i):
        """Samples between two positions of tap number `i`, along all axes."""
        return math.prod(self.network.fields[self.taps[i]].jump)

    def _blocks(self, lengths, i):
        """Blocks along every axis of a map of `lengths`."""
        jump, extent = self.network.fields[self.taps[i]].jump, self.network.field.extent
        return [min(BLOCKS, max(1, n * j // e)) for n, j, e in zip(lengths, jump, extent)]


def block_means(h, counts):
    """Means of `h`, `(batch, *positions, channels)`, over `counts` blocks along every axis:
    `(batch · blocks, 1, …, channels)`. What is left over at an end is left out."""
    rank, shape = len(counts), [h.shape[0]]
    lengths = [n // c for n, c in zip(h.shape[1:-1], counts)]
    h = h[(slice(None), *(slice(n * c) for n, c in zip(lengths, counts)))]
    for n, c in zip(lengths, counts):
        shape += [c, n]
    h = tf.reduce_mean(tf.reshape(h, [*shape, h.shape[-1]]), range(2, 2 * rank + 1, 2))
    return tf.reshape(h, [-1, *[1] * rank, h.shape[-1]])


def _positional(network):
    """Whether units have positions; a `ValueError` if the network has no units."""
    if network.bank is None:
        raise ValueError("Expected a model on a bank of given filters. Received: one without bank")
    top, full = network.own[0], ("full",) * network.rank
    single = len(network.own) == 1 and top.filters == 1 and not top.relu
    if not single or per_axis(top.kernel, network.rank, "kernel") not in ((1,) * len(full), full):
        raise ValueError('Expected one layer on the bank, {filters = 1, kernel = 1 or "full", '
                         f"relu = false}}. Received: {list(network.own)}")  # fmt: skip
    return top.kernel == "full" or top.kernel == full

"""Several models as one: the density whose log is the weighted sum of theirs, a product of experts.

Its gradient is the weighted sum of theirs, so a Langevin step of the blend is the weighted mean of
the steps that the models take from the same place with the same noise. The weights may differ from
place to place, which puts one model's texture here and another's there. (G. Hinton, "Training
products of experts by minimizing contrastive divergence", 2002.)
"""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from genconv_tf import checks, guides, noise, pyramid, sizes
from genconv_tf.data.preprocessing import Preprocessing
from genconv_tf.langevin import run
from genconv_tf.resample import downsample_to_multiple
from genconv_tf.rows import each_row


def blend(models, weights=None, guide=None, num=1, size=None, seed=0, steps=0, soften=4.0):
    """Sample afresh from several models at once.

    Args:
        num, seed, steps: as of `GenerativeConvNet.sample`. Where the models' own numbers of steps
            differ, all take the largest.
        models, weights, guide, size, soften: as of `drawer`.

    Returns:
        NumPy array of media, for images `(num, height, width, 3)` uint8.
    """
    return drawer(models, weights, guide, size, soften)(num, seed, steps)


def drawer(models, weights=None, guide=None, size=None, soften=4.0):
    """What samples from several models at once, compiled once.

    Args:
        models: `GenerativeConvNet`s of one rank, number of levels and factor. Their preprocessings
            may differ.
        weights: one number for each model, not negative and together 1; or a map of such numbers
            for each, `(models, *size)`. The same for all by default.
        guide: instead of weights, what `guides.weights` makes maps of: an image `(height, width,
            3)` uint8, or labels `(height, width)`, the number of a model at each place. It is
            scaled to the canvas; of a video it is that of every frame.
        size: lengths of the media; by default the first model's.
        soften: standard deviation in pixels by which the borders of a guide are softened.

    Returns:
        `draw(num=1, seed=0, steps=0, first=0)`, arguments as of `GenerativeConvNet.sample`, which
        returns media as `blend` does.
    """
    compiled = sampler_of(models)
    size = models[0].media_size if size is None else size
    size, *_ = (checks.check_sample(model, 1, size, 0) for model in models)
    if guide is not None:
        if weights is not None:
            raise ValueError("Expected weights or a guide. Received: both")
        weights = guides.weights(guide, len(models), size[-2:], soften)
        weights = weights.reshape(len(models), *[1] * (len(size) - 2), *weights.shape[1:])
    weights = check_weights(weights, len(models), size)
    if weights.size > len(models) and models[0].preprocessing.hop > 1:
        raise ValueError("Expected one weight for each model of subbands. Received: maps")
    size, weights = tf.constant(size), tf.constant(weights)

    def draw(num=1, seed=0, steps=0, first=0):
        checks.check_counts(num, steps, first)
        seeds = noise.row_seeds(seed, num, first)
        return compiled(seeds, size, weights, tf.constant(steps, tf.int32)).numpy()

    return draw


def sampler_of(models):
    """A compiled function of `seeds` (batch, 2), `size` (rank,), `weights` as `check_weights` gives
    them, and `steps` (): fresh media of the blend. Row i depends on seed i alone."""
    check_alike(models)
    space, channels, coordinates = coordinates_of(models)
    every_level = [level for model in models for level in model.levels]
    hop = models[0].preprocessing.hop

    @tf.function(reduce_retracing=True, autograph=False)
    def sample(seeds, size, weights, steps):
        if hop > 1:
            size = sizes.whole(every_level, -(-size // hop))
        levels = [
            BlendedLevel(levels, coordinates, downsample_to_multiple(weights, levels[0].factor))
            for levels in zip(*(model.levels for model in models))
        ]
        return each_row(
            lambda seeds: space.decode(pyramid.generate(levels, seeds, size, channels, steps)),
            seeds,
        )

    return sample


@dataclasses.dataclass(frozen=True, eq=False)
class BlendedLevel:
    """The same level of several models, sampled as one: what `pyramid.generate` needs of a `Level`.

    Args:
        levels: one `Level` of each model.
        coordinates: of each model, see `coordinates_of`.
        weights: `(models, *spatial, 1)`, of this level's size or of length 1.
    """

    levels: tuple
    coordinates: tuple
    weights: tf.Tensor

    @property
    def factor(self):
        return self.levels[0].factor

    def size(self, size):
        return self.levels[0].size(size)

    def start(self, seeds, size, channels, below=None):
        """As of `Level`: a mean of the models' own noise, or the upsampled chains `below`."""
        if below is not None:
            return self.levels[0].start(seeds, size, channels, below)
        started = [level.start(seeds, size, self._most) for level in self.levels]
        return self._mean(s[..., : c.channels] for s, c in zip(started, self.coordinates))

    def count(self, steps=None, fresh=False):
        """As of `Level`: the most of any model."""
        counts = [tf.convert_to_tensor(level.count(steps, fresh)) for level in self.levels]
        return tf.reduce_max(tf.stack(counts))

    def langevin(self, x, seeds, steps=None, mask=None, fresh=False, begun=0.0, until=None):
        """As of `Level`. Each model moves the chains in its own coordinates, with its own step
        size, temperature and bounds; of the noise of the most channels it takes the first."""
        steps = self.count(steps, fresh)
        movers = [level.mover(seeds, steps, self._most) for level in self.levels]

        momentum = any(level.sampler.momentum for level in self.levels)

        def move(t, x, before):
            pairs = zip(movers, self.coordinates)
            return self._mean(m(t, c.into(x), c.into(before) if momentum else None)
                              for m, c in pairs)  # fmt: skip

        begin, end = pyramid.first_step(steps, begun), pyramid.last_step(steps, until)
        moved = run(move, x, end, mask, begin, momentum)
        if all(level.calibration is None for level in self.levels):
            return moved
        return pyramid.finished(self.calibrated, moved, x, mask, steps, until)

    def calibrated(self, x):
        """As of `Level`: the mean of what each model makes of `x`."""
        pairs = zip(self.levels, self.coordinates)
        return self._mean(level.calibrated(c.into(x)) for level, c in pairs)

    @property
    def _most(self):
        return max(c.channels for c in self.coordinates)

    def _mean(self, each):
        """The weighted mean of signals in the coordinates of each model, in those of the chains."""
        parts = [w * c.out(x) for w, c, x in zip(tf.unstack(self.weights), self.coordinates, each)]
        return functools.reduce(tf.add, parts)


@dataclasses.dataclass(frozen=True, eq=False)
class Coordinates:
    """A model's x, as media are `offset + x · matrix`; without a matrix the chains' own.

    Args:
        channels: of x.
        matrix: `(channels, channels of the media)`.
        offset: `(channels of the media,)`.
    """

    channels: int
    matrix: np.ndarray | None = None
    offset: np.ndarray | None = None

    def into(self, media):
        """Media to x, leaving out what x cannot say (the pseudo-inverse)."""
        if self.matrix is None:
            return media
        inverse = np.linalg.pinv(self.matrix).astype(np.float32)
        return tf.tensordot(media - self.offset.astype(np.float32), inverse, 1)

    def out(self, x):
        """x to media, neither rounded nor clipped."""
        if self.matrix is None:
            return x
        return tf.tensordot(x, self.matrix.astype(np.float32), 1) + self.offset.astype(np.float32)


def coordinates_of(models):
    """Where the chains of a blend live.

    Returns:
        (preprocessing, channels, coordinates): of the chains, and of each model. The chains are the
        models' own x where these agree, else media.
    """
    first = models[0].preprocessing
    if all((m.preprocessing, m.channels) == (first, models[0].channels) for m in models):
        return first, models[0].channels, (Coordinates(models[0].channels),) * len(models)
    if any(m.preprocessing.subbands for m in models) or any(
        np.ndim(m.preprocessing.mean) > 1 for m in models
    ):
        raise ValueError("Expected models of the same subbands or mean image. Received: others")
    places = [m.preprocessing.affine(m.channels) for m in models]
    names = ("low", "high", "dtype", "rate")
    space = Preprocessing(**{name: getattr(first, name) for name in names})
    parts = [Coordinates(m.channels, **place) for m, place in zip(models, places)]
    return space, first.media_channels(models[0].channels), tuple(parts)


def check_alike(models):
    """Raise a `ValueError` unless the models can be blended."""
    if not models:
        raise ValueError("Expected at least one model. Received: none")

    def same(what, values):
        if any(value != values[0] for value in values):
            raise ValueError(f"Expected models of the same {what}. Received: "
                             f"{', '.join(map(str, values))}")  # fmt: skip

    same("rank", [m.rank for m in models])
    same("number of levels", [len(m.levels) for m in models])
    same("factor", [m.levels[0].factor for m in models])
    same("boundary", [m.finest.network.torus for m in models])
    processed = [m.preprocessing for m in models]
    same("channels of media", [p.media_channels(m.channels) for p, m in zip(processed, models)])
    same("range of media", [(p.low, p.high, p.dtype) for p in processed])
    if any(m.sampler.adjusted for m in models):
        raise ValueError("Expected samplers without Metropolis steps. Received: adjusted")


def check_weights(weights, count, size):
    """Weights as `(count, *lengths, 1)` float32, each length that of `size` or 1."""
    weights = np.full(count, 1 / count) if weights is None else np.asarray(weights, np.float64)
    if weights.shape == (count,):
        weights = weights.reshape(count, *[1] * len(size))
    if weights.ndim != len(size) + 1 or len(weights) != count:
        raise ValueError(f"Expected {count} weights, or a map for each. "
                         f"Received: {weights.shape}")  # fmt: skip
    if any(n not in (1, m) for n, m in zip(weights.shape[1:], size)):
        raise ValueError(f"Expected maps of {tuple(size)}. Received: {weights.shape[1:]}")
    total = weights.sum(0)
    if not (weights.min() >= 0 and np.abs(total - 1).max() < 0.01):
        raise ValueError(f"Expected weights of at least 0 that sum to 1. Received: "
                         f"{weights.min():.3g} and more, with sums of {total.min():.3g} to "
                         f"{total.max():.3g}")  # fmt: skip
    return (weights / total)[..., None].astype(np.float32)

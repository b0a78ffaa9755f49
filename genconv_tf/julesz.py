"""The Julesz ensemble (FRAME appendix B): images whose statistics are those observed, not learned.

A FRAME model weighs the responses of given filters; what it matches as it learns are their means.
The ensemble of all images that match them (eq. 31) is sampled here without learning a weight:
p(x) ∝ exp(-Σ Δ²/T), by Langevin dynamics while T falls, or at T = 0 by descent. Each Δ, a statistic
less the observed one (eq. 32), is in standard errors: the observed standard deviation of what is
averaged, over the root of the number of positions of the signal. At T = 1 the statistics are about
as far off as those of so many independent positions would be. Responses behind strides are fewer
than the signal's positions; each counts for all of those that it stands for, so that coarse layers,
which have most to say of structure, weigh as much as fine ones.

Below a top layer that covers the signal whole, the responses of each position are averaged over a
batch of images instead (eq. 30), which are sampled together.
"""

import dataclasses
import functools
import math

import numpy as np
import tensorflow as tf

from genconv_tf import colouring, noise, pyramid, sizes
from genconv_tf.descent import minimise
from genconv_tf.langevin import langevin
from genconv_tf.statistics import check, observe, of_level, statistics

__all__ = ["ANNEALED", "STEPS", "Ensemble", "Matching", "check", "observe", "sample", "statistics"]

STEPS = 300  # of each level
ANNEALED = (10.0, 0.0)  # temperatures
COOLED = 100.0  # times colder than at first are the chains that a descent to T = 0 takes over
FIRST = 0.1  # of the spread of the data: the first change that the descent tries
# Langevin steps e over √(2 / largest curvature), and how often its estimate is refined.
CAUTION, REFINED = 0.7, 12


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """Samples, and how well they match.

    Attributes:
        media: `(num, *size, channels)`, for images uint8.
        errors: of each level, coarse to fine, a list of dicts, one for each statistic: what it is
            of, `"responses"` or `"squares"`; the `receptive_field` of the responses, in samples of
            their level; `relative_error`, the length of Δ over that of the observed statistic (over
            1 where that is 0), a mean over samples; `standard_errors`, the root mean square of Δ in
            these. At the finest level they are those of the media, rounded as they are.
    """

    media: np.ndarray
    errors: list


def sample(model, data, num=1, size=None, seed=0, steps=STEPS, temperature=0.0, progress=None):
    """Sample the Julesz ensemble of data; what weights the model has makes no difference.

    Level by level as `pyramid.generate_levels`, each from the upsampled sample of the one below and
    noise in place of the detail that it lacks.

    Args:
        model: a `GenerativeConvNet` on a bank.
        data: `(batch, *spatial, channels)` as the model sees it, or batches, see `observe`.
        num: number of samples.
        size: lengths of the media, one int or one per axis; the model's by default.
        seed: int. Sample i is the same whatever `num` is, unless a layer covers the signal whole.
        steps: of each level; a list gives each its own. Descent and Langevin dynamics share them.
        temperature: T, 0 for the descent alone; or (first, last), with a geometric sequence between
            them. A last one of 0 is reached by another descent.
        progress: called with the number of steps done and that of all.

    Returns:
        An `Ensemble`.

    Raises:
        ValueError: no bank, a top that is not linear in its weights, data smaller than a receptive
            field, an unfit size, or a temperature below 0 or too high for the steps to follow.
    """
    temperature = _temperatures(temperature)
    steps = _checked(model, num, steps, *temperature)
    observed = observe(model, data)
    size = _size(model, size, observed[-1].size)
    together = any(sizes.covered(model.levels))
    matchings = [Matching(*pair, together) for pair in zip(model.levels, observed)]
    seeds = noise.row_seeds(seed, num)
    groups = [seeds] if together else [seeds[i : i + 1] for i in range(num)]
    tick = _counter(progress, len(groups) * sum(steps))
    media, errors = [], []
    for rows in groups:
        samples = []
        for i, matching in enumerate(matchings):
            row, level = noise.fold(rows, i), matching.level
            below = samples[-1] if samples else None
            start = matching.start(row, level.size(size), model.channels, below)
            samples.append(matching.run(start, row, steps[i], temperature, tick))
        media.append(model.preprocessing.decode(samples[-1]))
        samples[-1] = model.preprocessing.encode(media[-1])
        errors.append([one.errors(x) for one, x in zip(matchings, samples)])
    mean = [np.mean(each, axis=0) for each in zip(*errors)]
    reports = [one.report(each) for one, each in zip(matchings, mean)]
    return Ensemble(tf.concat(media, 0).numpy(), reports)


class Matching:
    """The statistics of a level, and what brings them to those observed.

    Args:
        level: a `Level`.
        observed: its `Observed`.
        together: whether the images of a batch match on average (eq. 30), or each by itself.
    """

    def __init__(self, level, observed, together=False):
        self.level, self.observed, self.together = level, observed, together
        self.bounds = level.bounds if level.sampler.bounded else None
        # Roots of the spectra of the data and of what the level below lacks, by the size.
        self._root, self._detail = (
            functools.cache(functools.partial(colouring.root, each))
            for each in (observed.covariance, observed.detail)
        )
        self._value_and_slope = tf.function(self._slope, autograph=False)
        self._chains = tf.function(self._langevin, autograph=False)
        self._curvature = tf.function(self._curved, autograph=False)

    def start(self, seeds, size, channels, below=None):
        """As of a `Level`, with noise of the spectrum that upsampled samples lack."""
        x = self.level.start(seeds, size, channels, below)
        return x if below is None else x + colouring.draw(seeds, self._detail(tuple(size)))

    def run(self, start, seeds, steps, temperature, tick=lambda count: None):
        """Samples `(batch, *spatial, channels)` from such a `start`.

        Args:
            seeds: `(batch, 2)` int32.
            steps: as of `sample`.
            temperature: (first, last), as of `sample`; (0, 0) for the descent alone.
            tick: called with the number of steps that were done since it was last.
        """
        first, last = temperature
        if not first:
            return self._descend(start, steps, tick)
        part = max(1, steps // (2 if last else 3))
        # From noise the slopes are so steep that Langevin steps, which must be short enough for the
        # steepest, would get nowhere: the chains begin where a descent ends.
        x = self._descend(start, part, tick)
        annealed = max(1, steps - part) if last else part
        x = self._anneal(x, seeds, annealed, (first, last or first / COOLED))
        tick(annealed)
        left = steps - part - annealed
        return self._descend(x, left, tick) if left > 0 else x

    def _descend(self, start, steps, tick):
        first = FIRST * max(self.observed.spread, float(tf.math.reduce_std(start)))
        root = self._root(tuple(start.shape[1:-1]))
        metric = functools.partial(colouring.coloured, root=root) if root.any() else None
        x, _ = minimise(self._value_and_slope, start, steps, first, self.bounds, tick, metric)
        return tf.constant(x)

    def _anneal(self, x, seeds, steps, temperature):
        most = 10 * (float(self.energy(x)) + temperature[0] * self.count(x))
        x = self._chains(x, seeds, steps, self.step_size(x), temperature)
        ended = float(self.energy(x))
        if not ended < most:
            raise ValueError("Expected a temperature that Langevin steps can follow. Received: "
                             f"{temperature[0]:g}, at which Σ Δ² grew to {ended:.3g}")  # fmt: skip
        return x

    def differences(self, x):
        """Δ of every statistic, in standard errors: a list of `(batch, …)`, of a batch of 1 where
        the images match on average."""
        units = zip(self.observed.deviations, self._positions(x))
        return [d * (n**0.5 / deviation) for d, (deviation, n) in zip(self._off(x), units)]

    def energy(self, x):
        """Σ Δ² over statistics and images."""
        return tf.add_n([tf.reduce_sum(tf.square(d)) for d in self.differences(x)])

    def count(self, x):
        """Number of Δ that are summed."""
        images = 1 if self.together else x.shape[0]
        return images * sum(math.prod(m.shape) for m in self.observed.means)

    def step_size(self, x):
        """e of the Langevin dynamics, from the largest curvature of Σ Δ² around x."""
        v = tf.random.stateless_normal(x.shape, (0, 0))
        for _ in range(REFINED):
            v = self._curvature(x, v / tf.norm(v))
        return CAUTION * tf.sqrt(2.0 / tf.norm(v))

    def errors(self, x):
        """Relative error and mean square of Δ of every statistic: an array `(statistics, 2)`."""
        lengths = [tf.norm(tf.reshape(d, [d.shape[0], -1]), axis=1) for d in self._off(x)]
        whole = [float(tf.norm(m)) or 1.0 for m in self.observed.means]
        relative = [float(tf.reduce_mean(d)) / m for d, m in zip(lengths, whole)]
        squares = [float(tf.reduce_mean(tf.square(d))) for d in self.differences(x)]
        return np.stack([relative, squares], -1)

    def report(self, errors):
        """What `Ensemble.errors` has of a level, from `errors`."""
        network = self.level.network
        fields = [network.fields[network.after[top]].extent for top in network.tops]
        of = [{"of": "responses", "receptive_field": field} for field in fields]
        return [
            {**what, "relative_error": float(relative), "standard_errors": float(square**0.5)}
            for what, (relative, square) in zip([*of, {"of": "squares"}], errors)
        ]

    def _off(self, x):
        """Statistics less the observed ones, in their own units."""
        found = of_level(self.level, x)
        if self.together:
            found = [tf.reduce_mean(s, 0, keepdims=True) for s in found]
        return [s - m for s, m in zip(found, self.observed.means)]

    def _positions(self, x):
        """Number of positions of the signal, of all images that match together, that each statistic
        averages."""
        images, network = x.shape[0] if self.together else 1, self.level.network
        free = [n for n, whole in zip(x.shape[1:-1], network.covered) if not whole]
        whole = images * math.prod(x.shape[1:-1])
        return [images * math.prod(free)] * len(network.tops) + [whole]

    def _slope(self, x):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            value = self.energy(x)
        return value, tape.gradient(value, x)

    def _curved(self, x, v):
        """The Hessian of Σ Δ² times v; it is 2 JᵀJ, because responses are piecewise linear."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            along = tf.reduce_sum(self._slope(x)[1] * v)
        return tape.gradient(along, x)

    def _langevin(self, x, seeds, steps, step_size, temperature):
        def gradient(x):
            return -self._slope(x)[1]

        return langevin(gradient, x, seeds, steps, step_size, temperature, bounds=self.bounds)


def _temperatures(temperature):
    """(first, last); (0, 0) for a temperature of 0."""
    pair = temperature if isinstance(temperature, (tuple, list)) else (temperature,) * 2
    if len(pair) != 2 or not all(0 <= t < math.inf for t in pair) or pair[1] > pair[0] == 0:
        raise ValueError("Expected a temperature of 0 or more, or a first and a last one. "
                         f"Received: {temperature!r}")  # fmt: skip
    return tuple(float(t) for t in pair)


def _checked(model, num, steps, first, last):
    """The steps of each level."""
    if not isinstance(num, int) or num < 1:
        raise ValueError(f"Expected num >= 1. Received: {num!r}")
    steps = pyramid.per_level(steps, len(model.levels))
    # A descent, Langevin steps where there is a temperature, and a descent to 0 from there.
    least = 1 + (first > 0) + (first > 0 and not last)
    if any(not isinstance(n, int) or n < least for n in steps):
        raise ValueError(f"Expected steps >= {least}. Received: {steps!r}")
    return steps


def _size(model, size, observed):
    """Lengths of the media."""
    size = sizes.lengths(model.media_size if size is None else size, model.rank)
    only = model.preprocessing.only_size(sizes.only_size(model.levels, observed))
    return sizes.check_size(model.least_size, size, only)


def _counter(progress, total):
    """A function that adds up the steps of its calls for `progress`."""
    done = 0

    def tick(count):
        nonlocal done
        done += count
        if progress:
            progress(done, total)

    return tick

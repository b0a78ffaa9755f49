"""A pyramid of levels, coarse to fine; a plain model is a pyramid of one level.

Every level has a scoring function of its own. Its chains start from the upsampled sample of the
level below, those of the coarsest level from noise: the multi-grid sampling of R. Gao et al.,
"Learning generative ConvNets via multi-grid modeling and sampling" (CVPR 2018).
"""

import contextlib
import dataclasses
import functools

import numpy as np
import tensorflow as tf

from genconv_tf import noise
from genconv_tf.blocks import sweep
from genconv_tf.calibration import Calibration
from genconv_tf.energy import Reference, energy
from genconv_tf.langevin import mover, run
from genconv_tf.metropolis import adjusted_langevin
from genconv_tf.network import ScoringNetwork
from genconv_tf.resample import downsample, downsample_to_multiple, upsample
from genconv_tf.sampler import Sampler


@dataclasses.dataclass(frozen=True, eq=False)
class Level:
    """One level: a scoring function and how its density is sampled.

    Args:
        network: f, a `ScoringNetwork`; of a pyramid of one level any callable
            `(batch, *spatial, channels) -> (batch,)`.
        reference: q, a `Reference`.
        factor: how many samples of the finest level one of this level stands for, per axis.
        sampler: a `Sampler` with one value for each setting.
        bounds: (least, largest) values of the signal per channel, for a bounded sampler.
        averages: (mean, root) of what signals average over positions, for a sampler that starts
            from it; `None` where it is not known.
        calibration: a `Calibration`, of a calibrated sampler.
        like: a level of the same layers, reference and bounds, whose graph of a step is this one's
            too; `None` for its own.
    """

    network: ScoringNetwork
    reference: Reference
    factor: tuple
    sampler: Sampler
    bounds: tuple | None = None
    averages: tuple | None = None
    calibration: Calibration | None = None
    like: "Level | None" = None

    def size(self, size):
        """Lengths at this level of a signal of `size` at the finest."""
        return [-(-size[axis] // f) for axis, f in enumerate(self.factor)]

    def score(self, x):
        """f(x), `(batch,)`."""
        return self.network(x)

    def sweep(self, x, update):
        """`x` made anew of ∂ log p / ∂x, in blocks where it is large; `update` as of
        `blocks.sweep`."""

        def pulled(part, gradient, rows):
            return update(part, gradient - self.reference.pull(part), rows)

        return sweep(self.network, x, pulled)

    def gradient(self, x):
        """∂ log p / ∂x."""
        return self.sweep(x, lambda part, gradient, rows: gradient)

    def log_density(self, x):
        """log p up to a constant, `(batch,)`."""
        return -energy(self.network, self.reference, x)

    def start(self, seeds, size, channels, below=None):
        """Chains to start from: `(batch, *size, channels)`.

        Args:
            seeds: `(batch, 2)` int32.
            size: lengths at this level.
            channels: number of channels.
            below: the chains of the coarser level, or `None` at the coarsest.
        """
        if below is not None:
            return upsample(below, size, torus=self.network.torus)
        shape = [*(size[axis] for axis in range(len(self.factor))), channels]
        if self.sampler.start == "zero":
            return tf.zeros([tf.shape(seeds)[0], *shape])
        if self.sampler.start == "mean":
            mean, root = self.averages or (0.0, self.sampler.start_std * np.eye(channels))
            x = mean + tf.matmul(noise.normal(seeds, [len(root)], iteration=-1), np.float32(root))
            x = tf.reshape(x, [-1, *[1] * len(self.factor), channels])
            return tf.broadcast_to(x, [tf.shape(seeds)[0], *shape])
        return self.sampler.start_std * noise.normal(seeds, shape, iteration=-1)

    def langevin(self, x, seeds, steps=None, mask=None, fresh=False, begun=0.0, until=None):
        """Run the chains `x`; `steps` of `None` or 0 are the level's own, of a `fresh` sample or of
        a chain that goes on. `begun`: which share of them, the first, is left out. `until`: how
        many are taken before the chains stop, `None` for all. Those that have taken all are
        calibrated."""
        moved = self.advance(x, seeds, steps, mask, fresh, begun, until)[0]
        if self.calibration is None:
            return moved
        return finished(self.calibration, moved, x, mask, self.count(steps, fresh), until)

    def calibrated(self, x):
        """`x` with the spectrum and the values of the data; of a plain sampler as it is."""
        return x if self.calibration is None else self.calibration(x)

    def advance(self, x, seeds, steps=None, mask=None, fresh=False, begun=0.0, until=None):
        """As `langevin`, not calibrated: the chains, and which share of their steps each took,
        `(batch,)`."""
        steps = self.count(steps, fresh)
        begin, end = first_step(steps, begun), last_step(steps, until)
        if self.sampler.adjusted:
            how = (*self.schedules, mask, self.box, begin, end)
            return adjusted_langevin(self.log_density, x, seeds, steps, *how)
        known = x.shape.is_fully_defined()
        move = self.mover(seeds, steps) if known else self._shared_mover(seeds, steps)
        moved = run(move, x, end, mask, begin, bool(self.sampler.momentum))
        return moved, tf.ones(tf.shape(x)[:1])

    def mover(self, seeds, steps, channels=None):
        """One step as `langevin.mover` gives it."""
        how = self.box, self.sampler.momentum, channels
        return mover(self.sweep, seeds, steps, *self.schedules, *how)

    def _shared_mover(self, seeds, steps):
        """As `mover`, for chains of unknown size: the graph of the level that this one is like, or
        its own, with the settings and the weights of this one."""
        weights = None
        if isinstance(self.network, ScoringNetwork):
            weights = [tf.convert_to_tensor(w) for w in self.network.learned_weights()]
        # Numbers of pairs, which differ between levels, are tensors as exact as they are.
        schedules = [
            tuple(tf.constant(n, tf.float64) for n in pair) if isinstance(pair, tuple) else pair
            for pair in self.schedules
        ]
        how = {"schedules": schedules, "momentum": self.sampler.momentum, "weights": weights}
        steps = tf.convert_to_tensor(steps)
        return functools.partial((self.like or self)._move, seeds=seeds, steps=steps, **how)

    @tf.function(autograph=False)
    def _move(self, t, x, before, seeds, steps, schedules, momentum, weights):
        """One step of chains of unknown size, traced once for all graphs and levels that take it:
        each would hold the gradient of the whole and that of a square."""
        held = contextlib.nullcontext() if weights is None else self.network.holding(weights)
        with held:
            move = mover(self.sweep, seeds, steps, *schedules, self.box, momentum)
            return move(t, x, before)

    def count(self, steps=None, fresh=False):
        """Number of steps: `steps`, or the level's own for `None` or 0."""
        own = self.sampler.fresh_steps or self.sampler.steps if fresh else self.sampler.steps
        if steps is None or isinstance(steps, int):
            return steps or own
        return tf.where(steps > 0, steps, own)

    @property
    def schedules(self):
        """Step size and temperature: each a number, or a pair (first, last)."""
        s = self.sampler
        pairs = (s.step_size, s.final_step_size), (s.temperature, s.final_temperature)
        return [first if last is None else (first, last) for first, last in pairs]

    @property
    def box(self):
        """The bounds that chains are kept in; `None` without them."""
        return self.bounds if self.sampler.bounded else None


def finished(calibrate, moved, start, mask, steps, until):
    """Chains `moved` from their `start` and calibrated, if they have taken all of their `steps`."""

    def calibrated():
        x = calibrate(moved)
        return tf.ensure_shape(x if mask is None else start + mask * (x - start), moved.shape)

    return calibrated() if until is None else tf.cond(until >= steps, calibrated, lambda: moved)


def first_step(steps, begun):
    """Number of the first step of a chain that leaves out the share `begun` of its `steps`; it
    takes one at least."""
    if isinstance(begun, float) and begun == 0:
        return 0
    left = tf.cast(tf.round(begun * tf.cast(steps, tf.float32)), tf.int32)
    return tf.minimum(left, steps - 1)


def last_step(steps, until):
    """Number of the step that chains of `steps` stop before, those of an `until` of `None` at the
    end."""
    return steps if until is None else tf.clip_by_value(until, 0, steps)


def make_levels(count, factor, network, seed, reference, sampler, preprocessing, size, channels):
    """The levels of a pyramid, coarse to fine, with their weights: a tuple of `Level`.

    Args:
        count: number of levels.
        factor: ratio of size between two levels, one int per axis.
        network: arguments of the `ScoringNetwork` of each level; its `layers` as `layers_of` takes
            them, its `weight_scale` one number or one for each level.
        seed: of the weights of the coarsest; each level has one of its own.
        reference: as for a `Level`.
        sampler: a `Sampler`, whose lists have one value for each level.
        preprocessing: of the media, which has bounds and says how samples are calibrated.
        size: lengths of the signal in training, at the finest level.
        channels: of the signal.
    """
    if min(factor) < 1:
        raise ValueError(f"Expected a factor >= 1 between two levels. Received: {tuple(factor)}")
    settings = dataclasses.asdict(sampler)
    layers = layers_of(network["layers"], count)
    scales = per_level(network["weight_scale"], count)

    def scoring_network(i):
        own = {"layers": layers[i], "weight_scale": scales[i], "seed": seed + 1000 * i}
        return ScoringNetwork(**{**network, **own}, name=f"level_{i}")

    made = []
    for i in range(count):
        own = Sampler(**one_level(settings, i, count))
        shrunk = tuple(f ** (count - 1 - i) for f in factor)
        known = {"bounds": preprocessing.bounds(), "averages": preprocessing.averages_of_x()}
        level = Level(scoring_network(i), reference, shrunk, own, **known)
        level.network.build((None, *level.size(size), channels))
        like = next((m for m in made if m.network.is_like(level.network)), None)
        level = dataclasses.replace(level, like=like)
        if own.calibrated:
            coarser = [tuple(f**k for f in factor) for k in range(i, -1, -1)]
            how = channels, level.size(size), level.network.torus, coarser
            calibration = preprocessing.calibration(*how, name=f"calibration_{i}")
            level = dataclasses.replace(level, calibration=calibration)
        made.append(level)
    return tuple(made)


def generate(levels, seeds, size, channels, steps=None, known=None, mask=None, first=0, begun=0.0,
             until=None):  # fmt: skip
    """Sample from noise at the coarsest level, or from signals at any, to the finest.

    Args:
        levels: sequence of `Level`, coarse to fine.
        seeds: `(batch, 2)` int32. Row i of the result depends on seed i alone.
        size: lengths at the finest level, ints or an int32 tensor `(rank,)`.
        channels: number of channels.
        steps: Langevin steps a level; `None` or 0 for the model's own.
        known: signals `(batch, *size, channels)` to recover, with `mask`; without it those that the
            chains of level `first` start from, averaged down to it.
        mask: `(batch, *size, 1)`, 1 where `known` is missing and is to be sampled given the rest
            (FRAME section 9.2), 0 where it is held.
        first: number of the level that the chains start at.
        begun: share of that level's steps, the first and warmest, that is left out.
        until: how many steps are taken in all, the coarse levels first, before the chains stop
            where they are; `None` for all.

    Returns:
        `(batch, *size, channels)` float32.
    """
    how = (steps, known, mask, first, begun, until)
    return generate_levels(levels, seeds, size, channels, *how)[-1]


def generate_levels(levels, seeds, size, channels, steps=None, known=None, mask=None, first=0,
                    begun=0.0, until=None):  # fmt: skip
    """As `generate`, but the samples of every level from `first` on, coarse to fine, as a list."""
    samples = []
    for i, level in list(enumerate(levels))[first:]:
        row, here = noise.fold(seeds, i), None
        goes_on = known is not None and mask is None and i == first
        if goes_on:
            x = downsample_to_multiple(known, level.factor)
        else:
            below = samples[-1] if samples else None
            x = level.start(row, level.size(size), channels, below=below)
        if mask is not None:
            # A coarse sample is held only where all that it stands for is known.
            given = downsample_to_multiple(known * (1.0 - mask), level.factor)
            weight = downsample_to_multiple(1.0 - mask, level.factor)
            here = tf.cast(weight < 1.0 - 1e-6, tf.float32)
            x = here * x + (1.0 - here) * given
        left = begun if i == first else 0.0
        samples.append(level.langevin(x, row, steps, here, not goes_on, left, until))
        until = None if until is None else until - level.count(steps, not goes_on)
    return samples


def entry(levels, strength):
    """Where chains start so that the share `strength` of `levels` is run, as (first, begun)."""
    if not 0 < strength <= 1:
        raise ValueError(f"Expected a strength above 0, at most 1. Received: {strength!r}")
    # A hair more, for strengths such as 1/3.
    left = (1 - strength) * levels + 1e-6
    first = min(int(left), levels - 1)
    return first, min(max(left - first - 1e-6, 0.0), 1.0)


def levels_of(data, levels):
    """What every level learns from: `data` averaged down, coarse to fine."""
    return [downsample(data, level.factor) for level in levels]


def layers_of(layers, levels):
    """The layers of each level: a list of lists gives each its own, one list gives all the same."""
    if not isinstance(layers, (tuple, list)):
        raise ValueError(f"Expected a list of layers. Received: {layers!r}")
    if not layers or not isinstance(layers[0], (tuple, list)):
        return [layers] * levels
    if len(layers) != levels:
        raise ValueError(f"Expected one list of layers or {levels}, one for each level. "
                         f"Received: {len(layers)}")  # fmt: skip
    return list(layers)


def one_level(settings, i, levels):
    """The settings of level i: a list has one value for each level."""
    return {name: per_level(value, levels)[i] for name, value in settings.items()}


def per_level(value, levels):
    """One value for each of `levels`: those of a tuple or list, or the same for all."""
    if not isinstance(value, (tuple, list)):
        return (value,) * levels
    if len(value) != levels:
        raise ValueError(f"Expected one value or {levels}, one for each level. Received: {value}")
    return tuple(value)

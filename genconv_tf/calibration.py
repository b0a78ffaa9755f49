"""Samples that have the values and the spectrum of the data, whatever f has not learned of them.

A short run of chains, of an f that is still being learned, leaves simple statistics some percent
off: there is a haze of the highest frequencies, too little of finer detail, a contrast that is a
little too weak. So the chains of a level are put, at the end of their steps, where two of their
statistics are those of the data: a rising curve corrects the values of each channel, then a short
linear filter the power spectrum. (The other way round the curve, steeper here than there, brings
back a haze.) Both are functions that are learned beside f, not made anew for each sample, so that
they mean the same for a sample of any size or for a part of one.

Before a level's own values and spectrum, those of its samples averaged down to the size of every
coarser level are put right, which the steps have moved since: a filter that is short at an eighth
of the size reaches far.

It is a step towards the images with the observed statistics, the Julesz ensemble, for statistics
where such a step has a closed form: D. Heeger and J. Bergen, "Pyramid-based texture analysis and
synthesis" (SIGGRAPH 1995); J. Portilla and E. Simoncelli, "A parametric texture model based on
joint statistics of complex wavelet coefficients" (IJCV 2000). The density p is that of f as before,
and f learns from its chains as they were before.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

from genconv_tf.graphs import shared_graph
from genconv_tf.parts import by_rows, shape_of, within
from genconv_tf.resample import downsample_to_multiple, upsample

KNOTS = 33  # of the curve of a channel
TAIL = 1e-3  # the quantile of the first of them, and as much less than 1 that of the last
# The quantiles of all, denser at both ends, where values are far apart; and the share of each.
QUANTILES = TAIL + (1 - 2 * TAIL) * np.sin(np.linspace(0, np.pi / 2, KNOTS, dtype=np.float32)) ** 2
SHARES = np.gradient(QUANTILES) / np.gradient(QUANTILES).sum()
REACH = 8  # samples: the longest that a filter reaches
WINDOW = 3 * REACH  # samples: of the parts of signals that the spectrum is measured on

# Corrections are for small faults; larger ones are for f to learn, and must not be hidden from it.
# Amplitudes are changed by no more than this factor, values by no more than this share of the
# standard deviation of the data's.
MOST_GAIN = 2.0
MOST_SHIFT = 0.25
FLOOR = 1e-6  # of the mean power: beneath it a frequency is as good as empty

MEMORY = 0.98  # of the running means over updates


class Calibration(keras.layers.Layer):
    """What corrects the samples of one level: a `Band` for each size, coarse to fine.

    Args:
        channels: of the signal.
        lengths: of the signal in training.
        torus: whether the signal goes on at the opposite side, for each axis; else its edge is
            repeated.
        factors: how many samples of this level one of a band stands for, per axis, coarse to fine;
            the last are ones.

    Call arguments:
        x: `(batch, *spatial, channels)` float32.

    Returns:
        `x` calibrated, of its shape.
    """

    beside_f = True  # learned at every update: the chains of a finer level start from these
    samples = 8  # of which it learns where f is learned already

    def __init__(self, channels, lengths, torus, factors=None, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.factors, self.torus = factors or [(1,) * len(lengths)], torus
        self.bands = []
        for factor in self.factors:
            averaged = [-(-n // f) for n, f in zip(lengths, factor, strict=True)]
            self.bands.append(Band(channels, averaged, torus, name=f"band_{len(self.bands)}"))
        self.built = True

    def call(self, x):
        for factor, band in zip(self.factors, self.bands):
            x = corrected(x, *band.values, factor, self.torus)
        return x

    def begin(self):
        """What `learn` remembers between two updates of a training: a variable of each band, see
        `Band.begin`."""
        return [band.begin() for band in self.bands]

    def learn(self, chains, observed, spectra, iteration):
        """Bring the running means of the statistics up to date; the `chains`, calibrated.

        Args:
            chains: `(batch, *spatial, channels)`, of any number and size.
            observed: what `observe` gives of the data at the size of each band.
            spectra: list of variables that `begin` made.
            iteration: int32 scalar, the number of updates so far: at 0, or of means that have
                just begun, what was before is forgotten.
        """
        parts = zip(self.factors, self.bands, observed, spectra, strict=True)
        for factor, band, seen, mean in parts:
            learn = functools.partial(band.learn, *seen, mean, iteration)
            chains = replaced(chains, factor, self.torus, learn)
        return chains

    def observe(self, data):
        """Quantiles and power spectrum of `data`, `(batch, *spatial, channels)`, of this level."""
        return quantiles(data), spectrum(data, self.bands[-1].window)


class Band(keras.layers.Layer):
    """The curves and the filter of one size; arguments as of a `Calibration`.

    A short axis has a filter that reaches less far.
    """

    def __init__(self, channels, lengths, torus, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.torus, self.rank = torus, len(lengths)
        self.window = [min(WINDOW, n) for n in lengths]
        self.reach = [min(REACH, n // 3) for n in self.window]

        def weight(name, value):
            init = keras.initializers.Constant(value)
            return self.add_weight(value.shape, init, trainable=False, aggregation="mean",
                                   name=name)  # fmt: skip

        same = np.zeros((*(2 * r + 1 for r in self.reach), channels), np.float32)
        same[tuple(self.reach)] = 1.0
        flat = np.zeros((channels, KNOTS), np.float32)
        self.taps = weight("taps", same)
        self.sampled, self.observed = weight("sampled", flat), weight("observed", flat)
        self.built = True

    @property
    def values(self):
        """The filter `(*lags, channels)`, and the quantiles `(channels, KNOTS)` of what is sampled
        and of what is observed: the tensors that `corrected` takes."""
        return [tf.convert_to_tensor(w) for w in (self.taps, self.sampled, self.observed)]

    def begin(self):
        """A variable for the running means of the power spectra of the chains and of the data,
        `(2, *window, channels)`."""
        shape = (2, *self.window, self.sampled.shape[0])
        mean = tf.VariableAggregation.MEAN
        return tf.Variable(tf.zeros(shape), trainable=False, aggregation=mean, name="spectra")

    def learn(self, observed, power, spectra, iteration, chains):
        """The `chains` after what is learned from them, and from quantiles and spectrum of the
        data; other arguments as of `Calibration.learn`."""
        t = tf.where(tf.reduce_any(spectra != 0), tf.cast(iteration, tf.float32), 0.0)
        # The mean of all updates at first, of the last fifty or so later on.
        keep = tf.minimum(MEMORY, t / (10.0 + t))
        for knots, now in ((self.sampled, quantiles(chains)), (self.observed, observed)):
            knots.assign(keep * knots + (1.0 - keep) * now)
        x = curved(chains, self.sampled.value, self.observed.value)
        now = tf.stack([spectrum(x, self.window), power])
        spectra.assign(keep * spectra + (1.0 - keep) * now)
        self.taps.assign(self._taps(*tf.unstack(spectra.value())))
        return tf.ensure_shape(filtered(x, self.taps.value, self.torus), chains.shape)

    def _taps(self, have, want):
        """The filter between two power spectra `(*window, channels)`: that of zero phase, tapered
        to what it reaches."""
        floor = FLOOR * tf.reduce_mean(want, range(self.rank), keepdims=True)
        gain = tf.clip_by_value(tf.sqrt((want + floor) / (have + floor)), 1 / MOST_GAIN, MOST_GAIN)
        taps = tf.math.real(_per_channel(FOURIER[self.rank][1], tf.cast(gain, tf.complex64)))
        for axis, (n, reach) in enumerate(zip(self.window, self.reach)):
            lag = np.arange(-reach, reach + 1)
            taper = np.float32(0.5 + 0.5 * np.cos(np.pi * lag / (reach + 1)))
            shape = [-1 if a == axis else 1 for a in range(self.rank + 1)]
            taps = tf.gather(taps, lag % n, axis=axis) * taper.reshape(shape)
        return taps


@shared_graph
def corrected(x, taps, sampled, observed, factor, torus):
    """`x`, whose averages over blocks of `factor` are corrected by the weights of a `Band`; large
    signals some rows at a time."""

    def curves(x):
        return curved(x, sampled, observed)

    def correct(x):
        return by_rows(lambda *rows: filtered(x, taps, torus, *rows, curves), shape_of(x))

    return replaced(x, factor, torus, correct)


def replaced(x, factor, torus, correct):
    """`x` with what the function `correct` makes of its averages over blocks of `factor`."""
    if max(factor) == 1:
        return correct(x)
    average = downsample_to_multiple(x, factor)
    return upsample(correct(average) - average, shape_of(x)[1:-1], torus, onto=x)


def filtered(x, taps, torus, begin=0, end=None, before=tf.identity):
    """Rows of `x` after the filter `(*lags, channels)`, from `begin` to `end` along the first axis,
    each of which was made by the function `before`.

    By way of the Fourier transform: a filter of three axes has thousands of taps, whose convolution
    takes three hundred times as long.
    """
    size = shape_of(x)
    for axis, sides in enumerate(torus, start=1):
        reach = taps.shape[axis - 1] // 2
        first, last = (begin, size[1] if end is None else end) if axis == 1 else (0, size[axis])
        index = within(tf.range(first - reach, last + reach), size[axis], sides)
        x = tf.gather(x, index, axis=axis)
        x = before(x) if axis == 1 else x
    forward, inverse = REAL_FOURIER[len(torus)]
    lengths = shape_of(x)[1:-1]
    waves = forward(_channels_first(x, 1), lengths)
    waves *= tf.math.conj(forward(_channels_first(taps, 0), lengths))
    y = inverse(waves, lengths)
    for axis, (n, lags) in enumerate(zip(lengths, taps.shape), start=2):
        y = tf.gather(y, tf.range(n - lags + 1), axis=axis)  # the others went round
    return tf.transpose(y, [0, *range(2, y.shape.rank), 1])


def curved(x, sampled, observed):
    """`x` after the curves: what is a quantile of `sampled` values, `(channels, KNOTS)`, becomes
    that of the `observed` ones."""
    mean = tf.reduce_sum(SHARES * observed, 1, keepdims=True)
    variance = tf.reduce_sum(SHARES * tf.square(observed - mean), 1, keepdims=True)
    most = MOST_SHIFT * tf.sqrt(variance)
    shift = tf.clip_by_value(observed - sampled, -most, most)
    parts = (tf.unstack(each) for each in (sampled, shift))
    values = map(interpolated, tf.unstack(x, axis=-1), *parts)
    return x + tf.stack(list(values), axis=-1)


FOURIER = {
    1: (tf.signal.fft, tf.signal.ifft),
    2: (tf.signal.fft2d, tf.signal.ifft2d),
    3: (tf.signal.fft3d, tf.signal.ifft3d),
}
REAL_FOURIER = {
    1: (tf.signal.rfft, tf.signal.irfft),
    2: (tf.signal.rfft2d, tf.signal.irfft2d),
    3: (tf.signal.rfft3d, tf.signal.irfft3d),
}


def spectrum(x, window):
    """Power spectrum: Hann windows that overlap by half (P. Welch, 1967), mean over all.

    Args:
        x: `(batch, *spatial, channels)`; an axis shorter than its window is filled with zeros.
        window: lengths of the windows.

    Returns:
        `(*window, channels)`, power per frequency, frequency 0 first; the mean does not count.
    """
    rank = len(window)
    x = x - tf.reduce_mean(x, range(rank + 1), keepdims=True)
    x = _channels_first(x, 1)
    for n in window:
        # Each axis becomes one of the windows among the leading ones, and one within them, last.
        length = min(n, x.shape[2])
        parts = tf.signal.frame(x, length, max(length // 2, 1), axis=2)
        hann = np.hanning(length + 2)[1:-1, *[None] * (rank - 1)]
        parts *= np.float32(hann / np.linalg.norm(hann))
        parts = tf.reshape(tf.transpose(parts, [0, 2, 1, *range(3, parts.shape.rank)]),
                           [-1, x.shape[1], *parts.shape[3:]])  # fmt: skip
        parts = tf.transpose(parts, [0, 1, *range(3, rank + 2), 2])
        x = tf.pad(parts, [(0, 0)] * (rank + 1) + [(0, n - length)])
    waves = FOURIER[rank][0](tf.cast(x, tf.complex64))
    power = tf.reduce_mean(tf.square(tf.abs(waves)), 0)
    return tf.transpose(power, [*range(1, rank + 1), 0])


def quantiles(x):
    """The `QUANTILES` of the values of each channel of `x`: `(channels, KNOTS)`."""
    values = tf.sort(tf.transpose(tf.reshape(x, [-1, x.shape[-1]])))
    last = tf.cast(tf.shape(values)[1] - 1, tf.float32)
    return tf.gather(values, tf.cast(tf.round(QUANTILES * last), tf.int32), axis=1)


def interpolated(x, at, values):
    """The function of `x` that is `values` at the rising numbers `at`, straight between them and
    constant beyond."""
    flat = tf.clip_by_value(tf.reshape(x, [-1]), at[0], at[-1])
    left = tf.clip_by_value(tf.searchsorted(at, flat) - 1, 0, at.shape[0] - 2)
    low, high, first, last = (tf.gather(v, i) for v in (at, values) for i in (left, left + 1))
    part = tf.math.divide_no_nan(flat - low, high - low)
    return tf.reshape(first + part * (last - first), tf.shape(x))


def _per_channel(transform, x):
    """A Fourier transform of `(*spatial, channels)`, of each channel."""
    moved = transform(_channels_first(x, 0))
    return tf.transpose(moved, [*range(1, x.shape.rank), 0])


def _channels_first(x, axis):
    """`x`, whose channels are its last axis, with them at `axis`."""
    rank = x.shape.rank
    return tf.transpose(x, [*range(axis), rank - 1, *range(axis, rank - 1)])

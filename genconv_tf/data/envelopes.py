"""Samples whose cochlear bands have the envelopes of the recording, band by band.

A frame of subbands has few bands, and its lowest bin is as wide as four bands of the ear. What f
learns of a loudness therefore says little of how rare and how strong the events of one band of the
ear are, and fresh samples have too few in one band and too many in the next. So a sound is put, at
the end of its steps, where the marginal distribution of each band's envelope is the recording's: a
rising curve, a gain for every strength of the envelope, corrects each band, and the bands are added
up again. As bands overlap, that is done twice, with curves of their own.

What is right of all samples together is not yet right of each: where one event in many seconds is
most of a moment, few samples have it, and the kurtosis of one sample is below that of the recording
in the mean. After the curves, powers of the envelopes bring it there.

The bands and their envelopes, and imposing the statistics of a recording on them, are those of
J. McDermott and E. Simoncelli, "Sound texture perception via statistics of the auditory periphery"
(Neuron, 2011). The curves take the place of a `Calibration` for sounds of subbands.
"""

import keras
import numpy as np
import tensorflow as tf

from genconv_tf.calibration import interpolated

BANDS, LOWEST, HIGHEST = 16, 80.0, 0.45  # bands from LOWEST Hz to HIGHEST of the rate
# Shares of the values below the knots of a curve, dense where the few events are.
QUANTILES = np.float32([*np.linspace(0.02, 0.9, 30)[:-1], *(1 - np.geomspace(0.1, 1e-5, 35))])
CURVES, POWERS = 2, 3  # passes: to the distribution of all samples, to the kurtosis of each
PASSES = CURVES + POWERS
MOST_POWER, HALVINGS = 2.0, 10
MOST_GAIN = 10.0
FLOOR = 1e-4  # of the mean envelope of the recording: what is weaker is as good as silent
EDGE = 0.1  # seconds at both ends of a recording, which is no torus, that do not count


class Envelopes(keras.layers.Layer):
    """What corrects the samples of a model of subbands: the curves of each band, for each pass.

    Args:
        subbands: the `Subbands` of the model.
        rate: samples a second.

    Call arguments:
        x: `(batch, frames, channels)` float32.

    Returns:
        `x` of the sound that is corrected, of its shape.
    """

    beside_f = False  # learned of fresh samples alone: during a training nothing stands on it
    samples = 24  # of which it learns: the rare events of eight are too few

    def __init__(self, subbands, rate, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.subbands, self.rate = subbands, rate

        def weight(name, *shape):
            init = keras.initializers.Constant(np.broadcast_to(QUANTILES, shape))
            return self.add_weight(shape, init, trainable=False, aggregation="mean", name=name)

        self.sampled = weight("sampled", PASSES, BANDS, len(QUANTILES))
        self.wanted = weight("wanted", PASSES, BANDS, len(QUANTILES))
        self.built = True

    def call(self, x):
        waves = self._waves(x)
        curves = (tf.unstack(tf.convert_to_tensor(w)) for w in (self.sampled, self.wanted))
        for sampled, wanted in zip(*curves):
            waves = corrected(waves, self.rate, sampled, wanted)
        return tf.ensure_shape(self.subbands.encode(waves[..., None]), x.shape)

    def begin(self):
        """Nothing is remembered between two updates of a training: an empty list."""
        return []

    def learn(self, chains, observed, spectra, iteration):
        """Learn all curves anew from `chains`, `(batch, frames, channels)`: these, corrected.

        Args:
            observed: a list of one, what `observe` gives of the data.
            spectra, iteration: as of `Calibration.learn`; nothing hangs on them.
        """
        (values, moments), waves = observed[-1], self._waves(chains)
        sampled, wanted = [], []
        for i in range(PASSES):
            sampled.append(quantiles(waves, self.rate))
            if i < CURVES:
                wanted.append(values)
            else:
                wanted.append(stretched(waves, self.rate, sampled[-1], moments))
            waves = corrected(waves, self.rate, sampled[-1], wanted[-1])
        self.sampled.assign(tf.stack(sampled))
        self.wanted.assign(tf.stack(wanted))
        return tf.ensure_shape(self.subbands.encode(waves[..., None]), chains.shape)

    def observe(self, data):
        """The `quantiles` and the `kurtosis` of the bands of recordings, of which `data`, `(batch,
        frames, channels)`, are x."""
        waves, edge = self._waves(data), round(EDGE * self.rate)
        return quantiles(waves, self.rate, edge), kurtosis(waves, self.rate, edge)

    def _waves(self, x):
        return self.subbands.decode(x)[..., 0]


def corrected(waves, rate, sampled, wanted):
    """Sounds whose envelopes had the quantiles `sampled` and get those `wanted`, as `quantiles`
    gives them, band by band: `(batch, samples)`. What no band holds stays as it is."""
    floor = FLOOR * tf.reduce_mean(wanted)
    gains = tf.clip_by_value((wanted + floor) / (sampled + floor), 1 / MOST_GAIN, MOST_GAIN)
    transformed = tf.signal.rfft(waves)

    def change(k, total):
        gain, band = _band(transformed, rate, tf.shape(waves)[-1], k)
        factor = interpolated(tf.abs(band), sampled[k], gains[k]) - 1.0
        more = tf.signal.fft(band * tf.cast(factor, band.dtype))[..., : tf.shape(total)[-1]]
        return k + 1, total + 0.5 * gain * more

    # One band after another: each takes several times the memory of the sound.
    total = tf.while_loop(lambda k, _: k < BANDS, change, (0, transformed),
                          parallel_iterations=1)[1]  # fmt: skip
    return tf.ensure_shape(tf.signal.irfft(total, tf.shape(waves)[-1:]), waves.shape)


def quantiles(waves, rate, edge=0):
    """The `QUANTILES` of the envelope of each band of sounds `(batch, samples)`, of all of them
    together, without `edge` samples at both ends: `(BANDS, len(QUANTILES))`."""

    def of(envelope, _):
        values = tf.sort(tf.reshape(envelope, [-1]))
        last = tf.cast(tf.size(values) - 1, tf.float32)
        return tf.gather(values, tf.cast(tf.round(QUANTILES * last), tf.int32))

    return _by_band(of, waves, rate, edge)


def kurtosis(waves, rate, edge=0):
    """Fourth standardised moment of the envelope of each band of sounds `(batch, samples)`, without
    `edge` samples at both ends, in the mean over sounds: `(BANDS,)`."""
    return _by_band(lambda envelope, _: _mean_kurtosis(envelope), waves, rate, edge)


def stretched(waves, rate, sampled, wanted):
    """The quantiles `sampled` of the bands of sounds `(batch, samples)`, to a power for each that
    leaves the root mean square of its envelope and brings its `kurtosis` to that `wanted`."""

    def of(envelope, k):
        size = tf.maximum(tf.sqrt(tf.reduce_mean(tf.square(envelope))), 1e-12)
        scaled = envelope / size
        low, high = tf.constant(1 / MOST_POWER), tf.constant(MOST_POWER)
        for _ in range(HALVINGS):
            power = tf.sqrt(low * high)
            below = _mean_kurtosis(scaled**power) < wanted[k]
            low, high = tf.where(below, power, low), tf.where(below, high, power)
        square = tf.reduce_mean(scaled ** (2 * power))
        return size * (sampled[k] / size) ** power / tf.sqrt(tf.maximum(square, 1e-12))

    return _by_band(of, waves, rate)


def _mean_kurtosis(envelope):
    deviation = envelope - tf.reduce_mean(envelope, -1, keepdims=True)
    variance = tf.reduce_mean(tf.square(deviation), -1)
    return tf.reduce_mean(tf.reduce_mean(deviation**4, -1) / tf.square(variance))


def _by_band(of, waves, rate, edge=0):
    """What the function `of` gives of the envelope of each band, `(batch, samples)`, and of its
    number: stacked."""
    transformed, length = tf.signal.rfft(waves), tf.shape(waves)[-1]

    def of_band(k):
        envelope = tf.abs(_band(transformed, rate, length, k)[1])[..., edge : length - edge]
        return of(envelope, k)

    return tf.map_fn(of_band, tf.range(BANDS), tf.float32, parallel_iterations=1)


def _band(transformed, rate, length, k):
    """Band k of sounds whose `rfft` is given: its gain at each frequency, and the analytic signal.

    Squares of the gains of all bands add up to 1 between the centres of the first and the last.
    """
    hertz = tf.range(tf.shape(transformed)[-1], dtype=tf.int32)
    hertz = tf.cast(hertz, tf.float32) * rate / tf.cast(length, tf.float32)
    centres = np.linspace(np.log(LOWEST), np.log(HIGHEST * rate), BANDS + 2, dtype=np.float32)
    place = tf.math.log(tf.maximum(hertz, 1e-9)) - tf.gather(centres, k + 1)
    width = 2.0 * (centres[1] - centres[0])
    gain = tf.cast(tf.cos(np.pi * tf.clip_by_value(place / width, -0.5, 0.5)), transformed.dtype)
    rest = length - tf.shape(transformed)[-1]
    analytic = tf.pad(2.0 * gain * transformed, [(0, 0), (0, rest)])
    return gain, tf.signal.ifft(analytic)

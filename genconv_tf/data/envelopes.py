"""Samples whose cochlear bands have the envelopes of the recording, band by band.

A frame of subbands has few bands, and its lowest bin is as wide as four bands of the ear. What f
learns of a loudness therefore says little of how rare and how strong the events of one band of the
ear are, and fresh samples have too few in one band and too many in the next. So a sound is put, at
the end of its steps, where the marginal distribution of each band's envelope is the recording's: a
rising curve, a gain for every strength of the envelope, corrects each band, and the bands are added
up again. As bands overlap, that is done twice, with curves of their own.

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
PASSES = 2
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

    def __init__(self, subbands, rate, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.subbands, self.rate = subbands, rate

        def weight(name, *shape):
            init = keras.initializers.Constant(np.broadcast_to(QUANTILES, shape))
            return self.add_weight(shape, init, trainable=False, aggregation="mean", name=name)

        self.sampled = weight("sampled", PASSES, BANDS, len(QUANTILES))
        self.observed = weight("observed", BANDS, len(QUANTILES))
        self.built = True

    def call(self, x):
        waves = self._waves(x)
        for sampled in tf.unstack(tf.convert_to_tensor(self.sampled)):
            waves = corrected(waves, self.rate, sampled, tf.convert_to_tensor(self.observed))
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
        waves, sampled = self._waves(chains), []
        for _ in range(PASSES):
            sampled.append(quantiles(waves, self.rate))
            waves = corrected(waves, self.rate, sampled[-1], observed[-1])
        self.sampled.assign(tf.stack(sampled))
        self.observed.assign(observed[-1])
        return tf.ensure_shape(self.subbands.encode(waves[..., None]), chains.shape)

    def observe(self, data):
        """The `quantiles` of recordings, of which `data`, `(batch, frames, channels)`, are x."""
        return quantiles(self._waves(data), self.rate, round(EDGE * self.rate))

    def _waves(self, x):
        return self.subbands.decode(x)[..., 0]


def corrected(waves, rate, sampled, observed):
    """Sounds whose envelopes had the quantiles `sampled` and get those `observed`, as `quantiles`
    gives them, band by band: `(batch, samples)`. What no band holds stays as it is."""
    floor = FLOOR * tf.reduce_mean(observed)
    gains = tf.clip_by_value((observed + floor) / (sampled + floor), 1 / MOST_GAIN, MOST_GAIN)
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
    transformed = tf.signal.rfft(waves)
    length = tf.shape(waves)[-1]

    def of_band(k):
        envelope = tf.abs(_band(transformed, rate, length, k)[1])[..., edge : length - edge]
        values = tf.sort(tf.reshape(envelope, [-1]))
        last = tf.cast(tf.size(values) - 1, tf.float32)
        return tf.gather(values, tf.cast(tf.round(QUANTILES * last), tf.int32))

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

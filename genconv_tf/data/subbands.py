"""Sounds as loudness and carriers of subbands, where rare events are not rare values.

In a waveform a crackle is a few samples far out in the tails of their distribution, and statistics
that sum over positions let a model spread its energy over all of them. Here it is a frame that is
loud in every band. The sound is whitened by its own mean spectrum and cut into overlapping frames
by an orthogonal transform (the MDCT of J. Princen, A. Johnson and A. Bradley, 1987). Each band of a
frame becomes its log energy, its *loudness*, mapped to a Gaussian by its quantiles, and what is
left when that is divided out, its *carriers*: the gain-shape coding of audio codecs, with the
envelopes that textures are heard by (J. McDermott and E. Simoncelli, Neuron, 2011) as coordinates.
The carriers of a noise are white noise of unit variance: the reference distribution itself.
"""

import dataclasses
import statistics

import numpy as np
import tensorflow as tf

LOUDNESS = 10.0  # standard deviation of a loudness in x; of a carrier it is 1, that of the noise
LARGEST_CARRIER = 6.0
LOWEST, BANDS, LEAST = 100 / 5512.5, 8, 2  # of a band's edges: of the highest frequency; bins
SPECTRUM, QUANTILES = 1025, 65  # points of the mean spectrum and of a loudness's distribution
SILENCE = 1e-6  # added to the mean power of a band, which is 1 on average


@dataclasses.dataclass(frozen=True)
class Subbands:
    """An invertible map of `(..., samples, 1)` to `(..., samples / hop, bands + hop)`.

    Signals are on a torus: the last frame overlaps the first.

    Args:
        hop: samples a frame, and bins in it.
        edges: of the bands, in bins, from 0 to `hop`.
        spectrum: mean amplitude from zero to the highest frequency, at equal steps.
        deviations: standard deviation of every bin of the whitened sound.
        loudness: quantiles of each band's loudness, `(bands, QUANTILES)`, rising.
        normal: the same quantiles of the standard normal distribution.
    """

    hop: int
    edges: tuple
    spectrum: tuple
    deviations: tuple
    loudness: tuple
    normal: tuple

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):
                rows = (tuple(v) if isinstance(v, list) else v for v in value)
                object.__setattr__(self, field.name, tuple(rows))

    @property
    def channels(self):
        return len(self.loudness) + self.hop

    def bounds(self):
        """Least and largest x, per channel."""
        ends = [self.normal[0] * LOUDNESS] * len(self.loudness) + [-LARGEST_CARRIER] * self.hop
        return np.float32(ends), -np.float32(ends)

    def encode(self, waves):
        """`(..., samples, 1)` float32, samples a multiple of `hop`, to x."""
        bins = self._bins(waves[..., 0])
        loudness = self._loudness(bins)
        carriers = bins / self._to_bins(tf.exp(loudness))
        x = _interpolate(loudness, self.loudness, [self.normal] * len(self.loudness))
        return tf.concat([LOUDNESS * x, carriers], -1)

    def decode(self, x):
        """The inverse of `encode`. Carriers have the loudness that x says, whatever they sum to."""
        bands = len(self.loudness)
        x, carriers = x[..., :bands] / LOUDNESS, x[..., bands:]
        loudness = _interpolate(x, [self.normal] * bands, self.loudness)
        gain = self._to_bins(tf.exp(loudness - self._loudness(carriers)))
        bins = carriers * gain * tf.constant(self.deviations, tf.float32)
        # Around the torus, so that what overlaps the two ends is whole.
        frames = tf.concat([bins[..., -1:, :], bins], -2)
        waves = tf.signal.inverse_mdct(frames, tf.signal.vorbis_window, norm="ortho")
        return self._filter(waves[..., self.hop : -self.hop])[..., None]

    def frames(self, mask):
        """Which frames overlap a masked sample: `(batch, samples)` to `(batch, samples / hop)`."""
        blocks = tf.reshape(mask, [tf.shape(mask)[0], -1, self.hop])
        touched = tf.reduce_max(blocks, -1)
        return tf.maximum(touched, tf.roll(touched, -1, -1))

    def _bins(self, waves):
        """The MDCT of whitened waves, every bin of unit variance."""
        white = self._filter(waves, whiten=True)
        white = tf.concat([white, white[..., : self.hop]], -1)
        bins = tf.signal.mdct(white, 2 * self.hop, tf.signal.vorbis_window, norm="ortho")
        return bins / tf.constant(self.deviations, tf.float32)

    def _filter(self, waves, whiten=False):
        """Waves times the mean spectrum, or divided by it."""
        length = tf.shape(waves)[-1]
        transformed = tf.signal.rfft(waves)
        place = tf.linspace(0.0, 1.0, length // 2 + 1) * (len(self.spectrum) - 1)
        place *= tf.cast(length // 2 * 2, tf.float32) / tf.cast(length, tf.float32)
        points = [list(range(len(self.spectrum)))]
        gain = _interpolate(place[:, None], points, [self.spectrum])[:, 0]
        gain = 1 / gain if whiten else gain
        return tf.signal.irfft(transformed * tf.cast(gain, transformed.dtype), [length])

    def _loudness(self, bins):
        """Half the log of the mean power of each band: `(..., bands)`."""
        power = [tf.reduce_mean(tf.square(bins[..., a:b]), -1)
                 for a, b in zip(self.edges, self.edges[1:])]  # fmt: skip
        return 0.5 * tf.math.log(tf.stack(power, -1) + SILENCE)

    def _to_bins(self, bands):
        """The value of its band for every bin."""
        return tf.repeat(bands, np.diff(self.edges), axis=-1)


def fit(waves, hop):
    """The `Subbands` of `(count, samples)` in float32.

    Raises:
        ValueError: the waves are too short for their spectrum, or there are too few bins.
    """
    window = 2 * (SPECTRUM - 1)
    if not isinstance(hop, int) or hop < 2 * LEAST or waves.shape[1] < 2 * window:
        raise ValueError(f"Expected subbands of at least {2 * LEAST} and sounds of at least "
                         f"{2 * window} samples. Received: {hop!r}, {waves.shape[1]}")  # fmt: skip
    taper = np.hanning(window)
    starts = range(0, waves.shape[1] - window + 1, window // 4)
    cut = np.stack([wave[s : s + window] for wave in waves for s in starts])
    power = np.square(np.abs(np.fft.rfft(cut * taper))).mean(0) / np.square(taper).sum()
    spectrum = np.sqrt(np.maximum(power, 1e-7 * power.max()))
    edges = _edges(hop)
    flat = Subbands(hop, edges, tuple(spectrum.tolist()), (1.0,) * hop, ((0.0,),), (0.0,))
    waves = waves[:, : waves.shape[1] // hop * hop]
    deviations = np.sqrt(np.mean(np.square(flat._bins(waves).numpy()), axis=(0, 1)))
    white = dataclasses.replace(flat, deviations=tuple(deviations.tolist()))
    loudness = white._loudness(white._bins(waves)).numpy().reshape(-1, len(edges) - 1)
    # The least and the largest of n values stand for the quantiles 1/2n and 1 - 1/2n.
    shares = np.linspace(0, 1, QUANTILES)
    quantiles = np.quantile(loudness.astype(np.float64), shares, axis=0).T
    quantiles += 1e-5 * np.arange(QUANTILES)  # rising even where many frames are alike
    shares[[0, -1]] = 0.5 / len(loudness), 1 - 0.5 / len(loudness)
    normal = tuple(statistics.NormalDist().inv_cdf(float(p)) for p in shares)
    return dataclasses.replace(white, loudness=quantiles.tolist(), normal=normal)


def _edges(hop):
    """Edges of the bands, in bins: in equal ratios, but `LEAST` bins apart."""
    edges = [0]
    for edge in np.geomspace(LOWEST * hop, hop, BANDS + 1)[1:].round().astype(int).tolist():
        if edge - edges[-1] >= LEAST and hop - edge >= LEAST:
            edges.append(edge)
    return (*edges, hop)


def _interpolate(x, knots, values):
    """Piecewise linear from rising `knots` to `values`, both one list for each of the last axis of
    x; beyond the ends as far again as between the last two, then constant."""
    knots, values = tf.constant(knots, tf.float32), tf.constant(values, tf.float32)
    shape = tf.shape(x)
    flat = tf.transpose(tf.reshape(x, [-1, shape[-1]]))
    right = tf.searchsorted(knots, flat, side="right")
    right = tf.clip_by_value(right, 1, knots.shape[-1] - 1)

    def at(table, index):
        return tf.gather(table, index, batch_dims=1)

    low, high = at(knots, right - 1), at(knots, right)
    share = tf.clip_by_value((flat - low) / (high - low), -1.0, 2.0)
    result = at(values, right - 1) * (1.0 - share) + at(values, right) * share
    return tf.reshape(tf.transpose(result), shape)

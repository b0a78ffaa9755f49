"""How close sounds are to their exemplar: spectra, envelopes, modulations, and copies.

The statistics of envelopes in cochlear bands are those of J. McDermott and E. Simoncelli, "Sound
texture perception via statistics of the auditory periphery" (Neuron, 2011).
"""

import itertools

import numpy as np

from genconv_tf.evaluation import figure

BANDS, LOWEST = 16, 80.0  # bands from LOWEST Hz to nine tenths of the highest frequency there is
WINDOWS = (256, 1024, 4096)
MODULATIONS = (0.5, 1, 2, 4, 8, 16, 32, 64)  # Hz, the ends of octaves
SNIPPET = 0.5  # seconds
COMPRESSION = 0.3  # of envelopes, McDermott and Simoncelli's
LEAST_RATE = WINDOWS[-1] / 2  # Hz: a sample of 2 s has every window, and every modulation


def evaluate(exemplar, samples, rate):
    """Figures of `samples` against `exemplar`.

    Args:
        exemplar: `(samples,)` in [-1, 1], of at least 4 s, since its halves are measured too.
        samples: list of such sounds of at least 2 s.
        rate: samples a second.

    Returns:
        dict of measure to dict of `value`, and of `self` and `ratio` where the halves of the
        exemplar have the measure too. Of four, smaller is closer: `spectrum`, `envelope` (mean and
        coefficient of variation of each band's) and `modulation`, mean absolute log ratios, and
        `correlation` of the bands' envelopes with one another, mean absolute difference. `kurtosis`
        and `crest` of the envelopes: their ratio to the exemplar's, median over bands, below 1
        where events are lost, and `self`, that of its halves; `bands`, of each band, low to high,
        the mean over samples. `copy_ncc`: 1 is verbatim copying.
    """
    exemplar, *samples = (np.asarray(s, np.float64).reshape(-1) for s in (exemplar, *samples))
    if rate < LEAST_RATE:
        raise ValueError(f"Expected a rate of at least {LEAST_RATE:g} Hz. Received: {rate:g}")
    for what, wave in (("exemplar", exemplar), *(("sample", s) for s in samples)):
        least = 4 if what == "exemplar" else 2
        if len(wave) < least * rate or not wave.any():
            raise ValueError(f"Expected a {what} of at least {least} s that is not silent. "
                             f"Received: {len(wave) / rate:.3g} s")  # fmt: skip
    halves = np.array_split(exemplar, 2)
    if not all(half.any() for half in halves):
        raise ValueError("Expected an exemplar that has sound in both of its halves. "
                         "Received: one that is silent")  # fmt: skip
    spectra, bands = ([f(w, rate) for w in (exemplar, *halves, *samples)]
                      for f in (log_spectra, envelopes))  # fmt: skip
    result = {}
    for name, each in (
        ("spectrum", spectra),
        ("envelope", [log_moments(b) for b in bands]),
        ("modulation", [log_modulations(b, rate) for b in bands]),
        ("correlation", [correlations(b) for b in bands]),
    ):
        target, one, other, *received = each
        result[name] = figure(
            np.mean([np.abs(r - target).mean() for r in received]), np.abs(one - other).mean()
        )
    for name, statistic in (("kurtosis", kurtosis), ("crest", crest_factor)):
        target, *others = (statistic(b) for b in bands)
        own, ratios = np.split(np.array(others) / target, [2])
        result[name] = {"value": float(np.median(ratios, axis=1).mean()),
                        "self": float(np.median(own, axis=1).mean()),
                        "bands": ratios.mean(axis=0).round(3).tolist()}  # fmt: skip
    copied = np.mean([copy_correlation(s, exemplar, rate) for s in samples])
    result["copy_ncc"] = figure(copied, copy_correlation(*halves, rate))
    return result


def log_spectra(wave, rate):
    """Log mean power at several resolutions, in thirds of octaves: one array."""
    levels = []
    for length in WINDOWS:
        starts = np.arange(0, len(wave) - length + 1, length // 2)
        frames = np.stack([wave[s : s + length] for s in starts]) * np.hanning(length)
        power = np.square(np.abs(np.fft.rfft(frames))).mean(axis=0)
        hertz = np.fft.rfftfreq(length, 1 / rate)
        edges = LOWEST * 2 ** np.arange(0, np.log2(0.45 * rate / LOWEST), 1 / 3)
        for low, high in itertools.pairwise(edges):
            inside = (hertz >= low) & (hertz < high)
            if inside.any():
                levels.append(np.log(power[inside].mean() + 1e-12))
    return np.array(levels)


def log_modulations(bands, rate):
    """Log power in octaves of modulation of each envelope of `bands`, over its squared mean."""
    levels = []
    for envelope in bands:
        relative = envelope / envelope.mean() - 1
        power = np.square(np.abs(np.fft.rfft(relative))) / len(relative)
        hertz = np.fft.rfftfreq(len(relative), 1 / rate)
        for low, high in itertools.pairwise(MODULATIONS):
            inside = (hertz >= low) & (hertz < high)
            levels.append(np.log(power[inside].mean() + 1e-12))
    return np.array(levels)


def envelopes(wave, rate):
    """Envelopes of the cochlear bands: `(BANDS, samples)`, the modulus of the analytic signal."""
    hertz = np.fft.fftfreq(len(wave), 1 / rate)
    spectrum = np.fft.fft(wave)
    centres = np.linspace(np.log(LOWEST), np.log(0.45 * rate), BANDS + 2)
    place = np.log(np.maximum(hertz, 1e-9))  # negative frequencies have no place in it
    bands = []
    for low, centre, high in zip(centres, centres[1:], centres[2:]):
        gain = np.cos(np.pi * np.clip((place - centre) / (high - low), -0.5, 0.5))
        bands.append(np.abs(np.fft.ifft(2 * spectrum * gain)))
    return np.stack(bands)


def log_moments(bands):
    """Log of the mean and of the coefficient of variation of each envelope: one array."""
    mean = bands.mean(-1) + 1e-12
    return np.log(np.concatenate([mean, bands.std(-1) / mean]) + 1e-12)


def correlations(bands):
    """Correlation of every two of the envelopes, compressed by a power of 0.3 as the ear does."""
    heard = bands**COMPRESSION
    deviation = heard - heard.mean(-1, keepdims=True)
    deviation /= np.linalg.norm(deviation, axis=-1, keepdims=True) + 1e-12
    return (deviation @ deviation.T)[np.triu_indices(len(bands), 1)]


def kurtosis(envelope):
    """Fourth standardised moment along the last axis: 3.25 of noise, more of rare events."""
    deviation = envelope - envelope.mean(-1, keepdims=True)
    return (deviation**4).mean(-1) / np.square(np.square(deviation).mean(-1))


def crest_factor(envelope):
    """The highest thousandth over the root mean square, along the last axis."""
    return np.quantile(envelope, 0.999, axis=-1) / np.sqrt(np.square(envelope).mean(-1))


def copy_correlation(sample, exemplar, rate, count=16, seed=0):
    """Best normalised correlation of snippets of `sample` with any place of `exemplar`, the mean
    over `count` random snippets."""
    rng = np.random.default_rng(seed)
    length = int(SNIPPET * rate)
    size = len(exemplar) + length
    exemplar = exemplar - exemplar.mean()
    transformed = np.fft.rfft(exemplar, size)
    total, squares = (np.concatenate([[0.0], np.cumsum(x)]) for x in (exemplar, exemplar**2))
    energy = squares[length:] - squares[:-length] - (total[length:] - total[:-length]) ** 2 / length
    best = []
    for start in rng.integers(len(sample) - length + 1, size=count):
        snippet = sample[start : start + length]
        snippet = snippet - snippet.mean()
        product = np.fft.irfft(transformed * np.conj(np.fft.rfft(snippet, size)), size)
        norm = np.sqrt(np.maximum(energy, 1e-12) * np.square(snippet).sum()) + 1e-9
        best.append((np.abs(product[: len(energy)]) / norm).max())
    return np.mean(best)

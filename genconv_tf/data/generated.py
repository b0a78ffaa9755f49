"""Inputs that need no file: `"generated:fire"` wherever a source is named, and CC0 photographs.

Each sound and video is a stationary random process written down in a few lines, so that a model of
it can be judged against as many fresh exemplars as one likes, and published. The same seed gives
the same media.
"""

import numpy as np

from genconv_tf.data.random_fields import cloud, coloured_by, frequencies, standardised
from genconv_tf.settings import NUMPY_SEEDS

PREFIX = "generated:"
CC0 = ("brick", "grass", "gravel")
LEAST_RATE = 4000  # Hz, of sounds: what rings at up to 1.5 kHz has to fit
GRAVITY = 9.81  # m/s², of the waves


def is_generated(source):
    return isinstance(source, str) and source.startswith(PREFIX)


def generate(source, kinds, **settings):
    """The medium that `"generated:NAME"` names.

    Args:
        source: the name.
        kinds: `SOUNDS`, `VIDEOS` or `IMAGES`.
        **settings: arguments of the generator, left out where they are `None`.

    Raises:
        ValueError: there is no such generator, or none for so low a rate.
    """
    name = source.removeprefix(PREFIX)
    if name not in kinds:
        raise ValueError(f"Expected one of {[PREFIX + k for k in kinds]}. Received: {source!r}")
    if settings.get("seed") is not None:
        settings["seed"] %= NUMPY_SEEDS
    if settings.get("rate", LEAST_RATE) < LEAST_RATE:
        raise ValueError(f"Expected a rate of at least {LEAST_RATE} Hz of {source}. "
                         f"Received: {settings['rate']:g}")  # fmt: skip
    return kinds[name](**{key: value for key, value in settings.items() if value is not None})


def texture(name):
    """A CC0 photograph that scikit-image carries, one of `CC0`: `(512, 512)` uint8."""
    try:
        from skimage import data
    except ImportError:
        raise ValueError("Expected scikit-image: pip install 'genconv-tf[demo]'") from None
    return getattr(data, name)()


def rain(seconds=6.0, rate=11025, seed=0):
    """Rain on leaves: a hiss, and 60 drops a second, each a decaying resonance of 1.5 to 5 kHz.

    Returns:
        `(samples,)` float32 in [-1, 1]; so do the other sounds.
    """
    rng = np.random.default_rng(seed)
    samples = round(seconds * rate)
    hiss = 0.05 * _coloured(rng, samples, rate, lambda f: f**0.25 * (f > 200))
    count = rng.poisson(60 * seconds)
    drops = _events(rng, samples, rate, count, (1500, min(5000, 0.45 * rate)), (0.003, 0.012))
    return _clipped(hiss + drops)


def crackle(seconds=6.0, rate=11025, seed=0):
    """A fire: a rumble, and 12 crackles a second whose loudness varies by two orders."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * rate)
    rumble = 0.025 * _coloured(rng, samples, rate, lambda f: 1 / np.maximum(f, 40.0))
    count = rng.poisson(12 * seconds)
    clicks = _events(rng, samples, rate, count, (800, min(4500, 0.45 * rate)), (0.001, 0.006), 1.2)
    return _clipped(rumble + 0.4 * clicks)


def wind(seconds=6.0, rate=11025, seed=0):
    """Wind: noise around 500 Hz in gusts of about a second."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * rate)
    slow = max(1.0, 1.5 / seconds)  # of less than a second, its one slowest wave
    gusts = _coloured(rng, samples, rate, lambda f: (f < slow) * (f > 0))
    noise = _coloured(rng, samples, rate, lambda f: np.exp(-(np.log(np.maximum(f, 1) / 500) ** 2)))
    return _clipped(0.1 * noise * np.exp(0.6 * gusts))


def water(frames=64, size=(128, 128), seed=0):
    """The sea from above: random gravity waves, ω² = g·k, lit from one side (J. Tessendorf,
    "Simulating ocean water", SIGGRAPH course 2001). A pixel is 10 cm, a frame 1/25 s.

    Returns:
        `(frames, height, width, 3)` uint8, seamless in space.
    """
    rng = np.random.default_rng(seed)
    k_y, k_x = (2 * np.pi * f for f in frequencies(size, (0.1, 0.1)))  # rad/m
    k = np.hypot(k_y, k_x)
    # Phillips' spectrum of a wind along the second axis, cut at waves of three pixels.
    along = np.divide(k_x, k, out=np.zeros_like(k), where=k > 0)
    power = np.divide(np.exp(-((1.2 / np.maximum(k, 1e-9)) ** 2)), k**4, out=np.zeros_like(k),
                      where=k > 0)  # fmt: skip
    amplitude = np.sqrt(power * (along**2 + 0.05)) * np.exp(-((k * 0.1 / 2.1) ** 2))
    waves = amplitude * (rng.normal(size=size) + 1j * rng.normal(size=size))
    turn = np.exp(-1j * np.sqrt(GRAVITY * k) * np.sign(along + 1e-9) / 25)
    video = []
    for _ in range(frames):
        slope = np.fft.ifft2(1j * k_x * waves).real + 0.5 * np.fft.ifft2(1j * k_y * waves).real
        video.append(slope)
        waves = waves * turn
    light = standardised(np.stack(video))
    return coloured_by(light, (10, 40, 70), (60, 120, 140), (225, 240, 240))


def fire(frames=64, size=(128, 128), seed=0):
    """Flames: turbulent noise that rises two pixels a frame and tears, glowing below and dark
    above, so that it is stationary in time and along the width alone.

    Returns:
        `(frames, height, width, 3)` uint8, seamless along the width.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    rise, tall = 2, height + 2 * frames
    fixed = cloud(rng, (tall, width), 1.6)
    sway = 8 * cloud(rng, (frames, width), 2.0, stretch=(1, 2))
    flicker = cloud(rng, (frames, height, width), 1.8, stretch=(8, 1, 1))
    rows, columns = np.mgrid[:height, :width]
    cooling = 1.6 - 3.4 * (1 - rows / height)
    video = []
    for t in range(frames):
        lift = (1 - rows / height) ** 2
        across = (columns + lift * sway[t][columns]).astype(int) % width
        risen = fixed[(rows + rise * t) % tall, across]
        video.append(cooling + 0.9 * risen + 0.5 * flicker[t])
    heat = np.clip(np.stack(video), -1.5, 1.5)
    return coloured_by(heat, (5, 2, 5), (230, 90, 10), (255, 240, 150))


SOUNDS = {"crackle": crackle, "rain": rain, "wind": wind}
VIDEOS = {"fire": fire, "water": water}


def _coloured(rng, samples, rate, response):
    """Gaussian noise of unit variance with the amplitude spectrum `response` of Hz."""
    spectrum = np.fft.rfft(rng.normal(size=samples))
    return standardised(np.fft.irfft(spectrum * response(np.fft.rfftfreq(samples, 1 / rate)),
                                      samples))  # fmt: skip


def _events(rng, samples, rate, count, band, decay, loudness=0.7):
    """`count` decaying resonances at random times; loudness is log-normal."""
    wave = np.zeros(samples)
    for _ in range(count):
        tau = rate * rng.uniform(*decay)
        at, t = rng.integers(samples), np.arange(int(8 * tau))
        tone = np.sin(2 * np.pi * rng.uniform(*band) / rate * t + rng.uniform(0, 2 * np.pi))
        burst = 0.1 * np.exp(loudness * rng.normal()) * np.exp(-t / tau)
        # Half of it is noise: a drop or a crackle is no bell.
        np.add.at(wave, (at + t) % samples, burst * (0.5 * tone + 0.5 * rng.normal(size=len(t))))
    return wave


def _clipped(wave):
    """Gains are fixed, and not by the loudest event, which another draw would not have."""
    return np.clip(wave, -1.0, 1.0).astype(np.float32)

"""The project's own inputs: what their documentation says of them, measured."""

import numpy as np
import pytest

import genconv_tf as gct
from genconv_tf.data.generated import SOUNDS, VIDEOS
from genconv_tf.data.generated_textures import TEXTURES


@pytest.mark.parametrize("name", sorted(SOUNDS))
def test_a_sound_is_its_seed_and_hardly_clipped(name):
    wave = SOUNDS[name](seconds=2.0, seed=3)
    assert wave.shape == (22050,) and wave.dtype == np.float32
    assert 0.02 < wave.std() < 0.25 and np.mean(np.abs(wave) == 1) < 1e-3
    np.testing.assert_array_equal(wave, SOUNDS[name](seconds=2.0, seed=3))
    assert not np.array_equal(wave, SOUNDS[name](seconds=2.0, seed=4))


@pytest.mark.parametrize("name", sorted(VIDEOS))
def test_a_video_is_its_seed_and_moves(name):
    video = VIDEOS[name](frames=12, size=(32, 48), seed=3).astype(float)
    assert video.shape == (12, 32, 48, 3)
    np.testing.assert_array_equal(video, VIDEOS[name](frames=12, size=(32, 48), seed=3))
    assert not np.array_equal(video, VIDEOS[name](frames=12, size=(32, 48), seed=4))

    def likeness(a, b):
        return np.corrcoef(a.ravel(), b.ravel())[0, 1]

    frame = video - video.mean(axis=0)
    near = np.mean([likeness(frame[t], frame[t + 1]) for t in range(11)])
    far = np.mean([likeness(frame[t], frame[t + 6]) for t in range(6)])
    assert near > 0.1 and abs(far) < near  # the next frame follows from this one, a later one less


def test_a_texture_of_cells_may_be_small():
    assert TEXTURES["pebbles"](size=(16, 16), seed=0).shape == (16, 16, 3)


@pytest.mark.parametrize("name", sorted(TEXTURES))
def test_a_texture_is_its_seed_and_alike_everywhere(name):
    image = TEXTURES[name](size=(96, 128), seed=3)
    assert image.shape == (96, 128, 3) and image.dtype == np.uint8
    np.testing.assert_array_equal(image, TEXTURES[name](size=(96, 128), seed=3))
    several = TEXTURES[name](count=2, size=(96, 128), seed=3).astype(float)
    np.testing.assert_array_equal(several[0], image)
    assert np.abs(several[1] - several[0]).mean() > 5
    # Stationary: the mean colours of quarters differ less than pixels do.
    quarters = [part for half in np.split(several[0], 2) for part in np.split(half, 2, axis=1)]
    spread = np.std([q.mean((0, 1)) for q in quarters], axis=0).max()
    assert spread < 0.5 * several[0].std((0, 1)).max()


def test_a_fire_crackles_and_the_wind_does_not():
    """Kurtosis of the waveform: 3 is Gaussian noise."""
    kurtosis = {}
    for name, make in SOUNDS.items():
        wave = make(seconds=6.0, seed=0).astype(float)
        kurtosis[name] = np.mean(wave**4) / np.mean(wave**2) ** 2
    assert kurtosis["crackle"] > 10 and kurtosis["rain"] > 4
    assert kurtosis["wind"] < kurtosis["rain"]


def test_flames_glow_below_and_rise():
    video = VIDEOS["fire"](frames=16, size=(64, 64)).astype(float).mean(axis=-1)
    assert video[:, -8:].mean() > 3 * video[:, :8].mean()
    # A frame is most like the next one shifted up: along a column the best shift is upwards.
    shifts = range(-8, 9)
    middle = slice(30, 50)
    match = [
        np.mean([np.corrcoef(video[t, middle].ravel(),
                             video[t + 1, 30 + s : 50 + s].ravel())[0, 1] for t in range(15)])
        for s in shifts
    ]  # fmt: skip
    assert shifts[int(np.argmax(match))] < 0


def test_they_are_sources_like_any_other():
    clip = gct.data.videos("generated:water", frames=5, size=(24, 32), start=1, stride=2)
    assert next(iter(clip)).shape == (1, 5, 24, 32, 3)
    sound = gct.data.sounds("generated:rain", seconds=0.5, start=0.25)
    assert next(iter(sound)).shape == (1, 5512, 1)
    texture = gct.data.images("generated:scales", size=(48, 64))
    assert next(iter(texture)).shape == (1, 48, 64, 3)
    with pytest.raises(ValueError, match=r"Expected one of .*generated:fire.*Received"):
        gct.data.videos("generated:steam")
    with pytest.raises(ValueError, match=r"Expected one of .*generated:rain"):
        gct.data.sounds("generated:fire")


def test_seeds_below_zero_are_seeds():
    one, same, other = (
        next(iter(gct.data.images("generated:leaves", seed=s))) for s in (-1, -1, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 10


def test_the_projects_own_tfds_names_are_built_at_their_first_use(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    load = tfds.load
    monkeypatch.setattr(tfds, "load", lambda *a, **k: load(*a, **k, data_dir=tmp_path))
    sounds = gct.data.sounds("tfds:sound_textures/generated", split="train[:2]")
    batch = next(iter(sounds))
    assert batch.shape == (2, 66150, 1)
    decoded = sounds.preprocessing.decode(batch)[..., 0].numpy()
    made = [np.round(SOUNDS[n](seed=k) * 32767) / 32768 for n in SOUNDS for k in range(4)]
    for wave in decoded:
        assert min(np.abs(wave - one).max() for one in made) < 1e-4
    clip = gct.data.videos(
        "tfds:dynamic_textures/generated", split="train[:1]", frames=3, start=2, stride=4
    )
    frames = clip.preprocessing.decode(next(iter(clip))).numpy()[0]
    made = [VIDEOS[n](seed=k)[2:11:4] for n in VIDEOS for k in range(2)]
    assert frames.shape == (3, 128, 128, 3)
    assert min(np.abs(frames - one).max() for one in made) < 1
    images = gct.data.images("tfds:texture_images/cc0", size=32)
    assert next(iter(images)).shape == (3, 32, 32, 3)  # fewer than a batch has elsewhere

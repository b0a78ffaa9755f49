import json

import numpy as np
import pytest
import tensorflow as tf

from genconv_tf import GenerativeConvNet, catalogue, files, noise, presets
from genconv_tf.resources import resource


@pytest.fixture
def preset(small, tmp_path, photograph):
    folder = tmp_path / "texture"
    small.save_to_preset(folder, exemplar=photograph, samples=small.sample(2), licence="CC0-1.0")
    return folder


def test_a_preset_samples_as_the_model_that_was_saved(small, preset):
    again = GenerativeConvNet.from_preset(preset)
    np.testing.assert_array_equal(again.sample(2, seed=4), small.sample(2, seed=4))


def test_half_the_bytes_and_no_loss(small, preset, tmp_path):
    rounded = presets.halved(small)
    rounded.save_to_preset(tmp_path / "half", half=True)
    again = GenerativeConvNet.from_preset(tmp_path / "half")
    for received, expected, before in zip(*(m.get_weights() for m in (again, rounded, small))):
        np.testing.assert_array_equal(received, expected)
        np.testing.assert_allclose(received, before, rtol=2**-10, atol=2**-24)
    sizes = [(folder / "model.weights.h5").stat().st_size for folder in (preset, tmp_path / "half")]
    stored = sum(w.size for w in small.get_weights())
    assert sizes[0] - sizes[1] >= 2 * stored - 2048


def test_weights_too_large_for_half_are_refused(small, tmp_path):
    small.networks[0].kernels[0].assign(small.networks[0].kernels[0] + 1e5)
    with pytest.raises(ValueError, match="Expected weights within float16"):
        small.save_to_preset(tmp_path / "half", half=True)
    assert not (tmp_path / "half").exists()


def test_a_card_shows_pictures_settings_and_licence(preset):
    card = (preset / "README.md").read_text()
    assert card.startswith("---\n") and "licence: CC0-1.0" in card
    assert "![exemplar](exemplar.png)" in card and "steps (4, 3)" in card


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "samples.png"])
def test_a_flipped_byte_is_refused_by_name(preset, name):
    content = bytearray((preset / name).read_bytes())
    content[len(content) // 2] ^= 1
    (preset / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"Expected {name} as published"):
        GenerativeConvNet.from_preset(preset)


def test_a_missing_file_is_refused_by_name(preset):
    (preset / "model.weights.h5").unlink()
    with pytest.raises(ValueError, match=r"the file model\.weights\.h5"):
        GenerativeConvNet.from_preset(preset)


def test_the_index_catches_a_preset_whose_own_checksums_were_changed_too(preset):
    presets.write_index(preset.parent)
    config = preset / "config.json"
    config.write_text(config.read_text().replace("0.3", "0.4"))
    meta = json.loads((preset / "metadata.json").read_text())
    meta["sha256"]["config.json"] = files.sha256(config)
    files.write_json(preset / "metadata.json", meta)
    with pytest.raises(ValueError, match="as published"):
        GenerativeConvNet.from_preset(preset)


def test_an_unknown_preset_names_the_known(tmp_path):
    with pytest.raises(ValueError, match="Expected a preset folder or one of"):
        GenerativeConvNet.from_preset("texture-of-nothing")


def test_saving_never_overwrites_unless_told(small, preset):
    with pytest.raises(ValueError, match="new or empty folder"):
        small.save_to_preset(preset)
    small.save_to_preset(preset, replace=True)
    assert not list(preset.parent.glob(".texture*"))


def test_what_a_folder_held_comes_back_where_the_new_one_does_not(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").write_text("x")
    own, calls = files.os.replace, []

    def second_fails(*names):
        calls.append(names)
        if len(calls) == 2:
            raise KeyboardInterrupt
        own(*names)

    monkeypatch.setattr(files.os, "replace", second_fails)
    with pytest.raises(KeyboardInterrupt), files.whole_folder(tmp_path / "a", replace=True):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a" / "old").is_file()


def test_a_folder_that_gave_way_when_a_process_was_killed_is_found_again(tmp_path):
    (tmp_path / ".a.old").mkdir()
    (tmp_path / ".a.old" / "kept").write_text("x")
    with pytest.raises(OSError, match="full"), files.whole_folder(tmp_path / "a", replace=True):
        raise OSError("full")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a" / "kept").is_file()


def test_the_folder_one_is_in_may_be_written(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with files.whole_folder(".") as partial:
        (partial / "made").write_text("x")
    assert (tmp_path / "here" / "made").is_file()


def test_a_folder_that_fails_half_way_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="full"), files.whole_folder(tmp_path / "a") as partial:
        (partial / "half").write_text("x")
        raise OSError("full")
    assert not list(tmp_path.iterdir())


SIZES = {1: (4096,), 2: (128, 128), 3: (16, 48, 48)}  # by rank


@pytest.mark.parametrize("name", presets.names())
def test_published_presets_are_whole_and_score(name):
    presets.verify(presets.find(name))
    file = catalogue.list_presets(name)[name]["needs"]
    if file:
        pytest.skip(f"its filters, {file}, are not in GENCONV_HOME")
    model = GenerativeConvNet.from_preset(name)
    shape = (1, *(256 if model.rank == 1 else 48 for _ in model.size), model.channels)
    x = np.random.default_rng(0).normal(0, 20, shape).astype(np.float32)
    for level in model.levels:
        score = level.score(x).numpy()
        assert np.isfinite(score).all() and score != level.score(-x).numpy()


@pytest.mark.parametrize("name", ["texture-coral", "video-fire"])  # and those that are exported
def test_published_presets_sample(name):
    model = GenerativeConvNet.from_preset(name)
    size = SIZES[model.rank]
    media = model.sample(1, size=size, steps=2)
    low, high = model.preprocessing.low, model.preprocessing.high
    assert media.shape == (1, *size, 3) and media.std() > 0.005 * (high - low)


def test_a_published_video_goes_on_from_its_last_frame_to_its_first():
    video = GenerativeConvNet.from_preset("video-water").sample(1, size=(16, 24, 24))[0]
    change = np.abs(np.diff(video.astype(float), axis=0, append=video[:1])).mean((1, 2, 3))
    far = np.abs(video[8:].astype(float) - video[:8]).mean()
    assert change.max() < 0.5 * far  # no cut anywhere
    assert abs(change[-1] - change[:-1].mean()) < 5 * change[:-1].std()


@pytest.mark.parametrize("name", presets.names())
def test_published_saved_models_sample_as_their_presets(name):
    from genconv_tf.export import ExportedModel

    exported = resource("saved_models") / name / "1"
    if not exported.is_dir():
        pytest.skip("its SavedModel is not shipped")
    preset = GenerativeConvNet.from_preset(name).twin(precision="float32")
    size = SIZES[preset.rank]
    expected = preset.sample(1, size=size, seed=3, steps=2).astype(float)
    received = ExportedModel(exported).sample(1, size=size, seed=3, steps=2)
    assert np.abs(received - expected).max() <= (1 if preset.rank > 1 else 1e-3)


def test_a_sample_does_not_depend_on_those_beside_it_where_convolutions_do():
    """At this size oneDNN rounds a batch of one otherwise than a batch of three."""
    model = GenerativeConvNet.from_preset("texture-brick").twin(precision="float32")
    three = model.sample(3, size=256, seed=3, steps=1)
    np.testing.assert_array_equal(model.sample(1, size=256, seed=3, steps=1), three[:1])
    x = model.preprocessing.encode(three)
    seeds = noise.row_seeds(5, 3)
    steps = tf.constant(1)
    alone = model.continue_chain(x[:1], seeds[:1], steps)
    np.testing.assert_array_equal(model.continue_chain(x, seeds, steps)[:1], alone)

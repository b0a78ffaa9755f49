"""The scripts of docs/workflows, each as its reader runs it, in its quick mode."""

import json
import pathlib
import runpy
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import genconv_tf as gct

SCRIPTS = pathlib.Path(__file__).resolve().parents[1] / "docs" / "workflows"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a script in this process; its variables, and what it wrote."""

    def run(name, *words):
        path = SCRIPTS / f"{name}.py"
        command = [str(path), "--quick", "--output", str(tmp_path), *words]
        monkeypatch.setattr(sys, "argv", command)
        return runpy.run_path(str(path), run_name="__main__"), tmp_path

    return run


def assert_as_published(model, name):
    published = gct.GenerativeConvNet.from_preset(name)
    for received, expected in zip(model.get_weights(), published.get_weights(), strict=True):
        np.testing.assert_array_equal(received, expected)


def test_fit_shows_scalars_and_samples_in_tensorboard(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    made, folder = run("fit_with_tensorboard")
    events = {}
    for part in ("train", "samples"):
        events[part] = EventAccumulator(str(folder / "tensorboard" / part), {"tensors": 0})
        events[part].Reload()
    gaps = [tf.make_ndarray(e.tensor_proto) for e in events["train"].Tensors("epoch_energy_gap")]
    np.testing.assert_allclose(gaps, made["history"].history["energy_gap"], rtol=1e-6)
    shown = events["samples"].Tensors("samples")
    assert [event.step for event in shown] == [3, 6]
    width, height, first, *_ = tf.make_ndarray(shown[-1].tensor_proto)
    with Image.open(folder / "samples" / "update_000006.png") as sheet:
        drawn = tf.io.decode_png(first).numpy()
        assert drawn.shape[:2] == (int(height), int(width))
        np.testing.assert_array_equal(drawn, np.asarray(sheet)[: int(height), : int(width)])
    again = gct.GenerativeConvNet.from_preset(folder / "preset")
    np.testing.assert_array_equal(again.sample(2, size=128, seed=7), made["samples"])


def test_fine_tuning_starts_at_the_preset_and_ends_on_the_new_image(run):
    made, folder = run("fine_tune")
    preset, model = made["preset"], gct.GenerativeConvNet.from_preset(folder / "preset")
    assert model.preprocessing == made["data"].preprocessing != preset.preprocessing
    scratch = gct.GenerativeConvNet.from_config(preset.get_config())
    for i in range(len(model.networks)):
        tuned, given, random = (
            m.networks[i].kernels[0].numpy() for m in (model, preset, scratch)
        )  # fmt: skip
        assert 0 < np.abs(tuned - given).max() < 0.02 < np.abs(tuned - random).max()
    image = np.asarray(Image.open(folder / "preset" / "exemplar.png"), np.float32)
    expected = gct.data.images("generated:pebbles", size=80, colours="grey").preprocessing.mean
    np.testing.assert_allclose(image.mean((0, 1)), expected, atol=1.0)
    assert (folder / "before.png").read_bytes() != (folder / "after.png").read_bytes()


def test_learned_features_tell_textures_that_pixels_do_not(run):
    made, folder = run("score_as_feature")
    figures = json.loads((folder / "figures.json").read_text())
    assert figures["responses"] > 0.8 and figures["scores"] > 0.7 > figures["pixels"]
    for name, model in zip(made["TEXTURES"], made["models"], strict=True):
        assert_as_published(model, f"texture-{name}")


def test_a_score_as_loss_takes_noise_off(run):
    made, _ = run("score_as_loss")
    errors = [np.square(made[x] - made["tested"]).mean() for x in ("noisy", "denoised")]
    assert errors[0] == pytest.approx(made["NOISE"] ** 2, rel=0.05)
    assert errors[1] < 0.4 * errors[0]
    assert_as_published(made["prior"], "texture-brick")


def test_converted_scores_are_those_of_keras(run):
    for name in ("onnxruntime", "ai_edge_litert", "tf2onnx"):
        pytest.importorskip(name, reason="needs genconv-tf[convert]")
    made, folder = run("convert")
    for name in ("onnx", "litert"):
        np.testing.assert_allclose(made["scores"][name], made["scores"]["keras"], rtol=1e-5)
    assert (folder / "f.onnx").stat().st_size > 4e5 < (folder / "f.tflite").stat().st_size


def test_a_saved_model_needs_tensorflow_alone(run, monkeypatch):
    model = gct.GenerativeConvNet.from_preset("texture-brick").twin(precision="float32")
    with monkeypatch.context() as patch:
        for name in [n for n in sys.modules if n.partition(".")[0] in ("genconv_tf", "keras")]:
            patch.setitem(sys.modules, name, None)  # importing it now fails
        made, folder = run("plain_tensorflow")
    size, steps = tf.constant(made["size"]), made["steps"]
    same = model.sample_media(made["seeds"], size, steps).numpy().astype(int)
    assert np.abs(same - made["media"].numpy()).max() <= 1
    x = model.preprocessing.encode(made["media"])
    np.testing.assert_allclose(made["x"], x, atol=1e-3)
    np.testing.assert_allclose(made["scores"]["samples"], model.score(x), rtol=1e-4)
    assert made["scores"]["samples"].min() > made["scores"]["noise"].max()
    np.testing.assert_allclose(made["reconstructed"], model.reconstruct(x), atol=0.05)
    kept = made["hole"] == 0
    np.testing.assert_array_equal(made["recovered"].numpy()[kept], made["media"].numpy()[kept])
    assert not np.array_equal(made["recovered"].numpy()[~kept], made["media"].numpy()[~kept])
    assert np.abs(made["further"]["x"] - x).max() > 1
    shown = np.asarray(Image.open(folder / "sample.png"))
    np.testing.assert_array_equal(shown, made["media"][0])

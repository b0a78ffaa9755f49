"""The scoring function as ONNX and LiteRT, run by their own interpreters."""

import builtins
import json

import numpy as np
import pytest

from genconv_tf import GenerativeConvNet, convert
from genconv_tf.cli.main import main

onnxruntime = pytest.importorskip("onnxruntime", reason="needs genconv-tf[convert]")
litert = pytest.importorskip("ai_edge_litert.interpreter", reason="needs genconv-tf[convert]")

LAYERS = [{"filters": 5, "kernel": 5, "stride": 2}, {"filters": 4, "kernel": 3}]
VIDEO = [{"filters": 5, "kernel": [3, 5, 5]}, {"filters": 16, "kernel": 3}]
MODELS = {
    "sound": {"layers": LAYERS, "rank": 1, "channels": 2, "size": 64},
    "image": {"layers": LAYERS, "rank": 2, "channels": 3, "size": 24, "levels": 2},
    "video": {"layers": VIDEO, "rank": 3, "channels": 1, "size": [12, 16, 16]},
    "object": {
        "layers": [*LAYERS, {"filters": 1, "kernel": "full", "relu": False}],
        "size": 16,
        "boundary": "same",
    },
    "FRAME": {
        "layers": [{"filters": 1, "kernel": 1, "relu": False}],
        "bank": {"filters": "linear", "response": "bins"},
        "size": 40,
        "precision": "bfloat16",
    },
}


def onnx_score(path, x):
    return onnxruntime.InferenceSession(str(path)).run(["score"], {"x": x})[0]


def litert_score(path, x):
    return litert.Interpreter(str(path)).get_signature_runner("score")(x=x)["score"]


@pytest.mark.parametrize("kind", MODELS)
def test_other_runtimes_give_the_scores_of_keras(kind, tmp_path):
    model = GenerativeConvNet(**MODELS[kind])
    x = np.random.default_rng(0).normal(0, 9, (3, *model.size, model.channels)).astype(np.float32)
    expected = model.twin(precision="float32").score(x).numpy()
    assert np.abs(expected).min() > 0 and np.ptp(expected) > 0
    convert.to_onnx(model, tmp_path / "f.onnx")
    convert.to_litert(model, tmp_path / "f.tflite")
    for count in (3, 1):  # a batch of any size
        given, wanted = x[:count], expected[:count]
        scale = np.abs(wanted).max()
        for score in (onnx_score(tmp_path / "f.onnx", given),
                      litert_score(tmp_path / "f.tflite", given)):  # fmt: skip
            np.testing.assert_allclose(score, wanted, rtol=1e-5, atol=1e-5 * scale)


def test_a_preset_of_another_size_from_the_command_line(tmp_path, capsys):
    model = GenerativeConvNet.from_preset("texture-gravel").twin(precision="float32")
    x = np.random.default_rng(0).normal(0, 30, (2, 40, 48, model.channels)).astype(np.float32)
    expected = model.score(x)
    words = ["export", "texture-gravel", "--size", "40x48", "--format"]
    for kind, path, score in (
        ("onnx", tmp_path / "new" / "gravel.onnx", onnx_score),
        ("litert", tmp_path / "gravel.tflite", litert_score),
    ):
        assert main([*words, kind, "--output", str(path)]) == 0
        np.testing.assert_allclose(score(path, x), expected, rtol=1e-5)
        capsys.readouterr()
        assert main([*words, kind, "--output", str(path)]) == 2
        assert "Expected a new file" in capsys.readouterr().err
    (session,) = (onnxruntime.InferenceSession(str(tmp_path / "new" / "gravel.onnx")),)
    meta = json.loads(session.get_modelmeta().custom_metadata_map["genconv_tf"])
    assert meta["preprocessing"]["mean"] == list(model.preprocessing.mean)


def test_sizes_that_the_model_does_not_score_are_refused(small, tmp_path):
    for to, path in ((convert.to_onnx, "f.onnx"), (convert.to_litert, "f.tflite")):
        with pytest.raises(ValueError, match="Expected a size of at least"):
            to(small, tmp_path / path, 2)
        with pytest.raises(ValueError, match="a layer or a mean frame covers whole"):
            to(GenerativeConvNet(**MODELS["object"]), tmp_path / path, (16, 17))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words, message", [
    ("--format onnx --precision bfloat16", "Expected ONNX in float32"),
    ("--size 64", "Expected no --size of a SavedModel"),
])  # fmt: skip
def test_options_that_do_not_go_together(words, message, tmp_path, capsys):
    command = ["export", "texture-gravel", "--output", str(tmp_path / "out"), *words.split()]
    assert main(command) == 2
    assert message in capsys.readouterr().err


def test_an_operation_that_litert_does_not_know_is_refused_in_one_line(tmp_path, capfd):
    """A video's strides are folded by transposing eight axes, of which LiteRT knows six."""
    model = GenerativeConvNet(**{**MODELS["video"], "layers": [{"filters": 5, "stride": 2}]})
    with pytest.raises(ValueError, match=r"Expected operations that LiteRT knows\. .*Transpose$"):
        convert.to_litert(model, tmp_path / "f.tflite")
    assert "Transpose" not in capfd.readouterr().err and not list(tmp_path.iterdir())


def test_a_missing_converter_is_named_with_its_extra(small, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "tf2onnx":
            raise ModuleNotFoundError("No module named 'tf2onnx'", name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=r"Expected tf2onnx: pip install genconv-tf\[convert\]"):
        convert.to_onnx(small, tmp_path / "f.onnx")
    assert not list(tmp_path.iterdir())

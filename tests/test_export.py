"""The SavedModel, used where this package cannot be imported."""

import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from genconv_tf import GenerativeConvNet, sizes
from genconv_tf.export import ExportedModel
from genconv_tf.serving import Refused
from genconv_tf.serving.query import parse

ALONE = """
import sys
sys.modules["genconv_tf"] = None
import numpy as np, tensorflow as tf
try:
    import genconv_tf
except ImportError:
    pass
else:
    raise SystemExit("genconv_tf was importable")
model = tf.saved_model.load(sys.argv[1])
given = dict(np.load(sys.argv[2]))
out = {}
for name, inputs in {
    "serving_default": ["x"], "score": ["x"], "sample": ["seed", "size", "steps"],
    "watch": ["seed", "size", "steps", "until"], "continue": ["x", "seed", "steps"],
    "recover": ["media", "mask", "seed", "steps"], "reconstruct": ["x"],
}.items():
    result = model.signatures[name](**{k: tf.constant(given[k]) for k in inputs})
    out |= {f"{name}.{k}": v.numpy() for k, v in result.items()}
np.savez(sys.argv[3], **out)
"""


@pytest.fixture(scope="module")
def exported(fixed, tmp_path_factory):
    """A SavedModel of `fixed`."""
    folder = tmp_path_factory.mktemp("models") / "texture" / "1"
    fixed.export(folder)
    return folder


def test_every_signature_works_without_the_package(fixed, exported, tmp_path, photograph):
    rng = np.random.default_rng(0)
    given = {
        "x": rng.normal(0, 20, (2, 32, 32, 3)).astype(np.float32),
        "seed": np.array([[1, 2], [3, 4]], np.int32),
        "size": np.array([30, 41], np.int32),
        "steps": np.array(2, np.int32),
        "until": np.array(3, np.int32),
        "media": np.stack([photograph[:32, :32]] * 2),
        "mask": (rng.random((2, 32, 32)) < 0.3).astype(np.float32),
    }
    np.savez(tmp_path / "given.npz", **given)
    command = [sys.executable, "-c", ALONE, exported, tmp_path / "given.npz", tmp_path / "out.npz"]
    subprocess.run(command, check=True, cwd=tmp_path)
    out = np.load(tmp_path / "out.npz")
    x, seed, steps = (tf.constant(given[k]) for k in ("x", "seed", "steps"))
    np.testing.assert_allclose(out["score.score"], fixed.score(x), rtol=1e-5)
    np.testing.assert_array_equal(out["serving_default.score"], out["score.score"])
    sample = fixed.sample_media(seed, tf.constant(given["size"]), steps)
    np.testing.assert_array_equal(out["sample.media"], sample)
    assert out["sample.media"].dtype == np.uint8
    watched = fixed.sample_media(seed, tf.constant(given["size"]), steps, tf.constant(3))
    np.testing.assert_array_equal(out["watch.media"], watched)
    chain = fixed.continue_chain(x, seed, steps)
    np.testing.assert_allclose(out["continue.x"], chain, rtol=1e-4, atol=1e-3)
    assert out["continue.media"].dtype == np.uint8
    recovered = fixed.recover_media(given["media"], given["mask"], seed, steps)
    np.testing.assert_array_equal(out["recover.media"], recovered)
    np.testing.assert_allclose(out["reconstruct.x"], fixed.reconstruct(x), rtol=1e-4, atol=1e-5)


def test_the_loaded_model_samples_as_the_keras_model(fixed, exported):
    loaded = ExportedModel(exported)
    expected = fixed.sample(2, size=(30, 41), seed=9)
    np.testing.assert_array_equal(loaded.sample(2, size=(30, 41), seed=9), expected)
    np.testing.assert_array_equal(loaded.sample(1, size=(30, 41), seed=9), expected[:1])
    watched = fixed.sample(1, size=(30, 41), seed=9, until=5)
    np.testing.assert_array_equal(loaded.sample(1, size=(30, 41), seed=9, until=5), watched)


def test_keras_takes_an_export_for_a_layer(fixed, exported):
    x = tf.random.stateless_normal((2, 32, 32, 3), (1, 2), stddev=20.0)
    layer = keras.layers.TFSMLayer(str(exported), call_endpoint="score")
    np.testing.assert_allclose(layer(x)["score"], fixed.score(x), rtol=1e-5)
    assert len(layer.weights) == len(fixed.finest.network.weights)


def test_a_size_that_is_too_small_is_refused_by_the_graph_itself(fixed, exported):
    least = sizes.least_size(fixed.levels)
    seed, steps = tf.constant([[1, 2]]), tf.constant(1)
    signatures = tf.saved_model.load(str(exported)).signatures
    x = tf.zeros((1, *(n - 1 for n in fixed.finest.network.least_size()), 3))
    media = tf.zeros((1, least[0], least[1] - 1, 3), tf.uint8)
    for call in (
        lambda: signatures["sample"](seed=seed, size=tf.constant(least) - [1, 0], steps=steps),
        lambda: signatures["recover"](
            media=media, mask=tf.ones(media.shape[:-1]), seed=seed, steps=steps
        ),
        lambda: signatures["score"](x=x),
        lambda: signatures["continue"](x=x, seed=seed, steps=steps),
        lambda: signatures["reconstruct"](x=x),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match="Expected a size of at least"):
            call()
    assert (
        signatures["sample"](seed=seed, size=tf.constant(least), steps=steps)["media"].shape[1:3]
        == least
    )


@pytest.mark.parametrize(
    "media, mask, seeds",
    [((1, 32, 32), (1, 32, 32), 4), ((1, 32, 32), (2, 32, 32), 1), ((2, 32, 32), (2, 32, 32), 1),
     ((1, 32, 32), (1, 1, 1), 1), ((1, 32, 32), (1, 16, 16), 1)],
)  # fmt: skip
def test_rows_and_masks_that_do_not_match_are_refused_by_the_graph_itself(
    exported, media, mask, seeds
):
    recover = tf.saved_model.load(str(exported)).signatures["recover"]
    given = {"media": tf.zeros((*media, 3), tf.uint8), "mask": tf.ones(mask),
             "seed": tf.zeros((seeds, 2), tf.int32), "steps": tf.constant(1)}  # fmt: skip
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"Expected a|Incompatible|required broadcastable"
    ):
        recover(**given)


def test_the_model_carries_its_sampling_settings_and_checksums(fixed, exported):
    meta = json.loads((exported / "assets.extra" / "metadata.json").read_text())
    assert meta["sampler"]["steps"] == [4, 3]
    assert "saved_model.pb" in meta["sha256"]
    assert (exported / "assets.extra" / "README.md").is_file()


def test_an_export_never_overwrites(fixed, exported):
    with pytest.raises(ValueError, match="new or empty folder"):
        fixed.export(exported)


def test_a_damaged_or_missing_saved_model_is_refused(exported, tmp_path):
    with pytest.raises(ValueError, match="Expected a SavedModel"):
        ExportedModel(tmp_path)
    shutil.copytree(exported, tmp_path / "damaged")
    (tmp_path / "damaged" / "saved_model.pb").write_bytes(b"not a graph")
    with pytest.raises(ValueError, match=r"Expected saved_model\.pb as published"):
        ExportedModel(tmp_path / "damaged")


def test_warm_up_requests_are_prediction_logs(exported):
    """Read with message types that are built here from TensorFlow Serving's own definitions."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from tensorflow.core.framework import tensor_pb2

    kinds = {
        "ModelSpec": [("name", 1, None), ("signature_name", 3, None)],
        "Entry": [("key", 1, None), ("value", 2, "tensorflow.TensorProto")],
        "PredictRequest": [("model_spec", 1, "t.ModelSpec"), ("inputs", 2, "t.Entry")],
        "PredictLog": [("request", 1, "t.PredictRequest")],
        "PredictionLog": [("predict_log", 6, "t.PredictLog")],
    }
    file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="t", syntax="proto3")
    file.dependency.append(tensor_pb2.DESCRIPTOR.name)
    for kind, fields in kinds.items():
        message = file.message_type.add(name=kind)
        for name, number, of in fields:
            field = message.field.add(name=name, number=number)
            field.label = 3 if name == "inputs" else 1
            field.type = 11 if of else 9
            if of:
                field.type_name = f".{of}"
    pool = descriptor_pool.Default()
    pool.Add(file) if hasattr(pool, "Add") else pool.AddSerializedFile(file.SerializeToString())
    log_type = message_factory.GetMessageClass(pool.FindMessageTypeByName("t.PredictionLog"))
    records = tf.data.TFRecordDataset(str(exported / "assets.extra/tf_serving_warmup_requests"))
    logs = [log_type.FromString(record.numpy()) for record in records]
    requests = [log.predict_log.request for log in logs]
    assert [r.model_spec.signature_name for r in requests] == ["sample", "serving_default"]
    assert requests[0].model_spec.name == "texture"
    loaded = tf.saved_model.load(str(exported))
    for request in requests:
        inputs = {e.key: tf.constant(tf.make_ndarray(e.value)) for e in request.inputs}
        loaded.signatures[request.model_spec.signature_name](**inputs)


def test_weights_are_stored_once(fixed, exported):
    stored = tf.train.list_variables(str(exported / "variables" / "variables"))
    shapes = sorted(tuple(shape) for name, shape in stored if "OBJECT_GRAPH" not in name)
    assert shapes == sorted(tuple(w.shape) for w in fixed.weights)


def test_the_sampler_and_its_steps_are_stored_once(fixed, exported):
    """`sample` is `watch` to the end, and levels of the same layers have one step, for all
    signatures; graphs of their own would take as long to trace again."""
    saved = saved_model_pb2.SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    names = [f.signature.name for f in saved.meta_graphs[0].graph_def.library.function]
    assert sum("_sample_media" in name for name in names) == 1
    assert sum(name.startswith("__inference__move_") for name in names) == 1


def test_one_graph_samples_any_number_and_size_and_is_what_is_exported(small, tmp_path):
    small.sample(1)
    small.sample(3, size=(24, 40), until=2)
    small.export(tmp_path / "1")
    assert small._sample_media.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_export_computes_in_the_precision_that_was_asked_for(fixed, tmp_path, precision):
    """float32 unless told otherwise, whatever the model learned in: it is to run anywhere."""
    model = fixed.twin(precision="bfloat16" if precision == "float32" else "float32")
    chosen = {} if precision == "float32" else {"precision": precision}
    model.export(tmp_path / "1", **chosen)
    x = tf.random.stateless_normal((2, 32, 32, 3), (1, 2), stddev=20.0)
    received = tf.saved_model.load(str(tmp_path / "1")).signatures["reconstruct"](x=x)["x"]
    expected, other = fixed.twin(precision=precision).reconstruct(x), model.reconstruct(x)
    # Convolutions of known and of unknown sizes round differently, now and then.
    assert np.abs(received - expected).mean() < 0.1 * np.abs(received - other).mean()


def test_a_layer_that_covers_an_axis_fixes_the_size_of_samples(tmp_path):
    """Elsewhere the same filters would see another part of the signal at each of many places."""
    layers = [{"filters": 4, "kernel": 3}, {"filters": 2, "kernel": (1, "full", "full")}]
    model = GenerativeConvNet(
        layers, rank=3, size=(4, 8, 8), sampler={"steps": 1, "start_std": 9.0}
    )
    assert model.only_size == (None, 8, 8)
    message = (
        "a size of any x 8 x 8, which a layer or a mean frame covers whole. Received: 6 x 8 x 9"
    )
    with pytest.raises(ValueError, match=message):
        model.sample(size=(6, 8, 9))
    with pytest.raises(ValueError, match="a layer or a mean frame covers whole"):
        model.recover(np.zeros((1, 4, 9, 8, 3), np.uint8), np.ones((1, 4, 9, 8)) * np.eye(9, 8))
    model.export(tmp_path / "video" / "1")
    exported = ExportedModel(tmp_path / "video" / "1")
    assert exported.sample(size=(6, 8, 8)).shape == (1, 6, 8, 8, 3)
    with pytest.raises(ValueError, match=message):
        exported.sample(size=(6, 8, 9))
    media, mask = np.zeros((1, 6, 8, 9, 3), np.uint8), np.zeros((1, 6, 8, 9))
    with pytest.raises(ValueError, match="mask with a 1"):
        exported.recover(media, mask)
    mask[:, :2] = 1
    with pytest.raises(ValueError, match=message):
        exported.recover(media, mask)
    with pytest.raises(ValueError, match="Expected media of"):
        exported.recover(media[..., :1], mask)
    seed, steps = tf.zeros((1, 2), tf.int32), tf.constant(1)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="any x 8 x 8, which a layer or a mean"
    ):
        exported.signatures["sample"](seed=seed, size=tf.constant((6, 9, 8)), steps=steps)
    with pytest.raises(Refused, match="a size of any x 8 x 8"):
        parse({"size": "9", "frames": "6"}, exported.metadata)
    assert parse({"size": "8", "frames": "6"}, exported.metadata)[0] == [6, 8, 8]
    assert "or any x 8 x 8" in (tmp_path / "video/1/assets.extra/README.md").read_text()

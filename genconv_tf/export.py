"""Export to a SavedModel that scores, samples, continues, recovers and reconstructs on its own."""

import json
import pathlib

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from genconv_tf import card, catalogue, files, sizes, warmup
from genconv_tf.integrity import CARD, EXTRA, METADATA, verify
from genconv_tf.precision import resolve


def export(model, folder, replace=False, precision="float32", **facts):
    """Write `model` as a SavedModel for TensorFlow or TensorFlow Serving.

    Signatures, with named inputs and dict outputs: `serving_default` (= `score`), `sample`,
    `watch`, `continue`, `recover` and `reconstruct`. Row i of a batch depends on seed i alone. The
    folder is a version of TensorFlow Serving's layout, `NAME/1`.

    Args:
        folder: a new or empty folder, unless `replace`.
        precision: of the convolutions. `"bfloat16"` is about twice as fast on processors that have
            units for it, and many times slower on the others.
        **facts: for metadata and card, as of `GenerativeConvNet.save_to_preset`.
    """
    precision = resolve(precision)
    if model.get_config()["precision"] != precision:
        model = model.twin(precision=precision)  # A model's own graphs are not traced again.
    with files.whole_folder(folder, replace) as partial:
        _write(model, partial)
        extra = partial / EXTRA
        extra.mkdir()
        name = pathlib.Path(folder).absolute().parent.name
        warmup.write(extra / warmup.FILE, name, _warm_up_requests(model))
        meta = card.metadata(model, name, facts, {})
        meta["sha256"] = {
            path.relative_to(partial).as_posix(): files.sha256(path)
            for path in sorted(partial.rglob("*"))
            if path.is_file()
        }
        files.write_json(extra / METADATA, meta)
        files.write_text(extra / CARD, card.render(json.loads((extra / METADATA).read_text())))


class ExportedModel:
    """A SavedModel of `export`, loaded with TensorFlow alone after its checksums were compared.

    Args:
        folder: of the SavedModel.

    Raises:
        ValueError: no SavedModel, a file is missing, or its content is not what was written.
    """

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        if not catalogue.is_saved_model(folder):
            raise ValueError(f"Expected a SavedModel. Received: {folder}")
        verify(folder, f"{EXTRA}/{METADATA}", above=2)
        try:
            self._loaded = tf.saved_model.load(str(folder))
            self.metadata = json.loads((folder / EXTRA / METADATA).read_text())
            self.signatures = dict(self._loaded.signatures)
            self._sample, self._recover = (self.signatures[n] for n in ("sample", "recover"))
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            line = str(error).splitlines()[0][:200]
            raise ValueError(f"Expected a whole SavedModel of genconv. Received: {folder} "
                             f"({line})") from None  # fmt: skip

    def sample(self, num=1, size=None, seed=0, steps=0, until=None, first=0):
        """As `GenerativeConvNet.sample`, and with the same result."""
        from genconv_tf import checks, noise

        size = self.metadata["size"] if size is None else size
        checks.check_counts(num, steps, first)
        size = sizes.lengths(size, self.metadata["rank"])
        sizes.check_size(self.metadata["least_size"], size, self.metadata.get("only_size"))
        inputs = {"seed": noise.row_seeds(seed, num, first), "size": tf.constant(size),
                  "steps": tf.constant(steps, tf.int32)}  # fmt: skip
        if until is None:
            return self._sample(**inputs)["media"].numpy()
        if "watch" not in self.signatures:
            raise ValueError("Expected a SavedModel that can be watched. Received: an older one")
        watched = self.signatures["watch"](**inputs, until=checks.check_until(until))
        return watched["media"].numpy()

    def recover(self, media, mask, seed=0, steps=0, first=0):
        """As `GenerativeConvNet.recover`."""
        from genconv_tf import checks, noise

        checks.check_mask(media, mask)
        channels = self._recover.structured_input_signature[1]["media"].shape[-1]
        hop = (self.metadata["preprocessing"].get("subbands") or {"hop": 1})["hop"]
        about = self.metadata["least_size"], self.metadata.get("only_size"), hop
        checks.check_media_shape(np.shape(media), channels, *about)
        result = self._recover(
            media=tf.constant(media),
            mask=tf.constant(mask, tf.float32),
            seed=noise.row_seeds(seed, len(media), first),
            steps=tf.constant(steps, tf.int32),
        )
        return result["media"].numpy()


def _write(model, folder):
    """The SavedModel itself. `keras.export.ExportArchive` writes the same, but traces each function
    twice, for its variables and for its signature; tracing is what takes the time."""
    signatures = {
        name: tf.function(function, autograph=False).get_concrete_function(*inputs)
        for name, function, inputs in _endpoints(model)
    }
    module, variables = tf.Module(), [v for f in signatures.values() for v in f.variables]
    module.weights = list({id(v): v for v in variables}.values())
    for name, function in signatures.items():
        setattr(module, name, function)  # what a `keras.layers.TFSMLayer` looks for first
    signatures[tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY] = signatures["score"]
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, str(folder), signatures, options)
    _forget_gradients(folder / tf.saved_model.SAVED_MODEL_FILENAME_PB)


def _forget_gradients(path):
    """Leave the gradients of what was saved to TensorFlow.

    Those of `convolution_gradient` are faster and no different. Saved, each would be a graph of its
    own; merely named, as they are by what has them, they would be missed wherever it is loaded.
    """
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for meta in saved.meta_graphs:
        for function in meta.graph_def.library.function:
            for node in function.node_def:
                node.attr.pop("_gradient_op_type", None)
    path.write_bytes(saved.SerializeToString(deterministic=True))


def _endpoints(model):
    """(name, function, named inputs) of every signature."""
    lengths = model.preprocessing.only_size(sizes.only_size(model.levels, model.size))
    x = tf.TensorSpec([None, *lengths, model.channels], tf.float32, "x")
    channels = model.preprocessing.media_channels(model.channels)
    hop = model.preprocessing.hop
    extents = [None if n is None else n * hop for n in lengths]
    media = tf.TensorSpec([None, *extents, channels], model.preprocessing.dtype, "media")
    mask = tf.TensorSpec([None, *extents], tf.float32, "mask")
    seed = tf.TensorSpec([None, 2], tf.int32, "seed")
    size = tf.TensorSpec([model.rank], tf.int32, "size")
    steps = tf.TensorSpec([], tf.int32, "steps")
    until = tf.TensorSpec([], tf.int32, "until")

    finest = model.finest.network.least_size()

    def score(x):
        _check_size(tf.shape(x)[1:-1], finest)
        return {"score": model.score(x)}

    def sample(seed, size, steps):
        _check_size(size, model.least_size, model.only_size)
        return {"media": model.sample_media(seed, size, steps)}

    def watch(seed, size, steps, until):
        _check_size(size, model.least_size, model.only_size)
        return {"media": model.sample_media(seed, size, steps, until)}

    def go_on(x, seed, steps):
        _check_size(tf.shape(x)[1:-1], finest)
        x = model.continue_chain(x, seed, steps)
        return {"x": x, "media": model.preprocessing.decode(x)}

    def recover(media, mask, seed, steps):
        _check_size(tf.shape(media)[1:-1], model.least_size)
        message = f"Expected whole frames of {hop} samples"
        tf.debugging.assert_equal(tf.shape(media)[1:-1] % hop, 0, message)
        return {"media": model.recover_media(media, mask, seed, steps)}

    def reconstruct(x):
        _check_size(tf.shape(x)[1:-1], finest)
        return {"x": model.reconstruct(x)}

    return [
        ("score", score, [x]),
        ("sample", sample, [seed, size, steps]),
        ("watch", watch, [seed, size, steps, until]),
        ("continue", go_on, [x, seed, steps]),
        ("recover", recover, [media, mask, seed, steps]),
        ("reconstruct", reconstruct, [x]),
    ]


def _check_size(size, least, only=()):
    """In the graph itself: whoever calls the SavedModel gets an `InvalidArgumentError`."""
    tf.debugging.assert_greater_equal(size, least, f"Expected a size of at least {least}")
    for axis, n in enumerate(only):
        if n is not None:
            tf.debugging.assert_equal(size[axis], n, sizes.expected_only(only))


def _warm_up_requests(model):
    """A sample and a score of the training size: what is traced and planned at the first call."""
    x = np.zeros((1, *model.size, model.channels), np.float32)
    sample = {
        "seed": np.zeros((1, 2), np.int32),
        "size": np.array(model.media_size, np.int32),
        "steps": np.array(1, np.int32),
    }
    return [("sample", sample), ("serving_default", {"x": x})]

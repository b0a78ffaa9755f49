"""The scoring function alone as ONNX or LiteRT, for programs that have no TensorFlow.

What is converted is f of the finest level, for signals of one size and batches of any: the input
`x`, `(batch, *size, channels)` float32, preprocessed as the model's metadata say, the output
`score`, `(batch,)`. Neither format holds the sampling loop: its gradients are of operations that
the converters do not know. `model.export` writes a SavedModel that samples. LiteRT does not take
videos whose first layer has strides along space.
"""

import json
import logging
import pathlib
import re
import tempfile

import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError

from genconv_tf import card, files, sizes
from genconv_tf.quiet import quiet


def to_onnx(model, path, size=None, replace=False):
    """Write the scoring function as an ONNX file, with the model's metadata in it.

    Args:
        model: a `GenerativeConvNet`.
        path: of the file, such as `brick.onnx`.
        size: lengths of x, one int or one per axis; those that the model learned from by default.
        replace: whether a file that is already there gives way.

    Raises:
        ValueError: the size is none that the model scores, the file is there already, the converter
            is not installed (`pip install genconv-tf[convert]`), or it does not know some operation
            of the model.
    """
    try:
        import onnx
        import tf2onnx
    except ImportError as error:
        raise ValueError(f"Expected {error.name}: pip install genconv-tf[convert]") from None
    path = _new(path, replace)
    function, spec = _score(model, size)
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)  # What it tells is raised below.
    graph, _ = tf2onnx.convert.from_function(function, [spec])
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    meta = json.dumps(card.metadata(model, path.stem, {}, {}))
    graph.metadata_props.add(key="genconv_tf", value=meta)
    try:
        onnx.checker.check_model(graph)  # Unknown operations are left in the file as they are.
    except onnx.checker.ValidationError as error:
        line = str(error).splitlines()[0]
        raise ValueError(f"Expected operations that ONNX knows. Received: {line}") from None
    _write(path, graph.SerializeToString())


def to_litert(model, path, size=None, replace=False):
    """Write the scoring function as a LiteRT (TensorFlow Lite) file with the signature `score`.

    Args:
        model: a `GenerativeConvNet`.
        path: of the file, such as `brick.tflite`.
        size: lengths of x, one int or one per axis; those that the model learned from by default.
        replace: whether a file that is already there gives way.

    Raises:
        ValueError: the size is none that the model scores, the file is there already, or the
            converter does not know some operation of the model.
    """
    path = _new(path, replace)
    function, spec = _score(model, size)
    score, module = function.get_concrete_function(spec), tf.Module()
    module.weights = score.graph.variables
    with tempfile.TemporaryDirectory() as folder:
        # By way of a SavedModel, without which input, output and signature would have no names.
        tf.saved_model.save(module, folder, signatures={"score": score})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["score"])
        try:
            with quiet():
                content = converter.convert()
        except ConverterError as error:
            unknown = re.search(r"\w+ ops: .*", str(error)) or re.search(r".*", str(error))
            raise ValueError("Expected operations that LiteRT knows. "
                             f"Received: {unknown.group()}") from None  # fmt: skip
    _write(path, content)


def _score(model, size):
    """f as a function of TensorFlow in float32, and the specification of its x."""
    size = model.size if size is None else sizes.lengths(size, model.rank)
    finest = model.finest.network
    only = sizes.only_size([model.finest], model.size)
    sizes.check_size(finest.least_size(), size, only)
    network = model.twin(precision="float32").finest.network
    spec = tf.TensorSpec((None, *size, model.channels), tf.float32, "x")

    def score(x):
        return {"score": network(x)}

    return tf.function(score, input_signature=[spec], autograph=False), spec


def _new(path, replace):
    """`path`, where there is no file yet."""
    path = pathlib.Path(path)
    if path.is_dir() or (path.exists() and not replace):
        raise ValueError(f"Expected a new file. Received: {path}")
    return path


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.whole_file(path) as partial:
        pathlib.Path(partial).write_bytes(content)

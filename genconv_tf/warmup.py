"""Warm-up requests that TensorFlow Serving replays when it loads a model.

The records are `PredictionLog` messages. Only the fields below are ever needed, so they are encoded
here, after tensorflow_serving/apis/{prediction_log,predict,model}.proto, instead of through
tensorflow-serving-api, which asks for a TensorFlow of its own.
"""

import tensorflow as tf

FILE = "tf_serving_warmup_requests"


def write(path, name, requests):
    """Write one record per request.

    Args:
        path: the file, `assets.extra/tf_serving_warmup_requests`.
        name: of the served model.
        requests: list of (signature, dict of inputs).
    """
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            writer.write(_prediction_log(name, signature, inputs))


def _prediction_log(name, signature, inputs):
    spec = _field(1, name.encode()) + _field(3, signature.encode())  # ModelSpec
    request = _field(1, spec)  # PredictRequest
    for key, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += _field(2, _field(1, key.encode()) + _field(2, tensor))  # an entry of the map
    return _field(6, _field(1, request))  # PredictionLog of a PredictLog


def _field(number, content):
    """A length-delimited field of the protocol buffers' wire format."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value):
    groups = []
    while True:
        value, low = value >> 7, value & 127
        groups.append(low | 128 if value else low)
        if not value:
            return bytes(groups)

"""TensorFlow Serving's PredictionService and ModelService over gRPC, for clients of
tensorflow-serving-api."""

import asyncio
import math

import grpc
import tensorflow as tf
from google.protobuf import any_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from genconv_tf.serving import Refused, beyond_memory, protocol

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}


class Services(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """`Predict`, `GetModelMetadata` and `GetModelStatus` over the backend of an `http.Service`,
    with its limits."""

    def __init__(self, service):
        self.service = service

    async def Predict(self, request, context):
        return await self._answer(self._predict, request, context)

    async def GetModelMetadata(self, request, context):
        return await self._answer(self._metadata, request, context)

    async def GetModelStatus(self, request, context):
        return await self._answer(self._status, request, context)

    async def _predict(self, request):
        name = request.model_spec.name
        with self.service.counted(name, "grpc"), self.service.queued():
            signatures = await self._signatures(request.model_spec)
            signature = request.model_spec.signature_name or protocol.DEFAULT
            wanted = protocol.check_names(request.inputs, signature, signatures)
            for key, value in request.inputs.items():
                _check_tensor(key, value, wanted[key][1], self.service.limits.body)
            given = {key: await asyncio.to_thread(_array, key, value)
                     for key, value in request.inputs.items()}  # fmt: skip
            inputs = protocol.check(given, signature, signatures)
            self.service.limits.check(inputs)
            asked = list(request.output_filter) or sorted(signatures[signature]["outputs"])
            if unknown := sorted(set(asked) - set(signatures[signature]["outputs"])):
                raise Refused(400, f"Expected outputs of {signature}. Received: {unknown}")
            outputs = await self.service.backend.predict(name, signature, inputs)
            response = predict_pb2.PredictResponse()
            response.model_spec.CopyFrom(_spec(name, signature))
            for key in asked:
                response.outputs[key].CopyFrom(tf.make_tensor_proto(outputs[key]))
            return response

    async def _status(self, request):
        await self._signatures(request.model_spec)
        response = get_model_status_pb2.GetModelStatusResponse()
        response.model_version_status.add(
            version=1, state=get_model_status_pb2.ModelVersionStatus.AVAILABLE
        )
        return response

    async def _signatures(self, spec):
        """Signatures of the model and the version that are asked for."""
        if (spec.HasField("version") and spec.version.value != 1) or spec.version_label:
            received = spec.version_label or spec.version.value
            raise Refused(404, f"Expected version 1, the only one. Received: {received}")
        return await self.service.backend.signatures(spec.name)

    async def _metadata(self, request):
        name = request.model_spec.name
        signatures = await self._signatures(request.model_spec)
        wanted = set(request.metadata_field) - {"signature_def"}
        if wanted:
            raise Refused(400, f"Expected the field signature_def. Received: {sorted(wanted)}")
        definitions = get_model_metadata_pb2.SignatureDefMap()
        for key, each in signatures.items():
            made = meta_graph_pb2.SignatureDef(method_name="tensorflow/serving/predict")
            for side, tensors in (("inputs", made.inputs), ("outputs", made.outputs)):
                for tensor, (dtype, shape) in each[side].items():
                    tensors[tensor].dtype = tf.as_dtype(dtype).as_datatype_enum
                    tensors[tensor].tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
            definitions.signature_def[key].CopyFrom(made)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.CopyFrom(_spec(name, ""))
        packed = any_pb2.Any()
        packed.Pack(definitions)
        response.metadata["signature_def"].CopyFrom(packed)
        return response

    async def _answer(self, method, request, context):
        try:
            given = dict(context.invocation_metadata()).get("authorization", "")
            self.service.check_token(given.encode())
            return await method(request)
        except Refused as error:
            await context.abort(CODES.get(error.status, grpc.StatusCode.UNKNOWN), error.message)


async def start(service, host, port):
    """Listen at `host:port`; returns the running server."""
    options = [("grpc.max_receive_message_length", service.limits.body),
               ("grpc.max_send_message_length", -1)]  # fmt: skip
    server = grpc.aio.server(options=options, maximum_concurrent_rpcs=service.limits.clients)
    services = Services(service)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(services, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(services, server)
    server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    await server.start()
    return server


def _array(key, value):
    try:
        return tf.make_ndarray(value)
    except MemoryError:
        raise beyond_memory() from None
    except (TypeError, ValueError) as error:
        raise Refused(400, f"Expected a tensor. Received: {key} ({error})") from None


def _check_tensor(key, value, shape, most):
    """Raise `Refused` unless a tensor is of numbers, of the signature's `shape` and of at most
    `most` bytes: one that says one number for all of a large shape is a few bytes long."""
    try:
        kind = tf.as_dtype(value.dtype)
    except TypeError:
        kind = tf.string
    if not (kind.is_integer or kind.is_floating) or kind.is_quantized:
        raise Refused(400, f"Expected {key} to be numbers. Received: another type")
    lengths = [each.size for each in value.tensor_shape.dim]
    if value.tensor_shape.unknown_rank or min(lengths, default=0) < 0:
        raise Refused(400, f"Expected {key} of a known shape. Received: an unknown one")
    protocol.check_shape(key, lengths, shape)
    count, size = math.prod(lengths), max(kind.size, 1)
    if count * size > most:
        raise Refused(413, f"Expected {key} of at most {most} bytes. Received: {count * size}")
    if value.tensor_content and len(value.tensor_content) != count * size:
        raise Refused(400, f"Expected {count * size} bytes of {key}. "
                           f"Received: {len(value.tensor_content)}")  # fmt: skip


def _spec(name, signature):
    spec = predict_pb2.PredictRequest().model_spec
    spec.name, spec.signature_name, spec.version.value = name, signature, 1
    return spec

"""TensorFlow Serving's PredictionService over gRPC, for clients of tensorflow-serving-api."""

import grpc
import tensorflow as tf
from google.protobuf import any_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from genconv_tf.serving import Refused, protocol

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """`Predict` and `GetModelMetadata` over the backend of an `http.Service`, with its limits."""

    def __init__(self, service):
        self.service = service

    async def Predict(self, request, context):
        return await self._answer(self._predict, request, context)

    async def GetModelMetadata(self, request, context):
        return await self._answer(self._metadata, request, context)

    async def _predict(self, request):
        name = request.model_spec.name
        with self.service.counted(name, "grpc"), self.service.queued():
            signatures = await self.service.backend.signatures(name)
            signature = request.model_spec.signature_name or protocol.DEFAULT
            given = {}
            for key, value in request.inputs.items():
                try:
                    given[key] = tf.make_ndarray(value)
                except (TypeError, ValueError) as error:
                    raise Refused(400, f"Expected a tensor. Received: {key} ({error})") from None
            inputs = protocol.check(given, signature, signatures)
            self.service.limits.check(inputs)
            outputs = await self.service.backend.predict(name, signature, inputs)
            response = predict_pb2.PredictResponse()
            response.model_spec.CopyFrom(_spec(name, signature))
            for key, value in outputs.items():
                response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
            return response

    async def _metadata(self, request):
        name = request.model_spec.name
        signatures = await self.service.backend.signatures(name)
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
    server = grpc.aio.server(options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(service), server
    )
    server.add_insecure_port(f"{host}:{port}")
    await server.start()
    return server


def _spec(name, signature):
    spec = predict_pb2.PredictRequest().model_spec
    spec.name, spec.signature_name, spec.version.value = name, signature, 1
    return spec

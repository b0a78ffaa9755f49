"""The gRPC surface over a runner in this process; the same one runs on Ray in test_serve."""

import asyncio

import numpy as np
import pytest

pytest.importorskip("tensorflow_serving.apis")
pytest.importorskip("starlette")
import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from genconv_tf.serving import rpc
from genconv_tf.serving.http import Service
from genconv_tf.serving.limits import Limits

SAMPLE = {"seed": [[7, 0]], "size": [32, 40], "steps": 2}


@pytest.fixture(scope="module")
def service(backend):
    return Service(backend, Limits(positions=64 * 64, body=2**20))


def asked(**changes):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "texture", "sample"
    for key, value in {**SAMPLE, **changes}.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value, tf.int32))
    return request


def answers(service, requests, method="Predict"):
    """What a server in this process answers: a response, or an error's (code, details)."""

    async def play():
        server = grpc.aio.server()
        services = rpc.Services(service)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(services, server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(services, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        made = []
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            if method == "GetModelStatus":
                stub = model_service_pb2_grpc.ModelServiceStub(channel)
            for request in requests:
                try:
                    made.append(await getattr(stub, method)(request, timeout=60))
                except grpc.RpcError as error:
                    made.append((error.code(), error.details()))
        await server.stop(0)
        return made

    return asyncio.run(play())


def test_outputs_are_those_that_are_asked_for(service):
    filtered, unknown = asked(), asked()
    filtered.output_filter.append("media")
    unknown.output_filter.append("pixels")
    first, second, third = answers(service, [asked(), filtered, unknown])
    media = tf.make_ndarray(first.outputs["media"])
    assert media.shape == (1, 32, 40, 3)
    np.testing.assert_array_equal(tf.make_ndarray(second.outputs["media"]), media)
    assert third == (grpc.StatusCode.INVALID_ARGUMENT,
                     "Expected outputs of sample. Received: ['pixels']")  # fmt: skip


def test_another_version_is_not_found(service):
    one, two, labelled = asked(steps=1), asked(), asked()
    one.model_spec.version.value, two.model_spec.version.value = 1, 2
    labelled.model_spec.version_label = "canary"
    first, *others = answers(service, [one, two, labelled])
    assert first.model_spec.version.value == 1
    assert all(code == grpc.StatusCode.NOT_FOUND for code, _ in others)


def test_the_status_of_a_model(service):
    requests = [get_model_status_pb2.GetModelStatusRequest() for _ in range(2)]
    requests[0].model_spec.name, requests[1].model_spec.name = "texture", "none"
    known, unknown = answers(service, requests, "GetModelStatus")
    (version,) = known.model_version_status
    assert version.version == 1 and version.state == version.AVAILABLE
    assert unknown[0] == grpc.StatusCode.NOT_FOUND


def of_shape(lengths, **values):
    """A request whose seed claims to be of a shape."""
    request = asked()
    request.inputs["seed"].Clear()
    request.inputs["seed"].dtype = values.pop("dtype", tf.int32.as_datatype_enum)
    for n in lengths:
        request.inputs["seed"].tensor_shape.dim.add(size=n)
    for name, value in values.items():
        if isinstance(value, bytes):
            setattr(request.inputs["seed"], name, value)
        else:
            getattr(request.inputs["seed"], name).extend(value)
    return request


@pytest.mark.parametrize(("request_", "code", "reason"), [
    (of_shape([400_000_000], int_val=[1]), "INVALID_ARGUMENT", "of shape"),
    (of_shape([2**45, 2], int_val=[1]), "RESOURCE_EXHAUSTED", "at most"),
    (of_shape([-1, 2], int_val=[1]), "INVALID_ARGUMENT", "known shape"),
    (of_shape([4, 2], tensor_content=b"123"), "INVALID_ARGUMENT", "32 bytes of seed"),
    (of_shape([1, 2], dtype=tf.string.as_datatype_enum, string_val=[b"a", b"b"]),
     "INVALID_ARGUMENT", "to be numbers"),
    (of_shape([1, 2], dtype=999, int_val=[1]), "INVALID_ARGUMENT", "to be numbers"),
    (of_shape([1, 2], dtype=tf.float32.as_datatype_enum, float_val=[1.0, 2.0]),
     "INVALID_ARGUMENT", "whole numbers"),
    (asked(size=[9**6, 9**6]), "INVALID_ARGUMENT", "positions"),
])  # fmt: skip
def test_a_tensor_that_is_not_what_it_should_be_is_refused_before_it_is_made(
    service, request_, code, reason
):
    """A few bytes can claim any shape."""
    ((received, details),) = answers(service, [request_])
    assert received == grpc.StatusCode[code] and reason in details

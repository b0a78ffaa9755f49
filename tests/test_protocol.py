"""TensorFlow Serving's JSON, held against examples of its documentation and against NumPy."""

import json
import tracemalloc

import numpy as np
import pytest

from genconv_tf.serving import Refused, protocol
from genconv_tf.serving.limits import Limits

SIGNATURES = {
    "serving_default": {
        "inputs": {"x": ("float32", (None, None, 2))},
        "outputs": {"score": ("float32", (None,))},
    },
    "sample": {
        "inputs": {"seed": ("int32", (None, 2)), "size": ("int32", (2,)), "steps": ("int32", ())},
        "outputs": {"media": ("uint8", (None, None, None, 3))},
    },
}
SAMPLE = {"seed": [[1, 2], [3, 4]], "size": [64, 48], "steps": 5}


def parse(content):
    return protocol.parse(json.dumps(content).encode(), SIGNATURES)


X = [[[1.0, 2.0]], [[3.0, 4.5]]]


@pytest.mark.parametrize(
    "content",
    [{"instances": X}, {"instances": [{"x": row} for row in X]}, {"inputs": X},
     {"inputs": {"x": X}}, {"signature_name": "serving_default", "inputs": X}],
)  # fmt: skip
def test_every_way_to_write_one_input_is_the_same_array(content):
    name, inputs, rows = parse(content)
    assert name == "serving_default" and rows == ("instances" in content)
    assert inputs["x"].dtype == np.float32
    np.testing.assert_array_equal(inputs["x"], X)


def test_columns_and_rows_of_several_inputs_are_the_same_arrays():
    rows = [{"seed": seed, "size": [64, 48], "steps": 5} for seed in SAMPLE["seed"]]
    _, by_column, _ = parse({"signature_name": "sample", "inputs": SAMPLE})
    _, by_row, _ = parse({"signature_name": "sample", "instances": rows})
    for key, value in SAMPLE.items():
        np.testing.assert_array_equal(by_column[key], value)
        np.testing.assert_array_equal(by_row[key], value)
        assert by_column[key].dtype == by_row[key].dtype == np.int32


def test_answers_in_rows_and_in_columns():
    one, two = {"score": np.array([1.5, 2.0])}, {"a": np.array([1, 2]), "b": np.array([[3], [4]])}
    assert protocol.answer(one, rows=True) == {"predictions": [1.5, 2.0]}
    assert protocol.answer(one, rows=False) == {"outputs": [1.5, 2.0]}
    assert protocol.answer(two, rows=True) == {
        "predictions": [{"a": 1, "b": [3]}, {"a": 2, "b": [4]}]
    }
    assert protocol.answer(two, rows=False) == {"outputs": {"a": [1, 2], "b": [[3], [4]]}}


def sample(**changes):
    return {"signature_name": "sample", "inputs": {**SAMPLE, **changes}}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "Expected a JSON object"),
        ({}, "either instances or inputs"),
        ({"inputs": X, "instances": X}, "either instances or inputs"),
        ({"signature_name": "draw", "inputs": X}, "signature of"),
        ({"signature_name": 3, "inputs": X}, "signature of"),
        ({"instances": []}, "list of instances"),
        ({"instances": {"x": 1}}, "list of instances"),
        ({"instances": [{"y": X[0]}]}, r"inputs \['x'\]"),
        ({"inputs": {"y": X}}, r"inputs \['x'\]"),
        ({"inputs": [[1.0, 2.0]]}, "shape"),
        ({"inputs": [[[1.0, 2.0]], [[3.0]]]}, "array of numbers"),
        ({"inputs": [[["a", "b"]]]}, "numbers"),
        ({"inputs": [[[None, 1]]]}, "array of numbers"),
        ({"inputs": [[[True, False]]]}, "numbers"),
        ({"inputs": [[[1e39, 0.0]]]}, "finite"),
        ({"inputs": [[[float("nan"), 0.0]]]}, "finite"),
        (sample(seed=[[1, 2.5]]), "whole numbers"),
        (sample(seed=[[1, 2**31]]), "within int32"),
        (sample(seed=[[1, 10**30]]), "array of numbers"),
        (sample(seed=[1, 2]), "shape"),
        (sample(size=[64]), "shape"),
        (sample(steps=[1]), "shape"),
        (sample(extra=1), "inputs"),
        ({"signature_name": "sample", "inputs": [1]}, "inputs"),
        ({"signature_name": "sample", "instances": [
            {"seed": [1, 2], "size": [64, 48], "steps": n} for n in (1, 2)]}, "one steps"),
    ],
)  # fmt: skip
def test_what_is_not_a_request_is_refused_with_a_reason(content, reason):
    with pytest.raises(Refused, match=reason) as caught:
        parse(content)
    assert caught.value.status == 400 and "Received" in caught.value.message


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"inputs": 1e}'])
def test_what_is_not_json_is_refused(body):
    with pytest.raises(Refused, match="Expected JSON"):
        protocol.parse(body, SIGNATURES)


def test_rows_must_be_as_many_of_each_and_some():
    signatures = {
        "s": {"inputs": {"a": ("int32", (None,)), "b": ("int32", (None,))}, "outputs": {}}
    }
    arrays = {"a": np.array([1, 2]), "b": np.array([1])}
    with pytest.raises(Refused, match="as many rows"):
        protocol.check(arrays, "s", signatures)
    with pytest.raises(Refused, match="as many rows"):
        protocol.check({"a": np.zeros(0, int), "b": np.zeros(0, int)}, "s", signatures)


def test_metadata_is_a_signature_def():
    described = protocol.metadata("brick", SIGNATURES)
    assert described["model_spec"] == {"name": "brick", "signature_name": "", "version": "1"}
    media = described["metadata"]["signature_def"]["signature_def"]["sample"]["outputs"]["media"]
    assert media["dtype"] == "DT_UINT8"
    assert [d["size"] for d in media["tensor_shape"]["dim"]] == ["-1", "-1", "-1", "3"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"size": [65, 64]}, "positions"), ({"size": [0, 64]}, "positions"),
     ({"size": [2**31 - 1, 2**31 - 1]}, "positions"), ({"steps": -1}, "steps"),
     ({"steps": 11}, "steps"), ({"seed": [[0, 0]] * 5}, "rows")],
)  # fmt: skip
def test_limits_refuse_what_is_too_much(changes, reason):
    limits = Limits(positions=2 * 64 * 64, steps=10, rows=4)
    limits.check(parse(sample(size=[64, 64]))[1])
    with pytest.raises(Refused, match=reason):
        limits.check(parse(sample(**changes))[1])


def test_limits_count_the_positions_of_signals():
    x = {"x": np.zeros((2, 9, 9, 3), np.float32)}
    Limits(positions=2 * 81).check(x)
    with pytest.raises(Refused, match="positions"):
        Limits(positions=2 * 81 - 1).check(x)


def test_strings_do_not_become_an_array_of_their_longest():
    """A small body of one long string and many short ones would take gigabytes."""
    values = ["a" * 100_000, *["b"] * 10_000]
    body = json.dumps(sample(seed=values)).encode()
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="array of numbers") as caught:
            protocol.parse(body, SIGNATURES)
        assert tracemalloc.get_traced_memory()[1] < 20 * len(body)
    finally:
        tracemalloc.stop()
    assert caught.value.status == 400 and len(str(caught.value)) < 200


def test_lists_deeper_than_any_array_are_refused():
    with pytest.raises(Refused, match="array of numbers"):
        protocol.parse(
            b'{"signature_name": "sample", "inputs": {"seed": %s, "size": [64, 48], '
            b'"steps": 1}}' % (b"[" * 200 + b"1" + b"]" * 200),
            SIGNATURES,
        )

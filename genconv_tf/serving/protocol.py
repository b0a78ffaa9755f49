"""The JSON of TensorFlow Serving's REST API: rows (`instances`) and columns (`inputs`).

As its documentation has it (tensorflow.org/tfx/serving/api_rest), with one step beyond: an input
without a batch axis, such as the size of a sample, may stand in rows if it is the same in all.
"""

import contextlib
import json
import reprlib

import numpy as np

from genconv_tf.serving import Refused

DEFAULT = "serving_default"


def parse(body, signatures):
    """A `:predict` request.

    Args:
        body: JSON, bytes.
        signatures: `{name: {"inputs": {name: (dtype, shape)}, ...}}`, dtypes as NumPy names them,
            shapes with `None` where any length fits.

    Returns:
        (signature's name, dict of inputs as arrays, whether rows were asked for).

    Raises:
        Refused: what is asked cannot be understood, or is not what the signature takes.
    """
    content = _object(body)
    name = content.get("signature_name", DEFAULT) or DEFAULT
    wanted = _wanted(name, signatures)
    rows, columns = "instances" in content, "inputs" in content
    if rows == columns:
        received = "both" if rows else sorted(content)
        raise Refused(400, f"Expected either instances or inputs. Received: {_short(received)}")
    given = _from_rows(content["instances"], wanted) if rows else content["inputs"]
    if not isinstance(given, dict):
        if len(wanted) != 1:
            raise Refused(400, f"Expected inputs {sorted(wanted)}. Received: {_short(given)}")
        given = {next(iter(wanted)): given}  # the only input needs no name
    check_names(given, name, signatures)
    arrays = {key: _array(key, value, len(wanted[key][1])) for key, value in given.items()}
    return name, check(arrays, name, signatures), rows


def check(given, signature, signatures):
    """Inputs as a signature takes them.

    Args:
        given: dict of arrays.
        signature, signatures: a name, and what `parse` takes.

    Raises:
        Refused: names, shapes or numbers are not the signature's.
    """
    wanted = check_names(given, signature, signatures)
    inputs = {key: _checked(key, given[key], *spec) for key, spec in wanted.items()}
    batched = {key: len(inputs[key]) for key, (_, shape) in wanted.items() if _is_batched(shape)}
    if len(set(batched.values())) > 1 or 0 in batched.values():
        raise Refused(400, f"Expected as many rows, at least one, of each. Received: {batched}")
    return inputs


def answer(outputs, rows):
    """The response to a request: `predictions`, one for each row, or `outputs`."""
    if rows:
        if len(outputs) == 1:
            return {"predictions": next(iter(outputs.values())).tolist()}
        lists = {name: value.tolist() for name, value in outputs.items()}
        return {"predictions": [dict(zip(lists, row)) for row in zip(*lists.values())]}
    if len(outputs) == 1:
        return {"outputs": next(iter(outputs.values())).tolist()}
    return {"outputs": {name: value.tolist() for name, value in outputs.items()}}


def status(version="1"):
    """What `GET /v1/models/NAME` answers of a model that can be loaded."""
    fine = {"error_code": "OK", "error_message": ""}
    state = {"version": version, "state": "AVAILABLE", "status": fine}
    return {"model_version_status": [state]}


def metadata(name, signatures, version="1"):
    """What `GET /v1/models/NAME/metadata` answers: every signature's inputs and outputs."""
    definitions = {
        signature: {
            "inputs": {
                key: _tensor_info(signature, key, *spec) for key, spec in each["inputs"].items()
            },
            "outputs": {
                key: _tensor_info("StatefulPartitionedCall", key, *spec)
                for key, spec in each["outputs"].items()
            },
            "method_name": "tensorflow/serving/predict",
        }
        for signature, each in signatures.items()
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": version},
        "metadata": {"signature_def": {"signature_def": definitions}},
    }


def check_names(given, signature, signatures):
    """Inputs of a signature, `{name: (dtype, shape)}`; `Refused` unless those `given` are they."""
    wanted = _wanted(signature, signatures)
    if set(given) != set(wanted):
        raise Refused(400, f"Expected inputs {sorted(wanted)}. Received: {_short(sorted(given))}")
    return wanted


def check_shape(key, received, shape):
    """Raise `Refused` unless the lengths `received` fit the signature's `shape`."""
    fits = len(received) == len(shape)
    if not fits or any(n is not None and n != m for n, m in zip(shape, received)):
        expected = tuple("any" if n is None else n for n in shape)
        raise Refused(400, f"Expected {key} of shape {expected}. Received: {tuple(received)}")


def _checked(key, array, dtype, shape):
    """`array` as `dtype` if it fits the signature's; else `Refused`."""
    check_shape(key, array.shape, shape)
    if array.dtype.kind not in "iuf" or (np.dtype(dtype).kind in "iu" and array.dtype.kind == "f"):
        kind = "numbers" if np.dtype(dtype).kind == "f" else "whole numbers"
        raise Refused(400, f"Expected {key} to be {kind}. Received: {array.dtype}")
    if np.dtype(dtype).kind in "iu" and array.size:
        limits = np.iinfo(dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise Refused(400, f"Expected {key} within {dtype}. Received: {array.min()} to "
                               f"{array.max()}")  # fmt: skip
    with np.errstate(over="ignore"):
        result = array.astype(dtype)
    if not np.isfinite(result).all():
        raise Refused(400, f"Expected {key} to be finite numbers. Received: others")
    return result


def _object(body):
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        line = str(error).splitlines()[0][:100]
        raise Refused(400, f"Expected JSON. Received: {len(body)} bytes ({line})") from None
    if not isinstance(content, dict):
        raise Refused(400, f"Expected a JSON object. Received: {type(content).__name__}")
    return content


def _from_rows(instances, wanted):
    """Columns of rows; an input without a batch axis is taken once."""
    if not isinstance(instances, list) or not instances:
        raise Refused(400, f"Expected a list of instances. Received: {_short(instances)}")
    named = [isinstance(row, dict) and set(row) == set(wanted) for row in instances]
    if not any(named) and len(wanted) == 1 and not any(isinstance(row, dict) for row in instances):
        return {next(iter(wanted)): instances}
    if not all(named):
        worst = instances[named.index(False)]
        received = sorted(worst) if isinstance(worst, dict) else worst
        raise Refused(400, f"Expected inputs {sorted(wanted)} in each row. "
                           f"Received: {_short(received)}")  # fmt: skip
    columns = {key: [row[key] for row in instances] for key in wanted}
    for key, (_, shape) in wanted.items():
        if not _is_batched(shape):
            if any(value != columns[key][0] for value in columns[key]):
                raise Refused(400, f"Expected one {key} for all rows. Received: several")
            columns[key] = columns[key][0]
    return columns


def _wanted(name, signatures):
    """Inputs of a signature."""
    if not isinstance(name, str) or name not in signatures:
        raise Refused(
            400, f"Expected a signature of {sorted(signatures)}. Received: {_short(name)}"
        )
    return signatures[name]["inputs"]


def _array(key, value, rank):
    """Nested lists as an array. Nothing but numbers, and hardly deeper than `rank`: NumPy would
    give every string of an array the length of the longest."""
    array = None
    if _all_numbers(value, rank + 1):
        with contextlib.suppress(ValueError, OverflowError):
            array = np.array(value)
    if array is None or array.dtype == object:
        raise Refused(400, f"Expected {key} to be an array of numbers. Received: {_short(value)}")
    return array


def _all_numbers(value, depth):
    """Whether lists, nested at most `depth` deep, hold numbers alone."""
    if not isinstance(value, list):
        return type(value) in (int, float)
    if depth < 1:
        return False
    if all(type(each) in (int, float) for each in value):
        return True
    return all(_all_numbers(each, depth - 1) for each in value)


def _is_batched(shape):
    return len(shape) > 0 and shape[0] is None


def _tensor_info(prefix, key, dtype, shape):
    names = {"float32": "DT_FLOAT", "int32": "DT_INT32", "uint8": "DT_UINT8"}
    size = [{"size": str(-1 if n is None else n), "name": ""} for n in shape]
    return {
        "dtype": names.get(dtype, "DT_" + dtype.upper()),
        "tensor_shape": {"dim": size, "unknown_rank": False},
        "name": f"{prefix}_{key}:0",
    }


def _short(value):
    """`value` as a line of at most 80 letters, however long it is."""
    return reprlib.repr(value)[:80]

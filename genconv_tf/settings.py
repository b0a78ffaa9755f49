"""Dataclasses of settings as recipes and presets give them: what is none, or of another type, is
refused in one line."""

import dataclasses
import math
import numbers
import types
import typing

LARGEST = 2**31 - 1  # number that a tensor of int32 holds
NUMPY_SEEDS = 2**32  # NumPy takes no seed below 0: those of 32 bits, as numbers without sign
WORDS = {bool: "true or false", int: "an integer", float: "a number", str: "a word",
         dict: "a table", tuple: "a list"}  # fmt: skip


def made(kind, value):
    """A dataclass of that kind: the value itself, or of its arguments, `None` for none.

    Raises:
        ValueError: an argument that it has not.
    """
    if isinstance(value, kind):
        return value
    if value is not None and not isinstance(value, dict):
        raise ValueError(f"Expected a table of settings of a {kind.__name__.lower()}. "
                         f"Received: {value!r}")  # fmt: skip
    known = [field.name for field in dataclasses.fields(kind)]
    unknown = [name for name in value or {} if name not in known]
    if unknown:
        raise ValueError(f"Expected settings of a {kind.__name__.lower()}, {', '.join(known)}. "
                         f"Received: {', '.join(map(str, unknown))}")  # fmt: skip
    return kind(**(value or {}))


def plain(settings):
    """Dataclasses, or lists of them, as lists of dicts, of which `made` makes them again."""
    if isinstance(settings, (tuple, list)):
        return [plain(each) for each in settings]
    return dataclasses.asdict(settings) if dataclasses.is_dataclass(settings) else dict(settings)


def check_types(settings):
    """Raise a `ValueError` where a field of a dataclass is not what it is annotated to be.

    An integer passes for a number, a list for a tuple; its entries are of the field's other types.
    """
    for field in dataclasses.fields(settings):
        kinds = typing.get_args(field.type) or (field.type,)
        value = getattr(settings, field.name)
        several = tuple in kinds and isinstance(value, (list, tuple))
        for one in value if several else (value,):
            if not any(_is(one, kind) for kind in kinds if kind is not tuple):
                words = " or ".join(WORDS[kind] for kind in kinds if kind is not types.NoneType)
                raise ValueError(f"Expected {field.name} to be {words}. Received: {value!r}")


def _is(value, kind):
    if kind in (int, float):  # NumPy's too; a bool is an int to Python alone
        number = numbers.Integral if kind is int else numbers.Real
        most = LARGEST if kind is int else math.inf  # NaN is below neither
        return isinstance(value, number) and not isinstance(value, bool) and abs(value) <= most
    return isinstance(value, kind)

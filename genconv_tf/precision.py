"""Which dtype convolutions are fastest in, where a model runs."""

import functools
import pathlib

import tensorflow as tf

PRECISIONS = ("float32", "bfloat16", "auto")

# Elsewhere bfloat16 is emulated: ten times slower than float32 on a processor with AVX2 alone.
_UNITS = {"avx512_bf16", "amx_bf16"}


def resolve(precision, exact=False):
    """`"float32"` or `"bfloat16"`: what `precision` means on this machine.

    Args:
        precision: one of `PRECISIONS`.
        exact: whether differences of f decide something, which bfloat16 has not the digits for.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"Expected a precision of {PRECISIONS}. Received: {precision!r}")
    if exact:
        if precision == "bfloat16":
            raise ValueError("Expected adjusted steps in float32. Received: precision='bfloat16'")
        return "float32"
    return _fastest() if precision == "auto" else precision


def has_bfloat16_units(cpuinfo):
    """Whether a processor multiplies bfloat16 itself, from the text of Linux's /proc/cpuinfo."""
    flags = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "")
    return not _UNITS.isdisjoint(flags.split())


@functools.cache
def _fastest():
    """bfloat16 on a CPU that has units for it; a GPU rounds float32 by itself (TF32)."""
    path = pathlib.Path("/proc/cpuinfo")
    if tf.config.list_physical_devices("GPU") or not path.is_file():
        return "float32"
    return "bfloat16" if has_bfloat16_units(path.read_text()) else "float32"

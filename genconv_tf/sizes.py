"""Which sizes a pyramid of levels can learn from and be sampled at."""

import math
import numbers

import numpy as np

from genconv_tf.settings import LARGEST


def lengths(size, rank, name="size"):
    """`size` along each of `rank` axes: an int is the same along all.

    Raises:
        ValueError: neither an int nor as many; `name` is what it is called.
    """
    several = (size,) * rank if isinstance(size, numbers.Integral) else size
    words = isinstance(several, str) or not np.iterable(several)
    if words or not all(isinstance(n, numbers.Integral) for n in several) or len(several) != rank:
        raise ValueError(f"Expected a {name} of {rank} positive lengths, or one for all. "
                         f"Received: {size!r}")  # fmt: skip
    return tuple(int(n) for n in several)


def phases_of(levels, size):
    """Lengths of a window of data of `size` that lies at every phase of the coarsest grid.

    Where a coarse sample begins on the data is arbitrary: a level at 1/8 of an image has 64 images
    to learn from, each as good as the next. Along an axis that some layer covers whole there is
    one phase alone: what lies where is what is learned.
    """
    axes = zip(size, levels[0].factor, covered(levels))
    return tuple(n if whole else n - f + 1 for n, f, whole in axes)


def covered(levels):
    """Along which axes some layer covers the signal whole, so that only the training size fits."""
    return tuple(any(axis) for axis in zip(*(level.network.covered for level in levels)))


def units(levels):
    """Lengths along each axis that the strides divide at every level of a torus; 1 without them."""
    result = [1] * len(levels[0].factor)
    for level in levels:
        axes = zip(result, level.factor, level.network.total_strides(), level.network.torus)
        result = [math.lcm(unit, f * s) if torus and s > 1 else unit for unit, f, s, torus in axes]
    return result


def whole(levels, size):
    """`size`, an int32 array or tensor, or the next larger one without a seam: where the strides do
    not divide a torus, the last position of a layer sees more of the first than it should."""
    unit = np.array(units(levels), np.int32)
    return -(-size // unit) * unit


def frames(levels, size, hop):
    """Lengths of x for media of `size`, an array or a tensor, of `hop` samples a frame. An image
    has the size that it is asked for; of a sound of subbands frames and strides are whole, so that
    it has no seam."""
    return size if hop == 1 else whole(levels, -(-size // hop))


def chain_size(levels, size):
    """Lengths of the chains that learn from data of `size`: whole at every level, on a torus at
    every layer too, and no larger than what the level learns from, so that they can start there."""
    unit = [math.lcm(f, u) for f, u in zip(levels[0].factor, units(levels))]
    return tuple(n // u * u or n for n, u in zip(phases_of(levels, size), unit))


def least_size(levels):
    """Smallest signal that every level has a position for, along each axis."""
    each = [[n * f for n, f in zip(lv.network.least_size(), lv.factor)] for lv in levels]
    return tuple(max(axis) for axis in zip(*each))


def only_size(levels, size):
    """The one length that fits along axes which a layer covers whole, that of `size`, which was
    learned from; `None` along the others."""
    return tuple(n if whole else None for n, whole in zip(size, covered(levels)))


def check_size(least, size, only=None):
    """`size` if it is as long as `least` along every axis, and as `only_size` says where that is
    not `None`; a `ValueError` otherwise."""
    if len(size) != len(least) or any(not 1 <= n <= LARGEST for n in size):
        raise ValueError(f"Expected {len(least)} positive lengths, of 32 bits. "
                         f"Received: {tuple(size)}")  # fmt: skip
    if any(n < m for n, m in zip(size, least)):
        raise ValueError(f"Expected a size of at least {tuple(least)}. Received: {tuple(size)}")
    check_only(only or (), size, "a size")
    return tuple(size)


def shown(size):
    """Lengths as text, such as `any x 64 x 64`."""
    return " x ".join("any" if n is None else str(n) for n in size)


def check_only(only, size, what):
    """Raise a `ValueError` unless `size` is as `only_size` says."""
    if any(n not in (None, m) for n, m in zip(only, size)):
        raise ValueError(f"{expected_only(only, what)}. Received: {shown(size)}")


def expected_only(only, what="a size"):
    """What is said where a size is not as `only_size` says."""
    return f"Expected {what} of {shown(only)}, which a layer or a mean frame covers whole"


def check_data(levels, channels, shape, whole):
    """Raise a `ValueError` if data of `shape` (batch, *spatial, channels) cannot be learned by a
    model of the size `whole`."""
    coarsest, size = levels[0].factor, tuple(shape[1:-1])
    if len(size) != len(coarsest) or shape[-1] != channels:
        raise ValueError(f"Expected data of (batch, {len(coarsest)} lengths, {channels}). "
                         f"Received: {tuple(shape)}")  # fmt: skip
    for level in levels:
        have = [n // f for n, f in zip(phases_of(levels, size), level.factor)]
        need = level.network.least_size(level.network.data_boundary)
        if any(n < m for n, m in zip(have, need)):
            least = tuple(m * f + c - 1 for m, f, c in zip(need, level.factor, coarsest))
            raise ValueError(f"Expected data of at least {least}, the receptive field. "
                             f"Received: {size}")  # fmt: skip
    check_only(only_size(levels, whole), size, "data")

"""What each layer of a scoring function sees of the signal: extents, strides, reach."""

import dataclasses

from genconv_tf.convolution import wrapped_before


@dataclasses.dataclass(frozen=True)
class Field:
    """What one response of a layer sees, along each spatial axis.

    Attributes:
        extent: samples of the signal, `None` where it sees all of them.
        jump: samples of the signal between two neighbours.
        reach: samples beyond the two ends of a torus that the layer's positions see, a pair.
        padding: zeros before the signal that the first position sees under a `"valid"` boundary.
    """

    extent: tuple
    jump: tuple
    reach: tuple
    padding: tuple


def fields(layers, after, rank):
    """The `Field` of every layer; `after` holds the index of the layer that each comes after."""
    result = []
    for layer, parent in zip(layers, after, strict=True):
        below = result[parent] if parent >= 0 else signal(rank)
        extent, jump, reach = [], [], []
        axes = zip(layer.kernels(rank), layer.strides(rank), below.extent, below.jump, below.reach)
        for k, s, e, j, (first, last) in axes:
            full = k == "full"
            extent.append(None if full or e is None else e + (k - 1) * j)
            if not full:
                here = wrapped_before(k, s)
                first, last = first + j * here, last + j * (k - s - here)
            reach.append((first, last))
            jump.append(j * s)
        zeros = tuple(z + layer.padding * j for z, j in zip(below.padding, below.jump))
        result.append(Field(tuple(extent), tuple(jump), tuple(reach), zeros))
    return result


def signal(rank):
    """The `Field` of a sample of the signal itself."""
    return Field((1,) * rank, (1,) * rank, ((0, 0),) * rank, (0,) * rank)


def widest(tops, rank):
    """The `Field` that covers those of all `tops`, with the strides of the last."""
    extent = [_longest([top.extent[axis] for top in tops]) for axis in range(rank)]
    reach = [
        tuple(max(top.reach[axis][end] for top in tops) for end in (0, 1)) for axis in range(rank)
    ]
    zeros = tuple(max(top.padding[axis] for top in tops) for axis in range(rank))
    return Field(tuple(extent), tops[-1].jump, tuple(reach), zeros)


def _longest(extents):
    return None if None in extents else max(extents)

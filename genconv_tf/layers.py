"""`Layer`: what one layer of a scoring function is, before it has weights."""

import dataclasses

from genconv_tf.settings import check_types

OPERATIONS = ("max", "average", "absolute", "bins")


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer of a scoring function: filters, or an operation without weights.

    Args:
        filters: number of filters; `None` for an operation.
        kernel: size of a filter, one int or one per spatial axis. `"full"` covers the axis whole:
            on every axis a fully connected layer, on the spatial axes of a video the spatially
            fully connected one of the STG paper. Of a pooling its window.
        stride: sub-sampling, one int or one per spatial axis.
        padding: zeros added to both ends of every axis under a `"valid"` boundary.
        relu: whether the responses are rectified. Only the top layer, and one below an operation,
            may go without.
        learning_rate: factor on the step of this layer's weights.
        operation: instead of filters: `"max"` or `"average"`, pooling; `"absolute"`, |r| of every
            response r; `"bins"`, in which of `bins` equal intervals of [-span, span] r is, softly:
            linearly shared between the two nearest centres, so that there is a gradient (FRAME
            eq. 5).
        bins, span: see `operation`.
        after: index of the layer whose responses this one takes; the previous one by default.
    """

    filters: int | None = None
    kernel: int | str | tuple = 3
    stride: int | tuple = 1
    padding: int = 0
    relu: bool = True
    learning_rate: float = 1.0
    operation: str | None = None
    bins: int = 0
    span: float = 0.0
    after: int | None = None

    def __post_init__(self):
        check_types(self)
        if self.operation is None:
            self._check_count("filters", 1)
        else:
            self._check_operation()
        self._check_count("padding", 0)
        self._check_count("learning_rate", 0)
        object.__setattr__(self, "kernel", _frozen(self.kernel, "kernel", allow_full=True))
        object.__setattr__(self, "stride", _frozen(self.stride, "stride"))

    def kernels(self, rank):
        """Size along each of `rank` axes; `"full"` where it covers the axis."""
        return per_axis(self.kernel, rank, "kernel")

    def strides(self, rank):
        return per_axis(self.stride, rank, "stride")

    def channels(self, below):
        """Number of maps of responses to `below` of them."""
        if self.operation is None:
            return self.filters
        return below * self.bins if self.operation == "bins" else below

    def _check_operation(self):
        if self.operation not in OPERATIONS:
            raise ValueError(f"Expected an operation of {OPERATIONS}. Received: {self.operation!r}")
        if self.filters is not None:
            raise ValueError(f"Expected no filters in a layer of {self.operation!r}. "
                             f"Received: {self.filters!r}")  # fmt: skip
        object.__setattr__(self, "relu", False)
        if self.operation == "bins":
            self._check_count("bins", 2)
            if not self.span > 0:
                raise ValueError(f"Expected a span of bins above 0. Received: {self.span!r}")
        if self.operation in ("absolute", "bins"):
            object.__setattr__(self, "kernel", 1)

    def _check_count(self, name, least):
        value = getattr(self, name)
        if value is None or value < least:
            raise ValueError(f"Expected a layer's {name} >= {least}. Received: {value!r}")


def parents(layers):
    """Index of the layer that each one comes after; -1 for the signal itself."""
    result = []
    for i, layer in enumerate(layers):
        parent = i - 1 if layer.after is None else layer.after
        if not -1 <= parent < i:
            raise ValueError(f"Expected layer {i + 1} to come after one below it. "
                             f"Received: after={layer.after!r}")  # fmt: skip
        result.append(parent)
    return tuple(result)


def check_rectified(layers, after):
    """Raise a `ValueError` if a layer without rectification has filters on top of it."""
    for layer, parent in zip(layers, after):
        below = layers[parent] if parent >= 0 else None
        if below and layer.operation is None and below.operation is None and not below.relu:
            raise ValueError("Expected rectified layers below the top. Received: relu=false")


def per_axis(value, rank, name):
    """A setting along each of `rank` axes: one for all, or a tuple of them."""
    if not isinstance(value, tuple):
        return (value,) * rank
    if len(value) != rank:
        raise ValueError(f"Expected one {name} or {rank} of them. Received: {value}")
    return value


def _frozen(value, name, allow_full=False):
    """An int (or "full"), or a tuple of them, all positive."""
    values = value if isinstance(value, (tuple, list)) else (value,)
    for v in values:
        full = allow_full and v == "full"
        if not full and (not isinstance(v, int) or isinstance(v, bool) or v < 1):
            raise ValueError(f"Expected a positive {name}. Received: {value!r}")
    return tuple(value) if isinstance(value, (tuple, list)) else value

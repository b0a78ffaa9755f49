"""The scoring function f(x; w): a bottom-up ConvNet of any rank, depth and boundary."""

import dataclasses

import keras
import tensorflow as tf

from genconv_tf.convolution import BOUNDARIES, convolve, positions, wrap, wrapped_before


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer of a scoring function.

    Args:
        filters: number of filters.
        kernel: size of a filter, one int or one per spatial axis. `"full"` covers the axis whole:
            on every axis a fully connected layer, on the spatial axes of a video the spatially
            fully connected one of the STG paper.
        stride: sub-sampling, one int or one per spatial axis.
        padding: zeros added to both ends of every axis under a `"valid"` boundary.
        relu: whether the responses are rectified. Only the top layer may go without.
        learning_rate: factor on the step of this layer's weights.
    """

    filters: int
    kernel: int | str | tuple = 3
    stride: int | tuple = 1
    padding: int = 0
    relu: bool = True
    learning_rate: float = 1.0

    def __post_init__(self):
        for name, least in (("filters", 1), ("padding", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"Expected a layer's {name} >= {least}. Received: {value!r}")
        object.__setattr__(self, "kernel", _frozen(self.kernel, "kernel", allow_full=True))
        object.__setattr__(self, "stride", _frozen(self.stride, "stride"))

    def kernels(self, rank):
        """Size along each of `rank` axes; `"full"` where it covers the axis."""
        return _per_axis(self.kernel, rank, "kernel")

    def strides(self, rank):
        return _per_axis(self.stride, rank, "stride")


class ScoringNetwork(keras.layers.Layer):
    """f(x; w), the sum over filters and positions of the top layer's responses (GCN eq. 6).

    Args:
        layers: sequence of `Layer`.
        rank: number of spatial axes, 1 to 3.
        boundary: `"valid"`, `"same"` or `"torus"`, one for all axes or one for each, unless a call
            says otherwise.
        weight_init: `"he"` or `"normal"`: weights start normal with standard deviation
            √(2 / inputs of the filter) or 1, times `weight_scale`. Biases start at zero.
        weight_scale: see `weight_init`.
        seed: of the initial weights.

    Call arguments:
        x: `(batch, *spatial, channels)` float32.
        boundary: overrides the network's own; one word, or one for each axis.

    Returns:
        `(batch,)`, float32 where the convolutions are bfloat16.
    """

    def __init__(
        self,
        layers,
        rank=2,
        boundary="torus",
        weight_init="he",
        weight_scale=0.3,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if rank not in (1, 2, 3):
            raise ValueError(f"Expected one to three spatial axes. Received: rank={rank!r}")
        boundary = tuple(boundary) if isinstance(boundary, list) else boundary
        if not set(_per_axis(boundary, rank, "boundary")) <= set(BOUNDARIES):
            raise ValueError(f"Expected a boundary of {BOUNDARIES}. Received: {boundary!r}")
        if weight_init not in ("he", "normal"):
            raise ValueError(f'Expected weight_init "he" or "normal". Received: {weight_init!r}')
        if not layers:
            raise ValueError("Expected at least one layer. Received none")
        self.specs = tuple(s if isinstance(s, Layer) else Layer(**s) for s in layers)
        if not all(spec.relu for spec in self.specs[:-1]):
            raise ValueError("Expected rectified layers below the top. Received: relu=false")
        self.rank, self.boundary, self.seed = rank, boundary, seed
        self.weight_init, self.weight_scale = weight_init, weight_scale

    def build(self, input_shape):
        lengths, channels = list(input_shape[1:-1]), input_shape[-1]
        self.kernels, self.biases = [], []
        for i, spec in enumerate(self.specs):
            size = spec.kernels(self.rank)
            if "full" in size:
                size = tuple(n if k == "full" else k for n, k in zip(lengths, size))
                if None in size:
                    raise ValueError(f"Expected a fixed size below full layer {i + 1}. Received: "
                                     f"{tuple(input_shape)}")  # fmt: skip
            fan_in = channels
            for k in size:
                fan_in *= k
            std = self.weight_scale * ((2 / fan_in) ** 0.5 if self.weight_init == "he" else 1)
            init = keras.initializers.RandomNormal(stddev=std, seed=self.seed + i)
            self.kernels.append(
                self.add_weight((*size, channels, spec.filters), init, name=f"kernel_{i}")
            )
            self.biases.append(self.add_weight((spec.filters,), "zeros", name=f"bias_{i}"))
            lengths = self._lengths(lengths, i, self.boundary)
            channels = spec.filters

    def call(self, x, boundary=None):
        boundary = boundary or self.boundary
        if self._wraps_once(x.shape[1:-1], boundary):
            x, boundary = wrap(x, self.reach()), "valid"
        top = self.responses(x, boundary)[-1]
        return tf.reduce_sum(tf.cast(top, self.variable_dtype), range(1, self.rank + 2))

    @property
    def boundaries(self):
        """The boundary along each axis."""
        return _per_axis(self.boundary, self.rank, "boundary")

    @property
    def covered(self):
        """Along which axes some layer covers the signal whole."""
        return tuple(extent is None for extent in self.receptive_field())

    @property
    def torus(self):
        """Along which axes chains go on at their opposite side."""
        return tuple(b == "torus" for b in self.boundaries)

    @property
    def data_boundary(self):
        """The boundary of observed signals: a photograph does not go on at its opposite side."""
        return tuple("valid" if b == "torus" else b for b in self.boundaries)

    def responses(self, x, boundary=None):
        """Responses of every layer, bottom up: a list of `(batch, *positions, filters)`."""
        boundary = boundary or self.boundary
        h, maps = tf.cast(x, self.compute_dtype), []
        for spec, kernel, bias in zip(self.specs, self.kernels, self.biases, strict=True):
            kernel, bias = (tf.cast(w.value, self.compute_dtype) for w in (kernel, bias))
            edges = self.boundaries_of(spec, boundary)
            h = convolve(h, kernel, spec.strides(self.rank), edges, spec.padding)
            h = h + bias
            if spec.relu:
                h = tf.nn.relu(h)
            maps.append(h)
        return maps

    def reach(self):
        """Samples beyond the two ends of a torus that its top positions see: a pair an axis."""
        reach, jump = [(0, 0)] * self.rank, [1] * self.rank
        for spec in self.specs:
            for axis, (k, s) in enumerate(zip(spec.kernels(self.rank), spec.strides(self.rank))):
                if k != "full":
                    here = wrapped_before(k, s)
                    before, after = reach[axis]
                    reach[axis] = before + jump[axis] * here, after + jump[axis] * (k - s - here)
                jump[axis] *= s
        return reach

    def _wraps_once(self, lengths, boundary):
        """Whether valid convolutions of the signal, wrapped once by all that is seen of it, give
        what wrapping the responses of every layer gives, at a fraction of its time."""
        if set(_per_axis(boundary, self.rank, "boundary")) != {"torus"}:
            return False
        if any(self.covered) or any(spec.padding for spec in self.specs):
            return False
        # A length that the graph does not know is `least_size` at least.
        return all(
            stride == 1 if n is None else n % stride == 0 and 0 <= min(reach) <= max(reach) <= n
            for n, stride, reach in zip(lengths, self.total_strides(), self.reach())
        )

    def layer_positions(self, size, boundary=None):
        """Number of positions of every layer on a signal of `size`: a list, bottom up."""
        lengths, counts = list(size), []
        for i in range(len(self.specs)):
            lengths = self._lengths(lengths, i, boundary or self.boundary)
            if min(lengths) < 1:
                raise ValueError(f"Expected a size of at least {self.least_size(boundary)} per "
                                 f"axis. Received: {tuple(size)}")  # fmt: skip
            count = 1
            for n in lengths:
                count *= n
            counts.append(count)
        return counts

    def receptive_field(self):
        """Extent of one top response in the input along each axis (`None` where it is all)."""
        extent, jump = [1] * self.rank, [1] * self.rank
        for spec in self.specs:
            for axis, (k, s) in enumerate(zip(spec.kernels(self.rank), spec.strides(self.rank))):
                full = k == "full" or extent[axis] is None
                extent[axis] = None if full else extent[axis] + (k - 1) * jump[axis]
                jump[axis] *= s
        return tuple(extent)

    def total_strides(self):
        """Samples of the input between two positions of the top layer, along each axis."""
        total = [1] * self.rank
        for spec in self.specs:
            total = [a * b for a, b in zip(total, spec.strides(self.rank))]
        return tuple(total)

    def least_size(self, boundary=None):
        """Smallest signal along each axis: the receptive field, or on a torus what all that its
        top positions see wraps around once."""
        each = _per_axis(boundary or self.boundary, self.rank, "boundary")
        padded = any(spec.padding for spec in self.specs)
        seen = [1 if e is None or padded else e for e in self.receptive_field()]
        reach, jump = self.reach(), [1] * self.rank
        least = [n if b == "valid" else max(1, *r) if b == "torus" else 1
                 for n, b, r in zip(seen, each, reach)]  # fmt: skip
        for spec in self.specs:
            for axis, (k, s) in enumerate(zip(spec.kernels(self.rank), spec.strides(self.rank))):
                if k != "full" and each[axis] != "valid":
                    least[axis] = max(least[axis], -(-k // 2) * jump[axis])
                jump[axis] *= s
        return tuple(least)

    def compute_output_shape(self, input_shape):
        return (input_shape[0],)

    def get_config(self):
        return {
            **super().get_config(),
            "layers": [dataclasses.asdict(spec) for spec in self.specs],
            "rank": self.rank,
            "boundary": self.boundary,
            "weight_init": self.weight_init,
            "weight_scale": self.weight_scale,
            "seed": self.seed,
        }

    def _lengths(self, lengths, i, boundary):
        spec = self.specs[i]
        axes = zip(
            lengths,
            spec.kernels(self.rank),
            spec.strides(self.rank),
            self.boundaries_of(spec, boundary),
            strict=True,
        )
        return [
            None if n is None else positions(n, n if k == "full" else k, s, edge, spec.padding)
            for n, k, s, edge in axes
        ]

    def boundaries_of(self, spec, boundary=None):
        """Along each axis; a kernel that covers the axis has nothing to wrap or to pad."""
        each = _per_axis(boundary or self.boundary, self.rank, "boundary")
        return tuple("valid" if k == "full" else b for k, b in zip(spec.kernels(self.rank), each))


def _frozen(value, name, allow_full=False):
    """An int (or "full"), or a tuple of them, all positive."""
    values = value if isinstance(value, (tuple, list)) else (value,)
    for v in values:
        full = allow_full and v == "full"
        if not full and (not isinstance(v, int) or isinstance(v, bool) or v < 1):
            raise ValueError(f"Expected a positive {name}. Received: {value!r}")
    return tuple(value) if isinstance(value, (tuple, list)) else value


def _per_axis(value, rank, name):
    if not isinstance(value, tuple):
        return (value,) * rank
    if len(value) != rank:
        raise ValueError(f"Expected one {name} or {rank} of them. Received: {value}")
    return value

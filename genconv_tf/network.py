"""The scoring function f(x; w): a bottom-up ConvNet of any rank, depth and boundary."""

import dataclasses
import math
import numbers

import keras
import tensorflow as tf

from genconv_tf import geometry
from genconv_tf.convolution import BOUNDARIES, convolve, operate, positions, wrap
from genconv_tf.layers import Layer, check_rectified, parents, per_axis
from genconv_tf.settings import made


class ScoringNetwork(keras.layers.Layer):
    """f(x; w), the sum over filters and positions of the top layer's responses (GCN eq. 6).

    On a bank of given filters (FRAME eq. 10, 20) the layers stand on each layer of responses that
    the bank gives, with weights of their own, and f sums over them all.

    Args:
        layers: sequence of `Layer` or of their arguments.
        rank: number of spatial axes, 1 to 3.
        boundary: `"valid"`, `"same"` or `"torus"`, one for all axes or one for each, unless a call
            says otherwise.
        weight_init: `"he"` or `"normal"`: weights start normal with standard deviation
            √(2 / inputs of the filter) or 1, times `weight_scale`. Biases start at zero.
        weight_scale: see `weight_init`.
        seed: of the initial weights.
        bank: a `banks.Bank` of filters below the layers, whose weights are given and stay; `None`
            for a network that learns all of its filters.

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
        bank=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if rank not in (1, 2, 3):
            raise ValueError(f"Expected one to three spatial axes. Received: rank={rank!r}")
        boundary = tuple(boundary) if isinstance(boundary, list) else boundary
        if not set(per_axis(boundary, rank, "boundary")) <= set(BOUNDARIES):
            raise ValueError(f"Expected a boundary of {BOUNDARIES}. Received: {boundary!r}")
        if weight_init not in ("he", "normal"):
            raise ValueError(f'Expected weight_init "he" or "normal". Received: {weight_init!r}')
        if not layers:
            raise ValueError("Expected at least one layer. Received none")
        self.own = tuple(made(Layer, each) for each in layers)
        self.bank, self.rank, self.boundary, self.seed = bank, rank, boundary, seed
        if not isinstance(weight_scale, numbers.Real) or not 0 <= weight_scale < math.inf:
            raise ValueError(f"Expected weight_scale >= 0. Received: {weight_scale!r}")
        self.weight_init, self.weight_scale = weight_init, weight_scale
        self.specs = self.own if bank is None else bank.below(self.own)
        self.after = parents(self.specs)
        check_rectified(self.specs, self.after)
        self.fields = geometry.fields(self.specs, self.after, rank)
        self.tops = [i for i in range(len(self.specs)) if i not in self.after]
        self.field = geometry.widest([self.fields[i] for i in self.tops], rank)

    def build(self, input_shape):
        signal = (list(input_shape[1:-1]), input_shape[-1])
        self.kernels, self.biases, shapes = [], [], []
        for i, (spec, parent) in enumerate(zip(self.specs, self.after)):
            lengths, channels = shapes[parent] if parent >= 0 else signal
            above = self._lengths(lengths, i, self.boundary)
            if any(n is not None and n < 1 for n in above):
                self._refuse(signal[0])
            kernel = bias = None
            if self.bank is not None and i < len(self.bank.layers):
                kernel, bias = self.bank.variables(i, lengths, channels)
            elif spec.operation is None:
                kernel, bias = self._add_filters(i, lengths, channels, input_shape)
            self.kernels.append(kernel)
            self.biases.append(bias)
            shapes.append((above, spec.channels(channels)))

    def _add_filters(self, i, lengths, channels, input_shape):
        """The weights of layer `i`, which learns them."""
        spec = self.specs[i]
        size = tuple(n if k == "full" else k for n, k in zip(lengths, spec.kernels(self.rank)))
        if None in size:
            raise ValueError(f"Expected a fixed size below full layer {i + 1}. Received: "
                             f"{tuple(input_shape)}")  # fmt: skip
        inputs = channels * math.prod(size)
        std = self.weight_scale * ((2 / inputs) ** 0.5 if self.weight_init == "he" else 1)
        init = keras.initializers.RandomNormal(stddev=std, seed=self.seed + i)
        kernel = self.add_weight((*size, channels, spec.filters), init, name=f"kernel_{i}")
        return kernel, self.add_weight((spec.filters,), "zeros", name=f"bias_{i}")

    def call(self, x, boundary=None):
        axes = range(1, self.rank + 2)
        return tf.add_n([
            share * tf.reduce_sum(top, axes)
            for share, top in zip(self.shares, self.top_responses(x, boundary))
        ])  # fmt: skip

    def mean(self, x, boundary=None):
        """f(x) per position of the top, `(batch,)`: what signals of any size can be compared by."""
        axes = range(1, self.rank + 1)
        return tf.add_n([
            tf.reduce_sum(tf.reduce_mean(top, axes), -1)
            for top in self.top_responses(x, boundary)
        ])  # fmt: skip

    def top_responses(self, x, boundary=None):
        """Responses of every layer that nothing comes after, `(batch, *positions, filters)` in
        float32; `mean` sums their means, f their sums over positions."""
        return self.responses_of(self.tops, x, boundary)

    def responses_of(self, layers, x, boundary=None):
        """Responses of the layers of some indices, as of `top_responses`."""
        boundary = boundary or self.boundary
        lengths, once = x.shape[1:-1], self._wraps_once(layers, x.shape[1:-1], boundary)
        if once:
            dynamic = tf.shape(x)[1:-1]
            lengths = [dynamic[a] if n is None else n for a, n in enumerate(lengths)]
            x, boundary = wrap(x, self.field.reach), "valid"
        maps = self.responses(x, boundary)
        wanted = [maps[i] for i in layers]
        if once and any(self.fields[i].reach != self.field.reach for i in layers):
            wanted = [self._unwrapped(top, i, lengths) for i, top in zip(layers, wanted)]
        return [tf.cast(each, self.variable_dtype) for each in wanted]

    def _unwrapped(self, top, i, lengths):
        """Responses of layer `i` without those to what others see beyond the ends of a torus."""
        field, begin, size = self.fields[i], [0], [-1]
        for axis, n in enumerate(lengths):
            begin.append((self.field.reach[axis][0] - field.reach[axis][0]) // field.jump[axis])
            size.append(n // field.jump[axis])
        return tf.slice(top, [*begin, 0], [*size, -1])

    def learned(self):
        """(index, spec, kernel, bias) of every layer whose weights are learned."""
        given = 0 if self.bank is None else len(self.bank.layers)
        return [
            (i, self.specs[i], self.kernels[i], self.biases[i])
            for i in range(given, len(self.specs))
            if self.specs[i].operation is None
        ]

    def learned_weights(self):
        """Kernels and biases of `learned`, also of a network that is frozen: a list."""
        return [w for _, _, *pair in self.learned() for w in pair]

    def holding(self, values):
        """Context in which the learned weights are `values`, tensors, such as those of a network
        that `is_like` this one: one graph computes them all."""
        return keras.StatelessScope(list(zip(self.learned_weights(), values, strict=True)))

    def is_like(self, other):
        """Whether both, networks of one model, differ in the values of their weights alone."""
        own, others = ([w.shape for w in net.learned_weights()] for net in (self, other))
        return self.specs == other.specs and own == others

    @property
    def shares(self):
        """What a response of each top layer counts in f: a position of a finer layer stands for a
        smaller part of the signal."""
        cells = [math.prod(self.fields[i].jump) for i in self.tops]
        return [cell / cells[-1] for cell in cells]

    @property
    def boundaries(self):
        """The boundary along each axis."""
        return per_axis(self.boundary, self.rank, "boundary")

    @property
    def covered(self):
        """Along which axes some layer covers the signal whole."""
        return tuple(extent is None for extent in self.field.extent)

    @property
    def torus(self):
        """Along which axes chains go on at their opposite side."""
        return tuple(b == "torus" for b in self.boundaries)

    @property
    def data_boundary(self):
        """The boundary of observed signals: a photograph does not go on at its opposite side."""
        return tuple("valid" if b == "torus" else b for b in self.boundaries)

    def responses(self, x, boundary=None, top=None):
        """Responses of every layer, bottom up: a list of `(batch, *positions, filters)`. Of layer
        `top` and of those that it stands on alone, if it is given; `None` of the others."""
        boundary, needed = boundary or self.boundary, set()
        while top is not None and top >= 0:
            needed.add(top)
            top = self.after[top]
        x, maps = tf.cast(x, self.compute_dtype), []
        for i, parent in enumerate(self.after):
            if needed and i not in needed:
                maps.append(None)
                continue
            h = self.respond(i, maps[parent] if parent >= 0 else x, boundary)
            maps.append(tf.nn.relu(h) if self.specs[i].relu else h)
        return maps

    def respond(self, i, below, boundary=None):
        """Responses of layer `i` to those of the layer that it comes after, not yet rectified."""
        spec = self.specs[i]
        edges = self.boundaries_of(spec, boundary)
        if spec.operation is not None:
            return operate(below, spec, edges)
        kernel, bias = (
            tf.cast(tf.convert_to_tensor(w), self.compute_dtype)
            for w in (self.kernels[i], self.biases[i])
        )
        covering = "full" in spec.kernels(self.rank)
        how = (spec.strides(self.rank), edges, spec.padding, covering)
        return convolve(below, kernel, *how) + bias

    def reach(self):
        """Samples beyond the two ends of a torus that its top positions see: a pair an axis."""
        return self.field.reach

    def _wraps_once(self, layers, lengths, boundary):
        """Whether valid convolutions of the signal, wrapped once by all that is seen of it, give
        what wrapping the responses of every layer gives, at a fraction of its time, of `layers`."""
        if set(per_axis(boundary, self.rank, "boundary")) != {"torus"}:
            return False
        if any(self.covered) or any(spec.padding for spec in self.specs):
            return False
        # With strides a layer that sees less than others must still begin where its own grid does.
        for field in (self.fields[i] for i in layers):
            for widest, own, jump in zip(self.field.reach, field.reach, field.jump):
                if (widest[0] - own[0]) % jump:
                    return False
        # A length that the graph does not know is `least_size` at least.
        return all(
            stride == 1 if n is None else n % stride == 0 and 0 <= min(reach) <= max(reach) <= n
            for n, stride, reach in zip(lengths, self.total_strides(), self.reach())
        )

    def layer_positions(self, size, boundary=None):
        """Number of positions of every layer on a signal of `size`: a list, bottom up."""
        lengths = []
        for i, parent in enumerate(self.after):
            below = lengths[parent] if parent >= 0 else list(size)
            lengths.append(self._lengths(below, i, boundary or self.boundary))
            if min(lengths[-1]) < 1:
                self._refuse(size, boundary)
        return [math.prod(each) for each in lengths]

    def _refuse(self, size, boundary=None):
        raise ValueError(f"Expected a size of at least {self.least_size(boundary)} per axis. "
                         f"Received: {tuple(size)}")  # fmt: skip

    def receptive_field(self):
        """Extent of one top response in the input along each axis (`None` where it is all)."""
        return self.field.extent

    def total_strides(self):
        """Samples of the input between two positions of the top layer, along each axis."""
        return self.field.jump

    def least_size(self, boundary=None):
        """Smallest signal along each axis: the receptive field, or on a torus what all that its
        top positions see wraps around once."""
        each = per_axis(boundary or self.boundary, self.rank, "boundary")
        padded = any(spec.padding for spec in self.specs)
        # Below a layer that covers an axis whole are others, for which there must be room.
        extents = zip(*(field.extent for field in self.fields))
        seen = [1 if padded else max((e for e in axis if e is not None), default=1)
                for axis in extents]  # fmt: skip
        least = [n if b == "valid" else max(1, *r) if b == "torus" else 1
                 for n, b, r in zip(seen, each, self.reach())]  # fmt: skip
        for spec, parent in zip(self.specs, self.after):
            jump = self.fields[parent].jump if parent >= 0 else (1,) * self.rank
            for axis, k in enumerate(spec.kernels(self.rank)):
                if k != "full" and each[axis] != "valid":
                    least[axis] = max(least[axis], -(-k // 2) * jump[axis])
        return tuple(least)

    def compute_output_shape(self, input_shape):
        return (input_shape[0],)

    def get_config(self):
        return {
            **super().get_config(),
            "layers": [dataclasses.asdict(spec) for spec in self.own],
            "rank": self.rank,
            "boundary": self.boundary,
            "weight_init": self.weight_init,
            "weight_scale": self.weight_scale,
            "seed": self.seed,
            "bank": self.bank,
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
        each = per_axis(boundary or self.boundary, self.rank, "boundary")
        return tuple("valid" if k == "full" else b for k, b in zip(spec.kernels(self.rank), each))

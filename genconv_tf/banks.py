"""Banks of given filters below a scoring function: FRAME models are ConvNets that stand on one.

The filters are linear (Gabor, differences of Gaussians, the intensity itself: FRAME section 3) or
the lower layers of a ConvNet that has learned elsewhere (FRAME section 4). They keep their weights;
what stands on them is learned.
"""

import dataclasses
import hashlib
import pathlib

import numpy as np
import tensorflow as tf

from genconv_tf import linear_filters
from genconv_tf.home import HOME, home, own_file
from genconv_tf.layers import Layer

# Weights that this process has read already, by their hash: a copy of a model needs no file.
_READ = {}


class Bank:
    """Layers of given filters, and which of them the learned layers stand on.

    Args:
        layers: sequence of `Layer`.
        weights: (kernel, bias) arrays of every layer, `None` for an operation.
        taps: indices of the layers whose responses are given to what stands on the bank.
        config: arguments of `make` that give this bank again.
    """

    def __init__(self, layers, weights, taps, config):
        self.layers, self.weights, self.taps, self.config = tuple(layers), weights, taps, config
        self._variables = {}

    def below(self, own):
        """All layers of a network: the bank's, and on each of its taps a copy of the `own`."""
        if any(layer.after is not None for layer in own):
            raise ValueError("Expected layers one after the other on a bank. Received: after=…")
        branches = [dataclasses.replace(layer, after=tap if i == 0 else None)
                    for tap in self.taps for i, layer in enumerate(own)]  # fmt: skip
        return (*self.layers, *branches)

    def variables(self, i, lengths, channels):
        """Kernel and bias of layer `i` as variables, which all networks on this bank share.

        They are no Keras weights: a published model holds what it learned and the filters' hash.

        Args:
            i: index of the layer.
            lengths, channels: of the responses below it.
        """
        if self.weights[i] is None:
            return None, None
        kernel, bias = self.weights[i]
        if kernel.shape[-2] != channels:
            raise ValueError(f"Expected filters of {channels} channels. "
                             f"Received: {kernel.shape[-2]}")  # fmt: skip
        if self.layers[i].kernel == "full" and kernel.shape[:-2] != tuple(lengths):
            raise ValueError("Expected data of the size that a fully connected layer of the bank "
                             f"is made for, {kernel.shape[:-2]} responses below it. "
                             f"Received: {tuple(lengths)}")  # fmt: skip
        if i not in self._variables:
            self._variables[i] = tuple(
                tf.Variable(w, trainable=False, name=f"filters_{i}") for w in (kernel, bias)
            )
        return self._variables[i]


def of_recipe(settings, affine):
    """The `Bank` of a recipe's table of settings, on what `affine` says of the pixels; settings of
    a bank that was made already say it themselves.

    Raises:
        ValueError: no table, or of other types than `make` takes; see there.
    """
    if not isinstance(settings, dict) or not isinstance(settings.get("filters"), str):
        raise ValueError('Expected a bank as a table of settings, {filters = "linear"} or of a '
                         f"network. Received: {settings!r}")  # fmt: skip
    names = settings.get("layers", ())
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"Expected names of layers of a bank. Received: {names!r}")
    return make(**{**affine, **settings})


def make(filters, matrix=None, offset=None, sha256=None, **settings):
    """The `Bank` that a recipe describes.

    Args:
        filters: `"linear"`, `"vgg16"`, `"vgg19"` or the path of a `.keras` file.
        matrix, offset: pixels in [0, 255] are `offset + x · matrix`, `(channels of x, channels of
            the pixels)`; x itself by default. Linear filters see x, whatever the offset is.
        sha256: of the weights that the bank must have.
        **settings: of `linear`: arguments of `linear_filters.layers`; of a network: `layers`,
            names of those to stand on; `weights`, `"keras"` or a file, also one of this name in
            the folder that the environment's GENCONV_HOME names (`~/.genconv`); `pooling`,
            `"average"` or `"max"`. A `.keras` file has its own weights and pooling.

    Raises:
        ValueError: no such filters or layer, or other weights than expected.
    """
    if filters == "linear":
        return _linear(matrix, offset, settings)
    given = dict(settings)
    names = tuple(given.pop("layers", ()))
    weights = str(given.pop("weights", "keras"))
    pooling = given.pop("pooling", "average")
    if given:
        raise ValueError(f"Expected layers, weights and pooling of a bank. "
                         f"Received: {', '.join(given)}")  # fmt: skip
    if not names:
        raise ValueError(f"Expected the names of layers of {filters}. Received: layers=[]")
    if pathlib.Path(filters).suffix == ".keras" and (weights, pooling) != ("keras", "average"):
        raise ValueError(f"Expected neither weights nor pooling with {filters}, which has its own. "
                         f"Received: weights={weights!r}, pooling={pooling!r}")  # fmt: skip
    key = (filters, names, pooling, sha256)
    if sha256 is None or key not in _READ:
        chain = _read(filters, names, weights, pooling)
        digest = _digest(chain[1])
        if sha256 not in (None, digest):
            raise ValueError(f"Expected the filters that the model was learned on (SHA-256 "
                             f"{sha256[:12]}…). Received: {weights} ({digest[:12]}…)")  # fmt: skip
        key = (filters, names, pooling, digest)
        _READ[key] = chain
    layers, arrays, taps, (scale, shift), ordered = _READ[key]
    config = {"filters": filters, "layers": ordered, "weights": weights,
              "pooling": pooling, "sha256": key[-1]}  # fmt: skip
    if matrix is None:
        matrix, offset = np.eye(len(shift)), np.zeros(len(shift))
    if offset is None:
        raise ValueError(f"Expected data of one mean colour below {filters}. "
                         "Received: a mean image")  # fmt: skip
    if matrix.shape[-1] != len(shift):
        raise ValueError(f"Expected data of {len(shift)} channels for {filters}. "
                         f"Received: {matrix.shape[-1]}")  # fmt: skip
    first = _folded(*arrays[0], matrix @ scale, offset @ scale + shift)
    return Bank(layers, [first, *arrays[1:]], taps, config)


def _linear(matrix, offset, settings):
    """Filters on every channel of x, in grey levels."""
    units = np.ones(1) if matrix is None else np.linalg.norm(matrix, axis=-1)
    try:
        layers, kernels, taps = linear_filters.layers(**settings)
    except TypeError as error:
        raise ValueError(f"Expected arguments of linear filters. Received: {error}") from None
    weights = [None if kernel is None else _on_each(kernel, units) for kernel in kernels]
    layers = [dataclasses.replace(layer, filters=w[0].shape[-1]) if w else layer
              for layer, w in zip(layers, weights)]  # fmt: skip
    return Bank(layers, weights, taps, {"filters": "linear", **settings})


def _on_each(kernel, units):
    """A kernel `(*size, 1, filters)` for each channel alone, and its bias of zero; one unit of
    channel c is `units[c]` grey levels."""
    each = np.einsum("...f,cd->...cdf", kernel[..., 0, :], np.diag(units))
    each = each.reshape(*each.shape[:-2], -1).astype(np.float32)
    return each, np.zeros(each.shape[-1], np.float32)


def _folded(kernel, bias, matrix, offset):
    """The first filters as they respond to x: what they see of it is `offset + x · matrix`."""
    moved = bias + np.einsum("hwjf,j->f", kernel, offset)
    return np.einsum("hwjf,cj->hwcf", kernel, matrix).astype(np.float32), moved.astype(np.float32)


def _read(filters, names, weights, pooling):
    """Layers, weights and taps of a Keras network, the affine map from pixels to its input, and the
    names of the taps, bottom up. A network that ends in one response (Flatten, Dense or a global
    pooling) gives the features of eq. 24."""
    import keras

    from genconv_tf import features

    if filters in features.VGG:
        top = max(names)  # VGG names its layers in order
        network = features.features(top, filters, _find(weights), pooling).network
        # RGB to BGR less ImageNet's mean: what `keras.applications.vgg19` expects.
        affine = np.eye(3)[::-1], -np.array((103.939, 116.779, 123.68))
    elif pathlib.Path(filters).suffix == ".keras":
        network = features.load_network(_find(filters))
        affine = np.eye(network.input_shape[-1]), np.zeros(network.input_shape[-1])
    else:
        raise ValueError(f"Expected filters of linear, {', '.join(features.VGG)} or a .keras file. "
                         f"Received: {filters!r}")  # fmt: skip
    layers, arrays, place = [], [], {}
    below = network.input_shape[1:]  # of the responses that a layer takes, before `Flatten`
    silent = keras.layers.InputLayer, keras.layers.Flatten, keras.layers.Dropout
    for one in network.layers:
        last = layers[-1] if layers else None
        if isinstance(one, keras.layers.ReLU) and last and not (last.relu or last.operation):
            layers[-1] = dataclasses.replace(last, relu=True)
            place = {name: i for name, i in place.items() if i < len(layers) - 1}
        elif not isinstance(one, silent):
            layer, pair = _layer(one, below)
            layers.append(layer)
            arrays.append(pair)
            below = one.output.shape[1:]
        place[one.name] = len(layers) - 1
    missing = [name for name in names if name not in place]
    if missing:
        raise ValueError(f"Expected layers of {', '.join(place)}. Received: {missing[0]!r}")
    names = tuple(sorted(names, key=place.get))
    taps = [place[name] for name in names]
    return layers[: taps[-1] + 1], arrays[: taps[-1] + 1], taps, affine, names


def _layer(one, below):
    """A layer of a Keras network as a `Layer` and its (kernel, bias); `below`: the shape of the
    responses that it takes."""
    import keras

    pools = {keras.layers.MaxPooling2D: "max", keras.layers.AveragePooling2D: "average"}
    whole = {keras.layers.GlobalMaxPooling2D: "max", keras.layers.GlobalAveragePooling2D: "average"}
    if type(one) in pools:
        kernel, stride = tuple(one.pool_size), tuple(one.strides)
        return Layer(operation=pools[type(one)], kernel=kernel, stride=stride), None
    if type(one) in whole:
        return Layer(operation=whole[type(one)], kernel="full"), None
    dense = type(one) is keras.layers.Dense
    plain = type(one) is keras.layers.Conv2D and one.groups == 1 and set(one.dilation_rate) == {1}
    name = getattr(getattr(one, "activation", None), "__name__", None)
    if not (plain or dense) or name not in ("relu", "linear"):
        raise ValueError("Expected a chain of Conv2D, ReLU, pooling and Dense layers as a bank. "
                         f"Received: {one.name} ({type(one).__name__})")  # fmt: skip
    kernel = np.asarray(one.kernel)
    bias = np.asarray(one.bias) if one.use_bias else np.zeros(kernel.shape[-1], np.float32)
    if dense and len(kernel) != below[-1]:  # of a map that is flat: it covers all of it
        kernel, size, strides = kernel.reshape(*below, -1), "full", 1
    elif dense:
        kernel, size, strides = kernel[None, None], 1, 1
    else:
        size, strides = kernel.shape[:2], tuple(one.strides)
    return Layer(kernel.shape[-1], size, strides, relu=name == "relu"), (kernel, bias)


def _find(path):
    """A file of weights: as it is named, or of that name in the user's own folder."""
    found = path if path == "keras" else own_file(path)
    if found is None:
        raise ValueError(f"Expected the file of filters {path}, or one of its name in {home()}, "
                         f"which {HOME} can set. Received: neither")  # fmt: skip
    return found


def _digest(arrays):
    """SHA-256 of the weights, whatever file they came in."""
    digest = hashlib.sha256()
    for pair in arrays:
        for array in pair or ():
            digest.update(np.ascontiguousarray(array, np.float32).tobytes())
    return digest.hexdigest()

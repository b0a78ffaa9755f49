"""Features of images: the responses of a layer of any Keras network, with weights of its own."""

import dataclasses
import fractions
import functools
import math
import pathlib
import zipfile

import keras
import numpy as np
import tensorflow as tf

from genconv_tf.guess import did_you_mean
from genconv_tf.nested import is_nested, unnested
from genconv_tf.squeezenet import squeezenet

VGG = {"vgg16": keras.applications.VGG16, "vgg19": keras.applications.VGG19}
NETWORKS = (*VGG, "squeezenet")
POOLINGS = ("average", "max")
PREPROCESSING = ("caffe", "tf", "torch")  # Keras's names of what networks were trained with
TOP = ("fc1", "fc2")  # layers of a VGG above its convolutions, of 224x224 pixels alone


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """Responses of one layer to RGB pixels.

    Attributes:
        network: Keras model, `(batch, height, width, 3)` to `(batch, *positions, filters)`.
        preprocess: pixels in [0, 255] to what the network expects.
        layer: its name.
    """

    network: keras.Model
    preprocess: object
    layer: str

    def __call__(self, pixels):
        """`(batch, height, width, 3)` in [0, 255] to `(batch, *positions, filters)`."""
        # A tensor: Keras preprocesses an array in place.
        code = self.network(self.preprocess(tf.convert_to_tensor(pixels, tf.float32)))
        return tf.cast(code, tf.float32)  # of a network of mixed precision

    @functools.cached_property
    def _every_layer(self):
        below = [one.output for one in self.network.layers if one.weights]
        own = self.network.output
        return keras.Model(self.network.inputs, [x for x in below if x is not own] + [own])

    def every_layer(self, pixels):
        """As a call, but the responses of every layer with weights below this one, and of it last,
        as a list."""
        codes = self._every_layer(self.preprocess(tf.convert_to_tensor(pixels, tf.float32)))
        return [tf.cast(code, tf.float32) for code in tf.nest.flatten(codes)]

    @property
    def receptive_field(self):
        """Pixels along the longer side of what one response sees: of branches that of the widest,
        of a response to all positions those below it; no more than the network takes."""
        lengths, extent = self.network.input_shape[1:3], math.ceil(_field(self.network)[0])
        return extent if None in lengths else min(extent, max(lengths))


def _field(network):
    """(extent, distance) of the responses of a network in its input, in pixels."""
    fields, extent, jump = {}, 1, fractions.Fraction(1)
    for one in network.layers:  # Keras has them in the order in which they are computed.
        given = [fields.get(id(x)) for x in tf.nest.flatten(getattr(one, "input", None))]
        # What has no known input comes after the last layer.
        extent, jump = map(max, zip(*(list(filter(None, given)) or [(extent, jump)])))
        kernel, stride = _seen(one)
        extent, jump = extent + (kernel - 1) * jump, jump * stride
        fields.update((id(x), (extent, jump)) for x in tf.nest.flatten(one.output))
    return extent, jump


def _seen(layer):
    """How many positions below, along the longer side, a position of a layer sees, and how far on
    the next one begins: less than 1 where there are more of them than below."""
    if isinstance(layer, keras.layers.UpSampling2D):
        return 1, fractions.Fraction(1, max(layer.size))
    size = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None) or (1,)
    kernel = 1 + max(k - 1 for k in size) * max(getattr(layer, "dilation_rate", (1,)))
    stride = max(getattr(layer, "strides", (1,)))
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return -(-kernel // stride), fractions.Fraction(1, stride)
    return kernel, stride


def features(layer, network="vgg19", weights=None, pooling=None, preprocess=None):
    """The features of a layer.

    Args:
        layer: name of a layer, such as `block3_conv1`.
        network: `"vgg16"`, `"vgg19"`, `"squeezenet"`, a Keras model or the path of a `.keras` file.
        weights: of a VGG `"keras"` for those that Keras downloads, as by default, or a file: an
            .npz with LAYER/kernel and LAYER/bias, which may end below the top, or Keras's own .h5.
            Of squeezenet a file. A network that is a model or a `.keras` file has its own.
        pooling: of a VGG: `"average"`, by default, which lets gradients reach every pixel, or
            `"max"`.
        preprocess: of a network of one's own, pixels in [0, 255] to what it expects: a function, or
            one of `keras.applications.imagenet_utils.preprocess_input` by its mode, `"caffe"`,
            `"tf"` or `"torch"`; nothing by default.

    Raises:
        ValueError: no such network, layer, weights, pooling or preprocessing, or one that the
            network has no use for.
    """
    named = isinstance(network, str) and network in NETWORKS
    if named and preprocess is not None:
        raise ValueError(f"Expected no preprocessing of {network}, which has its own. "
                         f"Received: {preprocess!r}")  # fmt: skip
    if isinstance(preprocess, str):
        preprocess = _preprocessing(preprocess)
    if pooling not in (None, *POOLINGS):
        raise ValueError(f"Expected pooling of {POOLINGS}. Received: {pooling!r}")
    if named and network in VGG:
        return _vgg(layer, VGG[network], weights or "keras", pooling or "average")
    if pooling is not None:
        raise ValueError(f"Expected pooling with a VGG alone. Received: {pooling!r}")
    if weights is not None and not named:
        raise ValueError(f"Expected weights of a network by its name, {NETWORKS}; another has its "
                         f"own. Received: {weights!r}")  # fmt: skip
    if isinstance(network, keras.Model):
        model = network
    elif network == "squeezenet":
        if weights in (None, "keras"):
            raise ValueError("Expected a weights file for squeezenet. Received none")
        model, preprocess = squeezenet(weights), _preprocessing("caffe")
    elif pathlib.Path(network).suffix == ".keras" and pathlib.Path(network).is_file():
        model = load_network(network)
    else:
        raise ValueError(f"Expected a network of {NETWORKS} or a .keras file. "
                         f"Received: {network!r}")  # fmt: skip
    if not model.built or not getattr(model, "inputs", None):
        raise ValueError("Expected a network that knows its inputs, a functional or built "
                         f"sequential one. Received: {model.name}")  # fmt: skip
    try:
        model, last = unnested(model)
        layer = last.get(layer, layer)
    except Exception:  # whatever layers of one's own raise; its own layers can be had
        if layer not in [one.name for one in model.layers if not is_nested(one)]:
            raise ValueError(f"Expected networks within {model.name} whose layers can be copied. "
                             f"Received: {layer}, within or after one") from None  # fmt: skip
    _check_layer(layer, model)
    output = model.get_layer(layer).output
    if isinstance(output, (list, tuple)):
        raise ValueError(f"Expected a layer of one output. Received: {layer}, of {len(output)}")
    _check_input(model)
    part = keras.Model(model.inputs, output)
    return Features(part, preprocess or (lambda pixels: pixels), layer)


def _check_input(model):
    """Raise a `ValueError` unless a network takes images of three channels, and nothing else."""
    given = [(tuple(x.shape), x.dtype) for x in tf.nest.flatten(model.inputs)]
    (shape, dtype), *more = given
    if more or len(shape) != 4 or shape[-1] not in (3, None) or "float" not in dtype:
        raise ValueError("Expected a network of one input, (batch, height, width, 3) in floating "
                         f"point. Received: {', '.join(f'{s} {d}' for s, d in given)}")  # fmt: skip


def load_network(path):
    """The network in a `.keras` file."""
    try:
        return keras.saving.load_model(path)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"Expected a whole .keras file. Received: {path} "
                         f"({str(error).splitlines()[0]})") from None  # fmt: skip


def _vgg(layer, make, weights, pooling):
    """A VGG up to `layer`, for images of any size unless that is above its convolutions."""
    top = layer in TOP
    whole = make(include_top=top, weights=None)
    _check_layer(layer, whole)
    if weights == "keras":
        whole = _downloaded(make, top)
    elif pathlib.Path(weights).suffix == ".h5":
        _load_h5(whole, weights)
    image = x = keras.Input(whole.input_shape[1:])
    for one in whole.layers[1:]:
        if pooling == "average" and isinstance(one, keras.layers.MaxPooling2D):
            one = keras.layers.AveragePooling2D(one.pool_size, one.strides, name=one.name)
        x = one(x)
        if one.name == layer:
            break
    # A clone: the layers above belong to the whole VGG as well, and would answer for it.
    network = keras.models.clone_model(keras.Model(image, x))
    network.set_weights(
        [w for one in whole.layers[: len(network.layers)] for w in one.get_weights()]
    )
    if weights != "keras" and pathlib.Path(weights).suffix != ".h5":
        _load_npz(network, weights)
    return Features(network, _preprocessing("caffe"), layer)


def _downloaded(make, top):
    """The network with Keras's own weights, which it keeps after the first time."""
    try:
        return make(include_top=top)
    except Exception as error:  # Keras raises a bare one where there is no network
        raise ValueError(f"Expected a connection to Keras's weights, or a file of one's own. "
                         f"Received: {' '.join(str(error).split())}") from None  # fmt: skip


def _load_h5(network, path):
    """Set the weights of a whole network from a file of Keras's own."""
    try:
        network.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"Expected weights of {network.name}. Received: {path} "
                         f"({str(error).splitlines()[0]})") from None  # fmt: skip


def _load_npz(network, path):
    """Set the weights of the lower layers of a VGG from LAYER/kernel and LAYER/bias."""
    names, found = [], []
    try:
        with open(path, "rb") as raw, np.load(raw) as file:
            names = file.files
            for one in network.layers:
                if one.weights:
                    found.append((one, [file[f"{one.name}/kernel"], file[f"{one.name}/bias"]]))
    except KeyError:
        raise ValueError(f"Expected weights of {one.name} in {path}. Received: "
                         f"{', '.join(names)}") from None  # fmt: skip
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"Expected an .npz of LAYER/kernel and LAYER/bias. Received: {path} "
                         f"({error})") from None  # fmt: skip
    for one, values in found:
        own, given = ([tuple(w.shape) for w in pair] for pair in (one.weights, values))
        if own != given:
            raise ValueError(f"Expected weights of {own} for {one.name} in {path}. "
                             f"Received: {given}")  # fmt: skip
        one.set_weights(values)


def _preprocessing(mode):
    """A function of RGB pixels. `"caffe"`: to BGR, less ImageNet's mean, what VGG and SqueezeNet
    were trained with; `"tf"`: to [-1, 1]; `"torch"`: to [0, 1], then less ImageNet's mean and over
    its spread."""
    if mode not in PREPROCESSING:
        raise ValueError(f"Expected a preprocessing of {PREPROCESSING}. Received: {mode!r}")
    prepare = keras.applications.imagenet_utils.preprocess_input
    return functools.partial(prepare, data_format="channels_last", mode=mode)


def _check_layer(layer, model):
    names = [one.name for one in model.layers if not isinstance(one, keras.layers.InputLayer)]
    if layer not in names:
        raise ValueError(f"Expected a layer of {', '.join(names)}{did_you_mean(layer, names)}. "
                         f"Received: {layer!r}")  # fmt: skip

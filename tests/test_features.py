"""Layers of Keras networks: their weights, what they see, and what is asked of them in vain."""

import h5py
import keras
import numpy as np
import pytest
import small_network
import tensorflow as tf

from genconv_tf.features import features

RNG = np.random.default_rng(0)
network = pytest.fixture(small_network.network, scope="module")
image = pytest.fixture(small_network.image, scope="module")


def test_receptive_fields(network):
    assert features("low", network).receptive_field == 3
    # 3, then 4 by the pooling, then 8 by a kernel of 3 with steps of 2.
    assert features("high", network).receptive_field == 8


def test_receptive_fields_of_branches_and_of_networks_in_networks():
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="first")(image)  # 3, 2
    long = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="long")(x)  # 7, 4
    long = keras.layers.Conv2D(4, 3, dilation_rate=2, padding="same", name="wide")(long)  # 23, 4
    short = keras.layers.Conv2D(4, 1, strides=2, name="short")(x)  # 3, 4
    both = keras.layers.Add(name="both")([short, long])
    last = keras.layers.Conv2D(4, 3, padding="same", name="last")(both)  # 31, 4
    inner = keras.Model(image, last)
    assert features("both", inner).receptive_field == 23
    assert features("last", inner).receptive_field == 31
    outer = keras.Input((None, None, 3))
    above = keras.layers.Conv2D(2, 3, name="above")(inner(outer))  # 39
    assert features("above", keras.Model(outer, above)).receptive_field == 39


def test_receptive_fields_of_decoders_and_of_networks_of_one_size():
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, strides=4, padding="same", name="down")(image)  # 3, 4
    up = keras.layers.Conv2DTranspose(4, 4, strides=2, name="up")(x)  # two of these: 7, 2
    x = keras.layers.Conv2D(4, 3, name="mid")(keras.layers.UpSampling2D(2)(up))  # 9, 1
    network = keras.Model(image, x)
    assert features("up", network).receptive_field == 7
    assert features("mid", network).receptive_field == 9
    small = keras.Input((6, 5, 3))
    wide = keras.layers.Conv2D(4, 3, padding="same", dilation_rate=4, name="wide")(small)  # 9
    assert features("wide", keras.Model(small, wide)).receptive_field == 6


def test_layers_of_networks_in_networks_are_those_of_one_network():
    """A backbone under a head, as transfer learning has them, each with a layer `first`."""
    image = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, name="first")(image)
    backbone = keras.Model(image, keras.layers.BatchNormalization(name="norm")(x), name="backbone")
    backbone.get_layer("norm").moving_mean.assign(RNG.standard_normal(4))
    head = keras.Sequential([keras.Input((14, 14, 4)), keras.layers.Conv2D(2, 5, name="first")],
                            name="head")  # fmt: skip
    outer = keras.Input((16, 16, 3))
    scaled = keras.layers.Rescaling(1 / 255)(outer)
    network = keras.Model(outer, keras.layers.ReLU(name="top")(head(backbone(scaled))))
    pixels = RNG.uniform(0, 255, (2, 16, 16, 3)).astype(np.float32)
    below = backbone(pixels / 255)
    expected = {"backbone": below, "norm": below, "head": head(below), "head_first": head(below),
                "first": backbone.get_layer("first")(pixels / 255),
                "top": network(pixels)}  # fmt: skip
    for layer, responses in expected.items():
        np.testing.assert_allclose(features(layer, network)(pixels), responses, atol=1e-5)
    assert features("head", network).receptive_field == 7
    every = features("top", network).every_layer(pixels)
    assert [x.shape[-1] for x in every] == [4, 4, 2, 2]
    with pytest.raises(ValueError, match=r"Expected a layer of .*norm, head_first"):
        features("second", network)


def test_networks_in_networks_with_operations_and_states():
    """Sums and divisions of tensors; two layers of the same name; a normalization that was adapted;
    a layer that cannot be copied, above which nothing within is to be had."""
    image = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(3, 3, padding="same", name="outer")(image)
    backbone = keras.Model(image, keras.layers.ReLU(name="within")(x + image), name="backbone")
    normal = keras.layers.Normalization()
    normal.adapt(RNG.normal(90, 30, (64, 16, 16, 3)))
    outer = keras.Input((16, 16, 3), name="outer")
    top = keras.layers.ReLU(name="top")(backbone(normal(outer / 2.0)) * 2.0)
    network = keras.Model(outer, top)
    pixels = RNG.uniform(0, 255, (1, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(features("top", network)(pixels), network(pixels), rtol=1e-4)
    within = backbone(normal(pixels / 2))
    np.testing.assert_allclose(features("within", network)(pixels), within, rtol=1e-4)
    scaled = keras.layers.Lambda(lambda x: x / 255, name="scaled")(outer)
    network = keras.Model(outer, keras.layers.ReLU(name="top")(backbone(scaled)))
    np.testing.assert_allclose(features("scaled", network)(pixels), pixels / 255, rtol=1e-5)
    with pytest.raises(ValueError, match="whose layers can be copied"):
        features("within", network)


def test_a_network_of_mixed_precision_has_features_in_float32():
    image = keras.Input((8, 8, 3))
    half = keras.layers.Conv2D(4, 3, name="half", dtype="mixed_float16")(image)
    both = features("half", keras.Model(image, half))
    assert both(np.ones((1, 8, 8, 3))).dtype == tf.float32
    assert both.every_layer(np.ones((1, 8, 8, 3)))[0].dtype == tf.float32


@pytest.mark.parametrize("inputs", [[(8, 8, 1)], [(8, 8, 3), (8, 8, 3)], [(8, 3)]])
def test_a_network_of_other_inputs_than_an_rgb_image_is_named(inputs):
    inputs = [keras.Input(shape) for shape in inputs]
    sums = [keras.layers.Dense(1)(keras.layers.Flatten()(x)) for x in inputs]
    out = keras.layers.Average(name="out")([sums[0], sums[-1]])
    with pytest.raises(ValueError, match=r"of one input, \(batch, height, width, 3\).*Received"):
        features("out", keras.Model(inputs, out))


def test_a_vgg_of_a_file_pools_by_averages_and_may_end_below_the_top(tmp_path):
    arrays = {}
    for name, shape in {"block1_conv1": (3, 3, 3, 64), "block1_conv2": (3, 3, 64, 64),
                        "block2_conv1": (3, 3, 64, 128)}.items():  # fmt: skip
        arrays[f"{name}/kernel"] = RNG.normal(size=shape).astype(np.float32) * 0.05
        arrays[f"{name}/bias"] = np.zeros(shape[-1], np.float32)
    path = tmp_path / "vgg.npz"
    np.savez(path, **arrays)
    x = RNG.uniform(0, 255, (1, 12, 16, 3)).astype(np.float32)
    h = x[..., ::-1] - np.float32([103.939, 116.779, 123.68])
    for name in ("block1_conv1", "block1_conv2"):
        h = tf.nn.relu(tf.nn.conv2d(h, arrays[f"{name}/kernel"], 1, "SAME"))
    h = tf.nn.avg_pool2d(h, 2, 2, "VALID")
    h = tf.nn.relu(tf.nn.conv2d(h, arrays["block2_conv1/kernel"], 1, "SAME"))
    np.testing.assert_allclose(features("block2_conv1", weights=path)(x), h, rtol=1e-3, atol=1e-2)
    with pytest.raises(ValueError, match="weights of block2_conv2 in"):
        features("block3_conv1", weights=path)
    look = features("block2_conv1", weights=path)
    codes = look.every_layer(x)
    assert [code.shape[-1] for code in codes] == [64, 64, 128]
    np.testing.assert_array_equal(codes[-1], look(x))
    for name, content in (("cut.npz", path.read_bytes()[:1000]), ("array.npz", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=r"Expected an \.npz"):
            features("block1_conv1", weights=tmp_path / name)


def test_without_a_network_it_says_what_to_do(monkeypatch):
    def refused(*args, **kwargs):
        raise Exception("URL fetch failure on https://example.org: refused")

    monkeypatch.setattr(keras.applications.vgg19, "get_file", refused, raising=False)
    monkeypatch.setattr(keras.utils, "get_file", refused)
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", refused)
    with pytest.raises(ValueError, match=r"a file of one's own\. Received: .*refused"):
        features("block1_conv1")


def test_a_squeezenet_of_a_file_in_the_order_of_its_layers(tmp_path):
    from genconv_tf.squeezenet import _FIRES

    path = tmp_path / "squeeze.h5"
    with h5py.File(path, "w") as file:

        def layer(name, shape):
            file[f"{name}/{name}_b"] = np.full(shape[-1], 0.01, np.float32)
            kernel = RNG.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1]))
            file[f"{name}/uniform"] = kernel.astype(np.float32)

        layer("conv1", (3, 3, 3, 64))
        channels = 64
        for fire, (squeeze, expand) in _FIRES.items():
            layer(f"fire{fire}/squeeze1x1", (1, 1, channels, squeeze))
            for k in (1, 3):
                layer(f"fire{fire}/expand{k}x{k}", (k, k, squeeze, expand))
            channels = 2 * expand
    x = RNG.uniform(0, 255, (1, 67, 67, 3)).astype(np.float32)
    low = features("fire2_squeeze1x1", "squeezenet", path)
    with h5py.File(path) as file:
        h = x[..., ::-1] - np.float32([103.939, 116.779, 123.68])
        h = tf.nn.relu(tf.nn.conv2d(h, file["conv1/uniform"][()], 2, "VALID") + 0.01)
        h = tf.nn.max_pool2d(h, 3, 2, "VALID")
        h = tf.nn.relu(tf.nn.conv2d(h, file["fire2/squeeze1x1/uniform"][()], 1, "SAME") + 0.01)
    np.testing.assert_allclose(low(x), h, rtol=1e-3, atol=1e-2)
    assert features("fire9_concat", "squeezenet", path)(x).shape == (1, 3, 3, 512)
    with pytest.raises(ValueError, match="weights of SqueezeNet"):
        features("conv1", "squeezenet", tmp_path / "none.h5")


def test_a_network_sees_what_it_was_trained_with(network, image):
    x = image[None]
    seen = {
        None: x,
        "caffe": x[..., ::-1] - np.array([103.939, 116.779, 123.68]),
        "tf": x / 127.5 - 1,
        "torch": (x / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225]),
    }
    low = keras.Model(network.input, network.get_layer("low").output)
    for mode, pixels in seen.items():
        expected = low(pixels.astype(np.float32))
        np.testing.assert_allclose(features("low", network, preprocess=mode)(x), expected,
                                   rtol=1e-4, atol=1e-3)  # fmt: skip
    with pytest.raises(ValueError, match="Expected a preprocessing of"):
        features("low", network, preprocess="mean")
    with pytest.raises(ValueError, match="Expected no preprocessing of vgg19"):
        features("block1_conv1", "vgg19", preprocess="tf")


def test_what_there_is_none_of_is_named(network, tmp_path):
    with pytest.raises(ValueError, match=r"did you mean high\?.*Received: 'hgih'"):
        features("hgih", network)
    with pytest.raises(ValueError, match="Expected a network of"):
        features("low", "vgg99")
    with pytest.raises(ValueError, match="weights file for squeezenet"):
        features("conv1", "squeezenet")
    (tmp_path / "text.npz").write_text("none")
    with pytest.raises(ValueError, match=r"Expected an \.npz"):
        features("block1_conv1", weights=tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", **{"block1_conv1/kernel": np.zeros((3, 3, 3, 8)),
                                        "block1_conv1/bias": np.zeros(8)})  # fmt: skip
    with pytest.raises(ValueError, match=r"Expected weights of \[\(3, 3, 3, 64\).* block1_conv1"):
        features("block1_conv1", weights=tmp_path / "other.npz")
    (tmp_path / "broken.keras").write_text("none")
    with pytest.raises(ValueError, match="Expected a whole"):
        features("low", str(tmp_path / "broken.keras"))
    with pytest.raises(ValueError, match="Expected pooling of"):
        features("block1_conv1", pooling="mean")


def test_a_network_without_inputs_and_a_layer_of_several_outputs_are_named():
    with pytest.raises(ValueError, match="a network that knows its inputs"):
        features("dense", keras.Sequential([keras.layers.Dense(2, name="dense")]))
    x = keras.Input((4, 3))
    states = keras.layers.LSTM(2, return_sequences=True, return_state=True, name="lstm")(x)
    with pytest.raises(ValueError, match=r"a layer of one output\. Received: lstm, of 3"):
        features("lstm", keras.Model(x, states[0]))


@pytest.mark.parametrize(
    "given, message",
    [
        ({"weights": "own.npz"}, "Expected weights of a network by its name"),
        ({"pooling": "max"}, "Expected pooling with a VGG alone"),
    ],
)
def test_what_a_network_of_ones_own_has_no_use_for_is_refused(network, given, message):
    with pytest.raises(ValueError, match=message):
        features("low", network, **given)

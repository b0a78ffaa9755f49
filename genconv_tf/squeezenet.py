"""SqueezeNet 1.1 (F. Iandola et al., 2016): deep features in 3 MB of weights."""

import keras

# Filters of the two sizes in each fire module, and where the responses are pooled before it.
_FIRES = {2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128),
          6: (48, 192), 7: (48, 192), 8: (64, 256), 9: (64, 256)}  # fmt: skip
_POOLED = (2, 4, 6)


def squeezenet(weights):
    """SqueezeNet 1.1 without its classifier, for images of any size.

    Args:
        weights: .h5 file of Keras's layout, layers in the order of the network.

    Raises:
        ValueError: the file is none of SqueezeNet's weights.
    """
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(64, 3, 2, activation="relu", name="conv1")(image)
    for fire, (squeeze, expand) in _FIRES.items():
        if fire in _POOLED:
            x = keras.layers.MaxPooling2D(3, 2, name=f"pool{fire - 1}")(x)
        x = _conv(squeeze, 1, f"fire{fire}/squeeze1x1")(x)
        both = [_conv(expand, k, f"fire{fire}/expand{k}x{k}")(x) for k in (1, 3)]
        x = keras.layers.Concatenate(name=f"fire{fire}_concat")(both)
    network = keras.Model(image, x, name="squeezenet")
    _load(network, weights)
    return network


def _conv(filters, size, name):
    name = name.replace("/", "_")
    return keras.layers.Conv2D(filters, size, padding="same", activation="relu", name=name)


def _load(network, path):
    import h5py

    try:
        with h5py.File(path) as file:
            for layer in network.layers:
                if layer.weights:
                    layer.set_weights(_arrays(file[layer.name.replace("_", "/")]))
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"Expected weights of SqueezeNet 1.1. Received: {path} "
                         f"({error})") from None  # fmt: skip


def _arrays(group):
    """The kernel and the bias in a group, whatever they are called there."""
    found = []

    def visit(_, one):
        if hasattr(one, "shape"):
            found.append(one[()])

    group.visititems(visit)
    return sorted(found, key=lambda array: -array.ndim)

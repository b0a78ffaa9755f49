"""A small network with a filter that is dead, and an image for it."""

import keras
import numpy as np


def network():
    """Two convolutions with pooling between them, and a third filter of the first that is dead."""
    rng = np.random.default_rng(0)
    image = keras.Input((None, None, 3))
    x = keras.layers.Rescaling(1 / 128, -1, name="scaled")(image)
    x = keras.layers.Conv2D(16, 3, padding="same", activation="relu", name="low")(x)
    y = keras.layers.AveragePooling2D(2, name="pool")(x)
    y = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="high")(y)
    model = keras.Model(image, y)
    for name in ("low", "high"):
        layer = model.get_layer(name)
        kernel = rng.normal(size=layer.kernel.shape) / np.sqrt(np.prod(layer.kernel.shape[:-1]) / 2)
        layer.set_weights([kernel, 0.1 * rng.normal(size=layer.bias.shape)])
    kernel, bias = model.get_layer("low").get_weights()
    kernel[..., 2], bias[2] = 0.0, -1.0
    model.get_layer("low").set_weights([kernel, bias])
    return model


def image():
    """Waves across 24x24 pixels, and a little noise: `(24, 24, 3)` float32."""
    rng = np.random.default_rng(1)
    x = np.linspace(0, 3 * np.pi, 24)
    shade = 128 + 60 * np.sin(x)[:, None, None] * np.cos([0.7, 1.0, 1.4] * x[:, None])[None]
    return (shade + rng.normal(size=(24, 24, 3))).astype(np.float32)

"""Responses of generative ConvNets as the features of a Keras classifier.

The networks of the shipped textures of brick, grass and gravel learned without labels what their
textures are made of. Here the means of their top responses over a crop are the features from which
a linear classifier tells the three, learned from a few crops each. The crops have the same
mean and the same contrast, so that neither tells them apart.

    python docs/workflows/score_as_feature.py --output feature
"""

import argparse
import json
import pathlib

import keras
import numpy as np
import tensorflow as tf

import genconv_tf as gct
from genconv_tf.data.decode import read_image

options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
options.add_argument("--output", required=True, metavar="DIR")
options.add_argument("--quick", action="store_true", help="fewer crops")
options = options.parse_args()
output = pathlib.Path(options.output)
keras.utils.set_random_seed(0)

# ## Crops
#
# What is learned from comes from the left half of each photograph, what is tested on from its right
# half. (The models have seen both, but no label of either.)

TEXTURES, SIZE = ("brick", "grass", "gravel"), 32
LEARNED, TESTED = (8, 20) if options.quick else (8, 200)
models = [gct.GenerativeConvNet.from_preset(f"texture-{name}") for name in TEXTURES]


def crops(name, columns, count, rng):
    """Grey crops `(count, SIZE, SIZE, 3)` of one mean and contrast, from some columns."""
    image = read_image(gct.presets.find(f"texture-{name}") / "exemplar.png").astype(np.float32)
    image = image[:, columns].mean(-1)
    tops = rng.integers(image.shape[0] - SIZE + 1, size=count)
    lefts = rng.integers(image.shape[1] - SIZE + 1, size=count)
    found = np.stack([image[i : i + SIZE, j : j + SIZE] for i, j in zip(tops, lefts)])
    found -= found.mean((1, 2), keepdims=True)
    found *= 30 / found.std((1, 2), keepdims=True)
    return np.repeat(128 + found[..., None], 3, -1)


def labelled(columns, count, seed):
    rng = np.random.default_rng(seed)
    x = np.concatenate([crops(name, columns, count, rng) for name in TEXTURES])
    return x, np.repeat(np.arange(len(TEXTURES)), count)


learned, tested = labelled(slice(0, 128), LEARNED, 1), labelled(slice(128, 256), TESTED, 2)

# ## Features
#
# A Keras layer that holds the networks. Every model has a preprocessing of its own, and its network
# a `boundary` for photographs, which do not go on at their opposite side.


class Responses(keras.layers.Layer):
    """Media `(batch, height, width, 3)` to features of several models' networks, side by side.

    Args:
        models: `GenerativeConvNet`s, whose finest level is taken.
        whole: the mean over positions of each top filter's response, or their sum alone: the score
            of a position.
    """

    def __init__(self, models, whole=True, **kwargs):
        super().__init__(**kwargs)
        self.encoders = [model.preprocessing.encode for model in models]
        self.networks, self.whole = [model.finest.network for model in models], whole
        for network in self.networks:
            network.trainable = False

    def call(self, media):
        features = []
        for encode, network in zip(self.encoders, self.networks):
            x, edge = encode(media), network.data_boundary
            if self.whole:
                features += [tf.reduce_mean(top, (1, 2)) for top in network.top_responses(x, edge)]
            else:
                features.append(network.mean(x, edge)[:, None])
        return tf.concat(features, -1)


# ## A linear classifier on them
#
# The same classifier on the responses of networks of random weights, and on the pixels, tells what
# the learned weights add. The features do not change, so that they are computed once; what is kept
# is one Keras model from media to logits.


def classifier_of(features):
    """A Keras model, media to logits, whose linear top was learned on `features` of media."""
    values, scaled = features(learned[0]), keras.layers.Normalization()
    scaled.adapt(values)
    logits = keras.layers.Dense(len(TEXTURES), kernel_regularizer=keras.regularizers.L2(1e-3))
    top = keras.Sequential([scaled, logits])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    top.compile(keras.optimizers.Adam(0.02), loss)
    once = tf.data.Dataset.from_tensors((values, learned[1]))
    top.fit(once.repeat(100), shuffle=False, verbose=0)
    return keras.Sequential([keras.Input((SIZE, SIZE, 3)), features, top])


def random(model):
    """A model of the same configuration and random weights."""
    return gct.GenerativeConvNet.from_config(model.get_config())


kinds = {
    "responses": Responses(models),
    "scores": Responses(models, whole=False),
    "responses of random networks": Responses([random(model) for model in models]),
    "pixels": keras.layers.Flatten(),
}
output.mkdir(parents=True, exist_ok=True)
figures = {}
for name, features in kinds.items():
    logits = classifier_of(features).predict_on_batch(tested[0])
    figures[name] = float(np.mean(logits.argmax(-1) == tested[1]))
    print(f"{name}: {figures[name]:.1%} of {len(tested[0])} crops")
(output / "figures.json").write_text(json.dumps(figures, indent=1))

"""What `keras.Model.evaluate` tells of data that were not learned from."""

import keras
import tensorflow as tf

from genconv_tf import checks, pyramid


class Validation:
    """Means over an evaluation of the score per position, and of the energy gap between the data
    and the chains as they are. No variables of the model: a checkpoint does not hold them."""

    def __init__(self):
        self.means = {name: keras.metrics.Mean(name) for name in ("score", "energy_gap")}

    def metrics(self, chains):
        """The means that there are, which Keras resets; no gap before there are `chains`."""
        score, gap = self.means.values()
        return [score] if chains is None else [score, gap]

    def step(self, model, data):
        """The means so far, with a batch of data: a dict of scalars.

        Args:
            model: a `GenerativeConvNet`, whose finest level it is that judges.
            data: `(batch, *spatial, channels)` as of `fit`.
        """
        network, chains = model.finest.network, model.chains
        x = checks.as_data(data, model.levels, model.channels, model.size)
        x = pyramid.levels_of(x, model.levels)[-1]
        score = network.mean(x, boundary=network.data_boundary)
        told = {"score": score}
        if chains is not None:
            shown, edge = chains.seen(-1, chains.states[-1], network)
            edge = network.data_boundary if model.learning.contrastive else edge
            told["energy_gap"] = score - tf.reduce_mean(network.mean(shown, edge))
        for name, values in told.items():
            self.means[name].update_state(values)
        return {name: self.means[name].result() for name in told}

"""Generative models from classifiers and classifiers from generative models (GCN Proposition 1).

A classifier P(c | x) ∝ exp[f_c(x) + b_c] one of whose categories is the reference distribution q
gives every other category the density p(x | c) = exp[f_c(x)] q(x) / Z_c, and densities of that form
with prior probabilities give back the classifier: b_c is log P(c) - log Z_c.
"""

import operator

import keras
import numpy as np
import tensorflow as tf

from genconv_tf.energy import Reference
from genconv_tf.pyramid import Level, Sampler


def from_classifier(classifier, category, base=0, reference=None, sampler=None):
    """The density of one category of a classifier.

    Args:
        classifier: a Keras model, `(batch, *spatial, channels)` to logits `(batch, categories)`.
        category: whose density.
        base: the category that the reference distribution is; its logit is taken off.
        reference: q, a `Reference`; white noise of standard deviation 1 by default.
        sampler: how it is sampled, a `Sampler`; 30 Langevin steps of 0.3 by default.

    Returns:
        A `pyramid.Level`: `network(x)` is f(x), `(batch,)`; `gradient`, `log_density`, `langevin`;
        `pyramid.generate([level], seeds, size, channels)` draws from it.

    Raises:
        ValueError: no such category, or probabilities instead of logits.
    """
    try:
        given, count = tuple(classifier.input_shape), classifier.output_shape[-1]
    except AttributeError:
        raise ValueError("Expected a Keras model that knows its shapes, a functional or sequential "
                         f"one. Received: {type(classifier).__name__}") from None  # fmt: skip
    category, base = operator.index(category), operator.index(base)
    for name, index in (("category", category), ("base", base)):
        if not 0 <= index < count:
            raise ValueError(f"Expected a {name} of 0 to {count - 1}. Received: {index}")
    if category == base:
        raise ValueError(f"Expected a category other than the base. Received: {category}")
    sampler = sampler or Sampler()
    if sampler.bounded:
        raise ValueError("Expected a sampler without bounds. Received: bounded=True")
    _check_logits(classifier, given)

    def f(x):
        logits = tf.cast(classifier(x), tf.float32)
        return logits[:, category] - logits[:, base]

    return Level(f, reference or Reference(), (1,) * (len(given) - 2), sampler)


def to_classifier(models, priors=None, log_partitions=None):
    """The classifier that several generative models and the reference distribution make.

    Args:
        models: `GenerativeConvNet`s, of one reference, preprocessing and size.
        priors: probabilities, that of the base category (the reference alone) first; all the same
            by default. A category of probability 0 has a logit of -inf.
        log_partitions: log Z of each model, numbers or what `log_partition` gives; 0 by default,
            which is wrong, and says how much they matter.

    Returns:
        A Keras model, `(batch, *spatial, channels)` to logits `(batch, 1 + models)`:
        f_c(x) - log Z_c + log P(c).
    """
    if not models:
        raise ValueError("Expected at least one model. Received: none")
    count = len(models) + 1
    priors = np.full(count, 1 / count) if priors is None else np.asarray(priors, np.float64)
    zs = [0.0] * len(models) if log_partitions is None else list(log_partitions)
    zs = [getattr(z, "value", z) for z in zs]
    if priors.shape != (count,) or not (priors >= 0).all() or abs(priors.sum() - 1) > 1e-6:
        raise ValueError(f"Expected {count} probabilities that sum to 1, the base's first. "
                         f"Received: {priors.tolist()}")  # fmt: skip
    if len(zs) != len(models):
        raise ValueError(f"Expected log Z of {len(models)} models. Received: {len(zs)}")
    for part in ("reference", "preprocessing", "size", "channels"):
        given = [getattr(model, part) for model in models]
        if any(one != given[0] for one in given):
            raise ValueError(f"Expected models of one {part}. Received: {given}")
    with np.errstate(divide="ignore"):
        offsets = np.log(priors) - np.array([0.0, *zs])
    shape = (*models[0].size, models[0].channels)
    return keras.Sequential([keras.Input(shape), CategoryScores(models, offsets.tolist())])


@keras.saving.register_keras_serializable("genconv_tf")
class CategoryScores(keras.layers.Layer):
    """f_c(x) of the reference (0) and of every model, and an offset each: `(batch, 1 + models)`."""

    def __init__(self, models, offsets, **kwargs):
        super().__init__(**kwargs)
        self.models, self.offsets = list(models), offsets

    def call(self, x):
        scores = [tf.zeros(tf.shape(x)[:1]), *(model.score(x) for model in self.models)]
        return tf.stack(scores, axis=-1) + tf.constant(self.offsets, tf.float32)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], len(self.offsets))

    def get_config(self):
        models = [keras.saving.serialize_keras_object(model) for model in self.models]
        return {**super().get_config(), "models": models, "offsets": self.offsets}

    @classmethod
    def from_config(cls, config):
        models = [keras.saving.deserialize_keras_object(model) for model in config.pop("models")]
        return cls(models, **config)


def _check_logits(classifier, shape):
    """Refuse a classifier that gives probabilities: what it says of noise is positive and sums to
    1, or its exponentials do."""
    lengths = [n or 32 for n in shape[1:]]
    x = np.random.default_rng(0).normal(size=(4, *lengths)).astype(np.float32)
    out = np.asarray(classifier(x), np.float64)
    what = None
    if (out >= 0).all() and (out <= 1).all() and out.any():
        what = "softmax" if np.abs(out.sum(-1) - 1).max() < 1e-3 else "sigmoid"
    elif (out <= 0).all() and np.abs(np.exp(out).sum(-1) - 1).max() < 1e-3:
        what = "log_softmax"
    if what:
        raise ValueError(f"Expected a classifier of logits, a last layer without activation. "
                         f"Received: probabilities, as of {what}")  # fmt: skip

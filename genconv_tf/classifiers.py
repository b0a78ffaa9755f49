"""Generative models from classifiers and classifiers from generative models (GCN Proposition 1).

A classifier P(c | x) ∝ exp[f_c(x) + b_c] one of whose categories is the reference distribution q
gives every other category the density p(x | c) = exp[f_c(x)] q(x) / Z_c, and densities of that form
with prior probabilities give back the classifier: b_c is log P(c) - log Z_c.
"""

import dataclasses
import operator

import keras
import numpy as np
import tensorflow as tf

from genconv_tf.energy import Reference
from genconv_tf.pyramid import Level
from genconv_tf.sampler import Sampler

LENGTHS = (32, 128, 512)  # of signals for a classifier of any length


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
        ValueError: no such category, probabilities instead of logits, or a network that is no
            classifier of one signal.
    """
    given, count = _shapes(classifier)
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
    f = CategoryScore(classifier, category, base)
    return Level(f, reference or Reference(), (1,) * (len(given) - 2), sampler)


def to_classifier(models, priors=None, log_partitions=None):
    """The classifier that several generative models and the reference distribution make.

    Args:
        models: of one reference: `GenerativeConvNet`s of one preprocessing and size, or what
            `from_classifier` gives, which holds log P(c) and log Z_c already: with the same priors
            for all, the posterior is that of the classifier it came from.
        priors: probabilities, that of the base category (the reference alone) first; all the same
            by default. A category of probability 0 has a logit of -inf.
        log_partitions: log Z of each model, numbers or what `log_partition` gives; 0 by default,
            which is wrong, and says how much they matter. Models whose samplers are bounded are
            compared within their bounds, which `log_partition` has to be given.

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
    levels = all(isinstance(model, Level) for model in models)
    own = ["signal"] if levels else ["preprocessing", "size", "channels"]
    for part in ["class", "reference", *own]:
        given = [_part(model, part) for model in models]
        if any(one != given[0] for one in given):
            raise ValueError(f"Expected models of one {part}. Received: {given}")
    with np.errstate(divide="ignore"):
        offsets = (np.log(priors) - np.array([0.0, *zs])).tolist()
    if levels:
        return _of_categories([level.network for level in models], offsets)
    shape = (*models[0].size, models[0].channels)
    return keras.Sequential([keras.Input(shape), CategoryScores(models, offsets)])


def _part(model, part):
    """What has to be the same of all models."""
    if part == "class":
        return type(model).__name__
    return model.network.signal if part == "signal" else getattr(model, part)


def _of_categories(scores, offsets):
    """The Keras model of the scores of categories, `CategoryScore`s; what they share stays one."""
    x = keras.Input(scores[0].signal)
    logits = {id(one.classifier): one.classifier(x) for one in scores}
    given = [one.of(logits[id(one.classifier)]) for one in scores]
    stacked = keras.ops.stack([keras.ops.zeros_like(given[0]), *given], axis=-1)
    return keras.Model(x, stacked + keras.ops.convert_to_tensor(offsets, "float32"))


@dataclasses.dataclass(frozen=True, eq=False)
class CategoryScore:
    """f of one category of a classifier: its logit less that of the base, `(batch,)`."""

    classifier: keras.Model
    category: int
    base: int

    @property
    def signal(self):
        """Shape of what the classifier takes, without the batch."""
        return tuple(self.classifier.input_shape[1:])

    def of(self, logits):
        """f where the logits are given already."""
        return logits[:, self.category] - logits[:, self.base]

    def __call__(self, x):
        return self.of(tf.cast(self.classifier(x), tf.float32))


@keras.saving.register_keras_serializable("genconv_tf")
class CategoryScores(keras.layers.Layer):
    """f_c(x) of the reference (0) and of every model, and an offset each: `(batch, 1 + models)`."""

    def __init__(self, models, offsets, **kwargs):
        super().__init__(**kwargs)
        self.models, self.offsets = list(models), offsets

    def call(self, x):
        scores = [tf.zeros(tf.shape(x)[:1]), *(model(x) for model in self.models)]
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


def _shapes(classifier):
    """(shape of what a classifier takes, number of its categories)."""
    try:
        given, made = classifier.input_shape, classifier.output_shape
    except AttributeError:
        raise ValueError("Expected a Keras model that knows its shapes, a functional or sequential "
                         f"one. Received: {type(classifier).__name__}") from None  # fmt: skip
    one = isinstance(given, tuple) and not any(isinstance(n, (tuple, list)) for n in given)
    if not one or np.ndim(made) != 1 or len(made) != 2 or made[-1] < 2:
        raise ValueError("Expected a classifier of one signal, with two logits or more. "
                         f"Received: one of {given} to {made}")  # fmt: skip
    return given, made[-1]


def _check_logits(classifier, shape):
    """Refuse a classifier that gives probabilities: what it says of noise is positive and sums to
    1, or its exponentials do."""
    out = np.concatenate(
        # Logits that are small for weak noise are not for strong noise.
        [_of_noise(classifier, shape, strength) for strength in (1.0, 1e3, 1e6)]
    )
    out = out[np.isfinite(out).all(-1)]  # float16 does not reach as far
    if not len(out):
        raise ValueError("Expected a classifier of finite logits. Received: NaN or inf for noise")
    what = None
    if (out >= 0).all() and (out <= 1).all() and out.any():
        what = "softmax" if np.abs(out.sum(-1) - 1).max() < 1e-3 else "sigmoid"
    elif (out <= 0).all() and np.abs(np.exp(out).sum(-1) - 1).max() < 1e-3:
        what = "log_softmax"
    if what:
        raise ValueError(f"Expected a classifier of logits, a last layer without activation. "
                         f"Received: probabilities, as of {what}")  # fmt: skip


def _of_noise(classifier, shape, strength):
    """What a classifier says of four signals of noise; where any length will do, of the shortest
    that is long enough for it."""
    for length in LENGTHS:
        lengths = [n or length for n in shape[1:]]
        x = strength * np.random.default_rng(0).normal(size=(4, *lengths)).astype(np.float32)
        try:
            return np.asarray(classifier(x), np.float64)
        except (ValueError, tf.errors.InvalidArgumentError):
            if None not in shape[1:] or length == LENGTHS[-1]:
                raise

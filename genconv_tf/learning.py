"""Maximum likelihood: w ← w + lr · (mean over data of ∂f/∂w - mean over chains of ∂f/∂w)."""

import dataclasses

import keras
import tensorflow as tf

from genconv_tf.layers import per_axis
from genconv_tf.natural_gradient import natural_gradient
from genconv_tf.penalty import penalised
from genconv_tf.pyramid import per_level
from genconv_tf.settings import check_types

CHAIN_STARTS = ("fresh", "data", "mean")
NORMALISATIONS = ("top", "layer", "none")


@dataclasses.dataclass(frozen=True)
class Learning:
    """How a model is learned.

    Args:
        updates: number of updates (of every growth stage).
        chains: number of parallel chains; a list gives each level its own, falling from coarse to
            fine, because a coarse chain has few positions to average over.
        chain_size: lengths of a chain at the finest level; `None` for the size of the data.
        window: longest part of a chain or of the data, in samples of its level, that a level runs
            and learns from; a random window of a longer one stands for it. A fine level has far
            more positions than its gradient needs, a coarse one needs all of them.
        start: where chains (re)start: `"fresh"` from the sampler's start, `"data"` from the data
            (contrastive divergence), `"mean"` from the mean of each of the data, a constant image.
        hidden: side of a square hidden at a random place of each of the data; the chains are
            samples of it given the rest, so that the model learns to recover (FRAME section 9.2).
            They start anew at every update, as many at every level.
        rejuvenation: probability that a chain restarts at an update. 0 is persistent chains,
            1 chains started anew at every update.
        optimizer: Keras configuration, `{class_name = …, config = …}` in its short form: the name
            under `name`, the rest its arguments. `final_learning_rate` makes the rate fall
            linearly over `updates` to that fraction. With Keras's `use_ema` the learned model is
            the moving average of its weights.
        normalise: `"top"` divides f by the number of positions of its top layer, `"layer"` the
            gradient of each layer by that layer's positions (the papers' code), `"none"` neither.
        by_variance: whether the gradient of a weight of the layers right above the signal or given
            filters is divided by the observed variance of what it weighs (FRAME eq. 13); for plain
            ascent, `optimizer.name = "sgd"`.
        natural_gradient: whether the gradients of a FRAME model's weights are multiplied by the
            inverse covariance of what they weigh (see `genconv_tf.natural_gradient`); for plain
            ascent, too.
        clip: a gradient with a larger absolute entry is rescaled to this one; `None` for never.
        level_rates: factor on the steps of the weights; a list gives each level its own.
        bias_rate: factor on the steps of the biases.
        weight_decay: an update takes this share of a kernel off, times the learning rate; a list
            gives each level its own. Biases do not decay.
        grow: whether layers are added one at a time from the bottom, all lower ones refined
            (the papers' Algorithm 1); else all are learned at once.
        grow_rate: factor on the learning rate at each added layer.
        overshoot_penalty: weight of the penalty on overshooting Langevin steps, beside the energy
            gap (see `genconv_tf.penalty`); a list gives each level its own.
        penalty_interval: the penalty acts at every so many updates, with as many times its weight.
        limit: chains whose root mean square exceeds that of the data by this factor have diverged.
    """

    updates: int = 700
    chains: int | tuple = 1
    chain_size: tuple | int | None = None
    window: int | None = None
    start: str = "fresh"
    rejuvenation: float = 0.0
    optimizer: dict = dataclasses.field(default_factory=lambda: {"name": "adam"})
    hidden: int | None = None
    normalise: str = "top"
    by_variance: bool = False
    natural_gradient: bool = False
    clip: float | None = None
    level_rates: float | tuple = 1.0
    bias_rate: float = 1.0
    weight_decay: float | tuple = 0.0
    grow: bool = False
    grow_rate: float = 1.0
    overshoot_penalty: float | tuple = 0.0
    penalty_interval: int = 1
    limit: float = 4.0

    def __post_init__(self):
        check_types(self)
        if self.start not in CHAIN_STARTS:
            raise ValueError(f"Expected chains to start {CHAIN_STARTS}. Received: {self.start!r}")
        if self.normalise not in NORMALISATIONS:
            raise ValueError(
                f"Expected normalise of {NORMALISATIONS}. Received: {self.normalise!r}"
            )
        if self.by_variance and self.natural_gradient:
            raise ValueError("Expected gradients by variance or natural ones. Received: both")
        if not 0 <= self.rejuvenation <= 1:
            raise ValueError(f"Expected a probability. Received: rejuvenation={self.rejuvenation}")
        if self.hidden is not None and len({self.chains} if isinstance(self.chains, int)
                                           else set(self.chains)) > 1:  # fmt: skip
            raise ValueError("Expected one number of chains where a square is hidden. "
                             f"Received: chains={self.chains!r}")  # fmt: skip
        for name in ("updates", "window", "hidden", "penalty_interval"):
            value = getattr(self, name)
            optional = name in ("window", "hidden") and value is None
            if not optional and value < 1:
                raise ValueError(f"Expected {name} >= 1. Received: {value!r}")
        weights = ("level_rates", "overshoot_penalty", "weight_decay")
        for name in ("chains", "chain_size", *weights):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in weights:
            values = getattr(self, name)
            for value in values if isinstance(values, tuple) else (values,):
                if not value >= 0:
                    raise ValueError(f"Expected {name} >= 0. Received: {values!r}")
        for count in self.chains if isinstance(self.chains, tuple) else (self.chains,):
            if count < 1:
                raise ValueError(f"Expected at least one chain. Received: chains={self.chains!r}")
        sizes = self.chain_size if isinstance(self.chain_size, tuple) else (self.chain_size,)
        if any(n is not None and n < 1 for n in sizes):
            raise ValueError(f"Expected chain_size >= 1. Received: {self.chain_size!r}")
        for name in ("clip", "grow_rate", "limit"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"Expected {name} above 0. Received: {value!r}")
        if not self.bias_rate >= 0:
            raise ValueError(f"Expected bias_rate >= 0. Received: {self.bias_rate!r}")
        for name in ("learning_rate", "final_learning_rate"):
            value = self.optimizer.get(name)
            if isinstance(value, (int, float)) and not value >= 0:
                raise ValueError(f"Expected optimizer.{name} >= 0. Received: {value!r}")

    @property
    def contrastive(self):
        """Whether all chains start from data at every update: contrastive divergence (GCN,
        Proposition 3)."""
        return self.start == "data" and self.rejuvenation >= 1

    def make_optimizer(self, stage=0):
        """The Keras optimizer of growth stage `stage`.

        Raises:
            ValueError: no such optimizer, or a setting that it has not.
        """
        config = dict(self.optimizer)
        name, final = config.pop("name", None), config.pop("final_learning_rate", None)
        try:
            rate = config.pop("learning_rate", 1e-3) * self.grow_rate**stage
            if final is not None:
                rate = keras.optimizers.schedules.PolynomialDecay(rate, self.updates, rate * final)
            config = {"learning_rate": rate, **config}
            return keras.optimizers.get({"class_name": name, "config": config})
        except (AttributeError, TypeError, ValueError):
            raise ValueError("Expected the name of a Keras optimizer and settings of it. "
                             f"Received: {self.optimizer}") from None  # fmt: skip


def level_gradient(level, data, chains, boundary, learning, penalty, seeds, iteration):
    """Energy gap of a level, and what its weights descend: -log-likelihood and penalty.

    Args:
        level: a `Level`.
        data, chains, boundary: as of `likelihood_gradient`.
        learning: a `Learning`.
        penalty: weight of the level's penalty on overshooting steps.
        seeds, iteration: as of `penalty.penalised`.
    """
    if learning.contrastive:  # after a few steps as little of a torus as the image it comes from
        boundary = level.network.data_boundary
    how = learning.normalise, boundary
    gap, gradient = likelihood_gradient(level.network, data, chains, *how)
    if learning.by_variance:
        gradient = by_variance(level.network, data, gradient)
    if learning.natural_gradient:
        gradient = natural_gradient(level, data, gradient)
    often = iteration, penalty, learning.penalty_interval
    return gap, penalised(gradient, level, data, chains, seeds, *often)


def likelihood_gradient(network, data, chains, normalise="top", boundary=None):
    """Gradient of the negative log-likelihood, estimated from data and chains (GCN eq. 21).

    Args:
        network: a `ScoringNetwork`.
        data: `(batch, *spatial, channels)` the observed signals. On a torus their own boundary is
            `"valid"`: a photograph does not go on at its opposite side.
        chains: `(chains, *spatial, channels)`, of any number and size.
        normalise: see `Learning`.
        boundary: of the chains, where it is not the network's: a window has edges.

    Returns:
        The energy gap, the mean of f over data minus that over chains (per position, unless
        `normalise` is `"none"`), and one gradient per trainable weight.
    """
    observed = network.data_boundary
    with tf.GradientTape() as tape:
        f = network if normalise == "none" else network.mean
        f_data = tf.reduce_mean(f(data, boundary=observed))
        f_chains = tf.reduce_mean(f(chains, boundary=boundary))
        gap = f_data - f_chains
        loss = -gap
    weights = [w.value for w in network.trainable_variables]
    gradients = tape.gradient(loss, weights)
    if normalise == "layer":
        layer = {w.path: i for i, _, *pair in network.learned() for w in pair}
        count_chains = network.layer_positions(chains.shape[1:-1], boundary)
        top = count_chains[-1]
        gradients = [
            g * (top / count_chains[layer[w.path]])
            for g, w in zip(gradients, network.trainable_variables)
        ]
    return gap, gradients


def by_variance(network, data, gradients):
    """Gradients of the weights right above the signal or given filters, divided by the observed
    variance of what each weighs (FRAME eq. 13): over the data where the layer covers them whole and
    there are several, over positions too elsewhere.

    Args:
        network: a `ScoringNetwork`.
        data: `(batch, *spatial, channels)`.
        gradients: one for each trainable weight.
    """
    given = 0 if network.bank is None else len(network.bank.layers)
    maps = network.responses(data, network.data_boundary)
    scale = {}
    for i, spec, kernel, _ in network.learned():
        parent = below = network.after[i]
        while below >= given and network.specs[below].operation is not None:
            below = network.after[below]  # pooling and the like have no weights
        if below < given:
            h = tf.cast(maps[parent] if parent >= 0 else data, tf.float32)
            variance = tf.math.reduce_variance(h, range(h.shape.rank - 1))
            covers = set(per_axis(spec.kernel, network.rank, "kernel")) == {"full"}
            if covers and h.shape[0] > 1:
                # A tenth of all positions' variance: at a dead one there is none at all.
                variance = tf.math.reduce_variance(h, 0) + 0.1 * variance
            # A filter that is all but dead would have all but infinite steps.
            least = 1e-2 * tf.reduce_mean(variance)
            scale[kernel.path] = tf.maximum(variance, least)[..., None]
    return [g / scale[w.path] if w.path in scale else g
            for g, w in zip(gradients, network.trainable_variables)]  # fmt: skip


def clip_largest(gradient, largest):
    """Rescale a gradient whose largest absolute entry exceeds `largest` to that entry."""
    if largest is None:
        return gradient
    peak = tf.reduce_max(tf.abs(gradient))
    return gradient * tf.minimum(1.0, largest / tf.maximum(peak, 1e-30))


def excess(chains, data):
    """The largest ratio, over levels, of the root mean square of chains to that of data."""

    def size(x):
        return tf.sqrt(tf.reduce_mean(tf.square(x)) + 1e-12)

    return tf.reduce_max([size(c) / size(d) for c, d in zip(chains, data)])


def factors(learning, networks):
    """Rates and decays of each trainable weight of all levels' `networks`: two lists."""
    settings = learning.level_rates, learning.weight_decay
    levels = list(zip(networks, *(per_level(value, len(networks)) for value in settings)))
    return (
        [each for net, rate, _ in levels for each in rates(net, rate, learning.bias_rate)],
        [each for net, _, decay in levels for each in decays(net, decay)],
    )


def rates(network, level_rate=1.0, bias_rate=1.0):
    """Factor on the step of each trainable weight of `network`: level, layer, bias."""
    factor = {}
    for _, spec, kernel, bias in network.learned():
        factor[kernel.path] = level_rate * spec.learning_rate
        factor[bias.path] = level_rate * spec.learning_rate * bias_rate
    return [factor[v.path] for v in network.trainable_variables]


def decays(network, weight_decay=0.0):
    """Weight decay of each trainable weight of `network`: none of the biases."""
    kernels = {kernel.path for _, _, kernel, _ in network.learned()}
    return [weight_decay if v.path in kernels else 0.0 for v in network.trainable_variables]


def apply(optimizer, gradients, variables, rates, decays):
    """One step of `optimizer`, each variable's own part of it scaled by its rate, and its decay.

    Scaling the step and not the gradient means the same for every optimizer; Adam would undo a
    scaled gradient. So it is with the decay, which is decoupled (I. Loshchilov and F. Hutter,
    "Decoupled weight decay regularization", ICLR 2019), and slowed as the step is. An average of
    the weights that the optimizer keeps sees neither until the next step, which a falling learning
    rate makes no difference to in the end.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    learning_rate = tf.cast(optimizer.learning_rate, tf.float32)
    changed = [
        (v, v.value + 0.0, rate, decay)
        for v, rate, decay in zip(variables, rates, decays, strict=True)
        if rate != 1 or decay
    ]
    optimizer.apply([g / replicas for g in gradients], variables)
    for variable, before, rate, decay in changed:
        step = variable.value - before - learning_rate * decay * before
        variable.assign(before + rate * step)

"""A penalty that keeps f from becoming steeper than its Langevin steps can follow.

Where p varies faster than a step is long, the step overshoots: the chain lands where f is low, the
likelihood gradient makes f still lower there, the next step overshoots by more. This feedback ends
a training of a regular texture; on a coarse level, which sees little, f comes to single out the
data themselves. The penalty acts where either begins and nowhere else. It is a relative of the
gradient penalty on the critic of an adversarial pair, which f is here: L. Mescheder, A. Geiger,
S. Nowozin, "Which training methods for GANs do actually converge?" (ICML 2018).
"""

import tensorflow as tf

from genconv_tf.energy import log_density_gradient
from genconv_tf.windows import interior, random_window

# The penalty's part of a gradient is at most so many times the likelihood's. It would be ten to
# twenty times as large now and then, and Adam, remembering that, would stall for many updates.
MOST = 3.0

# Windows of this many receptive fields: their second derivative costs a fraction of an update.
WINDOW = 6


def penalised(gradient, level, data, chains, seeds, iteration, weight, interval=1):
    """The gradient of a level's likelihood, with the penalty's at every `interval`-th update.

    Args:
        gradient: list of one tensor per trainable weight of the level's network.
        level, data, chains, seeds: as of `overshoot`.
        iteration, interval: as of `now_and_then`.
        weight: of the penalty; 0 for none.
    """
    if not weight:
        return gradient
    weights = level.network.trainable_variables
    penalty = now_and_then(
        lambda: overshoot(level, data, chains, seeds)[1], iteration, interval, weights
    )
    return added(gradient, penalty, weight)


def overshoot(level, data, chains, seeds):
    """How far Langevin steps overshoot, and the gradient of that.

    With g = s ∂ log p/∂x and y the place where a step without noise leads from a chain x: the mean
    of -g(y)·g(x) per entry, which is positive where the step has gone beyond the crest of log p;
    and at the data the mean of g² less what it is for f = 0, positive where f explains them worse
    than the reference alone. Each at least 0.

    Args:
        level: a `Level`.
        data, chains: `(batch, *spatial, channels)`, of which random windows are taken.
        seeds: `(batch, 2)` int32; the first places the windows.

    Returns:
        The penalty, a scalar that does not depend on the units of x, and one gradient per trainable
        weight of the network, `None` for one that it does not depend on.
    """
    network, s = level.network, level.reference.std
    extents = network.receptive_field()
    lengths = [None if e is None else WINDOW * e for e in extents]
    data, x = (random_window(signal, lengths, seeds, -3) for signal in (data, chains))

    def f(x):
        return network(x, boundary=network.data_boundary)

    def g(x):
        return s * log_density_gradient(f, level.reference, x)

    before = g(x)
    y = x + 0.5 * level.sampler.last_step_size**2 * before / s
    weights = [w.value for w in network.trainable_variables]
    with tf.GradientTape() as tape:
        beyond = -tf.reduce_mean(interior(g(y) * before, extents))
        alone = tf.reduce_mean(interior(tf.square(data / s), extents))
        steep = tf.reduce_mean(interior(tf.square(g(data)), extents)) - alone
        penalty = tf.nn.relu(beyond) + tf.nn.relu(steep)
    return penalty, tape.gradient(penalty, weights)


def now_and_then(penalise, iteration, interval, weights):
    """The gradient of a penalty at every `interval`-th update, `interval` times as large; else 0.

    A penalty that changes slowly costs little this way: T. Karras et al., "Analyzing and improving
    the image quality of StyleGAN" (CVPR 2020), lazy regularisation.

    Args:
        penalise: function that returns one gradient per weight, `None` where there is none.
        iteration: int32 scalar, the number of updates so far.
        interval: int.
        weights: tensors that the gradients belong to.
    """

    def dense():
        return [
            tf.zeros_like(w) if g is None else interval * g for w, g in zip(weights, penalise())
        ]

    if interval == 1:
        return dense()
    return tf.cond(iteration % interval == 0, dense, lambda: [tf.zeros_like(w) for w in weights])


def added(gradient, penalty, weight):
    """Gradients of the likelihood and, `weight` times but no more than `MOST` of them, a penalty's.

    Args:
        gradient, penalty: lists of one tensor per weight of a network.
        weight: of the penalty.
    """
    size, extra = tf.linalg.global_norm(gradient), weight * tf.linalg.global_norm(penalty)
    scale = weight * tf.minimum(1.0, MOST * size / tf.maximum(extra, 1e-30))
    return [g + scale * p for g, p in zip(gradient, penalty)]

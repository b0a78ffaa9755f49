"""A penalty that keeps f from becoming steeper than its Langevin steps can follow.

Where p varies faster than a step is long, the step overshoots: the chain lands where f is low, the
likelihood gradient makes f still lower there, the next step overshoots by more. This feedback ends
a training of a regular texture; on a coarse level, which sees little, f comes to single out the
data themselves. The penalty acts where either begins and nowhere else. It is a relative of the
gradient penalty on the critic of an adversarial pair, which f is here: L. Mescheder, A. Geiger,
S. Nowozin, "Which training methods for GANs do actually converge?" (ICML 2018).
"""

import tensorflow as tf

from genconv_tf import noise
from genconv_tf.energy import log_density_gradient

# Windows of this many receptive fields: their second derivative costs a fraction of an update.
WINDOW = 6


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
    data, x = (window(signal, extents, seeds) for signal in (data, chains))
    inside = [(slice(None), *interior(signal.shape[1:-1], extents)) for signal in (data, x)]

    def f(x):
        return network(x, boundary=network.data_boundary)

    def g(x):
        return s * log_density_gradient(f, level.reference, x)

    before = g(x)
    y = x + 0.5 * level.sampler.last_step_size**2 * before / s
    weights = [w.value for w in network.trainable_variables]
    with tf.GradientTape() as tape:
        beyond = -tf.reduce_mean((g(y) * before)[inside[1]])
        alone = tf.reduce_mean(tf.square(data / s)[inside[0]])
        steep = tf.reduce_mean(tf.square(g(data))[inside[0]]) - alone
        penalty = tf.nn.relu(beyond) + tf.nn.relu(steep)
    return penalty, tape.gradient(penalty, weights)


def window(x, extents, seeds):
    """The same random window of every row of `x`: whole along an axis that f covers whole.

    Args:
        x: `(batch, *spatial, channels)`.
        extents: the receptive field along each axis, `None` for the whole axis.
        seeds: `(batch, 2)` int32.
    """
    begin, size = [0], [-1]
    drawn = noise.uniform(seeds[:1], [len(extents)], iteration=-3)[0]
    for axis, extent in enumerate(extents):
        have = x.shape[axis + 1]
        want = have if extent is None else min(have, WINDOW * extent)
        begin.append(tf.cast(drawn[axis] * float(have - want + 1), tf.int32))
        size.append(want)
    return tf.slice(x, [*begin, 0], [*size, -1])


def interior(lengths, extents):
    """Slices of what is seen from all sides: nearer the edge fewer positions of f see a sample."""
    slices = []
    for length, extent in zip(lengths, extents):
        # The middle third of a signal that is small itself.
        margin = 0 if extent is None else min(extent - 1, length // 3)
        slices.append(slice(margin, length - margin))
    return tuple(slices)

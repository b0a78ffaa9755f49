"""Gradient penalty: what keeps f from becoming steeper than its Langevin steps can follow.

Where p varies faster than a step is long, the step overshoots: the chain lands where f is low, the
likelihood gradient makes f still lower there, the next step overshoots by more. This feedback ends
a training of a regular texture; on a coarse level, which sees little, f comes to single out the
data themselves. The penalty on the squared gradient of log p, at the data and at the chains, bounds
both: L. Mescheder, A. Geiger, S. Nowozin, "Which training methods for GANs do actually converge?"
(ICML 2018), there (R1, R2) for a critic, which f is here.
"""

import tensorflow as tf

from genconv_tf import noise
from genconv_tf.energy import log_density_gradient

# Windows of this many receptive fields: their second derivative costs a fraction of an update.
WINDOW = 6


def gradient_penalty(network, reference, x, seeds, margin=0.0):
    """Mean over x of s²‖∂ log p/∂x‖² - margin² ‖x‖²/s², at least 0, and its gradient.

    Args:
        network: a `ScoringNetwork`.
        reference: a `Reference`; s is its standard deviation.
        margin: what is free, relative to the root mean square of the signal: 1 is the gradient of
            the reference alone.
        x: `(batch, *spatial, channels)` signals, of which random windows are taken.
        seeds: `(batch, 2)` int32; the first places the windows.

    Returns:
        The penalty per entry of x, a scalar that does not depend on the units of x, and one
        gradient per trainable weight of the network, `None` for one that it does not depend on.
    """
    x = window(x, network.receptive_field(), seeds)
    inside = interior(x.shape[1:-1], network.receptive_field())
    weights = [w.value for w in network.trainable_variables]

    def f(x):
        return network(x, boundary=network.data_boundary)

    with tf.GradientTape() as tape:
        error = reference.std * log_density_gradient(f, reference, x)
        free = tf.reduce_mean(tf.square(margin * x[:, *inside] / reference.std))
        penalty = tf.nn.relu(tf.reduce_mean(tf.square(error[:, *inside])) - free)
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

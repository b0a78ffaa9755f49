"""Metropolis-adjusted Langevin dynamics: the density itself, whatever the step size.

Langevin dynamics of a finite step samples a density that is a little too wide: s²/(1 - e²/4s²)
instead of s² for white noise. Taken as the proposal of a Metropolis-Hastings step (G. Roberts and
R. Tweedie, "Exponential convergence of Langevin distributions and their discrete approximations",
Bernoulli, 1996) it is exact, at the price of rejections where the step is too long.
"""

import tensorflow as tf

from genconv_tf import noise
from genconv_tf.langevin import schedule


def adjusted_langevin(log_density, x, seeds, steps, step_size=0.3, temperature=1.0, mask=None,
                      bounds=None):  # fmt: skip
    """Run the chains `x` for a number of adjusted Langevin steps.

    Args:
        log_density: callable, `(batch, *spatial, channels)` to `(batch,)`, up to a constant.
        x: `(batch, *spatial, channels)` float32, where the chains start.
        seeds: `(batch, 2)` int32. Row i of the result depends on seed i alone.
        steps: int or int32 scalar.
        step_size, temperature, mask: as of `langevin`; the density is p^(1/T), given what is held.
        bounds: (least, largest), broadcastable to `x`: a proposal outside this box is not taken,
            which restricts the reference distribution to it.

    Returns:
        (x, acceptance): the chains after the last step, and which share of their steps each took,
        `(batch,)`. About 0.57 is the most efficient in many dimensions; near 0 the chains stand.
    """
    shape, axes = tf.shape(x)[1:], tuple(range(1, x.shape.rank))
    step_size, temperature = schedule(step_size, steps), schedule(temperature, steps)
    uniforms = noise.fold(seeds, 1)

    def free(change):
        return change if mask is None else mask * change

    def value_and_gradient(x):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            value = log_density(x)
        return value, free(tape.gradient(value, x))

    def body(t, x, value, gradient, accepted):
        e, warmth = step_size(t), temperature(t)
        drift, spread = 0.5 * e**2, e * warmth**0.5
        z = free(noise.normal(seeds, shape, iteration=t))
        # Minus the negative noise, for the reason that `langevin.step` has.
        proposed = x + drift * gradient - (-spread) * z
        new_value, new_gradient = value_and_gradient(proposed)
        # log q(x | proposed) - log q(proposed | x), of the Gaussians of one step either way.
        back = (x - proposed - drift * new_gradient) / spread
        ratio = (new_value - value) / warmth + 0.5 * tf.reduce_sum(z * z - back * back, axes)
        # A proposal where the density is not a number is never taken.
        take = tf.math.log(noise.uniform(uniforms, [], iteration=t)) < ratio
        if bounds is not None:
            take &= tf.reduce_all((proposed >= bounds[0]) & (proposed <= bounds[1]), axes)
        column = tf.reshape(take, [-1] + [1] * len(axes))
        return (
            t + 1,
            tf.ensure_shape(tf.where(column, proposed, x), x.shape),
            tf.where(take, new_value, value),
            tf.where(column, new_gradient, gradient),
            accepted + tf.cast(take, tf.float32),
        )

    state = (0, x, *value_and_gradient(x), tf.zeros(tf.shape(x)[:1]))
    _, x, _, _, accepted = tf.while_loop(lambda t, *_: t < steps, body, state)
    return x, accepted / tf.cast(steps, tf.float32)

"""Metropolis-adjusted Langevin dynamics: the density itself, whatever the step size.

Langevin dynamics of a finite step samples a density that is a little too wide: s²/(1 - e²/4s²)
instead of s² for white noise. Taken as the proposal of a Metropolis-Hastings step (G. Roberts and
R. Tweedie, "Exponential convergence of Langevin distributions and their discrete approximations",
Bernoulli, 1996) it is exact, at the price of rejections where the step is too long.

Within bounds the proposal is a Gaussian truncated to them, value by value: were a proposal refused
as a whole for one value outside, chains of many values would stand still.
"""

import math

import tensorflow as tf

from genconv_tf import noise
from genconv_tf.langevin import schedule


def adjusted_langevin(log_density, x, seeds, steps, step_size=0.3, temperature=1.0, mask=None,
                      bounds=None, begin=0, end=None):  # fmt: skip
    """Run the chains `x` for a number of adjusted Langevin steps.

    Args:
        log_density: callable, `(batch, *spatial, channels)` to `(batch,)`, up to a constant.
        x: `(batch, *spatial, channels)` float32, where the chains start.
        seeds: `(batch, 2)` int32. Row i of the result depends on seed i alone.
        steps: int or int32 scalar.
        step_size, temperature, mask: as of `langevin`; the density is p^(1/T), given what is held.
        bounds: (least, largest), broadcastable to `x`: the box that the density is restricted to
            and the chains start in.
        begin, end: numbers of the first step and of the one that the chains stop before, of `steps`
            in all.

    Returns:
        (x, acceptance): the chains after the last step, and which share of their steps each took,
        `(batch,)`. About 0.57 is the most efficient in many dimensions; near 0 the chains stand.
    """
    shape = tf.shape(x)[1:]
    step_size, temperature = schedule(step_size, steps), schedule(temperature, steps)
    uniforms = noise.fold(seeds, 1)

    def evaluate(x):
        return value_and_gradient(log_density, x)

    def body(t, x, known, accepted):
        z, u = noise.normal(seeds, shape, iteration=t), noise.uniform(uniforms, [], iteration=t)
        how = (step_size(t), temperature(t), mask, bounds)
        moved, new, take = adjusted_step(evaluate, lambda _, known: known, x, known, z, u, *how)
        state = tf.nest.map_structure(
            lambda new, old: tf.ensure_shape(new, old.shape),
            (moved, new, accepted + take), (x, known, accepted),
        )  # fmt: skip
        return t + 1, *state

    end = steps if end is None else end
    state = (begin, x, evaluate(x), tf.zeros(tf.shape(x)[:1]))
    _, x, _, accepted = tf.while_loop(lambda t, *_: t < end, body, state)
    return x, accepted / tf.cast(tf.maximum(end - begin, 1), tf.float32)


def value_and_gradient(f, x):
    """f(x), `(batch,)`, and ∂f/∂x."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        value = f(x)
    return value, tape.gradient(value, x)


def adjusted_step(evaluate, combine, x, known, z, u, step_size, temperature=1.0, mask=None,
                  bounds=None):  # fmt: skip
    """One Langevin step, taken or not.

    Args:
        evaluate: `x ->` what is costly to know of it, a pair `(batch,)` and of the shape of x.
        combine: `(x, known) ->` log density and its gradient. Of one density what is known is both;
            of a family of densities they are made of the same.
        x, known: the chains, and what is known of them.
        z, u: standard normal noise of the shape of `x`; `(batch,)` uniform on [0, 1).
        step_size, temperature, mask, bounds: as of `adjusted_langevin`.

    Returns:
        (x, known, take): the chains, what is known of them, and 1 for each that took its step.
    """
    axes = tuple(range(1, x.shape.rank))

    def free(change):
        return change if mask is None else mask * change

    drift, spread = 0.5 * step_size**2, step_size * temperature**0.5
    value, gradient = combine(x, known)
    gradient, z = free(gradient), free(z)
    mean, mass = _within(x + drift * gradient, spread, bounds)
    if bounds is not None:
        z = truncated(z, *((bound - mean) / spread for bound in bounds))
    # Minus the negative noise, for the reason that `langevin.step` has.
    proposed = mean - (-spread) * z
    if bounds is not None:  # whatever rounding does to its ends
        proposed = tf.clip_by_value(proposed, *bounds)
    new = evaluate(proposed)
    new_value, new_gradient = combine(proposed, new)
    # log q(x | proposed) - log q(proposed | x), of the Gaussians of one step either way.
    mean, new_mass = _within(proposed + drift * free(new_gradient), spread, bounds)
    back = (x - mean) / spread
    change = 0.5 * (z * z - back * back) + mass - new_mass
    ratio = (new_value - value) / temperature + tf.reduce_sum(change, axes)
    # A proposal where the density is not a number is never taken.
    take = tf.math.log(u) < ratio
    column = tf.reshape(take, [-1] + [1] * len(axes))
    known = tf.where(take, new[0], known[0]), tf.where(column, new[1], known[1])
    return tf.where(column, proposed, x), known, tf.cast(take, tf.float32)


def _within(mean, spread, bounds):
    """The mean of a proposal, brought into the box, and the log of the share of each Gaussian
    around it that is in the box."""
    if bounds is None:
        return mean, 0.0
    mean = tf.clip_by_value(mean, *bounds)
    low, high = ((bound - mean) / spread for bound in bounds)
    return mean, tf.math.log(_below(high) - _below(low))


def _below(x):
    """The standard normal distribution function."""
    return 0.5 * tf.math.erfc(x * -math.sqrt(0.5))


def truncated(z, low, high):
    """Standard normal `z` made draws of the normal distribution on [low, high], low <= 0 <= high.

    What is inside stays. How far beyond an end the rest is, is uniform on [0, 1] as a share of the
    tail there, and becomes the same share of what is inside.
    """
    under, above = _below(low), _below(-high)
    share = tf.where(z < low, _below(z) / under, _below(-z) / above)
    inside = tf.math.ndtri(under + tf.clip_by_value(share, 1e-6, 1 - 1e-6) * (1 - above - under))
    return tf.where((z >= low) & (z <= high), z, tf.clip_by_value(inside, low, high))

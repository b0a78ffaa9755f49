"""Langevin dynamics (GCN eq. 19): x ← x + (e²/2) ∂ log p/∂x + e z, with z ~ N(0, 1).

With a momentum m a step goes on with m times the one before it, and its noise is e √(1 - m) z:
underdamped Langevin dynamics, of the same density, whose short steps lead 1 / (1 - m) times as far.
For a Gaussian of standard deviation s it has the variance s² / (1 - e² / (4 s² (1 + m))), where
e < 2s √(1 + m).
"""

import tensorflow as tf

from genconv_tf import noise
from genconv_tf.parts import shape_of


def step(x, gradient, step_size, temperature, z):
    """One Langevin step.

    Args:
        x: `(batch, *spatial, channels)`, the chains.
        gradient: ∂ log p / ∂x at `x`.
        step_size: e. The drift is e²/2, the noise e.
        temperature: T of the density p^(1/T) under the same drift: the noise becomes e·√T.
        z: standard normal noise of the shape of `x`.
    """
    # Minus the negative noise: the graph optimiser (TF 2.21) makes a sum of three large tensors in
    # a loop a temporary variable, which fails where the loop ends.
    return x + 0.5 * step_size**2 * gradient - (-step_size * temperature**0.5) * z


def langevin(gradient, x, seeds, steps, step_size=0.3, temperature=1.0, mask=None, bounds=None,
             momentum=0.0):  # fmt: skip
    """Run the chains `x` for a number of steps; graph-compiled, with stateless noise.

    Args:
        gradient: callable, `x ->` ∂ log p / ∂x.
        x: `(batch, *spatial, channels)` float32, where the chains start.
        seeds: `(batch, 2)` int32. Row i of the result depends on seed i alone.
        steps: int or int32 scalar.
        step_size, temperature: a number, or a pair (first, last): the steps between follow a
            geometric sequence.
        mask: broadcastable to `x`, 1 where the chains may move and 0 where they are held.
        bounds: (least, largest), broadcastable to `x`: the chains are projected into this box after
            every step, which restricts the reference distribution to it.
        momentum: m, below 1.

    Returns:
        The chains after the last step.
    """

    def whole(x, update):
        return update(x, gradient(x), None)

    move = mover(whole, seeds, steps, step_size, temperature, bounds, momentum)
    return run(move, x, steps, mask, momentum=bool(momentum))


def mover(sweep, seeds, steps, step_size, temperature, bounds=None, momentum=0.0, channels=None):
    """One Langevin step as a function of its number, the chains, and those before the last step,
    which only a momentum needs: `(t, x, before) ->` x.

    Args:
        sweep: callable, `(x, update) ->` the chains that `update` gives, which it calls with x,
            with ∂ log p / ∂x and with `None`; or with some rows of both and which these are, for
            each part of a canvas that is moved in parts.
        seeds, steps, step_size, temperature, bounds, momentum: as of `langevin`.
        channels: that noise is drawn for, of which x has the first: those of x by default.
    """
    step_size, temperature = schedule(step_size, steps), schedule(temperature, steps)

    def move(t, x, before):
        shape = tf.shape(x)[1:] if channels is None else [*shape_of(x)[1:-1], channels]

        def update(part, gradient, rows):
            z = noise.normal(seeds, shape, t, rows)
            z = z if channels is None else z[..., : x.shape[-1]]
            moved = step(part, gradient, step_size(t), (1 - momentum) * temperature(t), z)
            if momentum:
                moved += momentum * (part - (before if rows is None else before[:, slice(*rows)]))
            return moved if bounds is None else tf.clip_by_value(moved, *bounds)

        return sweep(x, update)

    return move


def run(move, x, end, mask=None, begin=0, momentum=False):
    """The chains `x` after the steps from `begin` to `end` of a `mover`; `mask` as of `langevin`.
    Of one with a `momentum` the chains before the last step are kept; they begin at rest."""
    start = x

    def body(t, x, *before):
        moved = move(t, x, before[0] if momentum else None)
        if mask is not None:
            moved = start + mask * (moved - start)
        return t + 1, tf.ensure_shape(moved, x.shape), *[x for _ in before]

    before = [x] if momentum else []
    return tf.while_loop(lambda t, *_: t < end, body, (begin, x, *before))[1]


def schedule(value, steps):
    """`t ->` the value at step t: constant, or geometric between the two ends of a pair, numbers or
    scalar tensors of one type."""
    if not isinstance(value, (tuple, list)):
        return lambda t: value
    first, last = value
    first, ratio = tf.cast(first, tf.float32), tf.cast(last / first, tf.float32)
    span = tf.cast(tf.maximum(steps - 1, 1), tf.float32)
    return lambda t: first * ratio ** (tf.cast(t, tf.float32) / span)

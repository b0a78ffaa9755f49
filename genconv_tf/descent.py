"""Descent by limited-memory BFGS within a box (J. Nocedal and S. Wright, "Numerical optimization",
algorithms 7.4 and 7.5), where plain gradients would crawl."""

import collections

import numpy as np

MEMORY = 20  # pairs of steps and changes of the gradient that tell the curvature
DECREASE = 1e-4  # of the loss, as a share of what the slope promises (Armijo)
LEAST = 1e-4  # shortest share of a step that is tried


def minimise(function, start, steps, first, bounds=None, tick=lambda count: None,
             metric=None):  # fmt: skip
    """Descend a function of an array.

    Args:
        function: array of the shape of `start` to (value, gradient).
        start: array, where to start.
        steps: of the descent, at most; each takes one value and gradient, now and then more.
        first: root mean square of the first change that is tried, in the units of the array.
        bounds: (least, largest), broadcastable to `start`: the box to stay in.
        tick: called with 1 after each step, and at an early end with what is left of them.
        metric: a symmetric positive operator, array to array: the inverse Hessian up to a factor
            where no pair of steps tells it, by default the identity.

    Returns:
        (x, value): where the descent ended, float32. The value is never above that at the start.
    """
    low, high = (-np.inf, np.inf) if bounds is None else bounds
    x = np.clip(np.asarray(start, np.float64), low, high)
    value, slope = _evaluated(function, x)
    pairs = collections.deque(maxlen=MEMORY)
    for step in range(steps):
        # What is at a wall and would go through it stays where it is.
        free = ~(((x <= low) & (slope > 0)) | ((x >= high) & (slope < 0)))
        change = free * _direction(free * slope, pairs, first, metric or np.copy)
        found = _search(function, x, value, slope, change, low, high)
        if found is None and not pairs:
            tick(steps - step)
            break
        if found is None:
            pairs.clear()  # the curvature misled: once more along the gradient
        else:
            moved, value, turned = found
            pair = moved - x, turned - slope
            # Only a function that curves upwards along the step has a minimum to tell of.
            if np.vdot(*pair) > 1e-10 * np.vdot(pair[1], pair[1]):
                pairs.append(pair)
            x, slope = moved, turned
        tick(1)
    return x.astype(np.float32), value


def _direction(slope, pairs, first, metric):
    """Minus the slope times the inverse Hessian: what pairs tell of it, and else the metric."""
    q, shares = slope.copy(), []
    for s, y in reversed(pairs):
        shares.append(np.vdot(s, q) / np.vdot(s, y))
        q -= shares[-1] * y
    q = metric(q)
    if pairs:
        s, y = pairs[-1]
        q *= np.vdot(s, y) / np.vdot(y, metric(y))
    else:
        q *= first / max(np.sqrt(np.mean(np.square(q))), 1e-30)
    for (s, y), share in zip(pairs, reversed(shares)):
        q += (share - np.vdot(y, q) / np.vdot(s, y)) * s
    return -q


def _search(function, x, value, slope, change, low, high):
    """The first of ever shorter steps that descends enough: (x, value, slope); `None` for none."""
    length = 1.0
    while length >= LEAST:
        moved = np.clip(x + length * change, low, high)
        promised = np.vdot(slope, moved - x)
        if not promised < 0:
            return None
        here, turned = _evaluated(function, moved)
        if here <= value + DECREASE * promised:
            return moved, here, turned
        length /= 2
    return None


def _evaluated(function, x):
    value, slope = function(x.astype(np.float32))
    return float(value), np.asarray(slope, np.float64)

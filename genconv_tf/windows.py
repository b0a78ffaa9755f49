"""Windows of signals: parts that stand for the whole where the whole costs more than it tells."""

import tensorflow as tf

from genconv_tf import noise


def lengths_of(window, extents):
    """Lengths of a `window`, one an axis; `None`, for the whole axis, where f covers it whole.

    Args:
        window: int, or `None` for no window at all.
        extents: the receptive field along each axis, `None` where it is the whole axis.

    Raises:
        ValueError: what lies between the edges, which f sees in part, would not hold one position.
    """
    least = 3 * max(extent or 0 for extent in extents)
    if window is not None and window < least:
        raise ValueError(f"Expected a window of at least {least}, three receptive fields. "
                         f"Received: {window}")  # fmt: skip
    return tuple(None if extent is None else window for extent in extents)


def random_window(x, lengths, seeds, iteration):
    """The same random window of every row of `x`.

    Args:
        x: `(batch, *spatial, channels)`.
        lengths: of the window; an axis that is no longer stays whole, as does one of `None`.
        seeds: `(batch, 2)` int32; the first places the window, together with `iteration`.
        iteration: int that no other draw from these seeds uses.
    """
    spatial = x.shape[1:-1]
    if all(want is None or have <= want for have, want in zip(spatial, lengths, strict=True)):
        return x
    begin, size = [0], [-1]
    drawn = noise.uniform(seeds[:1], [len(lengths)], iteration)[0]
    for axis, (have, want) in enumerate(zip(spatial, lengths)):
        want = have if want is None else min(have, want)
        begin.append(tf.cast(drawn[axis] * float(have - want + 1), tf.int32))
        size.append(want)
    return tf.slice(x, [*begin, 0], [*size, -1])


def interior(x, extents):
    """What of `x` lies farther from every edge than the receptive field reaches.

    Args:
        x: `(batch, *spatial, channels)`.
        extents: the receptive field along each axis, `None` where it is the whole axis.
    """
    slices = [slice(None)]
    for length, extent in zip(x.shape[1:-1], extents, strict=True):
        # The middle third of a signal that is small itself.
        margin = 0 if extent is None else min(extent - 1, length // 3)
        slices.append(slice(margin, length - margin))
    return x[tuple(slices)]

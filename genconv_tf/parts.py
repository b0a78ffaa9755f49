"""Large canvases made a few rows at a time: the memory is that of the rows, the result the same."""

import math

import tensorflow as tf

# Entries of the spatial axes, times the batch, above which a canvas is made in parts: four layers
# of 64 responses to 2**18 pixels are a quarter of a gigabyte in float32.
LARGEST = 2**18


def by_rows(part, shape, whole=None, dtype=tf.float32, units=(1,), largest=None, axis=1,
            square=False):  # fmt: skip
    """A signal made in one piece, or in rows of one of its spatial axes where it is large.

    Args:
        part: callable, `(begin, end) ->` the rows from `begin` to `end`, of the first spatial axis
            `(batch, end - begin, ..., channels)`, of `dtype`. The last part may be shorter.
        shape: of the result, `(batch, *spatial, channels)`: numbers, or scalar tensors where the
            graph does not know them.
        whole: callable, `() ->` the same of all rows at once, taken where the signal is no larger
            than `largest` or its lengths are no multiples of `units`; by default one part.
        units: what the lengths of `axis` and of those after it have to be multiples of; the first
            is also how many rows are not parted.
        largest: entries of batch and spatial axes that one part may have, `LARGEST` by default.
        axis: that the rows are along; 1 is the first spatial one.
        square: whether a part has as many rows as a square of `largest` entries has along this axis
            and the next, however long the next one is.
    """
    largest = largest or LARGEST
    shape = [n if tf.is_tensor(n) else int(n) for n in shape]
    known = not any(tf.is_tensor(n) for n in shape)
    uneven = [n % unit for n, unit in zip(shape[axis:], units)]
    if known and (math.prod(shape[:-1]) <= largest or any(uneven)):
        return whole() if whole else part(0, shape[axis])
    length = tf.convert_to_tensor(shape[axis])
    count = -(-tf.reduce_prod(tf.stack(shape[:-1])) // largest)
    rows = -(-length // count)
    if square:
        others = tf.reduce_prod(tf.stack([*shape[:axis], *shape[axis + 2 : -1]]))
        rows = tf.maximum(rows, tf.cast(tf.sqrt(largest / others), tf.int32))
    rows = -(-rows // units[0]) * units[0]
    static = tf.TensorShape([None if tf.is_tensor(n) else n for n in shape])
    first = [axis, *(i for i in range(static.rank) if i != axis)]
    back = [first.index(i) for i in range(static.rank)]

    def parts():
        made = tf.TensorArray(dtype, -(-length // rows), infer_shape=False,
                              element_shape=[None, *(static[i] for i in first[1:])])  # fmt: skip

        def write(i, made):
            one = part(i * rows, tf.minimum((i + 1) * rows, length))
            return i + 1, made.write(i, tf.transpose(one, first))

        # One after the other: in parallel they would need the memory that they are to save.
        _, made = tf.while_loop(
            lambda i, _: i * rows < length,
            write,
            (0, made),
            parallel_iterations=1,
        )
        return tf.transpose(made.concat(), back)

    # Either is a graph of its own, for nothing where one part is as good as the whole.
    several = (count > 1) & (tf.reduce_max(uneven) == 0)
    return tf.ensure_shape(tf.cond(several, parts, whole) if whole else parts(), static)


def within(index, length, torus):
    """Numbers of samples of a signal of `length`: beyond its ends those of the opposite side of a
    torus, else of the edge."""
    return tf.math.floormod(index, length) if torus else tf.clip_by_value(index, 0, length - 1)


def shape_of(x):
    """The shape of `x`: an int where the graph knows it, else a scalar tensor."""
    dynamic = tf.shape(x)
    return [dynamic[i] if n is None else n for i, n in enumerate(x.shape)]

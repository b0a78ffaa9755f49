"""Rows of a batch one after the other, so that none depends on the batch that it travels in; and
which batch comes first, and of which size."""

import keras
import numpy as np
import tensorflow as tf


def each_row(function, *batched):
    """`function` of every row alone, as a batch of one, stacked again.

    oneDNN chooses how to convolve by the size of the batch, and rounds otherwise: after a hundred
    Langevin steps a fifth of the pixels of a 256x256 sample were others when it was made beside
    three more. On a CPU a batch of such samples is no faster than its rows.

    Args:
        function: of tensors `(1, ...)`, to a tensor `(1, ...)`.
        *batched: tensors `(batch, ...)`; of another number of rows than the first, an error.

    Returns:
        `(batch, ...)`.
    """
    rows = tf.shape(batched[0])[0]
    for other in batched[1:]:
        message = "Expected as many rows of every input (media, masks, seeds)."
        tf.debugging.assert_equal(tf.shape(other)[0], rows, message)
    traced = tf.function(lambda rows: function(*(row[None] for row in rows))[0], autograph=False)
    specs = [tf.TensorSpec(each.shape[1:], each.dtype) for each in batched]
    output = traced.get_concrete_function(specs).structured_outputs
    spec = tf.TensorSpec(output.shape, output.dtype)
    return tf.map_fn(traced, list(batched), fn_output_signature=spec, parallel_iterations=1)


def first_of(x, most=32):
    """The first batch of what `fit` takes, of at most so many rows: a tensor, or `None` of a
    generator, whose first batch is gone.

    Args:
        x: array, `tf.data.Dataset` or `keras.utils.PyDataset` of `(batch, ...)`.
        most: rows.
    """
    if isinstance(x, tf.data.Dataset):
        x = next(iter(x.take(1)))
    elif isinstance(x, keras.utils.PyDataset):
        x = x[0]
    elif not hasattr(x, "shape"):
        return None
    return tf.convert_to_tensor(x[0] if isinstance(x, tuple) else x, tf.float32)[:most]


def size_of(x):
    """The lengths of what `fit` takes, as a tuple; `None` where they are not known beforehand."""
    spec = getattr(x, "element_spec", None)
    size = tuple((np.shape(x) if spec is None else spec.shape)[1:-1])
    return None if None in size else size

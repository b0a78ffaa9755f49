"""One graph for several places that would each hold the same."""

import functools

import tensorflow as tf


def shared_graph(function):
    """Decorator: signals of unknown lengths go through one graph for all calls that are alike.

    Such a graph holds what a large canvas needs as well as what a small one does, and a pyramid has
    it at every level: traced and stored again each time, it would be most of a model. Of known
    lengths there is only one of the two, which is traced where it is called.

    Args:
        function: of a signal `(batch, *spatial, channels)` and of more, tensors or settings. A
            variable must be given as its value: the graph outlives it.
    """
    traced = tf.function(function, autograph=False)

    @functools.wraps(function)
    def call(x, *args, **kwargs):
        return (function if x.shape.is_fully_defined() else traced)(x, *args, **kwargs)

    return call

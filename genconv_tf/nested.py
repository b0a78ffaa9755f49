"""A network of networks, as transfer learning makes them, as one network of plain layers."""

import keras


def is_nested(layer):
    """Whether a layer is a network of layers of its own, of a known graph."""
    return isinstance(layer, keras.Model) and bool(getattr(layer, "inputs", None))


def unnested(network):
    """The same network of plain layers, those of the networks within it among them.

    Args:
        network: a functional or sequential Keras model.

    Raises:
        Exception: of any kind, a layer that cannot be copied, such as a `Lambda`.

    Returns:
        (network, last): one without networks within it, of copies of the layers, which keep their
        names (where two networks have the same, the later is NETWORK_LAYER); and the name of each
        network within as a dict to that of the layer that it ends with.
    """
    if not any(map(is_nested, network.layers)):
        return network, {}
    copies, taken, last = {}, {x.name for x in network.inputs}, {}

    def copy(layer, outer):
        if not isinstance(layer, keras.Layer):  # an operation, such as a sum of two tensors
            return layer
        if id(layer) not in copies:
            name = layer.name
            while name in taken:
                name = f"{outer}_{name}"
            taken.add(name)
            config = {**layer.get_config(), "name": name}
            copies[id(layer)] = layer, layer.__class__.from_config(config)
        return copies[id(layer)][1]

    def call(layer, outer, *args, **kwargs):
        if is_nested(layer):
            x = walk(layer, args[0])
            last[layer.name] = x
            return x
        return copy(layer, outer)(*args, **kwargs)

    def walk(net, x):
        if isinstance(net, keras.Sequential):
            for layer in net.layers:
                x = call(layer, net.name, x)
            return x

        def operation(layer):
            return lambda *args, **kwargs: call(layer, net.name, *args, **kwargs)

        return net._run_through_graph(x, operation_fn=operation)  # what Keras's cloning does

    inputs = keras.tree.map_structure(
        lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name), network.inputs
    )
    plain = keras.Model(inputs, walk(network, inputs if len(inputs) > 1 else inputs[0]))
    for layer, own in copies.values():
        own.set_weights(layer.get_weights())
        for part in own._flatten_layers():  # what is made of weights, as by `Normalization`
            getattr(part, "finalize_state", lambda: None)()
    made = {id(own.output): own.name for _, own in copies.values() if _once(own)}
    return plain, {name: made[id(x)] for name, x in last.items() if id(x) in made}


def _once(layer):
    """Whether a layer is called once, so that its output is one."""
    try:
        return layer.output is not None
    except (AttributeError, ValueError):
        return False

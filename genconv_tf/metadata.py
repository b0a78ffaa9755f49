"""What a model's metadata say, read without TensorFlow."""

from genconv_tf.home import own_file


def fresh_steps(meta):
    """Langevin steps of a fresh sample at every level, coarse to fine."""
    steps = meta["sampler"].get("fresh_steps") or meta["sampler"]["steps"]
    return list(steps) if isinstance(steps, (list, tuple)) else [steps] * meta.get("levels", 1)


def given_filters(bank):
    """Of a model's bank what a preset does not hold and names instead; `None` where it has all."""
    return None if bank is None or bank["filters"] == "linear" else bank


def needs(meta):
    """The file of filters that a preset stands on, where it is not found; else `None`."""
    given = meta.get("filters")
    if not isinstance(given, dict):
        return None
    network, weights = str(given.get("filters")), str(given.get("weights", "keras"))
    path = network if network.endswith(".keras") else weights
    return None if path == "keras" or own_file(path) else path

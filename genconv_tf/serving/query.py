"""The query of a sample that is asked for as a file: `?size=256x384&seed=7&steps=0&until=9`."""

import re

from genconv_tf.serving import Refused
from genconv_tf.sizes import check_size

KEYS = {1: ("seconds",), 2: ("size",), 3: ("size", "frames")}  # by rank, besides seed and steps
LONGEST = 2**20  # along one axis; the limits of the server say more


def parse(params, meta):
    """What a query asks of a model.

    Args:
        params: dict of strings.
        meta: of the model.

    Returns:
        (lengths of the sample along each axis, seed, steps, until), ints; until `None` without one.

    Raises:
        Refused: a key that the model has no use for, or a value that is none.
    """
    rank = meta["rank"]
    known = ("seed", "steps", "until", *KEYS[rank])
    unknown = sorted(set(params) - set(known))
    if unknown:
        raise Refused(400, f"Expected {', '.join(known)}. Received: {unknown}")
    size = list(meta["size"])
    if "size" in params:
        lengths = [_whole(n, "size", 1, LONGEST) for n in params["size"].lower().split("x")]
        lengths = lengths * 2 if len(lengths) == 1 else lengths
        if len(lengths) != 2:
            raise Refused(400, f"Expected size as 256 or 256x384. Received: {params['size'][:40]}")
        size[-2:] = lengths
    if "frames" in params:
        size[0] = _whole(params["frames"], "frames", 1, LONGEST)
    if "seconds" in params:
        size = [_samples(params["seconds"], meta["preprocessing"]["rate"])]
    try:
        check_size(meta["least_size"], size, meta.get("only_size"))
    except ValueError as error:
        raise Refused(400, str(error)) from None
    seed = _whole(params.get("seed", "0"), "seed", -(2**31), 2**31 - 1)
    steps = _whole(params.get("steps", "0"), "steps", 0, 2**31 - 1)
    until = _whole(params["until"], "until", 0, 2**31 - 1) if "until" in params else None
    return size, seed, steps, until


def _samples(text, rate):
    """Samples of so many seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds * rate < LONGEST * 64:
        raise Refused(400, f"Expected seconds as a number above 0. Received: {text[:40]!r}")
    return max(1, round(seconds * rate))


def _whole(text, name, least, most):
    number = int(text) if re.fullmatch(r"-?[0-9]{1,12}", text) else None
    if number is None or not least <= number <= most:
        raise Refused(400, f"Expected {name} of {least} to {most}. Received: {text[:40]!r}")
    return number

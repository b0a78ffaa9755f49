"""Where the filters of a layer find their patterns in an image.

A rectified filter is both a template and a detector: the indicator δ of its response, 1 where it is
above 0 (FRAME eq. 22), tells where its pattern is, and the gradient of the likelihood fits the
template to the patches so detected, an EM algorithm with a hard E-step (eq. 21).
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Detection:
    """One place where a filter finds its pattern.

    Attributes:
        image: number of the image in its batch.
        score: the filter's response, above 0.
        begin, extent: of what the filter sees there, positions of the signal along each axis.
    """

    image: int
    score: float
    begin: tuple
    extent: tuple


def top_filters(network):
    """Index of the highest layer of learned, rectified filters that do not cover the signal whole;
    `None` where there is none."""
    local = [i for i, spec, _, _ in network.learned()
             if spec.relu and None not in network.fields[i].extent]  # fmt: skip
    return local[-1] if local else None


def detections(network, x, layer, count=4):
    """The strongest detections of every filter, none over another by half or more.

    Args:
        network: a `ScoringNetwork`.
        x: `(batch, *spatial, channels)`, in which the filters see only what is inside.
        layer: index of a layer, such as of `top_filters`.
        count: how many at most of each filter, over all images.

    Returns:
        list for every filter of `Detection`s, the strongest first.

    Raises:
        ValueError: filters that cover the signal whole.
    """
    field = network.fields[layer]
    if None in field.extent:
        raise ValueError(f"Expected filters smaller than the signal. Received: layer {layer + 1}")
    maps = network.responses(x, "valid")[layer]
    maps = np.moveaxis(np.asarray(maps, np.float32), -1, 0)
    return [_strongest(each, field, count) for each in maps]


def _strongest(responses, field, count):
    """Detections among the responses `(batch, *positions)` of one filter."""
    found = []
    for flat in np.argsort(-responses, axis=None):
        image, *place = (int(n) for n in np.unravel_index(flat, responses.shape))
        score = float(responses[image, *place])
        if score <= 0 or len(found) == count:
            break
        axes = zip(place, field.jump, field.padding)
        begin = tuple(n * jump - zeros for n, jump, zeros in axes)
        if not any(d.image == image and _over(d.begin, begin, field.extent) for d in found):
            found.append(Detection(image, score, begin, field.extent))
    return found


def _over(one, other, extent):
    """Whether two fields overlap by half or more along every axis."""
    return all(2 * abs(a - b) < n for a, b, n in zip(one, other, extent))

"""The picture of docs/uses.md: blends of two models, a guide map, variations near a sample.

python benchmarks/uses.py --output docs/images/uses.png [--size 192] [--seed 1]
"""

import argparse

import numpy as np

import genconv_tf as gct
from genconv_tf.card import sheet
from genconv_tf.data.decode import write_image


def disc(size):
    """A guide of two models: a white disc on black, `(size, size, 3)` uint8."""
    place = (np.arange(size) + 0.5) / size - 0.5
    inside = np.hypot(*np.meshgrid(place, place)) < 0.32
    return np.repeat(np.uint8(255 * inside)[..., None], 3, -1)


def pictures(size, seed, names=("texture-brick", "texture-gravel")):
    """Above: half and half, a guide map, the same with the models changed over, and the guide.
    Below: a sample of the second, and what is near it with strengths of 0.25, 0.6 and 1."""
    first, second = (gct.GenerativeConvNet.from_preset(name) for name in names)
    how = {"size": size, "seed": seed}
    guide = disc(size)
    above = [
        gct.blend([first, second], [0.5, 0.5], **how)[0],
        gct.blend([first, second], guide=guide, **how)[0],
        gct.blend([second, first], guide=guide, **how)[0],
        guide,
    ]
    sample = second.sample(1, **how)
    near = [second.vary(sample, strength, seed=seed + 1)[0] for strength in (0.25, 0.6, 1.0)]
    return [*above, sample[0], *near]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--output", required=True)
    options.add_argument("--size", type=int, default=192)
    options.add_argument("--seed", type=int, default=1)
    options = options.parse_args()
    write_image(options.output, sheet(pictures(options.size, options.seed), columns=4))


if __name__ == "__main__":
    main()

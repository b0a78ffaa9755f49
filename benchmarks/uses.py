"""The picture of docs/uses.md: blends of two models, a guide map, variations near a sample.

    python benchmarks/uses.py --output docs/images/uses.png [--size 192] [--seed 1]
    python benchmarks/uses.py --distances [--size 256]

The second prints how far variations are from the sample that they are of.
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


def distances(size, seed, strengths=(0.1, 0.25, 0.5, 0.6, 0.75, 0.9, 1.0)):
    """Rows of a table: mean differences in grey levels from a sample, and of another sample."""
    rows = ["| strength | " + " | ".join(f"{s:g}" for s in strengths) + " | another sample |"]
    rows.append("|" + "---|" * (len(strengths) + 2))
    for name in ("texture-gravel", "texture-brick"):
        model = gct.GenerativeConvNet.from_preset(name)
        sample, other = np.split(model.sample(2, size=size, seed=seed).astype(float), 2)
        near = [model.vary(sample.astype(np.uint8), s, seed=seed + 1) for s in strengths]
        apart = [np.abs(each - sample).mean() for each in (*near, other)]
        rows.append(f"| `{name}` | " + " | ".join(f"{each:.1f}" for each in apart) + " |")
    return rows


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    which = options.add_mutually_exclusive_group(required=True)
    which.add_argument("--output")
    which.add_argument("--distances", action="store_true")
    options.add_argument("--size", type=int, default=192)
    options.add_argument("--seed", type=int, default=1)
    options = options.parse_args()
    if options.distances:
        print("\n".join(distances(options.size, options.seed)))
        return
    write_image(options.output, sheet(pictures(options.size, options.seed), columns=4))


if __name__ == "__main__":
    main()

"""FRAME eq. 28: how near the statistics of fresh chains are to those observed, of FRAME presets.

    python benchmarks/maximum_entropy.py PRESET... --output DIR [--num 4] [--size 256]

Writes for each preset, learned from one image, the relative error of every filter and what of it
may be chance, `PRESET/statistics.json`, and medians and ninth deciles by level and layer,
`PRESET/README.md`, as `genconv experiment` does of what it has learned itself.
"""

import argparse
import pathlib

import tensorflow as tf

from genconv_tf import GenerativeConvNet, files
from genconv_tf.catalogue import find
from genconv_tf.cli import matched
from genconv_tf.data.decode import read_image
from genconv_tf.data.images import to_size


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("presets", nargs="+", help="names or folders of FRAME presets")
    options.add_argument("--output", required=True, type=pathlib.Path)
    options.add_argument("--num", type=int, default=4, help="fresh chains (default: 4)")
    options.add_argument("--size", type=int, default=256, help="of their sides (default: 256)")
    options.add_argument("--seed", type=int, default=1)
    options = options.parse_args()
    for preset in options.presets:
        model = GenerativeConvNet.from_preset(preset)
        exemplar = tf.constant(read_image(find(preset) / "exemplar.png"))
        x = model.preprocessing.encode(to_size(exemplar, (options.size,) * 2)[None])
        folder = options.output / pathlib.Path(preset).name
        folder.mkdir(parents=True, exist_ok=True)
        lines = matched.table(folder, model, x, options.num, options.seed)
        files.write_text(folder / "README.md", "\n".join(lines))
        print(f"{preset}\n\n" + "\n".join(lines))


if __name__ == "__main__":
    main()

"""GCN Experiment 1: the persistent chains of `texture-paper` beside the authors' published result.

    python benchmarks/paper.py EXEMPLAR AUTHORS_RESULT --output DIR [--vgg FILE] [--set KEY=VALUE]

Learns with `genconv train` (an interrupted run goes on), reads the chains from its last checkpoint
and writes `results.md`, the exemplar, the authors' result and ours side by side as `chains.png`.
"""

import argparse
import pathlib

import numpy as np
from textures import genconv, row

from genconv_tf import evaluation, files, recipes
from genconv_tf.data.decode import read_image, write_image
from genconv_tf.training import last_chains


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("exemplar", type=pathlib.Path)
    options.add_argument("authors", type=pathlib.Path)
    options.add_argument("--output", required=True, type=pathlib.Path)
    options.add_argument("--vgg", help="VGG-19 filters (.npz)")
    options.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    options = options.parse_args()
    run = options.output / "run"
    if not (run / "preset").is_dir():
        extra = [word for setting in options.set for word in ("--set", setting)]
        extra += ["--resume"] if (run / "run.json").is_file() else []
        genconv("train", "texture-paper", options.exemplar, "--output", run, "--quiet", *extra)
    size = recipes.load("texture-paper")["data"]["size"]
    ours = last_chains(run, (size, size))
    exemplar, authors = read_image(options.exemplar), read_image(options.authors)
    results = {"authors, layer 3": [authors], "`texture-paper`, persistent chains": list(ours)}
    lines = []
    for name, images in results.items():
        lines.append(row(name, {"figures": evaluation.evaluate(exemplar, images, options.vgg)}))
    files.write_text(options.output / "results.md", "\n".join(lines) + "\n")
    print("\n".join(lines))
    side = min(*exemplar.shape[:2], *authors.shape[:2], *ours.shape[1:3])
    shown = [image[:side, :side] for image in (exemplar, authors, *ours[:2])]
    write_image(options.output / "chains.png", np.concatenate(shown, 1))


if __name__ == "__main__":
    main()

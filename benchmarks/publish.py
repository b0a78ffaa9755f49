"""Learn, judge and publish the presets that come with the package.

    python benchmarks/publish.py [brick grass gravel] --runs DIR [--vgg FILE] [--set KEY=VALUE]

For each of scikit-image's CC0 textures: `genconv train texture`, a SavedModel, figures of fresh
samples from it, and the preset with its card under `saved_models/`. Then the index of checksums and
the picture of the README. An interrupted training goes on where it stopped.
"""

import argparse
import pathlib
import shlex

import numpy as np
from PIL import Image
from textures import genconv

from genconv_tf import GenerativeConvNet, evaluation, presets
from genconv_tf.data.decode import read_image, write_image
from genconv_tf.data.generated import texture
from genconv_tf.export import ExportedModel

ROOT = pathlib.Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "saved_models"
SIZE = 256
SOURCES = {
    "brick": "skimage.data.brick, from Bricks25 of CC0Textures, scaled to 256x256",
    "grass": "skimage.data.grass, from Grass 01 by linolafett on DeviantArt, scaled to 256x256",
    "gravel": "skimage.data.gravel, from Gravel04 of CC0Textures, scaled to 256x256",
}


def publish(name, runs, vgg, changes):
    exemplar_path, run = runs / f"{name}.png", runs / name
    extra = [word for setting in changes for word in ("--set", setting)]
    small = Image.fromarray(texture(name)).resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    write_image(exemplar_path, small.convert("RGB"))
    if not (run / "preset").is_dir():
        resume = ["--resume"] if (run / "run.json").is_file() else []
        genconv("train", "texture", exemplar_path, "--output", run, *extra, *resume)
    model = GenerativeConvNet.from_preset(run)
    folder = PUBLISHED / f"texture-{name}"
    exported = runs / f"texture-{name}" / "1"
    model.export(exported, replace=True)
    samples = ExportedModel(exported).sample(4, size=SIZE, seed=1)
    exemplar = read_image(exemplar_path)
    figures = evaluation.evaluate(exemplar, list(samples), vgg)
    model.save_to_preset(
        folder,
        replace=True,
        exemplar=exemplar,
        samples=samples,
        summary=f"A texture of {name}: fresh seamless samples of any size.",
        recipe="texture",
        source=SOURCES[name],
        licence="CC0-1.0",
        command=shlex.join(["python", "benchmarks/publish.py", name, *extra]),
        figures=figures,
    )
    model.export(folder / "1")
    print(
        name, {key: round(value.get("ratio", value["value"]), 2) for key, value in figures.items()}
    )
    wide = ExportedModel(folder / "1").sample(1, size=(SIZE, 2 * SIZE), seed=2)[0]
    return np.concatenate([exemplar, np.full((SIZE, 8, 3), 255, np.uint8), wide], 1)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("names", nargs="*", default=list(SOURCES))
    options.add_argument("--runs", type=pathlib.Path, default=ROOT / "runs" / "publish")
    options.add_argument("--vgg", help="VGG-19 filters (.npz) for the figures of the cards")
    options.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    options = options.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    rows = [publish(name, options.runs, options.vgg, options.set) for name in options.names]
    presets.write_index(PUBLISHED)
    if len(rows) == len(SOURCES):
        gap = np.full((8, rows[0].shape[1], 3), 255, np.uint8)
        (ROOT / "docs" / "images").mkdir(parents=True, exist_ok=True)
        page = np.concatenate([part for row in rows for part in (row, gap)][:-1])
        write_image(ROOT / "docs" / "images" / "gallery.png", page)


if __name__ == "__main__":
    main()

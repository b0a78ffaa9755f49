"""Learn, judge and publish the presets that come with the package.

    python benchmarks/publish.py [sound-rain ...] --runs DIR [--vgg FILE] [--set KEY=VALUE]

For each: `genconv train`, a SavedModel, figures of fresh samples from it, and the preset with its
card under `saved_models/`. Then the index of checksums, and, of all the textures, the picture of
the README. An interrupted training goes on where it stopped.
"""

import argparse
import dataclasses
import pathlib
import shlex

import numpy as np
from PIL import Image
from textures import genconv

from genconv_tf import GenerativeConvNet, presets
from genconv_tf.cli.evaluate import measure
from genconv_tf.data.decode import read_image, write_image
from genconv_tf.data.generated import texture
from genconv_tf.data.sounds import sounds
from genconv_tf.data.videos import videos
from genconv_tf.export import ExportedModel

ROOT = pathlib.Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "saved_models"
SIZE = 256  # of the textures
MOST = 5e6  # bytes of a SavedModel that is published beside its preset


@dataclasses.dataclass(frozen=True)
class Origin:
    """Recipe, source of the exemplar, and what the model is of."""

    recipe: str
    source: str
    summary: str


def _texture(name, source):
    summary = f"A texture of {name}: fresh seamless samples of any size."
    return Origin("texture", f"skimage.data.{name}, from {source}, scaled to 256x256", summary)


ORIGINS = {
    "texture-brick": _texture("brick", "Bricks25 of CC0Textures"),
    "texture-grass": _texture("grass", "Grass 01 by linolafett on DeviantArt"),
    "texture-gravel": _texture("gravel", "Gravel04 of CC0Textures"),
    "sound-crackle": Origin(
        "sound", "generated:crackle", "A crackling fire that goes on for ever."
    ),
    "sound-rain": Origin("sound", "generated:rain", "Rain on leaves that goes on for ever."),
    "video-water": Origin(
        "video", "generated:water", "The sea from above, of any size and length."
    ),
    "video-fire": Origin("video-scene", "generated:fire", "Flames that rise for ever."),
}


def publish(name, runs, vgg, changes):
    origin, run = ORIGINS[name], runs / name
    extra = [word for setting in changes for word in ("--set", setting)]
    source = origin.source if ":" in origin.source else photograph(name, runs)
    if not (run / "preset").is_dir():
        resume = ["--resume"] if (run / "run.json").is_file() else []
        genconv("train", origin.recipe, source, "--output", run, *extra, *resume)
    model = GenerativeConvNet.from_preset(run)
    exported = runs / "saved_models" / name / "1"
    model.export(exported, replace=True)
    samples = ExportedModel(exported).sample(4, seed=1)
    exemplar, rate = exemplar_of(model, source), model.preprocessing.rate
    figures = measure(exemplar, list(samples), vgg, rate)
    folder = PUBLISHED / name
    model.save_to_preset(
        folder,
        replace=True,
        exemplar=exemplar,
        samples=samples,
        summary=origin.summary,
        recipe=origin.recipe,
        source=origin.source,
        licence="CC0-1.0",
        command=shlex.join(["python", "benchmarks/publish.py", name, *extra]),
        figures=figures,
    )
    if sum(path.stat().st_size for path in exported.rglob("*") if path.is_file()) < MOST:
        model.export(folder / "1")
    print(
        name, {key: round(value.get("ratio", value["value"]), 2) for key, value in figures.items()}
    )


def photograph(name, runs):
    """The exemplar of a texture as a file."""
    path = runs / f"{name}.png"
    small = Image.fromarray(texture(name.removeprefix("texture-")))
    write_image(path, small.resize((SIZE, SIZE), Image.Resampling.LANCZOS).convert("RGB"))
    return path


def exemplar_of(model, source):
    """What the model learned from: an image, or so much of a generated sound or video."""
    rate = model.preprocessing.rate
    if model.rank == 2:
        return read_image(source)
    if model.rank == 1:
        data = sounds(source, rate=rate)
    else:
        data = videos(source, frames=model.size[0], size=model.size[1:])
    return data.preprocessing.decode(next(iter(data))[0]).numpy()


def gallery(names):
    """Exemplars of textures beside fresh samples twice as wide, of the published SavedModels."""
    rows = []
    for name in names:
        wide = ExportedModel(PUBLISHED / name / "1").sample(1, size=(SIZE, 2 * SIZE), seed=2)[0]
        gap = np.full((SIZE, 8, 3), 255, np.uint8)
        rows.append(np.concatenate([read_image(PUBLISHED / name / "exemplar.png"), gap, wide], 1))
    gap = np.full((8, rows[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([part for row in rows for part in (row, gap)][:-1])


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("names", nargs="*", default=[], choices=[*ORIGINS, []], metavar="NAME")
    options.add_argument("--runs", type=pathlib.Path, default=ROOT / "runs" / "publish")
    options.add_argument("--vgg", help="VGG-19 filters (.npz) for the figures of the cards")
    options.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    options = options.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    names = options.names or list(ORIGINS)
    for name in names:
        publish(name, options.runs, options.vgg, options.set)
    presets.write_index(PUBLISHED)
    textures = [name for name in ORIGINS if name.startswith("texture-")]
    if set(textures) <= set(names):
        (ROOT / "docs" / "images").mkdir(parents=True, exist_ok=True)
        write_image(ROOT / "docs" / "images" / "gallery.png", gallery(textures))


if __name__ == "__main__":
    main()

"""Learn, judge and publish the presets that come with the package.

    python benchmarks/publish.py [sound-rain ...] --runs DIR [--photographs DIR] [--vgg FILE]

The photograph of `texture-pool` is looked for in DIR, since no package carries it, and the filters
of `frame-...` in the folder that GENCONV_HOME names. For each:
`genconv train`, a SavedModel, figures of fresh samples from it, and the preset with its card under
`saved_models/`. Then the index of checksums, and the picture of the README. An interrupted training
goes on where it stopped. With `--calibrate` nothing is learned but the calibrations of a model that
is published already. With `--cards` nothing is learned: all cards are rendered anew from the
metadata and pictures that are there, and the index is written. With `--exports` the SavedModels
that are published are exported anew, as this version of the package writes them.
"""

import argparse
import dataclasses
import pathlib
import shlex

import numpy as np
from PIL import Image
from skimage import data
from textures import genconv

from genconv_tf import GenerativeConvNet, presets
from genconv_tf.cli.evaluate import measure
from genconv_tf.data.decode import read_image, write_image
from genconv_tf.data.generated import is_generated, texture
from genconv_tf.data.images import images
from genconv_tf.data.sounds import sounds
from genconv_tf.data.videos import videos
from genconv_tf.export import ExportedModel

ROOT = pathlib.Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "saved_models"
SIZE = 256  # of the textures
SHOWN = ("pool", "pebbles", "brick")  # of the textures, in the picture of the README
BESIDE = ("texture-brick", "sound-crackle", "sound-rain")  # have a SavedModel published with them
CARRIED = {  # where the textures that scikit-image carries come from
    "brick": "Bricks25 of CC0Textures",
    "grass": "Grass 01 by linolafett on DeviantArt",
    "gravel": "Gravel04 of CC0Textures",
}


@dataclasses.dataclass(frozen=True)
class Origin:
    """Recipe, source of the exemplar, and what the model is of."""

    recipe: str
    source: str
    summary: str
    licence: str = "CC0-1.0"


def _texture(name, source, licence="CC0-1.0"):
    return Origin("texture", source, f"{name}: fresh seamless samples of any size.", licence)


def _carried(name):
    return f"skimage.data.{name}, from {CARRIED[name]}, scaled to 256x256"


def _given(name):
    summary = f"{name.capitalize()} from one weight for each VGG filter: stationary deep FRAME."
    return Origin("frame-texture", _carried(name), summary)


ORIGINS = {
    "texture-brick": _texture("Brick", _carried("brick")),
    "texture-grass": _texture("Grass", _carried("grass")),
    "texture-gravel": _texture("Gravel", _carried("gravel")),
    "texture-galaxies": _texture(
        "Galaxies", "the middle 256x256 of skimage.data.hubble_deep_field, by NASA", "public domain"
    ),
    "texture-pool": _texture(
        "Water of a pool in the sun",
        "1.jpg of EmbarkStudios/texture-synthesis, a photograph from Unsplash, scaled to 256x256",
        "Unsplash",
    ),
    "texture-camouflage": _texture("Camouflage", "generated:camouflage"),
    "texture-coral": _texture("Brain coral", "generated:coral"),
    "texture-dunes": _texture("Ripples of sand", "generated:dunes"),
    "texture-leaves": _texture("Fallen leaves", "generated:leaves"),
    "texture-marble": _texture("Marble", "generated:marble"),
    "texture-pebbles": _texture("Pebbles", "generated:pebbles"),
    "texture-scales": _texture("Scales of a fish", "generated:scales"),
    "texture-terrazzo": _texture("Terrazzo", "generated:terrazzo"),
    "texture-weave": _texture("Wicker", "generated:weave"),
    "frame-brick": _given("brick"),
    "frame-gravel": _given("gravel"),
    "sound-crackle": Origin(
        "sound", "generated:crackle", "A crackling fire that goes on for ever."
    ),
    "sound-rain": Origin("sound", "generated:rain", "Rain on leaves that goes on for ever."),
    "video-water": Origin(
        "video", "generated:water", "The sea from above, of any size and length."
    ),
    "video-fire": Origin("video-scene", "generated:fire", "Flames that rise for ever."),
}


def publish(name, options):
    origin, runs = ORIGINS[name], options.runs
    extra = [word for setting in options.set for word in ("--set", setting)]
    generated = is_generated(origin.source)
    source = origin.source if generated else photograph(name, runs, options.photographs)
    command = shlex.join(["python", "benchmarks/publish.py", name, *extra])
    if options.calibrate:
        model = calibrated(name, source)
        before = presets.facts(PUBLISHED / name)["command"].partition("; ")[0]
        command = f"{before}; {command} --calibrate"
    else:
        model = learned(origin.recipe, source, runs / name, extra)
    model = presets.halved(model)
    exported = runs / "saved_models" / name / "1"
    model.export(exported, replace=True)
    samples = ExportedModel(exported).sample(4, seed=1)
    exemplar, rate = exemplar_of(model, source), model.preprocessing.rate
    figures = measure(exemplar, list(samples), options.vgg, rate)
    facts = {
        "summary": origin.summary,
        "recipe": origin.recipe,
        "source": origin.source,
        "licence": origin.licence,
        "command": command,
        "figures": figures,
    }
    folder = PUBLISHED / name
    media = {"exemplar": exemplar, "samples": samples}
    model.save_to_preset(folder, replace=True, half=True, **media, **facts)
    if name in BESIDE:
        model.export(folder / "1", **facts)
    print(
        name, {key: round(value.get("ratio", value["value"]), 2) for key, value in figures.items()}
    )


def learned(recipe, source, run, extra):
    """The model of a recipe, learned in the folder `run` unless it was before."""
    if not (run / "preset").is_dir():
        resume = ["--resume"] if (run / "run.json").is_file() else []
        size = ["--size", SIZE] if recipe in ("texture", "frame-texture") else []
        genconv("train", recipe, source, "--output", run, *size, *extra, *resume)
    return GenerativeConvNet.from_preset(run)


def calibrated(name, source):
    """The published model, its sampler calibrated by fresh samples and its exemplar."""
    model = GenerativeConvNet.from_preset(PUBLISHED / name)
    sampler = {**dataclasses.asdict(model.sampler), "calibrated": True}
    exemplar = exemplar_of(model, source).astype(np.float32)
    model = model.twin(sampler=sampler)
    model.calibrate(model.preprocessing.encode(exemplar)[None])
    return model


def photograph(name, runs, photographs):
    """The exemplar of a texture as a file of 256x256."""
    path, name = runs / f"{name}.png", name.partition("-")[2]
    if name == "pool":
        large = Image.open(photographs / "1.jpg")
    elif name == "galaxies":
        sky = Image.fromarray(data.hubble_deep_field())
        left, top = (sky.width - SIZE) // 2, (sky.height - SIZE) // 2
        large = sky.crop((left, top, left + SIZE, top + SIZE))
    else:
        large = Image.fromarray(texture(name))
    write_image(path, large.resize((SIZE, SIZE), Image.Resampling.LANCZOS).convert("RGB"))
    return path


def exemplar_of(model, source):
    """What the model learned from: an image, or so much of a generated sound or video."""
    rate = model.preprocessing.rate
    if model.rank == 1:
        made = sounds(source, rate=rate)
    elif model.rank == 2:
        made = images(str(source), SIZE)
    else:
        made = videos(source, frames=model.size[0], size=model.size[1:])
    return made.preprocessing.decode(next(iter(made))[0]).numpy()


def gallery(names):
    """Exemplars of textures beside fresh samples twice as wide, of the published models."""
    rows = []
    for name in names:
        model = GenerativeConvNet.from_preset(PUBLISHED / name)
        wide = model.sample(1, size=(SIZE, 2 * SIZE), seed=2)[0]
        gap = np.full((SIZE, 8, 3), 255, np.uint8)
        rows.append(np.concatenate([read_image(PUBLISHED / name / "exemplar.png"), gap, wide], 1))
    gap = np.full((8, rows[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([part for row in rows for part in (row, gap)][:-1])


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("names", nargs="*", default=[], choices=[*ORIGINS, []], metavar="NAME")
    options.add_argument("--runs", type=pathlib.Path, default=ROOT / "runs" / "publish")
    options.add_argument("--photographs", type=pathlib.Path, default=ROOT, metavar="DIR")
    options.add_argument("--vgg", help="VGG-19 filters (.npz) for the figures of the cards")
    options.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    options.add_argument("--calibrate", action="store_true", help="learn calibrations alone")
    options.add_argument("--cards", action="store_true", help="render all cards anew and stop")
    options.add_argument("--exports", action="store_true", help="export anew and stop")
    options = options.parse_args()
    if options.exports:
        for folder in (PUBLISHED / name for name in BESIDE):
            model = GenerativeConvNet.from_preset(folder)
            model.export(folder / "1", replace=True, **presets.facts(folder))
        presets.write_index(PUBLISHED)
        return
    if options.cards:
        for path in PUBLISHED.glob(f"*/{presets.CONFIG}"):
            presets.write_card(path.parent)
        presets.write_index(PUBLISHED)
        return
    options.runs.mkdir(parents=True, exist_ok=True)
    names = options.names or list(ORIGINS)
    for name in names:
        publish(name, options)
    presets.write_index(PUBLISHED)
    textures = [f"texture-{name}" for name in SHOWN]
    if set(textures) & set(names):
        (ROOT / "docs" / "images").mkdir(parents=True, exist_ok=True)
        write_image(ROOT / "docs" / "images" / "gallery.png", gallery(textures))


if __name__ == "__main__":
    main()

"""What each level of a texture model makes beside what it learned from.

    python benchmarks/levels.py EXEMPLAR --output DIR [--levels 2] [--set KEY=VALUE]...
    python benchmarks/levels.py EXEMPLAR --output DIR --model PRESET

The first learns the coarsest levels of the recipe `texture` alone, on the exemplar averaged down,
in a fraction of the time of the whole; the second looks at a learned model. Prints, and writes as
`levels.md`, a row a level: standard deviations of its data and of its fresh samples, sliced
Wasserstein distance of their patches, f a position at both. `levels.png` shows the data of the
finest of them and fresh samples.
"""

import argparse
import pathlib

import numpy as np
import tensorflow as tf

from genconv_tf import GenerativeConvNet, data, evaluation, files, noise, pyramid, recipes
from genconv_tf.card import sheet
from genconv_tf.data.decode import read_image, write_image
from genconv_tf.resample import downsample

SIZE = 256
BY_LEVEL = {
    "model": ("layers", "weight_scale"),
    "sampler": ("steps", "step_size", "temperature", "final_temperature"),
    "learning": ("level_rates", "weight_decay"),
}


def coarsest(levels, changes):
    """Changes to the recipe `texture` that leave its coarsest `levels`, and their reduction."""
    recipe = recipes.load("texture", changes)
    missing = 2 ** (recipe["model"]["levels"] - levels)
    kept = {
        "model.levels": levels,
        "learning.chain_size": recipe["learning"]["chain_size"] // missing,
    }
    for section, keys in BY_LEVEL.items():
        for key in keys:
            value = recipe[section][key]
            kept[f"{section}.{key}"] = value[:levels] if isinstance(value, list) else value
    return {**changes, **kept}, missing


def learn(exemplar, levels, changes):
    """A model of the coarsest levels, the exemplar as its finest one sees it, its reduction."""
    changes, missing = coarsest(levels, changes)
    small = downsample(tf.constant(exemplar[None], tf.float32), missing).numpy()
    dataset = data.images(small, crop="none", colours="principal")
    model = GenerativeConvNet.from_recipe("texture", data=dataset, **changes)
    model.fit(dataset.repeat(), steps_per_epoch=model.learning.updates)
    return model, small[0], missing


def rows(model, exemplar, size, num, seed):
    """A row of the table for each level, and fresh media of the finest."""
    observed = pyramid.levels_of(model.preprocessing.encode(exemplar[None]), model.levels)
    made = tf.function(
        lambda: pyramid.generate_levels(
            model.levels, noise.row_seeds(seed, num), (size, size), model.channels
        )
    )()
    table = []
    for level, x, chains in zip(model.levels, observed, made, strict=True):
        network = level.network
        f = []
        for signal, boundary in ((x, network.data_boundary), (chains, network.boundary)):
            positions = network.layer_positions(signal.shape[1:-1], boundary)[-1]
            f.append(float(tf.reduce_mean(network(signal, boundary=boundary))) / positions)
        spread = [float(tf.math.reduce_std(signal)) for signal in (x, chains)]
        shown, media = (
            model.preprocessing.decode(signal).numpy().astype(np.float32) for signal in (x, chains)
        )
        patches = np.mean([evaluation.patch_distance(shown[0], one, levels=1) for one in media])
        table.append((level.factor[0], *spread, spread[1] / spread[0], patches, *f))
    return table, media


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("exemplar", type=pathlib.Path)
    options.add_argument("--output", required=True, type=pathlib.Path)
    options.add_argument("--levels", type=int, default=2)
    options.add_argument("--model", help="name or folder of a preset, instead of learning")
    options.add_argument("--num", type=int, default=8)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    options = options.parse_args()
    exemplar, missing = read_image(options.exemplar), 1
    if options.model:
        model = GenerativeConvNet.from_preset(options.model)
    else:
        changes = dict(recipes.parse_setting(text) for text in options.set)
        model, exemplar, missing = learn(exemplar, options.levels, changes)
    size = SIZE // missing
    table, media = rows(model, exemplar, size, options.num, options.seed)
    lines = ["| level 1/ | std of data | of samples | ratio | patches | f at data | at samples |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for factor, *figures in table:
        cells = [str(missing * factor), *(f"{value:.4g}" for value in figures)]
        lines.append("| " + " | ".join(cells) + " |")
    options.output.mkdir(parents=True, exist_ok=True)
    files.write_text(options.output / "levels.md", "\n".join(lines) + "\n")
    side = min(size, *exemplar.shape[:2])
    shown = [
        np.round(exemplar[:side, :side]).astype(np.uint8),
        *(m[:side, :side].astype(np.uint8) for m in media),
    ]
    write_image(options.output / "levels.png", sheet(np.stack(shown)))
    print("\n".join(lines))


if __name__ == "__main__":
    main()

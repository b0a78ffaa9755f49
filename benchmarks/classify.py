"""Models of categories as a classifier of what they have not seen, with and without log Z.

GCN Proposition 1; on the features at the top of a network FRAME eq. 24.

    python benchmarks/classify.py --output DIR [--recipe NAME] [CATEGORY ...] [--updates 400]

A category is a folder of images, every third of which is held out, or one of scikit-image's
textures (grass and gravel by default), whose model learns from crops of the left half of the
photograph at half its size and is asked about crops of the right half. log Z is estimated by
annealed importance sampling from q up, and from p down: from adjusted chains that went on from what
was learned from. Where the two differ by far more than their errors, the truth is between them (in
the mean) and neither is right.
"""

import argparse
import dataclasses
import json
import pathlib

import numpy as np
import tensorflow as tf

import genconv_tf as gct
from genconv_tf import files, noise, recipes
from genconv_tf.data.decode import EXTENSIONS
from genconv_tf.data.generated import CC0, texture
from genconv_tf.data.images import images
from genconv_tf.data.sources import find_files
from genconv_tf.training import train

RECIPE = """
[recipe]
name = "crops"
summary = "crops of a texture under one reference, so that models of several can be compared"
[data]
size = 16
crop = "random"
batch = 128
mean = [128.0, 128.0, 128.0] # one channel, grey less 128: the same x for every texture
colours = "principal"
[model]
levels = 1
boundary = "valid"
weight_scale = 0.1
layers = [{filters = 24, kernel = 5}, {filters = 24, kernel = 3, stride = 2}]
[reference]
std = 20.0
[sampler]
start = "noise"
start_std = 20.0
steps = 20
fresh_steps = 300
step_size = 6.0
[learning]
updates = 400
normalise = "none"
chains = 64
rejuvenation = 0.02
optimizer = {name = "adam", learning_rate = 3e-4, final_learning_rate = 0.05, beta_1 = 0.5}
"""
CROPS = 500  # held out of each texture


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("categories", nargs="*", default=["grass", "gravel"], metavar="CATEGORY",
                        help=f"folders of images, or of {', '.join(CC0)}")  # fmt: skip
    parser.add_argument("--output", required=True)
    parser.add_argument("--recipe", help="(default: one of small filters for small crops)")
    parser.add_argument("--updates", type=int, help="instead of the recipe's")
    parser.add_argument("--chains", type=int, default=64, help="of the estimates of log Z")
    parser.add_argument("--temperatures", type=int, default=1000)
    parser.add_argument("--warm-up", type=int, default=2000, help="steps before the reverse ones")
    parser.add_argument("--step-size", type=float, default=0.25, help="of q's standard deviation")
    options = parser.parse_args()
    output = pathlib.Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    recipe = options.recipe or str(output / "crops.toml")
    if options.recipe is None:
        files.write_text(recipe, RECIPE)
    how = {k: v for k, v in recipes.load(recipe)["data"].items() if k != "kind"}
    names, models, learned_from, held_out = [], [], [], []
    for category in options.categories:
        ours, others, count = parts(category)
        data = images(ours, **how)
        names.append(pathlib.Path(category).name)
        folder = output / names[-1]
        models.append(train(recipe, data, folder, options.updates, quiet=True))
        learned_from.append(next(iter(data)))
        held_out.append(next(iter(images(others, **{**how, "batch": count}))))
    results = estimates(names, models, learned_from, options)
    for way in ("forward", "reverse", "none"):
        log_z = None if way == "none" else [results[name][way]["value"] for name in names]
        results[f"accuracy, log Z {way}"] = accuracy(names, models, log_z, held_out)
    files.write_json(output / "results.json", results)
    print(json.dumps(results, indent=2))


def parts(category):
    """What to learn from, what to hold out, and how many images that is."""
    if category in CC0:
        return *np.split(half(texture(category)), 2, axis=1), CROPS
    paths = find_files(category, EXTENSIONS, "images of a category")
    others = paths[2::3]
    return [path for path in paths if path not in others], others, len(others)


def half(image):
    """At half the size, in three channels: (256, 256, 3)."""
    grey = image.reshape(256, 2, 256, 2).mean((1, 3))
    return np.repeat(grey[..., None], 3, -1).astype(np.uint8)


def estimates(names, models, observed, options):
    """log Z of every model, forward and reverse."""
    results = {}
    for i, (name, model) in enumerate(zip(names, models)):
        how = {"shape": observed[i].shape[1:], "temperatures": options.temperatures,
               "step_size": options.step_size, "seed": i}  # fmt: skip
        step = options.step_size * model.reference.std
        sampler = dataclasses.replace(model.finest.sampler, adjusted=True, step_size=step)
        level = dataclasses.replace(model.finest, sampler=sampler)
        run = tf.function(lambda x, seeds, level=level: level.advance(x, seeds, options.warm_up))
        start = np.resize(observed[i], (options.chains, *how["shape"]))
        samples, share = run(tf.constant(start), noise.row_seeds(3, options.chains))
        found = {
            "forward": gct.log_partition(
                model.score, model.reference, chains=options.chains, **how
            ),
            "reverse": gct.log_partition(model.score, model.reference, samples=samples, **how),
        }
        results[name] = {way: dataclasses.asdict(one) for way, one in found.items()}
        results[name]["steps taken"] = float(tf.reduce_mean(share))
    return results


def accuracy(names, models, log_z, held_out):
    """Which share of what is held out the classifier gives to its own model, each and in all."""
    classifier = gct.to_classifier(models, log_partitions=log_z)
    right = [np.mean(classifier(x).numpy()[:, 1:].argmax(1) == c) for c, x in enumerate(held_out)]
    return {**dict(zip(names, map(float, right))), "all": float(np.mean(right))}


if __name__ == "__main__":
    main()

"""Models of textures as a classifier of held-out crops (GCN Proposition 1), with and without log Z.

    python benchmarks/classify.py [--textures grass gravel] --output DIR [--size 16] [--updates 400]

Each model learns from crops of the left half of a photograph and is asked about crops of the right
half. log Z is estimated by annealed importance sampling from q up, and from p down: from adjusted
chains that went on from crops of the left half. Where the two differ by far more than their errors,
the truth is between them (in the mean) and neither is right.
"""

import argparse
import dataclasses
import json
import pathlib

import numpy as np
import tensorflow as tf

import genconv_tf as gct
from genconv_tf import files, noise
from genconv_tf.data.generated import CC0, texture
from genconv_tf.data.images import images
from genconv_tf.training import train

RECIPE = """
[recipe]
name = "crops"
summary = "crops of a texture under one reference, so that models of several can be compared"
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
normalise = "none"
chains = 64
rejuvenation = 0.02
optimizer = {name = "adam", learning_rate = 3e-4, final_learning_rate = 0.05, beta_1 = 0.5}
"""
CHAINS, WARM_UP = 64, 2000  # of the estimates of log Z, and steps from training crops
# One channel, grey less 128: the same x for every texture.
HOW = {"crop": "random", "mean": (128.0, 128.0, 128.0), "colours": "principal"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--textures", nargs="+", default=["grass", "gravel"], choices=CC0)
    parser.add_argument("--output", required=True)
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--updates", type=int, default=400)
    parser.add_argument("--crops", type=int, default=500, help="of each texture, held out")
    options = parser.parse_args()
    output = pathlib.Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    recipe = output / "crops.toml"
    files.write_text(recipe, RECIPE)
    models, learned_from, held_out = [], [], []
    for name in options.textures:
        left, right = np.split(half(texture(name)), 2, axis=1)
        data = images(left, options.size, batch=128, **HOW)
        models.append(train(str(recipe), data, output / name, options.updates, quiet=True))
        learned_from.append(next(iter(data)))
        held_out.append(next(iter(images(right, options.size, batch=options.crops, **HOW))))
    results = estimates(options.textures, models, learned_from)
    for way in ("forward", "reverse", "none"):
        log_z = (
            None if way == "none" else [results[name][way]["value"] for name in options.textures]
        )
        results[f"accuracy, log Z {way}"] = accuracy(options.textures, models, log_z, held_out)
    files.write_json(output / "results.json", results)
    print(json.dumps(results, indent=2))


def half(image):
    """At half the size, in three channels: (256, 256, 3)."""
    grey = image.reshape(256, 2, 256, 2).mean((1, 3))
    return np.repeat(grey[..., None], 3, -1).astype(np.uint8)


def estimates(names, models, crops):
    """log Z of every model, forward and reverse."""
    results = {}
    for i, (name, model) in enumerate(zip(names, models)):
        how = {"shape": crops[i].shape[1:], "temperatures": 1000, "step_size": 0.25, "seed": i}
        sampler = dataclasses.replace(model.finest.sampler, adjusted=True, step_size=5.0)
        level = dataclasses.replace(model.finest, sampler=sampler)
        run = tf.function(lambda x, seeds, level=level: level.advance(x, seeds, WARM_UP))
        samples, share = run(crops[i][:CHAINS], noise.row_seeds(3, CHAINS))
        found = {
            "forward": gct.log_partition(model.score, model.reference, chains=CHAINS, **how),
            "reverse": gct.log_partition(model.score, model.reference, samples=samples, **how),
        }
        results[name] = {way: dataclasses.asdict(one) for way, one in found.items()}
        results[name]["steps taken"] = float(tf.reduce_mean(share))
    return results


def accuracy(names, models, log_z, held_out):
    """Which share of held-out crops the classifier gives to their own model, each and in all."""
    classifier = gct.to_classifier(models, log_partitions=log_z)
    right = [np.mean(classifier(crops).numpy()[:, 1:].argmax(1) == c)
             for c, crops in enumerate(held_out)]  # fmt: skip
    return {**dict(zip(names, map(float, right))), "all": float(np.mean(right))}


if __name__ == "__main__":
    main()

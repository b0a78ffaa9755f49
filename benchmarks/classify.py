"""Models of two textures as a classifier of held-out crops (GCN Proposition 1), with and without
log Z.

    python benchmarks/classify.py [--textures brick gravel] --output DIR [--size 24] [--updates 600]

Each model learns from crops of the left half of a photograph and is asked about crops of the right
half. log Z is estimated by annealed importance sampling, forward and, from chains that were led up
by it, in reverse.
"""

import argparse
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
# One channel, grey less 128: the same x for every texture.
HOW = {"crop": "random", "mean": (128.0, 128.0, 128.0), "colours": "principal"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--textures", nargs="+", default=["brick", "gravel"], choices=CC0)
    parser.add_argument("--output", required=True)
    parser.add_argument("--size", type=int, default=24)
    parser.add_argument("--updates", type=int, default=600)
    parser.add_argument("--crops", type=int, default=500, help="of each texture, held out")
    options = parser.parse_args()
    output = pathlib.Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    recipe = output / "crops.toml"
    files.write_text(recipe, RECIPE)
    models, held_out = [], []
    for name in options.textures:
        left, right = np.split(half(texture(name)), 2, axis=1)
        data = images(left, options.size, batch=128, **HOW)
        models.append(train(str(recipe), data, output / name, options.updates, quiet=True))
        crops = images(right, options.size, batch=options.crops, **HOW)
        held_out.append(next(iter(crops)))
    results = judge(options.textures, models, held_out)
    files.write_json(output / "results.json", results)
    print(json.dumps(results, indent=2))


def half(image):
    """At half the size, in three channels: (256, 256, 3)."""
    grey = image.reshape(256, 2, 256, 2).mean((1, 3))
    return np.repeat(grey[..., None], 3, -1).astype(np.uint8)


def judge(names, models, held_out):
    """log Z of every model, and how many crops the classifier of all of them gets right."""
    shape, results, zs = held_out[0].shape[1:], {}, []
    for name, model, own in zip(names, models, held_out):
        estimates = {}
        how = {"shape": shape, "temperatures": 1000, "step_size": 0.25}
        forward = gct.log_partition(model.score, model.reference, chains=32, seed=1, **how)
        samples = model.continue_chain(own[:32], noise.row_seeds(3, 32), tf.constant(500))
        back = gct.log_partition(model.score, model.reference, samples=samples, seed=2, **how)
        for way, estimate in (("forward", forward), ("reverse", back)):
            estimates[way] = {"value": estimate.value, "error": estimate.error,
                              "effective": estimate.effective,
                              "acceptance": estimate.acceptance}  # fmt: skip
        zs.append((forward.value + back.value) / 2)
        results[name] = estimates
    for what, log_z in (("with log Z", zs), ("without log Z", None)):
        classifier = gct.to_classifier(models, log_partitions=log_z)
        right = [np.mean(classifier(crops).numpy()[:, 1:].argmax(1) == c)
                 for c, crops in enumerate(held_out)]  # fmt: skip
        results[what] = {**dict(zip(names, map(float, right))), "all": float(np.mean(right))}
    return results


if __name__ == "__main__":
    main()

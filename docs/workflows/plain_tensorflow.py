"""A published SavedModel in a program that has TensorFlow, and nothing of this package.

All signatures but `watch`: fresh samples, scores, chains that go on, a hole that is filled in, and
reconstructions.

    python docs/workflows/plain_tensorflow.py --output plain
"""

import argparse
import json
import pathlib

import tensorflow as tf

options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
options.add_argument("--output", required=True, metavar="DIR")
root = pathlib.Path(__file__).resolve().parents[2]
published = root / "saved_models" / "texture-brick" / "1"
options.add_argument("--model", default=str(published), help="folder of a SavedModel")
options.add_argument("--quick", action="store_true", help="small and of few steps")
options = options.parse_args()
output = pathlib.Path(options.output)
output.mkdir(parents=True, exist_ok=True)
size, few = ([48, 64], 2) if options.quick else ([192, 256], 0)
steps = tf.constant(few)  # Langevin steps a level; 0 for the model's own


def write(name, image):
    tf.io.write_file(str(output / name), tf.io.encode_png(image))


# ## Load, sample
#
# Row i of a batch depends on seed i alone: a request gives the same image in whatever batch.

model = tf.saved_model.load(options.model)
sample = model.signatures["sample"]
seeds = tf.constant([[7, 0], [7, 1]])
media = sample(seed=seeds, size=tf.constant(size), steps=steps)["media"]  # uint8
write("sample.png", media[0])

# ## From media to x and back
#
# The other signatures speak of x, the preprocessed media: media = mean + scale · x · basis, with
# the three in the metadata that travel with the model.

about = json.loads((pathlib.Path(options.model) / "assets.extra" / "metadata.json").read_text())
how = about["preprocessing"]
basis = tf.constant(how["basis"] or [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]], tf.float32)


def encode(media):
    x = (tf.cast(media, tf.float32) - how["mean"]) / how["scale"]
    return tf.tensordot(x, tf.linalg.pinv(basis), 1)


def decode(x):
    media = tf.tensordot(x, basis, 1) * how["scale"] + how["mean"]
    return tf.cast(tf.clip_by_value(tf.round(media), how["low"], how["high"]), how["dtype"])


# ## Score
#
# f of samples, and of white noise of the same mean and contrast, which is no texture.

x = encode(media)
mean, spread = tf.reduce_mean(x), tf.math.reduce_std(x)
noise = tf.random.stateless_normal(tf.shape(x), (1, 2), mean, spread)
score = model.signatures["score"]
scores = {"samples": score(x=x)["score"].numpy(), "noise": score(x=noise)["score"].numpy()}
print("scores", scores)

# ## Continue
#
# Chains go on from any x at the finest level.

further = model.signatures["continue"](x=x, seed=seeds, steps=tf.constant(4))
write("continued.png", further["media"][0])

# ## Recover
#
# What is masked is sampled given the rest, which stays as it is.

rows, columns = (slice(n // 3, 2 * n // 3) for n in size)
hole = tf.zeros((2, *size)).numpy()
hole[:, rows, columns] = 1
recovered = model.signatures["recover"](
    media=media, mask=tf.constant(hole), seed=seeds + 100, steps=steps
)["media"]
write("recovered.png", recovered[0])

# ## Reconstruct
#
# The model is an auto-encoder too: s²∂f/∂x is the mean of the Gaussian piece that x lies in.

reconstructed = model.signatures["reconstruct"](x=x)["x"]
write("reconstructed.png", decode(reconstructed)[0])
error = tf.norm(reconstructed - x) / tf.norm(x)
print(f"relative error of the reconstruction {error:.3f}; pictures are in {output}")

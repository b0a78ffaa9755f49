"""A scoring function as a loss: a denoiser that never sees a clean image.

The energy of a model, U(x) = |x|²/2s² - f(x), is a Keras loss like any other: it says how far an
image is from the texture that was learned. Here a small network is taught to take noise off bricks.
It sees noisy crops only, and descends

    |D(y) - y|² / 2σ²  +  λ U(D(y)) / σ²

so that D(y) stays near the noisy y and is a likely image of bricks: an amortised MAP estimate.

    python docs/workflows/score_as_loss.py --output loss           # one or two minutes
"""

import argparse
import json
import pathlib

import keras
import numpy as np
import tensorflow as tf

import genconv_tf as gct
from genconv_tf.data.decode import write_image

options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
options.add_argument("--output", required=True, metavar="DIR")
options.add_argument("--texture", default="brick", help="brick, grass or gravel")
options.add_argument("--quick", action="store_true", help="a few steps on small crops")
options = options.parse_args()
output = pathlib.Path(options.output)
keras.utils.set_random_seed(0)

# ## The prior
#
# The finest level of a shipped model, in float32. It stays as it is: `fit` learns the weights of
# the denoiser alone.

prior = gct.GenerativeConvNet.from_preset(f"texture-{options.texture}").twin(precision="float32")
NOISE, WEIGHT = 25.0, 1.5  # σ, in grey levels, and λ
crop, batch, steps = (32, 2, 60) if options.quick else (64, 4, 400)

# ## Noisy crops
#
# Of the left half of the photograph; the right half is for the test. The clean crops are thrown
# away: the target that `fit` hands to the loss is the noisy crop itself.

photograph = gct.presets.find(f"texture-{options.texture}") / "exemplar.png"
media = gct.data.images(photograph, crop="none", mean="none")
clean = prior.preprocessing.encode(next(iter(media)))
learned, tested = clean[0, :, :128], clean[:, :, 128:]


def noisy_crop(i):
    x = tf.image.stateless_random_crop(learned, (crop, crop, 1), (1, i))
    y = x + tf.random.stateless_normal(x.shape, (2, i), stddev=NOISE)
    return y, y


indices = tf.data.Dataset.range(steps * batch).map(lambda i: tf.cast(i, tf.int32))
data = indices.map(noisy_crop).batch(batch)

# ## The denoiser and its loss

layers = keras.layers
y = keras.Input((None, None, 1))
h = layers.Conv2D(24, 5, padding="same", activation="relu")(y / NOISE)
h = layers.Conv2D(24, 5, padding="same", activation="relu")(h)
h = layers.Conv2D(1, 5, padding="same", kernel_initializer="zeros")(h)
denoiser = keras.Model(y, y + NOISE * h)


def loss(y, x):
    """Minus the log of the posterior of x given y, up to a constant, a pixel: `(batch,)`."""
    fidelity = tf.reduce_sum(tf.square(x - y), (1, 2, 3)) / 2
    pixels = tf.cast(tf.size(x[0]), tf.float32)
    return (fidelity + WEIGHT * prior.energy(x)) / NOISE**2 / pixels


denoiser.compile(keras.optimizers.Adam(3e-3), loss)
denoiser.fit(data, shuffle=False, verbose=0 if options.quick else 2)

# ## How well
#
# Against the best Gaussian blur, whose width was chosen on the clean image, which is unfair to the
# network: peak signal-to-noise ratios in decibels.


def psnr(x):
    return float(tf.image.psnr(tf.cast(x, tf.float32), tested, 255.0)[0])


def blurred(x, std):
    taps = np.exp(-0.5 * (np.arange(-6, 7) / std) ** 2)
    kernel = (np.outer(taps, taps) / taps.sum() ** 2).astype(np.float32)
    return tf.nn.conv2d(x, kernel[..., None, None], 1, "SAME")


noisy = tested + tf.random.stateless_normal(tested.shape, (3, 4), stddev=NOISE)
denoised = denoiser(noisy)
blur = max((blurred(noisy, std) for std in (0.4, 0.5, 0.6, 0.7, 0.8, 1.0)), key=psnr)
figures = {"noisy": psnr(noisy), "best blur": psnr(blur), "denoised": psnr(denoised)}
output.mkdir(parents=True, exist_ok=True)
(output / "figures.json").write_text(json.dumps(figures, indent=1))
pictures = [prior.preprocessing.decode(x)[0] for x in (tested, noisy, blur, denoised)]
write_image(output / "denoised.png", np.concatenate(pictures, axis=1))
print(", ".join(f"{name} {value:.1f} dB" for name, value in figures.items()))

"""Feature-map inversion: images whose features are given, or given and changed.

Z. Xia, C. Zhu, Z. Wang, Q. Guo and Y. Liu, "Every filter extracts a specific texture in
convolutional neural networks": a code C, the responses of a layer to an image, is inverted after
its energy has been moved between the maps. All of it in one map shows the texture that one filter
extracts; a random share for each map, or the shares of another image, change the style.
"""

import keras
import numpy as np
import tensorflow as tf

from genconv_tf import noise
from genconv_tf.settings import NUMPY_SEEDS

GREY, NOISE = 128.0, 10.0  # of the image that an inversion starts from
BLOCK = 10  # steps of an optimiser between two reports of progress


def invert(features, code, size, steps=300, learning_rate=16.0, seed=0, start=None,
           progress=None):  # fmt: skip
    """Images whose features are `code`.

    Args:
        features: pixels to `(batch, *positions, filters)`, as `genconv_tf.features`.
        code: `(batch, *positions, filters)`.
        size: (height, width) of the images.
        steps: of Adam.
        learning_rate: of Adam at the first step, in grey levels; it falls to a hundredth.
        seed: of the noise that the images start from. Image i is the same whatever the batch is.
        start: images to start from instead, `(batch, height, width, 3)` in [0, 255].
        progress: called with the number of steps that are done, now and then.

    Returns:
        (images, errors): `(batch, height, width, 3)` uint8, and ‖Φ(x) - C‖ / ‖C‖ of what the
        optimiser reached, `(batch,)`.
    """
    code = tf.convert_to_tensor(code, tf.float32)
    start = noise_image(len(code), size, seed) if start is None else start
    if features(start).shape != code.shape:
        raise ValueError(f"Expected a code of {tuple(features(start).shape)} for images of {size}. "
                         f"Received: {tuple(code.shape)}")  # fmt: skip
    if not np.asarray(code).any(tuple(range(1, code.shape.rank))).all():
        raise ValueError("Expected codes with some response. Received: zero everywhere")

    def loss(x):
        return squared_error(features(x), code)

    x = optimise(loss, start, steps, learning_rate, progress)
    return to_pixels(x), tf.sqrt(loss(x)).numpy()


def optimise(loss, start, steps=300, learning_rate=16.0, progress=None):
    """Descend a loss of images; every image of a batch for itself.

    Args:
        loss: `(batch, height, width, 3)` in [0, 255] to `(batch,)`.
        start: such images.
        steps, learning_rate, progress: as of `invert`.

    Returns:
        The images, float32 in [0, 255].
    """
    x = tf.Variable(tf.cast(start, tf.float32))
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps, 0.01)
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build([x])

    def step(t):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(loss(x))
        optimizer.apply([tape.gradient(value, x)], [x])
        x.assign(tf.clip_by_value(x, 0.0, 255.0))
        return (t + 1,)

    @tf.function(autograph=False)
    def run(count):
        tf.while_loop(lambda t: t < count, step, (0,))

    for done in range(0, steps, BLOCK):
        count = min(BLOCK, steps - done)
        run(tf.constant(count))
        if progress:
            progress(done + count)
    return tf.convert_to_tensor(x)


def stylise(features, content, style, statistic, weight=30.0, steps=300,
            progress=None):  # fmt: skip
    """An image with the code of `content` at a layer, and at every layer up to it the statistics of
    another image.

    Args:
        features: a `Features`.
        content, style: `(height, width, 3)` in [0, 255], of any two sizes.
        statistic: `energies`, or `gram` for the loss of L. Gatys et al., "Image style transfer
            using convolutional neural networks" (CVPR 2016).
        weight: of the style beside the content; both are relative squared errors.
        steps: of Adam.
        progress: as of `invert`.

    Returns:
        `(height, width, 3)` uint8.

    Raises:
        ValueError: a style smaller than what a filter sees, or an image at which a layer is dead.
    """
    check_style(features, style)
    wanted = [statistic(code) for code in features.every_layer(style[None])]
    kept = features(content[None])
    for what, codes in (("style", wanted), ("content", [kept])):
        if not all(np.any(code) for code in codes):
            raise ValueError(f"Expected a {what} image that every layer responds to. Received: "
                             "one at which a layer is dead")  # fmt: skip

    def loss(x):
        codes = features.every_layer(x)
        styles = [squared_error(statistic(code), own) for code, own in zip(codes, wanted)]
        return squared_error(codes[-1], kept) + weight * tf.add_n(styles) / len(styles)

    return to_pixels(optimise(loss, content[None], steps, progress=progress))[0]


def check_style(features, style):
    """Raise a `ValueError` for a style image `(height, width, 3)` in which a filter of the layer
    finds no room: beyond its edge is none of its style."""
    least, (height, width) = features.receptive_field, style.shape[:2]
    if min(height, width) < least:
        raise ValueError(f"Expected a style image of at least {least}x{least}, what a filter of "
                         f"{features.layer} sees. Received: {height}x{width}")  # fmt: skip


def noise_image(count, size, seed):
    """Weak noise on grey: `(count, *size, 3)`."""
    uniform = noise.uniform(noise.row_seeds(seed, count), (*size, 3))
    return GREY + NOISE * (2.0 * uniform - 1.0)


def to_pixels(x):
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def smoothed(image, weight):
    """An image without its fine noise, by total variation (A. Chambolle, "An algorithm for total
    variation minimization and applications", JMIV 2004); the paper takes a weight of 0.2.

    Needs scikit-image: `pip install genconv-tf[demo]`.
    """
    return to_pixels(255 * total_variation()(image / 255, weight, channel_axis=-1))


def total_variation():
    """scikit-image's denoising by total variation.

    Raises:
        ValueError: scikit-image is not installed.
    """
    try:
        from skimage.restoration import denoise_tv_chambolle
    except ImportError:
        raise ValueError("Expected scikit-image: pip install genconv-tf[demo]") from None
    return denoise_tv_chambolle


def squared_error(code, wanted):
    """‖C' - C‖² / ‖C‖², `(batch,)`."""
    axes = range(1, wanted.shape.rank)
    size = tf.reduce_sum(tf.square(wanted), axes)
    return tf.reduce_sum(tf.square(code - wanted), axes) / size


# -- statistics of a code ---------------------------------------------------------------------


def energies(code):
    """Mean response of every map: `(batch, filters)`."""
    return tf.reduce_mean(code, range(1, len(code.shape) - 1))


def gram(code):
    """Mean products of the maps: `(batch, filters, filters)`."""
    flat = tf.reshape(code, [tf.shape(code)[0], -1, code.shape[-1]])
    count = tf.cast(tf.shape(flat)[1], flat.dtype)
    return tf.matmul(flat, flat, transpose_a=True) / count


# -- reallocations of energy, of one code `(*positions, filters)` ----------------------------


def one_filter(code, index, layer="the layer"):
    """All energy in map `index`: what the filter makes of the whole image.

    Raises:
        ValueError: no such filter, or one that is dead: it responds nowhere to the image.
    """
    code = _rectified(code)
    if not 0 <= index < code.shape[-1]:
        raise ValueError(f"Expected a filter of {layer} of 0 to {code.shape[-1] - 1}. "
                         f"Received: {index}")  # fmt: skip
    if not code[..., index].any():
        raise ValueError(f"Expected a filter that responds to the image. Received: filter {index} "
                         f"of {layer}, which is dead there")  # fmt: skip
    moved = np.zeros_like(code)
    moved[..., index] = code.sum(-1)
    return moved


def random_energies(code, concentration=0.1, seed=0):
    """The energy of all maps dealt out anew by a Dirichlet distribution; dead maps have none.

    Args:
        concentration: small, and a few maps have nearly all; large, and all have the same.
    """
    if not 0 < concentration < np.inf:
        raise ValueError(f"Expected a finite concentration above 0. Received: {concentration}")
    noise.check_seed(seed)
    code = _rectified(code)
    given = code.reshape(-1, code.shape[-1]).mean(0, dtype=np.float64)
    alive = given > 0
    shares = np.zeros_like(given)
    rng = np.random.default_rng(seed % NUMPY_SEEDS)
    shares[alive] = rng.dirichlet(np.full(alive.sum(), concentration))
    return _with_energies(code, given, shares * given.sum())


def energies_of(code, style):
    """Every map with the mean energy that it has in the code of a style image; what a map that is
    dead here has there is lost."""
    code, style = _rectified(code), _rectified(style)
    if code.shape[-1] != style.shape[-1]:
        raise ValueError(f"Expected two codes of one layer. Received: {code.shape[-1]} and "
                         f"{style.shape[-1]} maps")  # fmt: skip
    means = (one.reshape(-1, one.shape[-1]).mean(0, dtype=np.float64) for one in (code, style))
    return _with_energies(code, *means)


def _with_energies(code, given, wanted):
    factor = np.divide(wanted, given, out=np.zeros_like(given), where=given > 0)
    return (code * factor).astype(code.dtype)


def _rectified(code):
    """A code as an array; energy is moved between responses without a sign."""
    code = np.asarray(code)
    if (code < 0).any():
        raise ValueError(f"Expected a rectified layer, of responses >= 0. Received: {code.min():g}")
    return code

"""Images on `tf.data`: from files, folders, globs, arrays and TFDS names."""

import os

import numpy as np
import tensorflow as tf

from genconv_tf.data import sources
from genconv_tf.data.decode import EXTENSIONS, read_image
from genconv_tf.data.generated import generate, is_generated
from genconv_tf.data.generated_images import IMAGES
from genconv_tf.data.generated_textures import TEXTURES
from genconv_tf.data.preprocessing import Preprocessing
from genconv_tf.sizes import lengths

# A weak colour is mostly the noise of JPEG: at full strength it would be most of what is learned.
ENLARGED = 4


def images(
    source,
    size=None,
    batch=None,
    crop="resize",
    mean="colour",
    colours="rgb",
    split="train",
    feature="image",
    seed=0,
    region=None,
):
    """Images as a `tf.data.Dataset` of `(batch, height, width, channels)` float32.

    Pixels in [0, 255] less the mean colour, in RGB: the papers' preprocessing. The dataset knows
    how to undo it: `dataset.preprocessing.decode(x)`.

    Args:
        source: an image file, a list of them, a folder, a glob pattern, an array
            `(height, width, 3)` or `(count, height, width, 3)` in [0, 255], `"tfds:NAME"`, or
            `"generated:flower"` or of a texture, `"generated:leaves"`.
        size: `(height, width)`, or one int for both. `None` keeps the size of the first image.
        batch: images in a batch; `None` for all of them, and 16 for TFDS. Of random windows there
            may be more than images. A last batch that is not full is left out.
        crop: how an image comes to `size`. `"resize"` scales the shorter side to it and cuts the
            middle, `"random"` cuts a window of the unscaled image at a random place, the same at
            every repetition, `"none"` keeps the image as it is.
        mean: `"colour"` subtracts the mean colour, `"image"` the mean of aligned images, so that
            only what is special to one is left, `"none"` nothing, three numbers themselves.
        colours: channels of x: `"rgb"`, or `"principal"` for the principal components of the
            colours, see `principal_colours`, `"grey"` for their mean alone.
        split, feature: of a TFDS name.
        seed: of random windows.
        region: `(top, left, height, width)` in pixels, the part of every image that is taken before
            all else; `None` for the whole.

    Raises:
        ValueError: nothing is found, or a file does not decode, or is smaller than `size` where it
            is cut, or than where the `region` ends.
    """
    if crop not in ("resize", "random", "none"):
        raise ValueError(f'Expected crop "resize", "random" or "none". Received: {crop!r}')
    sources.check_batch(batch)
    size = None if size is None else lengths(size, 2)
    if size is not None and min(size) < 1:
        raise ValueError(f"Expected a positive size. Received: {size}")
    if is_generated(source):
        # Of a region that is scaled to `size`, the whole is larger.
        whole = size if region is None else None
        source = generate(source, IMAGES | TEXTURES, size=whole, seed=seed)
    name = sources.tfds_name(source)
    if name:
        raw, first = _in_colour(*sources.from_tfds(name, split, feature), feature)
        count = int(raw.cardinality())  # negative where a dataset does not know it
        batch = min(batch or 16, count) if count > 0 else batch or 16
    else:
        arrays = sources.pixels(source, ("height", "width")) if sources.is_array(source) else None
        paths = None
        if arrays is None:
            paths = sources.find_files(source, EXTENSIONS, "an image file")
        first = arrays[0] if arrays is not None else read_image(paths[0])
        count = len(arrays if arrays is not None else paths)
        batch = batch or count if crop == "random" else min(batch or count, count)
        if arrays is not None:
            raw = tf.data.Dataset.from_tensor_slices(arrays)
        else:
            raw = tf.data.Dataset.from_tensor_slices([*map(os.fsencode, paths)]).map(_decode)
            raw = raw.cache() if count < batch else raw
    check_region(region, first.shape)
    raw, first = raw.map(lambda image: cut(image, region)), np.asarray(cut(first, region))
    size = tuple(size or first.shape[:2])
    check_crop(first.shape[:2], size, crop)

    # A thousand images tell the colours of a large dataset well enough.
    def some():
        return [first] if count == 1 else raw.take(1000).as_numpy_iterator()

    averages = [one.mean((0, 1)) for one in some()]
    preprocessing = Preprocessing(
        mean=mean_image(some(), size, crop) if mean == "image" else mean_colour(mean, averages),
        basis=principal_colours(colours, some()),
        averages=spread_of(averages),
    )

    def prepare(index, image):
        image = to_size(image, size, crop, (seed, index))
        return preprocessing.encode(tf.ensure_shape(image, (*size, 3)))

    if crop == "random" and 0 < count < batch:
        raw = raw.repeat(-(-batch // count))
    dataset = raw.enumerate().map(lambda i, image: prepare(tf.cast(i, tf.int32), image))
    dataset = dataset.batch(batch, drop_remainder=True)
    # Images are decoded once and not at every update; a whole TFDS dataset might not fit.
    dataset = (dataset if name else dataset.cache()).prefetch(1)
    dataset.preprocessing = preprocessing
    return dataset


def _in_colour(raw, first, feature):
    """A dataset of images and its first, those of one channel in three."""
    if first.ndim == 3 and first.shape[-1] == 1:
        return raw.map(tf.image.grayscale_to_rgb), np.repeat(first, 3, -1)
    if first.ndim != 3 or first.shape[-1] != 3:
        raise ValueError(f"Expected a feature of images of 1 or 3 channels. Received: {feature} "
                         f"of {first.shape}")  # fmt: skip
    return raw, first


def check_crop(found, size, crop):
    """Raise a `ValueError` if an image of size `found` cannot come to `size` so."""
    if crop == "none" and found != size:
        raise ValueError(f'Expected images of {size}, or crop="resize". Received: {found}')
    if crop == "random" and (found[0] < size[0] or found[1] < size[1]):
        raise ValueError(f"Expected images of at least {size}. Received: {found}")


def _decode(path):
    image = tf.numpy_function(lambda p: read_image(os.fsdecode(p)), [path], tf.uint8)
    return tf.ensure_shape(image, (None, None, 3))


def mean_image(media, size, crop="resize"):
    """The mean of images as they are learned: nested lists `(height, width, 3)`."""
    count, total = 0, 0.0
    for one in media:
        total = total + to_size(tf.constant(one), size, crop, (0, 0)).numpy().astype(np.float64)
        count += 1
    return (total / count).round(1).tolist()


def mean_colour(mean, averages):
    """Three numbers: `"colour"` is the mean of `averages`, the mean colours of media, `"none"`
    black."""
    if isinstance(mean, str) and mean == "none":
        return (0.0, 0.0, 0.0)
    numbers = None if isinstance(mean, str) else np.asarray(mean)
    if numbers is not None and numbers.shape == (3,) and np.issubdtype(numbers.dtype, np.number):
        return tuple(numbers.astype(float).tolist())
    if mean != "colour":
        raise ValueError(f'Expected mean "colour", "none" or three numbers. Received: {mean!r}')
    # Two decimals lose nothing visible, and keep configurations readable.
    return tuple(round(float(c), 2) for c in np.mean(averages, axis=0))


def spread_of(averages):
    """The mean and the root of the covariance of `averages`, `(count, channels)`: as the
    `Preprocessing` has them."""
    mean, apart = np.mean(averages, 0), np.cov(averages, rowvar=False, bias=True)
    variances, axes = np.linalg.eigh(apart)
    root = np.sqrt(np.maximum(variances, 0))[:, None] * axes.T
    return tuple(mean.round(2).tolist()), tuple(tuple(row) for row in root.round(2).tolist())


def principal_colours(colours, media):
    """The principal components of the colours of `media` as a basis: `(channels, 3)` tuples.

    The components have one standard deviation in x, that of the pixels, so that the steps of a
    sampler are as long for weak colours as for strong ones: a preconditioned Langevin dynamics. A
    component is enlarged at most `ENLARGED` times, and left out below one grey level: grey images
    have one channel.

    Args:
        colours: `"principal"`; `"grey"` for one channel, the same in all three colours; `"rgb"` for
            none: `None`.
        media: iterable of arrays `(..., 3)` of pixels.
    """
    if colours not in ("rgb", "principal", "grey"):
        raise ValueError(f'Expected colours "rgb", "principal" or "grey". Received: {colours!r}')
    if colours != "principal":
        return None if colours == "rgb" else ((1.0, 1.0, 1.0),)
    count, total, products = 0, np.zeros(3), np.zeros((3, 3))
    for one in media:
        pixels = one.reshape(-1, 3).astype(np.float64)
        count, total = count + len(pixels), total + pixels.sum(axis=0)
        products += pixels.T @ pixels
    variances, axes = np.linalg.eigh(products / count - np.outer(total, total) / count**2)
    axes *= np.where(axes.sum(0) < 0, -1, 1)  # an eigenvector's sign is arbitrary
    spread = max(np.sqrt(variances.mean()), 1.0)
    sizes = np.maximum(np.sqrt(np.maximum(variances, 0)), spread / ENLARGED) / spread
    kept = np.maximum(variances, 0) >= 1.0
    kept[-1] = True
    basis = (axes * sizes).T[kept][::-1]
    return tuple(tuple(round(float(v), 6) for v in row) for row in basis)


def check_region(region, shape):
    """Raise a `ValueError` unless `region` is `None` or lies within `(..., height, width, 3)`."""
    if region is None:
        return
    known = isinstance(region, list | tuple) and all(isinstance(n, int) for n in region)
    if not known or len(region) != 4 or min(region) < 0 or min(region[2:]) < 1:
        raise ValueError("Expected a region of 4 whole numbers, top, left, height, width, the last "
                         f"two positive. Received: {region!r}")  # fmt: skip
    top, left, height, width = region
    if shape[-3] < top + height or shape[-2] < left + width:
        raise ValueError(f"Expected a region within {shape[-3]}x{shape[-2]} pixels. "
                         f"Received: {list(region)}, top, left, height, width")  # fmt: skip


def cut(media, region):
    """The `region` `(top, left, height, width)` of the tensor `media` `(..., height, width, 3)`;
    all of it for `None`."""
    if region is None:
        return media
    top, left, height, width = region
    least = top + height, left + width
    message = f"Expected media of at least {least}, where the region ends"
    enough = tf.debugging.assert_greater_equal(tf.shape(media)[-3:-1], least, message)
    with tf.control_dependencies([enough]):
        return tf.identity(media)[..., top : top + height, left : left + width, :]


def to_size(image, size, crop="resize", seed=None):
    """An image `(height, width, 3)`, or frames of one, scaled or cut to `size`; see `images`."""
    shape = tf.shape(image)[-3:-1]
    if crop == "none":
        return image
    if crop == "random":
        message = f"Expected images of at least {size}"
        with tf.control_dependencies([tf.debugging.assert_greater_equal(shape, size, message)]):
            return tf.image.stateless_random_crop(image, (*size, 3), seed)
    scale = tf.reduce_max(tf.cast(size, tf.float32) / tf.cast(shape, tf.float32))
    scaled = tf.cast(tf.math.ceil(tf.cast(shape, tf.float32) * scale - 1e-3), tf.int32)
    same = tf.reduce_all(scaled == shape)
    resized = tf.cond(
        same,
        lambda: tf.cast(image, tf.float32),
        lambda: tf.image.resize(image, scaled, antialias=True),
    )
    top, left = tf.unstack((scaled - size) // 2)
    return resized[..., top : top + size[0], left : left + size[1], :]

"""`genconv invert`: an image from the features of one layer, as they are or with energy moved."""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from genconv_tf import inversion
from genconv_tf.data.decode import read_image, write_image
from genconv_tf.data.images import to_size
from genconv_tf.features import features


def run(options):
    if options.smooth:
        inversion.total_variation()  # or say that it is missing before the image is made
    layer = load(options)
    image = read(options.image, options.size)
    check_size(image, layer)
    style = None if options.style is None else read_style(options, layer)
    folder = pathlib.Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    bar = None if options.quiet else keras.utils.Progbar(options.steps, unit_name="step").update
    if options.match is not None:
        if style is None:
            raise ValueError(f"Expected --style with --match {options.match}. Received none")
        what, note = options.match, ""
        statistic = {"energy": inversion.energies, "gram": inversion.gram}[options.match]
        made = inversion.stylise(layer, image, style, statistic, steps=options.steps,
                                   progress=bar)  # fmt: skip
    else:
        code = layer(image[None])[0].numpy()
        what, wanted = reallocated(options, layer, code, style)
        made, errors = inversion.invert(
            layer, wanted[None], image.shape[:2], options.steps, seed=options.seed, progress=bar
        )
        made, note = made[0], f"; relative error of its features {errors[0]:.3f}"
    path = folder / f"{what}_{options.layer}.png"
    write_image(path, inversion.smoothed(made, options.smooth) if options.smooth else made)
    if not options.quiet:
        print(f"Wrote {path}{note}")


def load(options):
    """The layer that the options name."""
    return features(options.layer, options.network, options.weights, options.pooling,
                    options.preprocessing)  # fmt: skip


def read(path, size):
    """An image with its long edge scaled to `size`, or at its own: `(height, width, 3)` float32."""
    image = read_image(path)
    if size is not None:
        scale = size / max(image.shape[:2])
        lengths = tuple(max(1, round(n * scale)) for n in image.shape[:2])
        image = to_size(tf.constant(image), lengths).numpy()
    return np.asarray(image, np.float32)


def read_style(options, layer):
    """The style image, in which a filter of the layer must find room: beyond its edge is none of
    its style."""
    given, style = read_image(options.style), read(options.style, options.size)
    for image in (given, style):  # made larger, a small one has no more of its style
        inversion.check_style(layer, image)
    return style


def check_size(image, layer):
    """Raise a `ValueError` for an image of which the layer has no response, or which is none of the
    network's."""
    try:
        positions = layer.network.compute_output_shape((1, *image.shape))[1:-1]
        if min(positions, default=1) > 0:
            return
        given = "no response"
    except ValueError as error:
        given = str(error).splitlines()[0]
    height, width = image.shape[:2]
    raise ValueError(f"Expected an RGB image that {layer.layer} responds to. "
                     f"Received: one of {height}x{width} ({given})")  # fmt: skip


def reallocated(options, layer, code, style):
    """What is asked of a code, in a word, and the code with its energy moved so."""
    if options.filter is not None:
        moved = inversion.one_filter(code, options.filter, options.layer)
        return f"filter_{options.filter}", moved
    if options.random:
        return f"random_{options.seed}", inversion.random_energies(code, seed=options.seed)
    if style is not None:
        return "style", inversion.energies_of(code, layer(style[None])[0].numpy())
    return "plain", code

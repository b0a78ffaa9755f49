"""`genconv sample`: fresh samples, or a hole recovered, from a preset or a SavedModel."""

import pathlib

import numpy as np

from genconv_tf.card import sheet
from genconv_tf.data.decode import read_image, write_image


def run(options):
    if (options.image is None) != (options.mask is None):
        raise ValueError("Expected --image and --mask together. Received: one of them")
    model = load(options.model)
    if options.image is not None:
        media = _recover(model, options)
    else:
        size = {} if options.size is None else {"size": options.size}
        media = model.sample(options.num, seed=options.seed, steps=options.steps, **size)
    folder = pathlib.Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(media):
        write_image(folder / f"sample_{options.seed}_{i}.png", image)
    write_image(folder / f"sheet_{options.seed}.png", sheet(media))
    if not options.quiet:
        print(f"Wrote {len(media)} samples of {media.shape[1]}x{media.shape[2]} to {folder}")


def load(name):
    """A model with `sample` and `recover` from a SavedModel, a preset folder or a preset's name."""
    if (pathlib.Path(name) / "saved_model.pb").is_file():
        from genconv_tf.export import ExportedModel

        return ExportedModel(name)
    from genconv_tf import GenerativeConvNet

    return GenerativeConvNet.from_preset(name)


def _recover(model, options):
    image, mask = read_image(options.image), read_image(options.mask)
    if image.shape != mask.shape:
        raise ValueError(
            f"Expected a mask of the image's size, {image.shape[0]}x{image.shape[1]}. "
            f"Received: {mask.shape[0]}x{mask.shape[1]}"
        )
    hole = (mask.max(-1) > 127).astype(np.float32)
    if not hole.any():
        raise ValueError("Expected a mask with white pixels to sample. Received: none")
    copies = np.repeat(image[None], options.num, 0)
    return model.recover(copies, np.repeat(hole[None], options.num, 0), options.seed, options.steps)

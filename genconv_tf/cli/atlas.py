"""`genconv atlas`: a page with the texture of every filter of a layer."""

import pathlib

import keras
import numpy as np

from genconv_tf import atlas
from genconv_tf.cli.invert import check_size, load, read
from genconv_tf.settings import NUMPY_SEEDS

SIZE = 96  # of a texture, in pixels


def run(options):
    layer = load(options)
    image = read(options.image, options.size) if options.image else noise(options)
    check_size(image, layer)
    folder = pathlib.Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)  # or say that it cannot be before the work is done
    count = layer.network.output_shape[-1]
    bar = None if options.quiet else keras.utils.Progbar(count, unit_name="filter")
    made = atlas.textures(layer, image, steps=options.steps, seed=options.seed,
                          progress=bar and bar.update)  # fmt: skip
    if not made:
        raise ValueError(f"Expected an image that {options.layer} responds to. Received one that "
                         "every filter is dead on")  # fmt: skip
    atlas.write(folder, options.layer, made, count)
    if not options.quiet:
        print(f"\nWrote {folder / 'index.html'}: {len(made)} of {count} filters")


def noise(options):
    """White noise, to which every filter responds everywhere: `(size, size, 3)`."""
    size = options.size or SIZE
    rng = np.random.default_rng(options.seed % NUMPY_SEEDS)
    return np.clip(128 + 40 * rng.standard_normal((size, size, 3)), 0, 255).astype(np.float32)

"""`genconv inspect`: what a model of images is made of, as pictures (GCN sections 4 and 5, FRAME
section 7)."""

import pathlib

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw

from genconv_tf import GenerativeConvNet, files, noise, patterns, pyramid, structure
from genconv_tf.card import sheet
from genconv_tf.data.decode import as_rgb, read_image, write_image
from genconv_tf.data.images import to_size
from genconv_tf.energy import relative_error

STRENGTH = 100.0  # grey levels that the strongest pixel of a basis function is shown with
LEAST = 32  # pixels of its picture's side: small ones are shown larger


def run(options):
    model = GenerativeConvNet.from_preset(options.model)
    if model.rank != 2:
        raise ValueError(f"Expected a model of images. Received: one of {model.rank} axes")
    model = model.twin(precision="float32")
    network, reference = model.finest.network, model.reference
    x = signal(model, options.image, options.seed)
    folder = pathlib.Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    write_image(folder / "image.png", model.preprocessing.decode(x).numpy()[0])
    made = model.preprocessing.decode(model.reconstruct(x)).numpy()
    write_image(folder / "reconstruction.png", made[0])
    for layer in range(len(network.specs)):
        basis = structure.basis_functions(network, x, layer).numpy()
        write_image(
            folder / f"basis_{layer + 1}.png", pictures(basis, model.preprocessing, network.torus)
        )
    layer = patterns.top_filters(network)
    if layer is not None and _fits(network, layer, x):
        write_image(folder / "detections.png", detected(network, x, layer, model.preprocessing))
    mode, residual = structure.find_mode(network, reference, x, options.steps)
    write_image(folder / "mode.png", model.preprocessing.decode(mode).numpy()[0])
    error = relative_error(network, reference, x)
    facts = figures(network, x, float(residual[0]), float(error[0]))
    files.write_json(folder / "structure.json", facts)
    if not options.quiet:
        for name, value in facts.items():
            print(f"{name:22}{value}")
        names = sorted(path.stem for path in folder.glob("*.png") if "basis" not in path.stem)
        print(f"Wrote {folder}: {', '.join(names)}, basis_1 to {len(network.specs)}")


def _fits(network, layer, x):
    """Whether what a filter of the layer sees is no larger than x."""
    return all(n <= size for n, size in zip(network.fields[layer].extent, x.shape[1:-1]))


def detected(network, x, layer, preprocessing):
    """For each filter the image with frames where it finds its pattern, the strongest whitest."""
    image, rows = as_rgb(preprocessing.decode(x)[0]), []
    for found in patterns.detections(network, x, layer):
        shown = Image.fromarray(image)
        draw = ImageDraw.Draw(shown)
        for each in reversed(found):
            top, left = each.begin
            height, width = each.extent
            light = round(255 * each.score / found[0].score)
            draw.rectangle([left, top, left + width - 1, top + height - 1], outline=(light,) * 3)
        rows.append(np.asarray(shown))
    return sheet(np.stack(rows))


def signal(model, path, seed):
    """x of an image file, scaled to the model's size, or of a fresh sample."""
    if path is None:
        seeds = noise.row_seeds(seed, 1)
        return pyramid.generate(model.levels, seeds, model.size, model.channels)
    image = to_size(tf.constant(read_image(path)), model.size)
    return model.preprocessing.encode(image[None])


def figures(network, x, residual, error):
    """What can be told in numbers of the piece that x is in."""
    piece = structure.piece(network, x)
    f = float(network(x)[0])
    return {
        "f": round(f, 3),
        "a + <x, B>": round(float(piece.score(x)[0]), 3),
        "active": [round(float(tf.reduce_mean(tf.cast(p, tf.float32))), 4) for p in piece.pattern],
        "reconstruction error": round(error, 5),
        "mode error": float(f"{residual:.3g}"),
    }


def pictures(basis, preprocessing, torus):
    """A sheet of basis functions `(filters, height, width, channels)`, each cut to what it has and
    scaled to the same strength, on the mean colour."""
    basis = [_unwrapped(one, torus) for one in basis]
    size = max(max(_extent(one)) for one in basis) or 1
    cut = np.stack([_centred(one, size) for one in basis])
    peak = np.abs(cut).max((1, 2, 3), keepdims=True)
    shown = preprocessing.decode(tf.constant(STRENGTH * cut / np.maximum(peak, 1e-12))).numpy()
    times = max(1, -(-LEAST // size))
    return sheet(shown.repeat(times, 1).repeat(times, 2))


def _unwrapped(one, torus):
    """A basis function that goes on at the opposite side, in one piece: its strongest pixel in the
    middle of each such axis."""
    strongest = np.unravel_index(np.abs(one).max(-1).argmax(), one.shape[:2])
    shifts = [n // 2 - at if wraps else 0 for n, at, wraps in zip(one.shape, strongest, torus)]
    return np.roll(one, shifts, (0, 1))


def _extent(one):
    """Height and width of the part of a basis function that is not zero."""
    rows, columns = (np.flatnonzero(one.any(axes)) for axes in ((1, 2), (0, 2)))
    return tuple(int(at[-1] - at[0] + 1) if len(at) else 0 for at in (rows, columns))


def _centred(one, size):
    """The part that is not zero in the middle of a square of `size`."""
    canvas = np.zeros((size, size, one.shape[-1]), np.float32)
    height, width = _extent(one)
    if height:
        rows, columns = (np.flatnonzero(one.any(axes)) for axes in ((1, 2), (0, 2)))
        part = one[rows[0] : rows[0] + height, columns[0] : columns[0] + width]
        top, left = (size - height) // 2, (size - width) // 2
        canvas[top : top + height, left : left + width] = part
    return canvas

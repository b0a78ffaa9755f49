"""Holes in textures and a video, filled by the published models and by interpolation.

    python benchmarks/holes.py --output DIR [--vgg FILE]

A square and a stroke are hidden in the exemplar of each of three textures, a square in all frames
of a generated clip. Each is recovered by one sample of the model given the rest (`model.recover`)
and by two interpolations (`genconv_tf.inpainting`, of a clip frame by frame). Writes `results.md`,
`textures.png` (from the left: the exemplar, what is given, the sample, the interpolations) and
`video.png` (the same from the top, every sixth frame). Figures: the mean absolute error of hidden
pixels, of [0, 1]; where a square is hidden, that square by itself against the exemplar, as `genconv
evaluate` measures it. The models have learned from all of the exemplar, the hidden part too.
"""

import argparse
import pathlib

import numpy as np
from PIL import Image, ImageDraw

from genconv_tf import GenerativeConvNet, evaluation, files, inpainting
from genconv_tf.data.decode import read_image, write_image
from genconv_tf.data.videos import videos

SAVED_MODELS = pathlib.Path(__file__).resolve().parents[1] / "saved_models"
TEXTURES, VIDEO, CLIP = ("scales", "pebbles", "brick"), "video-water", "generated:water"
METHODS = ("telea", "biharmonic")
SIZE, SQUARE = 256, slice(64, 192)
PAINT = np.uint8([255, 0, 255])  # of what is hidden, in pictures


def square():
    mask = np.zeros((SIZE, SIZE), bool)
    mask[SQUARE, SQUARE] = True
    return mask


def stroke():
    image = Image.new("L", (SIZE, SIZE))
    points = [(60, 60), (190, 50), (60, 200), (195, 190)]
    ImageDraw.Draw(image).line(points, fill=255, width=24, joint="curve")
    return np.asarray(image) > 0


def interpolated(method, frames, mask):
    """Each of `frames`, `(count, height, width, channels)`, by a method of `inpainting`."""
    recover = inpainting.METHODS[method]
    made = [recover(np.where(mask[..., None], 0.0, frame), mask) for frame in frames]
    return np.round(made).astype(np.uint8)


def filled(model, media, mask):
    """Media of each method, of `(*size, channels)` uint8; `mask` is of one frame."""
    frames = media.reshape(-1, *media.shape[-3:])
    hidden = np.broadcast_to(mask, media.shape[:-1])[None].astype(np.float32)
    result = {"model": model.recover(media[None], hidden)[0].reshape(frames.shape)}
    return {**result, **{name: interpolated(name, frames, mask) for name in METHODS}}


def shown(frames, mask, results):
    """Pictures of frames: whole, what is given, and each of `results`."""
    return [frames, np.where(mask[..., None], PAINT, frames), *results.values()]


def textures(vgg):
    """Lines of the table, and the picture: a row for each texture and each hole."""
    lines, rows = [], []
    for name in TEXTURES:
        exemplar = read_image(SAVED_MODELS / f"texture-{name}" / "exemplar.png")
        model = GenerativeConvNet.from_preset(f"texture-{name}")
        for hole in (square, stroke):
            mask = hole()
            results = filled(model, exemplar, mask)
            for method, (image,) in results.items():
                cells = [f"{inpainting.recovery_error(exemplar, image, mask):.3f}"]
                if hole is square:
                    figures = evaluation.evaluate(exemplar, [image[SQUARE, SQUARE]], vgg)
                    cells += [f"{f['ratio']:.2f}" for f in figures.values()]
                lines.append(f"| {name} | {hole.__name__} | {method} | {' | '.join(cells)} |")
            rows.append(np.concatenate([r[0] for r in shown(exemplar[None], mask, results)], 1))
    return lines, np.concatenate(rows)


def video():
    """As `textures`, of a clip: a line for each method."""
    model = GenerativeConvNet.from_preset(VIDEO)
    size = model.media_size
    data = videos(CLIP, frames=size[0], size=size[1:])
    clip = data.preprocessing.decode(next(iter(data))).numpy()[0]
    mask = np.zeros(size[1:], bool)
    mask[size[1] // 4 : -size[1] // 4, size[2] // 4 : -size[2] // 4] = True
    results, lines = filled(model, clip, mask), []
    for method, frames in results.items():
        pairs = zip(clip, frames, strict=True)
        error = np.mean([inpainting.recovery_error(a, b, mask) for a, b in pairs])
        # How much the hidden part changes from frame to frame, beside how much it did.
        change, own = (np.abs(np.diff(v.astype(float), axis=0))[:, mask].mean()
                       for v in (frames, clip))  # fmt: skip
        lines.append(f"| {VIDEO} | square | {method} | {error:.3f} | change {change / own:.2f} |")
    rows = [np.concatenate(list(r[::6]), 1) for r in shown(clip, mask, results)]
    return lines, np.concatenate(rows)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--output", required=True, type=pathlib.Path)
    options.add_argument("--vgg", help="VGG-19 filters (.npz)")
    options = options.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    table = []
    for name, (lines, picture) in (("textures", textures(options.vgg)), ("video", video())):
        write_image(options.output / f"{name}.png", picture)
        table += lines
    files.write_text(options.output / "results.md", "\n".join(table) + "\n")
    print("\n".join(table))


if __name__ == "__main__":
    main()

"""`genconv sample`: fresh samples, an image varied, or a hole recovered, from a preset or a
SavedModel."""

import dataclasses
import pathlib

import numpy as np

from genconv_tf.card import sheet
from genconv_tf.data.decode import read_image, write_image
from genconv_tf.data.media import write
from genconv_tf.data.sounds import RATE
from genconv_tf.data.videos import write_video
from genconv_tf.kinds import KINDS
from genconv_tf.metadata import fresh_steps
from genconv_tf.recovery import expected

FRAME_RATE = 8.0  # frames a second of a chain that is watched
BLACK = 32  # grey levels that JPEG may add to black, or take from white


def run(options):
    if options.watch and options.image is not None:
        raise ValueError("Expected --watch of samples from noise. Received: --image")
    for name, needs in (("mask", "image"), ("variation", "image"), ("mean", "mask")):
        if getattr(options, name) is not None and getattr(options, needs) is None:
            raise ValueError(f"Expected --{needs} with --{name}. Received: none")
    if options.mask is not None and options.variation is not None:
        raise ValueError("Expected --mask or --variation. Received: both")
    model = load(options.model)
    rank = properties(model)["rank"]
    if options.watch and rank != 2:
        raise ValueError("Expected a model of an image for --watch. "
                         f"Received: one of a {KINDS[rank]}")  # fmt: skip
    if options.mask is not None:
        media = _recover(model, options)
    elif options.image is not None:
        media = _vary(model, options)
    else:
        size = lengths(model, options)
        media = model.sample(options.num, size, seed=options.seed, steps=options.steps)
    write_samples(media, properties(model)["preprocessing"].get("rate"), options)
    if options.watch:
        _write_chain(model, size, media[:1], options)


def write_samples(media, rate, options):
    """Write samples and a sheet of them into `options.output`."""
    folder = pathlib.Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    for i, one in enumerate(media):
        write(folder / f"sample_{options.seed}_{i}", one, rate)
    write_image(folder / f"sheet_{options.seed}.png", sheet(media))
    if not options.quiet:
        size = "x".join(map(str, media.shape[1:-1]))
        print(f"Wrote {len(media)} samples of {size} to {folder}")


def _write_chain(model, size, end, options):
    """Write the way of the first sample from noise to its `end`, `chain_SEED.gif`."""
    about = properties(model)
    total = sum(options.steps or steps for steps in fresh_steps(about))
    frames = min(options.watch, total + 1)
    until = np.linspace(0, total, frames).round().astype(int).tolist()[:-1]
    how = {"size": size, "seed": options.seed, "steps": options.steps}
    chain = np.concatenate([*(model.sample(1, until=each, **how) for each in until), end])
    write_video(pathlib.Path(options.output) / f"chain_{options.seed}.gif", chain, FRAME_RATE)


def load(name):
    """A model with `sample` and `recover` from a SavedModel, a preset folder or a preset's name."""
    if (pathlib.Path(name) / "saved_model.pb").is_file():
        from genconv_tf.export import ExportedModel

        return ExportedModel(name)
    from genconv_tf import GenerativeConvNet

    return GenerativeConvNet.from_preset(name)


def properties(model):
    """Rank, size, preprocessing and sampler of a model or a SavedModel, as metadata have them."""
    if hasattr(model, "metadata"):
        return model.metadata
    preprocessing, sampler = map(dataclasses.asdict, (model.preprocessing, model.sampler))
    return {"rank": model.rank, "size": model.media_size, "preprocessing": preprocessing,
            "sampler": sampler, "levels": len(model.levels)}  # fmt: skip


def lengths(model, options):
    """The size that --size, --frames and --seconds ask for; `None` for the model's own."""
    about = properties(model)
    rank, size = about["rank"], list(about["size"])
    for name, needs in (("size", (2, 3)), ("frames", (3,)), ("seconds", (1,))):
        if getattr(options, name) is not None and rank not in needs:
            kinds = " or a ".join(KINDS[r] for r in needs)
            raise ValueError(f"Expected a model of a {kinds} for --{name}. "
                             f"Received: one of a {KINDS[rank]}")  # fmt: skip
    if options.size is not None:
        size[-2:] = (options.size,) * 2 if isinstance(options.size, int) else options.size
    if options.frames is not None:
        size[0] = options.frames
    if options.seconds is not None:
        rate = about["preprocessing"].get("rate") or RATE
        size[0] = max(1, round(options.seconds * rate))
    if len(size) != rank:
        raise ValueError(f"Expected --size of {min(rank, 2)} lengths. Received: {options.size}")
    return tuple(size)


def _vary(model, options):
    if not hasattr(model, "vary"):
        raise ValueError("Expected a preset for --image without --mask. Received: a SavedModel")
    for name in ("size", "frames", "seconds"):
        if getattr(options, name) is not None:
            raise ValueError(f"Expected the image's own size. Received: --{name}")
    if model.rank != 2:
        raise ValueError(f"Expected a model of an image for --image. Received: one of a "
                         f"{KINDS[model.rank]}")  # fmt: skip
    copies = np.repeat(read_image(options.image)[None], options.num, 0)
    how = {} if options.variation is None else {"strength": options.variation}
    return model.vary(copies, seed=options.seed, steps=options.steps, **how)


def _recover(model, options):
    image, mask = read_image(options.image), read_image(options.mask)
    if image.shape != mask.shape:
        raise ValueError(
            f"Expected a mask of the image's size, {image.shape[0]}x{image.shape[1]}. "
            f"Received: {mask.shape[0]}x{mask.shape[1]}"
        )
    grey = np.mean((mask > BLACK) & (mask < 255 - BLACK))
    if grey > 0:
        raise ValueError(f"Expected a mask of black and white alone. Received: {options.mask}, "
                         f"{max(grey, 0.001):.1%} of it grey")  # fmt: skip
    hole = (mask.max(-1) > 127).astype(np.float32)
    if not hole.any():
        raise ValueError("Expected a mask with white pixels to sample. Received: none")
    if hole.all():
        raise ValueError("Expected a mask with black pixels, which are kept. Received: none")
    copies, holes = np.repeat(image[None], options.num, 0), np.repeat(hole[None], options.num, 0)
    if options.mean:
        return expected(model, copies, holes, options.mean, options.seed, options.steps)
    return model.recover(copies, holes, options.seed, options.steps)

"""`genconv sample`: fresh samples, media varied, or a hole in them recovered, from a preset or a
SavedModel."""

import dataclasses
import pathlib

import numpy as np

from genconv_tf import catalogue
from genconv_tf.card import sheet
from genconv_tf.cli import given
from genconv_tf.data.decode import write_image
from genconv_tf.data.media import check_installed, write
from genconv_tf.data.videos import write_video
from genconv_tf.kinds import KINDS
from genconv_tf.metadata import fresh_steps
from genconv_tf.recovery import expected

FRAME_RATE = 8.0  # frames a second of a chain that is watched


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
    check_installed(rank)
    if options.watch and rank != 2:
        raise ValueError("Expected a model of an image for --watch. "
                         f"Received: one of a {KINDS[rank]}")  # fmt: skip
    if options.mask is not None:
        media = _recover(model, options)
    elif options.image is not None:
        media = _vary(model, options)
    else:
        size = given.size(properties(model), options)
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
    if catalogue.is_saved_model(name):
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


def _vary(model, options):
    if not hasattr(model, "vary"):
        raise ValueError("Expected a preset for --image without --mask. Received: a SavedModel")
    known, _ = given.media(properties(model), options)
    how = {} if options.variation is None else {"strength": options.variation}
    return model.vary(_copies(known, options), seed=options.seed, steps=options.steps, **how)


def _recover(model, options):
    known, hole = (_copies(each, options) for each in given.media(properties(model), options))
    if options.mean:
        return expected(model, known, hole, options.mean, options.seed, options.steps)
    return model.recover(known, hole, options.seed, options.steps)


def _copies(one, options):
    return np.repeat(one[None], options.num, 0)

"""`genconv sample`: fresh samples, media varied, or a hole in them recovered, from a preset or a
SavedModel."""

import dataclasses
import functools
import pathlib

import keras
import numpy as np

from genconv_tf import catalogue, checks
from genconv_tf.card import sheet
from genconv_tf.cli import given
from genconv_tf.data.decode import write_image
from genconv_tf.data.media import check_installed, write
from genconv_tf.data.video_files import write_video
from genconv_tf.files import check_unused
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
    checks.check_counts(options.num, options.steps)
    draw, size = _drawer(model, options)
    rate = properties(model)["preprocessing"].get("rate")
    media = write_samples(one_by_one(draw, options), rate, options, options.format)
    if options.watch:
        _write_chain(model, size, media[:1], options)


def one_by_one(draw, options):
    """Samples as they are made, with a progress bar."""
    shown = options.num > 1 and not options.quiet
    bar = keras.utils.Progbar(options.num, unit_name="sample") if shown else None
    for i in range(options.num):
        yield draw(first=i)[0]
        if bar:
            bar.update(i + 1)


def write_samples(media, rate, options, form=None):
    """Write samples, each as it comes, and a sheet of them into `options.output`.

    Args:
        media: iterable of media.
        rate, form: as of `media.write`.

    Returns:
        All of them, `(num, *size, channels)`.
    """
    folder, made = pathlib.Path(options.output), []
    stems = [folder / f"sample_{options.seed}_{i}" for i in range(options.num)]
    if form == "frames":
        for stem in stems:
            check_unused(stem)
    for stem, one in zip(stems, media, strict=True):
        folder.mkdir(parents=True, exist_ok=True)  # once there is something to write
        write(stem, one, rate, form)
        made.append(one)
    made = np.stack(made)
    write_image(folder / f"sheet_{options.seed}.png", sheet(made))
    if not options.quiet:
        size = "x".join(map(str, made.shape[1:-1]))
        print(f"Wrote {len(made)} samples of {size} to {folder}")
    return made


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


def _drawer(model, options):
    """`(first) ->` one sample, `(1, *size, channels)`, as the options ask for; and its size."""
    about, how = properties(model), {"seed": options.seed, "steps": options.steps}
    if options.image is None:
        size = given.size(about, options)
        return functools.partial(model.sample, 1, size, **how), size
    if options.mask is None and not hasattr(model, "vary"):
        raise ValueError("Expected a preset for --image without --mask. Received: a SavedModel")
    known, hole = given.media(about, options)
    known, size = known[None], known.shape[:-1]
    if options.mask is None:
        strength = {} if options.variation is None else {"strength": options.variation}
        return functools.partial(model.vary, known, **strength, **how), size
    if options.mean:
        return functools.partial(expected, model, known, hole[None], options.mean, **how), size
    return functools.partial(model.recover, known, hole[None], **how), size

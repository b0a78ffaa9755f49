"""`genconv diagnose`: whether a model's chains sample its density or only look good."""

import math
import pathlib

import numpy as np
from PIL import Image, ImageDraw

from genconv_tf import GenerativeConvNet, files
from genconv_tf.data.decode import write_image
from genconv_tf.diagnostics import DRAWS, diagnose

AGREE = "The chains agree: nothing here says that they sample different densities."
DISAGREE = (
    "The chains do not agree: a sample depends on where its chain starts and how long it runs."
)
TOO_FEW = (
    "Too few effective draws to tell: {least} or more would. "
    "Take about {times} times as many steps (--draws or --thin)."
)
WIDTH, HEIGHT = 640, 240
COLOURS = ((214, 82, 42), (44, 98, 170))  # of chains from fresh samples and from the reference


def run(options):
    if options.output:
        folder = pathlib.Path(options.output)
        folder.mkdir(parents=True, exist_ok=True)  # or say why not before the chains run
    model = GenerativeConvNet.from_preset(options.model)
    result = diagnose(
        model,
        options.chains,
        options.draws,
        options.thin,
        options.size,
        options.step_size,
        not options.unadjusted,
        seed=options.seed,
    )
    figures = {
        "R-hat": result.r_hat,
        "effective draws": result.effective,
        "of draws": result.energies.size,
        "steps taken": result.acceptance,
        "drift": result.drift,
        "mean energy": float(result.energies.mean()),
        "its error": result.error,
        "autocorrelation at 1": float(result.autocorrelation[1]),
    }
    for name, value in figures.items():
        print(f"{name:22}{value:.4g}")
    print(verdict(result))
    if options.output:
        files.write_json(
            folder / "diagnosis.json",
            {**figures, "autocorrelation": result.autocorrelation.tolist(),
             "energies": result.energies.tolist()},
        )  # fmt: skip
        write_image(folder / "energies.png", picture(result.energies))


def verdict(result):
    """What a `Diagnosis` says, in a line."""
    if result.differ:
        return DISAGREE
    if result.enough:
        return AGREE
    least = DRAWS * len(result.energies)
    # An estimate of few draws is no more than a hint of how many are wanted.
    return TOO_FEW.format(least=least, times=math.ceil(least / max(result.effective, 1.0)))


def picture(energies):
    """Energy traces: chains from fresh samples in red, from the reference in blue."""
    canvas = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(canvas)
    low, high = energies.min(), energies.max()
    across = np.linspace(0, WIDTH - 1, energies.shape[1])
    for i, trace in enumerate(energies):
        up = (HEIGHT - 5) - (HEIGHT - 10) * (trace - low) / max(high - low, 1e-12)
        colour = COLOURS[i >= len(energies) // 2]
        draw.line([tuple(point) for point in zip(across, up)], fill=colour)
    return np.asarray(canvas)

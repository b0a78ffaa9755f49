"""`genconv pursue`: a sparse FRAME model of selected filters, and what each of them gained."""

import pathlib

import keras
import numpy as np
from PIL import Image, ImageDraw

from genconv_tf import GenerativeConvNet, files, presets, recipes
from genconv_tf.card import sheet
from genconv_tf.cli import train
from genconv_tf.cli.experiment import default_input
from genconv_tf.data.decode import write_image
from genconv_tf.pursuit import pursue

# A step for each filter of a texture, but no more than so many for a model of many units.
STEPS = 20
SHOWN = 4  # samples of a sheet
WIDTH, HEIGHT, EDGE = 640, 400, 56  # of the curve, in pixels
COLOURS = ((44, 98, 170), (214, 82, 42), (60, 150, 80), (130, 90, 160))  # of the levels


def run(options):
    changes = recipes.parse_settings(options.set)
    if options.seed is not None:
        changes["model.seed"] = options.seed
    content = recipes.load(options.recipe, changes)
    options.input = options.input or [default_input(content["recipe"])]
    folder = pathlib.Path(options.output)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"Expected a new or empty folder. Received: {folder}")
    if options.shift and options.method != "matching":
        raise ValueError(f"Expected --shift with --method matching. Received: {options.method}")
    data = train.load(content, options)
    model = GenerativeConvNet(**recipes.model_config(options.recipe, data, changes))
    batch = options.batch or -(-options.filters // STEPS)
    result = pursue(model, data, options.method, options.filters,
                    options.updates or model.learning.updates, batch, shift=options.shift,
                    progress=None if options.quiet else progress())  # fmt: skip
    write(folder, model, data, result, train.facts(options))
    if not options.quiet:
        gain, count = result.curve[-1]["gain"][-1], options.filters
        print(f"\nWrote {folder}: {count} filters, {gain:.4g} nats a pixel above white noise")


def progress():
    """What shows the updates done, the time left and the gain."""
    bar = None

    def show(done, total, gain):
        nonlocal bar
        bar = bar or keras.utils.Progbar(total, stateful_metrics=["gain"], unit_name="update")
        bar.update(min(done, total), [("gain", gain)])

    return show


def write(folder, model, data, result, facts):
    """The preset, its samples, the curve as figures and as a picture, and the filters."""
    folder.mkdir(parents=True, exist_ok=True)
    exemplar = model.preprocessing.decode(next(iter(data))[0]).numpy()
    samples = model.sample(SHOWN, seed=1)
    presets.save(model, folder / "preset", exemplar=exemplar, samples=samples, **facts)
    write_image(folder / "samples.png", sheet(samples))
    filters = {"selected": result.selected, "dropped": result.dropped}
    if result.explained is not None:
        filters["explained"] = result.explained
    files.write_json(folder / "filters.json", filters)
    files.write_json(folder / "curve.json", result.curve)
    write_image(folder / "curve.png", picture(result.curve))


def picture(curve):
    """The gain in log-likelihood per pixel against the number of filters, a line a level, with
    bars of two standard errors: `(height, width, 3)` uint8."""
    canvas = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(canvas)
    filters, gain = (np.array([row[key] for row in curve], float) for key in ("filters", "gain"))
    error = 2 * np.array([[e or 0 for e in row["error"]] for row in curve])
    xs, ys = ticks(0, filters.max()), ticks(min(0, (gain - error).min()), (gain + error).max())
    across, up = scale(xs, EDGE, WIDTH - EDGE // 2), scale(ys, HEIGHT - EDGE, EDGE // 2)
    for x in xs:
        draw.line([(across(x), up(ys[0])), (across(x), up(ys[-1]))], fill=(230,) * 3)
        draw.text((across(x), HEIGHT - EDGE + 8), f"{x:g}", "black", anchor="mt")
    for y in ys:
        draw.line([(across(xs[0]), up(y)), (across(xs[-1]), up(y))], fill=(230,) * 3)
        draw.text((EDGE - 8, up(y)), f"{y:.4g}", "black", anchor="rm")
    draw.text((WIDTH // 2, HEIGHT - 10), "filters", "black", anchor="mb")
    draw.text((8, 6), "gain in log-likelihood, nats a pixel", "black")
    for i in range(filters.shape[1]):
        colour = COLOURS[i % len(COLOURS)]
        points = [(across(x), up(y)) for x, y in zip(filters[:, i], gain[:, i])]
        draw.line(points, fill=colour, width=2)
        for (x, _), y, e in zip(points, gain[:, i], error[:, i]):
            draw.line([(x, up(y - e)), (x, up(y + e))], fill=colour)
            draw.ellipse((x - 2, up(y) - 2, x + 2, up(y) + 2), fill=colour)
    return np.asarray(canvas)


def ticks(low, high):
    """Round numbers from at most `low` to at least `high`, about five of them."""
    span = max(high - low, 1e-9)
    unit = 10.0 ** np.floor(np.log10(span / 4))
    step = unit * min((m for m in (1, 2, 5, 10) if span <= 5 * m * unit), default=10)
    return step * np.arange(np.floor(low / step), np.ceil(high / step) + 1)


def scale(marks, first, last):
    """The pixel of a value on an axis from `marks[0]` at `first` to `marks[-1]` at `last`."""
    return lambda value: first + (last - first) * (value - marks[0]) / (marks[-1] - marks[0])

"""`genconv experiment`: one of the papers' experiments, from its data to pictures and figures."""

import argparse
import pathlib
import shlex
import sys

import tensorflow as tf

from genconv_tf import GenerativeConvNet, evaluation_of_objects, files, recipes, sizes, statistics
from genconv_tf.card import sheet
from genconv_tf.cli import held_out, matched, train
from genconv_tf.cli.evaluate import measure
from genconv_tf.data.decode import write_image
from genconv_tf.data.media import write
from genconv_tf.energy import relative_error
from genconv_tf.export import ExportedModel
from genconv_tf.resources import resource
from genconv_tf.training import RUN, last_chains

SHOWN = 8  # images of a sheet
MOST = 128  # images that samples are compared with


def run(options):
    changes = recipes.parse_settings(options.set)
    content = recipes.load(options.recipe, changes)
    options.input = options.input or [default_input(content["recipe"])]
    folder = pathlib.Path(options.output)
    learned, exported = folder / "run", folder / "saved_model" / "1"
    data = train.load(content, options)
    held_out.check(options, data.element_spec.shape[1:-1])
    # A learning that is done already takes no update more; one of other settings is refused.
    resume = (learned / RUN).is_file()
    train.run(argparse.Namespace(**{**vars(options), "output": learned, "resume": resume}), data)
    model = GenerativeConvNet.from_preset(learned)
    if not exported.is_dir():
        model.export(exported)
    x = observations(data)
    observed = model.preprocessing.decode(x).numpy()
    if not options.quiet:
        print(f"Sampling {options.num} from {exported}", flush=True)
    made = {
        "chains": last_chains(learned, x.shape[1:-1]),
        "fresh": ExportedModel(exported).sample(options.num, seed=1),
    }
    if model.learning.start == "data":
        made["reconstructions"] = model.preprocessing.decode(model.reconstruct(x[:SHOWN])).numpy()
    show(folder, model, observed, made)
    results = {name: figures(model, observed, media, options.vgg)
               for name, media in made.items() if name != "reconstructions"}  # fmt: skip
    if "reconstructions" in made:
        error = tf.reduce_mean(relative_error(model.score, model.reference, x))
        results["reconstructions"] = {"error": {"value": float(error)}}
    files.write_json(folder / "results.json", results)
    tables = []
    if model.finest.network.bank is not None and statistics.linear(model.finest.network):
        tables += matched.table(folder, model, x, options.num, 1)
    if options.others:
        x = held_out.load(model, train.source(options))
        tables += held_out.scores(folder, model, x, options.others, options.held_out)
    if options.held_out:
        tables += held_out.recoveries(folder, model, options.held_out, options.hide, 1)
    several = judged(model, observed) == 1 and len(observed) > 1
    files.write_text(folder / "README.md", report(content["recipe"], results, tables, several))
    if not options.quiet:
        print(f"Wrote {folder / 'README.md'}, with pictures beside it")


def show(folder, model, observed, made):
    """Write what was learned from and all that was made, each alone and on a sheet."""
    rate = model.preprocessing.rate
    if model.rank == 2 and len(observed) > 1:
        write_image(folder / "exemplar.png", sheet(observed[:SHOWN]))
    else:
        write(folder / "exemplar", observed[0], rate)
    for name, media in made.items():
        for i, one in enumerate(media):
            write(folder / f"{name}_{i}", one, rate)
        write_image(folder / f"{name}.png", sheet(media[:SHOWN]))


def figures(model, observed, media, vgg):
    """What media score against the observed ones, or a line that says why they cannot be judged."""
    try:
        if judged(model, observed) > 1:
            return evaluation_of_objects.evaluate(observed, media, vgg)
        return measure(observed[0], list(media), vgg, model.preprocessing.rate)
    except ValueError as error:  # too small or too short for the measures
        return str(error)


def judged(model, observed):
    """How many of the observed media samples are compared with: all images if they are aligned, the
    first of those that are not."""
    # Positions mean the same in all images where a layer covers them whole or chains start at them.
    aligned = all(sizes.covered(model.levels)) or model.learning.start == "data"
    return len(observed) if model.rank == 2 and aligned else 1


def observations(data):
    """What was learned from, `(count, *size, channels)`: of many images the first, of sounds and
    videos those of a batch."""
    shape = data.element_spec.shape
    batches = data.take(max(1, MOST // shape[0]) if shape.rank == 4 else 1)
    return tf.concat(list(batches), 0)


def default_input(about):
    """What a recipe learns from where its user names nothing: generated, or the exemplar of a
    published model."""
    if "input" not in about:
        raise ValueError(f"Expected an INPUT for {about.get('name', 'this recipe')}. Received none")
    path = about["input"]
    return path if ":" in path else str(resource("saved_models") / path)


def report(about, results, tables=(), several=False):
    """Markdown: what was done, the figures, the pictures, tables of held-out images. `several`:
    whether the exemplar of the figures is the first of several images."""
    lines = [f"# {about.get('name', 'experiment')}", "", about.get("summary", ""), ""]
    if "paper" in about:
        lines += [f"{about['paper']}.", ""]
    lines += ["    genconv " + shlex.join(sys.argv[1:]), ""]
    measured = {name: result for name, result in results.items() if isinstance(result, dict)}
    if measured:
        names = list(dict.fromkeys(name for result in measured.values() for name in result))
        lines += ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        for row, result in measured.items():
            cells = [result[n].get("ratio", result[n]["value"]) if n in result else None
                     for n in names]  # fmt: skip
            text = ["" if cell is None else f"{cell:.2f}" for cell in cells]
            lines.append(f"| {row} | " + " | ".join(text) + " |")
        first = " The exemplar is the first of several images." if several else ""
        lines += ["", f"Ratios to the exemplar's own parts, where it has them.{first}", ""]
    lines += [f"{name}: not measured. {why}\n" for name, why in results.items()
              if name not in measured]  # fmt: skip
    lines += ["The exemplar, chains of the last update, fresh samples of the SavedModel"
              f"{', reconstructions' if 'reconstructions' in results else ''}:", ""]  # fmt: skip
    lines += [f"![{name}]({name}.png)\n" for name in ("exemplar", *results)]
    return "\n".join([*lines, *tables])

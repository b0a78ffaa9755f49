"""`genconv experiment`: one of the papers' experiments, from its data to pictures and figures."""

import argparse
import pathlib
import shlex
import sys

import numpy as np
import tensorflow as tf

from genconv_tf import GenerativeConvNet, evaluation_of_objects, files, recipes
from genconv_tf.card import sheet
from genconv_tf.cli import train
from genconv_tf.cli.evaluate import measure
from genconv_tf.data.decode import write_image
from genconv_tf.data.media import write
from genconv_tf.export import ExportedModel
from genconv_tf.resources import resource
from genconv_tf.training import RUN, last_chains

SHOWN = 8  # images of a sheet


def run(options):
    changes = dict(recipes.parse_setting(text) for text in options.set)
    content = recipes.load(options.recipe, changes)
    options.input = options.input or [default_input(content["recipe"])]
    folder = pathlib.Path(options.output)
    learned, exported = folder / "run", folder / "saved_model" / "1"
    # A learning that is done already takes no update more; one of other settings is refused.
    resume = (learned / RUN).is_file()
    train.run(argparse.Namespace(**{**vars(options), "output": learned, "resume": resume}))
    model = GenerativeConvNet.from_preset(learned)
    if not exported.is_dir():
        model.export(exported)
    dataset = train.load(content, options)
    x = next(iter(dataset))
    observed = model.preprocessing.decode(x).numpy()
    made = {
        "chains": list(last_chains(learned)),
        "fresh": list(ExportedModel(exported).sample(options.num, seed=1)),
    }
    rate = model.preprocessing.rate
    several = model.rank == 2 and len(observed) > 1  # images of an object
    if several:
        write_image(folder / "exemplar.png", sheet(observed[:SHOWN]))
    else:
        write(folder / "exemplar", observed[0], rate)
    if model.learning.start == "data":
        made["reconstructions"] = list(model.preprocessing.decode(model.reconstruct(x[:SHOWN])))
    results = {}
    for name, media in made.items():
        for i, one in enumerate(media):
            write(folder / f"{name}_{i}", np.asarray(one), rate)
        write_image(folder / f"{name}.png", sheet(media[:SHOWN]))
        try:
            if several:
                results[name] = evaluation_of_objects.evaluate(observed, media, options.vgg)
            else:
                results[name] = measure(observed[0], media, options.vgg, rate)
        except ValueError as error:  # too small or too short for the measures
            results[name] = str(error)
    if "reconstructions" in made:
        results["reconstructions"] = {"error": {"value": relative_error(model, x)}}
    files.write_json(folder / "results.json", results)
    files.write_text(folder / "README.md", report(content["recipe"], results))
    if not options.quiet:
        print(f"Wrote {folder / 'README.md'}, with pictures beside it")


def default_input(about):
    """What a recipe learns from where its user names nothing: generated, or the exemplar of a
    published model."""
    if "input" not in about:
        raise ValueError(f"Expected an INPUT for {about.get('name', 'this recipe')}. Received none")
    path = about["input"]
    return path if ":" in path else str(resource("saved_models") / path)


def relative_error(model, x):
    """‖x - s²∂f/∂x‖ / ‖x‖ of all the data: what the auto-encoder of Proposition 3 loses."""
    return float(tf.norm(x - model.reconstruct(x)) / tf.norm(x))


def report(about, results):
    """Markdown: what was done, the figures, the pictures."""
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
        lines += ["", "Ratios to the exemplar's own parts, where it has them.", ""]
    lines += [f"{name}: not measured. {why}\n" for name, why in results.items()
              if name not in measured]  # fmt: skip
    lines += ["The exemplar, chains of the last update, fresh samples of the SavedModel"
              f"{', reconstructions' if 'reconstructions' in results else ''}:", ""]  # fmt: skip
    lines += [f"![{name}]({name}.png)\n" for name in ("exemplar", *results)]
    return "\n".join(lines)

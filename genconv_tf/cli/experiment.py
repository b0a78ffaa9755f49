"""`genconv experiment`: one of the papers' experiments, from its data to pictures and figures."""

import argparse
import pathlib
import shlex
import sys

from genconv_tf import GenerativeConvNet, files, recipes
from genconv_tf.cli import train
from genconv_tf.cli.evaluate import measure
from genconv_tf.data.media import write
from genconv_tf.export import ExportedModel
from genconv_tf.resources import resource
from genconv_tf.training import RUN, last_chains


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
    exemplar = model.preprocessing.decode(next(iter(dataset))[0]).numpy()
    made = {
        "chains": list(last_chains(learned)),
        "fresh": list(ExportedModel(exported).sample(options.num, seed=1)),
    }
    rate = model.preprocessing.rate
    write(folder / "exemplar", exemplar, rate)
    results = {}
    for name, media in made.items():
        for i, one in enumerate(media):
            write(folder / f"{name}_{i}", one, rate)
        try:
            results[name] = measure(exemplar, media, options.vgg, rate)
        except ValueError as error:  # too small or too short for the measures
            results[name] = str(error)
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


def report(about, results):
    """Markdown: what was done, the figures, the pictures."""
    lines = [f"# {about.get('name', 'experiment')}", "", about.get("summary", ""), ""]
    if "paper" in about:
        lines += [f"{about['paper']}.", ""]
    lines += ["    genconv " + shlex.join(sys.argv[1:]), ""]
    measured = {name: result for name, result in results.items() if isinstance(result, dict)}
    if measured:
        names = list(next(iter(measured.values())))
        lines += ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        for row, result in measured.items():
            cells = [result[n].get("ratio", result[n]["value"]) if n in result else None
                     for n in names]  # fmt: skip
            text = ["" if cell is None else f"{cell:.2f}" for cell in cells]
            lines.append(f"| {row} | " + " | ".join(text) + " |")
        lines += ["", "Ratios to the exemplar's own parts, where it has them.", ""]
    lines += [f"{name}: not measured. {why}\n" for name, why in results.items()
              if name not in measured]  # fmt: skip
    lines += ["The exemplar, a chain of the last update, a fresh sample of the SavedModel:", ""]
    lines += [f"![{name}]({name}.png)\n" for name in ("exemplar", "chains_0", "fresh_0")]
    return "\n".join(lines)

"""`genconv julesz`: samples that match the statistics of files, by a model that learns nothing."""

import argparse
import pathlib

import keras

from genconv_tf import GenerativeConvNet, files, julesz, recipes
from genconv_tf.cli.sample import write_samples
from genconv_tf.cli.train import load


def run(options):
    changes = recipes.parse_settings(options.set)
    given = {**vars(options), "size": None, "split": None, "feature": None}
    data = load(recipes.load(options.recipe, changes), argparse.Namespace(**given))
    model = GenerativeConvNet(**recipes.model_config(options.recipe, data, changes))
    made = julesz.sample(
        model,
        data,
        options.num,
        options.size,
        options.seed,
        options.steps or julesz.STEPS,
        0.0 if options.zero else julesz.ANNEALED,
        None if options.quiet else _bar(),
    )
    write_samples(made.media, model.preprocessing.rate, options)
    files.write_json(pathlib.Path(options.output) / "statistics.json", made.errors)
    if not options.quiet:
        worst = max(one["relative_error"] for one in made.errors[-1])
        print(f"Relative error of their statistics: at most {worst:.2g}")


def _bar():
    """A progress bar, which learns how many steps there are as they begin."""
    bar = keras.utils.Progbar(None, unit_name="step")

    def show(done, total):
        bar.target = total
        bar.update(done)

    return show

"""A training from a recipe to a preset: growth stages, checkpoints, sheets, resume."""

import json
import pathlib

from genconv_tf import callbacks, files, presets, recipes
from genconv_tf.model import GenerativeConvNet

RUN = "run.json"


class Diverged(ValueError):
    """A training that was stopped by the guard; its last good state is saved."""


def train(recipe, data, output, updates=None, seed=None, changes=None, resume=False, quiet=False,
          sheets=100, facts=None, exemplar=None):  # fmt: skip
    """Learn a model from a recipe and write `output/preset`.

    Args:
        recipe: name or TOML file.
        data: dataset that `gct.data` made.
        output: folder: `preset/`, `samples/` (sheets) and `training/` (checkpoints, log).
        updates: of every growth stage, instead of the recipe's.
        seed: instead of the recipe's.
        changes: `{"section.key": value}`.
        resume: go on where an interrupted run of the same settings stopped.
        quiet: no progress bar.
        sheets: updates between two sheets of samples.
        facts, exemplar: for the model card.

    Returns:
        The learned model.
    """
    output, changes = pathlib.Path(output), dict(changes or {})
    if updates is not None:
        changes["learning.updates"] = updates
    if seed is not None:
        changes["model.seed"] = seed
    config = recipes.model_config(recipe, data, changes)
    _claim(output, json.loads(json.dumps(config)), resume)
    model = None
    for stage, layers in enumerate(stages(config)):
        model = _stage(output, stage, {**config, "layers": layers}, model, data, quiet, sheets)
    samples = model.sample(4, seed=1)
    presets.save(
        model, output / "preset", replace=True, exemplar=exemplar, samples=samples, **facts or {}
    )
    return model


def stages(config):
    """The layers of each growth stage (Algorithm 1): one more at each, or all at once."""
    layers = config["layers"]
    if not config["learning"].get("grow"):
        return [layers]
    return [layers[: i + 1] for i in range(len(layers))]


def inherit(model, below):
    """Copy the weights of the lower layers from the model of the stage below."""
    for network, lower in zip(model.networks, below.networks, strict=True):
        for pair in zip(network.kernels + network.biases, _padded(lower, len(network.specs))):
            target, source = pair
            if source is not None:
                target.assign(source)


def _stage(output, stage, config, below, data, quiet, sheets):
    model = GenerativeConvNet(**config)
    if below is not None:
        inherit(model, below)
    model.compile(model.learning.make_optimizer(stage))
    model.build_chains(tuple(data.element_spec.shape[1:-1]))
    model.optimizer.build(model.trainable_variables)
    folder = output / "training" / f"stage_{stage + 1}"
    checkpoint, guard = callbacks.Checkpoint(folder), callbacks.DivergenceGuard()
    done = checkpoint.restore(model)
    left = model.learning.updates - done
    if left <= 0:
        return model
    sheet = callbacks.SampleSheet(output / "samples" / f"stage_{stage + 1}", every=sheets)
    log = _log(output / "training" / f"stage_{stage + 1}.csv", done)
    batches = data.repeat().skip(done)
    model.fit(
        batches,
        steps_per_epoch=left,
        callbacks=[guard, checkpoint, sheet, log],
        verbose=0 if quiet else 1,
    )
    checkpoint.save()
    if guard.message:
        raise Diverged(f"{guard.message}, kept in {folder}")
    model.optimizer.finalize_variable_values(model.trainable_variables)
    return model


def _claim(output, config, resume):
    """Make `output` this run's folder; refuse one that holds something else."""
    run = output / RUN
    if resume:
        if not run.is_file():
            raise ValueError(f"Expected an interrupted training. Received: {output} (no {RUN})")
        if json.loads(run.read_text()) != config:
            raise ValueError(f"Expected the settings that the run began with, in {run}. "
                             "Received: others")  # fmt: skip
        return
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f"Expected a new or empty output folder (or --resume). Received: {output}")
    output.mkdir(parents=True, exist_ok=True)
    files.write_json(run, config)


def _log(path, done):
    """A CSV file of every update's logs, cut back to the updates that the checkpoint has."""
    import csv

    import keras

    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text().splitlines()[: done + 1] if done and path.is_file() else []
    files.write_text(path, "\n".join(lines) + "\n" * bool(lines))
    file = open(path, "a", newline="")  # noqa: SIM115 - closed by the callback
    writer = csv.writer(file)

    def write(batch, logs):
        if batch == 0 and not lines:
            writer.writerow(["update", *logs])
        writer.writerow([done + batch + 1, *(f"{value:.6g}" for value in logs.values())])
        file.flush()

    return keras.callbacks.LambdaCallback(
        on_train_batch_end=write, on_train_end=lambda logs: file.close()
    )


def _padded(network, depth):
    """Kernels then biases of `network`, each list padded with `None` to `depth`."""
    missing = [None] * (depth - len(network.specs))
    return [*network.kernels, *missing, *network.biases, *missing]

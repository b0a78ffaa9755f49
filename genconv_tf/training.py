"""A training from a recipe to a preset: growth stages, checkpoints, sheets, resume."""

import csv
import json
import pathlib

import keras
import numpy as np

from genconv_tf import callbacks, checks, files, presets, recipes, sizes
from genconv_tf.data import media
from genconv_tf.model import GenerativeConvNet

RUN, MARKS = "run.json", "data"
MARKED = 32  # values of the data that tell whether a run goes on with the same


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
        sheets: updates between two sheets of fresh samples, or of the chains if they persist.
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
    media.check_installed(config.get("rank", 2))  # what was learned will be written
    marks = _marks(data)
    _check_output(output, config, marks, resume)
    _check_data(config, data)
    with files.alone(output):
        _check_output(output, config, marks, resume)  # another may have begun since
        files.write_json(output / RUN, {**config, MARKS: marks})
        model = None
        for stage, layers in enumerate(stages(config)):
            model = _stage(output, stage, {**config, "layers": layers}, model, data, quiet, sheets)
        # One where a fresh sample takes many times the steps of an update.
        num = 1 if model.sampler.fresh_steps else 4
        if not quiet:
            print(f"Sampling {num} for {output / 'preset'}", flush=True)
        samples = model.sample(num, seed=1)
        presets.save(model, output / "preset", replace=True, exemplar=exemplar, samples=samples,
                     **facts or {})  # fmt: skip
    return model


def last_chains(output, data_size):
    """The chains of the finest level as they were at the last checkpoint of a training, as media.

    Args:
        output: folder that `train` wrote.
        data_size: lengths of the data that it learned from.
    """
    output = pathlib.Path(output)
    config = json.loads((output / RUN).read_text())
    config.pop(MARKS, None)
    stage = len(sorted((output / "training").glob("stage_*.csv"))) - 1
    model = GenerativeConvNet(**{**config, "layers": stages(config)[stage]})
    model.compile(model.learning.make_optimizer(stage))
    model.build_chains(tuple(data_size))
    model.optimizer.build(model.trainable_variables)
    callbacks.Checkpoint(_folder(output, stage)).restore(model)
    return model.preprocessing.decode_parts(model.chains.states[-1]).numpy()


def stages(config):
    """The layers of each growth stage (Algorithm 1): one more at each, or all at once.

    A top layer that covers the signal whole stays the top of every stage, and the layers grow
    under it (GCN section 7.2).
    """
    layers = config["layers"]
    if not config["learning"].get("grow"):
        return [layers]
    if isinstance(layers[0], (tuple, list)):
        each = [_grown(own) for own in layers]
        deepest = max(len(own) for own in each)
        return [[own[min(i, len(own) - 1)] for own in each] for i in range(deepest)]
    return _grown(layers)


def _grown(layers):
    """The layers of each growth stage of one level."""
    if len(layers) > 1 and _is_whole(layers[-1]):
        return [[*layers[: i + 1], layers[-1]] for i in range(len(layers) - 1)]
    return [layers[: i + 1] for i in range(len(layers))]


def _is_whole(layer):
    kernel = layer.get("kernel")
    return kernel == "full" or (isinstance(kernel, (tuple, list)) and set(kernel) == {"full"})


def inherit(model, below):
    """Copy the weights of the lower layers from the model of the stage below.

    A top layer is made anew where another has come to be under it: what it covered is not there.
    """
    for network, lower in zip(model.networks, below.networks, strict=True):
        depth = len(lower.specs)
        if depth < len(network.specs) and lower.specs[-1] != network.specs[depth - 1]:
            depth -= 1
        pairs = zip(network.learned(), lower.learned())
        for (i, _, kernel, bias), (_, _, kernel_below, bias_below) in pairs:
            if i < depth:
                kernel.assign(kernel_below)
                bias.assign(bias_below)


def _check_data(config, data):
    """Raise before anything is written if some stage cannot learn from the data."""
    size = tuple(data.element_spec.shape[1:-1])
    for layers in stages(config):
        model = GenerativeConvNet(**{**config, "layers": layers})
        sizes.check_data(model.levels, model.channels, data.element_spec.shape, model.size)
        model.build_chains(size)
        model.learning.make_optimizer()
        checks.check_learning(model, data.element_spec.shape)


def _stage(output, stage, config, below, data, quiet, sheets):
    model = GenerativeConvNet(**config)
    if below is not None:
        inherit(model, below)
    model.compile(model.learning.make_optimizer(stage))
    model.build_chains(tuple(data.element_spec.shape[1:-1]))
    model.optimizer.build(model.trainable_variables)
    folder = _folder(output, stage)
    checkpoint, failed = callbacks.Checkpoint(folder), None
    done, updates = checkpoint.restore(model), model.learning.updates
    # Fresh samples of a model of persistent chains take many times the steps of an update.
    fresh = model.learning.rejuvenation > 0
    sheet = callbacks.SampleSheet(output / "samples" / f"stage_{stage + 1}", sheets, fresh=fresh)
    while done < updates:
        guard = callbacks.DivergenceGuard(verbose=0)
        log = _log(folder.with_suffix(".csv"), done)
        model.fit(
            data.repeat().skip(done),
            steps_per_epoch=updates - done,
            # A checkpoint comes last: what a killed run repeats is written again, not left out.
            callbacks=[guard, log, sheet, checkpoint],
            verbose=0 if quiet else 1,
            calibration_data=data,  # whose first batch is the same wherever a run goes on
        )
        if guard.message:
            guard.go_back()
        checkpoint.save()
        # A gradient that is not a number has been seen once in many thousand updates, and not when
        # the same update was done again: such a thing does not come again, a divergence does.
        again = failed is not None and guard.message and guard.update <= failed + guard.every
        if again:
            raise Diverged(f"{guard.message}, kept in {folder}")
        done, failed = callbacks.updates_done(model), guard.update
    return model


def _folder(output, stage):
    """Where the checkpoints of a stage are; its log is beside it."""
    return output / "training" / f"stage_{stage + 1}"


def _marks(data):
    """What tells data from others: the shape of a batch, and some values of the first."""
    values = np.ravel(next(iter(data)))
    places = np.linspace(0, len(values) - 1, MARKED).astype(int)
    return {"shape": list(data.element_spec.shape), "values": values[places].tolist()}


def _same_data(one, other):
    """Whether two `_marks` are of the same data; on two machines values differ in rounding."""
    if not isinstance(one, dict) or one.get("shape") != other["shape"]:
        return False
    return np.allclose(one["values"], other["values"], rtol=0, atol=0.01 * np.std(one["values"]))


def _kept(path):
    """Whether a file is more than what a killed process left of one that it was writing."""
    return not (path.name.startswith(".") and path.name.endswith(files.PART))


def _check_output(output, config, marks, resume):
    """Refuse a folder that holds something else, or a run of other settings or data."""
    run = output / RUN
    if not resume:
        if output.exists() and (not output.is_dir() or any(map(_kept, output.iterdir()))):
            raise ValueError(
                f"Expected a new or empty output folder (or --resume). Received: {output}"
            )
        return
    if not run.is_file():
        raise ValueError(f"Expected an interrupted training. Received: {output} (no {RUN})")
    begun = files.read_json(run)
    learned_from = begun.pop(MARKS, marks)  # a run of an earlier version does not tell
    for what, same in (("settings", begun == json.loads(json.dumps(config))),
                       ("data", _same_data(learned_from, marks))):  # fmt: skip
        if not same:
            raise ValueError(f"Expected the {what} that the run began with, in {run}. "
                             "Received: others")  # fmt: skip


def _log(path, done):
    """Append every update's logs to a CSV file, cut back to the updates of the checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        kept = path.read_text().splitlines(keepends=True)[: done + 1] if done else []
        files.write_text(path, "".join(kept))

    def write(batch, logs):
        with open(path, "a", newline="") as file:
            writer = csv.writer(file)
            if file.tell() == 0:
                writer.writerow(["update", *logs])
            writer.writerow([done + batch + 1, *(f"{value:.6g}" for value in logs.values())])

    return keras.callbacks.LambdaCallback(on_train_batch_end=write)

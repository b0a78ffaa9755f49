"""Growth, divergence, and that an interrupted run ends with the same bytes."""

import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from genconv_tf import callbacks, data, files, training
from genconv_tf.cli.main import main
from genconv_tf.model import GenerativeConvNet
from genconv_tf.presets import WEIGHTS

CALIBRATED = {"sampler.calibrated": True}


@pytest.fixture(scope="module")
def dataset(photograph):
    """Three batches: where a run goes on, another one is next than at its start."""
    turned = [photograph, photograph[::-1], photograph[:, ::-1]]
    return data.images(np.stack(turned), size=32, batch=1)


@pytest.fixture(scope="module")
def whole(recipe, dataset, tmp_path_factory):
    """A run that nothing came between: its model and its folder."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return learn(recipe, dataset, folder, changes=CALIBRATED), folder


class Interrupted(Exception):
    pass


def learn(recipe, dataset, output, **arguments):
    return training.train(recipe, dataset, output, quiet=True, **arguments)


def assert_same_bytes(a, b):
    for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("updates", [3, 6])  # of six: halfway, and before the weights are averaged
def test_a_run_interrupted_and_resumed_ends_with_the_same_bytes(
    recipe, dataset, whole, tmp_path, monkeypatch, updates
):
    step = callbacks.Checkpoint.on_train_batch_end

    def stop(self, batch, logs=None):
        self.seconds = 0
        step(self, batch, logs)
        if callbacks.updates_done(self.model) == updates:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Checkpoint, "on_train_batch_end", stop)
        with pytest.raises(Interrupted):
            learn(recipe, dataset, tmp_path / "parts", changes=CALIBRATED)
    resumed = learn(recipe, dataset, tmp_path / "parts", resume=True, changes=CALIBRATED)
    assert_same_bytes(whole[0], resumed)
    hashes = [files.sha256(run / "preset" / WEIGHTS) for run in (whole[1], tmp_path / "parts")]
    assert hashes[0] == hashes[1]
    rows = (tmp_path / "parts" / "training" / "stage_1.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["update", *map(str, range(1, 7))]


def test_the_learned_model_is_the_average_of_its_weights(recipe, dataset, tmp_path):
    """An average of momentum 1 never leaves the weights after the first update."""

    def weights(run, momentum, updates):
        setting = {"name": "adam", "learning_rate": 1e-3, "use_ema": True, "ema_momentum": momentum}
        changes = {"learning.optimizer": setting, "learning.updates": updates}
        return learn(recipe, dataset, tmp_path / run, changes=changes).get_weights()

    first = weights("first", 1.0, 1)
    for momentum in (0.5, 1.0):
        pairs = zip(weights(str(momentum), momentum, 6), first, strict=True)
        moved = max(np.abs(a - b).max() for a, b in pairs)
        assert (moved == 0) == (momentum == 1.0)


def checkpointing_always(*words):
    """A command of its own process, with a checkpoint after every update."""
    program = (
        "import sys, genconv_tf.callbacks as c; c.Checkpoint.__init__.__defaults__ = (0,);"
        "from genconv_tf.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    return [sys.executable, "-c", program, *map(str, words)]


def test_a_killed_run_resumes_to_the_same_bytes(recipe, picture, tmp_path):
    """SIGKILL, which no handler sees, some time after the first checkpoint."""
    words = ["train", recipe, picture, "--size", "32", "--quiet", "--updates", "150"]
    process = subprocess.Popen(checkpointing_always(*words, "--output", tmp_path / "killed"))
    state = tmp_path / "killed" / "training" / "stage_1" / "checkpoint"
    deadline = time.monotonic() + 120
    while not state.is_file() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it was killed"
    assert not (tmp_path / "killed" / "preset").exists()
    assert main([*map(str, words), "--output", str(tmp_path / "killed"), "--resume"]) == 0
    assert main([*map(str, words), "--output", str(tmp_path / "whole")]) == 0
    hashes = [files.sha256(tmp_path / run / "preset" / WEIGHTS) for run in ("killed", "whole")]
    assert hashes[0] == hashes[1]


def test_a_disk_that_fills_up_during_training_ends_it_in_one_line(recipe, picture, tmp_path):
    """No file may grow beyond 3,000 bytes, of which a checkpoint has more."""
    words = ["train", recipe, picture, "--size", "32", "--quiet", "--output", tmp_path / "run"]
    done = subprocess.run(
        checkpointing_always(*words),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"genconv: {tmp_path}") and last.endswith("File too large"), last
    assert not (tmp_path / "run" / "preset").exists()


@pytest.mark.parametrize("fresh, samples", [(None, 4), (5, 1)])
def test_a_preset_shows_one_sample_where_samples_take_long(
    recipe, dataset, tmp_path, capsys, fresh, samples
):
    folder, changes = tmp_path / "run", {"sampler.fresh_steps": fresh} if fresh else {}
    training.train(recipe, dataset, folder, updates=1, changes=changes)
    assert f"Sampling {samples} for {folder / 'preset'}" in capsys.readouterr().out
    with Image.open(folder / "preset" / "samples.png") as sheet:
        width, height = sheet.size
    assert (width // 32) * (height // 32) == samples  # of 32x32, and what is between them


def test_a_disk_without_room_for_the_preset_leaves_nothing_half_written(small, tmp_path):
    """In a process of its own: HDF5 once brought it down."""
    small.save_to_preset(tmp_path / "whole")
    program = (
        "import sys, genconv_tf as gct;"
        "gct.GenerativeConvNet.from_preset(sys.argv[1]).save_to_preset(sys.argv[2])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "whole"), str(tmp_path / "other")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 1 and "OSError" in done.stderr.splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["whole"]


def test_a_plain_fit_is_saved_and_gone_on_with(dataset, tmp_path):
    """Of three batches an epoch; the end of each epoch but the last is as good as any."""
    config = {"layers": [{"filters": 2, "kernel": 5}], "size": 32}

    def fitted(epochs, folder):
        model = GenerativeConvNet(**config, learning={"optimizer": {"name": "adam"}})
        model.compile()
        model.build_chains((32, 32))
        checkpoint = callbacks.Checkpoint(folder, seconds=0)
        done = checkpoint.restore(model)
        model.fit(dataset, epochs=epochs - done // 3, verbose=0, callbacks=[checkpoint])
        return model, done

    whole, done = fitted(4, tmp_path / "whole")
    assert done == 0 and (tmp_path / "whole" / "ckpt-12.index").is_file()
    fitted(2, tmp_path / "parts")
    resumed, done = fitted(4, tmp_path / "parts")
    assert done == 6
    assert_same_bytes(whole, resumed)
    with pytest.raises(ValueError, match="a compiled model with chains"):
        callbacks.Checkpoint(tmp_path / "whole").restore(GenerativeConvNet(**config))


def test_two_runs_do_not_write_one_folder(recipe, dataset, tmp_path):
    other = pytest.raises(ValueError, match="no other process is writing")
    with files.alone(tmp_path / "run"), other:
        learn(recipe, dataset, tmp_path / "run")
    (tmp_path / "run" / ".run.json.part").write_text("{")  # of a run killed while it began
    learn(recipe, dataset, tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text("[1]")
    with pytest.raises(ValueError, match=r"a table in JSON.*run\.json"):
        learn(recipe, dataset, tmp_path / "run", resume=True)


@pytest.mark.parametrize("changes", [
    {"learning.level_rates": [1.0, 1.0, 1.0]}, {"learning.weight_decay": [0.0] * 3},
    {"learning.hidden": 100}, {"learning.chain_size": 100, "learning.start": "data"},
    {"learning.chain_size": [16]}, {"sampler.temperature": 0.0, "sampler.final_temperature": 0.1},
    {"learning.clip": -1.0}, {"learning.grow_rate": -0.5}, {"learning.chain_size": 0},
    {"learning.optimizer": {"name": "sgd", "learning_rate": -1.0}}, {"model.weight_scale": "a"},
    {"model.factor": 2.5}, {"model.channels": "a"}, {"model.size": "a"}, {"model.seed": "a"},
    {"model.layers": 3}, {"model.layers": [3]}, {"model.bank": 3}, {"model.bank": {}},
    {"model.bank": {"filters": "linear", "wavelengths": [float("inf")]}},
])  # fmt: skip
def test_settings_that_cannot_work_are_refused_before_anything_is_written(
    recipe, dataset, tmp_path, changes
):
    with pytest.raises(ValueError, match="Expected"):
        learn(recipe, dataset, tmp_path / "run", changes=changes)
    assert not (tmp_path / "run").exists()


def test_layers_are_grown_and_lower_ones_kept_and_refined(recipe, dataset, tmp_path):
    changes = {"learning.grow": True, "learning.updates": 2}
    model = learn(recipe, dataset, tmp_path / "run", changes=changes)
    assert [len(n.specs) for n in model.networks] == [2, 2]
    logs = sorted(p.name for p in (tmp_path / "run" / "training").glob("*.csv"))
    assert logs == ["stage_1.csv", "stage_2.csv"]


def test_levels_of_different_depth_grow_together():
    a, b, c = ({"filters": n} for n in (2, 3, 4))
    config = {"layers": [[a], [a, b, c]], "learning": {"grow": True}}
    assert training.stages(config) == [[[a], [a]], [[a], [a, b]], [[a], [a, b, c]]]


def test_a_stage_inherits_the_layers_below():
    config = {"layers": [{"filters": 4}, {"filters": 3}], "size": 16}
    below = GenerativeConvNet(**{**config, "layers": config["layers"][:1]}, seed=5)
    model = GenerativeConvNet(**config)
    training.inherit(model, below)
    np.testing.assert_array_equal(model.networks[0].kernels[0], below.networks[0].kernels[0])


def test_layers_grow_under_a_top_that_covers_the_whole():
    a, b = {"filters": 4, "kernel": 3}, {"filters": 3, "kernel": 3, "stride": 2}
    top = {"filters": 1, "kernel": "full", "relu": False}
    config = {"layers": [a, b, top], "learning": {"grow": True}, "size": 8, "boundary": "same"}
    first, second = training.stages(config)
    assert (first, second) == ([a, top], [a, b, top])
    below = GenerativeConvNet(**{**config, "layers": first}, seed=5)
    model = GenerativeConvNet(**config)
    before = model.networks[0].kernels[1].numpy()
    training.inherit(model, below)
    np.testing.assert_array_equal(model.networks[0].kernels[0], below.networks[0].kernels[0])
    # The second layer is new, and the top, which sees other responses, is made anew.
    np.testing.assert_array_equal(model.networks[0].kernels[1], before)
    assert model.networks[0].kernels[2].shape == (4, 4, 3, 1)
    config["layers"] = [[a, top], [a, b, top]]  # a level each
    assert training.stages(config) == [[[a, top], [a, top]], [[a, top], [a, b, top]]]


def test_an_output_in_use_and_other_settings_are_refused(recipe, dataset, tmp_path):
    learn(recipe, dataset, tmp_path / "run", updates=1)
    with pytest.raises(ValueError, match="new or empty output folder"):
        learn(recipe, dataset, tmp_path / "run", updates=1)
    with pytest.raises(ValueError, match="settings that the run began with"):
        learn(recipe, dataset, tmp_path / "run", updates=2, resume=True)
    for other in (dataset.map(lambda x: x[:, ::-1]), dataset.unbatch().batch(3)):
        other.preprocessing = dataset.preprocessing  # all that the settings know of the data
        with pytest.raises(ValueError, match="data that the run began with"):
            learn(recipe, other, tmp_path / "run", updates=1, resume=True)
    with pytest.raises(ValueError, match="interrupted training"):
        learn(recipe, dataset, tmp_path / "elsewhere", resume=True)


def test_divergence_stops_the_run_and_keeps_the_last_good_state(recipe, dataset, tmp_path):
    changes = {"learning.optimizer": {"name": "sgd", "learning_rate": 1e6}, "learning.updates": 50}
    with pytest.raises(training.Diverged, match=r"diverged at update \d+ .*Lower the learning"):
        learn(recipe, dataset, tmp_path / "run", changes=changes)
    kept = tf.train.load_checkpoint(str(tmp_path / "run" / "training" / "stage_1"))
    floats = [name for name, kind in kept.get_variable_to_dtype_map().items() if kind.is_floating]
    assert floats and all(np.isfinite(kept.get_tensor(name)).all() for name in floats)


@pytest.mark.parametrize("update", [1, 4])
def test_a_wrong_number_that_does_not_come_again_leaves_no_trace(
    recipe, dataset, whole, tmp_path, monkeypatch, update
):
    step, broken = callbacks.DivergenceGuard.on_train_batch_end, []

    def break_once(self, batch, logs=None):
        if callbacks.updates_done(self.model) == update and not broken:
            broken.append(True)
            weights = self.model.trainable_variables[0]
            weights.assign(weights + np.nan)
            logs = {**logs, "gradient": np.nan}
        step(self, batch, logs)

    monkeypatch.setattr(callbacks.DivergenceGuard, "on_train_batch_end", break_once)
    mended = learn(recipe, dataset, tmp_path / "mended", changes=CALIBRATED)
    assert broken
    assert_same_bytes(whole[0], mended)
    runs = whole[1], tmp_path / "mended"
    logs = [(run / "training" / "stage_1.csv").read_text() for run in runs]
    assert logs[0] == logs[1]


def test_the_guard_goes_back_to_finite_weights(small, dataset):
    from keras.optimizers import SGD

    small.compile(SGD(1e6))
    guard = callbacks.DivergenceGuard()
    with pytest.warns(UserWarning, match="Training diverged at update"):
        small.fit(dataset.repeat(), steps_per_epoch=30, callbacks=[guard], verbose=0)
    assert guard.message and small.optimizer.iterations < 30
    assert all(np.isfinite(weight).all() for weight in small.get_weights())


def test_sheets_of_samples_are_written(small, dataset, tmp_path):
    sheets = callbacks.SampleSheet(tmp_path, every=2, tensorboard=tmp_path / "board")
    chains = callbacks.SampleSheet(tmp_path / "chains", every=4, num=1, fresh=False)
    small.fit(dataset.repeat(), steps_per_epoch=4, callbacks=[sheets, chains], verbose=0)
    assert sorted(p.name for p in tmp_path.glob("*.png")) == [
        "update_000002.png",
        "update_000004.png",
    ]
    assert (tmp_path / "chains" / "update_000004.png").is_file()
    small.compile(steps_per_execution=3)
    sheets, guard = callbacks.SampleSheet(tmp_path / "three", every=2), callbacks.DivergenceGuard()
    guard.every = 2
    small.fit(dataset.repeat(), steps_per_epoch=6, callbacks=[sheets, guard], verbose=0)
    names = sorted(p.name for p in (tmp_path / "three").iterdir())
    assert names == ["update_000003.png", "update_000006.png"] and guard.good[0] == 6
    assert list((tmp_path / "board").iterdir())

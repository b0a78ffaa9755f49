"""Keras callbacks: sheets of samples, a guard against divergence, checkpoints for exact resume."""

import pathlib
import time
import warnings

import keras
import numpy as np
import tensorflow as tf

from genconv_tf.card import sheet
from genconv_tf.data.decode import write_image
from genconv_tf.data.media import picture


class SampleSheet(keras.callbacks.Callback):
    """Write a sheet of samples every few updates.

    Args:
        folder: where `update_000100.png` and so on go.
        every: updates between two sheets.
        num: samples on a sheet.
        size: of the samples; the training size by default.
        fresh: sample afresh, as whoever loads the model will; `False` shows the chains.
        tensorboard: folder of TensorBoard event files, for the same images there.
    """

    def __init__(self, folder, every=100, num=2, size=None, fresh=True, tensorboard=None):
        super().__init__()
        self.folder, self.every, self.num = pathlib.Path(folder), every, num
        self.size, self.fresh = size, fresh
        self.writer = tf.summary.create_file_writer(str(tensorboard)) if tensorboard else None
        self._last = 0

    def on_train_begin(self, logs=None):
        self._last = updates_done(self.model)

    def on_train_batch_end(self, batch, logs=None):
        update = updates_done(self.model)
        # Not `update % every`: with `steps_per_execution` Keras calls after several updates.
        if update // self.every == self._last // self.every:
            return
        self._last = update
        if self.fresh:
            media = self.model.sample(self.num, self.size)
        else:
            media = self.model.preprocessing.decode_parts(self.model.chains.states[-1][: self.num])
        self.folder.mkdir(parents=True, exist_ok=True)
        write_image(self.folder / f"update_{update:06d}.png", sheet(media))
        if self.writer is not None:
            with self.writer.as_default(step=update):
                pictures = np.stack([picture(one) for one in media])
                tf.summary.image("samples", pictures, max_outputs=self.num)


class DivergenceGuard(keras.callbacks.Callback):
    """Stop when the chains or the weights diverge, and go back to the last good state.

    Args:
        limit: largest ratio of the chains' root mean square to the data's; the model's by default.
        every: updates between two copies of the state.
        verbose: whether to warn.

    After `fit`, `message` says what happened at which `update`, and what to change; both are `None`
    if all went well. It is a warning too. The end of `fit` may touch the weights again (Keras
    averages them there, with an optimizer's `use_ema`), so call `go_back` before going on.
    """

    def __init__(self, limit=None, every=20, verbose=1):
        super().__init__()
        self.limit, self.every, self.verbose = limit, every, verbose
        self.message = self.update = self.good = None

    def go_back(self):
        """Put the model in its last good state: that before `fit`, if there was none since."""
        for variable, value in zip(state(self.model), self.good[1]):
            variable.assign(value)

    def on_train_begin(self, logs=None):
        self._keep()

    def _keep(self):
        self.good = updates_done(self.model), [v.numpy() for v in state(self.model)]

    def on_train_batch_end(self, batch, logs=None):
        limit = self.limit or self.model.learning.limit
        update, reach = updates_done(self.model), logs["excess"]
        finite = all(np.isfinite(value) for value in logs.values())
        if finite and reach <= limit:
            if update // self.every > self.good[0] // self.every:
                self._keep()
            return
        what = (
            f"chains {reach:.3g} times as large as the data, the limit is {limit:g}"
            if finite
            else "not finite"
        )
        self.go_back()
        self.message = (
            f"Training diverged at update {update} ({what}). Lower the learning rate or "
            f"sampler.step_size, or raise learning.overshoot_penalty. Last good state: "
            f"update {self.good[0]}"
        )
        self.update, self.model.stop_training = update, True
        if self.verbose:
            warnings.warn(self.message, stacklevel=2)


class Checkpoint(keras.callbacks.Callback):
    """Save the whole state of a training, so that a resumed one ends with the same bytes.

    Weights, optimizer and chains are saved; the noise is a function of the update and needs no
    state. Saving is atomic: a run killed at any moment finds its last complete checkpoint. The end
    of `fit` is saved as well. To go on:

        model.compile(...)
        model.build_chains(data.element_spec.shape[1:-1])
        checkpoint = Checkpoint(folder)
        done = checkpoint.restore(model)
        rest = data.repeat().skip(done)
        model.fit(rest, steps_per_epoch=updates - done, callbacks=[checkpoint])

    Args:
        folder: of the checkpoints; the last two are kept.
        seconds: least time between two.
    """

    def __init__(self, folder, seconds=30):
        super().__init__()
        self.folder, self.seconds = str(folder), seconds
        self._manager = self._saved = None

    def restore(self, model):
        """Bring a compiled `model` with its chains to the last checkpoint; the updates done."""
        if model.chains is None or not model.compiled:
            raise ValueError("Expected a compiled model with chains: compile and build_chains. "
                             "Received: one without")  # fmt: skip
        model.optimizer.build(model.trainable_variables)
        self._manage(model)
        latest = self._manager.latest_checkpoint
        if latest is None:
            return 0
        try:
            self._manager.checkpoint.restore(latest).assert_consumed()
        except (AssertionError, ValueError, tf.errors.OpError) as error:
            line = str(error).splitlines()[0][:160]
            raise ValueError(f"Expected a checkpoint of this model. Received: {latest} "
                             f"({line})") from None  # fmt: skip
        return updates_done(model)

    def on_train_begin(self, logs=None):
        if self._manager is None:
            self._manage(self.model)
        self._saved, self._healthy = time.monotonic(), True

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        # After the last update `fit` averages and calibrates: what is not, is not the end.
        ends = batch + 1 == self.params["steps"] and self._epoch + 1 == self.params["epochs"]
        due = time.monotonic() - self._saved >= self.seconds
        self._healthy = _healthy(self.model, logs)
        if due and not ends and self._healthy:
            self.save()

    def on_fit_end(self):
        """What `GenerativeConvNet.fit` ends with, after it has averaged and calibrated."""
        if self._healthy:
            self.save()

    def save(self):
        self._manager.save(updates_done(self._manager_model))
        self._saved = time.monotonic()

    def _manage(self, model):
        self._manager_model = model
        checkpoint = tf.train.Checkpoint(state=state(model))
        self._manager = tf.train.CheckpointManager(checkpoint, self.folder, max_to_keep=2)


def state(model):
    """Every variable of a training: weights, optimizer, chains and what is remembered of them."""
    own = [v.value for v in (*model.variables, *model.optimizer.variables)]
    seen, unique = set(), []
    for variable in (*own, *model.chains.states, *tf.nest.flatten(model.chains.spectra)):
        if id(variable) not in seen:
            seen.add(id(variable))
            unique.append(variable)
    return unique


def updates_done(model):
    return int(model.optimizer.iterations.numpy())


def _healthy(model, logs):
    values = list((logs or {}).values())
    return all(np.isfinite(values)) and (logs or {}).get("excess", 0) <= model.learning.limit

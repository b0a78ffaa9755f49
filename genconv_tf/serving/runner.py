"""Runs the signatures of SavedModels: all that a worker does, without a word of how it is asked."""

import collections
import pathlib
import re
import threading

import numpy as np
import tensorflow as tf

from genconv_tf import noise
from genconv_tf.data.media import encode
from genconv_tf.export import ExportedModel
from genconv_tf.metadata import about
from genconv_tf.serving import Refused, beyond_memory, models


class Runner:
    """Loads models when they are first asked for and keeps the last few.

    Args:
        folders: `{name: folder}` of presets and SavedModels.
        kept: models that stay loaded.
    """

    def __init__(self, folders, kept=8):
        self.folders, self.kept = dict(folders), kept
        self._loaded, self._lock = collections.OrderedDict(), threading.Lock()

    def signatures(self, name):
        """`{signature: {"inputs": {name: (dtype, shape)}, "outputs": {...}}}` of a model."""
        return {
            key: {
                "inputs": _specs(function.structured_input_signature[1]),
                "outputs": _specs(function.structured_outputs),
            }
            for key, function in self._load(name).items()
        }

    def predict(self, name, signature, inputs):
        """Outputs of a signature, arrays, of inputs that `protocol.parse` made."""
        functions = self._load(name)
        if signature not in functions:
            raise Refused(400, f"Expected a signature of {sorted(functions)}. "
                               f"Received: {signature!r}")  # fmt: skip
        function = functions[signature]
        try:
            result = function(**{key: tf.constant(value) for key, value in inputs.items()})
        except tf.errors.InvalidArgumentError as error:
            # What the graph itself asserts stands somewhere within TensorFlow's own words.
            said = re.search(r"Expected [^\n\[\]{}']*[^\n\[\]{}' .]", error.message)
            raise Refused(400, said[0] if said else error.message.split("\n")[0]) from None
        except tf.errors.ResourceExhaustedError:
            raise beyond_memory() from None
        return {key: value.numpy() for key, value in result.items()}

    def samples(self, requests):
        """Answers to several requests for samples; those of one model, size and number of steps are
        made in one call. A row depends on its seed alone, so that none depends on the others.

        Args:
            requests: list of (name, inputs of the signature `sample`).

        Returns:
            list of outputs, or of the `Refused` that one of them met.
        """
        groups, results = collections.defaultdict(list), [None] * len(requests)
        for i, (name, inputs) in enumerate(requests):
            groups[name, tuple(inputs["size"].tolist()), int(inputs["steps"])].append(i)
        for (name, size, steps), members in groups.items():
            seeds = [requests[i][1]["seed"] for i in members]
            joined = {"seed": np.concatenate(seeds), "size": np.array(size, np.int32),
                      "steps": np.array(steps, np.int32)}  # fmt: skip
            try:
                outputs = self.predict(name, "sample", joined)
            except (Refused, ValueError) as error:  # a preset that is not whole, say
                known = error if isinstance(error, Refused) else Refused(500, str(error))
                for i in members:
                    results[i] = known
                continue
            parts = np.cumsum([len(seed) for seed in seeds])[:-1]
            for key, value in outputs.items():
                for i, part in zip(members, np.split(value, parts)):
                    results[i] = {**(results[i] or {}), key: part}
        return results

    def sample_inputs(self, size, seed, steps, until=None):
        """Inputs of the signature `sample`, or with `until` of `watch`, for what `genconv sample
        --num 1` makes.

        Args:
            size: lengths of the media along each axis.
            seed, steps, until: ints.
        """
        inputs = {"seed": noise.row_seeds(seed, 1).numpy(), "size": np.array(size, np.int32),
                  "steps": np.array(steps, np.int32)}  # fmt: skip
        return inputs if until is None else {**inputs, "until": np.array(until, np.int32)}

    def encoded(self, name, media, extension):
        """One medium as the bytes of a file; see `data.media.encode`."""
        rate = about(self._folder(name))["preprocessing"].get("rate")
        try:
            return encode(media, extension, rate)
        except ValueError as error:
            raise Refused(404, str(error)) from None

    def _load(self, name):
        """Signatures of a model by name."""
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = ExportedModel(models.saved_model(self._folder(name)))
                while len(self._loaded) > self.kept:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(name)
            return self._loaded[name].signatures

    def _folder(self, name):
        if name not in self.folders:
            raise Refused(404, f"Expected a model of {sorted(self.folders)}. Received: {name!r}")
        return pathlib.Path(self.folders[name])


def _specs(tensors):
    return {
        key: (spec.dtype.name, tuple(spec.shape.as_list())) for key, spec in sorted(tensors.items())
    }

"""How a model is sampled: where chains start, and the steps that they take."""

import dataclasses
import math

from genconv_tf.settings import check_types

STARTS = ("noise", "zero", "mean")


@dataclasses.dataclass(frozen=True)
class Sampler:
    """How a model is sampled: saved and exported with it.

    Args:
        start: where the coarsest chains start: `"noise"`, white noise of `start_std`, `"zero"`, or
            `"mean"`, one value all over: what data average (`Preprocessing.averages`), at random.
        start_std: standard deviation of the starting noise, in the units of the data; of the one
            value, where it is not known what data average.
        steps: Langevin steps; a list gives each level its own, as it does for all numbers below.
        step_size: e of the papers.
        temperature: of the Langevin noise; 1 samples the density itself.
        final_step_size, final_temperature: where they are not `None`, the steps and temperatures
            go from the first value to this one, geometrically, in each level.
        momentum: m, which share of a step the next one goes on with, below 1: underdamped Langevin
            dynamics (`genconv_tf.langevin`), whose short steps lead 1 / (1 - m) times as far. All
            chains begin at rest, persistent ones anew at every update.
        fresh_steps: Langevin steps of a sample that starts afresh, where they are not `steps`: a
            persistent chain takes a few of these between two updates and is as old as the learning.
        bounded: whether chains are kept where media can be, such as pixels in [0, 255].
        adjusted: whether every step is followed by the accept-reject step of Metropolis-Hastings:
            exact whatever the step size, and slow where few steps are taken.
        calibrated: whether the chains of a level are given the power spectrum and the values of the
            data after their steps, by functions learned beside f (`genconv_tf.calibration`); sounds
            of subbands the envelopes of cochlear bands (`genconv_tf.data.envelopes`).
    """

    start: str = "noise"
    start_std: float = 1.0
    steps: int | tuple = 30
    step_size: float | tuple = 0.3
    temperature: float | tuple = 1.0
    final_step_size: float | tuple | None = None
    final_temperature: float | tuple | None = None
    momentum: float | tuple = 0.0
    fresh_steps: int | tuple | None = None
    bounded: bool = False
    adjusted: bool = False
    calibrated: bool = False

    def __post_init__(self):
        check_types(self)
        if self.start not in STARTS:
            raise ValueError(f"Expected a start of {STARTS}. Received: {self.start!r}")
        for field in dataclasses.fields(self):
            value, least = getattr(self, field.name), int(field.name.endswith("steps"))
            if field.type in (str, bool) or value is None:
                continue
            if isinstance(value, list):
                value = tuple(value)
                object.__setattr__(self, field.name, value)
            for number in value if isinstance(value, tuple) else (value,):
                if not least <= number < math.inf:
                    raise ValueError(f"Expected {field.name} >= {least}. Received: {value!r}")
                if field.name == "momentum":
                    self._check_momentum(number)
                elif self.adjusted and number == 0 and field.name != "start_std":
                    raise ValueError(f"Expected {field.name} above 0 for adjusted steps. "
                                     f"Received: {value!r}")  # fmt: skip
                geometric = getattr(self, f"final_{field.name}", None) is not None
                if geometric and number == 0:
                    raise ValueError(f"Expected {field.name} above 0 where it goes on to "
                                     f"final_{field.name}. Received: {value!r}")  # fmt: skip

    def _check_momentum(self, number):
        if number >= 1:
            raise ValueError(f"Expected momentum below 1. Received: {self.momentum!r}")
        if number and self.adjusted:
            raise ValueError("Expected no momentum of adjusted steps. "
                             f"Received: {self.momentum!r}")  # fmt: skip

    @property
    def last_step_size(self):
        return self.step_size if self.final_step_size is None else self.final_step_size

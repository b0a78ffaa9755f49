"""Sparse FRAME models: forward selection and backward elimination (FRAME sections 3.2 and 4).

A sparse model is the model itself with a mask of its active units (see `units`); the weights of all
others are zero. Four methods say which units are active:

- `"pursuit"`: from none, each step adds those that promise the most log-likelihood: S.-C. Zhu,
  Y. N. Wu, D. Mumford, "Minimax entropy principle" (Neural Computation, 1997), FRAME's [44];
- `"boosting"`: each update moves the most promising alone: J. Xie, Y. Lu, S.-C. Zhu, Y. N. Wu,
  "Inducing wavelets into random fields via generative boosting" (ACHA 2016), FRAME's [38];
- `"matching"`: each step adds those that matching pursuit found next: see `matching`;
- `"elimination"`: from all, each step drops those whose loss costs the least.

The curve of the gain in log-likelihood against the number of units is recorded as it goes.
"""

import dataclasses
import math

import numpy as np
import tensorflow as tf

from genconv_tf import learning as ml
from genconv_tf import matching, pyramid
from genconv_tf.sparsity import Mask, costs, gains
from genconv_tf.units import Units

METHODS = ("pursuit", "boosting", "matching", "elimination")

# Updates of the full model before the first elimination, in steps.
FULL = 4

# Nodes of the integral of the gain in every step.
NODES = 6


@dataclasses.dataclass(frozen=True)
class Pursued:
    """What a pursuit selected, and what it gained.

    Attributes:
        selected: a list of dicts for every level, coarse to fine: the active units in the order of
            their selection, or after an elimination from the most to the least costly: `unit`, its
            number; `name`; `position` of its centre where it has one, in samples of the level;
            `gain`, in log-likelihood per sample, as it was predicted, after an elimination the
            predicted cost.
        dropped: likewise, those that an elimination dropped, in that order.
        curve: list of dicts: `filters`, `gain` and `error`, lists of one number for each level, and
            `updates`. The gain is that in log-likelihood over q per sample of the level, the error
            its Monte Carlo standard error, `None` of a single measuring chain.
        explained: of `"matching"`, a list for every level: the share of the energy of the data that
            0, 1, 2, … units explain; else `None`.
    """

    selected: list
    dropped: list
    curve: list
    explained: list | None


def pursue(model, data, method="pursuit", count=10, updates=50, batch=1, rate=0.1, shift=0,
           first=None, progress=None):  # fmt: skip
    """Learn a sparse FRAME model.

    The model is changed in place and stays an ordinary `GenerativeConvNet`, whose other weights are
    zero. Each level of a pyramid selects its own units, by its own likelihood.

    Args:
        model: `GenerativeConvNet` on a `bank`, with one linear filter on it, of kernel 1 (units are
            filters) or `"full"` (filters at positions), and two chains or more at every level.
        data: dataset of `(batch, *spatial, channels)` float32; `"matching"` takes all at once.
        method: see above. Forward methods start from weights of zero, whatever those of the model.
        count: units of the sparse model, of each level.
        updates: of every step. Before the first step as many rounds of the chains of q alone give
            the first Δ and C. A boosting takes `updates · count / batch` in all.
        batch: units that a step adds or drops, or that an update of a boosting moves.
        rate: γ of the update γ C⁻¹ Δ of a boosting. The other methods learn with the optimizer.
        shift: of `"matching"`, see there.
        first: updates of the full model, after those of q, before the first elimination; `None` for
            four steps. At 0
            the model's own weights are those of the full model, and gains are relative to it.
        progress: callable, `(updates done, updates in all, gain at the finest level)`.

    Returns:
        A `Pursued`.

    Raises:
        ValueError: no such method, not such a model, fewer units than asked for, or divergence.
    """
    if method not in METHODS:
        raise ValueError(f"Expected a method of {METHODS}. Received: {method!r}")
    for name, value in (("count", count), ("updates", updates), ("batch", batch)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"Expected {name} >= 1. Received: {value!r}")
    run = _Run(model, data, method, count, updates, batch, rate, progress)
    if method == "elimination":
        return run.eliminate(updates, FULL * updates if first is None else first)
    if method == "boosting":
        return run.boost(updates)
    return run.add(updates, shift)


class _Run:
    """One pursuit: the mask, what the chains measure, and the loop over both."""

    def __init__(self, model, data, method, count, updates, batch, rate, progress):
        self.model, self.method, self.count, self.batch = model, method, count, batch
        self.updates, self.rate, self.progress = updates, rate, progress
        self.done = self.node = 0
        self.closing = -(-updates // NODES)  # rounds of the learned weights, at the end
        every = [Units(network) for network in model.networks]
        most = min(units.count for units in every)
        if count > most:
            raise ValueError(f"Expected at most {most} filters. Received: {count}")
        chains = pyramid.per_level(model.learning.chains, len(model.levels))
        if min(chains) < 2:
            raise ValueError("Expected two chains or more, half to learn from, half to measure "
                             f"the gain. Received: chains={model.learning.chains}")  # fmt: skip
        if model.learning.hidden is not None:
            raise ValueError("Expected chains of whole signals, whose likelihood a gain is of. "
                             f"Received: learning.hidden={model.learning.hidden}")  # fmt: skip
        self.data, self.batches = data, iter(data.repeat())
        model.build_chains(tuple(next(iter(data)).shape[1:-1]))
        self.masks = [Mask(*each) for each in zip(every, model.chains.states)]
        self.curve, self.selected = [], [[] for _ in every]
        self.update = tf.function(self._update, autograph=False)

    # -- the methods -------------------------------------------------------------------------

    def add(self, updates, shift):
        """Forward selection, by the gain or in the order of a matching pursuit."""
        orders = explained = None
        if self.method == "matching":
            if self.data.cardinality() == tf.data.INFINITE_CARDINALITY:
                raise ValueError("Expected data that end, all of which are matched. "
                                 "Received: a dataset without end")  # fmt: skip
            data = pyramid.levels_of(tf.concat(list(self.data), 0), self.model.levels)
            found = [matching.match(mask.units, x, self.count, shift)
                     for mask, x in zip(self.masks, data)]  # fmt: skip
            orders, explained = ([f.units for f in found], [f.explained.tolist() for f in found])
        self._clear()
        steps = math.ceil(self.count / self.batch)
        self._prepare((steps + 1) * updates)
        self._learn(updates)  # no unit is active yet: the chains of q
        for step in range(steps):
            room = min(self.batch, self.count - step * self.batch)
            for i, mask in enumerate(self.masks):
                promised = gains(mask.difference, mask.curvature).numpy()
                if orders is not None:
                    chosen = orders[i][step * self.batch :][:room]
                else:
                    free = np.where(mask.active.numpy() > 0, -np.inf, promised)
                    chosen = np.argsort(-free, kind="stable")[:room]
                self._note(self.selected[i], mask, chosen, promised[chosen])
                mask.activate(chosen)
            self._learn(updates)
        return self._finish([[] for _ in self.masks], explained)

    def boost(self, updates):
        """Coordinate ascent: the path of Δ and the mask in one."""
        self._clear()
        total = updates * math.ceil(self.count / self.batch)
        self._prepare(updates + total)
        count, self.count = self.count, 0
        self._learn(updates)
        self.count = count
        for t in range(total):
            for i, both in enumerate(self._round(share=1 / updates)):
                self._arrived(i, *both)
            if self._node(t):
                self._point(self._row())
        return self._finish([[] for _ in self.masks])

    def eliminate(self, updates, first):
        """Backward elimination: the weights of what is dropped fade while the others learn on."""
        longest = max(mask.units.count for mask in self.masks) - self.count
        steps, dropped = math.ceil(longest / self.batch), [[] for _ in self.masks]
        self._prepare((first + updates if first else updates) + steps * updates)
        if first:  # the integral of the gain begins with the Δ of q
            self._clear()
            self._learn(updates)
            self.curve.clear()
        for mask in self.masks:
            mask.activate(np.arange(mask.units.count))
            mask.means[0].assign(mask.units.weights())
        self._learn(first or updates, hold=not first)
        for _ in range(steps):
            for i, mask in enumerate(self.masks):
                cost, active = self._costs(mask)
                room = min(self.batch, int(active.sum()) - self.count)
                least = np.argsort(np.where(active, cost, np.inf), kind="stable")[: max(room, 0)]
                self._note(dropped[i], mask, least, cost[least])
                mask.drop(least)
            self._learn(updates)
        for i, mask in enumerate(self.masks):
            cost, active = self._costs(mask)
            order = np.argsort(np.where(active, -cost, np.inf), kind="stable")[: self.count]
            self._note(self.selected[i], mask, order, cost[order])
        return self._finish(dropped)

    # -- parts of them -----------------------------------------------------------------------

    def _clear(self):
        for mask in self.masks:
            mask.units.assign(tf.zeros_like(mask.weights))

    def _prepare(self, total):
        """An optimizer whose schedule, if it has one, ends with the last of `total` updates."""
        self.total = total + self.closing
        if not self.model.compiled:
            learning = dataclasses.replace(self.model.learning, updates=total)
            self.model.compile(learning.make_optimizer())
        self.model.optimizer.build(self.model.trainable_variables)

    def _learn(self, updates, hold=False):
        """`updates` of the present mask, and the point of the curve that they lead to.

        Δ and C are averages over the later half of them, and what is dropped has faded in the
        earlier one, linearly: the measure of the gain follows what goes in small steps.
        """
        half = max(1, updates // 2)
        for t in range(updates):
            fade = max(0.0, 1 - 1 / max(half - t, 1))
            self._round(max(1 / (t + 1), 1 / half), fade, hold)
            self._node(t)
        for mask in self.masks:
            mask.leaving.assign(tf.zeros_like(mask.leaving))
        self.curve.append(self._row())

    def _node(self, t):
        """Take update number `t` of a step for a node of the integral, if there is to be one."""
        due = (t + 1) * NODES // self.updates > t * NODES // self.updates
        if due:
            for mask in self.masks:
                mask.integrate(self.done - self.node)
            self.node = self.done
        return due

    def _round(self, share, fade=0.0, hold=False):
        """One update; `hold` takes its step back, and leaves what the chains measured."""
        scalars = tf.constant(share), tf.constant(fade), tf.constant(self.count)
        chosen = self.update(next(self.batches), *scalars)
        self.done += 1
        if hold:
            for mask in self.masks:
                mask.units.assign(mask.weights)
        gain = float(np.mean(self.masks[-1].gain))
        if not np.isfinite(gain):
            raise ValueError("Expected chains that converge (lower the learning rate or step "
                             f"size). Received: a gain of {gain}, update {self.done}")  # fmt: skip
        if self.progress is not None:
            self.progress(self.done, self.total, gain)
        return [(units.numpy(), promised.numpy()) for units, promised in chosen]

    def _update(self, x, share, fade, count):
        """One round of the chains, what they measure, and one step of the weights."""
        observed = self.model.observe(x)
        chains, networks = self.model.advance_chains(observed), self.model.networks
        differences = [
            mask.measure(o, net.data_boundary, *self.model.chains.seen(i, c, net), share)
            for i, (mask, net, o, c) in enumerate(zip(self.masks, networks, observed, chains))
        ]
        if self.method == "boosting":
            self.model.optimizer.iterations.assign_add(1)  # which all noise is a function of
            return [mask.boost(difference, self.rate, self.batch, count)
                    for mask, difference in zip(self.masks, differences)]  # fmt: skip
        self._ascend(observed, [c[: c.shape[0] // 2] for c in chains])
        for mask in self.masks:
            mask.apply(fade)
        return []

    def _ascend(self, observed, chains):
        """One step of the optimizer. It sees the gradient of every unit, whether it is active or
        not, so that it knows how large that of a new one is; the mask undoes the rest."""
        model, gradients, variables = self.model, [], []
        for i, network in enumerate(model.networks):
            kernels = {kernel.path for kernel in self.masks[i].units.kernels}
            own = network.trainable_variables
            gradients += [
                # A bias is a constant of f, and what little its gradient has is rounding.
                ml.clip_largest(g, model.learning.clip) if w.path in kernels else tf.zeros_like(g)
                for g, w in zip(model.level_gradient(i, observed[i], chains[i])[1], own)
            ]
            variables += own
        ml.apply(model.optimizer, gradients, variables, *ml.factors(model.learning, model.networks))

    def _costs(self, mask):
        cost = costs(mask.units.weights(), mask.curvature).numpy()
        return cost, mask.active.numpy() > 0

    def _arrived(self, i, chosen, promised):
        """Note those of the units that a boosting moved which are new."""
        known = {each["unit"] for each in self.selected[i]}
        new = [(u, g) for u, g in zip(chosen, promised) if u >= 0 and int(u) not in known]
        if new:
            self._note(self.selected[i], self.masks[i], *zip(*new))

    def _note(self, notes, mask, chosen, promised):
        notes += [{"unit": int(u), **mask.units.describe(int(u)), "gain": float(g)}
                  for u, g in zip(chosen, promised)]  # fmt: skip

    def _row(self):
        per_chain = [mask.gain.numpy() for mask in self.masks]
        errors = [float(g.std(ddof=1) / len(g) ** 0.5) if len(g) > 1 else None for g in per_chain]
        return {"filters": [int(mask.active.numpy().sum()) for mask in self.masks],
                "gain": [float(g.mean()) for g in per_chain], "error": errors,
                "updates": self.done}  # fmt: skip

    def _point(self, row):
        """A point of the curve, which replaces the last one of as many filters."""
        if self.curve[-1]["filters"] == row["filters"]:
            self.curve.pop()
        self.curve.append(row)

    def _finish(self, dropped, explained=None):
        """Averaged weights, if the optimizer keeps any, and the last point of the curve: that of
        the weights after the last update."""
        optimizer = self.model.optimizer
        if optimizer.use_ema and self.method != "boosting":
            optimizer.finalize_variable_values(self.model.trainable_variables)
            for mask in self.masks:
                mask.apply(0.0)
        self.count = 0  # no new unit
        for t in range(self.closing):
            self._round(0.0, hold=True)
            self._node(t)
        self.curve[-1] = self._row()
        return Pursued(self.selected, dropped, self.curve, explained)

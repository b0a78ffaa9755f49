"""log Z of a model, by annealed importance sampling (R. Neal, Statistics and Computing, 2001).

Between q and p(x) = exp[f(x)] q(x) / Z lie the densities p_β ∝ exp[β f(x)] q(x). A chain that is
led from β = 0 to 1 by steps that leave each p_β invariant has a weight whose mean is Z; one that is
led back from a sample of p has a weight whose mean is 1 / Z. By Jensen's inequality the first
estimate of log Z is too small in the mean and the second too large: together they enclose it.
Within bounds all of these densities are restricted to them, and so is q.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from genconv_tf import noise
from genconv_tf.metropolis import adjusted_step, value_and_gradient


@dataclasses.dataclass(frozen=True)
class Estimate:
    """An estimate of log Z.

    Attributes:
        value: log Z, where q, within the bounds, is normalised: Z is the mean of exp f under q.
        error: its standard error over chains. It says nothing of what no chain found, and where one
            weight is all there is it is 1, however far off the value may be.
        effective: effective number of chains, (Σw)² / Σw²; near 1, one weight is all there is.
        acceptance: mean share of Metropolis steps taken.
    """

    value: float
    error: float
    effective: float
    acceptance: float


def log_partition(f, reference, shape, chains=64, temperatures=200, steps=1, step_size=0.5, seed=0,
                  samples=None, bounds=None):  # fmt: skip
    """Estimate log Z of exp[f(x)] q(x), from q to p, or from samples of p back to q.

    Args:
        f: scoring function, `(batch, *spatial, channels)` to `(batch,)`.
        reference: a `Reference`, Gaussian unless there are bounds.
        shape: `(*spatial, channels)` of one signal.
        chains: number of chains.
        temperatures: number of densities between q and p.
        steps: adjusted Langevin steps at each.
        step_size: e, in units of the reference's standard deviation.
        seed: int.
        samples: `(chains, *shape)` of p for the reverse estimate; `None` for the forward one.
        bounds: (least, largest), broadcastable to x, that x is kept in: of a model whose sampler is
            bounded `model.finest.box`.

    Returns:
        An `Estimate`.

    Raises:
        ValueError: settings out of range, or an f that is not finite where the chains are.
    """
    if reference.kind != "gaussian" and bounds is None:
        raise ValueError("Expected a Gaussian reference without bounds. "
                         f"Received: {reference.kind!r}")  # fmt: skip
    reverse = samples is not None
    if reverse and tuple(np.shape(samples))[1:] != tuple(shape):
        raise ValueError(f"Expected samples of {tuple(shape)}. Received: {np.shape(samples)[1:]}")
    least = {"chains": (len(samples) if reverse else chains, 2),
             "temperatures": (temperatures, 1), "steps": (steps, 1)}  # fmt: skip
    for name, (number, fewest) in least.items():
        if number < fewest:
            raise ValueError(f"Expected {name} >= {fewest}. Received: {number}")
    if not step_size > 0:
        raise ValueError(f"Expected step_size > 0. Received: {step_size}")
    seeds = noise.row_seeds(seed, len(samples) if reverse else chains)
    if reverse:
        x = tf.convert_to_tensor(samples, tf.float32)
        if bounds is not None and not tf.reduce_all((x >= bounds[0]) & (x <= bounds[1])):
            raise ValueError("Expected samples within the bounds. Received: others")
    else:
        x = reference.draw(seeds, shape, bounds, iteration=-1)
    # Denser towards q, where the first grains of f change the most.
    betas = tf.cast(np.linspace(0, 1, temperatures + 1) ** 2, tf.float32)
    betas = betas[::-1] if reverse else betas
    e, uniforms = step_size * reference.std, noise.fold(seeds, 1)

    def evaluate(x):
        return value_and_gradient(f, x)

    @tf.function(autograph=False)
    def anneal(x):
        def body(k, x, known, weight, accepted):
            weight += (betas[k + 1] - betas[k]) * known[0]

            def combine(x, known):
                value, slope = known
                value = betas[k + 1] * value - reference.energy(x)
                return value, betas[k + 1] * slope - reference.pull(x)

            for i in range(steps):
                number = k * steps + i
                z = noise.normal(seeds, shape, iteration=number)
                u = noise.uniform(uniforms, [], iteration=number)
                moved, known, take = adjusted_step(evaluate, combine, x, known, z, u, e,
                                                   bounds=bounds)  # fmt: skip
                x = tf.ensure_shape(moved, x.shape)
                accepted += tf.reduce_mean(take) / steps
            return k + 1, x, known, weight, accepted

        # What f is at a chain serves the weight, both ends of the next step, and every β.
        state = (0, x, evaluate(x), tf.zeros(len(seeds)), 0.0)
        return tf.while_loop(lambda k, *_: k < temperatures, body, state)[3:]

    weight, accepted = (value.numpy() for value in anneal(x))
    if not np.isfinite(weight).all():
        raise ValueError("Expected a finite f where its chains are. "
                         f"Received: {weight[~np.isfinite(weight)][0]}")  # fmt: skip
    scaled = np.exp(np.float64(weight) - weight.max())
    value = float(np.log(scaled.mean()) + weight.max())
    error = scaled.std(ddof=1) / scaled.mean() / np.sqrt(len(scaled))
    effective = scaled.sum() ** 2 / np.square(scaled).sum()
    return Estimate(-value if reverse else value, float(error), float(effective),
                    float(accepted / temperatures))  # fmt: skip

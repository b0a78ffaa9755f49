"""Whether chains sample the density or only look good: energies, autocorrelation, R-hat.

Chains of the finest level are run at temperature 1 from two kinds of starts: what the model draws
afresh, and its reference distribution. Where they sample one density, their energies cannot be told
apart: R-hat is near 1 and the effective number of draws large. (A. Vehtari et al.,
"Rank-normalization, folding, and localization: an improved R-hat", Bayesian Analysis, 2021; as
ArviZ computes them.)
"""

import dataclasses

import numpy as np
import tensorflow as tf

from genconv_tf import noise, pyramid


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What the energies of parallel chains say.

    Attributes:
        energies: `(chains, draws)`, U(x) of every draw.
        acceptance: mean share of Metropolis steps taken; 1 without them.
        autocorrelation: of the energies at lags 0, 1, ..., mean over chains: `(draws,)`.
        effective: effective number of independent draws in all of them.
        error: Monte Carlo standard error of the mean energy.
        r_hat: how much wider all chains together are than each: at most 1.01 where they agree.
        drift: how far the chains' energies move from their first quarter to their last, in
            standard deviations of the last quarter; about 0 for chains that are where they belong.
    """

    energies: np.ndarray
    acceptance: float
    autocorrelation: np.ndarray
    effective: float
    error: float
    r_hat: float
    drift: float

    @property
    def agree(self):
        """Whether the chains may be said to sample one density (Vehtari et al., section 4)."""
        return self.r_hat <= 1.01 and self.effective >= 100 * len(self.energies)


def diagnose(model, chains=4, draws=500, thin=2, size=None, step_size=None, adjusted=True, seed=0):
    """Run chains of the model's finest level and summarise their energies.

    Args:
        model: a `GenerativeConvNet`.
        chains: number of them, half from fresh samples and half from the reference distribution.
        draws: recorded energies of each.
        thin: Langevin steps between two of them.
        size: lengths of x; the training size by default.
        step_size: e; the last one of the model's sampler by default.
        adjusted: whether the steps are Metropolis-adjusted, and the density so the model's own.
        seed: int.

    Returns:
        A `Diagnosis`. Needs ArviZ: `pip install genconv-tf[diagnostics]`.
    """
    if chains < 2 or draws < 4:
        raise ValueError(f"Expected at least 2 chains of 4 draws. Received: {chains} of {draws}")
    level, size = model.finest, tuple(size or model.size)
    seeds = noise.row_seeds(seed, chains)
    fresh = pyramid.generate(model.levels, seeds[: chains // 2], size, model.channels)
    white = model.reference.std * noise.normal(seeds[chains // 2 :], fresh.shape[1:], iteration=-7)
    settings = {
        "step_size": step_size or level.sampler.last_step_size,
        "temperature": 1.0,
        "final_step_size": None,
        "final_temperature": None,
        "adjusted": adjusted,
        "bounded": level.sampler.bounded and not adjusted,
    }
    level = dataclasses.replace(level, sampler=dataclasses.replace(level.sampler, **settings))
    energies, acceptance = energy_trace(level, tf.concat([fresh, white], 0), seeds, draws, thin)
    return summarise(energies.numpy(), float(acceptance))


@tf.function
def energy_trace(level, x, seeds, draws, thin=1):
    """Energies of chains that start at `x`: `(chains, draws)`, and the share of steps taken.

    Args:
        level: a `pyramid.Level`.
        x: `(chains, *spatial, channels)`.
        seeds: `(chains, 2)` int32.
        draws: recorded energies of each chain.
        thin: steps before each.
    """

    def body(t, x, accepted, energies):
        x, share = level.advance(x, noise.fold(seeds, t), thin)
        energies = energies.write(t, -level.log_density(x))
        return t + 1, x, accepted + tf.reduce_mean(share), energies

    state = (0, x, 0.0, tf.TensorArray(tf.float32, draws))
    _, _, accepted, energies = tf.while_loop(lambda t, *_: t < draws, body, state)
    return tf.transpose(energies.stack()), accepted / draws


def summarise(energies, acceptance=1.0):
    """The `Diagnosis` of traces `(chains, draws)` of any quantity."""
    try:
        from arviz_stats.base import array_stats
    except ImportError:
        raise ValueError("Expected ArviZ: pip install genconv-tf[diagnostics]") from None
    energies = np.asarray(energies, np.float64)
    quarter = max(1, energies.shape[1] // 4)
    spread = energies[:, -quarter:].std() + 1e-12
    moved = energies[:, -quarter:].mean(1) - energies[:, :quarter].mean(1)
    return Diagnosis(
        energies=energies,
        acceptance=acceptance,
        # Of a chain that stands still it is no number.
        autocorrelation=np.nan_to_num(array_stats.autocorr(energies, axis=-1), nan=1.0).mean(0),
        effective=float(array_stats.ess(energies, chain_axis=0, draw_axis=1)),
        error=float(array_stats.mcse(energies, chain_axis=0, draw_axis=1)),
        r_hat=float(array_stats.rhat(energies, chain_axis=0, draw_axis=1)),
        drift=float(np.abs(moved).max() / spread),
    )

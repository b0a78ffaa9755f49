"""Whether chains sample the density or only look good: traces, autocorrelation, R-hat.

Chains of the finest level are run at temperature 1 from two kinds of starts: what the model draws
afresh, and its reference distribution. Where they sample one density, they cannot be told apart:
R-hat is near 1 and the effective number of draws large, for the energy and for random projections
of x alike. (A. Vehtari et al., "Rank-normalization, folding, and localization: an improved R-hat",
Bayesian Analysis, 2021; as ArviZ computes them.) Energies alone would not do: chains that stay in
two modes of one depth have the same. What no chain has found no figure can tell.

R-hat is above 1 by chance as well: the means of n independent draws, of m chains each cut into its
halves, are as far apart as makes its square 1 + χ²/n/(2m - 1), χ² of 2m - 1 degrees of freedom. So
chains differ where it is above 1.01 and above what all but one in a hundred of chains that do not
differ have, and agree where they do not differ and have effective draws enough to tell. Where a
chain is hardly longer than its correlations, n is estimated as far too large; few draws are
therefore taken for very few, and only what is far apart for different.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from genconv_tf import noise, pyramid, sizes

CHAINS = -2  # folded into the seeds of chains; `noise.UPDATE` is for those of a training
PROJECTIONS = 8  # directions of x that are traced beside the energy
R_HAT, DRAWS = 1.01, 100  # Vehtari et al., section 4: at most, and effective ones for each chain
CHANCE = 0.01  # of chains of one density that they are said to differ
# Effective draws of half a chain below which their estimate is not believed, and taken for so many.
RELIABLE, LEAST = 25.0, 4.0


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What the traces of parallel chains say; of all traces the worst.

    Attributes:
        energies: `(chains, draws)`, U(x) of every draw.
        acceptance: mean share of Metropolis steps taken; 1 without them.
        autocorrelation: of the energies at lags 0, 1, ..., mean over chains: `(draws,)`.
        effective: effective number of independent draws in all chains.
        error: Monte Carlo standard error of the mean energy.
        r_hat: how much wider all chains together are than each: at most 1.01 where they agree, or a
            little more by chance.
        drift: how far a chain's energy moves from its first quarter to its last, in standard
            deviations of its last quarter; about 0 for chains that are where they belong.
        differ: whether R-hat, of some trace, is larger than chance makes it.
    """

    energies: np.ndarray
    acceptance: float
    autocorrelation: np.ndarray
    effective: float
    error: float
    r_hat: float
    drift: float
    differ: bool

    @property
    def enough(self):
        """Whether there are effective draws enough to tell."""
        return self.effective >= DRAWS * len(self.energies)

    @property
    def agree(self):
        """Whether nothing says that chains sample different densities, and would if they did."""
        return self.enough and not self.differ


def diagnose(model, chains=4, draws=200, thin=5, size=None, step_size=None, adjusted=True,
             warm_up=None, seed=0):  # fmt: skip
    """Run chains of the model's finest level, in float32, and summarise them.

    Args:
        model: a `GenerativeConvNet`.
        chains: number of them, half from fresh samples and half from the reference distribution,
            of a bounded sampler restricted to its bounds.
        draws: recorded of each.
        thin: Langevin steps between two of them.
        size: lengths of x, one int or one per axis; the training size by default.
        step_size: e; the last one of the model's sampler by default.
        adjusted: whether the steps are Metropolis-adjusted, and the density so the model's own.
        warm_up: draws before those that are recorded; as many by default.
        seed: int.

    Returns:
        A `Diagnosis`. Needs ArviZ: `pip install genconv-tf[diagnostics]`.
    """
    for name, value, least in (("chains", chains, 2), ("draws", draws, 4), ("thin", thin, 1)):
        if value < least:
            raise ValueError(f"Expected {name} >= {least}. Received: {value}")
    _arviz()  # before the chains run
    size = model.size if size is None else size
    size = sizes.lengths(size, model.rank)
    only = sizes.only_size(model.levels, model.size)
    sizes.check_size(sizes.least_size(model.levels), size, only)
    model = model.twin(precision="float32")
    seeds = noise.row_seeds(seed, chains)
    row = seeds[: chains // 2]
    fresh = tf.function(
        lambda: pyramid.generate(model.levels, row, size, model.channels), autograph=False
    )()
    box, reference = model.finest.box, model.reference
    if box is None:  # white noise of the same width, where q has no draws
        reference = dataclasses.replace(reference, kind="gaussian")
    white = reference.draw(seeds[chains // 2 :], fresh.shape[1:], box, iteration=-7)
    settings = {
        "step_size": step_size or model.finest.sampler.last_step_size,
        "temperature": 1.0,
        "final_step_size": None,
        "final_temperature": None,
        "momentum": 0.0,
        "adjusted": adjusted,
    }
    sampler = dataclasses.replace(model.finest.sampler, **settings)
    level = dataclasses.replace(model.finest, sampler=sampler)
    warm_up = draws if warm_up is None else warm_up
    own = noise.fold(seeds, CHAINS)  # `generate` folds in the numbers of the levels
    traced, share = traces(level, tf.concat([fresh, white], 0), own, warm_up + draws, thin)
    return summarise(traced.numpy()[..., warm_up:], float(share))


@tf.function(autograph=False)
def traces(level, x, seeds, draws, thin=1):
    """Energies and projections of chains that start at `x`: `(1 + projections, chains, draws)`, and
    the share of steps taken.

    Args:
        level: a `pyramid.Level`.
        x: `(chains, *spatial, channels)`.
        seeds: `(chains, 2)` int32.
        draws: recorded states of each chain.
        thin: steps before each.
    """
    axes = tf.range(1, x.shape.rank)
    directions = noise.normal(noise.row_seeds(0, PROJECTIONS), tf.shape(x)[1:])

    def body(t, x, accepted, traced):
        x, share = level.advance(x, noise.fold(seeds, t), thin)
        projected = tf.map_fn(lambda v: tf.reduce_sum(v * x, axes), directions)
        traced = traced.write(t, tf.concat([-level.log_density(x)[None], projected], 0))
        return t + 1, x, accepted + tf.reduce_mean(share), traced

    state = (0, x, 0.0, tf.TensorArray(tf.float32, draws))
    _, _, accepted, traced = tf.while_loop(lambda t, *_: t < draws, body, state)
    return tf.transpose(traced.stack(), [1, 2, 0]), accepted / draws


def summarise(traced, acceptance=1.0):
    """The `Diagnosis` of traces `(quantities, chains, draws)`, the energy first."""
    array_stats = _arviz()
    traced = np.asarray(traced, np.float64)
    if not np.isfinite(traced).all():
        raise ValueError("Expected chains that stay finite. Received: others; take shorter steps")
    axes = {"chain_axis": -2, "draw_axis": -1}
    energies = traced[0]
    quarter = max(2, energies.shape[1] // 4)  # of one draw there is no deviation
    moved = energies[:, -quarter:].mean(1) - energies[:, :quarter].mean(1)
    # A chain that stands still has neither autocorrelation nor R-hat, and no effective draw.
    still = (np.ptp(traced, -1) == 0).any()
    with np.errstate(invalid="ignore", divide="ignore"):
        lagged = np.nan_to_num(array_stats.autocorr(energies, axis=-1), nan=1.0)
        r_hat = np.nan_to_num(array_stats.rhat(traced, **axes), nan=1.0)
        each = np.nan_to_num(array_stats.ess(traced[:, :, None], **axes)).sum(-1)
        effective = 0.0 if still else array_stats.ess(traced, **axes).min()
        error = np.nan_to_num(array_stats.mcse(energies, **axes))
    return Diagnosis(
        energies=energies,
        acceptance=acceptance,
        autocorrelation=lagged.mean(0),
        effective=float(effective),
        error=float(error),
        r_hat=float(r_hat.max()),
        drift=float((np.abs(moved) / (energies[:, -quarter:].std(1) + 1e-12)).max()),
        differ=bool((r_hat > np.maximum(R_HAT, _by_chance(each, *traced.shape[:2]))).any()),
    )


def _by_chance(draws, quantities, chains):
    """What R-hat is below in all but `CHANCE` of diagnoses of chains of one density.

    Args:
        draws: `(quantities,)`, effective ones in all chains, each by itself.
        quantities, chains: numbers of them. ArviZ's R-hat is the worse of two, of ranks and of
            distances from the median.
    """
    from scipy.stats import chi2

    halves = 2 * chains
    spread = chi2.isf(CHANCE / (2 * quantities), halves - 1) / (halves - 1)
    each = np.where(draws / halves < RELIABLE, LEAST, draws / halves)
    return np.sqrt(1 + spread / each)


def _arviz():
    """ArviZ's statistics of arrays, which come with the extra `diagnostics`."""
    try:
        from arviz_stats.base import array_stats
    except ImportError:
        raise ValueError("Expected ArviZ: pip install genconv-tf[diagnostics]") from None
    return array_stats

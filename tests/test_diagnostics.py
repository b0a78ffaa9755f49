import numpy as np
import pytest
import tensorflow as tf

from genconv_tf import GenerativeConvNet
from genconv_tf.cli.diagnose import verdict
from genconv_tf.diagnostics import diagnose, summarise

RNG = np.random.default_rng(0)
LAYER = {"filters": 4, "kernel": 3}


def model(scale, **sampler):
    return GenerativeConvNet([LAYER], size=8, channels=1, weight_scale=scale,
                             sampler={"steps": 10, "step_size": 0.5, **sampler})  # fmt: skip


def test_chains_of_white_noise_agree_and_have_its_energy():
    result = diagnose(model(0.0, final_temperature=0.1), draws=400, thin=6, size=8)
    assert result.energies.shape == (4, 400) and 0.5 < result.acceptance < 1
    # U = ‖x‖²/2 of 64 normal numbers: 32, within 4 Monte Carlo standard errors.
    assert abs(result.energies.mean() - 32) < 4 * result.error
    assert result.r_hat < 1.03 and result.effective > 200 and result.drift < 2
    assert result.autocorrelation[0] == pytest.approx(1.0) and result.autocorrelation[50] < 0.3


def test_chains_in_a_box_stay_there_and_agree():
    # q restricted to [-0.5, 0.5]: the mean of x² is that of a truncated normal distribution.
    boxed = model(0.0, bounded=True, start_std=0.1)
    half = {"low": -0.5, "high": 0.5, "dtype": "float32"}
    boxed = boxed.twin(preprocessing=half, size=4, sampler={**_sampler(boxed), "step_size": 0.1})
    result = diagnose(boxed, draws=300, thin=4)
    x = np.linspace(-0.5, 0.5, 10001)
    exact = 16 * np.average(x**2, weights=np.exp(-(x**2) / 2)) / 2
    assert abs(result.energies.mean() - exact) < 5 * result.error
    assert result.energies.max() <= 16 * 0.25 / 2 and np.ptp(result.energies, 1).min() > 0.1
    # A dozen effective draws a chain, by an estimate that is too large: too few to tell.
    assert not result.differ and not result.enough
    assert not diagnose(boxed, draws=300, thin=4, seed=2).differ


def test_a_model_that_samples_its_density_agrees_or_has_too_few_draws_to_tell():
    few = diagnose(model(0.0), draws=100)
    assert not few.differ and not few.enough and not few.agree
    assert verdict(few).startswith("Too few effective draws to tell: 400 or more would.")
    many = diagnose(model(0.0, step_size=1.0), draws=600, thin=8)
    assert many.agree and verdict(many).startswith("The chains agree")


def test_independent_chains_differ_as_rarely_as_is_said():
    # One in a hundred at most; of 200, more than 7 with a probability of 1e-3.
    differing = sum(summarise(RNG.normal(size=(9, 4, 100))).differ for _ in range(200))
    assert differing <= 7
    apart = RNG.normal(size=(9, 4, 100)) + np.array([0.0, 0.0, 1.5, 1.5])[:, None]
    assert summarise(apart).differ


def _sampler(model):
    return model.get_config()["sampler"]


def test_chains_that_stay_where_they_start_do_not_agree():
    # Fresh samples start at a standard deviation of 30; the steps are far too short to get away.
    still = model(0.0, start_std=30.0, steps=1)
    result = diagnose(still, draws=100, thin=1, step_size=1e-3, adjusted=False)
    assert result.r_hat > 2 and result.effective < 20 and result.differ


def test_mirrored_modes_of_one_energy_do_not_agree():
    # f = |⟨w, x⟩| has two modes, ±w, of the same energies, which no chain leaves for the other.
    two = GenerativeConvNet([{"filters": 2, "kernel": "full"}], size=4, channels=1,
                            boundary="valid", sampler={"step_size": 0.5})  # fmt: skip
    w = 2.0 * np.ones((4, 4, 1, 1), np.float32)
    two.set_weights([np.concatenate([w, -w], -1), np.zeros(2, np.float32)])
    for seed in range(3):
        result = diagnose(two, chains=6, draws=200, seed=seed)
        energy = summarise(result.energies[None])
        if not result.agree and energy.r_hat < 1.02:
            break
    assert result.r_hat > 1.5 and energy.r_hat < 1.02


def test_independent_draws_agree_and_drifting_ones_do_not():
    draws = RNG.normal(size=(3, 4, 1000))
    whole = summarise(draws)
    assert whole.agree and whole.drift < 1
    assert whole.effective == pytest.approx(4000, rel=0.2)
    drifting = summarise(draws + np.linspace(0, 20, 1000))
    assert not drifting.agree and drifting.drift > 5
    # However far apart the chains are.
    apart = summarise(draws + np.linspace(0, 20, 1000) + np.array([0, 0, 1e3, 1e3])[:, None])
    assert apart.drift > 5 and apart.r_hat > 2
    assert all(summarise(draws[..., :n]).drift < 100 for n in range(4, 9))
    constant = summarise(np.ones((1, 4, 100)))
    assert constant.effective == 0 and not constant.agree


def test_the_same_seed_gives_the_same_traces():
    a, b, c = (diagnose(model(0.1), draws=4, seed=seed).energies for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 0.1


@pytest.mark.parametrize(
    "wrong, message",
    [({"chains": 1}, "chains >= 2"), ({"draws": 2}, "draws >= 4"), ({"thin": 0}, "thin >= 1"),
     ({"size": (8,)}, "2 positive lengths"), ({"size": 1}, "size of at least")],
)  # fmt: skip
def test_wrong_arguments_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        diagnose(model(0.0), **wrong)
    with pytest.raises(ValueError, match="stay finite"):
        summarise(tf.fill((1, 4, 8), np.nan))

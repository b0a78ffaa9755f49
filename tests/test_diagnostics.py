import numpy as np
import pytest

from genconv_tf import GenerativeConvNet
from genconv_tf.diagnostics import diagnose, summarise

RNG = np.random.default_rng(0)
LAYER = {"filters": 4, "kernel": 3}


def model(scale, **sampler):
    return GenerativeConvNet([LAYER], size=8, channels=1, weight_scale=scale,
                             sampler={"steps": 10, "step_size": 0.5, **sampler})  # fmt: skip


def test_chains_of_white_noise_agree_and_have_its_energy():
    result = diagnose(model(0.0, final_temperature=0.1), chains=4, draws=400, thin=4)
    assert result.energies.shape == (4, 400) and 0.5 < result.acceptance < 1
    # U = ‖x‖²/2 of 64 normal numbers: 32, within 4 Monte Carlo standard errors.
    assert abs(result.energies[:, 100:].mean() - 32) < 4 * result.error + 0.3
    assert result.r_hat < 1.05 and result.effective > 100
    assert result.autocorrelation[0] == pytest.approx(1.0) and result.autocorrelation[50] < 0.3


def test_chains_that_stay_where_they_start_do_not_agree():
    # Fresh samples start at a standard deviation of 30; the steps are far too short to get away.
    still = model(0.0, start_std=30.0, steps=1)
    result = diagnose(still, chains=4, draws=100, thin=1, step_size=1e-3, adjusted=False)
    assert result.r_hat > 2 and result.effective < 20 and not result.agree


def test_independent_draws_agree_and_drifting_ones_do_not():
    draws = RNG.normal(size=(4, 1000))
    assert summarise(draws).agree and summarise(draws).drift < 1
    assert summarise(draws).effective == pytest.approx(4000, rel=0.15)
    drifting = summarise(draws + np.linspace(0, 20, 1000))
    assert not drifting.agree and drifting.drift > 5


def test_too_few_chains_are_refused():
    with pytest.raises(ValueError, match="at least 2 chains"):
        diagnose(model(0.0), chains=1)

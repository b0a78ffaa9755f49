import numpy as np
import pytest

import genconv_tf as gct
from genconv_tf.data.images import ENLARGED, principal_colours
from genconv_tf.data.preprocessing import Preprocessing

RNG = np.random.default_rng(0)
# Colours that vary by 30, 12 and 2 along three directions.
TURN = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
COLOURED = 128 + RNG.normal(size=(80, 90, 3)) * (30, 12, 2) @ TURN
COLOURED = COLOURED.round().clip(0, 255).astype(np.uint8)
GREY = np.repeat(COLOURED[..., :1], 3, axis=-1)


def test_principal_colours_are_uncorrelated_and_equally_strong():
    data = gct.data.images(COLOURED, colours="principal")
    x = next(iter(data))[0].numpy().reshape(-1, 3)
    covariance = np.cov(x.T)
    spread = COLOURED.reshape(-1, 3).std(0)
    target = np.mean(spread**2)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=1e-2 * target)
    np.testing.assert_allclose(np.diag(covariance)[:2], target, rtol=1e-2)
    # The weakest component, of standard deviation 2, is not enlarged without end.
    np.testing.assert_allclose(np.diag(covariance)[2], (2 * ENLARGED) ** 2, rtol=0.1)


@pytest.mark.parametrize("image, channels", [(COLOURED, 3), (GREY, 1)])
def test_they_are_undone(image, channels):
    data = gct.data.images(image, colours="principal")
    x = next(iter(data))
    assert x.shape == (1, 80, 90, channels)
    np.testing.assert_array_equal(data.preprocessing.decode(x)[0], image)


def test_a_grey_image_is_its_own_channel():
    preprocessing = gct.data.images(GREY, colours="principal").preprocessing
    np.testing.assert_allclose(preprocessing.basis, [[1, 1, 1]], atol=1e-5)
    assert principal_colours("rgb", [GREY]) is None
    assert principal_colours("principal", [np.full((9, 9, 3), 7.0)])  # one colour all over


def test_colours_become_grey():
    data = gct.data.images(COLOURED, colours="grey")
    x = next(iter(data))
    assert x.shape == (1, 80, 90, 1)
    grey = COLOURED.mean(-1) - COLOURED.mean()
    np.testing.assert_allclose(x[0, ..., 0], grey, atol=0.02)
    media = data.preprocessing.decode(x)[0].numpy().astype(float)
    np.testing.assert_allclose(media - COLOURED.mean((0, 1)), grey[..., None] + [0] * 3, atol=0.6)
    with pytest.raises(ValueError, match='"principal" or "grey"'):
        gct.data.images(COLOURED, colours="gray")


def test_bounds_hold_every_colour():
    preprocessing = Preprocessing((100.0, 120.0, 90.0), 0.5, basis=TURN * [[2.0], [1.0], [0.5]])
    low, high = preprocessing.bounds()
    corners = np.stack(np.meshgrid(*[[0.0, 255.0]] * 3), -1).reshape(-1, 3)
    x = preprocessing.encode(corners).numpy()
    np.testing.assert_allclose(x.min(0), low, rtol=1e-4)
    np.testing.assert_allclose(x.max(0), high, rtol=1e-4)


def test_a_model_of_grey_samples_grey_rgb_and_recovers_it(tmp_path):
    data = gct.data.images(GREY, colours="principal")
    changes = {"model.levels": 1, "model.layers": [{"filters": 8, "kernel": 5}],
               "model.weight_scale": 0.3, "learning.level_rates": 1.0, "sampler.steps": 2,
               "sampler.step_size": 0.5, "sampler.temperature": 1.0,
               "sampler.final_temperature": 1.0}  # fmt: skip
    model = gct.GenerativeConvNet.from_recipe("texture", data=data, **changes)
    assert model.channels == 1 and model.size == (80, 90)
    samples = model.sample(2, size=48)
    assert samples.shape == (2, 48, 48, 3) and samples.std() > 1
    np.testing.assert_array_equal(samples[..., 0], samples[..., 2])
    mask = np.zeros((1, 80, 90))
    mask[:, 20:40, 20:40] = 1
    model.export(tmp_path / "1")
    for one in (model, gct.export.ExportedModel(tmp_path / "1")):
        recovered = one.recover(GREY[None], mask)
        assert recovered.shape == (1, 80, 90, 3)
        np.testing.assert_array_equal(recovered[mask == 0], GREY[None][mask == 0])


def test_unknown_colours_are_refused():
    with pytest.raises(ValueError, match='Expected colours "rgb", "principal" or "grey"'):
        gct.data.images(GREY, colours="lab")

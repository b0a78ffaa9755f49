import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from genconv_tf import evaluation

SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="module")
def stripes():
    """A texture with a direction and noise, `(224, 224, 3)`."""
    rng = np.random.default_rng(0)
    wave = np.sin(np.arange(224) / 4)[:, None, None] * 60
    return np.clip(128 + wave + rng.normal(0, 20, (224, 224, 3)), 0, 255)


def test_a_sample_of_the_same_texture_is_nearer_than_of_another(stripes):
    again = np.roll(stripes, (50, 30), (0, 1))
    turned = stripes.transpose(1, 0, 2)
    grey = np.clip(128 + np.random.default_rng(1).normal(0, 40, stripes.shape), 0, 255)
    filters = evaluation.vgg_filters()

    def gram(x):
        return evaluation.gram_matrices(x, filters)

    def spectrum(x):
        return evaluation.log_spectrum(x)

    for other in (turned, grey):
        near = evaluation.gram_distance(gram(stripes), gram(again))
        assert evaluation.gram_distance(gram(stripes), gram(other)) > 1.5 * near
        near = np.abs(spectrum(stripes) - spectrum(again)).mean()
        assert np.abs(spectrum(stripes) - spectrum(other)).mean() > 1.5 * near
    near = evaluation.patch_distance(stripes, again)
    assert evaluation.patch_distance(stripes, grey) > 3 * near


def test_copies_and_repetition_are_seen(stripes):
    same = evaluation.evaluate(stripes, [stripes, stripes])
    assert same["copy_ncc"]["value"] == pytest.approx(1, abs=1e-3)
    assert same["diversity"]["value"] == same["patch_swd"]["value"] == 0
    # Noise shuffled in space: independent samples of one distribution, none a copy.
    rng = np.random.default_rng(2)
    shuffled = [rng.permutation(stripes.reshape(-1, 3)).reshape(stripes.shape) for _ in range(2)]
    other = evaluation.evaluate(stripes, shuffled)
    assert other["diversity"]["value"] == pytest.approx(1, abs=0.05)
    assert other["copy_ncc"]["value"] < 0.5


def test_small_or_grey_images_are_refused(stripes):
    for bad in (stripes[:100], stripes[..., 0]):
        with pytest.raises(ValueError, match="of at least"):
            evaluation.evaluate(stripes, [bad])


def test_a_file_that_holds_no_filters_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    for name in ("other.npz", "missing.npz"):
        with pytest.raises(ValueError, match=r"LAYER/kernel|weights of block1_conv1"):
            evaluation.vgg_filters(tmp_path / name)


def test_figures_equal_those_of_the_independent_judge(tmp_path):
    judge = SHARED / "eval" / "texture_quality.py"
    if not judge.is_file():
        pytest.skip("the folder of shared data is not here")
    textures = SHARED / "data" / "textures" / "authors"
    paths = [textures / f"ivy{part}" for part in (".jpg", "_authors_result_layer3.png")]
    weights = SHARED / "data" / "weights" / "vgg19_normalised_conv1_1_to_conv3_1.npz"
    command = [sys.executable, judge, *paths, "--json", tmp_path / "judged.json"]
    subprocess.run(command, check=True, capture_output=True)
    judged = json.loads((tmp_path / "judged.json").read_text())
    images = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    ours = evaluation.evaluate(images[0], images[1:], vgg=str(weights))
    for name, figures in judged.items():
        for key, value in figures.items():
            assert ours[name][key] == pytest.approx(value, rel=0.02)

"""`genconv inspect` and `genconv diagnose`, on a small preset."""

import json

import numpy as np
import pytest
from PIL import Image

from genconv_tf import GenerativeConvNet
from genconv_tf.cli.main import main
from genconv_tf.data.decode import read_image


@pytest.fixture
def preset(tmp_path):
    layers = [{"filters": 6, "kernel": 5, "stride": 2}, {"filters": 4, "kernel": 3}]
    model = GenerativeConvNet(layers, size=24, weight_scale=1.0, sampler={"start_std": 20.0})
    model.save_to_preset(tmp_path / "preset")
    return str(tmp_path / "preset")


def test_inspect_shows_pieces_basis_functions_and_modes(preset, picture, tmp_path, capsys):
    words = ["inspect", preset, "--image", str(picture), "--output", str(tmp_path / "out")]
    assert main(words) == 0
    facts = json.loads((tmp_path / "out" / "structure.json").read_text())
    assert facts["f"] == pytest.approx(facts["a + <x, B>"], rel=1e-4)
    assert len(facts["active"]) == 2 and all(0 < share < 1 for share in facts["active"])
    mode = read_image(tmp_path / "out" / "mode.png")
    assert mode.shape == (24, 24, 3) and 0 <= facts["mode error"] < 1
    assert "basis_1 to 2" in capsys.readouterr().out
    # A first-layer filter of 5x5 is what its basis function is: shown seven times as large.
    with Image.open(tmp_path / "out" / "basis_1.png") as sheet:
        assert sheet.size == (3 * 39 - 4, 2 * 39 - 4)
    # The image for each of the four filters of the second layer, with frames in it.
    shown = read_image(tmp_path / "out" / "detections.png")
    image = read_image(tmp_path / "out" / "image.png")
    assert shown.shape == (2 * 28 - 4, 2 * 28 - 4, 3)
    changed = (shown[:24, :24] != image).any(-1)
    assert 0.02 < changed.mean() < 0.6
    model = GenerativeConvNet.from_preset(preset)
    x = model.preprocessing.encode(read_image(tmp_path / "out" / "image.png")[None])
    made = model.preprocessing.decode(model.reconstruct(x)).numpy()[0]
    shown = read_image(tmp_path / "out" / "reconstruction.png")
    assert np.abs(made.astype(int) - shown).max() <= 1


def test_a_basis_function_of_the_first_layer_is_its_filter():
    from genconv_tf import structure
    from genconv_tf.cli.inspect import _centred, _unwrapped

    layers = [{"filters": 3, "kernel": 5}]
    model = GenerativeConvNet(layers, size=16, weight_scale=1.0)
    x = np.random.default_rng(0).normal(size=(1, 16, 16, 3)).astype(np.float32)
    basis = structure.basis_functions(model.finest.network, x, 0).numpy()
    kernel = model.finest.network.kernels[0].numpy()
    for k, one in enumerate(basis):
        if one.any():
            alone = _centred(_unwrapped(one, (True, True)), 5)
            np.testing.assert_allclose(alone, kernel[..., k], rtol=1e-5, atol=1e-6)
    assert basis.any((1, 2, 3)).sum() >= 2


def test_a_model_of_grey_images_is_sampled_and_inspected(tmp_path, capsys):
    model = GenerativeConvNet([{"filters": 2, "kernel": 5}], channels=1, size=16)
    model.save_to_preset(tmp_path / "grey")
    for command in ("sample", "inspect"):
        assert main([command, str(tmp_path / "grey"), "--output", str(tmp_path / command)]) == 0
    for path in ("sample/sample_0_0.png", "inspect/image.png", "inspect/basis_1.png"):
        with Image.open(tmp_path / path) as image:
            assert image.mode == "RGB" and np.ptp(np.asarray(image), -1).max() == 0


def test_inspect_refuses_sounds(tmp_path, capsys):
    model = GenerativeConvNet([{"filters": 2, "kernel": 5}], rank=1, channels=1, size=64)
    model.save_to_preset(tmp_path / "sound")
    assert main(["inspect", str(tmp_path / "sound"), "--output", str(tmp_path / "out")]) == 2
    assert "Expected a model of images. Received: one of 1 axes" in capsys.readouterr().err


def test_diagnose_says_that_chains_from_different_starts_do_not_agree(preset, tmp_path, capsys):
    words = ["diagnose", preset, "--draws", "20", "--thin", "1", "--step-size", "0.01"]
    assert main([*words, "--unadjusted", "--output", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "R-hat" in said and "do not agree" in said
    found = json.loads((tmp_path / "out" / "diagnosis.json").read_text())
    assert np.shape(found["energies"]) == (4, 20) and found["R-hat"] > 1.1
    with Image.open(tmp_path / "out" / "energies.png") as image:
        assert image.size == (640, 240)

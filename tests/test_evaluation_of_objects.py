import numpy as np
import pytest

from genconv_tf.data.generated_images import flower
from genconv_tf.evaluation_of_objects import evaluate

FLOWERS = flower(8, (64, 64), seed=1)


def test_other_flowers_are_as_near_as_the_observed_ones_to_each_other():
    result = evaluate(FLOWERS, flower(8, (64, 64), seed=2))
    for name in ("nearest", "spectrum", "copy_ncc"):
        assert result[name]["ratio"] == pytest.approx(1, abs=0.25), name
    assert result["diversity"]["value"] == pytest.approx(1, abs=0.2)
    assert len(result["nearest"]["each"]) == 8


def test_copies_averages_and_repetitions_are_told():
    copies = evaluate(FLOWERS, FLOWERS[:3])
    assert copies["nearest"]["value"] == 0 and copies["copy_ncc"]["value"] == pytest.approx(1)
    average = np.repeat(FLOWERS.mean(0)[None], 3, 0)
    blurred = evaluate(FLOWERS, average)
    assert blurred["spectrum"]["ratio"] > 2 and blurred["diversity"]["value"] == pytest.approx(0)
    noise = np.random.default_rng(0).uniform(0, 255, (3, 64, 64, 3))
    assert evaluate(FLOWERS, noise)["nearest"]["ratio"] > 1.5


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="at least two images of at least 64x64"):
        evaluate(FLOWERS[:1], FLOWERS)
    with pytest.raises(ValueError, match=r"samples of \(64, 64, 3\)"):
        evaluate(FLOWERS, FLOWERS[:, :32])

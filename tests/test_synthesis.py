"""What chains do between two updates: conditional learning, constant starts."""

import numpy as np
import pytest
import tensorflow as tf

import genconv_tf as gct
from genconv_tf import GenerativeConvNet, noise, synthesis
from genconv_tf.learning import Learning, by_variance
from genconv_tf.network import ScoringNetwork


def test_squares_are_whole_and_anywhere():
    seeds = noise.row_seeds(3, 400)
    mask = synthesis.random_squares(seeds, (9, 12), 4).numpy()[..., 0]
    assert set(np.unique(mask)) == {0, 1} and (mask.sum((1, 2)) == 16).all()
    tops, lefts = mask.max(2).argmax(1), mask.max(1).argmax(1)
    assert set(tops) == set(range(6)) and set(lefts) == set(range(9))
    # Each of 6 tops has 400/6 squares, give or take four standard deviations of 7.5.
    assert (np.abs(np.bincount(tops) - 400 / 6) < 30).all()
    np.testing.assert_array_equal(
        synthesis.random_squares(seeds[5:6], (9, 12), 4)[0, ..., 0], mask[5])  # fmt: skip


def test_an_interval_is_hidden_of_a_sound_and_a_cube_of_a_video():
    seeds = noise.row_seeds(0, 2)
    assert tf.reduce_sum(synthesis.random_squares(seeds, (50,), 7)[0]) == 7
    assert tf.reduce_sum(synthesis.random_squares(seeds, (5, 6, 7), 3)[1]) == 27
    with pytest.raises(ValueError, match="a square of at most 5"):
        synthesis.random_squares(seeds, (5, 6), 8)


def model(**learning):
    return GenerativeConvNet(
        layers=[{"filters": 4, "kernel": 3}], levels=2, size=16, boundary="same", channels=1,
        sampler={"steps": 3, "start": "zero"},
        learning={"chains": 3, "rejuvenation": 1.0, **learning})  # fmt: skip


def test_chains_of_conditional_learning_differ_from_the_data_in_one_square():
    learner = model(hidden=6)
    learner.compile()
    learner.build_chains((16, 16))
    x = 5 + tf.random.stateless_normal([2, 16, 16, 1], (1, 1))
    fine = learner.advance_chains([x[:, ::2, ::2], x])[-1].numpy()
    for i, row in enumerate(fine):
        # Chains are cut to where every coarse sample has all of its parts.
        changed = (row != x[i % 2, :14, :14].numpy())[..., 0]
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        assert len(rows) == len(columns) == 6 and changed.sum() == 36
        assert rows[-1] - rows[0] == columns[-1] - columns[0] == 5


def test_conditional_learning_compares_chains_with_their_own_images():
    # Of three images four chains would complete one twice; the images take turns.
    learner = model(hidden=6, chains=4)
    learner.compile()
    learner.build_chains((16, 16))
    x = tf.random.stateless_normal([3, 16, 16, 1], (1, 1)) + [[[[4.0]]], [[[5.0]]], [[[6.0]]]]
    means = []
    for update in range(3):
        learner.optimizer.iterations.assign(update)
        observed = learner.observe(x)
        chains = learner.advance_chains(observed)
        own, made = observed[-1].numpy(), chains[-1].numpy()
        assert ((own != made).sum((1, 2, 3)) == 36).all()
        assert len({row.tobytes() for row in own}) == 3 and (own[0] == own[3]).all()
        # Windows of the images differ by at most two pixels; their means tell which is which.
        means.append(own[0].mean())
    np.testing.assert_allclose(means, [4, 5, 6], atol=0.3)


def test_chains_start_at_the_mean_of_their_image():
    learner = model(start="mean")
    object.__setattr__(learner.levels[1].sampler, "step_size", 1e-6)
    learner.compile()
    learner.build_chains((16, 16))
    x = tf.random.stateless_normal([2, 16, 16, 1], (1, 1)) + [[[[3.0]]], [[[-4.0]]]]
    fine = learner.advance_chains([x[:, ::2, ::2], x])[-1].numpy()
    means = tf.reduce_mean(x, (1, 2, 3)).numpy()
    np.testing.assert_allclose(fine, np.broadcast_to(
        means[[0, 1, 0]][:, None, None, None], fine.shape), atol=1e-4)  # fmt: skip


@pytest.mark.parametrize("how", [{}, {"mean": (9.0, 8.0, 7.0)}, {"mean": "image"},
                                 {"colours": "principal"}])  # fmt: skip
def test_samples_start_at_what_images_average(how):
    """A thousand starts have the mean and the covariance of the averages of sixty images."""
    rng = np.random.default_rng(0)
    colours = np.array([90.0, 120.0, 150.0]) + rng.normal(size=(60, 3)) @ np.array(
        [[20.0, 15.0, 10.0], [0.0, 5.0, -8.0], [0.0, 0.0, 3.0]])  # fmt: skip
    images = colours[:, None, None] + rng.normal(0, 9, (60, 16, 16, 3))
    data = gct.data.images(np.clip(images, 0, 255), **how)
    model = GenerativeConvNet(
        layers=[{"filters": 2, "kernel": 3}], preprocessing=data.preprocessing, size=16,
        channels=data.element_spec.shape[-1], sampler={"start": "mean"})  # fmt: skip
    x = model.finest.start(noise.row_seeds(1, 1000), (16, 16), model.channels).numpy()
    assert (x == x[:, :1, :1]).all()
    drawn, want = x[:, 0, 0], np.concatenate(list(data)).mean((1, 2))
    scale = want.std(0)
    # Standard errors of 1/31 of a standard deviation, of 1/22 of a variance, and of rounding.
    np.testing.assert_allclose(drawn.mean(0) / scale, want.mean(0) / scale, atol=0.13)
    between = [np.cov(one / scale, rowvar=False, bias=True) for one in (drawn, want)]
    np.testing.assert_allclose(*between, atol=0.19)


def test_samples_of_videos_start_at_what_clips_average():
    clips = np.stack([np.full((4, 8, 8, 3), n, np.uint8) for n in (30, 90)])
    data = gct.data.videos(clips, mean="none")
    model = GenerativeConvNet(
        layers=[{"filters": 2, "kernel": 3}], rank=3, size=(4, 8, 8),
        preprocessing=data.preprocessing, sampler={"start": "mean"})  # fmt: skip
    x = model.finest.start(noise.row_seeds(1, 400), (4, 8, 8), 3).numpy()
    assert (x == x[:, :1, :1, :1]).all()
    # Mean 60 and standard deviation 30, grey; errors of 1.5 and 1.1, and rounding of the root.
    assert abs(x.mean() - 60) < 6 and abs(x[:, 0, 0, 0, 0].std() - 30) < 4.5
    np.testing.assert_allclose(x[..., 0], x[..., 2], atol=0.1)


def test_one_image_has_one_average_and_where_none_is_known_starts_are_normal():
    data = gct.data.images(np.full((16, 16, 3), 80.0), mean="none")
    how = {"layers": [{"filters": 2, "kernel": 3}], "size": 16,
           "sampler": {"start": "mean", "start_std": 5.0}}  # fmt: skip
    model, seeds = GenerativeConvNet(**how, preprocessing=data.preprocessing), noise.row_seeds(0, 9)
    assert (model.finest.start(seeds, (16, 16), 3).numpy() == 80).all()
    drawn = GenerativeConvNet(**how).finest.start(noise.row_seeds(0, 400), (4, 4), 3).numpy()
    assert (drawn == drawn[:, :1, :1]).all()
    # Of 1200 normal numbers: errors of 0.14 and 0.10.
    assert abs(drawn[:, 0, 0].mean()) < 0.6 and abs(drawn[:, 0, 0].std() - 5) < 0.4


def test_a_saved_model_starts_where_its_images_average(tmp_path):
    images = np.stack([np.full((16, 16, 3), n) for n in (30.0, 90.0, 220.0)])
    data = gct.data.images(images)
    model = GenerativeConvNet(
        layers=[{"filters": 2, "kernel": 3}], preprocessing=data.preprocessing, size=16,
        sampler={"start": "mean", "steps": 1, "step_size": 1e-6})  # fmt: skip
    model.save_to_preset(tmp_path / "preset")
    model.export(tmp_path / "1")
    samples = model.sample(40, seed=2)
    again = GenerativeConvNet.from_preset(str(tmp_path / "preset"))
    for one in (again, gct.export.ExportedModel(tmp_path / "1")):
        np.testing.assert_array_equal(one.sample(40, seed=2), samples)
    # Standard deviation 79 of three images, clipped at black and white, of forty samples.
    assert 40 < samples[:, 0, 0, 0].std() < 95 and (samples == samples[:, :1, :1, :1]).all()


def test_hidden_squares_need_as_many_chains_at_every_level():
    with pytest.raises(ValueError, match="one number of chains"):
        Learning(hidden=4, chains=[4, 2])


@pytest.mark.parametrize("kernel", [3, "full"])
def test_gradients_are_divided_by_the_variance_of_what_they_weigh(kernel):
    check_variances(kernel)


def test_lists_of_full_lengths_are_full():
    check_variances(["full"])


def check_variances(kernel):
    network = ScoringNetwork([{"filters": 2, "kernel": kernel}], 1, "valid")
    network.build((None, 8, 3))
    scale = np.array([1.0, 5.0, 20.0])
    x = tf.random.stateless_normal([200, 8, 3], (4, 2)) * scale
    ones = [tf.ones_like(w) for w in network.trainable_variables]
    kernel, bias = by_variance(network, x, ones)
    np.testing.assert_array_equal(bias, 1)
    # The floor is a hundredth of the mean variance, 1.42.
    variance = np.var(x, (0, 1))
    if kernel.shape[0] == 8:
        variance = np.var(x, 0) + 0.1 * variance
    expected = 1 / np.maximum(variance, 1e-2 * variance.mean())
    np.testing.assert_allclose(
        kernel[..., 0], np.broadcast_to(expected, kernel.shape[:2]), rtol=1e-4
    )


def test_what_weights_above_pooling_weigh_is_pooled():
    pooling = {"operation": "max", "kernel": 2, "stride": 2}
    network = ScoringNetwork([pooling, {"filters": 2, "kernel": 3}], 1, "valid")
    network.build((None, 16, 3))
    x = tf.random.stateless_normal([200, 16, 3], (4, 2)) * [1.0, 2.0, 3.0]
    kernel, _ = by_variance(network, x, [tf.ones_like(w) for w in network.trainable_variables])
    pooled = np.maximum(x[:, ::2], x[:, 1::2])
    np.testing.assert_allclose(kernel[0, :, 0], 1 / pooled.var((0, 1)), rtol=1e-4)

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL

from genconv_tf import GenerativeConvNet, data, noise, sizes
from genconv_tf.chains import Chains
from genconv_tf.pyramid import generate_levels, levels_of
from genconv_tf.resample import upsample


def test_samples_of_any_size_and_number(small):
    media = small.sample(3, size=(37, 50))
    assert media.shape == (3, 37, 50, 3) and media.dtype == np.uint8
    assert small.sample().shape == (1, 32, 32, 3)


def test_a_sample_depends_on_its_seed_alone(small):
    many, few = small.sample(3, seed=5), small.sample(1, seed=5)
    np.testing.assert_array_equal(many[:1], few)
    assert not np.array_equal(many[0], many[1])
    assert not np.array_equal(few, small.sample(1, seed=6))
    np.testing.assert_array_equal(many[1:], small.sample(2, seed=5, first=1))
    image = few[:, :24]
    near, hole = np.repeat(image, 3, 0), np.ones((3, 24, 32), np.float32)
    hole[:, :8] = 0
    for draw, given in ((small.vary, [near]), (small.recover, [near, hole])):
        made = draw(*given, seed=5)
        last = draw(*(each[2:] for each in given), seed=5, first=2)
        np.testing.assert_array_equal(made[2:], last)
        assert not np.array_equal(made[1], made[2])
    with pytest.raises(ValueError, match="Expected first >= 0"):
        small.sample(1, first=-1)


def test_a_model_on_a_torus_has_no_frame():
    """Mean and spread of pixels at the border are those of the middle; zero padding differs."""

    def border_ratio(boundary):
        model = GenerativeConvNet(
            [{"filters": 16, "kernel": 7}],
            boundary=boundary,
            size=24,
            weight_scale=3.0,
            reference={"std": 10.0},
            sampler={"steps": 10, "step_size": 3.0, "start_std": 10.0},
        )
        x = model.sample(32, seed=1).astype(float)
        inner = x[:, 8:16, 8:16].mean()
        return abs(x[:, 0].mean() - inner) / (x[:, 8:16, 8:16].std() / np.sqrt(32 * 24))

    assert border_ratio("torus") < 5


@pytest.mark.parametrize("momentum", [0.0, [0.4, 0.7]])
def test_levels_of_the_same_layers_share_the_graph_of_a_step_and_not_what_they_are(momentum):
    annealed = {"temperature": [3.0, 2.0], "final_temperature": [0.1, 0.3], "step_size": [0.3, 0.4],
                "momentum": momentum}  # fmt: skip
    model = GenerativeConvNet(**{**SMALL, "sampler": {**SMALL["sampler"], **annealed}})
    coarse, fine = model.levels
    assert coarse.like is None and fine.like is coarse
    x, seeds = tf.random.stateless_normal((2, 36, 32, 3), (1, 2)), noise.row_seeds(0, 2)

    def moved(level):
        spec = tf.TensorSpec([2, None, None, 3])
        run = tf.function(lambda x: level.langevin(x, seeds, 3)).get_concrete_function(spec)
        return run(x).numpy()

    own = [moved(dataclasses.replace(level, like=None)) for level in model.levels]
    np.testing.assert_array_equal(moved(fine), own[1])
    alone = fine.langevin(x, seeds, 3)  # in a graph of this size
    np.testing.assert_allclose(alone, own[1], atol=1e-4)
    assert np.abs(own[1] - own[0]).max() > 0.01
    for weight in fine.network.trainable_variables:
        weight.assign(2.0 * weight)
    again = moved(fine)
    assert np.abs(again - own[1]).max() > 0.01
    np.testing.assert_array_equal(again, moved(dataclasses.replace(fine, like=None)))
    model.trainable = False  # a frozen network has the same weights
    np.testing.assert_array_equal(moved(fine), again)
    other = GenerativeConvNet([[{"filters": 4}], [{"filters": 5}]], levels=2)
    assert other.levels[1].like is None


def test_continuing_a_chain_at_the_finest_level_is_the_langevin_loop(small):
    x = tf.random.stateless_normal((2, 32, 32, 3), [0, 1]) * 20
    seeds = tf.constant([[1, 2], [3, 4]])
    expected = small.finest.langevin(x, seeds, 2)
    np.testing.assert_allclose(small.continue_chain(x, seeds, tf.constant(2)), expected, atol=1e-3)


def test_recovery_keeps_what_is_given(small, photograph):
    media = photograph[None, :32, :32]
    mask = np.zeros((1, 32, 32))
    mask[:, 8:20, 10:30] = 1
    received = small.recover(media, mask)
    np.testing.assert_array_equal(received[mask == 0], media[mask == 0])
    assert (received[mask == 1] != media[mask == 1]).mean() > 0.5


def test_levels_learn_from_averages_of_the_data(small):
    x = tf.reshape(tf.range(32.0 * 32 * 3), (1, 32, 32, 3))
    coarse, fine = levels_of(x, small.levels)
    assert fine is x
    np.testing.assert_allclose(coarse[0, 3, 5], x[0, 6:8, 10:12].numpy().mean((0, 1)))


def test_every_phase_of_the_coarsest_grid_is_learned_from(photograph, monkeypatch):
    """A shift of the data by less than a coarse sample gives another coarse image."""
    model = GenerativeConvNet(**{**SMALL, "levels": 2, "size": 32})
    whole = next(iter(data.images(photograph[None]))).numpy()
    assert sizes.phases_of(model.levels, whole.shape[1:-1]) == (
        whole.shape[1] - 1,
        whole.shape[2] - 1,
    )
    seen = []
    monkeypatch.setattr(model, "advance_chains", lambda observed: seen.append(observed) or 1 / 0)
    model.compile()
    model.build_chains((32, 32))
    phases = set()
    for update in range(40):  # of which one phase in four is missed once in 20,000 times
        model.optimizer.iterations.assign(update)
        with pytest.raises(ZeroDivisionError):
            model.train_step(tf.constant(whole))
        fine = seen[-1][-1].numpy()
        places = [
            (i, j)
            for i in (0, 1)
            for j in (0, 1)
            if np.array_equal(fine, whole[:, i : i + fine.shape[1], j : j + fine.shape[2]])
        ]
        assert len(places) == 1
        phases.add(places[0])
    assert len(phases) == 4


def test_each_level_may_have_layers_of_its_own(tmp_path):
    layers = [[{"filters": 4, "kernel": 3}], [{"filters": 4, "kernel": 5}, {"filters": 6}]]
    model = GenerativeConvNet(layers, levels=2, size=16)
    assert [[s.filters for s in n.specs] for n in model.networks] == [[4], [4, 6]]
    model.save_to_preset(tmp_path / "preset")
    again = GenerativeConvNet.from_preset(tmp_path / "preset")
    np.testing.assert_array_equal(again.sample(1, seed=2), model.sample(1, seed=2))
    with pytest.raises(ValueError, match="one list of layers or 3"):
        GenerativeConvNet(layers, levels=3, size=16)


def test_each_level_may_have_weights_of_its_own_scale():
    model = GenerativeConvNet([{"filters": 64}], levels=2, size=16, weight_scale=[0.3, 1.0])
    coarse, fine = (network.kernels[0].numpy() for network in model.networks)
    expected = np.array([0.3, 1.0]) * np.sqrt(2 / 27)
    # The spread of 1,728 normal weights is known to 1.7%.
    np.testing.assert_allclose([coarse.std(), fine.std()], expected, rtol=5 * 0.017)
    again = GenerativeConvNet.from_config(model.get_config())
    np.testing.assert_array_equal(again.networks[0].kernels[0], coarse)


def test_fit_logs_and_moves_the_weights(small, photograph):
    before = small.networks[1].kernels[0].numpy()
    history = small.fit(data.images(photograph, size=32).repeat(), steps_per_epoch=3, verbose=0)
    assert set(history.history) == {"energy_gap", "gradient", "spread", "excess"}
    assert np.isfinite(list(history.history.values())).all()
    assert not np.array_equal(before, small.networks[1].kernels[0].numpy())


def test_fit_takes_epochs_of_a_finite_dataset_and_any_optimizer(small, photograph):
    small.compile(optimizer=keras.optimizers.SGD(1e-6))
    small.fit(data.images(photograph, size=32), epochs=3, verbose=0)
    assert small.optimizer.iterations == 3


@pytest.mark.parametrize(
    "learning",
    [
        {"rejuvenation": 0.0},
        {"rejuvenation": 0.5, "chains": 3},
        {"rejuvenation": 1.0, "start": "data", "chains": 4},
    ],
    ids=["persistent", "rejuvenated", "contrastive divergence"],
)
def test_chains_differ_only_in_where_they_start(learning, photograph):
    model = GenerativeConvNet(**{**SMALL, "learning": learning})
    model.fit(data.images(photograph, size=32).repeat(), steps_per_epoch=3, verbose=0)
    assert np.isfinite(model.chains.states[-1].numpy()).all()


def test_contrastive_divergence_starts_at_the_data(photograph):
    """One step of almost no size from the data leaves the chains at the data."""
    settings = {"chains": 2, "start": "data", "rejuvenation": 1.0}
    sampler = {"steps": 1, "step_size": 1e-6}
    changes = {"levels": 1, "sampler": sampler, "learning": settings}
    model = GenerativeConvNet(**{**SMALL, **changes})
    dataset = data.images(photograph, size=32)
    model.fit(dataset, verbose=0)
    expected = np.repeat(next(iter(dataset)), 2, 0)
    np.testing.assert_allclose(model.chains.states[-1], expected, atol=1e-3)


@pytest.mark.parametrize("boundary", ["same", "torus", "valid"])
def test_contrastive_divergence_compares_chains_with_their_own_images(photograph, boundary):
    """Three images and four chains that do not move: nothing is learned, no image is favoured."""
    changes = {"levels": 1, "boundary": boundary, "sampler": {"steps": 1, "step_size": 1e-6},
               "learning": {"chains": 4, "start": "data", "rejuvenation": 1.0,
                            "optimizer": {"name": "sgd", "learning_rate": 1.0}}}  # fmt: skip
    model = GenerativeConvNet(**{**SMALL, **changes})
    images = np.stack([photograph[:32, :32] * share for share in (0.2, 0.5, 1.0)])
    before = [w.numpy() for w in model.trainable_variables]
    history = model.fit(np.float32(images), batch_size=3, verbose=0).history
    assert abs(history["energy_gap"][0]) < 1e-3 and history["gradient"][0] < 1e-3
    for weight, old in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_allclose(weight, old, atol=1e-3)


def test_contrastive_divergence_takes_all_images_in_turn(photograph):
    changes = {"levels": 1, "sampler": {"steps": 1, "step_size": 1e-6},
               "learning": {"chains": 2, "start": "data", "rejuvenation": 1.0}}  # fmt: skip
    model = GenerativeConvNet(**{**SMALL, **changes})
    images = np.float32([photograph[:32, :32] * share for share in (0.2, 0.5, 1.0)])
    for rows in ([0, 1], [2, 0], [1, 2]):
        model.fit(images, batch_size=3, verbose=0)
        np.testing.assert_allclose(model.chains.states[0], images[rows], atol=1e-3)


def test_persistent_chains_go_on_where_they_were(photograph):
    """With hardly any step a chain stays near its start; a new start would be elsewhere."""
    sampler = {"steps": 1, "step_size": 1e-6, "start_std": 20.0}
    model = GenerativeConvNet(
        **{**SMALL, "sampler": sampler, "learning": {"rejuvenation": 0.0, "chains": 1}}
    )
    dataset = data.images(photograph, size=32)
    model.fit(dataset, verbose=0)
    first = model.chains.states[0].numpy()
    model.fit(dataset, verbose=0)
    np.testing.assert_allclose(model.chains.states[0], first, atol=1e-3)


def test_fresh_samples_may_take_steps_of_their_own(small):
    """And chains that go on still take those of an update."""
    sampler = {**dataclasses.asdict(small.sampler), "fresh_steps": (6, 5)}
    longer = small.twin(sampler=sampler)
    by_steps = small.twin(sampler={**sampler, "steps": (6, 5), "fresh_steps": None})
    np.testing.assert_array_equal(longer.sample(1, 32, seed=3), by_steps.sample(1, 32, seed=3))
    assert not np.array_equal(longer.sample(1, 32, seed=3), small.sample(1, 32, seed=3))
    np.testing.assert_array_equal(
        longer.sample(1, 32, seed=3, steps=2), small.sample(1, 32, seed=3, steps=2)
    )
    x, seeds = tf.zeros((1, 32, 32, 3)), tf.constant([[1, 2]])
    np.testing.assert_array_equal(
        longer.continue_chain(x, seeds, tf.constant(0)),
        small.continue_chain(x, seeds, tf.constant(0)),
    )


def test_a_chain_is_watched_at_any_of_its_steps(small):
    """Before the finest level begins it is the upsampled sample of the coarse one."""
    whole = small.sample(2, 32, seed=3)
    for until in (7, 99):
        np.testing.assert_array_equal(small.sample(2, 32, seed=3, until=until), whole)
    seeds = noise.row_seeds(3, 1)
    coarse = tf.function(lambda: generate_levels(small.levels, seeds, [32, 32], 3)[0])()
    start = small.levels[0].start(noise.fold(seeds, 0), [16, 16], 3)
    for begun, until in ((coarse, 4), (start, 0)):
        expected = small.preprocessing.decode(upsample(begun, [32, 32], torus=(True, True)))
        shown = small.sample(1, 32, seed=3, until=until)
        np.testing.assert_allclose(shown.astype(int), expected, atol=1)
    seen = [small.sample(1, 32, seed=3, until=until) for until in range(8)]
    assert len({each.tobytes() for each in seen}) == 8
    adjusted = small.twin(sampler={**dataclasses.asdict(small.sampler), "adjusted": True})
    np.testing.assert_array_equal(adjusted.sample(seed=3, until=7), adjusted.sample(seed=3))


def test_configuration_makes_the_same_model(small):
    again = GenerativeConvNet.from_config(small.get_config())
    again.set_weights(small.get_weights())
    np.testing.assert_array_equal(again.sample(seed=3), small.sample(seed=3))
    assert again.get_config() == small.get_config()


def test_keras_saves_and_loads_the_model(small, tmp_path):
    small.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.sample(seed=3), small.sample(seed=3))


def test_the_score_serves_as_a_feature_of_another_model(small):
    x = keras.Input((32, 32, 3))
    both = keras.Model(x, small(x) * 2.0)
    pixels = np.random.default_rng(0).standard_normal((2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(both(pixels), 2 * small.score(pixels), rtol=1e-5)


@pytest.mark.parametrize("rank, channels", [(1, 1), (2, 3), (3, 3)])
def test_sound_image_and_video_are_the_same_code(rank, channels):
    model = GenerativeConvNet(
        [{"filters": 4, "kernel": 3}],
        rank=rank,
        channels=channels,
        levels=2,
        size=8,
        sampler={"steps": 2, "start_std": 20.0},
    )
    x = np.random.default_rng(0).normal(0, 20, (1, *[8] * rank, channels)).astype(np.float32)
    model.fit(tf.data.Dataset.from_tensors(x), epochs=2, verbose=0)
    assert model.sample(2, size=10).shape == (2, *[10] * rank, channels)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda m: m.sample(0), "num >= 1.*Received: 0"),
        (lambda m: m.sample(until=-1), "until >= 0.*Received: -1"),
        (lambda m: m.sample(steps=-1), "steps >= 0.*Received: -1"),
        (lambda m: m.sample(steps=2**31), "numbers up to 2147483647"),
        (lambda m: m.sample(seed=2**31), "seed of 32 bits.*Received: 2147483648"),
        (lambda m: m.sample(size=3), r"size of at least .*Received: \(3, 3\)"),
        (lambda m: m.sample(size=(8, 8, 8)), "2 positive lengths"),
        (lambda m: m.recover(np.zeros((1, 32, 32, 3)), np.zeros((1, 9, 9))), "mask of"),
        (lambda m: m.recover(np.zeros((1, 32, 32, 3)), np.full((1, 32, 32), 0.5)), "of 0 and 1"),
        (lambda m: m.recover(np.zeros((1, 32, 32, 3)), np.zeros((1, 32, 32))), "mask with a 1"),
        (lambda m: m.recover(np.zeros((1, 32, 32, 3)), np.ones((1, 32, 32))), "mask with a 0"),
        (lambda m: m.fit(tf.data.Dataset.from_tensors(tf.zeros((1, 32, 32, 1)))), "Expected data"),
        (lambda m: m.fit(tf.data.Dataset.from_tensors(tf.zeros((1, 9, 9, 3)))), "receptive field"),
    ],
)
def test_misuse_says_what_was_expected_and_what_came(small, call, message):
    with pytest.raises(ValueError, match=message):
        call(small)


@pytest.mark.parametrize(
    "change",
    [{"levels": 0}, {"seed": 2**31}, {"precision": "float16"}, {"sampler": {"steps": [1, 2, 3]}},
     {"sampler": {"start": "middle"}}, {"sampler": {"steps": 0}},
     {"sampler": {"final_temperature": [1.0, -1.0]}}, {"sampler": {"momentum": [0.5, 1.0]}},
     {"sampler": {"momentum": 0.5, "adjusted": True}}],
)  # fmt: skip
def test_bad_settings_are_refused(change):
    with pytest.raises(ValueError, match=r"Expected .* Received"):
        GenerativeConvNet(**{**SMALL, **change})


def test_a_twin_has_the_weights_and_other_arguments(small):
    twin = small.twin(precision="bfloat16", size=40)
    assert twin.networks[0].compute_dtype == "bfloat16" and twin.size == (40, 40)
    for mine, its in zip(small.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_a_finer_level_may_not_have_more_chains_than_start_it():
    with pytest.raises(ValueError, match="Received: \\[1, 2\\]"):
        Chains([(1, 8, 8, 3), (2, 16, 16, 3)])


def test_a_torus_without_a_seam_has_whole_strides():
    layers = [{"filters": 4, "kernel": 5}, {"filters": 4, "kernel": 3, "stride": 3}]
    model = GenerativeConvNet(layers, levels=2, size=24, channels=1)
    assert sizes.units(model.levels) == [6, 6]  # strides of 3 at 1/2 of the size
    for size in (np.array([24, 25]), tf.constant([24, 25])):
        np.testing.assert_array_equal(sizes.whole(model.levels, size), [24, 30])
    plain = GenerativeConvNet(layers[:1], levels=2, size=24, channels=1)
    np.testing.assert_array_equal(sizes.whole(plain.levels, np.array([24, 25])), [24, 25])


def test_what_a_layer_covers_whole_has_one_phase():
    layers = [{"filters": 4, "kernel": 3}, {"filters": 3, "kernel": [2, "full", "full"]}]
    boundary = ["torus", "same", "same"]
    model = GenerativeConvNet(layers, rank=3, levels=2, boundary=boundary, size=(8, 12, 16))
    assert sizes.covered(model.levels) == (False, True, True)
    assert sizes.phases_of(model.levels, (8, 12, 16)) == (7, 12, 16)
    clip = np.random.default_rng(0).normal(size=(1, 12, 12, 16, 3)).astype(np.float32)
    model.fit(clip, epochs=2, verbose=0)
    assert model.sample(size=(20, 12, 16)).shape == (1, 20, 12, 16, 3)
    for kind, size, chains in (
        ("data", (12, 12, 18), (8, 12, 16)),
        ("chains", (12, 12, 16), (8, 10, 16)),
        ("chains", (12, 12, 18), None),  # which are as long as the data
    ):
        other = model.twin(learning={"chain_size": chains})
        with pytest.raises(ValueError, match=f"Expected {kind} of any x 12 x 16, which a layer"):
            other.fit(np.zeros((1, *size, 3), np.float32), verbose=0)

"""Proposition 1 of the GCN paper, either way, and detection by the likelihood ratio."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from genconv_tf import GenerativeConvNet, noise, pyramid
from genconv_tf.classifiers import from_classifier, to_classifier
from genconv_tf.detection import Detector
from genconv_tf.energy import Reference
from genconv_tf.partition import Estimate
from genconv_tf.sampler import Sampler

RNG = np.random.default_rng(0)
SHAPE = (8, 8, 2)


def model(seed, **changes):
    layers = [{"filters": 5, "kernel": 3}, {"filters": 1, "kernel": "full", "relu": False}]
    config = {"size": 8, "channels": 2, "boundary": "valid", "weight_scale": 1.0, "seed": seed}
    return GenerativeConvNet(layers, **{**config, **changes})


def linear_classifier(weights, activation=None):
    layers = [keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(3, activation)]
    classifier = keras.Sequential(layers)
    classifier.layers[-1].set_weights([weights, np.array([1.0, -2.0, 0.5])])
    return classifier


def test_a_classifier_of_models_and_a_model_of_it_again():
    x = tf.constant(RNG.normal(size=(4, *SHAPE)), tf.float32)
    models, priors, log_z = [model(1), model(2)], [0.2, 0.3, 0.5], [3.0, -2.0]
    classifier = to_classifier(models, priors, log_z)
    logits = classifier(x).numpy()
    np.testing.assert_allclose(logits[:, 0], np.log(0.2), rtol=1e-6)
    for c in (1, 2):
        offset = np.log(priors[c] / priors[0]) - log_z[c - 1]
        level = from_classifier(classifier, c, sampler=Sampler(steps=3))
        scores = models[c - 1].score(x).numpy()
        np.testing.assert_allclose(level.network(x), scores + offset, rtol=1e-5, atol=1e-5)
        # One density: the same gradient, the same chains.
        np.testing.assert_allclose(level.gradient(x), models[c - 1].log_density_gradient(x),
                                   rtol=1e-5, atol=1e-5)  # fmt: skip
    # Bayes: the posterior is the share of each density, with the priors.
    density = np.array(priors) * np.exp(np.stack([np.zeros(4), *(m.score(x) for m in models)], 1)
                                        - np.array([0.0, *log_z]))  # fmt: skip
    posterior = density / density.sum(1, keepdims=True)
    np.testing.assert_allclose(tf.nn.softmax(logits), posterior, rtol=1e-4)


def test_a_model_of_a_classifier_and_a_classifier_of_it_again(tmp_path):
    x = tf.constant(RNG.normal(size=(4, *SHAPE)), tf.float32)
    weights = RNG.normal(size=(128, 3)).astype(np.float32) * 0.1
    given = linear_classifier(weights)
    again = to_classifier([from_classifier(given, 1), from_classifier(given, 2)])
    expected = tf.nn.softmax(given(x))
    np.testing.assert_allclose(tf.nn.softmax(again(x)), expected, rtol=1e-5)
    again.save(tmp_path / "again.keras")
    loaded = keras.saving.load_model(tmp_path / "again.keras")
    np.testing.assert_allclose(tf.nn.softmax(loaded(x)), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="models of one"):
        to_classifier([from_classifier(given, 1), model(1)])


def test_what_is_no_classifier_is_refused():
    image = keras.Input(SHAPE)
    flat = keras.layers.Flatten()(image)
    for made in (keras.layers.Dense(1)(flat), keras.layers.Conv2D(3, 1)(image)):
        with pytest.raises(ValueError, match="two logits or more"):
            from_classifier(keras.Model(image, made), 1)
    other = keras.Input(SHAPE)
    two = keras.Model([image, other], keras.layers.Dense(3)(keras.layers.Flatten()(image + other)))
    with pytest.raises(ValueError, match="classifier of one signal"):
        from_classifier(two, 1)


def test_the_density_of_a_linear_classifier_is_a_gaussian_around_its_weights():
    weights = RNG.normal(size=(128, 3)).astype(np.float32)
    level = from_classifier(linear_classifier(weights), 2, base=1, reference=Reference(std=2.0),
                            sampler=Sampler("noise", 2.0, steps=60, step_size=0.8))  # fmt: skip
    seeds = noise.row_seeds(0, 512)
    x = tf.function(lambda: pyramid.generate([level], seeds, SHAPE[:2], SHAPE[2]))().numpy()
    mean = 4.0 * (weights[:, 2] - weights[:, 1]).reshape(SHAPE)
    # The mean is s²b, the variance that of steps of 0.8 on s = 2, within 5 standard errors.
    variance = 4.0 / (1 - 0.8**2 / 16)
    assert abs((x - mean).mean()) < 5 * np.sqrt(variance / x.size)
    assert abs((x - mean).var() - variance) < 5 * variance * np.sqrt(2 / x.size)


@pytest.mark.parametrize("seed", range(6))
def test_logits_that_hardly_vary_are_logits(seed):
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Conv2D(8, 3), keras.layers.GlobalAveragePooling2D()]
    last = keras.layers.Dense(2, bias_initializer=keras.initializers.Constant(0.5))
    from_classifier(keras.Sequential([keras.Input((32, 32, 3)), *layers, last]), 1)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "log_softmax"])
def test_probabilities_are_refused(activation):
    weights = np.zeros((128, 3), np.float32)
    with pytest.raises(ValueError, match=f"classifier of logits.*as of {activation}"):
        from_classifier(linear_classifier(weights, activation), 1)
    inner = linear_classifier(weights)
    hidden = keras.Model(inner.inputs[0], keras.ops.softmax(inner.outputs[0]))
    for stacked in (keras.Sequential([inner, keras.layers.Softmax()]), hidden):
        if activation == "softmax":
            with pytest.raises(ValueError, match="classifier of logits"):
                from_classifier(stacked, 1)


def test_probabilities_of_half_precision_are_refused():
    # Its NaN for strong noise say nothing.
    layers, half = keras.layers, "mixed_float16"
    stack = [layers.Conv2D(8, 3, dtype=half), layers.GlobalAveragePooling2D(dtype=half)]
    stack.append(layers.Dense(3, "softmax"))
    with pytest.raises(ValueError, match="classifier of logits"):
        from_classifier(keras.Sequential([keras.Input((16, 16, 3)), *stack]), 1)
    infinite = keras.initializers.Constant(np.inf)
    endless = [layers.Flatten(), layers.Dense(3, bias_initializer=infinite)]
    with pytest.raises(ValueError, match="classifier of finite logits"):
        from_classifier(keras.Sequential([keras.Input((4, 4, 3)), *endless]), 1)


def test_a_classifier_of_any_length_is_asked_with_what_it_needs():
    layers = [keras.layers.Conv2D(4, 9, strides=8) for _ in range(2)]  # 73 samples
    layers += [keras.layers.Conv2D(4, 2), keras.layers.GlobalAveragePooling2D()]
    last = keras.layers.Dense(2)
    from_classifier(keras.Sequential([keras.Input((None, None, 3)), *layers, last]), 1)


def test_a_classifier_of_models_is_saved_and_loaded(tmp_path):
    x = tf.constant(RNG.normal(size=(2, *SHAPE)), tf.float32)
    classifier = to_classifier([model(1), model(2)], log_partitions=[1.0, 2.0])
    classifier.save(tmp_path / "own.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "own.keras")(x), classifier(x))


def test_wrong_categories_priors_and_models_are_refused():
    classifier = linear_classifier(np.zeros((128, 3), np.float32))
    with pytest.raises(ValueError, match=r"category of 0 to 2\. Received: 3"):
        from_classifier(classifier, 3)
    with pytest.raises(ValueError, match="other than the base"):
        from_classifier(classifier, 0)
    with pytest.raises(ValueError, match="3 probabilities that sum to 1"):
        to_classifier([model(1), model(2)], priors=[0.5, 0.5, 0.5])
    with pytest.raises(ValueError, match="3 probabilities that sum to 1"):
        to_classifier([model(1), model(2)], priors=[0.5, 0.5, np.nan])
    with pytest.raises(ValueError, match="at least one model"):
        to_classifier([])
    with pytest.raises(ValueError, match="sampler without bounds"):
        from_classifier(classifier, 1, sampler=Sampler(bounded=True))
    with pytest.raises(ValueError, match="Keras model that knows its shapes"):
        from_classifier(model(1), 1)
    with pytest.raises(ValueError, match="log Z of 1 models"):
        to_classifier([model(1)], log_partitions=[0.0, 1.0])
    with pytest.raises(ValueError, match="models of one reference"):
        to_classifier([model(1), model(2, reference={"std": 2.0})])


def test_detection_by_the_likelihood_ratio_of_a_mixture():
    b, s, share = RNG.normal(size=(4, 4, 1)).astype(np.float32), 1.0, 0.1
    log_z = s**2 * float(np.square(b).sum()) / 2
    detector = Detector(lambda x: tf.reduce_sum(x * b, (1, 2, 3)), log_z, share)
    x = RNG.normal(size=(6, 4, 4, 1)).astype(np.float32) + 0.5 * b

    def log_normal(x, mean):
        return -np.square(x - mean).sum((1, 2, 3)) / 2

    ratio = log_normal(x, b) - log_normal(x, 0)
    np.testing.assert_allclose(detector.log_ratio(x), ratio, rtol=1e-4, atol=1e-4)
    mixture = np.log(share * np.exp(ratio) + 1 - share)
    np.testing.assert_allclose(detector.mixture_log_ratio(x), mixture, rtol=1e-3, atol=1e-4)
    at = share * np.exp(ratio) / (share * np.exp(ratio) + 1 - share)
    np.testing.assert_allclose(detector.probability(x), at, rtol=1e-3)
    with pytest.raises(ValueError, match="share above 0"):
        Detector(detector.f, log_z, 1.0)
    estimate = Estimate(log_z, 0.1, 9.0, 0.9)  # what `log_partition` gives
    assert Detector(detector.f, estimate, share).threshold == detector.threshold
    with pytest.raises(ValueError, match="stride >= 1"):
        detector.detect(tf.zeros((8, 8, 1)), 4, stride=0)
    with pytest.raises(ValueError, match="Expected an image"):
        detector.detect(np.zeros((8, 8)), 4)
    assert len(detector.detect(np.zeros((8, 8, 1), np.uint8), 4)) == 2


def test_a_pattern_is_found_where_it_is():
    b = np.full((8, 8, 1), 1.5, np.float32)
    b[::2] *= -1
    detector = Detector(lambda x: tf.reduce_sum(x * b, (1, 2, 3)), float(np.square(b).sum()) / 2)
    image = RNG.normal(size=(40, 48, 1)).astype(np.float32)
    places = {(4, 8), (20, 32)}
    for top, left in places:
        image[top : top + 8, left : left + 8] += b
    boxes, ratios = detector.detect(tf.constant(image), (8, 8), stride=4)
    found = {tuple(int(v) for v in box[:2]) for box in boxes.numpy()}
    assert found == places
    assert (np.diff(ratios) <= 0).all() and (ratios.numpy() > 0).all()
    np.testing.assert_array_equal(boxes[:, 2:] - boxes[:, :2], np.full((2, 2), 8.0))
    with pytest.raises(ValueError, match="image of at least"):
        detector.detect(tf.constant(image), (64, 8))

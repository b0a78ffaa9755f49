"""What may be asked of a model: refused in one line where it cannot be done."""

import numbers

import keras
import numpy as np
import tensorflow as tf

from genconv_tf import noise, sizes
from genconv_tf.pyramid import per_level
from genconv_tf.settings import LARGEST

END = LARGEST  # more steps than any chain takes

# Seeds, size, steps and until of a sample: one graph for any number and any size.
SAMPLED = tuple(tf.TensorSpec(shape, tf.int32) for shape in ([None, 2], [None], [], []))


def check_shape(rank, levels, channels, seed):
    """Raise a `ValueError` unless there can be a pyramid of so many axes, levels and channels, and
    of this seed."""
    noise.check_seed(seed)
    if rank not in (1, 2, 3):
        raise ValueError(f"Expected a rank of 1, 2 or 3. Received: {rank!r}")
    for name, value in (("level", levels), ("channel", channels)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"Expected at least one {name}. Received: {name}s={value!r}")


def check_sample(model, num, size, steps, first=0):
    """`size`, `None` for the model's, as one length for each axis, if it can make such samples."""
    check_counts(num, steps, first)
    size = model.media_size if size is None else size
    return sizes.check_size(model.least_size, sizes.lengths(size, model.rank), model.only_size)


def check_counts(num, steps, first=0):
    """Raise a `ValueError` if there cannot be so many samples, from number `first` on, or steps of
    them."""
    if not isinstance(num, numbers.Integral) or num < 1:
        raise ValueError(f"Expected num >= 1. Received: {num!r}")
    if not isinstance(steps, numbers.Integral) or steps < 0:
        raise ValueError(f"Expected steps >= 0. Received: {steps!r}")
    if not isinstance(first, numbers.Integral) or first < 0:
        raise ValueError(f"Expected first >= 0. Received: {first!r}")
    if max(num + first, steps) > LARGEST:
        raise ValueError(f"Expected numbers up to {LARGEST}. Received: {num + first}, {steps}")


def check_learning(model, shape):
    """Raise a `ValueError` if the `Learning` of a model with chains does not fit its levels, or
    data of `shape`, `(batch, *spatial, channels)`."""
    settings, count = model.learning, len(model.levels)
    for name in ("level_rates", "weight_decay", "overshoot_penalty"):
        per_level(getattr(settings, name), count)
    if settings.start == "fresh" and settings.hidden is None:
        return
    for level, state in zip(model.levels, model.chains.states):
        have, want = tuple(level.size(shape[1:-1])), tuple(state.shape[1:-1])
        if any(n < m for n, m in zip(have, want)):
            raise ValueError("Expected chains no larger than the data that they start from, "
                             f"{have}. Received: {want}")  # fmt: skip
    if settings.hidden is not None and settings.hidden > min(want):
        raise ValueError(f"Expected to hide a square of at most {min(want)}. "
                         f"Received: {settings.hidden}")  # fmt: skip


def check_calibrated(sampler, learning):
    """Raise a `ValueError` if chains cannot be calibrated as they are learned."""
    if sampler.calibrated and sampler.adjusted:
        raise ValueError("Expected a sampler that is adjusted, so exact, or calibrated. "
                         "Received: both")  # fmt: skip
    if sampler.calibrated and learning.hidden is not None:
        raise ValueError("Expected a sampler that is not calibrated where a square is hidden. "
                         f"Received: hidden={learning.hidden}")  # fmt: skip


def check_penalised(levels, size, penalty):
    """Raise a `ValueError` if a penalty on overshooting, one or one a level, does not see enough of
    chains of `size`, which it takes for signals that end at their edges."""
    for level, weight in zip(levels, per_level(penalty, len(levels))):
        need = level.network.least_size(level.network.data_boundary)
        if weight and any(n < m for n, m in zip(level.size(size), need)):
            least = tuple(m * f for m, f in zip(need, level.factor))
            raise ValueError(f"Expected chains of at least {least}, the receptive field, where "
                             f"overshooting is penalised. Received: {tuple(size)}")  # fmt: skip


def check_until(until):
    """The number of steps after which chains are shown, as a tensor; `None` is the end."""
    if until is None:
        return tf.constant(END)
    if not isinstance(until, numbers.Integral) or isinstance(until, bool) or until < 0:
        raise ValueError(f"Expected until >= 0. Received: {until!r}")
    return tf.constant(until, tf.int32)


def check_mask(media, mask):
    """Raise a `ValueError` if `mask` `(batch, *size)` does not say what is missing of `media`."""
    if np.shape(media)[:-1] != np.shape(mask):
        raise ValueError(f"Expected a mask of {np.shape(media)[:-1]}. "
                         f"Received: {np.shape(mask)}")  # fmt: skip
    if not set(np.unique(mask)) <= {0, 1}:
        raise ValueError(f"Expected a mask of 0 and 1. Received: {np.unique(mask)[:5]}")
    for value, meaning in ((1, "sampled"), (0, "kept")):
        if not np.any(np.asarray(mask) == value):
            raise ValueError(f"Expected a mask with a {value}, where media are {meaning}. "
                             "Received: none")  # fmt: skip


def check_media(model, media):
    """Raise a `ValueError` if chains of `model` cannot start from `media`, `(batch, *size,
    channels)`."""
    channels = model.preprocessing.media_channels(model.channels)
    hop = model.preprocessing.hop
    check_media_shape(np.shape(media), channels, model.least_size, model.only_size, hop)


def check_media_shape(shape, channels, least, only, hop):
    """`check_media` of what is known of a model: see `GenerativeConvNet` and `Preprocessing`."""
    if len(shape) != len(least) + 2 or shape[-1] != channels:
        raise ValueError(f"Expected media of (batch, {len(least)} lengths, {channels}). "
                         f"Received: {tuple(shape)}")  # fmt: skip
    size = shape[1:-1]
    sizes.check_size(least, size, only)
    if any(n % hop for n in size):
        raise ValueError(f"Expected whole frames of {hop} samples. Received: {size}")


def hidden(mask, media):
    """1 where a tensor `mask` > 0, else 0, in float32, if it has the rows and lengths of `media`:
    in graphs, where `check_mask` sees no values."""
    message = "Expected a mask of the rows and lengths of the media."
    alike = tf.debugging.assert_equal(tf.shape(mask), tf.shape(media)[:-1], message)
    with tf.control_dependencies([] if alike is None else [alike]):  # before what would fail on it
        return tf.cast(mask > 0, tf.float32)


def check_optimizer(optimizer):
    """Raise a `ValueError` for an optimizer that does not take one step of the gradient as it is at
    each update, of which the noise is a function."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise ValueError("Expected an optimizer of gradients as they are: there is no loss to "
                         "scale. Received: LossScaleOptimizer")  # fmt: skip
    for name in ("loss_scale_factor", "gradient_accumulation_steps"):
        if getattr(optimizer, name, None) is not None:
            raise ValueError(f"Expected an optimizer without {name}. "
                             f"Received: {getattr(optimizer, name)}")  # fmt: skip


def as_data(data, levels, channels, whole):
    """What Keras hands on as `(batch, *spatial, channels)` float32, if it can be learned from:
    arguments as of `sizes.check_data`."""
    x = tf.convert_to_tensor(data[0] if isinstance(data, (tuple, list)) else data)
    if not x.dtype.is_floating:
        raise ValueError("Expected data in floating point, as gct.data and Preprocessing.encode "
                         f"make them. Received: {x.dtype.name}")  # fmt: skip
    sizes.check_data(levels, channels, x.shape, whole)
    return tf.cast(x, tf.float32)

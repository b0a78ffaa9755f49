"""How close texture samples are to their exemplar, how varied, and whether they copy it.

Images are RGB arrays `(height, width, 3)` in [0, 255]. Every distance is given beside the same
distance between the exemplar and crops of itself ("self"): a ratio of 1 says that a sample is as
close to the exemplar as another crop of it would be.
"""

import numpy as np

from genconv_tf.sizes import lengths

LEAST = 128  # pixels per side: what the windows of the spectrum need
_VGG_LAYERS = (("block1_conv1", "block1_conv2"), ("block2_conv1", "block2_conv2"),
               ("block3_conv1",))  # fmt: skip
_VGG_MEAN_BGR = (103.939, 116.779, 123.68)


def evaluate(exemplar, samples, vgg=None):
    """All measures of `samples` against `exemplar`.

    Args:
        exemplar: `(height, width, 3)`, at least 214x214.
        samples: list of such images, of any size of at least 128x128.
        vgg: filters of VGG-19 up to block3_conv1 for the Gram distance: the path of an .npz file,
            `"keras"` for Keras's own download, or `None` for fixed random filters.

    Returns:
        dict of measure to dict of `value`, `self`, `ratio`. `vgg_gram` (or `random_gram`),
        `patch_swd`, `spectrum`: smaller is closer. `copy_ncc`: far above 1 is verbatim copying.
        `diversity`: about 1 for independent samples, about 0 for one sample repeated.
    """
    exemplar = np.asarray(exemplar, np.float32)
    samples = [np.asarray(sample, np.float32) for sample in samples]
    for what, image in (("exemplar", exemplar), *(("sample", sample) for sample in samples)):
        # The exemplar's own crops, of which the spectrum is taken too, are 0.6 of its side.
        least = LEAST if what == "sample" else -(-LEAST * 10 // 6)
        if image.ndim != 3 or image.shape[-1] != 3 or min(image.shape[:2]) < least:
            raise ValueError(f"Expected an RGB {what} of at least {least}x{least}. "
                             f"Received: {image.shape}")  # fmt: skip
    filters = vgg_filters(vgg)
    grams, spectrum = gram_matrices(exemplar, filters), log_spectrum(exemplar)
    measures = {
        "random_gram" if vgg is None else "vgg_gram": lambda x: gram_distance(
            grams, gram_matrices(x, filters)
        ),
        "patch_swd": lambda x: patch_distance(exemplar, x),
        "spectrum": lambda x: np.abs(spectrum - log_spectrum(x)).mean(),
    }
    crops = random_crops(exemplar)
    result = {}
    for name, measure in measures.items():
        own = np.mean([measure(crop) for crop in crops])
        result[name] = figure(np.mean([measure(sample) for sample in samples]), own)
    half = exemplar.shape[1] // 2
    own = copy_correlation(exemplar[:, :half], exemplar[:, half:])
    result["copy_ncc"] = figure(
        np.mean([copy_correlation(sample, exemplar) for sample in samples]), own
    )
    pairs = [(a, b) for i, a in enumerate(samples) for b in samples[i + 1 :] if a.shape == b.shape]
    if pairs:
        spread = np.mean([np.square(a - b).mean() for a, b in pairs])
        variance = exemplar.var(axis=(0, 1)).mean()
        result["diversity"] = {"value": float(spread / (2 * variance))}
    return result


def random_crops(image, fraction=0.6, count=6, seed=0):
    """Random windows of `fraction` of each side."""
    rng = np.random.default_rng(seed)
    height, width = (int(n * fraction) for n in image.shape[:2])
    crops = []
    for _ in range(count):
        top = rng.integers(image.shape[0] - height + 1)
        left = rng.integers(image.shape[1] - width + 1)
        crops.append(image[top : top + height, left : left + width])
    return crops


def vgg_filters(source=None):
    """Blocks of (kernel, bias) pairs, each block followed by 2x2 max pooling but for the last."""
    if source is None:
        # The shape of VGG's blocks with fixed random filters, scaled as He et al. (2015).
        rng, channels, blocks = np.random.default_rng(0), 3, []
        for width, names in zip((64, 128, 256), _VGG_LAYERS):
            block = []
            for _ in names:
                kernel = rng.standard_normal((3, 3, channels, width)) * np.sqrt(2 / (9 * channels))
                block.append((kernel.astype(np.float32), np.zeros(width, np.float32)))
                channels = width
            blocks.append(block)
        return blocks
    from genconv_tf.features import features

    network = features(_VGG_LAYERS[-1][-1], weights=source).network
    return [[tuple(network.get_layer(n).get_weights()) for n in b] for b in _VGG_LAYERS]


def responses(image, blocks):
    """The rectified responses of every layer to an image: a list of (height, width, channels)."""
    import tensorflow as tf

    x = tf.constant(image[None, ..., ::-1] - np.float32(_VGG_MEAN_BGR))
    maps = []
    for i, block in enumerate(blocks):
        if i:
            x = tf.nn.max_pool2d(x, 2, 2, "VALID")
        for kernel, bias in block:
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "VALID") + bias)
            maps.append(x[0].numpy())
    return maps


def gram_matrices(image, blocks):
    """Mean products of the responses of every layer: a list of (channels, channels)."""
    flat = (one.reshape(-1, one.shape[-1]) for one in responses(image, blocks))
    return [one.T @ one / len(one) for one in flat]


def gram_distance(expected, received):
    """Frobenius distance relative to the norm of the first, mean over layers."""
    return np.mean([np.linalg.norm(a - b) / np.linalg.norm(a)
                    for a, b in zip(expected, received, strict=True)])  # fmt: skip


def patch_distance(a, b, directions=128, quantiles=512, levels=3):
    """Sliced Wasserstein-2 distance of 1x1 and 7x7 patches at three scales, in standard
    deviations of `a`."""
    rng, scale, distances = np.random.default_rng(0), a.std() + 1e-6, []
    at = (np.arange(quantiles) + 0.5) / quantiles
    for level in range(levels):
        if level:
            a, b = _halved(a), _halved(b)
        for side in (1, 7):
            direction = rng.standard_normal((side * side * 3, directions)).astype(np.float32)
            direction /= np.linalg.norm(direction, axis=0)
            curves = []
            for image in (a, b):
                shade = np.sort(_patches(image, side) @ direction, axis=0)
                curves.append(shade[(at * len(shade)).astype(int)])
            distances.append(np.sqrt(np.square(curves[0] - curves[1]).mean()) / scale)
    return np.mean(distances)


def log_spectrum(image, size=LEAST):
    """Half the log of the power spectrum: Hann windows that overlap by three quarters (Welch),
    mean over windows and channels, smoothed over 3x3 frequencies. `(size, size)`, nepers."""
    window = np.outer(np.hanning(size), np.hanning(size))[..., None]
    total, count = np.zeros((size, size)), 0
    for top in range(0, image.shape[0] - size + 1, size // 4):
        for left in range(0, image.shape[1] - size + 1, size // 4):
            patch = image[top : top + size, left : left + size]
            wave = np.fft.fft2((patch - patch.mean((0, 1))) * window, axes=(0, 1))
            total += np.square(np.abs(wave)).mean(-1)
            count += 1
    power = total / count
    smooth = np.mean([np.roll(power, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)], 0)
    return 0.5 * np.log1p(smooth)


def copy_correlation(sample, exemplar, side=32, count=64, seed=0):
    """The best normalised cross-correlation that random blocks of `sample` have with any place of
    `exemplar`, mean over blocks.

    Args:
        sample, exemplar: `(*spatial, 3)`, images or videos.
        side: lengths of a block, one int or one per spatial axis.
        count: number of blocks.
        seed: of their places.
    """
    rng = np.random.default_rng(seed)
    grey, target = sample.mean(-1, dtype=np.float64), exemplar.mean(-1, dtype=np.float64)
    sides = lengths(side, target.ndim)
    shape = [n + k for n, k in zip(target.shape, sides, strict=True)]
    axes = range(target.ndim)
    wave = np.fft.rfftn(target, shape, axes)
    box = np.fft.rfftn(np.ones(sides), shape, axes)
    mean = np.fft.irfftn(wave * box, shape, axes)
    square = np.fft.irfftn(np.fft.rfftn(target**2, shape, axes) * box, shape, axes)
    spread = np.sqrt(np.maximum(square - mean**2 / np.prod(sides), 1e-3))
    inside = tuple(slice(k - 1, n) for n, k in zip(target.shape, sides))
    best = []
    for _ in range(count):
        corner = [rng.integers(n - k + 1) for n, k in zip(grey.shape, sides)]
        block = grey[tuple(slice(c, c + k) for c, k in zip(corner, sides))]
        block = block - block.mean()
        product = wave * np.fft.rfftn(np.flip(block), shape, axes)
        match = np.fft.irfftn(product, shape, axes) / (spread * (np.linalg.norm(block) + 1e-3))
        best.append(match[inside].max())
    return np.mean(best)


def figure(value, own):
    """A measure of samples, beside the same measure of the exemplar's own parts; without a ratio
    where they do not differ at all."""
    ratio = {"ratio": float(value / own)} if own > 0 else {}
    return {"value": float(value), "self": float(own), **ratio}


def _halved(image):
    height, width = image.shape[0] // 2, image.shape[1] // 2
    return image[: 2 * height, : 2 * width].reshape(height, 2, width, 2, -1).mean((1, 3))


def _patches(image, side, most=16384):
    """Rows of (side, side, 3) patches; `most` of them at random where there are more."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (side, side), axis=(0, 1))
    windows = windows.reshape(-1, *windows.shape[2:])
    if len(windows) > most:
        windows = windows[np.random.default_rng(1).choice(len(windows), most, replace=False)]
    return windows.reshape(len(windows), -1).astype(np.float32)

"""Recovery of masked images without learning: the baselines of Table 2 of the FRAME paper.

Y. Lu, R. Gao, S.-C. Zhu and Y. N. Wu, "Exploring generative perspective of convolutional neural
networks by learning random field models", section 9: a square of each test image is masked, and its
pixels are recovered from the rest. Two of its baselines are Markov random field priors, six are
interpolations that it does not name; in their place stand methods in use today.

Every method is a function (image, mask) of an image `(height, width, channels)`, uint8 or float in
[0, 255], and a mask `(height, width)` that is nonzero where pixels are missing; it does not see
what is there. It returns a float32 image of the same shape in [0, 255], the known pixels unchanged,
and raises a `ValueError` where there is nothing to recover, nothing known, or no such image.

Needs SciPy, scikit-image and OpenCV: `pip install genconv-tf[recovery]`.
"""

import functools
import importlib
import warnings

import numpy as np

NEEDED = {"scipy": "SciPy", "skimage": "scikit-image", "cv2": "OpenCV"}

RADIUS = 3  # pixels about a missing one that OpenCV's methods look at, as in its own examples
TOLERANCE = 1e-3  # of the ℓ1 energy: how far above its minimum `mrf_l1` may end
STEPS = 20_000  # of ADMM; faces of 64x64 pixels need a few hundred
SMALLEST = 4  # pixels of a side that OpenCV is given at least
TINY = 1e-6  # grey levels: an ℓ1 energy that counts as none

METHODS = {}  # name to function (image, mask) -> image


def compare(images, masks, methods=METHODS):
    """Errors of several methods on several images.

    Args:
        images: sequence of `(height, width, channels)` in [0, 255], of any sizes.
        masks: sequence of `(height, width)`, nonzero where a pixel is to be hidden and recovered.
        methods: dict of name to function (image, mask) -> image, which is given a float64 image
            that is 0 where it is hidden.

    Returns:
        dict of name to list of `recovery_error`, one per image.

    Raises:
        ValueError: not as many masks as images, or an image or a mask that cannot be used.
    """
    images, masks = list(images), list(masks)
    if len(images) != len(masks):
        raise ValueError(f"Expected a mask for each of {len(images)} images. "
                         f"Received: {len(masks)} masks")  # fmt: skip
    errors = {name: [] for name in methods}
    for image, mask in zip(images, masks):
        hidden, mask = _hidden(image, mask)
        for name, recover in methods.items():
            errors[name].append(recovery_error(image, recover(hidden.copy(), mask), mask))
    return errors


def recovery_error(original, recovered, mask):
    """Mean absolute difference at the masked pixels, over channels too (FRAME, Table 2).

    Args:
        original, recovered: `(height, width, channels)` in [0, 255].
        mask: `(height, width)`, nonzero at the pixels that count.

    Returns:
        float, with pixels scaled to [0, 1]: 0 is perfect, 1 is black for white.

    Raises:
        ValueError: shapes that differ, pixels that are not finite, or a mask of nothing.
    """
    original, mask = _checked(original, mask)
    recovered = np.asarray(recovered, np.float64)
    if recovered.shape != original.shape:
        raise ValueError(f"Expected a recovered image of {original.shape}. "
                         f"Received: {recovered.shape}")  # fmt: skip
    if not np.isfinite(recovered).all():
        raise ValueError("Expected finite pixels. Received: a recovered image with NaN or infinity")
    return float(np.abs(original - recovered)[mask].mean() / 255)


def _method(name):
    """Enter a function in `METHODS`. It is written as (image, mask) -> values, of what `_hidden`
    returns; the values are those of the missing pixels, `(missing, channels)`."""

    def enter(values):
        @functools.wraps(values)
        def recover(image, mask):
            hidden, mask = _hidden(image, mask)
            result = np.array(image, np.float32)
            result[mask] = np.clip(values(hidden, mask), 0, 255)
            return result

        METHODS[name] = recover
        return recover

    return enter


@_method("mrf-l2")
def mrf_l2(image, mask):
    """The mode of the missing pixels under p(x) ∝ exp(-Σ (x_i - x_j)²) over pairs of neighbours:
    the harmonic extension, every missing pixel the mean of its two to four neighbours.

    The mode solves a sparse linear system, exactly. Samples of the prior, of which FRAME's rows
    MRF-ℓ2 and MRF-ℓ1 may consist (the paper does not say), scatter about the mode: by Jensen's
    inequality their mean error under ℓ2 is never smaller.
    """
    operator, given = _differences(image, mask)
    return -_factorised(operator)(operator.T @ given)


@_method("mrf-l1")
def mrf_l1(image, mask):
    """A mode of the missing pixels under p(x) ∝ exp(-Σ |x_i - x_j|) over pairs of neighbours, each
    channel for itself.

    ADMM (S. Boyd et al., "Distributed optimization and statistical learning via the alternating
    direction method of multipliers", 2011, section 6.1) on z = D x + c, the differences. Every
    field w with Dᵀw = 0 and |w| <= 1 bounds the energy from below by ⟨w, c⟩; the multipliers,
    scaled, are such a field, and the steps end where the energy is within `TOLERANCE` of that
    bound. An ℓ1 energy has many modes: this is the one reached from the harmonic extension.

    Warns:
        RuntimeWarning: `STEPS` were not enough.
    """
    operator, given = _differences(image, mask)
    solve = _factorised(operator)
    start = -solve(operator.T @ given)
    # From here x is what is added to the harmonic extension, c its slopes: of a flat image these
    # are 0, and the bound is no difference of large numbers.
    given = operator @ start + given
    # The largest multiplier, in grey levels, is free: ADMM converges for any. A few times the mean
    # slope takes the fewest steps, whatever the image's contrast is.
    most = 4 * np.abs(given).mean(0)
    split, multiplier = given, np.zeros_like(given)
    for step in range(1, STEPS + 1):
        x = solve(operator.T @ (split - multiplier - given))
        slopes = operator @ x + given
        field = multiplier + slopes - split  # Dᵀ field = 0, by the equation that x solves
        if step % 10 == 1:  # the bound costs as much as a step
            energy = np.abs(slopes).sum(0)
            scale = np.maximum(np.abs(field).max(0), TINY)
            gap = energy - (field * given).sum(0) / scale
            if (gap <= TOLERANCE * energy + TINY).all():
                return start + x
        moved = slopes + multiplier
        multiplier = np.clip(moved, -most, most)
        split = moved - multiplier
    warnings.warn(f"Expected a gap of at most {TOLERANCE} of the energy. "
                  f"Received: {(gap / energy).max():.2g} after {STEPS} steps",
                  RuntimeWarning, stacklevel=3)  # fmt: skip
    return start + x


@_method("biharmonic")
def biharmonic(image, mask):
    """The biharmonic extension, the thin plate of scikit-image's `inpaint_biharmonic` (S. B.
    Damelin and N. S. Hoang, "On surface completion and image inpainting by biharmonic functions",
    2018); it is cut off at the extremes of each channel's known pixels."""
    restoration = _needed("skimage.restoration")
    return restoration.inpaint_biharmonic(image, mask, channel_axis=-1)[mask]


@_method("telea")
def telea(image, mask):
    """Fast marching from the known pixels inwards (A. Telea, "An image inpainting technique based
    on the fast marching method", 2004), OpenCV's, of radius `RADIUS`. OpenCV adds a normalised
    gradient to every pixel: even flat images come back with errors of a grey level or two."""
    return _of_opencv(image, mask, "INPAINT_TELEA")


@_method("navier-stokes")
def navier_stokes(image, mask):
    """Isophotes continued as streamlines (M. Bertalmio et al., "Navier-Stokes, fluid dynamics, and
    image and video inpainting", 2001), OpenCV's, of radius `RADIUS`."""
    return _of_opencv(image, mask, "INPAINT_NS")


@_method("linear")
def linear(image, mask):
    """Linear interpolation on the Delaunay triangles of the known pixels, SciPy's `griddata`; what
    lies outside their convex hull takes the nearest known pixel."""
    return _interpolated(image, mask, "linear")


@_method("cubic")
def cubic(image, mask):
    """Smooth piecewise cubic interpolation (Clough-Tocher) on the same triangles as `linear`; what
    lies outside the convex hull takes the nearest known pixel."""
    return _interpolated(image, mask, "cubic")


@_method("nearest")
def nearest(image, mask):
    """The known pixel that is nearest, by Euclidean distance."""
    return _interpolated(image, mask, "nearest")


def _differences(image, mask):
    """The differences D x + c of all pairs of neighbours of which one or both are missing.

    Returns:
        (D, c): sparse `(pairs, missing)` of -1, 0 and 1, and `(pairs, channels)`.
    """
    sparse = _needed("scipy.sparse")
    height, width = mask.shape
    down, right = (sparse.eye_array(n - 1, n, k=1) - sparse.eye_array(n - 1, n)
                   for n in mask.shape)  # fmt: skip
    pairs = sparse.vstack([
        sparse.kron(down, sparse.eye_array(width)),
        sparse.kron(sparse.eye_array(height), right),
    ]).tocsc()  # fmt: skip
    flat = mask.ravel()
    operator = pairs[:, flat].tocsr()
    touched = np.diff(operator.indptr) > 0
    given = pairs[:, ~flat] @ image[~mask]
    return operator[touched].tocsc(), given[touched]


def _factorised(operator):
    """Solver of DᵀD x = y; regular, for some pixel is known and every other is joined to it."""
    return _needed("scipy.sparse.linalg").splu((operator.T @ operator).tocsc()).solve


def _of_opencv(image, mask, flag):
    cv2 = _needed("cv2")
    height, width = mask.shape
    # Beyond a side of one or two pixels OpenCV reads what is not there: such an image is repeated.
    times = [-(-SMALLEST // n) for n in (height, width)]
    hole = np.tile(mask, times).astype(np.uint8)

    def inpainted(channel):
        tiled = np.tile(np.ascontiguousarray(channel), times)
        return cv2.inpaint(tiled, hole, RADIUS, getattr(cv2, flag))[:height, :width][mask]

    # Channel by channel in float32: images of three channels would be rounded to 8 bits.
    return np.stack([inpainted(c) for c in np.moveaxis(image.astype(np.float32), -1, 0)], -1)


def _interpolated(image, mask, method):
    interpolate = _needed("scipy.interpolate")
    known, missing = np.argwhere(~mask), np.argwhere(mask)
    close = interpolate.griddata(known, image[~mask], missing, "nearest")
    # Pixels of one line have no triangles, and no inside of their hull.
    if method == "nearest" or np.linalg.matrix_rank(known - known[0]) < 2:
        return close
    values = interpolate.griddata(known, image[~mask], missing, method)
    return np.where(np.isnan(values), close, values)


def _hidden(image, mask):
    """A float64 image that is 0 where missing, so that no method can peek, and a mask of bool."""
    image, mask = _checked(image, mask)
    if mask.all():
        raise ValueError("Expected some known pixels. Received: a mask of every pixel")
    image[mask] = 0
    return image, mask


def _checked(image, mask):
    """The image as a float64 array of its own, the mask as bool; each a `ValueError` if unfit."""
    image, mask = np.array(image, np.float64), np.asarray(mask)
    if image.ndim != 3 or not image.size:
        raise ValueError(f"Expected an image (height, width, channels). Received: {image.shape}")
    if mask.shape != image.shape[:2]:
        raise ValueError(f"Expected a mask of {image.shape[:2]}. Received: {mask.shape}")
    if not mask.any():
        raise ValueError("Expected some masked pixels. Received: a mask of none")
    if not np.isfinite(image).all():
        raise ValueError("Expected finite pixels. Received: an image with NaN or infinity")
    if image.min() < 0 or image.max() > 255:
        raise ValueError("Expected pixels in [0, 255]. "
                         f"Received: {image.min():g} to {image.max():g}")  # fmt: skip
    return image, mask.astype(bool)


def check_installed():
    """Raise a `ValueError` if what the methods stand on is not installed."""
    for module in NEEDED:
        _needed(module)


def _needed(module):
    try:
        return importlib.import_module(module)
    except ImportError:
        name = NEEDED[module.split(".")[0]]
        raise ValueError(f"Expected {name}: pip install genconv-tf[recovery]") from None

"""Image files to arrays: uint8 RGB, whatever the file holds."""

import contextlib
import io
import os
import struct
import warnings

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from genconv_tf.files import whole_file

# What turns an image upright, by the orientation of its EXIF.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0  # of TIFF
EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")


def read_image(path):
    """Decode an image file.

    EXIF rotation is applied, 16 bits are scaled to 8, transparency is laid over white, and CMYK is
    converted with the profile in the file where there is one.

    Returns:
        `(height, width, 3)` uint8.

    Raises:
        ValueError: the file is missing, no image, truncated, or a decompression bomb.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise ValueError(f"Expected an image file. Received: {path} (no such file)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return np.asarray(_rgb(_upright(image)))
    except UnidentifiedImageError:
        raise ValueError(
            f"Expected an image. Received: {path} (not an image that Pillow reads)"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        most = Image.MAX_IMAGE_PIXELS
        raise ValueError(
            f"Expected an image of at most {most} pixels. Received: {path} (decompression bomb)"
        ) from None
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise ValueError(f"Expected a whole image. Received: {path} ({error})") from None


def write_image(path, pixels):
    """Write `(height, width, 3)` uint8, or one channel of grey, to `path`, whole or not at all."""
    image = Image.fromarray(as_rgb(pixels))
    with whole_file(path) as partial:
        image.save(partial, format="PNG")


def _grey(image):
    """An image of 16 or 32 bits or of floats as `(height, width)` uint8."""
    values, integers = np.asarray(image, np.float64), image.mode.startswith("I")
    if not np.isfinite(values).all():
        raise ValueError("values that are not finite")
    # Files of 32 bits or floats have no agreed range; theirs is what they hold.
    top = 65535.0 if integers and values.max() <= 65535 else values.max()
    if not integers and values.max() <= 1.0:
        top = 1.0
    grey = np.clip(np.round(values * (255.0 / max(top, 1e-12))), 0, 255).astype(np.uint8)
    if integers and getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO:
        grey = 255 - grey
    transparent = image.info.get("transparency")
    return grey if transparent is None else np.where(values == transparent, np.uint8(255), grey)


def as_rgb(pixels):
    """Pixels `(..., 3)`, or one channel of grey three times, as `(..., 3)` uint8."""
    pixels = np.asarray(pixels, np.uint8)
    if pixels.shape[-1] not in (1, 3):
        raise ValueError(f"Expected pixels of 1 or 3 channels. Received: {pixels.shape[-1]}")
    return np.broadcast_to(pixels, (*pixels.shape[:-1], 3))


def _upright(image):
    """An image turned as its EXIF says. `ImageOps.exif_transpose` would write the EXIF anew, which
    fails for some that cameras write."""
    image.load()  # of a TIFF, which Pillow turns then
    how = UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation))
    return image if how is None else image.transpose(how)


def _rgb(image):
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_grey(image)).convert("RGB")
    if image.mode == "CMYK" and image.info.get("icc_profile"):
        profile = io.BytesIO(image.info["icc_profile"])
        with contextlib.suppress(ImageCms.PyCMSError):  # one that is no CMYK: as without
            return ImageCms.profileToProfile(
                image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")

"""One image file of any kind to a PNG that every browser shows.

The invariant: no pixel is decoded before the size that the file states is known to be within
``PIXELS_MAX``, and nothing of the file but its pixels is in the PNG: no EXIF, no place, no profile.
"""

import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

PIXELS_MAX = 100_000_000
"""Of one picture, when it is read."""
SIDE_MAX = 4096
"""Of one picture, when it is written."""
# MPO opens as JPEG. Missing are those that would start another program, as EPS does.
_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "DIB", "JPEG2000", "AVIF", "PPM", "ICO")
_PLAIN_MODES = ("L", "LA", "RGB", "RGBA")
_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_DEEP_MAX = 0xFFFF
_TRANSPARENT_MODES = ("PA", "La", "RGBa")
_EFFORT = 3


class Unreadable(Exception):
    """The file is no image that can be read, or one that is too large."""


class TooSmall(Exception):
    """A side of the image is shorter than was asked for."""


def convert_to_png(path: Path, *, side_min: int) -> bytes:
    """Return the first frame of an image as PNG, upright, no side longer than ``SIDE_MAX`` pixels.

    Args:
        path: of a file in a format that Pillow reads.
        side_min: pixels of the shorter side.

    Raises:
        Unreadable: it is not such a file, is damaged, or has more than ``PIXELS_MAX`` pixels.
        TooSmall: its shorter side has fewer than ``side_min`` pixels.
    """
    with warnings.catch_warnings():
        # Pillow warns of odd metadata, which is left out, and of sizes, which are checked here.
        warnings.simplefilter("ignore")
        try:
            return _convert(path, side_min)
        except TooSmall:
            raise
        except (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError) as error:
            raise Unreadable from error  # Pillow's decoders raise all of these for damaged bytes
        except (
            Image.DecompressionBombError,
            MemoryError,
            OverflowError,
            NotImplementedError,
        ) as error:
            raise Unreadable from error


def _convert(path: Path, side_min: int) -> bytes:
    with Image.open(path, formats=_FORMATS) as image:
        if image.width * image.height > PIXELS_MAX:
            raise Unreadable
        if min(image.size) < side_min:
            raise TooSmall
        # A photograph is decoded at a fraction of its size if that is enough; others ignore this.
        image.draft(None, (SIDE_MAX, SIDE_MAX))
        shown = _plain(ImageOps.exif_transpose(image))
        shown.thumbnail((SIDE_MAX, SIDE_MAX), Image.Resampling.LANCZOS)
        shown.info.clear()
        written = BytesIO()
        shown.save(written, "PNG", compress_level=_EFFORT)
        return written.getvalue()


def _plain(image: Image.Image) -> Image.Image:
    """Return the image with eight bits a channel and no palette."""
    if image.mode in _DEEP_MODES:
        return _shallow(image)
    if image.mode == "1":
        return image.convert("L")
    if "transparency" in image.info or image.mode in _TRANSPARENT_MODES:
        return image.convert("RGBA")
    return image.copy() if image.mode in _PLAIN_MODES else image.convert("RGB")


def _shallow(image: Image.Image) -> Image.Image:
    """Return the upper eight bits of 16; other ranges are stretched from their darkest to lightest."""
    values = np.asarray(image)
    if values.dtype.kind in "iu" and values.min() >= 0 and values.max() <= _DEEP_MAX:
        return Image.fromarray((values >> 8).astype(np.uint8))
    values = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0)
    values -= values.min()
    values *= 255 / max(float(values.max()), 1e-12)
    return Image.fromarray(values.astype(np.uint8))

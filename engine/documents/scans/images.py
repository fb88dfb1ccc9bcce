"""Images to text: each picture of the file is read by OCR, and kept as a figure.

The invariant: no pixel is decoded before the size that the file states is known to be within
``PIXELS_MAX``. The trap: cameras store pictures on their side, and say so only in EXIF.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from engine.documents.content import IMAGES_MAX, TEXT_CHARS_MAX, Content, Source
from engine.documents.pdf.headings import Outline, mark_headings
from engine.documents.pdf.paragraphs import known_words, page_blocks
from engine.documents.pdf.parameters import ReadParameters, check_parameters
from engine.documents.pdf.scan import lines_of
from engine.documents.pdf.shapes import Block, Box, Kind
from engine.documents.pdf.text import join_blocks, write_text
from engine.documents.scans.ocr import DPI, read_page
from engine.errors import DocumentInvalid

PIXELS_MAX = 100_000_000
"""Of one picture."""
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP")
_SEVERAL_PAGES = "TIFF"
_DPI_RANGE = (70, 1_200)
_OCR_PIXELS_MAX = 40_000_000
"""Larger pictures are read at a smaller size; Tesseract's own limit is 32,767 pixels of a side."""
_OCR_SIDE_MAX = 32_000
_PNG_EFFORT = 3
_KEPT_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}


def extract_image(
    source: Source,
    output: Path,
    parameters: Mapping[str, Any],
    report: Callable[[int, int], None],
) -> Content:
    """Read the text of a PNG, JPEG, TIFF, WebP, GIF or BMP file; of a GIF the first frame.

    Args:
        source: the file.
        output: an empty folder; each page is written into it as ``image-<page>.png``.
        parameters: ``ocr`` ("never" for no text), ``language``, ``pages_max``.
        report: told after each page how many are done, and how many there are.

    Raises:
        DocumentInvalid: the file is no such image, is damaged or too large, or a parameter is wrong.
    """
    wanted = check_parameters(parameters)
    blocks: list[Block] = []
    with _refusals(), Image.open(source.path, formats=FORMATS) as image:
        count = _page_count(image, wanted)
        chars = 0
        for page in range(1, count + 1):
            image.seek(page - 1)
            found = _read(image, page, output, wanted)
            chars += sum(len(block.text) for block in found)
            if chars > TEXT_CHARS_MAX:
                raise DocumentInvalid(f"The image has more than {TEXT_CHARS_MAX:,} characters.")
            blocks += found
            report(page, count)
    return _content(blocks, count, source.file_name)


@contextmanager
def _refusals() -> Iterator[None]:
    """Say what is wrong with a file that Pillow does not read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except Image.DecompressionBombError:
            raise DocumentInvalid(_too_large()) from None
        except UnidentifiedImageError:
            raise DocumentInvalid(
                "The file is not a PNG, JPEG, TIFF, WebP, GIF or BMP image; upload it with the name"
                " of its own format."
            ) from None
        except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError):
            # Pillow's decoders raise all of these for damaged bytes.
            raise DocumentInvalid("The image is damaged or cut off; upload it again.") from None


def _too_large() -> str:
    return f"The image has more than {PIXELS_MAX:,} pixels; make it smaller."


def _page_count(image: Image.Image, wanted: ReadParameters) -> int:
    count = int(getattr(image, "n_frames", 1)) if image.format == _SEVERAL_PAGES else 1
    most = min(wanted.pages_max, IMAGES_MAX)
    if count > most:
        raise DocumentInvalid(f"The image has {count:,} pages, more than the {most:,} allowed.")
    return count


def _read(image: Image.Image, page: int, output: Path, wanted: ReadParameters) -> list[Block]:
    """Return the blocks of one page, the picture itself last."""
    if image.width * image.height > PIXELS_MAX:
        raise DocumentInvalid(_too_large())
    shown = ImageOps.exif_transpose(image)
    kept = shown if shown.mode in _KEPT_MODES else shown.convert("RGB")
    name = f"image-{page}.png"
    kept.save(output / name, "PNG", compress_level=_PNG_EFFORT)
    blocks = _text_blocks(shown, page, wanted.language) if wanted.ocr != "never" else []
    return [*blocks, Block(Kind.PICTURE, name, page, Box(0, 0, shown.width, shown.height))]


def _text_blocks(image: Image.Image, page: int, language: str) -> list[Block]:
    image, dpi = _readable(image, _dpi(image))
    lines = lines_of(read_page(image, language, dpi=dpi), dpi)
    return page_blocks(lines, page, known_words(lines))


def _dpi(image: Image.Image) -> int:
    """Return the pixels per inch that a file states, if it can be true."""
    stated = image.info.get("dpi", (0, 0))
    low, high = _DPI_RANGE
    dpi = round(float(stated[0])) if isinstance(stated, tuple) and stated else 0
    return dpi if low < dpi <= high else DPI


def _readable(image: Image.Image, dpi: int) -> tuple[Image.Image, int]:
    """Return an image within the limits of OCR, and its pixels per inch."""
    area = (_OCR_PIXELS_MAX / (image.width * image.height)) ** 0.5
    factor = min(1.0, area, _OCR_SIDE_MAX / max(image.size))
    if factor == 1:
        return image, dpi
    size = (max(1, int(image.width * factor)), max(1, int(image.height * factor)))
    return image.convert("L").resize(size), max(1, int(dpi * factor))


def _content(blocks: list[Block], count: int, name: str) -> Content:
    whole = join_blocks(blocks, frozenset())
    marked, title = mark_headings(whole, Outline({}), None)
    text, spans, figures = write_text(marked, count, alt=name)
    return Content(text, title, spans, figures, count)

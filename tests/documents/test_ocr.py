"""What Tesseract reads: accuracy, languages, and images of all kinds."""

import pytest
from PIL import Image, ImageOps

from engine.documents.scans.ocr import languages, read_page
from engine.errors import DocumentInvalid
from tests.documents.pdf_files import DPI, Scan, likeness, paragraph


def text_of(image: Image.Image, dpi: int = DPI) -> str:
    return " ".join(line.text for line in read_page(image, dpi=dpi))


def sheet() -> Scan:
    return Scan().say(paragraph(1)).say(paragraph(2))


WANTED = f"{paragraph(1)} {paragraph(2)}"


@pytest.mark.parametrize("degrees", [-2.0, 0.0, 0.5])
def test_a_speckled_scan_laid_aslant_is_read(degrees: float) -> None:
    assert likeness(text_of(sheet().worn(degrees, 800)), WANTED) >= 0.97


@pytest.mark.parametrize("quarter", [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180])
def test_a_page_on_its_side_is_read(quarter: Image.Transpose) -> None:
    small = Scan().say(paragraph(1)).sheet.crop((0, 0, 1654, 600))
    assert likeness(text_of(small.transpose(quarter)), paragraph(1)) >= 0.97


@pytest.mark.parametrize("mode", ["1", "RGBA", "P", "CMYK", "I", "F"])
def test_an_image_of_any_mode_is_read(mode: str) -> None:
    small = Scan().say(paragraph(1, 2)).sheet.crop((0, 0, 1654, 600))
    assert likeness(text_of(small.convert(mode)), paragraph(1, 2)) >= 0.97


def test_what_is_transparent_is_white() -> None:
    small = Scan().say(paragraph(1, 2)).sheet.crop((0, 0, 1654, 600))
    clear = Image.new("RGBA", small.size, (0, 0, 0, 0))
    clear.putalpha(ImageOps.invert(small))
    assert likeness(text_of(clear), paragraph(1, 2)) >= 0.97


def test_lines_tell_their_places_and_paragraphs() -> None:
    lines = read_page(Scan().say("A large title", 24).say(paragraph(1)).sheet, dpi=DPI)
    assert lines[0].text == "A large title"
    assert lines[0].height > 1.5 * lines[1].height
    assert lines[0].block != lines[1].block == lines[-1].block
    tops = [line.box[1] for line in lines]
    assert tops == sorted(tops)


def test_columns_are_read_one_after_another() -> None:
    left, right = (Scan().say(paragraph(number, 12)).sheet for number in (1, 2))
    both = Image.new("L", (left.width * 2 - 400, left.height), 255)
    both.paste(left, (0, 0))
    both.paste(right.crop((180, 0, right.width, right.height)), (left.width, 0))
    assert likeness(text_of(both), f"{paragraph(1, 12)} {paragraph(2, 12)}") >= 0.97


def test_a_page_without_text_has_no_lines() -> None:
    assert read_page(Image.new("RGB", (800, 600), "white")) == []


def test_a_language_without_data_is_refused_with_those_there_are() -> None:
    for language in ("tlh", "eng+tlh", "", "../eng", "osd"):
        with pytest.raises(DocumentInvalid, match=r"choose from .*eng"):
            read_page(Image.new("L", (50, 50), 255), language)
    assert "eng" in languages()
    assert "osd" not in languages()


def test_what_the_environment_names_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSDATA_PREFIX", "/nowhere")
    read_page(Image.new("L", (50, 50), 255), "eng")

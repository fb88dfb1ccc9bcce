"""Images become their text and a figure; those that are no good are refused with a reason."""

import os
from pathlib import Path

import pytest
from PIL import Image

from engine.documents.content import Content, Source
from engine.documents.scans import images
from engine.documents.scans.images import extract_image
from engine.errors import DocumentInvalid
from tests.documents.pdf_files import DPI, Scan, likeness, paragraph


def read(path: Path, **parameters: object) -> tuple[Content, Path]:
    folder = path.parent / f"content-{len(list(path.parent.iterdir()))}"
    folder.mkdir()
    source = Source(path, path.name, "image/png")
    return extract_image(source, folder, parameters, lambda done, total: None), folder


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def sheet(seed: int = 1) -> Image.Image:
    return Scan().say("A note", 24).say(paragraph(seed, 3)).sheet.crop((0, 0, 1654, 800))


@pytest.mark.parametrize("ending", ["png", "jpg", "tiff", "webp", "gif", "bmp"])
def test_the_text_of_an_image_is_read_and_the_image_kept(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"note.{ending}"
    sheet().save(path, dpi=(DPI, DPI))
    content, folder = read(path)
    heading, text, figure = content.text.split("\n\n")
    assert heading == "# A note"
    assert likeness(text, paragraph(1, 3)) >= 0.97
    assert figure == f"![note.{ending}](image-1.png)"
    assert content.title == "A note"
    assert [figure.name for figure in content.figures] == ["image-1.png"]
    assert size_of(folder / "image-1.png") == (1654, 800)


def test_a_tiff_of_several_pages_is_read_page_by_page(tmp_path: Path) -> None:
    path = tmp_path / "fax.tiff"
    sheet(1).save(path, save_all=True, append_images=[sheet(2), sheet(3)], dpi=(DPI, DPI))
    content, _ = read(path)
    assert content.page_count == 3
    for number, span in enumerate(content.pages, 1):
        text = content.text[span.start : span.end]
        assert likeness(text.split("\n\n")[1], paragraph(number, 3)) >= 0.97
        assert text.endswith(f"](image-{number}.png)")
    with pytest.raises(DocumentInvalid, match="has 3 pages, more than the 2 allowed"):
        read(path, pages_max=2)


def test_a_photograph_on_its_side_is_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "photo.jpg"
    sheet().transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, dpi=(DPI, DPI))
    content, folder = read(path)
    assert likeness(content.text.split("\n\n")[1], paragraph(1, 3)) >= 0.97
    assert size_of(folder / "image-1.png") == (1654, 800)


def test_without_ocr_there_is_only_the_figure(tmp_path: Path) -> None:
    path = tmp_path / "note.png"
    sheet().save(path)
    assert read(path, ocr="never")[0].text == "![note.png](image-1.png)"


def test_damaged_images_are_refused(tmp_path: Path) -> None:
    for ending in ("png", "jpg", "tiff", "webp", "gif", "bmp"):
        path = tmp_path / f"note.{ending}"
        sheet().save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(DocumentInvalid, match="damaged or cut off") as refusal:
            read(path)
        assert str(tmp_path) not in str(refusal.value)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "note.png"
    for data in (b"", b"%PDF-1.7", b"<svg/>", b"%!PS-Adobe-3.0 EPSF-3.0\n"):
        path.write_bytes(data)
        with pytest.raises(DocumentInvalid, match="is not a PNG"):
            read(path)


@pytest.mark.parametrize("side", [10_500, 14_500])
def test_image_bombs_are_refused_before_they_are_decoded(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (side, side)).save(path)
    os.truncate(path, 100)  # nothing is left that could be decoded
    with pytest.raises(DocumentInvalid, match="more than 100,000,000 pixels"):
        read(path)


def test_a_large_image_is_read_at_a_smaller_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "_OCR_PIXELS_MAX", 1_000_000)
    path = tmp_path / "large.png"
    sheet().save(path, dpi=(DPI, DPI))
    content, folder = read(path)
    assert likeness(content.text.split("\n\n")[1], paragraph(1, 3)) >= 0.97
    assert size_of(folder / "image-1.png") == (1654, 800)


def test_wrong_parameters_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "note.png"
    sheet().save(path)
    with pytest.raises(DocumentInvalid, match="choose from eng"):
        read(path, language="tlh")
    with pytest.raises(DocumentInvalid, match="a whole number"):
        read(path, pages_max="many")

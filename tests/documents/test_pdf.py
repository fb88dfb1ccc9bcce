"""PDF files that are no good are refused with a reason, and those that are nearly good are read."""

import sys
from pathlib import Path

import pytest
from fpdf.enums import AccessPermission
from PIL import Image

from engine.documents.pdf import extract as pdf
from engine.errors import DocumentInvalid
from tests.documents.pdf_files import (
    Paper,
    Scan,
    assembled,
    likeness,
    paragraph,
    raw_pdf,
    read,
    scanned_pdf,
    written,
)

HELVETICA = "/Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
HELLO = b"BT /F 12 Tf 50 700 Td (Hello to the harbour) Tj ET"


def file_of(data: bytes, folder: Path, name: str = "file.pdf") -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def short_paper(folder: Path) -> Path:
    paper = Paper()
    paper.add_page()
    paper.say(paragraph(1))
    return written(paper, folder)


def test_a_file_that_is_no_pdf_is_refused(tmp_path: Path) -> None:
    for data in (b"", b"PK\x03\x04" + bytes(500), b"<html>%PDF</html>"):
        with pytest.raises(DocumentInvalid, match="is not a PDF"):
            read(file_of(data, tmp_path))


def test_garbage_with_the_head_of_a_pdf_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentInvalid, match="is cut off"):
        read(file_of(b"%PDF-1.7\n" + bytes(range(256)) * 100, tmp_path))
    with pytest.raises(DocumentInvalid, match="is damaged or has no pages") as refusal:
        read(file_of(b"%PDF-1.7\n" + bytes(range(256)) * 100 + b"\nstartxref\n0\n%%EOF", tmp_path))
    assert str(tmp_path) not in str(refusal.value)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    data = short_paper(tmp_path).read_bytes()
    with pytest.raises(DocumentInvalid, match="is cut off"):
        read(file_of(data[: int(len(data) * share)], tmp_path))


def test_a_password_is_asked_for_nowhere(tmp_path: Path) -> None:
    paper = Paper()
    paper.set_encryption("owner", "reader", permissions=AccessPermission.all())
    paper.add_page()
    paper.say(paragraph(1))
    with pytest.raises(DocumentInvalid, match="is protected by a password"):
        read(written(paper, tmp_path))


def test_a_file_that_only_its_owner_may_change_is_read(tmp_path: Path) -> None:
    paper = Paper()
    paper.set_encryption("owner")
    paper.add_page()
    paper.say(paragraph(1))
    assert read(written(paper, tmp_path)).text == paragraph(1)


def test_a_file_without_pages_is_refused(tmp_path: Path) -> None:
    data = raw_pdf(HELLO, pages="/Kids [] /Count 0")
    with pytest.raises(DocumentInvalid, match="has no pages"):
        read(file_of(data, tmp_path))


def test_too_many_pages_are_refused(tmp_path: Path) -> None:
    paper = Paper()
    for _ in range(3):
        paper.add_page()
    with pytest.raises(DocumentInvalid, match="has 3 pages, more than the 2 allowed"):
        read(written(paper, tmp_path), pages_max=2)


def test_ten_thousand_pages_are_refused(tmp_path: Path) -> None:
    kids = b" ".join(b"%d 0 R" % number for number in range(3, 10_003))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 10000 /Kids [%s] >>" % kids,
        *[b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"] * 10_000,
    ]
    with pytest.raises(DocumentInvalid, match="10,000 pages"):
        read(file_of(assembled(objects), tmp_path))


@pytest.mark.parametrize(
    "pages",
    ["/Kids [2 0 R] /Count 3", "/Kids [3 0 R 2 0 R] /Count 2", "/Kids [3 0 R] /Count -7"],
)
def test_a_page_tree_that_holds_itself_ends(tmp_path: Path, pages: str) -> None:
    data = raw_pdf(HELLO, resources=HELVETICA, pages=pages)
    try:
        reading = read(file_of(data, tmp_path))
    except DocumentInvalid:
        return
    assert "Hello to the harbour" in reading.text


def test_a_deep_page_tree_ends(tmp_path: Path) -> None:
    depth = 3_000
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    objects += [b"<< /Type /Pages /Count 1 /Kids [%d 0 R] >>" % (n + 3) for n in range(depth)]
    objects += [b"<< /Type /Page /MediaBox [0 0 99 99] >>"]
    with pytest.raises(DocumentInvalid):
        read(file_of(assembled(objects), tmp_path))


def test_a_form_that_draws_itself_ends(tmp_path: Path) -> None:
    stream = b"/X Do"
    form = b"<< /Type /XObject /Subtype /Form /BBox [0 0 99 99] /Resources << /XObject << /X 5 0 R >> >>"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /Contents 4 0 R"
        b" /Resources << /XObject << /X 5 0 R >> >> >>",
        b"<< /Length 5 >>\nstream\n%s\nendstream" % stream,
        b"%s /Length 5 >>\nstream\n/X Do\nendstream" % form,
    ]
    assert read(file_of(assembled(objects), tmp_path)).text == ""


def test_one_bad_page_is_a_warning(tmp_path: Path) -> None:
    paper = Paper()
    for number in range(3):
        paper.add_page()
        paper.say(f"Page {number}. {paragraph(number)}")
    path = written(paper, tmp_path)
    data = path.read_bytes()
    second = data.index(b"/Type /Page\n", data.index(b"/Type /Page\n") + 1)
    broken = data[:second] + b"/Type /Pagf\n" + data[second + 12 :]
    reading = read(file_of(broken, tmp_path))
    assert "Page 0." in reading.text
    assert "Page 2." in reading.text
    assert reading.content.page_count == 3


def image_pdf(width: int, height: int, data: bytes = b"") -> bytes:
    image = (
        b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray"
        b" /BitsPerComponent 8 /Length %d >>\nstream\n%s\nendstream"
    ) % (width, height, len(data), data)
    stream = b"q 400 0 0 400 50 50 cm /I Do Q BT /F 12 Tf 50 700 Td (Text above it.) Tj ET"
    return assembled(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
            b" /Resources << /XObject << /I 5 0 R >> %s >> >>" % HELVETICA.encode(),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
            image,
        ]
    )


@pytest.mark.timeout(60)
def test_an_image_bomb_is_left_out_with_a_warning(tmp_path: Path) -> None:
    reading = read(file_of(image_pdf(60_000, 60_000, bytes(100)), tmp_path))
    assert reading.text == "Text above it."
    assert list(reading.folder.iterdir()) == []
    assert len(reading.content.warnings) == 1


@pytest.mark.timeout(60)
def test_a_page_a_hundred_inches_wide_is_read(tmp_path: Path) -> None:
    image = Image.new("L", (400, 400), 255)
    paper = Paper()
    paper.add_page(format=(5_000, 5_000))
    paper.image(image, x=0, y=0, w=5_000)
    assert read(written(paper, tmp_path)).content.page_count == 1


@pytest.mark.timeout(60)
def test_a_page_of_many_lines_ends_soon(tmp_path: Path) -> None:
    grid = b"".join(
        b"%d 0 m %d 842 l S 0 %d m 595 %d l S " % ((n * 5, n * 5, n * 5, n * 5)) for n in range(120)
    )
    read(file_of(raw_pdf(grid * 40 + HELLO, resources=HELVETICA), tmp_path))


def test_what_is_far_outside_the_page_is_left_out(tmp_path: Path) -> None:
    far = b"BT /F 12 Tf %d 700 Td (Far away) Tj ET " % 10**8
    data = raw_pdf(far + HELLO + far.replace(b"Far", b"Out") * 9, resources=HELVETICA)
    assert read(file_of(data, tmp_path)).text == "Hello to the harbour"


def test_more_text_than_a_document_may_have_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "TEXT_CHARS_MAX", 100)
    with pytest.raises(DocumentInvalid, match="more than 100 characters"):
        read(short_paper(tmp_path))


@pytest.mark.parametrize(
    "parameters",
    [{"ocr": "maybe"}, {"language": 5}, {"language": "tlh"}, {"pages_max": 0}, {"pages_max": "2"}],
)
def test_wrong_parameters_are_refused(tmp_path: Path, parameters: dict[str, object]) -> None:
    with pytest.raises(DocumentInvalid):
        read(short_paper(tmp_path), **parameters)


def test_a_scan_is_read_with_headings_and_paragraphs(tmp_path: Path) -> None:
    sheet = Scan().say("Yearbook of the harbour", 22).say("1. Introduction", 15)
    sheet.say(paragraph(1)).say("2. Results", 15).say(paragraph(2))
    path = scanned_pdf([sheet.worn(0.5, 400)], tmp_path)
    reading = read(path)
    wanted = [
        "# Yearbook of the harbour", "## 1. Introduction", paragraph(1), "## 2. Results", paragraph(2),
    ]  # fmt: skip
    assert likeness(reading.text, "\n\n".join(wanted)) >= 0.97
    assert reading.headings == [line for line in wanted if line.startswith("#")]
    assert len(reading.text.split("\n\n")) == len(wanted)
    assert reading.content.figures == ()


def test_ocr_is_for_scans_unless_it_is_asked_for(tmp_path: Path) -> None:
    path = scanned_pdf([Scan().say(paragraph(1)).sheet], tmp_path)
    never = read(path, ocr="never")
    assert never.text == "![](page-1-image-1.png)"
    text_page = short_paper(tmp_path)
    always = read(text_page, ocr="always")
    assert likeness(always.text, paragraph(1)) >= 0.99


def test_no_tables_are_sought_in_a_plain_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = Paper()
    for page in range(20):
        paper.add_page()
        for part in range(5):
            paper.say(paragraph(page * 5 + part))
    path = written(paper, tmp_path)
    monkeypatch.setitem(sys.modules, "pdfplumber", None)  # whoever imports it fails
    assert likeness(read(path).text, "\n\n".join(map(paragraph, range(100)))) >= 0.99

"""What a file is, whatever it is called; and names that may be kept."""

import io
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.documents import media_types
from engine.documents.content import Source
from engine.documents.media_types import MEDIA_TYPES, matches, safe_name, sniff
from engine.documents.readers import read_document
from engine.errors import DocumentInvalid
from tests.documents.markup_files import MANIFEST, article, png, word_file, zipped

PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"
DOCX = word_file(lambda document: document.add_paragraph("a"))


def picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, kind)
    return buffer.getvalue()


FILES: dict[str, tuple[bytes, str]] = {
    "pdf": (PDF, "application/pdf"),
    "pdf after junk": (b"\x00\x01junk\n" + PDF, "application/pdf"),
    "docx": (DOCX, media_types.DOCX),
    "docx cut short": (DOCX[: len(DOCX) // 2], media_types.DOCX),
    "meca": (zipped({"manifest.xml": MANIFEST, "a.xml": article()}), media_types.MECA),
    "bare article": (zipped({"x/a.xml": article()}), media_types.MECA),
    "other zip": (zipped({"a.xml": "<a/>", "b.txt": "b"}), "application/zip"),
    "sheet": (
        zipped({"[Content_Types].xml": "<a/>", "xl/workbook.xml": "<a/>"}),
        "application/zip",
    ),
    "empty zip": (zipped({}), "application/zip"),
    "jats": (article().encode(), media_types.JATS),
    "jats without doctype": (article(doctype="").encode(), media_types.JATS),
    "jats in utf-16": (article().replace("UTF-8", "UTF-16").encode("utf-16"), media_types.JATS),
    "jats after remarks": (
        article().replace("<!DOCTYPE", f"<!--{'x' * 9000}--><!DOCTYPE").encode(),
        media_types.JATS,
    ),
    "docbook": (
        b'<?xml version="1.0"?><article xmlns="http://docbook.org/ns/docbook"/>',
        "application/xml",
    ),
    "other xml": (b"<?xml version='1.0'?><svg/>", "application/xml"),
    "bomb": (
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "&b;&b;"><!ENTITY b "x">]><a>&a;</a>',
        "application/xml",
    ),
    "html": (b"\n<!-- x --><!DOCTYPE HTML><html><p>a", "text/html"),
    "xhtml": (b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml"/>', "text/html"),
    "text": (b"plain words", "text/plain"),
    "latin text": ("Ærø".encode("cp1252"), "text/plain"),
    "utf-16 text": ("words".encode("utf-16"), "text/plain"),
    "text about pdf": (b"The file starts with %PDF-1.7, they say.", "text/plain"),
    "text about BMW": (b"BMW builds cars. " * 10, "text/plain"),
    "text cut in a character": ("ø".encode() * 40_000 + b"a", "text/plain"),
    "rtf": (b"{\\rtf1 a}", "application/rtf"),
    "old word": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "application/x-ole-storage"),
    "nul": (b"text\0text", "application/octet-stream"),
    "noise": (bytes(range(1, 256)) * 20, "application/octet-stream"),
    "nothing": (b"", "application/x-empty"),
    **{
        kind: (picture(kind), f"image/{kind.lower()}")
        for kind in ("PNG", "JPEG", "TIFF", "WebP", "GIF", "BMP")
    },
}


@pytest.mark.parametrize("name", ["blob", "a.pdf", "a.docx", "a.png", "a.xml", "a.zip", "a"])
@pytest.mark.parametrize("kind", FILES)
def test_the_bytes_say_what_a_file_is(tmp_path: Path, kind: str, name: str) -> None:
    data, expected = FILES[kind]
    path = tmp_path / "input"
    path.write_bytes(data)
    assert sniff(path, name) == expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.md", "# a", "text/markdown"),
        ("A.MARKDOWN", "a", "text/markdown"),
        ("a.txt", "# a", "text/plain"),
        ("a.html", "<p>a</p>", "text/html"),
        ("a.html", "no tag", "text/plain"),
        ("a.txt", "<p>a</p>", "text/plain"),
        ("a.md", "<div align='center'>\n\n# a", "text/markdown"),
        ("a.md", "<!DOCTYPE html><html>", "text/html"),
        ("a.pdf", "# a", "text/plain"),
    ],
)
def test_the_name_tells_kinds_of_text_apart(
    tmp_path: Path, name: str, text: str, expected: str
) -> None:
    path = tmp_path / "input"
    path.write_text(text)
    assert sniff(path, name) == expected


@pytest.mark.parametrize("kind", FILES)
def test_what_is_not_read_is_refused_in_a_sentence(tmp_path: Path, kind: str) -> None:
    data, media_type = FILES[kind]
    if media_type in MEDIA_TYPES:
        return
    path = tmp_path / "input"
    path.write_bytes(data)
    with pytest.raises(DocumentInvalid) as caught:
        read_document(Source(path, "a", media_type), tmp_path, {}, lambda _done, _total: None)
    assert caught.value.message.endswith(".")
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("jats", "# Tides"),
        ("meca", "# Tides"),
        ("docx", "a"),
        ("xhtml", ""),
        ("text", "plain words"),
    ],
)
def test_every_kind_of_markup_has_its_reader(tmp_path: Path, kind: str, expected: str) -> None:
    data, media_type = FILES[kind]
    path, output = tmp_path / "input", tmp_path / "out"
    path.write_bytes(data)
    output.mkdir()
    source, seen = Source(path, "a", media_type), list[tuple[int, int]]()
    if not expected:
        with pytest.raises(DocumentInvalid, match="no text"):
            read_document(source, output, {}, lambda done, total: seen.append((done, total)))
        return
    content = read_document(source, output, {}, lambda done, total: seen.append((done, total)))
    assert content.text.startswith(expected)
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize("text", ["<!-- a -->", "<!--", "<!DOCTYPE article ", "<a ", "<", " "])
@pytest.mark.timeout(60)
def test_a_file_of_beginnings_is_told_in_a_moment(tmp_path: Path, text: str) -> None:
    path = tmp_path / "input"
    path.write_text(text * (70_000 // len(text)) + "\f")
    for _ in range(30):  # with the square of the length, minutes
        assert sniff(path, "a.html") in {"text/plain", "text/html", "application/xml"}


@pytest.mark.parametrize(
    ("name", "patterns", "expected"),
    [
        ("Paper.PDF", ["*.pdf"], True),
        ("paper.pdf.exe", ["*.pdf", "*.docx"], False),
        ("scan-7.png", ["scan-?.PNG"], True),
        ("a", [], False),
    ],
)
def test_globs_match_whatever_the_case(name: str, patterns: list[str], expected: bool) -> None:
    assert matches(name, patterns) is expected


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\Tide tables.pdf", "Tide tables.pdf"),
        (".htaccess", "htaccess"),
        ("a\0b\nc\x1b.pdf", "abc.pdf"),
        ("evil\u202efdp.exe", "evilfdp.exe"),
        ("blob", "file"),
        ("", "file"),
        ("...", "file"),
        ("a/", "file"),
        ("Ærø 😀.md", "Ærø 😀.md"),
        ("\ud800.pdf", "pdf"),
    ],
)
def test_a_name_is_kept_as_far_as_it_is_safe(sent: str, kept: str) -> None:
    assert safe_name(sent) == kept


def test_a_long_name_keeps_its_extension() -> None:
    name = safe_name("ø" * 400 + ".docx")
    assert name.endswith("ø.docx")
    assert len(name.encode()) in {254, 255}


@given(st.text(max_size=400))
def test_any_name_becomes_a_safe_one(sent: str) -> None:
    name = safe_name(sent)
    assert 1 <= len(name.encode()) <= 255
    assert not set("/\\") & set(name)
    assert not name.startswith(".")
    assert all(unicodedata.category(character) != "Cc" for character in name)
    assert safe_name(name) in {name, "file"}


def test_an_image_of_the_tests_is_one() -> None:
    assert media_types.image_type(png()) == "image/png"

"""Word documents made by python-docx: structure, images, formulas; and files that only look like them."""

import io
from pathlib import Path
from typing import Any

import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from engine.documents.content import Content
from engine.documents.word.extract import extract_docx
from engine.errors import DocumentInvalid
from tests.documents.markup_files import accuracy, png, read, with_member, word_file, zipped

TEXT = """# Report of the shore

# Introduction

The sea **rises** by *3 mm* a year. CO2 warms it.

## Stations

- Bergen
- Oslo

1. measure
2. compare

| Station | Level | Level |
| --- | --- | --- |
| Bergen | 12 | 13 |
| Oslo\\|Moss | 9 | 13 |

![The stations.](image-1.png)

\\# of stations: 9"""


def write_report(document: Any) -> None:
    document.core_properties.author = "Ada Okafor; Bo Lindqvist"
    document.core_properties.keywords = "tide, sea"
    document.core_properties.title = "Template 7"
    document.add_heading("Report of the shore", 0)
    document.add_heading("Introduction", 1)
    paragraph = document.add_paragraph("The sea ")
    paragraph.add_run("rises").bold = True
    paragraph.add_run(" by ")
    paragraph.add_run("3 mm").italic = True
    paragraph.add_run(" a year. CO")
    paragraph.add_run("2").font.subscript = True
    paragraph.add_run(" warms it.")
    document.add_heading("Stations", 2)
    for name in ("Bergen", "Oslo"):
        document.add_paragraph(name, style="List Bullet")
    for name in ("measure", "compare"):
        document.add_paragraph(name, style="List Number")
    add_table(document)
    document.add_picture(io.BytesIO(png()))
    document.add_paragraph("The stations.", style="Caption")
    document.add_paragraph("# of stations: 9")


def add_table(document: Any) -> None:
    rows = [("Station", "Level", ""), ("Bergen", "12", "13"), ("Oslo|Moss", "9", "")]
    table = document.add_table(rows=3, cols=3)
    for row, texts in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text
    table.cell(0, 1).merge(table.cell(0, 2))
    table.cell(1, 2).merge(table.cell(2, 2))


def read_docx(folder: Path, data: bytes) -> Content:
    return read(extract_docx, folder, data, "a.docx")


def refusal(folder: Path, data: bytes) -> str:
    with pytest.raises(DocumentInvalid) as caught:
        read_docx(folder, data)
    assert str(folder) not in caught.value.message
    return caught.value.message


def small(document: Any) -> None:
    document.add_paragraph("Some words.")


def test_a_report_keeps_its_structure(tmp_path: Path) -> None:
    content = read_docx(tmp_path, word_file(write_report))
    assert accuracy(TEXT, content.text) >= 0.99
    assert content.text == TEXT
    assert content.title == "Report of the shore"
    assert content.metadata["authors"] == ["Ada Okafor", "Bo Lindqvist"]
    assert content.metadata["keywords"] == ["tide", "sea"]
    assert [(each.name, each.caption) for each in content.figures] == [
        ("image-1.png", "The stations.")
    ]
    assert (tmp_path / "out" / "image-1.png").read_bytes() == png()


def test_a_long_document_is_read_exactly(tmp_path: Path) -> None:
    paragraphs = [f"Paragraph {n} of the gauge log, {n * 7} cm \u2013 Ærø." for n in range(200)]

    def write(document: Any) -> None:
        for text in paragraphs:
            document.add_paragraph(text)

    assert read_docx(tmp_path, word_file(write)).text == "\n\n".join(paragraphs)


def test_formulas_are_read_as_text(tmp_path: Path) -> None:
    math = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    power = (
        "<m:sSup><m:e><m:r><m:t>c</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup>"
    )
    formula = f"<m:oMath {math}><m:r><m:t>E=m</m:t></m:r>{power}</m:oMath>"

    def write(document: Any) -> None:
        paragraph = document.add_paragraph("Energy is ")
        paragraph._p.append(parse_xml(formula))
        own = document.add_paragraph()
        own._p.append(parse_xml(f"<m:oMathPara {math}>{formula}</m:oMathPara>"))

    assert read_docx(tmp_path, word_file(write)).text == "Energy is $E=mc^2$\n\n$E=mc^2$"


def test_a_part_with_formulas_and_nothing_of_word_is_passed_over(tmp_path: Path) -> None:
    odd = '<m:x xmlns:m="urn:x"><m:oMath><m:t>1</m:t></m:oMath></m:x>'
    data = with_member(word_file(small), "word/odd.xml", lambda _old: odd)
    assert read_docx(tmp_path, data).text == "Some words."


def test_footnotes_are_named_where_they_stand_and_written_at_the_end(tmp_path: Path) -> None:
    def write(document: Any) -> None:
        run = document.add_paragraph("Measured").add_run()
        run._r.append(parse_xml(f'<w:footnoteReference {nsdecls("w")} w:id="2"/>'))

    note = (
        f'<w:footnotes {nsdecls("w")}><w:footnote w:id="2"><w:p><w:r><w:t>In Bergen.</w:t></w:r></w:p>'
        "</w:footnote></w:footnotes>"
    )
    data = with_member(word_file(write), "word/footnotes.xml", lambda _old: note)
    assert read_docx(tmp_path, data).text == "Measured[^1]\n\n[^1]: In Bergen."


def test_an_image_linked_from_elsewhere_is_never_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(99))

    def link(relationships: bytes) -> bytes:
        return relationships.replace(
            b'Target="media/image1.png"',
            f'Target="{secret.as_uri()}" TargetMode="External"'.encode(),
        )

    data = with_member(word_file(write_report), "word/_rels/document.xml.rels", link)
    data = with_member(data, "word/document.xml", lambda xml: xml.replace(b"r:embed", b"r:link"))
    content = read_docx(tmp_path, data)
    assert content.figures == ()
    assert list((tmp_path / "out").iterdir()) == []
    assert "1 image could not be read" in content.warnings[0]


EVIL = '<!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))


@pytest.mark.parametrize(
    "part",
    ["word/document.xml", "word/_rels/document.xml.rels", "docProps/core.xml", "word/odd.bin"],
)
@pytest.mark.parametrize(
    "doctype", [EVIL, f'<!DOCTYPE w [<!ENTITY l0 "x">{LAUGHS}]>', "<!DOCTYPE w>"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_doctype_in_any_part_is_refused(
    tmp_path: Path, part: str, doctype: str, encoding: str
) -> None:
    def spoil(_old: bytes) -> bytes:
        return f'<?xml version="1.0" encoding="{encoding}"?>{doctype}<w>&l11;</w>'.encode(encoding)

    assert "DOCTYPE" in refusal(tmp_path, with_member(word_file(small), part, spoil))


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    def spoil(xml: bytes) -> bytes:
        return xml.replace(b"<w:t>", b"<w:r>" * 100_000 + b"<w:t>").replace(
            b"</w:t>", b"</w:t>" + b"</w:r>" * 100_000
        )

    data = with_member(word_file(small), "word/document.xml", spoil)
    assert "nested too deeply" in refusal(tmp_path, data)


def test_tables_in_tables_are_read_or_refused(tmp_path: Path) -> None:
    def write(document: Any) -> None:
        holder = document.add_table(rows=1, cols=1)
        for _ in range(20):
            holder = holder.cell(0, 0).add_table(rows=1, cols=1)
        holder.cell(0, 0).text = "innermost"

    assert "innermost" in read_docx(tmp_path, word_file(write)).text


def test_a_huge_attribute_is_refused(tmp_path: Path) -> None:
    def spoil(xml: bytes) -> bytes:
        return xml.replace(b"<w:body>", b'<w:body x="' + b"a" * (2 << 20) + b'">')

    assert "too long" in refusal(
        tmp_path, with_member(word_file(small), "word/document.xml", spoil)
    )


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    data = with_member(word_file(small), "word/big.xml", lambda _old: b" " * (80 << 20))
    assert "times its size" in refusal(tmp_path, data)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
def test_a_truncated_document_is_refused(tmp_path: Path, share: float) -> None:
    data = word_file(write_report)
    assert "cut short" in refusal(tmp_path, data[: int(len(data) * share)])


@pytest.mark.parametrize("missing", ["word/document.xml", "[Content_Types].xml"])
def test_a_document_without_its_parts_is_refused_or_read(tmp_path: Path, missing: str) -> None:
    data = with_member(word_file(small), missing, lambda _old: "<broken")
    assert "damaged" in refusal(tmp_path, data)


def test_a_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    assert "damaged" in refusal(tmp_path, zipped({"a.txt": "a"}))

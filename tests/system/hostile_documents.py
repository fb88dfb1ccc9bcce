"""Hostile files, each with how it must end: refused at the door, failed in a stage, or read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from tests.documents.markup_files import MANIFEST, article, png, zipped
from tests.documents.pdf_files import raw_pdf
from tests.system.hostile_makers import (
    LAUGHS,
    XI,
    Make,
    blank_image,
    climbing_meca,
    deep_word,
    doubling_forms,
    encrypted_zip,
    fixed,
    jats,
    linked_word,
    linking_markdown,
    linking_page,
    lying_png,
    lying_tiff,
    many_pages,
    meca,
    noise_tiff,
    overlapping_meca,
    self_drawing_form,
    small_pdf,
    small_word,
    stored_bomb,
    word_part,
    zip_of_zips,
)

CANARY = "canary-words-of-a-foreign-file"
GENERAL, SCIENTIFIC = "general_purpose", "scientific_articles"
READ = "ocr"
PARSE = "xml-parsing"
SIZE_MAX_BYTES = 56 << 20
STAGES = ("fetch-entry", READ, PARSE, "figure-linking", "figure-extraction", "chunking")


@dataclass(frozen=True)
class Hostile:
    """A hostile file.

    Attributes:
        file_name: as it is uploaded.
        make: its bytes.
        preset: of the dataset that it is sent to.
        refused: words of the answer to its upload, None when it is taken.
        failed: words of the entry's error, None when it is processed.
        stages: where it may fail.
        shown: the name it is kept by, None = as it was sent.
    """

    file_name: str
    make: Make
    preset: str = GENERAL
    refused: str | None = None
    failed: str | None = None
    stages: tuple[str, ...] = STAGES
    shown: str | None = None


_TABLE_ROW = "| " + " | ".join("cell" for _ in range(50)) + " |\n"
TEXTS: Mapping[str, Callable[[], str]] = {
    "quotes.md": lambda: ">" * 100_000 + " deep",
    "lists.md": lambda: "".join("  " * n + "- x\n" for n in range(1_000)),
    "brackets.md": lambda: "[" * 200_000,
    "images.md": lambda: "![" * 100_000 + "](",
    "ticks.md": lambda: "".join("`" * n + " a " for n in range(1, 1_000)),
    "stars.md": lambda: "*a **a " * 50_000,
    "links.md": lambda: "[a](b" * 60_000,
    "comments.html": lambda: "<!--" * 100_000,
    "divs.html": lambda: "<!doctype html>" + "<div>" * 100_000 + "deep",
    "attribute.html": lambda: "<!doctype html><p " + "a='b' " * 200_000 + ">x</p>",
    "table.md": lambda: _TABLE_ROW + "|---" * 50 + "|\n" + _TABLE_ROW * 2_000,
    "spaces.txt": lambda: "a" + " " * 2_000_000 + "b",
    "spans.html": lambda: (
        "<!doctype html><table>" + "<tr><td colspan=1000 rowspan=65534>x" * 2_000 + "</table>"
    ),
}
"""Texts on which a careless expression or recursion takes for ever."""
_NAMED = b"# Calm\n\nCalm words.\n"

HOSTILE: Mapping[str, Hostile] = {
    "jats-laughs": Hostile(
        "a.xml", jats(f"[{LAUGHS}]", "&l11;"), SCIENTIFIC, refused="Unsupported format"
    ),
    "jats-late-laughs": Hostile(
        "a.xml",
        jats(f"[{LAUGHS}]", "calm " * 2_000 + "&l11;"),
        SCIENTIFIC,
        failed="entities|not well-formed",
    ),
    "jats-quadratic": Hostile(
        "a.xml",
        jats(f'[<!ENTITY big "{"x" * 30_000}">]', "calm " * 2_000 + "&big;" * 5_000),
        SCIENTIFIC,
        failed="entities|not well-formed",
    ),
    "jats-file-entity": Hostile(
        "a.xml", jats('[<!ENTITY e SYSTEM "FILE">]', "&e;"), SCIENTIFIC, failed="entities"
    ),
    "jats-http-entity": Hostile(
        "a.xml", jats('[<!ENTITY e SYSTEM "WEB">]', "&e;"), SCIENTIFIC, failed="entities"
    ),
    "jats-parameter-entity": Hostile(
        "a.xml", jats('[<!ENTITY % p SYSTEM "FILE"> %p;]', "x"), SCIENTIFIC, failed="entities"
    ),
    "jats-parameter-http": Hostile(
        "a.xml", jats('[<!ENTITY % p SYSTEM "WEB"> %p;]', "x"), SCIENTIFIC, failed="entities"
    ),
    "jats-file-dtd": Hostile("a.xml", jats('SYSTEM "FILE"', "&e;"), SCIENTIFIC),
    "jats-http-dtd": Hostile("a.xml", jats('SYSTEM "WEB"', "x"), SCIENTIFIC),
    "jats-xinclude": Hostile(
        "a.xml",
        jats("", f'<xi:include {XI} href="FILE" parse="text"/><xi:include {XI} href="WEB"/>'),
        SCIENTIFIC,
    ),
    "jats-deep": Hostile(
        "a.xml",
        jats("", "calm " * 2_000 + "<bold>" * 50_000 + "x" + "</bold>" * 50_000),
        SCIENTIFIC,
        failed="not well-formed",
    ),
    "jats-spans": Hostile(
        "a.xml",
        jats(
            "",
            "<table-wrap><table>"
            + f'<tr><td colspan="1000" rowspan="1000">{"x" * 2000}</td></tr>' * 1000
            + "</table></table-wrap>",
        ),
        SCIENTIFIC,
        failed="too many cells",
    ),
    "jats-cut": Hostile(
        "a.xml",
        fixed(lambda: article().encode()[:3000]),
        SCIENTIFIC,
        failed="not well-formed",
    ),
    "meca-bomb": Hostile(
        "a.meca",
        fixed(lambda: meca(big=bytes(64 << 20))),
        SCIENTIFIC,
        refused="Unsupported format",
    ),
    "meca-many": Hostile(
        "a.meca",
        fixed(lambda: zipped({f"f{n}": b"" for n in range(6_000)})),
        SCIENTIFIC,
        refused="Unsupported format",
    ),
    "meca-overlap": Hostile(
        "a.meca", fixed(overlapping_meca), SCIENTIFIC, refused="Unsupported format"
    ),
    "meca-nested": Hostile(
        "a.meca", fixed(partial(zip_of_zips, 3)), SCIENTIFIC, refused="Unsupported format"
    ),
    "meca-encrypted": Hostile(
        "a.meca", fixed(encrypted_zip), SCIENTIFIC, refused="Unsupported format"
    ),
    "meca-climbing": Hostile("a.meca", fixed(climbing_meca), SCIENTIFIC),
    "meca-cut": Hostile(
        "a.meca", fixed(lambda: meca()[:-40]), SCIENTIFIC, refused="Unsupported format"
    ),
    "meca-entities": Hostile(
        "a.meca",
        fixed(
            lambda: meca(
                **{
                    "manifest.xml": '<?xml version="1.0"?><!DOCTYPE manifest ['
                    + LAUGHS
                    + "]>"
                    + MANIFEST.partition("?>")[2].replace("</manifest>", "&l11;</manifest>")
                }
            )
        ),
        SCIENTIFIC,
        failed="entities|not well-formed",
    ),
    "word-laughs": Hostile(
        "a.docx", word_part("word/document.xml", f"<!DOCTYPE w [{LAUGHS}]>"), failed="DOCTYPE"
    ),
    "word-quadratic": Hostile(
        "a.docx",
        word_part("word/document.xml", f'<!DOCTYPE w [<!ENTITY e "{"x" * 60_000}">]>'),
        failed="DOCTYPE",
    ),
    "word-file-entity": Hostile(
        "a.docx",
        word_part("word/styles.xml", '<!DOCTYPE w [<!ENTITY e SYSTEM "FILE">]>'),
        failed="DOCTYPE",
    ),
    "word-http-entity": Hostile(
        "a.docx",
        word_part("word/document.xml", '<!DOCTYPE w [<!ENTITY % p SYSTEM "WEB"> %p;]>', "utf-16"),
        failed="DOCTYPE",
    ),
    "word-link": Hostile("a.docx", linked_word),
    "word-bomb": Hostile("a.docx", fixed(stored_bomb), failed="times its size"),
    "word-cut": Hostile("a.docx", fixed(lambda: small_word()[:-99]), failed="cut short"),
    "word-deep": Hostile("a.docx", fixed(deep_word), failed="nested too deeply"),
    "png-bomb": Hostile(
        "a.png", fixed(partial(lying_png, 60_000, 60_000)), failed="more than 100,000,000 pixels"
    ),
    "png-largest": Hostile(
        "a.png", fixed(partial(lying_png, 2**31 - 1, 2**31 - 1)), failed="pixels"
    ),
    "png-real-bomb": Hostile(
        "a.png", fixed(partial(blank_image, "PNG", (20_000, 20_000))), failed="100,000,000 pixels"
    ),
    "png-cut": Hostile("a.png", fixed(lambda: png(999)[:60]), failed="damaged or cut off"),
    "tiff-bomb": Hostile("a.tif", fixed(lying_tiff), failed="pixels"),
    "tiff-noise": Hostile("a.tif", fixed(partial(noise_tiff, 24)), failed="took longer"),
    "pdf-cut": Hostile("a.pdf", fixed(lambda: small_pdf()[:-600]), failed="cut off"),
    "pdf-garbage": Hostile(
        "a.pdf", fixed(lambda: b"%PDF-1.7\n" + bytes(range(256)) * 400), failed="The PDF is"
    ),
    "pdf-encrypted": Hostile(
        "a.pdf",
        fixed(lambda: small_pdf(owner_password="a", user_password="b")),
        failed="password",
    ),
    "pdf-pages": Hostile("a.pdf", fixed(many_pages), failed="10,000 pages"),
    "pdf-loop": Hostile(
        "a.pdf",
        fixed(lambda: raw_pdf(b"", pages="/Kids [2 0 R] /Count 3")),
        failed="The PDF|None of the pages",
    ),
    "pdf-flate-bomb": Hostile(
        "a.pdf", fixed(lambda: raw_pdf(b"0 0 m " * (12 << 20))), failed="holds no text"
    ),
    "pdf-doubling": Hostile(
        "a.pdf", fixed(partial(doubling_forms, 27)), failed=r"took longer|needs more"
    ),
    "pdf-self": Hostile("a.pdf", fixed(self_drawing_form), failed=r"took longer|needs more"),
    "pdf-as-png": Hostile("a.png", fixed(small_pdf)),
    "png-as-pdf": Hostile("a.pdf", fixed(partial(png, 64))),
    "program-as-pdf": Hostile(
        "a.pdf",
        fixed(lambda: b"\x7fELF\x02\x01\x01" + bytes(5000)),
        refused="Unsupported format",
    ),
    "zip-as-word": Hostile(
        "a.docx", fixed(lambda: zipped({"a.txt": "a"})), refused="Unsupported format"
    ),
    "page-with-links": Hostile("a.html", linking_page),
    "markdown-with-links": Hostile("a.md", linking_markdown),
    "name-climbs": Hostile("../../../../../../tmp/evil.md", fixed(lambda: _NAMED), shown="evil.md"),
    "name-climbs-back": Hostile("..\\..\\windows\\evil.md", fixed(lambda: _NAMED), shown="evil.md"),
    "name-of-300-bytes": Hostile("n" * 297 + ".md", fixed(lambda: _NAMED), shown="n" * 252 + ".md"),
    "name-of-controls": Hostile(
        "a\u202e\x1b[31m\x07b.md", fixed(lambda: _NAMED), shown="a[31m%07b.md"
    ),
    "empty": Hostile("a.md", fixed(lambda: b""), refused="empty"),
    "zeros": Hostile("a.txt", fixed(lambda: bytes(1 << 20)), refused="Unsupported format"),
    "zeros-in-text": Hostile(
        "a.txt", fixed(lambda: b"Calm words.\n" * 9_000 + b"\0" * 99), failed="NUL"
    ),
    "too-large": Hostile(
        "a.txt", fixed(lambda: b"a" * (SIZE_MAX_BYTES + 1)), refused="larger than the limit"
    ),
    "one-line": Hostile(
        "a.txt",
        fixed(lambda: b"abcdefgh " * ((50 << 20) // 9)),
        failed=r"characters|took longer|needs more",
    ),
}

"""Makers of files that mean harm: to memory, to time, or to what they must not reach."""

import io
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fpdf import FPDF
from PIL import Image

from tests.documents.markup_files import MANIFEST, article, png, with_member, word_file, zipped
from tests.documents.pdf_files import assembled

LAUGHS = '<!ENTITY l0 "lol">' + "".join(
    f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12)
)
XI = 'xmlns:xi="http://www.w3.org/2001/XInclude"'
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Lures:
    """What a hostile file tries to reach: a file, and a web server that counts who comes."""

    file: str
    web: str


Make = Callable[[Lures], bytes]


def fixed(make: Callable[[], bytes]) -> Make:
    return lambda _lures: make()


def jats(declared: str, used: str) -> Make:
    """An article with a DOCTYPE and a paragraph, in which the lures are filled in."""

    def make(lures: Lures) -> bytes:
        body = f"<body><p>Calm words. {used}</p></body>"
        text = article(body, doctype=f"<!DOCTYPE article {declared}>" if declared else "")
        return _baited(text, lures).encode()

    return make


def word_part(part: str, text: str, encoding: str = "utf-8") -> Make:
    """A Word file of which one part begins otherwise."""

    def make(lures: Lures) -> bytes:
        def spoil(old: bytes) -> bytes:
            root = old.decode().partition("?>")[2] or "<w/>"
            head = f'<?xml version="1.0" encoding="{encoding}"?>'
            return (head + _baited(text, lures) + root).encode(encoding)

        return with_member(small_word(), part, spoil)

    return make


def _baited(text: str, lures: Lures) -> str:
    return text.replace("FILE", lures.file).replace("WEB", lures.web)


def small_word() -> bytes:
    def write(document: Any) -> None:
        document.add_heading("Calm", 1)
        document.add_paragraph("Calm words.")

    return word_file(write)


def linked_word(lures: Lures) -> bytes:
    """A Word file whose picture is a file of the machine."""

    def write(document: Any) -> None:
        document.add_paragraph("Calm words.")
        document.add_picture(io.BytesIO(png(64)))

    def link(relationships: bytes) -> bytes:
        return relationships.replace(
            b'Target="media/image1.png"', f'Target="{lures.file}" TargetMode="External"'.encode()
        )

    data = with_member(word_file(write), "word/_rels/document.xml.rels", link)
    return with_member(data, "word/document.xml", lambda xml: xml.replace(b"r:embed", b"r:link"))


def deep_word() -> bytes:
    def spoil(xml: bytes) -> bytes:
        opened, closed = b"<w:r>" * 50_000 + b"<w:t>", b"</w:t>" + b"</w:r>" * 50_000
        return xml.replace(b"<w:t>", opened).replace(b"</w:t>", closed)

    return with_member(small_word(), "word/document.xml", spoil)


def meca(**more: bytes | str) -> bytes:
    return zipped({"manifest.xml": MANIFEST, "content/shore.xml": article(), **more})


def overlapping_meca() -> bytes:
    data = zipped({"a.xml": article(), "b.xml": article("<body/>")})
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    return data[: second + 42] + struct.pack("<I", 0) + data[second + 46 :]


def encrypted_zip() -> bytes:
    data = bytearray(meca())
    for place, at in ((data.index(b"PK\x03\x04"), 6), (data.index(b"PK\x01\x02"), 8)):
        data[place + at] |= 1
    return bytes(data)


def climbing_meca() -> bytes:
    figure = '<body><fig><graphic xlink:href="../../../../evil.png"/></fig></body>'
    return zipped({"a.xml": article(figure), "../../../../evil.png": png(), "/tmp/abs.png": png(9)})


def lying_png(width: int, height: int) -> bytes:
    """A PNG whose head states any size, with hardly any pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checked = kind + body
        return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return _PNG_HEAD + chunk(b"IHDR", head) + pixels + chunk(b"IEND", b"")


def lying_tiff() -> bytes:
    entries = [(256, 4, 60_000), (257, 4, 60_000), (258, 3, 8), (259, 3, 1), (262, 3, 1)]
    entries += [(273, 4, 200), (277, 3, 1), (278, 4, 60_000), (279, 4, 100)]
    body = struct.pack("<H", len(entries))
    for tag, kind, value in entries:
        body += struct.pack("<HHII", tag, kind, 1, value)
    return (b"II*\0" + struct.pack("<I", 8) + body + bytes(4)).ljust(400, b"\0")


def noise_tiff(pages: int) -> bytes:
    """A TIFF of pages of noise, on which OCR is at work for minutes."""
    draw = random.Random(7)
    sheets = [Image.frombytes("L", (1200, 1600), draw.randbytes(1200 * 1600)) for _ in range(pages)]
    buffer = io.BytesIO()
    sheets[0].save(buffer, "TIFF", save_all=True, append_images=sheets[1:])
    return buffer.getvalue()


def blank_image(kind: str, size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("1", size).save(buffer, kind)
    return buffer.getvalue()


def small_pdf(**encryption: str) -> bytes:
    document = FPDF()
    document.add_page()
    document.set_font("helvetica", size=12)
    document.multi_cell(0, 6, "Calm words. " * 20)
    if encryption:
        document.set_encryption(**encryption)  # type: ignore[arg-type]  # names of passwords
    return bytes(document.output())


def many_pages() -> bytes:
    kids = b" ".join(b"%d 0 R" % number for number in range(3, 10_003))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 10000 /Kids [%s] >>" % kids,
        *[b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"] * 10_000,
    ]
    return assembled(objects)


def doubling_forms(depth: int) -> bytes:
    """A PDF of forms that each draw the next one twice: 2 ** depth drawings of the last."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /Contents 4 0 R"
        b" /Resources << /XObject << /X 5 0 R >> >> >>",
        b"<< /Length 5 >>\nstream\n/X Do\nendstream",
    ]
    objects += [_form(number + 1, b"/X Do /X Do") for number in range(5, 5 + depth)]
    return assembled([*objects, _form(5 + depth, b"0 0 9 9 re f")])


def _form(drawn: int, stream: bytes) -> bytes:
    return (
        b"<< /Type /XObject /Subtype /Form /BBox [0 0 99 99] /Resources << /XObject << /X %d 0 R"
        b" >> >> /Length %d >>\nstream\n%s\nendstream" % (drawn, len(stream), stream)
    )


def self_drawing_form() -> bytes:
    """A PDF of one form that draws itself twice."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /Contents 4 0 R"
        b" /Resources << /XObject << /X 5 0 R >> >> >>",
        b"<< /Length 5 >>\nstream\n/X Do\nendstream",
        _form(5, b"/X Do /X Do"),
    ]
    return assembled(objects)


def linking_page(lures: Lures) -> bytes:
    text = (
        "<!doctype html><html><head><base href='FILE'><link rel=stylesheet href='WEB'></head><body>"
        "<h1>Calm</h1><p>Calm words.</p><img src='FILE'><img src='WEB'><iframe src='FILE'></iframe>"
        "<object data='FILE'></object><embed src='WEB'><script src='WEB'></script></body></html>"
    )
    return _baited(text, lures).encode()


def linking_markdown(lures: Lures) -> bytes:
    text = "# Calm\n\nCalm words. ![a](FILE) ![b](WEB) [c]: FILE\n\n<img src='FILE'>\n"
    return _baited(text, lures).encode()


def zip_of_zips(depth: int) -> bytes:
    data = zipped({"zeros": bytes(4 << 20)})
    for _ in range(depth):
        data = zipped({f"{n}.zip": data for n in range(8)})
    return data


def stored_bomb() -> bytes:
    """A document of Word with a member of 1000:1."""
    return with_member(small_word(), "word/big.xml", lambda _old: b" " * (64 << 20))

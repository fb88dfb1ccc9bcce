"""Real PDF files and scans, made for tests, and how near a text is to what was written."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from random import Random
from textwrap import wrap

from fpdf import FPDF
from PIL import Image, ImageDraw, ImageFont
from typing_extensions import override

from engine.documents.content import Content, Source
from engine.documents.pdf.extract import extract_pdf

DPI = 200
LETTER_HEIGHT = 11
_NOUNS = [
    "harbour",
    "ship",
    "quay",
    "tide",
    "cargo",
    "pilot",
    "grain",
    "crane",
    "captain",
    "ledger",
    "winter",
    "market",
]
_VERBS = ["carries", "counts", "loads", "follows", "measures", "passes", "records", "leaves"]
_OTHERS = [
    "slowly",
    "again",
    "rarely",
    "before",
    "noon",
    "with",
    "care",
    "after",
    "every",
    "storm",
    "without",
    "delay",
]


def sentence(random: Random) -> str:
    """Return a sentence of eight to fourteen words."""
    words = ["the", random.choice(_NOUNS), random.choice(_VERBS), "the", random.choice(_NOUNS)]
    words += [random.choice(_OTHERS + _NOUNS) for _ in range(random.randint(3, 9))]
    return " ".join(words).capitalize() + "."


def paragraph(seed: int, sentences: int = 6) -> str:
    """Return the paragraph of a seed, always the same."""
    random = Random(seed)
    return " ".join(sentence(random) for _ in range(sentences))


def likeness(text: str, wanted: str) -> float:
    """Return how near two texts are, 1 for equal, not counting how words are spaced and broken."""
    found, right = text.split(), wanted.split()
    same = 0.0
    # Letters are compared only where words differ, or a book would take minutes.
    for kind, a, b, c, d in SequenceMatcher(None, found, right, autojunk=False).get_opcodes():
        one, other = " ".join(found[a:b]), " ".join(right[c:d])
        ratio = 1.0 if kind == "equal" else SequenceMatcher(None, one, other).ratio()
        same += ratio * (len(one) + len(other))
        same += 2 * (kind == "equal")
    return min(1.0, same / max(1, len(" ".join(found)) + len(" ".join(right))))


class Paper(FPDF):
    """A document with a running head and page numbers, where they are wanted."""

    def __init__(self, head: str = "", numbers: str = "") -> None:
        super().__init__()
        self._head, self._numbers = head, numbers
        self.set_font("Helvetica", size=LETTER_HEIGHT)

    @override
    def header(self) -> None:
        if self._head:
            self.set_font("Helvetica", size=8)
            self.cell(0, 8, self._head, align="R")
            self.ln(12)

    @override
    def footer(self) -> None:
        if self._numbers:
            self.set_y(-15)
            self.set_font("Helvetica", size=8)
            self.cell(0, 8, self._numbers.format(self.page_no()), align="C")

    def say(
        self, text: str, size: float = LETTER_HEIGHT, style: str = "", align: str = "J"
    ) -> None:
        """Write a paragraph, and a space after it."""
        self.set_font("Helvetica", style, size)
        self.multi_cell(0, size * 0.5, text, align=align, new_x="LMARGIN", new_y="NEXT")
        self.ln(3)

    def lines(self, *texts: str) -> None:
        """Write lines without a space between them, and one after them."""
        self.set_font("Helvetica", size=LETTER_HEIGHT)
        for text in texts:
            self.multi_cell(0, 5.5, text, new_x="LMARGIN", new_y="NEXT")
        self.ln(3)

    def grid(self, rows: Sequence[Sequence[str]]) -> None:
        """Write a table with ruling lines."""
        self.set_font("Helvetica", size=LETTER_HEIGHT)
        with self.table() as table:
            for cells in rows:
                row = table.row()
                for cell in cells:
                    row.cell(cell)
        self.ln(3)


@dataclass
class Reading:
    """A document that was read: its content, its images, and what was reported."""

    content: Content
    folder: Path
    reports: list[tuple[int, int]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.content.text

    @property
    def headings(self) -> list[str]:
        return [line for line in self.text.split("\n") if line.startswith("#")]


def read(path: Path, **parameters: object) -> Reading:
    """Read a PDF file into a folder beside it."""
    folder = path.parent / f"{path.stem}-content-{len(list(path.parent.iterdir()))}"
    folder.mkdir()
    reports: list[tuple[int, int]] = []
    source = Source(path, path.name, "application/pdf")
    content = extract_pdf(source, folder, parameters, lambda *done: reports.append(done))
    return Reading(content, folder, reports)


def written(document: FPDF, folder: Path, name: str = "paper.pdf") -> Path:
    """Write a document of fpdf2 into a folder."""
    document.output(str(folder / name))
    return folder / name


def raw_pdf(stream: bytes, *, resources: str = "", page: str = "", pages: str = "") -> bytes:
    """Return a PDF of one page, written by hand: its content, and what its dictionaries say.

    Args:
        stream: the operators of the page.
        resources: the resource dictionary of the page, without its brackets.
        page: more entries of the page.
        pages: entries of the page tree in place of the usual ones.
    """
    packed = zlib.compress(stream)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages {pages or '/Kids [3 0 R] /Count 1'} >>".encode(),
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R {page}"
        f" /Resources << {resources} >> >>".encode(),
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed),
    ]
    return assembled(objects)


def assembled(objects: Sequence[bytes]) -> bytes:
    """Return a PDF of numbered objects, the first its catalog."""
    data = b"%PDF-1.7\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return (
        data
        + b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
        + b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
        + b"startxref\n%d\n%%%%EOF\n" % len(data)
    )


@dataclass
class Scan:
    """A sheet of A4 as a scanner sees it, written from the top."""

    dpi: int = DPI
    sheet: Image.Image = field(init=False)
    _top: float = field(init=False)

    def __post_init__(self) -> None:
        self.sheet = Image.new("L", (int(8.27 * self.dpi), int(11.69 * self.dpi)), 255)
        self._top = self.dpi * 0.9

    def say(self, text: str, points: float = LETTER_HEIGHT) -> "Scan":
        """Write a paragraph of letters of a size."""
        pen = ImageDraw.Draw(self.sheet)
        height = points * self.dpi / 72
        letters = ImageFont.load_default(size=height)
        for line in wrap(text, int(880 / points)):
            pen.text((self.dpi, self._top), line, font=letters, fill=0)
            self._top += height * 1.4
        self._top += height
        return self

    def worn(self, degrees: float, specks: int, seed: int = 7) -> Image.Image:
        """Return the sheet laid a little aslant, with specks of black and white."""
        image = self.sheet.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255)
        random = Random(seed)
        for _ in range(specks):
            place = random.randrange(image.width), random.randrange(image.height)
            image.putpixel(place, random.choice((0, 255)))
        return image


def scanned_pdf(images: Sequence[Image.Image], folder: Path, name: str = "scan.pdf") -> Path:
    """Write a PDF whose pages are images."""
    images[0].save(folder / name, save_all=True, append_images=images[1:], resolution=DPI)
    return folder / name

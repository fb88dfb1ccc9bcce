"""Real documents, each with words that no other has, and what was written into them."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.documents.markup_files import MANIFEST, article, png, word_file, zipped
from tests.documents.pdf_files import Paper, Scan, paragraph

PDF_TYPE = "application/pdf"
DOCX_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@dataclass(frozen=True)
class Sample:
    """A file; ``words`` find it, ``heading`` and ``texts`` are in what is read of it."""

    name: str
    data: bytes
    media_type: str
    words: str
    heading: str | None
    texts: tuple[str, ...]

    def write(self, folder: Path) -> Path:
        path = folder / self.name
        path.write_bytes(self.data)
        return path


def pdf(*paragraphs: str, heading: str = "A report of the harbour") -> bytes:
    """A PDF of one page or more with a heading."""
    paper = Paper()
    paper.add_page()
    paper.say(heading, size=20, style="B")
    for text in paragraphs:
        paper.say(text)
    return bytes(paper.output())


def blank_pdf() -> bytes:
    """A PDF of two pages with nothing on them."""
    paper = Paper()
    paper.add_page()
    paper.add_page()
    return bytes(paper.output())


def pdf_sample() -> Sample:
    paper = Paper()
    texts = (paragraph(11), paragraph(12), f"The lighthouse is watched. {paragraph(13)}")
    paper.add_page()
    paper.say("The watch of the lighthouse", size=20, style="B")
    paper.say(texts[0])
    paper.say(texts[1])
    paper.add_page()
    paper.say("The second watch", size=14, style="B")
    paper.say(texts[2])
    paper.grid([["Berth", "Depth"], ["North", "11 m"], ["South", "9 m"]])
    return Sample(
        "Lighthouse Watch.pdf",
        bytes(paper.output()),
        PDF_TYPE,
        "lighthouse",
        "# The watch of the lighthouse",
        (*texts, "Berth", "11 m"),
    )


def docx_sample() -> Sample:
    texts = (paragraph(21), f"Herring is salted in barrels. {paragraph(22)}")

    def write(document: Any) -> None:
        document.add_heading("Of herring and barrels", 1)
        document.add_paragraph(texts[0])
        document.add_heading("Salting", 2)
        document.add_paragraph(texts[1])

    data = word_file(write)
    return Sample("herring.docx", data, DOCX_TYPE, "herring", "# Of herring and barrels", texts)


def image_sample() -> Sample:
    text = f"The porpoise follows the ferry. {paragraph(31, 3)}"
    buffer = io.BytesIO()
    Scan().say(text, points=14).sheet.save(buffer, "PNG")
    return Sample("porpoise.png", buffer.getvalue(), "image/png", "porpoise", None, (text,))


def jats_sample() -> Sample:
    texts = ("We measured the tide at nine stations.", "We thank the harbour masters.")
    data = article().encode()
    return Sample("shore.xml", data, "application/jats+xml", "Bergen", "## Methods", texts)


def meca_sample() -> Sample:
    body = "<body><sec><title>Eelgrass</title><p>Eelgrass grows in the shallows.</p></sec></body>"
    members: dict[str, bytes | str] = {
        "manifest.xml": MANIFEST,
        "content/shore.xml": article(body),
        "content/figures/f1.png": png(64),
    }
    return Sample(
        "eelgrass.meca",
        zipped(members),
        "application/meca+zip",
        "eelgrass",
        "## Eelgrass",
        ("Eelgrass grows in the shallows.",),
    )

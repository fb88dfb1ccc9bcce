"""The XML parts of a Word document: found harmless, and what the document says of itself.

The invariant: a part is checked by expat, the parser mammoth reads it with, whatever its name is, since any part
may be named as the text. A part that expat cannot read is no XML; mammoth would fail on it, not be fooled.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.parsers import expat

from engine.documents.archives import Archive
from engine.documents.markup.xml_input import child, parse_xml, plain_text
from engine.errors import DocumentInvalid

PART_BYTES_MAX = 32 << 20
"""Of one XML part; mammoth needs about sixty times as much memory."""
DEPTH_MAX = 160
TOKEN_CHARS_MAX = 1 << 20
"""Of one tag, comment or instruction; mammoth's time grows with the square of it."""
CORE = "docProps/core.xml"

_HEAD_BYTES = 64 << 10


def check_parts(archive: Archive) -> None:
    """Check every part that is XML.

    Raises:
        DocumentInvalid: one has a DOCTYPE, is nested too deeply, or is larger than allowed.
    """
    for name in archive.names:
        if archive.size_bytes(name) <= PART_BYTES_MAX:
            _check_part(archive.read(name), is_all=True)
        elif _check_part(archive.head(name, _HEAD_BYTES), is_all=False):
            raise DocumentInvalid(
                f"The Word document has more than {PART_BYTES_MAX >> 20} MiB of text in XML; split it."
            )


def _check_part(data: bytes, *, is_all: bool) -> bool:
    """Whether expat can read the part, after a check of what it would see."""
    parser = expat.ParserCreate()
    depth = 0

    def start(_name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH_MAX:
            raise DocumentInvalid("The Word document is nested too deeply to be read.")
        if attributes and sum(map(len, attributes.values())) > TOKEN_CHARS_MAX:
            raise _too_long()

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    def other(*texts: str) -> None:
        if sum(map(len, texts)) > TOKEN_CHARS_MAX:
            raise _too_long()

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CommentHandler = other
    parser.ProcessingInstructionHandler = other
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(data, is_all)
    except expat.ExpatError:
        return False
    return True


def _refuse_doctype(*_arguments: object) -> None:
    raise DocumentInvalid(
        "The Word document declares a DOCTYPE, as no Word document does; save it again in Word."
    )


def _too_long() -> DocumentInvalid:
    return DocumentInvalid("The Word document has an attribute or comment too long to be read.")


def core_properties(archive: Archive) -> dict[str, Any]:
    """Some of ``title``, ``authors``, ``keywords``, ``description``, ``created`` and ``language``."""
    if CORE not in archive:
        return {}
    with _optional():
        root = parse_xml(archive.read(CORE), "The properties of the Word document")
        names = ("title", "creator", "keywords", "description", "created", "language")
        found = {name: plain_text(child(root, name)) for name in names}
        keywords = found.pop("keywords").replace(";", ",").split(",")
        several = {
            "authors": [part.strip() for part in found.pop("creator").split(";")],
            "keywords": [word.strip() for word in keywords],
        }
        lists = {key: [text for text in texts if text] for key, texts in several.items()}
        return {key: value for key, value in {**found, **lists}.items() if value}
    return {}


@contextmanager
def _optional() -> Iterator[None]:
    """The properties of a document are no reason not to read it."""
    try:
        yield
    except DocumentInvalid:
        return

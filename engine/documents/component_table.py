"""The components that steps of a pipeline may have: what each takes, makes and can be told.

A name ends with the version: a component that would give other results gets a new one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from engine.documents.chunks.parameters import check_parameters as check_chunking
from engine.documents.media_types import MEDIA_TYPES
from engine.errors import InvalidRequest

JATS_TYPES = frozenset({"application/jats+xml", "application/meca+zip"})
GENERAL_TYPES = frozenset(MEDIA_TYPES) - JATS_TYPES
PAGES_MAX = 2000
FETCH = "fetch-entry-processor-1.0.0"
EMBEDDING = "embedding-processor-1.0.0"


class Artifact(StrEnum):
    """What one step leaves for another."""

    DOCUMENT = "document"
    CONTENT = "content"
    CHUNKS = "chunks"
    VECTORS = "vectors"
    REGISTRATION = "registration"


@dataclass(frozen=True, slots=True)
class Component:
    """One kind of work.

    Attributes:
        name: with its version.
        description: a sentence.
        takes: what must be made before.
        makes: what it leaves.
        check: raises ``InvalidRequest`` for parameters it does not have.
        parameters: their names with what they mean.
        media_types: of the files it can read; None = it reads none.
    """

    name: str
    description: str
    takes: tuple[Artifact, ...]
    makes: Artifact
    check: Callable[[Mapping[str, Any]], object]
    parameters: Mapping[str, str]
    media_types: frozenset[str] | None = None


def _check_none(parameters: Mapping[str, Any]) -> None:
    if parameters:
        raise InvalidRequest(f"There is no parameter '{min(parameters)}'")


def _check_reading(parameters: Mapping[str, Any]) -> None:
    for name, value in parameters.items():
        if name == "ocr":
            if value not in ("auto", "always", "never"):
                raise InvalidRequest("ocr must be 'auto', 'always' or 'never'")
        elif name == "language":
            if not isinstance(value, str) or not 0 < len(value) <= 64:  # noqa: PLR2004 - characters
                raise InvalidRequest("language must be a code such as 'eng'")
        elif name == "pages_max":
            is_whole = isinstance(value, int) and not isinstance(value, bool)
            if not is_whole or not 0 < value <= PAGES_MAX:
                raise InvalidRequest(f"pages_max must be a whole number from 1 to {PAGES_MAX}")
        else:
            raise InvalidRequest(f"There is no parameter '{name}'")


_READING = {
    "ocr": "'auto' (pages without text), 'always' or 'never'",
    "language": "of the text on images: 'eng' unless told",
    "pages_max": f"pages a document may have: {PAGES_MAX} unless told",
}

_TABLE = (
    Component(
        FETCH,
        "Takes the original file, compares its SHA-256 and finds out what it is by its bytes.",
        (),
        Artifact.DOCUMENT,
        _check_none,
        {},
    ),
    Component(
        "ocr-processor-1.0.0",
        "Reads PDF, DOCX, images, HTML, Markdown and plain text as structured Markdown.",
        (Artifact.DOCUMENT,),
        Artifact.CONTENT,
        _check_reading,
        _READING,
        GENERAL_TYPES,
    ),
    Component(
        "mistral-ocr-processor-1.0.0",
        "The name that configurations of hosted clusters have for ocr-processor-1.0.0; the work is done here.",
        (Artifact.DOCUMENT,),
        Artifact.CONTENT,
        _check_reading,
        _READING,
        GENERAL_TYPES,
    ),
    Component(
        "jats-processor-1.0.0",
        "Reads JATS XML and MECA archives as structured Markdown.",
        (Artifact.DOCUMENT,),
        Artifact.CONTENT,
        _check_none,
        {},
        JATS_TYPES,
    ),
    Component(
        "figure-linking-processor-1.0.0",
        "Resolves references to figures and converts images to PNG.",
        (Artifact.CONTENT,),
        Artifact.CONTENT,
        _check_none,
        {},
    ),
    Component(
        "chunking-processor-1.0.0",
        "Cuts the text at headings, paragraphs and sentences into chunks of some hundred tokens.",
        (Artifact.CONTENT,),
        Artifact.CHUNKS,
        check_chunking,
        {
            "tokens_max": "tokens of one chunk at most: 384 unless told",
            "tokens_overlap": "tokens a chunk repeats of the one before: 0 unless told",
            "by_headings": "whether a heading begins a new chunk: true unless told",
        },
    ),
    Component(
        EMBEDDING,
        "Makes a vector of each chunk by the embedding provider of the dataset.",
        (Artifact.CHUNKS,),
        Artifact.VECTORS,
        _check_none,
        {},
    ),
    Component(
        "registration-processor-1.0.0",
        "Keeps the content, and makes it searchable by words, by meaning and in SQL.",
        (Artifact.CONTENT, Artifact.CHUNKS, Artifact.VECTORS),
        Artifact.REGISTRATION,
        _check_none,
        {},
    ),
)

COMPONENTS: Mapping[str, Component] = MappingProxyType({each.name: each for each in _TABLE})

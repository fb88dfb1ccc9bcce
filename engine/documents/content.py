"""What is read out of a document, and the folder in which one stage leaves it for the next.

A folder of content has ``content.json`` and the images that its text names. Offsets count Unicode code
points, as Python's strings do. The invariant: the spans of pages ascend, do not overlap, and lie within the
text; every image that is named is in the folder.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

CONTENT_FILE = "content.json"
TEXT_CHARS_MAX = 50_000_000
"""Of one document; more than any book."""
IMAGES_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Source:
    """A file to be read: where it is, what it was called, and what it is by its bytes and its name."""

    path: Path
    file_name: str
    media_type: str


@dataclass(frozen=True, slots=True)
class PageSpan:
    """The text of one page, numbered from 1: code points ``start`` to ``end`` (exclusive)."""

    page: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Figure:
    """An image of the document: a file of the folder, named in the text as ``![caption](name)``."""

    name: str
    page: int | None = None
    caption: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """A document as structured Markdown.

    Attributes:
        text: headings as ``#``, tables as pipes, images as ``![caption](name)``.
        title: of the document, if it says so.
        pages: where each page is in the text; empty when the format has no pages.
        figures: in the order of the text.
        page_count: pages of the document, None when the format has none.
        warnings: what could not be read, a sentence each.
        metadata: what the document says of itself, such as ``authors``, ``doi`` and ``keywords``; JSON.
    """

    text: str
    title: str | None = None
    pages: tuple[PageSpan, ...] = ()
    figures: tuple[Figure, ...] = ()
    page_count: int | None = None
    warnings: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)


def write_content(content: Content, folder: Path) -> None:
    """Write the content into a folder that has its images already."""
    (folder / CONTENT_FILE).write_bytes(orjson.dumps(asdict(content)))


def read_content(folder: Path) -> Content:
    """Read what :func:`write_content` wrote."""
    fields = orjson.loads((folder / CONTENT_FILE).read_bytes())
    return Content(
        text=fields["text"],
        title=fields["title"],
        pages=tuple(PageSpan(**span) for span in fields["pages"]),
        figures=tuple(Figure(**figure) for figure in fields["figures"]),
        page_count=fields["page_count"],
        warnings=tuple(fields["warnings"]),
        metadata=fields["metadata"],
    )

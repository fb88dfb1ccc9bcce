"""A page of HTML to Markdown; nothing that the page names is ever fetched.

What surrounds the text is dropped: scripts, styles, navigation, forms. Images are kept only when they are in the
page itself, as ``data:`` URIs. The trap: tables also lay pages out; one with a table or a heading in it is read
as its cells.
"""

import base64
import binascii
import codecs
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from engine.documents.content import Content, Figure, Source
from engine.documents.figures.files import FigureFiles
from engine.documents.markup.html_flow import HTML_MARKUP, HtmlFlow
from engine.documents.markup.markdown_blocks import one_line
from engine.documents.markup.xml_input import XML_BYTES_MAX, Element, parse_html, plain_text
from engine.errors import DocumentInvalid

_CHARSET = re.compile(
    rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE
)
_DATA_URI = re.compile(r"data:image/[a-z0-9.+-]+((?:;[^,;]*)*),", re.IGNORECASE)
_HEAD_BYTES = 4096
_METADATA = {
    "author": "authors",
    "citation_author": "authors",
    "dc.creator": "authors",
    "keywords": "keywords",
    "citation_doi": "doi",
    "description": "description",
    "article:published_time": "publication_date",
    "citation_publication_date": "publication_date",
    "dc.date": "publication_date",
}
_SEVERAL = frozenset({"authors", "keywords"})


def extract_html(
    source: Source,
    output: Path,
    parameters: Mapping[str, Any],
    report: Callable[[int, int], None],
) -> Content:
    """Read a page; see ``readers`` for the arguments.

    Raises:
        DocumentInvalid: it has no text, or more than a document may have.
    """
    del parameters
    if source.path.stat().st_size > XML_BYTES_MAX:
        raise DocumentInvalid(f"The page is larger than {XML_BYTES_MAX >> 20} MiB of HTML.")
    files = FigureFiles(output)
    root = parse_html(decode_page(source.path.read_bytes()))
    if root is None:
        raise DocumentInvalid("The document holds no text.")
    content = read_page(root, lambda image: _data_image(image, files))
    report(1, 1)
    return content


def decode_page(data: bytes) -> str:
    """The text of a page: by its byte order mark, else as it declares, else UTF-8 or cp1252."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    declared = _CHARSET.search(data[:_HEAD_BYTES])
    name = declared[1].decode() if declared else "utf-8"
    for encoding in ("utf-8-sig", name, "cp1252"):
        try:
            return data.decode(encoding).replace("\0", "")
        except (UnicodeError, LookupError):
            continue
    return data.decode("cp1252", "replace").replace("\0", "")


def read_page(root: Element, keep_image: Callable[[Element], str | None]) -> Content:
    """Read a tree of HTML.

    Args:
        root: its ``html`` element.
        keep_image: from an ``img`` to its file in the folder, None when there is none.

    Raises:
        DocumentInvalid: it has no text, or more than a document may have.
    """
    flow = HtmlFlow(root, HTML_MARKUP, keep_image)
    blocks = flow.blocks(root)
    blocks += [f"[^{number}]: {note}" for number, note in flow.notes.items()]
    title = plain_text(next(root.iter("title"), None)) or flow.first_heading
    figures = tuple(Figure(name, None, caption or None) for name, caption in flow.figures)
    return Content(
        text=flow.document(blocks), title=title or None, figures=figures, metadata=_metadata(root)
    )


def _data_image(image: Element, files: FigureFiles) -> str | None:
    uri = image.get("src") or ""
    found = _DATA_URI.match(uri)
    if found is None:
        return None
    body = uri[found.end() :]
    if not found[1].lower().endswith(";base64"):
        return files.add(unquote_to_bytes(body), "image")
    try:
        data = base64.b64decode("".join(unquote_to_bytes(body).decode("ascii", "ignore").split()))
    except (binascii.Error, ValueError):
        return None
    return files.add(data, "image")


def _metadata(root: Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for meta in root.iter("meta"):
        key = _METADATA.get((meta.get("name") or meta.get("property") or "").lower())
        value = one_line(meta.get("content") or "")
        if not key or not value:
            continue
        if key == "keywords":
            found.setdefault(key, []).extend(word.strip() for word in value.split(","))
        elif key in _SEVERAL:
            found.setdefault(key, []).append(value)
        else:
            found.setdefault(key, value)
    language = (root.get("lang") or "").strip()
    return {**found, "language": language} if language else found

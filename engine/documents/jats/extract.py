"""A JATS article to Markdown: title, authors, abstract, body, back and notes, in the order they are read.

The invariant: an image that the article names is named in the text where it stands, whether its file is at hand
or not; ``figures`` has those whose file is. The trap: an article may hold others, as reviews and replies.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.documents.content import Content, Source
from engine.documents.jats.floats import FLOAT_LINE_READERS, FLOAT_READERS
from engine.documents.jats.flow import FindImage, JatsFlow
from engine.documents.jats.front import article_metadata, author_names
from engine.documents.jats.lines import LINE_READERS
from engine.documents.jats.sections import SECTION_READERS
from engine.documents.markup.flow import Markup
from engine.documents.markup.markdown_blocks import heading
from engine.documents.markup.xml_input import (
    XML_BYTES_MAX,
    Element,
    child,
    children,
    local_name,
    parse_xml,
    plain_text,
)
from engine.errors import DocumentInvalid

_MARKUP = Markup(
    blocks={**SECTION_READERS, **FLOAT_READERS},
    lines={**LINE_READERS, **FLOAT_LINE_READERS},
    atoms=frozenset({"inline-formula", "fn"}),
    dropped=frozenset(
        {"object-id", "permissions", "alt-text", "long-desc", "sec-meta", "index-term"}
    ),
)
_SUB_ARTICLES = ("sub-article", "response")


def extract_jats(
    source: Source,
    output: Path,
    parameters: Mapping[str, Any],
    report: Callable[[int, int], None],
) -> Content:
    """Read an article whose figures are not at hand; see ``readers`` for the arguments.

    Raises:
        DocumentInvalid: the file is no article of JATS, or no XML that is read.
    """
    del output, parameters
    if source.path.stat().st_size > XML_BYTES_MAX:
        raise DocumentInvalid(f"The article is larger than {XML_BYTES_MAX >> 20} MiB of XML.")
    return read_article(source.path.read_bytes(), lambda _href: None, report)


def read_article(data: bytes, find_image: FindImage, report: Callable[[int, int], None]) -> Content:
    """Read an article.

    Args:
        data: the XML.
        find_image: from the ``href`` of a graphic to a file of the folder.
        report: called with parts read and parts in all.

    Raises:
        DocumentInvalid: this is no article of JATS, or no XML that is read.
    """
    article = parse_xml(data, "The article")
    if local_name(article) != "article":
        raise DocumentInvalid("The XML is not an article of JATS: its root is not <article>.")
    flow = JatsFlow(article, _MARKUP, find_image)
    title = _title(article, plain_text)
    blocks: list[str] = []
    parts = [article, *children(article, *_SUB_ARTICLES)]
    for done, part in enumerate(parts, start=1):
        blocks += _read_part(flow, part)
        report(done, len(parts))
    blocks += [f"[^{number}]: {note}" for number, note in enumerate(flow.notes, start=1)]
    return Content(
        text=flow.document(blocks),
        title=title or None,
        figures=tuple(flow.figures),
        warnings=_warnings(flow),
        metadata=article_metadata(article, title),
    )


def _meta(part: Element) -> Element | None:
    front = child(part, "front", "article-meta")
    return child(part, "front-stub") if front is None else front


def _title(part: Element, text_of: Callable[[Element | None], str]) -> str:
    group = child(_meta(part), "title-group")
    parts = (text_of(child(group, name)) for name in ("article-title", "subtitle"))
    return ": ".join(text for text in parts if text)


def _read_part(flow: JatsFlow, part: Element) -> list[str]:
    """The article, or one that it holds, a level further down."""
    flow.level = 1 if local_name(part) == "article" else 2
    found = [heading(_title(part, flow.line), flow.level), ", ".join(author_names(part))]
    for abstract in children(_meta(part), "abstract", "trans-abstract"):
        found += flow.block(abstract)
    for each in children(part, "body", "floats-group", "back"):
        found += flow.block(each)
    return found


def _warnings(flow: JatsFlow) -> tuple[str, ...]:
    count = flow.missing_images
    if not count:
        return ()
    named = "1 image is" if count == 1 else f"{count} images are"
    return (f"{named} named in the article but not in the file; a MECA archive carries them.",)

"""Links the images of a document to its text: PNG files by number, captions, labels and pages.

The invariant: every image that the new text names is in the output folder, every file there is named, and
each page of the new text has what it had, but for the links. The trap: a name comes out of a document,
so it may lead out of the folder; it is used only after it was found inside.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from engine.documents.chunks.headings import last_at, read_outline
from engine.documents.content import Content, Figure, PageSpan
from engine.documents.figures.album import Album, Picture
from engine.documents.figures.captions import Caption, claim_captions, read_caption
from engine.documents.figures.replacing import Replacement, move_pages, replace_all

_LOGO_PAGES_MIN = 3
"""On fewer pages, an image that repeats is an image that repeats."""
_CODE_OR_IMAGE = re.compile(
    r"(?<!`)(?P<ticks>`++)[^`\r\n]{1,500}(?P=ticks)(?!`)"
    r"|!\[(?P<alt>(?:\\.|[^\[\]\\]|\[[^\[\]]*+\])*+)\]"
    r"\(\s*+(?:<(?P<angle>[^<>\r\n]*+)>|(?P<bare>(?:[^\s()\\]|\\.|\([^\s()]*+\))*+))"
    r"(?:\s++(?:\"[^\"]*+\"|'[^']*+'))?\s*+\)"
)
_ESCAPED = re.compile(r"\\([^\w\s])")
# What programs write when nobody has described the image.
_NO_CAPTION = re.compile(
    r"\s*(?:(?:image|img|picture|pic|photo|figure|grafik|bild)?[ _-]?\d*|\S+\.[a-z]{3,4})\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Link:
    """An image in the text: code points ``start`` to ``end``, what is in its brackets, what it names."""

    start: int
    end: int
    alt: str
    target: str
    page: int | None

    @property
    def caption(self) -> str | None:
        words = " ".join(_ESCAPED.sub(r"\1", self.alt).split())
        return None if _NO_CAPTION.fullmatch(words) else words


def link_figures(content: Content, source: Path, output: Path) -> Content:
    """Write the images that a text names as PNG, and have the text name those.

    They become ``figure-1.png``, ``figure-2.png`` … in the order of the text, the same image one file.
    Where an image cannot be had its caption stays; decoration, which is what is smaller than 32 pixels or on
    most pages, goes. A caption that is a paragraph of its own stays there, and its label names the image.

    Args:
        content: what was read; the links in its text lead into ``source``.
        source: the folder of the images.
        output: an empty folder.

    Returns:
        The content with new text, pages and figures, and a warning if images could not be read.
    """
    links = _read_links(content)
    album = Album(source, output)
    pictures = [album.add(link.target) for link in links]
    logos = _logos(links, pictures, len(content.pages))
    known = {figure.name: figure for figure in content.figures}
    figures: dict[str, Figure] = {}
    changes = []
    for link, picture, caption in zip(links, pictures, _captions(content.text, links), strict=True):
        text = ""
        if picture.digest and picture.digest not in logos:
            name = album.name(picture.digest)
            figure = _figure(name, link, caption, known.get(link.target))
            figures.setdefault(name, figure)
            text = f"![{link.alt if link.caption or not figure.label else figure.label}]({name})"
        elif not picture.digest and not picture.is_decoration:
            text = link.caption or ""
        changes.append(Replacement(link.start, link.end, text))
    album.close()
    return replace(
        content,
        text=replace_all(content.text, changes),
        pages=move_pages(content.pages, changes),
        figures=tuple(figures.values()),
        warnings=(*content.warnings, *album.warnings()),
    )


def _read_links(content: Content) -> list[_Link]:
    fences = read_outline(content.text).fences
    fence_starts = [start for start, _ in fences]
    page_starts = [page.start for page in content.pages]
    links = []
    for found in _CODE_OR_IMAGE.finditer(content.text):
        fence = last_at(fence_starts, found.start())
        is_code = fence >= 0 and found.start() < fences[fence][1]
        if found["alt"] is None or is_code:
            continue
        target = found["angle"] or _ESCAPED.sub(r"\1", found["bare"] or "")
        page = _page_at(content.pages, page_starts, found.start())
        links.append(_Link(found.start(), found.end(), found["alt"], target, page))
    return links


def _page_at(pages: tuple[PageSpan, ...], starts: list[int], offset: int) -> int | None:
    at = last_at(starts, offset)
    return pages[at].page if at >= 0 and offset < pages[at].end else None


def _captions(text: str, links: list[_Link]) -> list[Caption | None]:
    starts = [0, *(link.end for link in links)]
    ends = [*(link.start for link in links), len(text)]
    return claim_captions([text[start:end] for start, end in zip(starts, ends, strict=True)])


def _logos(links: list[_Link], pictures: list[Picture], page_count: int) -> set[str | None]:
    """Return the images that are on more than half of the pages."""
    seen = defaultdict(set)
    for link, picture in zip(links, pictures, strict=True):
        seen[picture.digest].add(link.page)
    least = max(_LOGO_PAGES_MIN, page_count // 2 + 1)
    return {digest for digest, pages in seen.items() if len(pages - {None}) >= least}


def _figure(name: str, link: _Link, below: Caption | None, known: Figure | None) -> Figure:
    """Put together what is known: by the reader, else in the brackets, else in a paragraph near."""
    own = read_caption(link.caption or "")
    said = own.text if own else link.caption
    near_text, near_label = (below.text, below.label) if below else (None, None)
    label, caption = own.label if own else near_label, said or near_text
    if known is None:
        return Figure(name, link.page, caption, label)
    page = link.page if known.page is None else known.page
    return Figure(name, page, known.caption or caption, known.label or label)

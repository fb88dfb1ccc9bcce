"""Blocks to the text of a document: Markdown, the spans of its pages, and its figures.

The invariant: the spans of pages ascend and are within the text; a paragraph that goes over the end of a
page belongs to the page on which it begins. The trap: a paragraph that starts with ``#`` would be a
heading.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from engine.documents.content import Figure, PageSpan
from engine.documents.pdf.paragraphs import Words, continues, finished, joined
from engine.documents.pdf.shapes import Block, Box, Kind

_CAPTION = re.compile(
    r"^((?:Figure|Fig\.?|FIGURE|FIG\.?|Abbildung|Abb\.?|Scheme|Chart|Plate)\s*\d+(?:[.\-]\d+)*[a-z]?)\b",
)
_CAPTION_POINTS = 80
"""How far below or above an image its caption may stand."""
_HEADING_LIKE = re.compile(r"^#{1,6}(?=\s|$)")


@dataclass(frozen=True, slots=True)
class Caption:
    """What is written about an image: the whole line, and its label ("Figure 3")."""

    text: str
    label: str


def join_blocks(blocks: Iterable[Block], words: Words) -> list[Block]:
    """Join paragraphs that go over the end of a column or page."""
    whole: list[Block] = []
    for block in blocks:
        if whole and continues(whole[-1], block):
            whole[-1] = replace(whole[-1], text=joined(whole[-1].text, block.text, words))
        else:
            if whole:
                whole[-1] = finished(whole[-1])
            whole.append(block)
    return [*whole[:-1], *map(finished, whole[-1:])]


def write_text(
    blocks: Sequence[Block], page_count: int, *, alt: str = ""
) -> tuple[str, tuple[PageSpan, ...], tuple[Figure, ...]]:
    """Write blocks as Markdown.

    Args:
        blocks: in order.
        page_count: pages of the document, numbered from 1.
        alt: what is written for an image without a caption.

    Returns:
        The text; a span for each page, empty where it has no text; a figure for each image.
    """
    captions = _captions(blocks)
    pieces: list[str] = []
    spans: dict[int, tuple[int, int]] = {}
    length = 0
    for number, block in enumerate(blocks):
        space = "" if not number else _space(blocks[number - 1], block)
        piece = _markdown(block, captions[number].text if number in captions else alt)
        start = length + len(space)
        length = start + len(piece)
        pieces += (space, piece)
        spans[block.page] = (spans.get(block.page, (start, 0))[0], length)
    return "".join(pieces), _page_spans(spans, page_count), _figures(blocks, captions)


def _page_spans(spans: dict[int, tuple[int, int]], page_count: int) -> tuple[PageSpan, ...]:
    pages: list[PageSpan] = []
    end = 0
    for page in range(1, page_count + 1):
        start, end = spans.get(page, (end, end))
        pages.append(PageSpan(page, start, end))
    return tuple(pages)


def _space(last: Block, block: Block) -> str:
    if not last.kind is block.kind is Kind.ITEM:
        return "\n\n"
    return "\n" if last.text.startswith("- ") == block.text.startswith("- ") else "\n\n"


def _markdown(block: Block, caption: str) -> str:
    if block.kind is Kind.HEADING:
        return f"{'#' * block.level} {block.text}"
    if block.kind is Kind.PICTURE:
        return f"![{_bracketless(caption)}]({block.text})"
    if block.kind is Kind.TEXT and _HEADING_LIKE.match(block.text):
        return f"\\{block.text}"
    return block.text


def _bracketless(text: str) -> str:
    return text.translate(str.maketrans("[]", "()"))


def _captions(blocks: Sequence[Block]) -> dict[int, Caption]:
    """Return for pictures, by their number among the blocks, the nearest caption of their page."""
    pictures = [number for number, block in enumerate(blocks) if block.kind is Kind.PICTURE]
    if not pictures:
        return {}
    by_page: dict[int, list[Block]] = {}
    for block in blocks:
        if block.kind in {Kind.TEXT, Kind.HEADING} and _CAPTION.match(block.text):
            by_page.setdefault(block.page, []).append(block)
    found: dict[int, Caption] = {}
    for number in pictures:
        picture = blocks[number]
        near = [
            b for b in by_page.get(picture.page, []) if _distance(picture.box, b.box) is not None
        ]
        if near:
            best = min(near, key=lambda block: _distance(picture.box, block.box) or 0)
            match = _CAPTION.match(best.text)
            assert match is not None
            found[number] = Caption(best.text, match[1])
    return found


def _distance(picture: Box, line: Box) -> float | None:
    """Return how far a line is below or above a picture, in points; None when it is not its caption."""
    if min(picture.x1, line.x1) < max(picture.x0, line.x0):
        return None
    below, above = line.top - picture.bottom, picture.top - line.bottom
    distance = max(below, above, 0.0)
    return distance if distance <= _CAPTION_POINTS else None


def _figures(blocks: Sequence[Block], captions: dict[int, Caption]) -> tuple[Figure, ...]:
    figures: dict[str, Figure] = {}
    for number, block in enumerate(blocks):
        if block.kind is Kind.PICTURE and block.text not in figures:
            caption = captions.get(number)
            figures[block.text] = Figure(
                block.text, block.page,
                caption=caption.text if caption else None, label=caption.label if caption else None,
            )  # fmt: skip
    return tuple(figures.values())

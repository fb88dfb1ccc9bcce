"""Which blocks are headings, of what level, and which of them is the title of the document.

Three things say it: the outline of the file, the numbers before headings, and letters larger or heavier
than those of the body. The invariant: blocks of the same style without a number have the same level in
the whole document. The trap: "1. Introduction" may be as large as the title; its number places it below.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median_low

from engine.documents.pdf.shapes import Block, Kind

LEVEL_MAX = 6
HEADING_CHARS_MAX = 200
_LARGER = 1.12
_NOT_SMALLER = 0.95
_NUMBERED_CHARS_MAX = 90
_NUMBERED = re.compile(r"^([A-Z]\.)?(\d{1,3}(?:\.\d{1,3}){0,5})[.)]?\s+(?=[^\W\d_])|^([IVX]{1,5})\.\s+(?=[A-Z])")  # fmt: skip
_PART = re.compile(r"^(?:chapter|part|appendix)\s+(?:\d+|[IVXLC]+|[A-Z])\b", re.IGNORECASE)
_ENDS = re.compile(r"[.,;:]$")
_LETTER = re.compile(r"[^\W\d_]")
_OF_CONTENTS = re.compile(r" … \w{1,6}$")
_CAPTION = re.compile(r"^(?:fig(?:ure|\.)?|table)\s*\d", re.IGNORECASE)
_BAD_TITLE = re.compile(
    r"^(untitled|microsoft \w+|document\d*|\(anonymous\)|slide \d+|presentation\d*)\b|\.(docx?|pdf|tex|dvi|indd|pptx?|qxd)$",
    re.IGNORECASE,
)
_TITLE_CHARS = (2, 300)
Style = tuple[float, bool]


@dataclass(frozen=True, slots=True)
class Outline:
    """The bookmarks of a file: the level, from 0, of each title as ``plain`` writes it."""

    levels: Mapping[str, int]


def plain(text: str) -> str:
    """Return a text in lower case with letters and digits only, as titles are compared.

    >>> plain("1.2  The End")
    '12theend'
    """
    return "".join(letter for letter in text.lower() if letter.isalnum())


def sensible_title(text: str | None) -> str | None:
    """Return the title that a file gives itself, or None when a program has put in a name."""
    title = " ".join((text or "").replace("\x00", " ").split())
    low, high = _TITLE_CHARS
    if not low <= len(title) <= high or _BAD_TITLE.search(title) or not re.search(r"\w{2}", title):
        return None
    return title


def mark_headings(
    blocks: Sequence[Block], outline: Outline, title: str | None
) -> tuple[list[Block], str | None]:
    """Turn those blocks into headings that are, with their levels.

    Args:
        blocks: of the whole document, in order.
        outline: of the file, empty when it has none.
        title: that the file gives itself, if it is sensible.

    Returns:
        The blocks, and the title: the given one, or else the first of the largest headings.
    """
    body = body_size(blocks)
    candidates = [
        number for number, block in enumerate(blocks) if _is_heading(blocks, number, body, outline)
    ]
    top = _title_block(blocks, candidates, title)
    levels = _levels([blocks[number] for number in candidates if number != top], outline,
                     blocks[top] if top is not None else None)  # fmt: skip
    marked = list(blocks)
    for number in candidates:
        level = 1 if number == top else levels[_key(blocks[number])]
        marked[number] = replace(blocks[number], kind=Kind.HEADING, level=level)
    return marked, title or _largest(blocks, candidates, top)


def body_size(blocks: Sequence[Block]) -> float:
    """Return the size in which most letters of the document are, 0 when it has none."""
    letters: Counter[float] = Counter()
    for block in blocks:
        if block.kind in {Kind.TEXT, Kind.ITEM}:
            letters[block.size] += len(block.text)
    return letters.most_common(1)[0][0] if letters else 0.0


def _style(block: Block) -> Style:
    return block.size, block.bold


def _depth(block: Block) -> int | None:
    """Return how deep the number before a heading is, from 1, or None when it has none."""
    if _PART.match(block.text):
        return 1
    number = _NUMBERED.match(block.text)
    if not number:
        return None
    return number[2].count(".") + 1 + bool(number[1]) if number[2] else 1


def _is_heading(blocks: Sequence[Block], number: int, body: float, outline: Outline) -> bool:
    block = blocks[number]
    if not _can_be_heading(block):
        return False
    if plain(block.text) in outline.levels:
        return True
    if block.size >= body * _LARGER:
        return True
    if _ENDS.search(block.text) or block.size < body * _NOT_SMALLER:
        return False
    return block.bold or _is_numbered_line(blocks, number)


def _can_be_heading(block: Block) -> bool:
    return (
        block.kind in {Kind.TEXT, Kind.ITEM}
        and 1 < len(block.text) <= HEADING_CHARS_MAX
        and bool(_LETTER.search(block.text))
        and not block.text.startswith("- ")
        and not _CAPTION.match(block.text)
        and not _OF_CONTENTS.search(block.text)
    )


def _is_numbered_line(blocks: Sequence[Block], number: int) -> bool:
    """Tell whether a block in the style of the body is a heading by its number alone."""
    block = blocks[number]
    if _depth(block) is None or len(block.text) > _NUMBERED_CHARS_MAX:
        return False
    beside = [blocks[place] for place in (number - 1, number + 1) if 0 <= place < len(blocks)]
    is_list = any(other.kind is Kind.ITEM and not _is_section(other) for other in beside)
    return _is_section(block) or (not is_list and bool(beside) and _followed(blocks, number))


def _is_section(block: Block) -> bool:
    return (_depth(block) or 0) > 1


def _followed(blocks: Sequence[Block], number: int) -> bool:
    """Tell whether a paragraph, and not another item, comes after a block."""
    after = blocks[number + 1] if number + 1 < len(blocks) else None
    return (after is not None and after.kind is not Kind.ITEM) or bool(after and _is_section(after))


def _title_block(
    blocks: Sequence[Block], candidates: Sequence[int], title: str | None
) -> int | None:
    """Return the number of the heading on the first page that is the title, if one is."""
    first = [number for number in candidates if blocks[number].page == blocks[candidates[0]].page]
    for number in first:
        if title and plain(blocks[number].text) == plain(title):
            return number
    if not first:
        return None
    largest = max(blocks[number].size for number in candidates)
    of_largest = [number for number in candidates if blocks[number].size == largest]
    top, *others = of_largest
    if top not in first or _depth(blocks[top]) is not None:
        return None
    # Chapters of the size of the title have numbers; without them each is a chapter.
    is_title = not others or any(_depth(blocks[number]) is not None for number in others)
    return top if is_title else None


def _key(block: Block) -> tuple[Style, int | None, str]:
    """Return what decides the level of a heading."""
    return _style(block), _depth(block), plain(block.text)


def _levels(
    headings: Sequence[Block], outline: Outline, top: Block | None
) -> dict[tuple[Style, int | None, str], int]:
    base = 2 if top else 1
    skipped = outline.levels.get(plain(top.text), -1) + 1 if top else 0
    sure: dict[Style, list[int]] = {}
    for block in headings:
        level = _sure_level(block, outline, base, skipped)
        if level is not None:
            sure.setdefault(_style(block), []).append(level)
    by_style = _style_levels({_style(block) for block in headings}, sure, base)
    return {
        _key(block): _clamped(_sure_level(block, outline, base, skipped) or by_style[_style(block)])
        for block in headings
    }


def _sure_level(block: Block, outline: Outline, base: int, skipped: int) -> int | None:
    """Return the level that the outline or the number of a heading gives it."""
    listed = outline.levels.get(plain(block.text))
    if listed is not None:
        return base + max(0, listed - skipped)
    depth = _depth(block)
    return None if depth is None else base + depth - 1


def _style_levels(
    styles: set[Style], sure: Mapping[Style, Sequence[int]], base: int
) -> dict[Style, int]:
    """Give each style a level: that of its sure headings, or one below the next larger style."""
    levels: dict[Style, int] = {}
    last = base - 1
    for style in sorted(styles, reverse=True):
        last = median_low(sure[style]) if style in sure else last + 1
        levels[style] = last
    return levels


def _clamped(level: int) -> int:
    return min(max(level, 1), LEVEL_MAX)


def _largest(blocks: Sequence[Block], candidates: Sequence[int], top: int | None) -> str | None:
    if top is None and candidates:
        top = max(candidates, key=lambda number: (blocks[number].size, -number))
    return blocks[top].text if top is not None else None

"""Running heads, feet and page numbers: what stands at the edge of most pages, and is not their text.

The invariant: nothing is dropped that is on fewer than ``PAGES_MIN`` pages. The trap: "Chapter 1",
"Chapter 2" at the top of pages look alike but for their numbers; only numbers that count the pages do not
matter.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from engine.documents.pdf.order import Part
from engine.documents.pdf.shapes import Line, Picture

PAGES_MIN = 3
_SHARE_MIN = 0.4
"""Of the pages: those of books differ on the left and on the right."""
_NUMBERED_SHARE = 0.5
_EDGE = 0.14
_APART = 0.75
"""Of the height of a line: text stands closer."""
_LINES_MAX = 3
_NUMBER = re.compile(r"\d+")
_OUTER_NUMBER = re.compile(r"^\d{1,5}(?=\s|$)|(?<=\s)\d{1,5}$")
_ROMAN = re.compile(r"^[ivxlc]+$", re.IGNORECASE)
_LENGTH_MAX = 150
_NUMBERS_MAX = 3


def without_running(pages: Sequence[Sequence[Part]], heights: Sequence[float]) -> list[list[Part]]:
    """Drop from each page the lines that repeat at its upper and lower edge, and repeated images.

    Args:
        pages: the parts of each page.
        heights: of each page, in points.
    """
    repeated = _repeated_lines(pages, heights)
    pictures = _repeated_pictures(pages)
    offset = _numbering(pages, heights)
    kept: list[list[Part]] = []
    for number, parts in enumerate(pages):
        edge = _edge_lines(parts, heights[number])
        drop = {id(line) for line in edge if repeated & set(_keys(line, number))}
        if offset is not None:
            drop |= {id(line) for line in _outer(edge) if _is_number(line, number, offset)}
        drop -= _close_to_text(parts, drop)
        kept.append([part for part in parts if id(part) not in drop and not _is_in(part, pictures)])
    return kept


def _close_to_text(parts: Sequence[Part], drop: set[int]) -> set[int]:
    """Return those of some lines that the text follows as closely as one line of it another.

    "Table 1", "Table 2" at the top of pages count them as a running head does, and belong to what follows.
    """
    lines = sorted(
        (part for part in parts if isinstance(part, Line)), key=lambda part: part.box.top
    )
    text = [line for line in lines if id(line) not in drop]
    if not text:
        return set()
    top, bottom = text[0].box.top, max(line.box.bottom for line in text)
    close: set[int] = set()
    heads = [line for line in lines if id(line) in drop and line.box.bottom <= top]
    feet = [line for line in lines if id(line) in drop and line.box.top >= bottom]
    if heads and top - max(line.box.bottom for line in heads) < _APART * _height(heads):
        close |= {id(line) for line in heads}
    if feet and min(line.box.top for line in feet) - bottom < _APART * _height(feet):
        close |= {id(line) for line in feet}
    return close


def _height(lines: Sequence[Line]) -> float:
    return max(line.box.bottom - line.box.top for line in lines)


def _numbering(pages: Sequence[Sequence[Part]], heights: Sequence[float]) -> int | None:
    """Return by how much the numbers printed on the pages differ from their count, if there are any."""
    found: Counter[int] = Counter()
    for number, parts in enumerate(pages):
        outer = _outer(_edge_lines(parts, heights[number]))
        found.update({offset for line in outer for offset in _offsets(line, number)})
    offset, count = found.most_common(1)[0] if found else (0, 0)
    return offset if count >= max(PAGES_MIN, len(pages) * _NUMBERED_SHARE) else None


def _is_number(line: Line, page: int, offset: int) -> bool:
    return offset in _offsets(line, page) or bool(_ROMAN.match(line.text.strip()))


def _outer(edge: Sequence[Line]) -> list[Line]:
    """Return the first and the last row among lines at the edges of a page."""
    return [line for line in edge if line.box.beside(edge[0].box) or line.box.beside(edge[-1].box)]


def _offsets(line: Line, page: int) -> set[int]:
    """Return how far the number that starts or ends a line is from the count of its page."""
    text = line.text.strip()
    if len(text) > _LENGTH_MAX:
        return set()
    return {int(match[0]) - page for match in _OUTER_NUMBER.finditer(text)}


def _is_in(part: Part, names: set[str]) -> bool:
    return isinstance(part, Picture) and part.name in names


def _repeated_lines(pages: Sequence[Sequence[Part]], heights: Sequence[float]) -> set[str]:
    found: Counter[str] = Counter()
    for number, parts in enumerate(pages):
        lines = _edge_lines(parts, heights[number])
        found.update({key for line in lines for key in _keys(line, number)})
    return {key for key, count in found.items() if count >= _enough(len(pages))}


def _repeated_pictures(pages: Sequence[Sequence[Part]]) -> set[str]:
    found = Counter(
        name
        for parts in pages
        for name in {part.name for part in parts if isinstance(part, Picture)}
    )
    return {name for name, count in found.items() if count >= _enough(len(pages))}


def _enough(pages: int) -> int:
    return max(PAGES_MIN, int(pages * _SHARE_MIN))


def _edge_lines(parts: Sequence[Part], height: float) -> list[Line]:
    """Return the first and last lines of a page that are near its edges."""
    lines = sorted(
        (part for part in parts if isinstance(part, Line)), key=lambda part: part.box.top
    )
    upper = [line for line in lines[:_LINES_MAX] if line.box.bottom < height * _EDGE]
    lower = [line for line in lines[-_LINES_MAX:] if line.box.top > height * (1 - _EDGE)]
    return upper + lower


def _keys(line: Line, page: int) -> Iterator[str]:
    """Yield what a line would repeat: its text, and with each number as its distance to the page's."""
    text = " ".join(line.text.lower().split())
    if len(text) > _LENGTH_MAX:
        return
    if _ROMAN.match(text):
        yield "roman"
    # A title is often repeated as the head, in smaller letters.
    text = f"{line.size}|{text}"
    yield text
    start = text.index("|")
    numbers = list(_NUMBER.finditer(text, start))
    if len(numbers) <= _NUMBERS_MAX:
        for match in numbers:
            if len(match[0]) < len("1000000"):
                yield f"{text[: match.start()]}<{int(match[0]) - page}>{text[match.end() :]}"

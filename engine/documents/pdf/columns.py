"""The columns of a table without upright rules: what white gaps through nearly all of its rows divide.

The invariant: columns do not overlap and ascend. The trap: two columns of running text have a gap through
all rows too; there a line that fills its column is followed by another, while in a table the next row begins.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from engine.documents.pdf.open_rows import Piece, Row, piece_of
from engine.documents.pdf.shapes import Box

_COLUMNS_MAX = 60
_CROSSING_ROWS = 6
"""One row in so many may cross the gap between two columns."""
_EXACT_GAP = 0.5
_TIGHT_GAP = 0.75
"""Of a gap, what is still wider than the space between two words of a cell."""
_SCATTERED_ROWS = 5
"""One row in so many may have wide gaps within a column, or a cell over several."""
_NAMED_ROWS = 2
"""A line over several columns names so many rows below it at least; where all is words, there is none."""
_LONG_CHARS = 30
_LONG_WORDS = 4
_FILLING = 0.85
_RUNNING_SHARE = 0.5
_RUNNING_MIN = 2
_RUNNING_LINES = 6
"""Lines that fill their column, one after another, as cells seldom have."""
_MARKER = re.compile(r"[•◦▪▫●○■□‣⁃∙·➢➤✓✔❖◆\uf0a7\uf0b7\uf0d8\uf0fc*–—-]|\W?\w{1,3}[.):\]]")  # noqa: RUF001 - these very signs

Span = tuple[float, float]
"""Where a column begins and ends, in points from the left."""


def with_tight_cells(row: Row, columns: Sequence[Span], gap: float) -> Row:
    """Divide pieces that are cells of two columns, nearer to each other than columns usually are."""
    pieces: list[Piece] = []
    for piece in row.pieces:
        ends = [
            n
            for n, (word, after) in enumerate(pairwise(piece.words), 1)
            if after.box.x0 - word.box.x1 >= _TIGHT_GAP * gap
            and not set(touched(word.box, columns)) & set(touched(after.box, columns))
        ]
        cuts = pairwise((0, *ends, len(piece.words)))
        pieces += [piece_of(piece.words[start:end]) for start, end in cuts]
    return Row(tuple(pieces), row.box)


def columns_of(rows: Sequence[Row], gap: float) -> list[Span]:
    """Return the columns of some rows: what gaps that go through nearly all of them divide.

    Args:
        rows: of the body of what may be a table.
        gap: how wide they are at least, in points.
    """
    divided = [row for row in rows if len(row.pieces) > 1]
    sides = [_sides(piece.box) for row in divided for piece in row.pieces]
    rough = _covered(sides, gap, len(divided) // _CROSSING_ROWS)
    if not 1 < len(rough) <= _COLUMNS_MAX:
        return []
    for every in (rows, divided):
        boxes = [piece.box for row in every for piece in row.pieces]
        within = [_sides(box) for box in boxes if len(touched(box, rough)) < 2]  # noqa: PLR2004 - of one column
        exact = _covered([*rough, *within], gap * _EXACT_GAP, 0)
        # A line that names the rows below it may end near the next column.
        if len(exact) >= len(rough):
            return exact
    return rough


def _sides(box: Box) -> Span:
    return box.x0, box.x1


def _covered(spans: Iterable[Span], gap: float, crossing: int) -> list[Span]:
    """Return what more than ``crossing`` of some spans cover, joined where no gap is between."""
    changes = sorted(change for x0, x1 in spans for change in ((x0, 1), (x1, -1)))
    covered: list[Span] = []
    count = 0
    start = 0.0
    for x, change in changes:
        last, count = count, count + change
        if last <= crossing < count:
            start = x
        elif count <= crossing < last:
            if covered and start - covered[-1][1] < gap:
                start = covered.pop()[0]
            covered.append((start, x))
    return covered


def touched(box: Box, columns: Sequence[Span]) -> list[int]:
    """Return the numbers of the columns that stand below or above a box."""
    return [n for n, (x0, x1) in enumerate(columns) if min(x1, box.x1) > max(x0, box.x0)]


def nearest(box: Box, columns: Sequence[Span]) -> int:
    """Return the number of the column whose middle is nearest to that of a box."""
    middle = box.middle[0]
    return min(range(len(columns)), key=lambda n: abs(sum(columns[n]) / 2 - middle))


def is_running(rows: Sequence[Row], columns: Sequence[Span]) -> bool:
    """Tell whether rows are lines of running text beside something, such as two columns of a page."""
    if rows and len(_filled(rows[0], columns)) > 1:
        return True
    follow: list[bool] = []
    lengths = [0] * len(columns)
    last: set[int] = set()
    for row in rows:
        used, filled = columns_in(row, columns), _filled(row, columns)
        if len(row.pieces) > 1 or not used & last:
            follow.append(any(lengths[column] for column in used))
        last = used
        for column in used:
            lengths[column] = lengths[column] + 1 if column in filled else 0
        if max(lengths, default=0) >= _RUNNING_LINES:
            return True
    return sum(follow) >= max(_RUNNING_MIN, _RUNNING_SHARE * len(follow))


def _filled(row: Row, columns: Sequence[Span]) -> set[int]:
    """Return the columns that a row fills with many words."""
    found: set[int] = set()
    for piece in row.pieces:
        places = touched(piece.box, columns)
        if len(places) == 1 and len(piece.words) >= _LONG_WORDS:
            x0, x1 = columns[places[0]]
            is_long = len(piece.text) >= _LONG_CHARS and piece.box.width >= _FILLING * (x1 - x0)
            found |= set(places) if is_long else set()
    return found


def is_list(rows: Sequence[Row], columns: Sequence[Span]) -> bool:
    """Tell whether rows are items of a list: the first of two columns has nothing but their markers."""
    if len(columns) != 2:  # noqa: PLR2004 - markers and items
        return False
    first = [piece.text for row in rows for piece in row.pieces if 0 in touched(piece.box, columns)]
    return all(_MARKER.fullmatch(text) for text in first)


def is_scattered(rows: Sequence[Row], columns: Sequence[Span]) -> bool:
    """Tell whether gaps and columns have little to do with each other, as in badly justified text."""
    divided = [row for row in rows if len(row.pieces) > 1]
    wide = sum(
        len(row.pieces) > len(columns_in(row, columns)) or _crosses(row, columns) for row in divided
    )
    over_all = sum(len(row.pieces) == 1 and _crosses(row, columns) for row in rows)
    named = len(divided) // _NAMED_ROWS if has_numbers(divided) else 0
    return wide * _SCATTERED_ROWS > len(divided) or over_all > named


def has_numbers(rows: Sequence[Row]) -> bool:
    """Tell whether a word of some rows has a digit."""
    words = (word.text for row in rows for piece in row.pieces for word in piece.words)
    return any(letter.isdigit() for word in words for letter in word)


def _crosses(row: Row, columns: Sequence[Span]) -> bool:
    return any(len(touched(piece.box, columns)) > 1 for piece in row.pieces)


def columns_in(row: Row, columns: Sequence[Span]) -> set[int]:
    """Return the numbers of the columns in which a row has words."""
    return {n for piece in row.pieces for n in touched(piece.box, columns)}

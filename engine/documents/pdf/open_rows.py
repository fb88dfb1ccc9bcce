"""The words between level rules as rows, divided into pieces by wide gaps.

The invariant: each word is in one piece of one row. The trap: raised letters are not in a row of their own,
and the name of a group of two rows stands between them.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from engine.documents.pdf.lines import PageText
from engine.documents.pdf.shapes import Box, Word, around

_GAP_HEIGHTS = 0.45
"""Of the height of words: spaces of text are seldom wider, those between columns seldom narrower."""
_TALLER = 1.2
_TWO_ROWS = 1.6
_HALFWAY = 0.75
"""A cell in the middle of two rows is less than this many heights away from both."""


class Piece(NamedTuple):
    """Words of a row beside each other, from the left."""

    words: tuple[Word, ...]
    box: Box

    @property
    def text(self) -> str:
        """Its words with spaces between them, for looking at and not for keeping."""
        return " ".join(word.text for word in self.words)


class Row(NamedTuple):
    """Words that stand in one row, as pieces from the left; ``box`` is that of one of its usual words."""

    pieces: tuple[Piece, ...]
    box: Box

    @property
    def middle(self) -> float:
        """Where it stands, in points from the top."""
        return self.box.middle[1]


def usual_gap(words: Iterable[Word]) -> float:
    """Return how wide the space between columns is at least, in points."""
    return _GAP_HEIGHTS * median(word.box.height for word in words)


def of_one_row(page: PageText, words: Sequence[Word]) -> Iterator[Word]:
    """Yield words, in pieces where pdfium took a cell and the one below it for one word."""
    usual = median(word.box.height for word in words) if words else 0
    for word in words:
        if word.box.height < _TWO_ROWS * usual:
            yield word
            continue
        pieces: list[list[Word]] = []
        for letter in page.letters(word):
            if pieces and pieces[-1][-1].box.beside(letter.box):
                pieces[-1].append(letter)
            else:
                pieces.append([letter])
        is_turned = len(pieces) == len(word.text)
        yield from (word,) if is_turned else map(_joined, pieces)


def _joined(letters: Sequence[Word]) -> Word:
    text = "".join(letter.text for letter in letters)
    return Word(text, around(letter.box for letter in letters), letters[0].first)


def has_turned(rows: Iterable[Row], gap: float) -> bool:
    """Tell whether words are so high that they are turned, or of no row."""
    high = _TWO_ROWS * gap / _GAP_HEIGHTS
    return any(
        word.box.height > high for row in rows for piece in row.pieces for word in piece.words
    )


def rows_of(words: Iterable[Word], gap: float) -> list[Row]:
    """Return the rows of some words, from the top.

    Args:
        words: of one table, in any order.
        gap: that divides the pieces of a row, in points.
    """
    rows: list[list[Word]] = []
    usual: list[Box] = []
    for word in sorted(words, key=lambda word: word.box.middle[1]):
        if not rows or not usual[-1].beside(word.box):
            rows.append([])
            usual.append(word.box)
        elif word.box.height > _TALLER * usual[-1].height:
            usual[-1] = word.box
        rows[-1].append(word)
    return [_row(row, box, gap) for row, box in _without_halfway(rows, usual)]


def _without_halfway(rows: list[list[Word]], usual: list[Box]) -> list[tuple[list[Word], Box]]:
    """Put a cell that stands in the middle of two rows, for it is the cell of both, into the upper."""
    kept: list[tuple[list[Word], Box]] = []
    for number, (row, box) in enumerate(zip(rows, usual, strict=True)):
        is_last = number + 1 == len(rows)
        if kept and not is_last and _is_near(kept[-1][1], box) and _is_near(box, usual[number + 1]):
            above = around(word.box for word in row)
            if not any(_share_width(word.box, above) for word in kept[-1][0]):
                kept[-1][0].extend(row)
                continue
        kept.append((row, box))
    return kept


def _is_near(upper: Box, lower: Box) -> bool:
    return lower.middle[1] - upper.middle[1] < _HALFWAY * min(upper.height, lower.height)


def _share_width(one: Box, other: Box) -> bool:
    return min(one.x1, other.x1) > max(one.x0, other.x0)


def _row(words: Iterable[Word], box: Box, gap: float) -> Row:
    pieces: list[list[Word]] = []
    end = 0.0
    for word in sorted(words, key=lambda word: word.box.x0):
        if pieces and word.box.x0 - end < gap:
            pieces[-1].append(word)
        else:
            pieces.append([word])
            end = word.box.x1
        end = max(end, word.box.x1)
    return Row(tuple(map(piece_of, pieces)), box)


def piece_of(words: Sequence[Word]) -> Piece:
    """Return words as one piece, whatever is between them."""
    return Piece(tuple(words), around(word.box for word in words))


def row_pitch(rows: Sequence[Row], starts: Sequence[bool]) -> float:
    """Return how far a row is usually below the one before it, in points; 0 when no row tells.

    Args:
        rows: from the top.
        starts: for each, whether it surely begins a row of the table.
    """
    pitches = [low.middle - high.middle for (high, low), begins
               in zip(pairwise(rows), starts[1:], strict=True) if begins]  # fmt: skip
    return median(pitches) if pitches else 0.0

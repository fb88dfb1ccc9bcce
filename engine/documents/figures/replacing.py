"""Replaces stretches of a text and moves what counts its code points.

The invariant: an offset outside all replaced stretches still points at the same character; one inside
points into what stands there now. So offsets that ascended still do.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from engine.documents.content import PageSpan


@dataclass(frozen=True, slots=True)
class Replacement:
    """Put ``text`` in place of the code points ``start`` to ``end`` (exclusive)."""

    start: int
    end: int
    text: str


def replace_all(text: str, replacements: Sequence[Replacement]) -> str:
    """Return the text with all replacements made; they ascend and do not overlap.

    >>> replace_all("ebb and flow", [Replacement(0, 3, "high"), Replacement(8, 12, "low")])
    'high and low'
    """
    pieces = []
    end = 0
    for replacement in replacements:
        pieces += [text[end : replacement.start], replacement.text]
        end = replacement.end
    return "".join([*pieces, text[end:]])


def move_pages(
    pages: Sequence[PageSpan], replacements: Sequence[Replacement]
) -> tuple[PageSpan, ...]:
    """Return the pages of the text that :func:`replace_all` made of the one they are of.

    >>> move_pages([PageSpan(1, 0, 3), PageSpan(2, 4, 7)], [Replacement(0, 3, "high")])
    (PageSpan(page=1, start=0, end=4), PageSpan(page=2, start=5, end=8))
    """
    starts = [replacement.start for replacement in replacements]
    growths = accumulate(len(change.text) - (change.end - change.start) for change in replacements)
    shifts = [0, *growths]

    def moved(offset: int) -> int:
        before = bisect_left(starts, offset)  # so many begin before it
        if before and offset < replacements[before - 1].end:
            change = replacements[before - 1]
            return change.start + shifts[before - 1] + min(offset - change.start, len(change.text))
        return offset + shifts[before]

    return tuple(replace(page, start=moved(page.start), end=moved(page.end)) for page in pages)

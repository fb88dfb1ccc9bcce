"""Cuts a part out of a text and marks words in it."""

import re
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_ELLIPSIS = "…"
_GAP = re.compile(r"\s+")
_LAST_GAP = re.compile(r"(?<!\s)\s++\S*+\Z")


class Span(NamedTuple):
    """A found word: where it is in the text, and the number of the term that finds it."""

    start: int
    end: int
    term: int


def best_part(
    spans: Iterable[Span], chars_max: int, *, terms_max: int | None = None
) -> tuple[int, int]:
    """Return where the run of spans begins and ends that has most and is not too long.

    Most different terms count, then most spans, then the first; (0, 0) when there is no span. The first
    run with ``terms_max`` different terms is good enough: no span behind it is asked for.
    """
    inside: dict[int, int] = {}
    run: deque[Span] = deque()
    best, bounds = (0, 0), (0, 0)
    for span in spans:
        run.append(span)
        inside[span.term] = inside.get(span.term, 0) + 1
        while len(run) > 1 and span.end - run[0].start > chars_max:
            last = run.popleft().term
            inside[last] -= 1
            if not inside[last]:
                del inside[last]
        if (len(inside), len(run)) > best:
            best, bounds = (len(inside), len(run)), (run[0].start, span.end)
        if len(inside) == terms_max:
            break
    return bounds


def widened(text: str, first: int, last: int, chars_max: int) -> tuple[int, int]:
    """Add as much of the text on both sides of a part as there is room for, up to where a word ends."""
    spare = max(0, chars_max - (last - first))
    start = max(0, first - spare // 2)
    end = min(len(text), start + max(chars_max, last - start))
    start = max(0, min(start, end - chars_max))
    if start and not text[start - 1].isspace() and (gap := _GAP.search(text, start, first)):
        start = gap.end()
    if end < len(text) and not text[end].isspace() and (gap := _LAST_GAP.search(text, last, end)):
        end = gap.start()
    return start, end


def marked(
    text: str, bounds: tuple[int, int], spans: Sequence[Span], marks_with: tuple[str, str]
) -> str:
    """Cut a snippet, with what stands before and behind each span.

    Spans that touch (the characters of a Chinese word) share a mark. An ellipsis stands where the text goes
    on.
    """
    (start, end), (before, after) = bounds, marks_with
    marks: list[tuple[int, int]] = []
    for span in spans:
        if marks and marks[-1][1] == span.start and span.end <= end:
            marks[-1] = (marks[-1][0], span.end)
        elif start <= span.start and span.end <= end:
            marks.append((span.start, span.end))
    parts = [_ELLIPSIS] if start else []
    for first, last in marks:
        parts += (text[start:first], before, text[first:last], after)
        start = last
    parts += (text[start:end], _ELLIPSIS if end < len(text) else "")
    return "".join(parts)


def is_near(word: str, other: str, *, edits_max: int) -> bool:
    """Say whether so many edits make one word of the other; two letters may change places."""
    if abs(len(word) - len(other)) > edits_max:
        return False
    older: list[int] = []
    last = list(range(len(other) + 1))
    for at, letter in enumerate(word):
        row = [at + 1]
        for place, opposite in enumerate(other):
            edits = min(last[place + 1] + 1, row[place] + 1, last[place] + (letter != opposite))
            if at and place and letter == other[place - 1] and opposite == word[at - 1]:
                edits = min(edits, older[place - 1] + 1)
            row.append(edits)
        if min(row) > edits_max and min(last) >= edits_max:
            return False
        older, last = last, row
    return last[-1] <= edits_max

"""The stretches of a text that chunks do not cross: sections, of which short ones stay together.

The invariant: the stretches follow each other from the start of the text to its end.
The trap: headings that follow each other directly open one section, not several.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from engine.documents.chunks.headings import Heading, Outline, heading_runs

_SHORT_SHARE = 8
"""A section below this part of a chunk says too little on its own. With the questions of
tests/documents/quality 4 and 2 were worse."""


@dataclass(frozen=True, slots=True)
class Section:
    """Code points ``start`` to ``end`` (exclusive) and their tokens.

    ``outer`` and ``inner`` are the levels of the first and the last of the headings it opens with, 0 for
    what is above all headings.
    """

    start: int
    end: int
    outer: int
    inner: int
    tokens: int


def read_sections(
    text: str, outline: Outline, starts: NDArray[np.int32], *, tokens_max: int
) -> list[Section]:
    """Return the sections; a short one takes in the next, unless that is of a higher level.

    Args:
        text: of the document.
        outline: of the text.
        starts: where the tokens of the text begin.
        tokens_max: of a chunk.
    """
    runs = list(heading_runs(text, outline.headings))
    sections = _split(runs, len(text), starts)
    joined = sections[:1]
    for section in sections[1:]:
        before = joined[-1]
        is_short = before.tokens * _SHORT_SHARE < tokens_max
        if is_short and before.inner <= section.outer:
            joined[-1] = _join(before, section)
        else:
            joined.append(section)
    # Headings with nothing below them would be a chunk of headings.
    if (
        len(joined) > 1
        and not text[runs[-1][-1].end :].strip()
        and joined[-1].start == runs[-1][0].start
    ):
        joined[-2:] = [_join(*joined[-2:])]
    return joined


def _split(runs: list[list[Heading]], chars: int, starts: NDArray[np.int32]) -> list[Section]:
    levels = [(0, 0), *((run[0].level, run[-1].level) for run in runs)]
    offsets = [0, *(run[0].start for run in runs), chars]
    tokens = np.searchsorted(starts, offsets).tolist()
    return [
        Section(start, end, outer, inner, last - first)
        for (start, end), (first, last), (outer, inner) in zip(
            pairwise(offsets), pairwise(tokens), levels, strict=True
        )
    ]


def _join(first: Section, second: Section) -> Section:
    inner = first.inner if first.tokens else second.inner
    return replace(first, end=second.end, inner=inner, tokens=first.tokens + second.tokens)

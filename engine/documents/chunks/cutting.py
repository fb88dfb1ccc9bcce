"""Cuts a text into stretches of at most so many tokens, where a reader would.

A stretch that is too long is cut into as few as possible of about the same size: before a block if one
begins near, else before a row, else between sentences, else between words, else anywhere.
The invariant: the spans ascend, none is blank or begins or ends with white space, and what is not white
space is in exactly one. The trap: no search here may look at more than one chunk's worth of text at a time, or a
text without any space would take the square of its length.
"""

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from semantic_text_splitter import TextSplitter

from engine.documents.chunks.headings import Outline, heading_runs, last_at
from engine.documents.chunks.sections import read_sections
from engine.documents.chunks.tokens import token_starts

_LINE_BREAK = re.compile(r"[\r\n]")
_IMAGE_OR_LINK = re.compile(r"!?\[[^\[\]]*\]\([^()\s]*\)")
_SPACE = re.compile(r"\s+")
_SENTENCE_CHARS_MAX = 20_000
"""What is searched for sentences at a time: more than half of the longest chunk of plain prose."""
_LINK_CHARS_MAX = 500
_JOINER = "\u200d"
_SKIN_TONES = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
_CHARACTER_POINTS_MAX = 32


@dataclass(frozen=True, slots=True)
class Span:
    """Code points ``start`` to ``end`` (exclusive); ``opens`` is true for the first of a section."""

    start: int
    end: int
    opens: bool


@dataclass(frozen=True, slots=True)
class _Window:
    """A cut is sought after ``low`` and not after ``high``, the nearer to ``aim`` the better."""

    low: int
    aim: int
    high: int

    def nearest(self, offsets: list[int]) -> int | None:
        inside = offsets[bisect_right(offsets, self.low) : bisect_right(offsets, self.high)]
        return min(inside, key=lambda offset: abs(offset - self.aim), default=None)


class Cutter:
    """Knows a text well enough to cut it.

    Making one costs a pass of the tokenizer over the text.
    """

    def __init__(self, text: str, outline: Outline) -> None:
        self._text = text
        self._outline = outline
        self._starts = token_starts(text)
        runs = list(heading_runs(text, outline.headings))
        self._run_starts = [run[0].start for run in runs]
        self._run_ends = [self._skip_space(run[-1].end) for run in runs]

    def cut_all(self, tokens_max: int, *, by_headings: bool) -> list[Span]:
        """Cut the whole text; with ``by_headings`` no span crosses from one section to the next."""
        if not by_headings:
            return self.cut(Span(0, len(self._text), opens=True), tokens_max)
        sections = read_sections(self._text, self._outline, self._starts, tokens_max=tokens_max)
        spans = (Span(section.start, section.end, opens=True) for section in sections)
        return [piece for span in spans for piece in self.cut(span, tokens_max)]

    def cut(self, span: Span, tokens_max: int) -> list[Span]:
        """Cut one span into pieces of about ``tokens_max`` tokens at most."""
        pieces: list[Span] = []
        start = self._skip_space(span.start)
        while start < span.end:
            end = self._next_cut(start, span.end, tokens_max)
            pieces.append(self._trim(Span(start, end, span.opens and not pieces)))
            start = self._skip_space(end)
        return pieces

    def halve(self, span: Span) -> list[Span]:
        """Cut a span that is more than one code point into two, wherever that is."""
        window = _Window(span.start, (span.start + span.end) // 2, span.end - 1)
        middle = self._between_characters(window)
        first, second = replace(span, end=middle), Span(middle, span.end, opens=False)
        return [self._trim(first), self._trim(second)]

    def overlap_start(self, before: Span, tokens: int) -> int:
        """Return where the last sentences, or words, of a span begin that have at most so many tokens.

        It is not before the end of the span if no sentence and no word begins there.
        """
        first = self._token_at(before.end) - tokens
        low = max(int(self._starts[max(first, 0)]), before.start)
        window = _Window(low, low, before.end - 1)
        found = window.nearest(self._sentences(window)) or window.nearest(self._words(window))
        return self._skip_space(found or before.end)

    def _next_cut(self, start: int, end: int, tokens_max: int) -> int:
        first, last = self._token_at(start), self._token_at(end)
        if last - first <= tokens_max:
            return end
        pieces = -(-(last - first) // tokens_max)
        aim = first + -(-(last - first) // pieces)
        marks = self._starts[[(first + aim) // 2, aim, first + tokens_max]].tolist()
        window = self._below_heading(_Window(*marks), start)
        return self._above_heading(self._best_cut(window), start)

    def _best_cut(self, window: _Window) -> int:
        return (
            window.nearest(self._outline.blocks)
            or window.nearest(self._outline.rows)
            or window.nearest(self._sentences(window))
            or window.nearest(self._words(window))
            or self._between_characters(window)
        )

    def _below_heading(self, window: _Window, start: int) -> _Window:
        run = last_at(self._run_starts, start)
        if run < 0 or self._run_ends[run] >= window.high:
            return window  # or a heading that is too long for a chunk
        return replace(window, low=max(window.low, self._run_ends[run]))

    def _above_heading(self, cut: int, start: int) -> int:
        run = last_at(self._run_starts, cut)
        is_in_run = run >= 0 and start < self._run_starts[run] and cut <= self._run_ends[run]
        return self._run_starts[run] if is_in_run else cut

    def _sentences(self, window: _Window) -> list[int]:
        text = _LINE_BREAK.sub(" ", self._masked(window)[:_SENTENCE_CHARS_MAX])
        splitter = TextSplitter((1, max(len(text), 1)), trim=False)
        return [window.low + offset for offset, _ in splitter.chunk_indices(text)[1:]]

    def _words(self, window: _Window) -> list[int]:
        return [window.low + space.end() for space in _SPACE.finditer(self._masked(window))]

    def _masked(self, window: _Window) -> str:
        # No cut falls into an image or a link, nor into one that reaches over the window's edges.
        first = max(window.low - _LINK_CHARS_MAX, 0)
        text = self._text[first : window.high + _LINK_CHARS_MAX]
        masked = _IMAGE_OR_LINK.sub(lambda link: "x" * len(link[0]), text)
        return masked[window.low - first : window.high + 1 - first]

    def _between_characters(self, window: _Window) -> int:
        aim = max(window.aim, window.low + 1)
        below = range(aim, max(window.low, aim - _CHARACTER_POINTS_MAX), -1)
        above = range(aim + 1, min(window.high, aim + _CHARACTER_POINTS_MAX) + 1)
        places = (place for place in chain(below, above) if not self._is_inside_character(place))
        return next(places, aim)

    def _is_inside_character(self, offset: int) -> bool:
        if offset >= len(self._text):
            return False
        before, after = self._text[offset - 1], self._text[offset]
        is_mark = unicodedata.category(after).startswith("M") or after in _SKIN_TONES
        return is_mark or _JOINER in (before, after)

    def _trim(self, span: Span) -> Span:
        start = self._skip_space(span.start)
        return replace(span, start=start, end=start + len(self._text[start : span.end].rstrip()))

    def _token_at(self, offset: int) -> int:
        # Of the type of the array: for another one the whole array is copied.
        return int(np.searchsorted(self._starts, np.int32(offset)))

    def _skip_space(self, offset: int) -> int:
        space = _SPACE.match(self._text, offset)
        return space.end() if space else offset

"""The part of a text where a search finds most, with the words that were found marked.

As ``ts_headline`` of Postgres and ``snippet`` of SQLite do, it marks what the text is found by:
other forms of a word, the words of a phrase only where they stand together, prefixes and fuzzy
words. An ellipsis stands where the text goes on.

The invariant: no text and no search is an error; a search that is too long marks nothing. The work
grows with the length of the texts.
The traps: as in Postgres and SQLite nothing is escaped. Who shows texts of others as HTML asks for
marks that no text has, escapes, and then replaces the marks. And a snippet is cut from the composed
text (Unicode NFC), which may differ in bytes from the one given.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from typing_extensions import override

from engine.errors import InvalidRequest
from engine.indexes.analyzers import (
    DEFAULT_LANGUAGE,
    Texts,
    Token,
    analyze,
    composed,
    open_analyzer,
    separate_words,
)
from engine.indexes.search_text import Match, parse, terms
from engine.indexes.snippets import Span, best_part, is_near, marked, widened
from engine.indexes.text_query import Sought, analyze_terms

Flags: TypeAlias = npt.NDArray[np.bool_]

_SLICE_ROWS = 64


def highlight(
    texts: Texts,
    query: str,
    *,
    language: str = DEFAULT_LANGUAGE,
    before: str = "<b>",
    after: str = "</b>",
    chars_max: int = 160,
) -> pa.StringArray:
    """Show where texts have what a search looks for.

    Args:
        texts: an array of any type of text.
        query: in the syntax of :mod:`engine.indexes.search_text`. A column that it names, whatever
            it is called, is disregarded: its words are marked in these texts.
        language: that of the index.
        before: stands before a found word.
        after: stands behind it.
        chars_max: characters of the text in a snippet; one found word always fits.

    Returns:
        A string for each text: the snippet with the most different terms, among these with the most
        words; the beginning of the text if nothing is found. Null for null.

    Raises:
        InvalidRequest: there is no such language.
    """
    finder = _Finder(query, language)
    snippets: list[str | None] = []
    for start in range(0, len(texts), _SLICE_ROWS):
        piece = composed(texts.slice(start, _SLICE_ROWS))
        for text, spans in zip(piece.to_pylist(), finder.find(piece), strict=True):
            if text is None:
                snippets.append(None)
                continue
            first, last = best_part(spans, chars_max)
            bounds = widened(text, first, last, chars_max)
            snippets.append(marked(text, bounds, spans, (before, after)))
    return pa.array(snippets, pa.string())


class _AnyName(Container[str]):
    """All the columns there could be."""

    @override
    def __contains__(self, name: object) -> bool:
        return True


class _Finder:
    """Finds in texts the words that a query wants."""

    def __init__(self, query: str, language: str) -> None:
        self._analyzer = open_analyzer(language)
        self._phrases: list[tuple[int, Sought]] = []
        self._single: list[tuple[int, Sought]] = []
        for number, sought in enumerate(_wanted(query, language)):
            is_phrase = sought.match is Match.TEXT and len(sought.words) > 1
            (self._phrases if is_phrase else self._single).append((number, sought))
        self._terms_of_stems: dict[str, int | None] = {}

    def find(self, texts: Texts) -> Iterator[list[Span]]:
        """Yield the spans of each text in order; none overlap."""
        if not self._phrases and not self._single:
            yield from ([] for _ in range(len(texts)))
            return
        for separated in separate_words(texts):
            tokens = list(analyze(self._analyzer, separated or ""))
            spans = [
                Span(token.start, token.end, term)
                for token in tokens
                if (term := self._term_of(token.text)) is not None
            ]
            if self._phrases and tokens:
                spans.extend(self._spans_of_phrases(tokens))
            yield list({span.start: span for span in sorted(spans)}.values())

    def _term_of(self, stem: str) -> int | None:
        """Return the number of a term that finds this word by itself."""
        if stem not in self._terms_of_stems:
            found = (number for number, sought in self._single if _finds(sought, stem))
            self._terms_of_stems[stem] = next(found, None)
        return self._terms_of_stems[stem]

    def _spans_of_phrases(self, tokens: Sequence[Token]) -> Iterator[Span]:
        of_position = {token.position: token for token in tokens}
        positions: dict[str, list[int]] = {}
        for token in tokens:
            positions.setdefault(token.text, []).append(token.position)
        for number, sought in self._phrases:
            if all(word in positions for _, word in sought.words):
                for position in _positions_of_phrase(sought, positions):
                    token = of_position[position]
                    yield Span(token.start, token.end, number)


def _wanted(query: str, language: str) -> list[Sought]:
    try:
        tree = parse(query, _AnyName())
        sought = analyze_terms(tree, language)
    except InvalidRequest:
        return []
    wanted = dict.fromkeys(term for term, is_wanted in terms(tree) if is_wanted)
    return [sought[term] for term in wanted if term in sought]


def _finds(sought: Sought, stem: str) -> bool:
    if any(stem == word for _, word in sought.words):
        return True
    if sought.match is Match.PREFIX:
        return stem.startswith(sought.folded)
    wanted = (sought.folded, *(word for _, word in sought.words))
    return sought.match is Match.FUZZY and any(
        is_near(word, stem, edits_max=sought.distance) for word in wanted
    )


def _positions_of_phrase(sought: Sought, positions_of: Mapping[str, list[int]]) -> list[int]:
    """Return the positions of words that together are at most ``slop`` away from their places.

    The flags are by position plus ``slop``: a phrase that begins at ``-slop`` is the first.
    """
    words, slop = sought.words, sought.distance
    last_place = words[-1][0]
    length = slop + 1 + max(positions_of[word][-1] for _, word in words)
    there: dict[str, Flags] = {}
    for word in {word for _, word in words}:
        there[word] = np.zeros(length + last_place, np.bool_)
        there[word][np.array(positions_of[word]) + slop] = True
    ahead = {word: _any_ahead(flags, slop) for word, flags in there.items()}
    begins = np.ones(length, np.bool_)
    for place, word in words:
        begins &= ahead[word][place : place + length]
    begun = _any_ahead(np.concatenate((np.zeros(last_place + slop, np.bool_), begins)), slop)
    in_phrase = np.zeros(length, np.bool_)
    for place, word in words:
        in_phrase |= there[word][:length] & begun[last_place - place :][:length]
    found: list[int] = (np.flatnonzero(in_phrase) - slop).tolist()
    return found


def _any_ahead(flags: Flags, count: int) -> Flags:
    """Say for each place whether a flag is set there or at most ``count`` places ahead."""
    before = np.concatenate((np.zeros(1, np.int64), np.cumsum(flags, dtype=np.int64)))
    ends = np.minimum(np.arange(len(flags)) + count + 1, len(flags))
    return before[ends] > before[:-1]

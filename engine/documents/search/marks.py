"""Marks in the texts of an entry the words that a search sought, those with typing errors too.

Short texts are read word by word. A long one is too slow to read so: its words are looked up as
plain pieces of text, and only where that fails, though the index says the word is there, all its different
words are looked at; what is learned helps with the next text.

The invariant: a mark is around a whole word that the search finds. The trap: nothing is escaped, like
Meilisearch does: who shows it as HTML escapes it first, with other marks in between.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise
from unicodedata import normalize

import pyarrow as pa

from engine.documents.search.words import Sought, SoughtPhrase, SoughtWord
from engine.indexes.analyzers import PLAIN, analyze, open_analyzer, separate_words
from engine.indexes.snippets import Span, best_part, is_near, marked, widened

MARKS = ("<mark>", "</mark>")
SNIPPET_CHARS = 200
_SHORT_CHARS = 2_000
_SEEDS_CHARS_MIN = 3
_PLACES_MAX = 20
"""Of one word in one text; the best part is found among them."""
_WORDS_MAX = 1_000
"""Words of one text that begin like one that is sought, and may be another."""
_READ_CHARS_MAX = 400_000
_WORD = re.compile(r"[^\W_]+")
# Without backtracking: a text may be one word of millions of letters.
_REST = r"[^\W_]*+"
_BETWEEN = r"[\W_]*+"
_WITHOUT_SPACES = "\u2e80"
"""From here on are the characters of Chinese, Japanese and Korean."""


class Marker:
    """Marks what one search sought."""

    def __init__(self, sought: Sequence[Sought], language: str) -> None:
        self._sought = sought
        self._stemming, self._folding = open_analyzer(language), open_analyzer(PLAIN)
        self._numbers: dict[str, int | None] = {}
        self._seeds = [_first_seeds(each) for each in sought]
        self._phrases = {
            number: re.compile(_pattern_of(each))
            for number, each in enumerate(sought)
            if isinstance(each, SoughtPhrase)
        }

    def read(self, texts: Iterable[str]) -> None:
        """Look at the words of many short texts, which costs about as much as at those of one."""
        lowered = (_lowered(normalize("NFC", text)) for text in texts)
        self._know({word for text in lowered for word in _WORD.findall(text)})

    def whole(self, text: str) -> str | None:
        """Mark all of a text; None when nothing is found. A long one is cut as by :meth:`part`."""
        if len(text) > _SHORT_CHARS:
            return self.part(text, range(len(self._sought)))
        text = normalize("NFC", text)
        lowered = _lowered(text)
        if not self._may_be_in(lowered):
            return None
        spans = self._spans(lowered, range(len(self._sought)))
        return marked(text, (0, len(text)), spans, MARKS) if spans else None

    def part(self, text: str, numbers: Sequence[int]) -> str | None:
        """Mark the part of a text with most of some words; None when none is found.

        Args:
            text: of any length.
            numbers: places in the list of words: those that the index found in the text.
        """
        text = text if text.isascii() else normalize("NFC", text)
        spans = self._spans(_lowered(text), numbers)
        if not spans:
            return None
        first, last = best_part(spans, SNIPPET_CHARS)
        return marked(text, widened(text, first, last, SNIPPET_CHARS), spans, MARKS)

    def _may_be_in(self, lowered: str) -> bool:
        words = set(_WORD.findall(lowered))
        self._know(words)
        return (
            bool(self._phrases)
            or any(self._numbers[word] is not None for word in words)
            or any(seed in lowered for seed in chain.from_iterable(self._seeds))
        )

    def _spans(self, lowered: str, numbers: Sequence[int]) -> list[Span]:
        spans = {number: self._places(lowered, number) for number in numbers}
        missing = [
            number for number in numbers if not spans[number] and number not in self._phrases
        ]
        if missing and self._learn(lowered):
            spans |= {number: self._places(lowered, number) for number in missing}
        kept: list[Span] = []
        free = 0
        for span in sorted(chain.from_iterable(spans.values())):
            if span.start >= free:
                kept.append(span)
                free = span.end
        return kept

    def _places(self, lowered: str, number: int) -> list[Span]:
        """Find where a phrase is, or a word, as far as its seeds tell."""
        if number in self._phrases:
            found = islice(self._phrases[number].finditer(lowered), _PLACES_MAX)
            return [Span(*place.span(), number) for place in found]
        places = (self._begun_by(seed, lowered, number) for seed in self._seeds[number])
        return list(islice(chain.from_iterable(places), _PLACES_MAX))

    def _begun_by(self, seed: str, lowered: str, number: int) -> Iterator[Span]:
        """Find where words begin with a piece of text that the word of a number finds."""
        is_alone = _is_alone(seed)
        found = islice(re.finditer(_beginning(seed), lowered), _WORDS_MAX)
        numbers = self._numbers
        while some := list(islice(found, _PLACES_MAX)):
            self._know({place[0] for place in some})
            for place in some:
                at, end = place.span()
                if numbers[place[0]] == number and (
                    is_alone or not at or not lowered[at - 1].isalnum()
                ):
                    yield Span(at, end, number)

    def _learn(self, lowered: str) -> bool:
        """Look at all different words of a text; tell whether one is found by another seed now."""
        words = set(_WORD.findall(lowered, 0, _READ_CHARS_MAX))
        self._know(words)
        is_new = False
        for word in words:
            number = self._numbers[word]
            if number is not None and word not in self._seeds[number]:
                self._seeds[number].append(word)
                is_new = True
        return is_new

    def _know(self, words: Collection[str]) -> None:
        """Say of words of a text which of the sought words finds each."""
        fresh = [word for word in words if word not in self._numbers]
        if not fresh:
            return
        separated = separate_words(pa.array(fresh, pa.large_string()))
        for word, text in zip(fresh, separated, strict=True):
            folded = [token.text for token in analyze(self._folding, text or "")]
            stems = [token.text for token in analyze(self._stemming, text or "")]
            found = (
                number
                for number, sought in enumerate(self._sought)
                if isinstance(sought, SoughtWord) and _finds(sought, folded, stems)
            )
            self._numbers[word] = next(found, None)


def _lowered(text: str) -> str:
    """Return a text in small letters, each at its place: one that becomes two stays as it is."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(letter if len(letter.lower()) != 1 else letter.lower() for letter in text)


def _beginning(seed: str) -> str:
    """Return the pattern of a word that begins so; a character of a language without spaces is one."""
    return re.escape(seed) + ("" if _is_alone(seed) else _REST)


def _pattern_of(sought: SoughtPhrase) -> str:
    """Return the pattern of a phrase: its stems with whatever stands between words, or as it is written."""
    stems = [_form_of(stem) for _, stem in sought.stems]
    gaps = [later - before - 1 for (before, _), (later, _) in pairwise(sought.stems)]
    between = [_BETWEEN + rf"(?:[^\W_]++{_BETWEEN}){{{gap}}}" for gap in gaps]
    pieces = (piece for pair in zip(stems, [*between, ""], strict=True) for piece in pair)
    phrase = f"(?:{''.join(pieces)}|{re.escape(sought.written.lower())})"
    return phrase if _is_alone(sought.stems[0][1]) else rf"(?<![^\W_]){phrase}(?![^\W_])"


def _form_of(stem: str) -> str:
    """Return the pattern of words that have a stem: ``batteri`` is of battery and of batteries."""
    if not stem.endswith("i"):
        return _beginning(stem)
    return f"{re.escape(stem[:-1])}[iy]{_REST}"


def _is_alone(text: str) -> bool:
    return text[-1] >= _WITHOUT_SPACES


def _finds(sought: SoughtWord, folded: Sequence[str], stems: Sequence[str]) -> bool:
    if sought.stem is not None and sought.stem in stems:
        return True
    return any(
        word == sought.written
        or (sought.is_beginning and word.startswith(sought.written))
        or (sought.errors > 0 and is_near(sought.written, word, edits_max=sought.errors))
        for word in folded
    )


def _first_seeds(sought: Sought) -> list[str]:
    """Return pieces of text that words begin with which may be meant; a phrase has a pattern instead."""
    if isinstance(sought, SoughtPhrase):
        return []
    stem = sought.stem
    if stem is None or len(stem) < _SEEDS_CHARS_MIN:
        return [sought.written]
    if stem.endswith("i") and len(stem) > _SEEDS_CHARS_MIN:
        stem = stem[:-1]  # "batteri", of battery too
    # A stem is mostly the beginning of its word, and finds it too.
    return [stem] if sought.written.startswith(stem) else [sought.written, stem]

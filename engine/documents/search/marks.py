"""Marks in the texts of an entry the words that a search sought, those with typing errors too.

Short texts are read word by word. A long one is too slow to read so: its words are looked up as
plain pieces of text, no further than the first part that has them all. Only where that fails, though the
index says the word is there, all its different words are looked at; what is learned helps with the next text.

The invariant: a mark is around a whole word that the search finds. The trap: nothing is escaped, like
Meilisearch does: who shows it as HTML escapes it first, with other marks in between.
"""

import heapq
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice, pairwise
from unicodedata import normalize

from engine.documents.search.words import Sought, SoughtPhrase, SoughtWord
from engine.indexes.analyzers import STANDING_ALONE, analyze, separate_text
from engine.indexes.snippets import Span, best_part, is_near, marked, widened
from engine.indexes.word_forms import Forms, word_forms

MARKS = ("<mark>", "</mark>")
SNIPPET_CHARS = 200
_SHORT_CHARS = 2_000
_SEEDS_CHARS_MIN = 3
_SEEDS_MAX = 64
"""Of one word, those that were learned too: each is looked for in every text."""
_PLACES_MAX = 100
"""Of one word in one text; the best part is found among them."""
_WORDS_MAX = 1_000
"""Words of one text that begin like one that is sought, and may be another; phrases likewise."""
_READ_CHARS_MAX = 400_000
_LETTER = rf"[^\W_{STANDING_ALONE}]"
_WORD = re.compile(f"{_LETTER}+|[{STANDING_ALONE}]")
# Without backtracking: a text may be one word of millions of letters.
_REST = f"{_LETTER}*+"
_REST_OF_WORD = re.compile(_REST)
_BETWEEN = r"[\W_]*+"
_ALONE = re.compile(f"[{STANDING_ALONE}]")


class Marker:
    """Marks what one search sought."""

    def __init__(self, sought: Sequence[Sought], language: str) -> None:
        """Begin.

        Args:
            sought: the words and phrases; they are known by their places in this list.
            language: that of the index.
        """
        self._sought = sought
        self._forms = word_forms(language)
        self._numbers: dict[str, int | None] = {}
        self._seeds = [_first_seeds(each) for each in sought]
        self._phrases = {
            number: (each, re.compile(_pattern_of(each)))
            for number, each in enumerate(sought)
            if isinstance(each, SoughtPhrase)
        }

    @property
    def phrases(self) -> Collection[int]:
        """The phrases by their numbers. It takes long to look for one in a long text that has it not."""
        return self._phrases.keys()

    def read(self, texts: Iterable[str]) -> None:
        """Look at the words of many short texts, which costs about as much as at those of one."""
        lowered = (_lowered(normalize("NFC", text)) for text in texts)
        self._know({word for text in lowered for word in _WORD.findall(text)})

    def whole(self, text: str) -> str | None:
        """Mark all of a text; None when nothing is found. Of a long one, mark its best part."""
        numbers = range(len(self._sought))
        if len(text) > _SHORT_CHARS:
            return self.part(text, numbers)
        return self.open(text, numbers).learned(numbers).all()

    def part(self, text: str, numbers: Sequence[int]) -> str | None:
        """Mark the best part of a text for some words; it is read whole when not all are seen in it."""
        read = self.open(text, numbers)
        return (read.learned(read.missing) if read.missing else read).best_part()

    def open(self, text: str, numbers: Sequence[int]) -> "SoughtText":
        """Look for some words in a text of any length, as far as is known how they begin."""
        text = text if text.isascii() else normalize("NFC", text)
        return SoughtText(self, text, _lowered(text), numbers, {})

    def is_learned(self, number: int) -> bool:
        """Tell whether more may be learned of a word: not of a phrase, nor where another word stands for it."""
        sought = self._sought[number]
        if isinstance(sought, SoughtPhrase):
            return False
        self._know((sought.written,))
        return self._numbers[sought.written] == number

    def places(
        self, lowered: str, number: int, bounds: tuple[int, int], more: Sequence[str] = ()
    ) -> Iterator[Span]:
        """Find in a part of a text where a phrase is, or a word, as far as its seeds tell.

        Args:
            lowered: the text in small letters.
            number: of the word.
            bounds: where the part begins and ends.
            more: seeds besides those that are known.
        """
        if number in self._phrases:
            return self._of_phrase(lowered, number, bounds)
        seeds = dict.fromkeys((*self._seeds[number], *more))
        begun = [self._begun_by(seed, lowered, number, bounds) for seed in seeds]
        return begun[0] if len(begun) == 1 else heapq.merge(*begun)

    def learn(self, lowered: str) -> dict[int, list[str]]:
        """Look at all different words of a text; return those of them that each sought word finds."""
        words = dict.fromkeys(_WORD.findall(lowered, 0, _READ_CHARS_MAX))
        self._know(words)
        found: dict[int, list[str]] = {}
        for word in words:
            if (number := self._numbers[word]) is not None:
                found.setdefault(number, []).append(word)
                seeds = self._seeds[number]
                if len(seeds) < _SEEDS_MAX and not word.startswith(tuple(seeds)):
                    seeds.append(word)
        return found

    def _of_phrase(self, lowered: str, number: int, bounds: tuple[int, int]) -> Iterator[Span]:
        sought, pattern = self._phrases[number]
        wanted = [stem for _, stem in sought.stems]
        for place in islice(pattern.finditer(lowered, *bounds), _WORDS_MAX):
            tokens = analyze(self._forms.stemming, separate_text(place[0]))
            if [token.text for token in tokens] == wanted:
                yield Span(*place.span(), number)

    def _begun_by(
        self, seed: str, lowered: str, number: int, bounds: tuple[int, int]
    ) -> Iterator[Span]:
        """Find where words begin with a piece of text that the word of a number finds."""
        is_alone, size = _is_alone(seed), len(seed)
        numbers = self._numbers
        end, stop = bounds
        for _ in range(_WORDS_MAX):
            at = lowered.find(seed, end, stop)
            if at < 0:
                return
            end = at + size
            if not is_alone:
                if (rest := _REST_OF_WORD.match(lowered, end)) is not None:
                    end = rest.end()
                if at and lowered[at - 1].isalnum() and not _is_alone(lowered[at - 1]):
                    continue
            word = lowered[at:end]
            if word not in numbers:
                self._know((word,))
            if numbers[word] == number:
                yield Span(at, end, number)

    def _know(self, words: Collection[str]) -> None:
        """Say of words of a text which of the sought words finds each."""
        fresh = [word for word in words if word not in self._numbers]
        for word, forms in self._forms.of(fresh).items():
            found = (
                number
                for number, sought in enumerate(self._sought)
                if isinstance(sought, SoughtWord) and _finds(sought, forms)
            )
            self._numbers[word] = next(found, None)


@dataclass(frozen=True)
class SoughtText:
    """A text in which some words are sought.

    Attributes:
        marker: knows the words.
        text: composed.
        lowered: the text in small letters.
        numbers: the words.
        seeds: of some words, besides those that the marker knows.
    """

    marker: Marker
    text: str
    lowered: str
    numbers: Sequence[int]
    seeds: Mapping[int, Sequence[str]]

    def learned(self, numbers: Collection[int]) -> "SoughtText":
        """Look at all words of the text, for some that are sought: each costs a look for all that it finds."""
        found = self.marker.learn(self.lowered)
        seeds = {number: found[number] for number in numbers if number in found}
        return SoughtText(self.marker, self.text, self.lowered, self.numbers, seeds)

    @property
    def missing(self) -> list[int]:
        """The words that are not seen, but may be there."""
        unseen = (number for number in self.numbers if number not in self._seen)
        return [number for number in unseen if self.marker.is_learned(number)]

    def all(self) -> str | None:
        """Mark all of the text; None when nothing is found."""
        return self._marked(0, len(self.text)) if self._seen else None

    def best_part(self) -> str | None:
        """Mark the first part that has all words, or else the one with most; None when nothing is found.

        Of each word, no more than the first ``_PLACES_MAX`` places are looked at.
        """
        if not self._seen:
            return None
        every = (
            chain((first,), self._found(first.term, first.end)) for first in self._seen.values()
        )
        spans = _without_overlaps(heapq.merge(*(islice(each, _PLACES_MAX) for each in every)))
        first, last = best_part(spans, SNIPPET_CHARS, terms_max=len(self._seen))
        return self._marked(*widened(self.text, first, last, SNIPPET_CHARS))

    @cached_property
    def _seen(self) -> dict[int, Span]:
        """The first place of each word that is found."""
        firsts = ((number, next(self._found(number), None)) for number in self.numbers)
        return {number: first for number, first in firsts if first is not None}

    def _found(self, number: int, start: int = 0, end: int | None = None) -> Iterator[Span]:
        bounds = start, len(self.lowered) if end is None else end
        return self.marker.places(self.lowered, number, bounds, self.seeds.get(number, ()))

    def _marked(self, start: int, end: int) -> str:
        found = (self._found(number, start, end) for number in self._seen)
        spans = [*_without_overlaps(sorted(chain.from_iterable(found)))]
        return marked(self.text, (start, end), spans, MARKS)


def _without_overlaps(spans: Iterable[Span]) -> Iterator[Span]:
    free = 0
    for span in spans:
        if span.start >= free:
            yield span
            free = span.end


def _lowered(text: str) -> str:
    """Return a text in small letters, each at its place: one that becomes two stays as it is."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(letter if len(letter.lower()) != 1 else letter.lower() for letter in text)


def _beginning(seed: str) -> str:
    """Return the pattern of a word that begins so."""
    return re.escape(seed) + ("" if _is_alone(seed) else _REST)


def _pattern_of(sought: SoughtPhrase) -> str:
    """Return the pattern of a phrase: its stems with whatever stands between words, or as it is written.

    What matches is looked at again: words that begin like the stems may be others.
    """
    stems = [stem for _, stem in sought.stems]
    gaps = [later - before - 1 for (before, _), (later, _) in pairwise(sought.stems)]
    between = [_BETWEEN + f"(?:{_LETTER}++{_BETWEEN}){{{gap}}}" for gap in gaps]
    pieces = (
        piece
        for stem, gap in zip(stems, [*between, ""], strict=True)
        for piece in (_form_of(stem), gap)
    )
    written = sought.written.lower()
    by_stems = _bounded("".join(pieces), stems[0], stems[-1])
    return f"{by_stems}|{_bounded(re.escape(written), written, written)}"


def _bounded(pattern: str, first: str, last: str) -> str:
    """Let a pattern match whole words only; its first and last word begin and end as given."""
    before = "" if _is_alone(first[:1]) else f"(?<!{_LETTER})"
    behind = "" if _is_alone(last) else f"(?!{_LETTER})"
    return before + pattern + behind


def _form_of(stem: str) -> str:
    """Return the pattern of words that have a stem: ``batteri`` is of battery and of batteries."""
    if not stem.endswith("i"):
        return _beginning(stem)
    return f"{re.escape(stem[:-1])}[iy]{_REST}"


def _is_alone(text: str) -> bool:
    """Tell whether a piece of text ends with a character that is a word of its own."""
    return _ALONE.match(text, len(text) - 1) is not None


def _finds(sought: SoughtWord, forms: Forms) -> bool:
    if sought.stem is not None and sought.stem in forms.stems:
        return True
    return any(
        word == sought.written
        or (sought.is_beginning and word.startswith(sought.written))
        or (sought.errors > 0 and is_near(sought.written, word, edits_max=sought.errors))
        for word in forms.folded
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

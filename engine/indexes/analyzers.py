"""From text to the tokens of a full-text index: the same for documents, queries and highlighting.

Words are runs of letters, digits and marks, composed (Unicode NFC). Where words are written without
spaces (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese) each character is a token of its own,
so a word of a query becomes a phrase of its characters.

The invariant: case and the accents of Latin and Greek letters are folded *before* stop words and
stemming, so a text and its form without accents give the same tokens by construction. The price:
accented stop words (``für``) are indexed like any word, and endings that a stemmer knows only with
their accent stay.

The trap: an analyzer splits at spaces only; give it what ``separate_words`` returns. A tokenizer
with a regular expression would do both, at less than half the speed of indexing.
"""

import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
from tantivy import Filter, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

from engine.errors import InvalidRequest

_STOPPED = ("danish", "dutch", "english", "finnish", "french", "german", "hungarian", "italian",
            "norwegian", "portuguese", "russian", "spanish", "swedish")  # fmt: skip
_ONLY_STEMMED = ("arabic", "greek", "romanian", "tamil", "turkish")
PLAIN = "none"
"""The language without stop words and stems: tokens are the words, folded."""
LANGUAGES = (*sorted((*_STOPPED, *_ONLY_STEMMED)), PLAIN)
DEFAULT_LANGUAGE = "english"
TOKEN_BYTES_MAX = 255
"""Longer tokens are not indexed: nobody looks for them, and they blow up the dictionary."""

# The stubs lack some kernels and the access to buffers used here.
_kernels: Any = pyarrow.compute
Ints: TypeAlias = npt.NDArray[np.int64]
Texts: TypeAlias = Any
"""An array of any type of text, or of dictionaries of text."""

_SPACE, _INSERTED, _CONTINUATION = 0x20, 0x0C, 0x80
_GAP, _LETTER, _MARK, _ALONE = range(4)
_CODES = 0x40000
"""Above are tags and private use, which are in no word."""
_CODES_ALONE = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF)),  # Thai and Lao, Burmese, Khmer
    *((0x1100, 0x11FF), (0xA960, 0xA97F), (0xAC00, 0xD7FF)),  # Hangul
    *((0x2E80, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)),  # Han, Kana, Bopomofo
    *((0xA9E0, 0xA9FF), (0xAA60, 0xAA7F)),  # Burmese, extended
    *((0xFF66, 0xFFDC), (0x1AFF0, 0x1B16F)),  # of half width, and Kana, extended
)

STANDING_ALONE = "".join(f"{chr(first)}-{chr(last)}" for first, last in _CODES_ALONE)
"""The characters each of which is a word, for a class of a regular expression; not all of them are letters."""


def _kinds() -> npt.NDArray[np.uint8]:
    """Make the table from code points to kinds of characters."""
    of_category = {"L": _LETTER, "N": _LETTER, "M": _MARK}
    categories = map(unicodedata.category, map(chr, range(_CODES)))
    kinds = np.array([of_category.get(category[0], _GAP) for category in categories], np.uint8)
    for first, last in _CODES_ALONE:
        block = kinds[first : last + 1]
        block[block == _LETTER] = _ALONE
    return kinds


def _folded() -> npt.NDArray[np.uint32]:
    """Make the table from code points to letters without accents: of Greek; tantivy has Latin."""
    folded = np.arange(_CODES, dtype=np.uint32)
    for code in (*range(0x0370, 0x0400), *range(0x1F00, 0x2000)):
        folded[code] = ord(unicodedata.normalize("NFD", chr(code))[0])
    folded[ord("ς")] = ord("σ")  # noqa: RUF001 - two shapes of one letter
    return folded


_KINDS = _kinds()
_FOLDED = _folded()
_ASCII_WORDS = bytes(code if _KINDS[code] else _SPACE for code in range(128)) + bytes(128)
_ASCII_CODES = dict(enumerate(_ASCII_WORDS[:128]))


class Token(NamedTuple):
    """A token of a text; ``start`` and ``end`` count characters of the composed text."""

    position: int
    text: str
    start: int
    end: int


def open_analyzer(language: str = DEFAULT_LANGUAGE) -> TextAnalyzer:
    """Make the analyzer of a language, for text that went through ``separate_words``.

    Raises:
        InvalidRequest: the language is none of ``LANGUAGES``.
    """
    if language not in LANGUAGES:
        names = ", ".join(LANGUAGES)
        raise InvalidRequest(f"There is no text analysis for {language!r}; choose from {names}.")
    # Folded before lower case: the Turkish capital I with a dot has no single small letter.
    builder = (
        TextAnalyzerBuilder(Tokenizer.whitespace())
        .filter(Filter.ascii_fold())
        .filter(Filter.lowercase())
        .filter(Filter.remove_long(TOKEN_BYTES_MAX + 1))
    )
    if language in _STOPPED:
        builder = builder.filter(Filter.stopword(language))
    if language != PLAIN:
        builder = builder.filter(Filter.stemmer(language))
    return builder.build()


def composed(texts: Texts) -> Texts:
    """Return the texts with each accented letter as one character where there is one (NFC)."""
    texts = texts.cast(pa.large_string())
    if _kernels.all(_kernels.string_is_ascii(texts), min_count=0).as_py():
        return texts
    return _kernels.utf8_normalize(texts, form="NFC")


def separate_words(texts: Texts) -> list[str | None]:
    """Put spaces in place of characters that are in no word, and around those that stand alone.

    Returns:
        For each text one in which words stand between spaces; nulls stay None. A form feed is an
        inserted space: without the form feeds there is one character for each of the composed
        text.
    """
    if not len(texts):
        return []
    values = composed(texts)
    _, raw_offsets, raw_data = values.buffers()
    offsets = np.frombuffer(raw_offsets, np.int64)[values.offset : values.offset + len(values) + 1]
    data = bytes(memoryview(raw_data or b"")[offsets[0] : offsets[-1]])
    offsets = offsets - offsets[0]
    if data.isascii():
        separated = data.translate(_ASCII_WORDS).decode("ascii")
    else:
        separated, offsets = _separate_codes(data, offsets)
    bounds = offsets.tolist()
    pieces = [separated[start:end] for start, end in pairwise(bounds)]
    if not values.null_count:
        return list(pieces)
    present = values.is_valid().to_pylist()
    return [piece if valid else None for piece, valid in zip(pieces, present, strict=True)]


def separate_text(text: str) -> str:
    """Do for one text what ``separate_words`` does for many."""
    if text.isascii():
        return text.translate(_ASCII_CODES)
    (separated,) = separate_words(pa.array([text], pa.large_string()))
    return separated or ""


def analyze(analyzer: TextAnalyzer, separated: str) -> Iterator[Token]:
    """Yield the tokens of one text that ``separate_words`` returned.

    Words that are removed (stop words, over-long ones) leave a gap in the positions.
    """
    inserted = counted_to = 0
    for token in analyzer.pre_tokenize(separated).tokens:
        start, end = token.char_offset_from, token.char_offset_to
        inserted += separated.count(chr(_INSERTED), counted_to, start)
        counted_to = start
        yield Token(token.position, token.text, start - inserted, end - inserted)


def _separate_codes(data: bytes, offsets: Ints) -> tuple[str, Ints]:
    """Separate the words of consecutive texts.

    Args:
        data: UTF-8.
        offsets: of the texts, and of the end, in bytes.

    Returns:
        The separated texts, one after another, and their offsets in characters.
    """
    continues_character = (np.frombuffer(data, np.uint8) & 0xC0) == _CONTINUATION
    starts = _counts(~continues_character)[offsets]
    codes = np.frombuffer(data.decode().encode("utf-32-le"), np.uint32)
    known = np.minimum(codes, _CODES - 1)
    kinds, folded = _KINDS[known], _FOLDED[known]
    # A mark belongs to the character before it, if its text has one.
    is_first = np.zeros(len(codes) + 1, np.bool_)
    is_first[starts] = True
    places = np.arange(len(codes))
    bearers = np.maximum.accumulate(np.where((kinds != _MARK) | is_first[:-1], places, 0))
    is_alone = kinds[bearers] == _ALONE
    needs_space = bearers == places
    needs_space[1:] &= is_alone[1:] | is_alone[:-1]
    needs_space[:1] &= is_alone[:1]
    inserted = _counts(needs_space)
    separated = np.full(len(codes) + inserted[-1], _INSERTED, np.uint32)
    separated[places + inserted[1:]] = np.where(kinds == _GAP, _SPACE, folded)
    return separated.tobytes().decode("utf-32-le"), starts + inserted[starts]


def _counts(flags: npt.NDArray[np.bool_]) -> Ints:
    """Return how many are set before each place, and in all."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(flags, dtype=np.int64)))

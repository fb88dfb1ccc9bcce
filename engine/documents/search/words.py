"""A text that documents are searched for: its words, and the queries that find them.

A word is found as it is written or by its stem, with typing errors when it is long enough, and the last
one also as a beginning. Entries with any of the words are found; each counts with its BM25 scores,
names and titles more, and besides these a little when it is found as written or nearly so. So of two
entries that differ in nothing else, the one that has the word itself ranks above one with an error. A word
that makes a text a question (how, what) counts in texts alone: in a title it would outweigh what is asked about.

``"several words"`` between quotes are found together and without errors. Nothing is a syntax error. The
trap: the words of the index are stems, so errors and beginnings are sought among the words as written,
which are indexed besides: see ``entry_words``.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import tantivy
from tantivy import Occur, Query

from engine.documents.search.entry_words import BODY, HEAD
from engine.documents.segments.columns import ENTRY_TEXTS
from engine.indexes.analyzers import Token, analyze, separate_text
from engine.indexes.bm25 import field_of
from engine.indexes.word_forms import word_forms

WORDS_MAX = 128
"""Words of a text beyond these are left out."""
_LENIENT_MAX = 10
"""Errors are allowed in so many of the words: each costs a walk through all there are."""
_ONE_ERROR_CHARS, _TWO_ERRORS_CHARS = 5, 9
_WEIGHTS = {"name": 3.0, "title": 3.0, "description": 1.5, "text": 1.0, "metadata": 1.0}
_AS_WRITTEN = {HEAD: 0.9, BODY: 0.7}
_BEGINNING = {HEAD: 0.6, BODY: 0.5}
_ONE_ERROR = {HEAD: 0.45, BODY: 0.35}
_TWO_ERRORS = {HEAD: 0.25, BODY: 0.15}
_ASKING = {
    "english": frozenset(
        """how what when where why who whom whose which do does did has have had am were been being
        i me my we us our you your he she his her them would could should""".split()  # noqa: SIM905 - to be read
    )
}
_LEXEME = re.compile(r'"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+)|"')
_HAS_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class SoughtWord:
    """A word to find.

    Attributes:
        written: in small letters without accents.
        stem: None when the language has it in every text.
        errors: typing errors it may have.
        is_beginning: whether a longer word will do.
        in_text: whether it counts in texts alone.
    """

    written: str
    stem: str | None
    errors: int = 0
    is_beginning: bool = False
    in_text: bool = False


@dataclass(frozen=True, slots=True)
class SoughtPhrase:
    """Words to find next to each other; ``stems`` have their places, ``written`` is the text itself."""

    written: str
    stems: tuple[tuple[int, str], ...]


Sought = SoughtWord | SoughtPhrase


def read_words(text: str, language: str) -> list[Sought]:
    """Read what a text seeks, at most ``WORDS_MAX`` words and phrases.

    Words that the language has in every text are left out, unless there are no others; those that ask
    count in texts alone, with the same exception.
    """
    found = list(_distinct(text, language))[:WORDS_MAX]
    telling = [each for each in found if isinstance(each, SoughtPhrase) or each.stem is not None]
    kept = telling or found
    if kept and isinstance(kept[-1], SoughtWord) and kept[-1] is found[-1]:
        is_typed = not text.endswith((" ", '"'))
        kept[-1] = replace(kept[-1], is_beginning=is_typed)
    kept[_LENIENT_MAX:] = [
        replace(each, errors=0) if isinstance(each, SoughtWord) else each
        for each in kept[_LENIENT_MAX:]
    ]
    asking = _ASKING.get(language, frozenset())
    if all(each.written in asking for each in kept):
        return kept
    return [
        replace(each, in_text=True)
        if isinstance(each, SoughtWord) and each.written in asking
        else each
        for each in kept
    ]


def words_query(schema: tantivy.Schema, sought: Sequence[Sought]) -> Query:
    """Find entries that have any of the words, the best first."""
    parts: list[Query] = []
    for each in sought:
        if isinstance(each, SoughtWord) and each.in_text:
            ways = [*_in_texts(schema, each)]
        else:
            ways = [*_by_stems(schema, each), *_as_written(schema, each)]
        parts.append(_any(ways))
    return _any(parts)


def text_query(schema: tantivy.Schema, sought: Sought) -> Query:
    """Find entries whose text has a word or a phrase; the score says nothing."""
    return Query.const_score_query(_any([*_in_texts(schema, sought)]), 0.0)


def _in_texts(schema: tantivy.Schema, sought: Sought) -> Iterator[Query]:
    yield from _by_stems(schema, sought, ("text",))
    yield from _as_written(schema, sought, (BODY,))


def errors_allowed(word: str) -> int:
    """Say how many typing errors a word may have.

    >>> [errors_allowed(word) for word in ("gene", "genes", "genetics", "geneticists", "covid19")]
    [0, 1, 1, 2, 0]
    """
    if len(word) < _ONE_ERROR_CHARS or _HAS_DIGIT.search(word):
        return 0
    return 1 if len(word) < _TWO_ERRORS_CHARS else 2


def _distinct(text: str, language: str) -> Iterator[Sought]:
    encodable = text.encode("utf-8", "replace").decode()
    seen: set[Sought] = set()
    forms = word_forms(language)
    for lexeme in _LEXEME.finditer(encodable):
        given = lexeme["phrase"] or lexeme["word"] or ""
        separated = separate_text(given)
        folded = list(analyze(forms.folding, separated))
        stems = {token.start: token for token in analyze(forms.stemming, separated)}
        is_phrase = lexeme["phrase"] is not None or any(_stands_alone(token) for token in folded)
        for each in _sought(given, folded, stems, is_phrase=is_phrase and len(folded) > 1):
            if each not in seen:
                seen.add(each)
                yield each


def _sought(
    given: str, folded: Sequence[Token], stems: dict[int, Token], *, is_phrase: bool
) -> Iterator[Sought]:
    if is_phrase:
        first = min((token.position for token in stems.values()), default=0)
        words = tuple((token.position - first, token.text) for token in stems.values())
        if words:
            yield SoughtPhrase(given.strip(), words)
        return
    for token in folded:
        stem = stems.get(token.start)
        errors = errors_allowed(token.text)
        yield SoughtWord(token.text, None if stem is None else stem.text, errors)


def _stands_alone(token: Token) -> bool:
    """Tell whether a token is a character of a language without spaces."""
    return len(token.text) == 1 and not token.text.isascii()


def _by_stems(
    schema: tantivy.Schema, sought: Sought, columns: Sequence[str] = ENTRY_TEXTS
) -> Iterator[Query]:
    for column in columns:
        field = field_of(ENTRY_TEXTS.index(column))
        if isinstance(sought, SoughtPhrase) and len(sought.stems) > 1:
            query = Query.phrase_query(schema, field, list(sought.stems))
        else:
            stem = sought.stems[0][1] if isinstance(sought, SoughtPhrase) else sought.stem
            if stem is None:
                return
            query = Query.term_query(schema, field, stem, "freq")
        yield Query.boost_query(query, _WEIGHTS[column])


def _as_written(
    schema: tantivy.Schema, sought: Sought, fields: Sequence[str] = (HEAD, BODY)
) -> Iterator[Query]:
    """Yield one query at most: the best of the ways to find a word as it is written."""
    if isinstance(sought, SoughtPhrase):
        return
    word = sought.written
    ways: list[Query] = []
    for field in fields:
        exact = Query.term_query(schema, field, word, "basic")
        ways.append(Query.const_score_query(exact, _AS_WRITTEN[field]))
        if sought.is_beginning:
            begins = Query.fuzzy_term_query(schema, field, word, 0, prefix=True)
            ways.append(Query.const_score_query(begins, _BEGINNING[field]))
        for errors in range(1, sought.errors + 1):
            near = Query.fuzzy_term_query(schema, field, word, errors)
            weights = _ONE_ERROR if errors == 1 else _TWO_ERRORS
            ways.append(Query.const_score_query(near, weights[field]))
    yield Query.disjunction_max_query(ways)


def _any(queries: Sequence[Query]) -> Query:
    return Query.boolean_query([(Occur.Should, query) for query in queries])

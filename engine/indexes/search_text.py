r"""A user's search text as a small tree.

=====================  ===================================================================
``salt lake``          either word in any searched column; both score higher
``"salt lake"~2``      the words in this order; with ``~2`` up to two places off
``+salt -lake``        must be there, must not
``title:salt``         in this column; also ``"my title":salt``, ``title:(salt lake)``
``sal*``               words that begin so
``sult~``, ``sult~2``  words one edit away, or two
``salt AND NOT lake``  the operators of logic, in capitals; AND binds closer than OR
``(salt lake)^2``      parentheses; the weight of a word, phrase or group
=====================  ===================================================================

The invariant: no text is an error except by its size. What breaks the syntax is read as plain text.
"""

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

from engine.errors import InvalidRequest

CLAUSES_MAX = 1024
LEXEMES_MAX = 4 * CLAUSES_MAX
DEPTH_MAX = 64
EDITS_MAX = 2


class Match(Enum):
    """How the words of a term are sought."""

    TEXT = "text"
    PREFIX = "prefix"
    FUZZY = "fuzzy"


class Occur(Enum):
    """How a clause takes part in its group."""

    SHOULD = ""
    MUST = "+"
    MUST_NOT = "-"


@dataclass(frozen=True, slots=True)
class Term:
    """A word or phrase, sought in one column, or in all that are searched (``column`` is None).

    Attributes:
        distance: places that words of a phrase may be off, or edits of a fuzzy word.
    """

    text: str
    column: str | None = None
    match: Match = Match.TEXT
    distance: int = 0
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a group."""

    occur: Occur
    part: "Term | Group"


@dataclass(frozen=True, slots=True)
class Group:
    """Finds what has all of MUST and none of MUST_NOT; without MUST, at least one of SHOULD."""

    clauses: tuple[Clause, ...] = ()
    weight: float = 1.0


def parse(text: str, columns: Container[str]) -> Group:
    """Read a search text.

    Args:
        text: anything.
        columns: the names that may stand before a colon.

    Raises:
        InvalidRequest: more than ``CLAUSES_MAX`` words and phrases, more than ``LEXEMES_MAX`` of
            these with signs and parentheses, or parentheses nested deeper than ``DEPTH_MAX``.
    """
    encodable = text.encode("utf-8", "replace").decode()
    lexemes = _lexemes(encodable.translate(_QUOTES_OF_PHONES), columns)
    return _Parser(_with_partners(list(lexemes))).group(None)


def terms(tree: Group, *, wanted: bool = True) -> Iterator[tuple[Term, bool]]:
    """Yield each term, and whether finding it is wanted or excludes."""
    for clause in tree.clauses:
        part_wanted = wanted != (clause.occur is Occur.MUST_NOT)
        if isinstance(clause.part, Group):
            yield from terms(clause.part, wanted=part_wanted)
        else:
            yield clause.part, part_wanted


def too_long(limit: str) -> InvalidRequest:
    """Say that a search is longer than a limit."""
    return InvalidRequest(f"A search may have at most {limit}. Search for fewer words.")


@dataclass(frozen=True, slots=True)
class _Open:
    occur: Occur
    column: str | None


@dataclass(frozen=True, slots=True)
class _Close:
    weight: float


@dataclass(frozen=True, slots=True)
class _Word:
    """A term, perhaps an operator: one that joins nothing is a word like any other."""

    term: Term
    occur: Occur = Occur.SHOULD
    operator: str | None = None


_Lexeme: TypeAlias = _Open | _Close | _Word


def _weight_named(name: str) -> str:
    return rf"(?:\^(?P<{name}>\d{{1,4}}(?:\.\d{{1,4}})?))?"


_GAP = r"\s\x00-\x1f\x7f-\x9f"
_BEGINS = rf"(?:\A|(?<=[{_GAP}(]))"
_LEXEME = re.compile(
    rf"""
      {_BEGINS} (?P<operator>AND|OR|NOT) (?=[{_GAP}(]|\Z)
    | (?P<sign>{_BEGINS}[+-](?![+-]))?
      (?: (?P<column>[^{_GAP}():"]++): | "(?P<quoted_column>[^"]*+)": )?
      (?: (?P<open>\()
        | "(?P<phrase>[^"]*+)" (?:~(?P<slop>\d{{1,3}}))? {_weight_named("phrase_weight")}
        | (?P<word>[^{_GAP}()"]++) )
    | (?P<close>\)) {_weight_named("group_weight")}
    | (?P<gap>[{_GAP}]++)
    | "
    """,
    re.VERBOSE,
)
_ENDING = re.compile(rf"(?:(?P<prefix>\*)|~(?P<edits>\d?))?{_weight_named('weight')}\Z")
_ENDING_CHARS_MAX = len("~2^1234.1234")
_SAYS_SOMETHING = re.compile(r"[^\W_]")
_QUOTES_OF_PHONES = str.maketrans(dict.fromkeys("\u201c\u201d\u201e", '"'))


def _lexemes(text: str, columns: Container[str]) -> Iterator[_Lexeme]:
    """Yield what says something."""
    at = count = word_count = 0
    while at < len(text):
        found = _LEXEME.match(text, at)
        assert found is not None
        lexeme, at = _lexeme(found, columns)
        count += found["gap"] is None
        if isinstance(lexeme, _Word) and not _SAYS_SOMETHING.search(lexeme.term.text):
            lexeme = None
        word_count += isinstance(lexeme, _Word) and lexeme.operator is None
        if word_count > CLAUSES_MAX or count > LEXEMES_MAX:
            limit = f"{CLAUSES_MAX:,} words and phrases, and {LEXEMES_MAX:,} parts with all signs"
            raise too_long(limit)
        if lexeme is not None:
            yield lexeme


def _lexeme(found: re.Match[str], columns: Container[str]) -> tuple[_Lexeme | None, int]:
    """Return what was found, and where to read on."""
    occur, end = Occur(found["sign"] or ""), found.end()
    named = "column" if found["quoted_column"] is None else "quoted_column"
    column = found[named]
    if column is None or column in columns:
        return _known_lexeme(found, occur, column), end
    if named == "column" and found["word"] is not None:  # http://here
        return _word(found.string[found.start("column") : end], occur, None), end
    end_of_name = found.string.index(":", found.end(named))
    return _Word(Term(column), occur), end_of_name


def _known_lexeme(found: re.Match[str], occur: Occur, column: str | None) -> _Lexeme | None:
    if found["operator"] is not None:
        return _Word(Term(found["operator"]), operator=found["operator"])
    if found["open"] is not None:
        return _Open(occur, column)
    if found["close"] is not None:
        return _Close(float(found["group_weight"] or 1))
    if found["phrase"] is not None:
        slop, weight = int(found["slop"] or 0), float(found["phrase_weight"] or 1)
        return _Word(Term(found["phrase"], column, Match.TEXT, slop, weight), occur)
    return None if found["word"] is None else _word(found["word"], occur, column)


def _word(text: str, occur: Occur, column: str | None) -> _Word:
    """Read the end of a word: a star, edits, a weight."""
    ending = _ENDING.search(text, max(0, len(text) - _ENDING_CHARS_MAX))
    assert ending is not None
    edits = min(int(ending["edits"] or 1), EDITS_MAX) if ending["edits"] is not None else 0
    match = Match.PREFIX if ending["prefix"] else Match.FUZZY if edits else Match.TEXT
    weight = float(ending["weight"] or 1)
    return _Word(Term(text[: ending.start()], column, match, edits, weight), occur)


def _with_partners(lexemes: Sequence[_Lexeme]) -> list[_Lexeme]:
    """Drop the parentheses without a partner."""
    opened: list[int] = []
    paired: set[int] = set()
    for index, lexeme in enumerate(lexemes):
        if isinstance(lexeme, _Open):
            opened.append(index)
        elif isinstance(lexeme, _Close) and opened:
            paired |= {opened.pop(), index}
    kept = [each for at, each in enumerate(lexemes) if isinstance(each, _Word) or at in paired]
    depth = 0
    for lexeme in kept:
        depth += isinstance(lexeme, _Open) - isinstance(lexeme, _Close)
        if depth > DEPTH_MAX:
            raise InvalidRequest(
                f"A search may have parentheses at most {DEPTH_MAX} deep. Use fewer of them."
            )
    return kept


class _Parser:
    """Walks over lexemes; each pair of parentheses is one level of recursion."""

    def __init__(self, lexemes: Sequence[_Lexeme]) -> None:
        self._lexemes = lexemes
        self._at = 0

    def group(self, column: str | None) -> Group:
        """Read up to the closing parenthesis, or the end; its words are sought in the column."""
        runs: list[list[Clause]] = []  # each joined by AND
        weight = 1.0
        while self._at < len(self._lexemes):
            lexeme = self._take()
            if isinstance(lexeme, _Close):
                weight = lexeme.weight
                break
            joiner = _operator(lexeme) if runs and self._operand_follows() else None
            if joiner in {"AND", "OR"}:
                lexeme = self._take()
            clause = self._clause(lexeme, column)
            if clause is None:
                continue
            if joiner == "AND":
                runs[-1].append(clause)
            elif joiner == "OR" and clause.occur is Occur.MUST_NOT:
                runs.append([Clause(Occur.SHOULD, Group((clause,)))])
            else:
                runs.append([clause])
        if len(runs) == 1:
            return Group(_all_of(runs[0]), weight)
        clauses = (
            run[0] if len(run) == 1 else Clause(Occur.SHOULD, Group(_all_of(run))) for run in runs
        )
        return Group(tuple(clauses), weight)

    def _clause(self, lexeme: _Lexeme, column: str | None) -> Clause | None:
        """Read an operand that begins with the lexeme; None if it is an empty group."""
        assert not isinstance(lexeme, _Close)
        occur = lexeme.occur
        if _operator(lexeme) == "NOT" and self._is_operand(self._at):
            lexeme, occur = self._take(), Occur.MUST_NOT
        if isinstance(lexeme, _Open):
            group = self.group(column if lexeme.column is None else lexeme.column)
            return Clause(occur, group) if group.clauses else None
        assert isinstance(lexeme, _Word)
        term = lexeme.term
        return Clause(occur, term if term.column is not None else replace(term, column=column))

    def _take(self) -> _Lexeme:
        self._at += 1
        return self._lexemes[self._at - 1]

    def _operand_follows(self) -> bool:
        if self._at >= len(self._lexemes):
            return False
        negated = _operator(self._lexemes[self._at]) == "NOT"
        return self._is_operand(self._at + negated)

    def _is_operand(self, at: int) -> bool:
        if at >= len(self._lexemes):
            return False
        lexeme = self._lexemes[at]
        return not isinstance(lexeme, _Close) and _operator(lexeme) is None


def _operator(lexeme: _Lexeme) -> str | None:
    return lexeme.operator if isinstance(lexeme, _Word) else None


def _all_of(run: Sequence[Clause]) -> tuple[Clause, ...]:
    if len(run) == 1:
        return tuple(run)
    demanded = {Occur.SHOULD: Occur.MUST}
    return tuple(replace(each, occur=demanded.get(each.occur, each.occur)) for each in run)

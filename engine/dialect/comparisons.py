"""Comparisons of Postgres that DataFusion lacks or answers otherwise: ANY and ALL, SYMMETRIC, ESCAPE, SIMILAR TO."""

import re
from collections.abc import Iterator

from engine.dialect.json_values import json_kind
from engine.dialect.lexer import TEXT_CHARS_MAX, Kind, Piece, items_of, joined, text_of, written
from engine.dialect.literals import is_plain_string, quoted, string_value
from engine.dialect.operators import text_array
from engine.dialect.tree import neighbours, read_tree
from engine.dialect.using import first_table
from engine.dialect.words import is_name, is_operand
from engine.errors import SqlInvalid, SqlTooComplex

_COMPARISONS = frozenset({"=", "<>", "!=", "<", ">", "<=", ">="})
_ORDERS = frozenset({"<", ">", "<=", ">="})
_QUANTIFIERS = frozenset({"any", "some", "all"})
_LIKES = frozenset({"like", "ilike"})
_NULL = re.compile(r"\bNULL\b", re.IGNORECASE)
_INTEGER = re.compile(r"\s*-?\d+\s*")


def write_comparisons(pieces: list[Piece]) -> list[Piece]:
    """Rewrite the comparisons of a level whose operands are folded.

    Raises:
        SqlInvalid: one that DataFusion would answer wrongly, or cannot read.
    """
    out: list[Piece] = []
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        words = [each.word for each in pieces[at : at + 2]]
        if piece.word in _COMPARISONS and words[-1] in _QUANTIFIERS:
            at = _quantified(out, pieces, at)
        elif words in (["similar", "to"], ["between", "symmetric"]) or piece.word in _LIKES:
            write = _similar if piece.word == "similar" else _between
            at = (_like if piece.word in _LIKES else write)(out, pieces, at)
        elif piece.word in _ORDERS and out and json_kind(out[-1].text) == "jsonb":
            raise SqlInvalid(
                "Values of jsonb have no order here: take a number or a text out of them."
            )
        elif words == ["distinct", "from"] and _ends_in_is(out):
            at = _distinct_from(out, pieces, at)
        elif words == ["not", "in"] and _begins(pieces, at + 2, "select"):
            _check_not_in(pieces[at + 2])
            out += pieces[at : at + 3]
            at += 3
        elif piece.word == "in" and _begins(pieces, at + 1, "values"):
            is_tuple = bool(out) and out[-1].is_round and len(items_of(out[-1])) > 1
            out += [piece, pieces[at + 1] if is_tuple else _as_query(pieces[at + 1])]
            at += 2
        else:
            if piece.word in ("isnull", "notnull") and out and is_operand(out[-1]):
                is_null = "IS NULL" if piece.word == "isnull" else "IS NOT NULL"
                piece = Piece(Kind.MARK, is_null, piece.gap or " ", is_changed=True)
            out.append(piece)
            at += 1
    return out


def _ends_in_is(out: list[Piece]) -> bool:
    words = [piece.word for piece in out[-2:]]
    return words[-1:] == ["is"] or words == ["is", "not"]


def _distinct_from(out: list[Piece], pieces: list[Piece], at: int) -> int:
    """``a IS DISTINCT FROM b AND c``: DataFusion takes all that follows FROM for its right side."""
    end = at + 2
    while end < len(pieces) and (is_operand(pieces[end]) or pieces[end].word in _COMPARISONS):
        end += 1
    if end == len(pieces) or pieces[end].word not in ("and", "or"):
        out.append(pieces[at])
        return at + 1
    start = len(out) - (1 if out[-1].word == "is" else 2)
    while start and (is_operand(out[start - 1]) or out[start - 1].word in _COMPARISONS):
        start -= 1
    whole = joined([*out[start:], *pieces[at:end]])
    del out[start:]
    out.append(written(f"({whole.text})", whole.gap))
    return end


def _as_query(rows: Piece) -> Piece:
    """``(VALUES (1), (2))`` as a query of one column."""
    return written(f"(SELECT column1 FROM {rows.text})", rows.gap)  # noqa: S608 - of the statement itself


def _check_not_in(query: Piece) -> None:
    """DataFusion looks for NULLs in all rows of a correlated subquery, not in those of one row outside."""
    tables: set[str] = set()
    outside: set[str] = set()
    for before, piece, after in _names_in(query):
        if after != "." or before in ("from", "join"):
            tables.add(piece.name)
        elif before != ".":
            outside.add(piece.name)
    if not outside <= tables:
        raise SqlInvalid(
            "NOT IN with a correlated subquery is not supported, as rows would be lost. Use NOT EXISTS."
        )


def _names_in(query: Piece) -> Iterator[tuple[str, Piece, str]]:
    """The names in a subquery, with the words at their sides."""
    found = neighbours(read_tree(query.text[1:-1]) or [])
    return (each for each in found if is_name(each[1], None))


def _begins(pieces: list[Piece], at: int, *words: str) -> bool:
    """Whether a piece is in brackets, and begins with one of some words."""
    group = pieces[at] if at < len(pieces) else None
    return (
        group is not None
        and group.is_round
        and group.inner[:1] != []
        and (group.inner[0].word in words)
    )


def _quantified(out: list[Piece], pieces: list[Piece], at: int) -> int:
    """``x = ANY (…)``: of a query, or of an array that may be a literal of Postgres."""
    operator, quantifier = pieces[at], pieces[at + 1]
    group = pieces[at + 2] if at + 2 < len(pieces) else None
    end = at + 3
    if _begins(pieces, at + 2, "select", "with", "values") and group is not None:
        is_in = operator.text == "=" and quantifier.word != "all"
        if is_in or (operator.text in ("<>", "!=") and quantifier.word == "all"):
            word = "IN" if is_in else "NOT IN"
            is_values = _begins(pieces, at + 2, "values")
            out += [
                Piece(Kind.MARK, word, operator.gap or " ", is_changed=True),
                _as_query(group) if is_values else group,
            ]
            return end
        comparison = f"{operator.text} {quantifier.text.upper()} (SELECT …)"
        _qualify(out, pieces, comparison)
        inside = {piece.name for _, piece, after in _names_in(group) if after != "."}
        if out and out[-1].text.partition(".")[0].strip('"') in inside:
            raise SqlInvalid(f"The table before {comparison} needs an alias of its own here.")
    elif group is not None and group.is_round and len(group.inner) == 1:
        inner = group.inner[0]
        if inner.kind is Kind.STRING:
            group = written(f"({_array(inner)})", group.gap)
        if operator.text == "=" and quantifier.word != "all" and _NULL.search(group.text) and out:
            value = (
                out.pop()
            )  # ANY of DataFusion is false where a NULL leaves it open, its ALL is not
            test = f"(NOT ({value.text} <> ALL {group.text}))"
            out.append(written(test, value.gap))
        else:
            out += [operator, quantifier, group]
        return end
    out.append(operator)
    return at + 1


def _qualify(out: list[Piece], pieces: list[Piece], comparison: str) -> None:
    """Give a bare column its table: DataFusion would look for it in the subquery first."""
    value = out[-1] if out else None
    if value is None:
        return
    if not is_name(value, None):
        names = neighbours(read_tree(value.text) or [])
        if any(is_name(piece, None) and "." not in (b, a) and a != "(" for b, piece, a in names):
            raise SqlInvalid(f"Columns before {comparison} need the name of their table here.")
        return
    words = [piece.word for piece in pieces]
    table = first_table(pieces, words.index("from") + 1) if "from" in words else None
    if table is None or not {"join", ","}.isdisjoint(words[words.index("from") :]):
        raise SqlInvalid(f"The column before {comparison} needs the name of its table here.")
    value.text, value.word = f"{table.text}.{value.text}", ""


def _array(literal: Piece) -> str:
    """A literal of an array: of integers when all in it are."""
    inside = string_value(literal).strip()[1:-1] if is_plain_string(literal) else ""
    items = inside.split(",")
    if all(map(_INTEGER.fullmatch, items)):
        return f"make_array({', '.join(item.strip() for item in items)})"
    return text_array(literal)


def _like(out: list[Piece], pieces: list[Piece], at: int) -> int:
    """``LIKE ANY (ARRAY[…])`` and ``LIKE … ESCAPE '!'``."""
    like = pieces[at]
    after = pieces[at + 1] if at + 1 < len(pieces) else None
    if after is None or not out:
        out.append(like)
        return at + 1
    if after.word in _QUANTIFIERS and at + 2 < len(pieces):
        return _like_any(out, pieces, at)
    escape = pieces[at + 3] if at + 3 < len(pieces) and pieces[at + 2].word == "escape" else None
    if escape is None or not is_plain_string(escape):
        out.append(like)
        return at + 1
    mark = string_value(escape)
    if not is_plain_string(after):
        out += [like, written(_with_backslashes(after.text, mark), after.gap)]
        return at + 4
    pattern = string_value(after)
    if mark != "\\":
        pattern = pattern.replace("\\", "\\\\")
    if len(mark) == 1 and mark != "\\":
        pattern = re.sub(re.escape(mark) + "(.)", r"\\\1", pattern, flags=re.DOTALL)
    out += [like, written(quoted(pattern), after.gap)]
    return at + 4


def _with_backslashes(pattern: str, mark: str) -> str:
    """Write a pattern that is no literal with another escape character."""
    steps = [("\\", "\\\\")]
    if len(mark) == 1 and mark != "\\":
        steps += [(mark * 2, "\x01"), (mark, "\\"), ("\x01", mark)]
    for found, instead in steps if mark != "\\" else ():
        pattern = f"replace({pattern}, {quoted(found)}, {quoted(instead)})"
    return pattern


def _like_any(out: list[Piece], pieces: list[Piece], at: int) -> int:
    like, quantifier, group = pieces[at : at + 3]
    array = read_tree(group.text[1:-1]) or []
    is_not = out[-1].word == "not"
    value = out[-2 if is_not else -1]
    if [piece.word for piece in array[:1]] != ["array"] or not array[1].is_square:
        raise SqlInvalid(f"{like.text.upper()} {quantifier.text.upper()} needs ARRAY['…', …] here.")
    word = "NOT " + like.text if is_not else like.text
    if len(value.text) * array[1].text.count(",") > TEXT_CHARS_MAX:
        raise SqlTooComplex("The SQL compares too long a text with too many patterns.")
    tests = [f"{value.text} {word} {text_of(item).strip()}" for item in items_of(array[1])]
    del out[-2 if is_not else -1 :]
    joiner = " AND " if quantifier.word == "all" else " OR "
    out.append(written(f"({joiner.join(tests)})", value.gap))
    return at + 3


def _between(out: list[Piece], pieces: list[Piece], at: int) -> int:
    """``x [NOT] BETWEEN SYMMETRIC a AND b``, where a NULL may leave open what is true."""
    bounds = pieces[at + 2 : at + 5]
    is_not = bool(out) and out[-1].word == "not"
    if is_not:
        out.pop()
    is_whole = len(bounds) == len(["a", "and", "b"]) and bounds[1].word == "and"
    if not is_whole or not out or not is_operand(out[-1]):
        raise SqlInvalid(
            "BETWEEN SYMMETRIC needs a value before it, and two bounds with AND between."
        )
    value, low, high = out.pop(), bounds[0].text, bounds[2].text
    test = " OR ".join(
        f"{value.text} BETWEEN {one} AND {other}" for one, other in ((low, high), (high, low))
    )
    out.append(written(f"({'NOT ' if is_not else ''}({test}))", value.gap))
    return at + 5


def _similar(out: list[Piece], pieces: list[Piece], at: int) -> int:
    """``x [NOT] SIMILAR TO p``: DataFusion reads p as a regular expression found anywhere."""
    pattern = pieces[at + 2] if at + 2 < len(pieces) else None
    is_not = bool(out) and out[-1].word == "not"
    if is_not:
        out.pop()
    if pattern is None or not out or not is_operand(out[-1]) or not is_operand(pattern):
        raise SqlInvalid("SIMILAR TO needs a text on its left and a pattern on its right.")
    if at + 3 < len(pieces) and pieces[at + 3].word == "escape":
        raise SqlInvalid("SIMILAR TO with ESCAPE is not supported.")
    text = out.pop()
    call = f"similar_to({text.text}, {pattern.text})"
    out.append(written(f"(NOT {call})" if is_not else call, text.gap))
    return at + 3

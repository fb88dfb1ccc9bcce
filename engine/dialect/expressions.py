"""Folds the pieces of one level into operands, from the tightest binding outwards, and writes them for DataFusion.

Brackets are read from the innermost outwards, so whatever a call or an operator is written for is already
rewritten. There is no grammar of statements: what no operand is stays between operands as it is.
"""

import re
from collections.abc import Collection

from engine.dialect import casts, operators
from engine.dialect.calls import written_call
from engine.dialect.clauses import write_clauses
from engine.dialect.comparisons import write_comparisons
from engine.dialect.lexer import Kind, Piece, joined, text_of, written
from engine.dialect.literals import number
from engine.dialect.words import is_name, is_operand
from engine.errors import SqlInvalid

# The longest slice: a bound that no list has.
_LAST_ITEM = "2147483647"
# The order of texts here is that of their bytes.
_BYTE_ORDERS = frozenset({"C", "c", "POSIX", "posix", "default", "C.UTF-8"})
_TIMESTAMPTZ = r"(?:timestamptz|timestamp\s+with\s+time\s+zone)"
_ZONED = re.compile(
    rf"{_TIMESTAMPTZ}\s*'[^']*'|.*::\s*{_TIMESTAMPTZ}|CAST\(.* AS {_TIMESTAMPTZ}\)|"
    r"(?:now|clock_timestamp|statement_timestamp|transaction_timestamp)\(\)|current_timestamp",
    re.IGNORECASE | re.DOTALL,
)
_OFFSET = re.compile(r"'\s*[-+]?\d")
_END = Piece(Kind.MARK, "")
_AT_TIME_ZONE = ["at", "time", "zone"]
_BARE = {
    "localtimestamp": "CAST(now() AS TIMESTAMP)",
    "localtime": "CAST(now() AS TIME)",
}
"""Words that are values of Postgres, and what DataFusion has for them."""


def folded(level: list[Piece]) -> list[Piece]:
    """Fold a level.

    Raises:
        SqlInvalid: something of Postgres that would be answered wrongly.
    """
    pieces = _primaries([*level, _END, _END])
    return write_clauses(write_comparisons(_operations(pieces)))


def _primaries(level: list[Piece]) -> list[Piece]:
    """Fold names with dots, calls, literals with a type, casts, subscripts and AT TIME ZONE."""
    out: list[Piece] = []
    clause = ""
    at = 0
    while at < len(level) - 2:
        piece = level[at]
        before = out[-1] if out else None
        clause = _clause_at(piece, clause)
        value, after = piece, at + 1
        if piece.kind is Kind.NUMBER and (digits := number(piece.text)) is not None:
            value = written(digits, piece.gap)
        elif piece.kind is Kind.STRING and before is not None and before.kind is Kind.STRING:
            out[-1] = _continued(before, piece)
            at = after
            continue
        if is_name(piece, level[after]):
            value, after = _name(level, at, clause, is_alias=_is_alias_place(out))
        elif not is_operand(piece) or piece.kind is Kind.OPERATOR:
            out.append(piece)
            at = after
            continue
        value, at = _postfixes(value, level, after)
        out.append(value)
    return out


def _is_alias_place(out: list[Piece]) -> bool:
    """Whether a name behind these pieces is an alias: behind AS, and behind an operand without a word between."""
    if [piece.word for piece in out[-3:-1]] == ["distinct", "on"]:
        return False
    return bool(out) and (out[-1].word == "as" or is_operand(out[-1]))


def _continued(first: Piece, second: Piece) -> Piece:
    """Two literals on two lines are one; on one line they are a mistake that DataFusion lets pass."""
    if "\n" not in second.gap:
        raise SqlInvalid(
            f"SQL parse error: expected no text behind a text, found {second.text[:60]}"
        )
    return Piece(Kind.STRING, first.text[:-1] + second.text[1:], first.gap)


def _sliced(group: Piece) -> Piece:
    """``[:2]`` and ``[3:]`` have both bounds for DataFusion, which counts what is negative from the end."""
    inner = group.inner
    words = [piece.word for piece in inner]
    is_before = bool(inner) and inner[0].is_prefixed
    if ":" not in words:
        # Before the first item there is none.
        return Piece(Kind.GROUP, "[0]", group.gap, is_changed=True) if is_before else group
    place = words.index(":")
    if 0 < place < len(inner) - 1 and not is_before:
        return group
    start = "1" if place == 0 or is_before else text_of(inner[:place])
    end = text_of(inner[place + 1 :]) or _LAST_ITEM
    return Piece(Kind.GROUP, f"[{start}:{end}]", group.gap, is_changed=True)


def _clause_at(piece: Piece, clause: str) -> str:
    """The clause a piece is in: functions of FROM are tables."""
    word = piece.word
    if word in ("select", "from", "where", "group", "having", "order", "on", "using"):
        return word
    if word == "join" or (word == "," and clause in ("on", "using")):
        return "from"
    return clause


def _name(level: list[Piece], start: int, clause: str, *, is_alias: bool) -> tuple[Piece, int]:
    """Read a name and what belongs to it: dots, the brackets of a call, a literal."""
    at = start + 1
    while level[at].word == "." and (
        is_operand(level[at + 1]) or level[at + 1].word == "*" or level[at + 1].kind is Kind.WORD
    ):
        at += 2
    name = level[at - 1]
    is_cte = level[at].is_round and level[at + 1].word == "as" and _is_query(level[at + 2])
    if level[at].is_round and not is_alias and not is_cte:
        return written_call(level, start, at, clause)
    if at > start + 1:
        return joined(level[start:at], name=name.name), at
    if name.word == "array" and level[at].is_square:
        return joined([name, level[at]], name="array"), at + 1
    if not is_alias:
        end = casts.type_end(level, start)
        if name.kind is Kind.WORD and level[end].kind is Kind.STRING:
            return _typed_literal(level, start, end)
        if name.word in _BARE:
            return written(_BARE[name.word], name.gap, name.word), at
    return name, at


def _is_query(piece: Piece) -> bool:
    """Whether a piece is the query of a WITH, or a word before it."""
    return piece.is_round or piece.word in ("materialized", "not")


def _typed_literal(level: list[Piece], start: int, at: int) -> tuple[Piece, int]:
    end = casts.literal_end(level, at)
    if end == at + 1:
        literal = level[at]
        literal.gap, gap = "", level[start].gap
        cast = casts.cast(literal, level[start:at])
        if cast is not None:
            cast.gap = gap
            return cast, end
        literal.gap = " "
    return joined(level[start:end], name=level[start].name), end


def _postfixes(value: Piece, level: list[Piece], at: int) -> tuple[Piece, int]:
    """Read what follows an operand and binds closer than any operator."""
    while True:
        piece, after = level[at], level[at + 1]
        if piece.word == "::":
            found = _cast(value, level, at)
        elif piece.is_square and value.kind is not Kind.STRING:
            found = joined([value, _sliced(piece)], name=value.name), at + 1
        elif piece.word == "collate" and after.name in _BYTE_ORDERS:
            found = written(value.text, value.gap, value.name), at + 2
        elif piece.word == "." and value.kind is Kind.GROUP and after.kind is Kind.WORD:
            found = joined([value, piece, after], name=after.name), at + 2
        elif piece.word == "at":
            found = _in_zone(value, level, at)
        else:
            return value, at
        if found[1] == at:
            return found
        value, at = found


def _cast(value: Piece, level: list[Piece], at: int) -> tuple[Piece, int]:
    """``x::type``."""
    end = casts.type_end(level, at + 1)
    if end == at + 1:
        return value, at
    cast = casts.cast(value, level[at + 1 : end])
    if cast is None:
        name = casts.column_name(value, level[at + 1 : end])
        cast = joined([value, *level[at:end]], name=name)
    return cast, end


def _in_zone(value: Piece, level: list[Piece], at: int) -> tuple[Piece, int]:
    """``x AT TIME ZONE 'z'``."""
    words = [piece.word for piece in level[at : at + 3]]
    if words != _AT_TIME_ZONE or not is_operand(level[at + 3]):
        return value, at
    zone, end = level[at + 3], at + 4
    while level[end].word == "::" and casts.type_end(level, end + 1) > end + 1:
        zone, end = _cast(zone, level, end)
    if _OFFSET.match(zone.text):
        raise SqlInvalid(
            "AT TIME ZONE takes the name of a zone here: offsets count west in Postgres."
        )
    is_zoned = _is_zoned(value)
    value = joined([value, *level[at : at + 3], zone], name="timezone")
    if is_zoned:
        value = written(f"to_local_time({value.text})", value.gap, value.name)
    return value, end


def _is_zoned(value: Piece) -> bool:
    """Whether a value is a timestamptz for certain: DataFusion leaves one of that type in AT TIME ZONE."""
    return _ZONED.fullmatch(value.text) is not None


def _operations(pieces: list[Piece]) -> list[Piece]:
    if not any(piece.kind is Kind.OPERATOR for piece in pieces):
        return pieces
    pieces = _prefixed(pieces, operators.SIGNS)
    for tier in operators.PRECEDENCE:
        if tier is None:  # of all others, one before its operand binds as one between two
            pieces = _prefixed(pieces, operators.PREFIXES)
        pieces = _folded_binaries(pieces, tier)
    return pieces


def _prefixed(pieces: list[Piece], wanted: Collection[str]) -> list[Piece]:
    """Fold operators before an operand, the last first."""
    out: list[Piece] = []  # backwards
    for place in range(len(pieces) - 1, -1, -1):
        piece = pieces[place]
        is_prefix = piece.kind is Kind.OPERATOR and not (place and is_operand(pieces[place - 1]))
        if is_prefix and piece.text in wanted and out and is_operand(out[-1]):
            operand = out.pop()
            value = operators.prefix(piece, operand)
            out.append(value or joined([piece, operand], is_prefixed=True))
        else:
            out.append(piece)
    return out[::-1]


def _folded_binaries(pieces: list[Piece], tier: frozenset[str] | None) -> list[Piece]:
    """Fold the operators of one precedence, from left to right; ``None`` is all that are left."""
    out: list[Piece] = []
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        is_wanted = piece.kind is Kind.OPERATOR and (
            piece.text not in operators.UNFOLDED if tier is None else piece.text in tier
        )
        right = pieces[at + 1] if at + 1 < len(pieces) else None
        if is_wanted and right is not None and out and is_operand(out[-1]) and is_operand(right):
            left = out.pop()
            value = operators.binary(left, piece, right) or joined([left, piece, right])
            out.append(value)
            at += 2
        else:
            out.append(piece)
            at += 1
    return out

"""Functions of FROM that give rows, and LATERAL over the table before, which DataFusion does not plan.

A function is given the names of columns that Postgres has. What names the table before it becomes columns of that
table: ``FROM t, unnest(t.a) AS x`` is ``FROM (SELECT t.*, unnest(t.a) AS x FROM t) AS t``, and ``x.x`` is ``t.x``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.dialect.call_table import SET_COLUMNS, SETS
from engine.dialect.lexer import Kind, Piece, items_of, text_of, written
from engine.dialect.tree import neighbours, read_tree, rewrite_group
from engine.dialect.words import LIST_ENDS, is_name, is_operand
from engine.errors import SqlInvalid
from engine.query.sql_text import quoted_name

_FUNCTIONS = SETS | {"unnest"}
_FROM_ENDS = LIST_ENDS - {"from"}
_JOINS = frozenset({"join", "cross", "inner", "left", "right", "full", "outer", "natural"})
_PLAIN = re.compile(r"[-+\d.\s]*|'[^']*'")
_WAY_OUT = "Write it as a join, or its columns into a subquery."


@dataclass
class _Relation:
    """One table of FROM, as it is written.

    Attributes:
        start: where it begins on its level, LATERAL included.
        end: where what is behind it begins.
        body: the name, the call or the subquery, without an alias.
        function: the name of the function that it is a call of; else empty.
        is_lateral: whether LATERAL is written.
        name: what it is called: by its alias, or else by its name.
        has_alias: whether an alias is written.
        columns: names behind the alias.
    """

    start: int
    end: int
    body: list[Piece]
    function: str = ""
    is_lateral: bool = False
    name: str = ""
    has_alias: bool = False
    columns: list[str] = field(default_factory=list)


def write_laterals(level: list[Piece]) -> list[Piece]:
    """Write the functions and laterals in FROM of one level.

    Raises:
        SqlInvalid: one of a form that DataFusion cannot plan.
    """
    words = [piece.word for piece in level]
    if "select" not in words or "from" not in words or not _may_change(level):
        return level
    at = 0
    while at < len(level):
        if level[at].word == "from" and at and level[at - 1].word != "distinct":
            level, at = _write_from(level, at + 1)
        else:
            at += 1
    return level


def _may_change(level: list[Piece]) -> bool:
    return any(piece.name in _FUNCTIONS or piece.word == "lateral" for piece in level)


def _write_from(level: list[Piece], at: int) -> tuple[list[Piece], int]:
    """Write the FROM whose first table is at ``at``; return where it ends."""
    first: _Relation | None = None
    count = 0
    join = ""
    while at < len(level):
        relation = _read(level, at)
        if relation is None:
            return level, at
        if first is not None and _is_over_columns(relation):
            if count > 1:
                raise SqlInvalid(f"LATERAL behind more than one table is not supported. {_WAY_OUT}")
            level, start, at = _merge(level, first, relation, join)
            first = _read(level, start)
        else:
            first = first or relation
            count += 1
            level, at = _name_columns(level, relation)
        join, at = _next(level, at)
        if not join:
            break
    return level, at


def _read(level: list[Piece], start: int) -> _Relation | None:
    at = start
    is_lateral = level[at].word == "lateral"
    at += is_lateral
    body_start = at
    function = name = ""
    if at < len(level) and level[at].is_round:
        at += 1
    elif at < len(level) and is_name(level[at], _at(level, at + 1)):
        name = level[at].name
        at += 1
        while at + 1 < len(level) and level[at].word == ".":
            name, at = level[at + 1].name, at + 2
        if at < len(level) and level[at].is_round:
            function, at = name, at + 1
    else:
        return None
    relation = _Relation(start, at, level[body_start:at], function, is_lateral, name)
    at += at < len(level) and level[at].word == "as"
    if at < len(level) and is_name(level[at], None) and level[at].word not in _JOINS:
        relation.name, relation.has_alias, at = level[at].name, True, at + 1
        if at < len(level) and level[at].is_round:
            relation.columns = [text_of(item).strip() for item in items_of(level[at])]
            at += 1
        relation.end = at
    return relation


def _at(level: list[Piece], place: int) -> Piece | None:
    return level[place] if place < len(level) else None


def _next(level: list[Piece], at: int) -> tuple[str, int]:
    """Return how the next table of FROM is joined, and where it begins; no word when there is none."""
    kinds: list[str] = []
    while at < len(level):
        word = level[at].word
        if word in (",", "join"):
            return " ".join([*kinds, word]), at + 1
        if word in _FROM_ENDS:
            return "", at
        kinds = [*kinds, word] if word in _JOINS else []
        at += 1
    return "", at


def _is_over_columns(relation: _Relation) -> bool:
    """Whether it is made of columns of the tables before it."""
    if relation.function in _FUNCTIONS:
        return any(
            is_name(piece, None) and before not in ("::", "as") and after != "("
            for before, piece, after in neighbours(relation.body[-1].inner)
            if piece.word not in ("array", "null", "true", "false", "interval", "date", "timestamp")
        )
    words = [piece.word for piece in relation.body[-1].inner]
    is_plain = not {*words} & (LIST_ENDS | {"distinct", "all"})
    return relation.is_lateral and words[:1] == ["select"] and is_plain


def _name_columns(level: list[Piece], relation: _Relation) -> tuple[list[Piece], int]:
    """Give the columns of a function their names."""
    if relation.function not in _FUNCTIONS:
        return level, relation.end
    after = _at(level, relation.end)
    if after is not None and after.word == "with":
        raise SqlInvalid("WITH ORDINALITY is not supported. Use row_number() OVER () instead.")
    columns = relation.columns or _columns(level, relation)
    body = text_of(relation.body).strip()
    if relation.function == "generate_series":
        if not _takes_literals(relation.body[-1]):
            body = f"unnest({body})"
        elif not relation.columns and not _is_used_alone(level, relation):
            return level, relation.end  # DataFusion's name is ``value``, and may be meant
    listed = ", ".join(columns)
    name = quoted_name(relation.name)
    if len(columns) == 1 or relation.function not in SET_COLUMNS:
        text = f" {body} AS {name}({listed})"
    else:
        parts = SET_COLUMNS[relation.function]
        read = ", ".join(f'"m"[{part!r}]' for part in parts)
        rows = f'SELECT {read} FROM {body} AS "u"("m")'  # noqa: S608 - of the statement itself
        text = f" ({rows}) AS {name}({listed})"
    pieces = read_tree(text) or []
    return [*level[: relation.start], *pieces[:-1], *level[relation.end :]], (
        relation.start + len(pieces) - 1
    )


def _takes_literals(group: Piece) -> bool:
    return all(_PLAIN.fullmatch(text_of(item).strip()) for item in items_of(group))


def _columns(level: list[Piece], relation: _Relation) -> list[str]:
    """What Postgres calls the columns of a function without a list of names."""
    columns = SET_COLUMNS.get(relation.function, (relation.name,))
    if len(columns) == 1 and _is_used_alone(level, relation):
        columns = (relation.name,)  # the whole row is the value
    return [quoted_name(column) for column in columns]


def _is_used_alone(level: list[Piece], relation: _Relation) -> bool:
    """Whether the name of a table is used as a value, or as that of a column."""
    uses = sum(
        is_name(piece, None) and piece.name == relation.name and after not in (".", "(")
        for _, piece, after in neighbours(level)
    )
    return uses > relation.has_alias


def _merge(
    level: list[Piece], table: _Relation, relation: _Relation, join: str
) -> tuple[list[Piece], int, int]:
    """Make what is over the columns of a table columns of it; return where the table is then."""
    if join not in (",", "join", "cross join", "inner join"):
        raise SqlInvalid(f"{join.upper()} LATERAL of this form is not supported. {_WAY_OUT}")
    columns = relation.columns or _columns(level, relation)
    if relation.function:
        values = [text_of(relation.body).strip()]
        if len(columns) != 1:
            raise SqlInvalid(
                f"{relation.function} over columns of a table is not supported. Use "
                f"{relation.function}_list in a subquery instead."
            )
    else:
        items = items_of(Piece(Kind.GROUP, "", inner=relation.body[-1].inner[1:]))
        if not all(items):
            return level, table.start, relation.end  # DataFusion says what is wrong
        values = [_value_of(item) for item in items]
        columns = relation.columns or [_name_of(item) for item in items]
    own = _own_names(level, table, relation, columns)
    added = [f"{value} AS {quoted_name(name)}" for value, name in zip(values, own, strict=False)]
    name = quoted_name(table.name)
    source = text_of(level[table.start : table.end]).strip()
    rows = f"SELECT {name}.*, {', '.join(added)} FROM {source}"  # noqa: S608 - of the statement itself
    text = f" ({rows}) AS {name}"
    end = (
        _condition_end(level, relation.end) if join != "," and "cross" not in join else relation.end
    )
    pieces = (read_tree(text) or [])[:-1]
    names = {
        _unquoted(column): f"{name}.{quoted_name(each)}"
        for column, each in zip(columns, own, strict=False)
    }
    head, tail = (
        _renamed(part, relation.name, names) for part in (level[: table.start], level[end:])
    )
    return [*head, *pieces, *tail], len(head), len(head) + len(pieces)


def _own_names(
    level: list[Piece], table: _Relation, relation: _Relation, columns: Sequence[str]
) -> list[str]:
    """Names that no column of the table has; those of the statement where all columns are asked for.

    Raises:
        SqlInvalid: ``t.*`` would give them as well, or ``*`` and a column by its table.
    """
    stars = [
        level[place - 2].name if level[place - 1].word == "." else ""
        for place, piece in enumerate(level)
        if piece.text == "*" and level[place - 1].word in (".", "select", ",", "distinct", "all")
    ]
    plain = [_unquoted(column) for column in columns]
    if not stars:
        return [f"{relation.name}.{column}" for column in plain]
    is_named = any(
        after == "." and is_name(piece, None) and piece.name == relation.name
        for _, piece, after in neighbours(level)
    )
    if any(stars) or is_named:
        raise SqlInvalid(f"* beside columns of {relation.name} is not supported: name the columns.")
    return plain


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def _renamed(
    level: list[Piece], table: str, names: dict[str, str], *, is_inner: bool = False
) -> list[Piece]:
    """Write the columns of a table by other names; what is bare in a subquery is mostly its own."""
    out: list[Piece] = []
    at = 0
    while at < len(level):
        piece, start = level[at], at
        before = out[-1] if out else None
        at += 1
        if piece.kind is Kind.GROUP:
            is_query = is_inner or [each.word for each in piece.inner[:1]] in (["select"], ["with"])
            rewrite_group(piece, _renamed(piece.inner, table, names, is_inner=is_query))
        is_free = before is None or not (before.word in (".", "as") or is_operand(before))
        if is_name(piece, None) and is_free:
            after = [each.word for each in level[at : at + 1]]
            if after == ["."] and piece.name == table and at + 1 < len(level):
                at += 2
            is_part = any(each.is_round or each.word == "." for each in level[at : at + 1])
            column = level[at - 1]
            is_whole = at > start + 1 or (after != ["."] and not is_inner)
            if column.name in names and not is_part and is_whole:
                piece = written(names[column.name], piece.gap, column.name)
            else:
                at = start + 1
        out.append(piece)
    return out


def _condition_end(level: list[Piece], at: int) -> int:
    """Return the place behind ``ON true``."""
    if [piece.word for piece in level[at : at + 2]] != ["on", "true"]:
        raise SqlInvalid(f"JOIN LATERAL is supported with ON true only. {_WAY_OUT}")
    return at + 2


def _value_of(item: list[Piece]) -> str:
    return text_of(item[: _value_end(item)]).strip()


def _value_end(item: list[Piece]) -> int:
    """Where the alias of a column begins, or the end."""
    last = len(item) - 1
    if last < 1 or not is_name(item[last], None):
        return last + 1
    if item[last - 1].word == "as":
        return last - 1
    return last if is_operand(item[last - 1]) else last + 1


def _name_of(item: list[Piece]) -> str:
    return quoted_name(item[-1].name)

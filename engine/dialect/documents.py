"""Columns that are JSON for a statement, where JSON is made of them: DataFusion has no type to tell them by.

A column that a subquery makes by a call or a cast of JSON, and one of ``json_each`` or ``json_array_elements``, is put
into an object or an array as a document and not as a text. They are known by their names in the whole statement.
"""

import re
from collections.abc import Iterator

from engine.dialect.lexer import Kind, Piece, items_of, written
from engine.dialect.tree import neighbours
from engine.dialect.words import ends_list, is_name, is_operand

_MAKERS = re.compile(
    r"(?P<kind>jsonb?)_(?:agg|object_agg|build_array|build_object|object)|to_(?P<to>jsonb?)"
)
_ROWS = re.compile(r"(?P<kind>jsonb?)_(?:array_elements|each)")
_CONSUMERS = frozenset(
    [
        *(f"{kind}_{name}" for kind in ("json", "jsonb") for name in ("agg", "object_agg")),
        *(f"{kind}_build_{name}" for kind in ("json", "jsonb") for name in ("array", "object")),
        *("to_json", "to_jsonb", "coalesce"),
    ]
)
_CHECKS = {"json": "json_checked", "jsonb": "jsonb_text"}


def json_columns(level: list[Piece]) -> dict[str, str]:
    """Return the names of the columns of a statement that are JSON, and whether ``json`` or ``jsonb``."""
    found: dict[str, str] = {}
    waiting = [level]
    while waiting:
        pieces = waiting.pop()
        waiting += [piece.inner for piece in pieces if piece.inner]
        if pieces is not level:  # nobody reads the columns of the statement itself
            found.update(_of_lists(pieces))
        found.update(_of_functions(pieces))
    return found


def mark_documents(level: list[Piece], columns: dict[str, str]) -> list[Piece]:
    """Write the columns that are JSON as such, between the brackets of what makes JSON of its arguments."""
    for place, piece in enumerate(level[1:], 1):
        if piece.is_round and level[place - 1].word in _CONSUMERS:
            piece.inner = _marked(piece.inner, columns)
    return level


def _marked(pieces: list[Piece], columns: dict[str, str]) -> list[Piece]:
    out: list[Piece] = []
    for place, piece in enumerate(pieces):
        before = pieces[place - 1] if place else None
        after = pieces[place + 1] if place + 1 < len(pieces) else None
        is_last = after is None or after.word in (",", "order")
        kind = columns.get(piece.name) if is_name(piece, None) and is_last else None
        if kind is None or (before is not None and before.word not in (",", ".", "distinct")):
            out.append(piece)
            continue
        text = piece.text
        gap = piece.gap
        while len(out) > 1 and out[-1].word == "." and is_name(out[-2], None):
            text, gap = f"{out[-2].text}.{text}", out[-2].gap
            del out[-2:]
        out.append(written(f"{_CHECKS[kind]}({text})", gap, piece.name))
    return out


def _of_lists(pieces: list[Piece]) -> Iterator[tuple[str, str]]:
    """The aliases in a list of SELECT of what is JSON."""
    item: list[Piece] | None = None
    for place, piece in enumerate(pieces):
        if piece.word == "select":
            item = []
        elif item is not None and (piece.word == "," or ends_list(pieces, place)):
            yield from _of_item(item)
            item = [] if piece.word == "," else None
        elif item is not None:
            item.append(piece)
    yield from _of_item(item or [])


def _of_item(item: list[Piece]) -> Iterator[tuple[str, str]]:
    """``json_build_object(…) AS name`` or ``x::json name``."""
    if len(item) < len(["call", "(…)", "name"]) or not is_name(item[-1], None):
        return
    value = item[:-2] if item[-2].word == "as" else item[:-1]
    if any(piece.name == item[-1].name for _, piece, _ in neighbours(value)):
        return  # of a column that is called so, and may be none
    made = _MAKERS.fullmatch(value[0].name)
    if made is not None and len(value) > 1 and value[1].is_round and is_operand(value[-1]):
        yield item[-1].name, made["kind"] or made["to"]
    elif value[-1].word in _CHECKS and len(value) > 1 and value[-2].word == "::":
        yield item[-1].name, value[-1].word


def _of_functions(pieces: list[Piece]) -> Iterator[tuple[str, str]]:
    """The columns of ``json_each(…) AS e`` and its like."""
    for place, piece in enumerate(pieces[:-1]):
        rows = _ROWS.fullmatch(piece.name) if piece.kind is Kind.WORD else None
        if rows is None or not pieces[place + 1].is_round:
            continue
        behind = [each for each in pieces[place + 2 : place + 5] if each.word != "as"]
        alias = behind[0] if behind and is_name(behind[0], None) else None
        columns = (
            behind[1] if alias is not None and len(behind) > 1 and behind[1].is_round else None
        )
        if columns is not None:
            yield items_of(columns)[-1][0].name, rows["kind"]
            continue
        yield "value", rows["kind"]
        if alias is not None and piece.name.endswith("elements"):
            yield alias.name, rows["kind"]

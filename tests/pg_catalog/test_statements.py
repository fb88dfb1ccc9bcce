"""Every statement that clients send gets the answer of a real Postgres with the same tables."""

import re
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import SqlInvalid
from engine.pg_catalog.classify import is_catalog_statement
from tests.pg_catalog.catalogs import (
    OWN_OIDS,
    Answer,
    Shop,
    ask_own,
    ask_real,
    read_statements,
    with_numbers,
)
from tests.pg_catalog.exceptions import (
    COMMON_COLUMNS,
    FEWER_ROWS,
    KEYWORDS,
    LEFT_OUT,
    OTHER_TYPES,
    OWN_ANSWERS,
    OWN_ROWS,
    REFUSED,
)

STATEMENTS = read_statements()
_ORDERED = re.compile(r"order\s+by(?!.*\))", re.IGNORECASE | re.DOTALL)
_OWN_SCHEMAS = ("public", "sales")


@pytest.mark.parametrize("name", STATEMENTS)
def test_it_is_known_as_a_catalog_statement(name: str) -> None:
    assert is_catalog_statement(with_numbers(STATEMENTS[name], OWN_OIDS), "shop")


@pytest.mark.parametrize("name", [name for name in STATEMENTS if name not in REFUSED])
def test_its_answer_is_that_of_postgres(name: str, shop: Shop) -> None:
    sql = STATEMENTS[name]
    own, real = ask_own(sql), ask_real(shop, sql)
    if name in COMMON_COLUMNS:
        own, real = _common(own, real)
    assert own.names == real.names
    other_types = OTHER_TYPES.get(name, ((), ""))[0]
    assert _types(own, other_types) == _types(real, other_types)
    if name in OWN_ANSWERS:
        assert own.rows == OWN_ANSWERS[name][0]
    elif name == KEYWORDS:
        assert set(own.rows[0][0].split(",")) <= set(real.rows[0][0].split(","))
    else:
        _compare_rows(name, own, real, is_ordered=bool(_ORDERED.search(sql)))


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_a_sentence(name: str) -> None:
    with pytest.raises(SqlInvalid, match="does not exist"):
        ask_own(STATEMENTS[name])


def test_every_exception_is_about_a_statement() -> None:
    for exceptions in (
        *(COMMON_COLUMNS, FEWER_ROWS, LEFT_OUT, OTHER_TYPES, OWN_ANSWERS, OWN_ROWS, REFUSED),
    ):
        assert exceptions.keys() <= STATEMENTS.keys()


def _compare_rows(name: str, own: Answer, real: Answer, *, is_ordered: bool) -> None:
    own_rows, real_rows = _rows(name, own), _rows(name, real)
    if name in OWN_ROWS:
        own_rows, real_rows = _about_tables(own_rows), _about_tables(real_rows)
        assert own_rows
    if name in FEWER_ROWS:
        assert len(own_rows) < len(real_rows)
        assert [row for row in own_rows if row not in real_rows] == []
        return
    if not is_ordered or name in OWN_ROWS:
        own_rows, real_rows = sorted(own_rows, key=repr), sorted(real_rows, key=repr)
    assert own_rows == real_rows


def _rows(name: str, answer: Answer) -> list[tuple[Any, ...]]:
    left_out = LEFT_OUT.get(name, ((), ""))[0]
    kept = [index for index, column in enumerate(answer.names) if column not in left_out]
    return [tuple(row[index] for index in kept) for row in answer.rows]


def _about_tables(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows whose first value is a schema or a table of the database; Postgres' own columns have no place."""
    kept = [
        row
        for row in rows
        if str(row[0]).startswith(("<public.", "<sales.")) or row[0] in _OWN_SCHEMAS
    ]
    hidden = ("ctid", "xmin", "cmin", "xmax", "cmax", "tableoid")
    return [row for row in kept if row[1] not in hidden]


def _types(answer: Answer, but: tuple[str, ...]) -> list[tuple[str, str]]:
    pairs = zip(answer.names, answer.types, strict=True)
    return [(name, kind) for name, kind in pairs if name not in but]


def _common(own: Answer, real: Answer) -> tuple[Answer, Answer]:
    names = [name for name in own.names if name in real.names]
    return _only(own, names), _only(real, names)


def _only(answer: Answer, names: list[str]) -> Answer:
    places = [answer.names.index(name) for name in names]
    return replace(
        answer,
        names=names,
        types=[answer.types[place] for place in places],
        rows=[tuple(row[place] for place in places) for row in answer.rows],
    )

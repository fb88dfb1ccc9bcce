"""A live answer is the answer of a copy: random statements over nasty values, and known traps.

One long file: the values, the tables of each source, the statements, and the tests; then what each
of the two pushing modules makes of single statements. ``PUSHDOWN_SEED`` and ``PUSHDOWN_STATEMENTS``
choose other statements. The trap: some errors of the engine come with the rows it looks at, of which
a copy has more, so about one seed in fifty has a statement that fails for the copy alone.
"""

import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pyarrow as pa
import pytest

from catalog.model import Connection, ReadMode
from engine import errors
from engine.query.push_condition import Pushed, push_condition
from engine.query.push_statement import push_statement
from engine.service import connections
from engine.service.connections import NewConnection
from engine.service.context import Caller, Engine
from engine.service.queries import QueryAnswer, QueryOptions, run_query
from tests.connectors.sources.mariadb_server import mariadb_server
from tests.connectors.sources.postgres_server import PASSWORD, running_server
from tests.service.remote import connect_duckdb, postgres_config, write_duckdb
from tests.service.test_live import remote_sql

SEED = int(os.environ.get("PUSHDOWN_SEED", "20261121"))
STATEMENTS = int(os.environ.get("PUSHDOWN_STATEMENTS", "50"))

# Values. Every column has a pool of texts, as all sources read them; what a source cannot hold is
# NULL there.

_TEXTS = (
    *("", " ", "a", "A", "a ", "ab", "AB", "á", "é", "É", "e", "ß", "ss", "%", "_", "a_b", "a%b"),
    *("\\", "a\\b", "it's", "a\nb", "😀", "NULL", "10", "9", "-1", "true", '{"a": 1}', "zz"),
)
_DAYS = (
    *("1969-12-31", "1970-01-01", "2024-02-29", "2024-03-01", "1999-12-31", "1900-02-28"),
    *("1582-10-15", "9999-12-31", "0001-01-01", "2024-01-01"),
)
_MOMENTS = (
    *("1969-12-31 23:59:59.999999", "1970-01-01 00:00:00", "2024-02-29 12:00:00.000001"),
    *("2024-02-29 12:00:00", "2024-03-01 00:00:00", "1901-01-01 00:00:00.5", "2038-01-19 03:14:07"),
)
_INFINITE = ("infinity", "-infinity")
_UUIDS = ("00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
_COMMON: dict[str, Sequence[str]] = {
    "k": ("0", "1", "2", "3", "7", "-1", "-7", "100"),
    "big": ("9223372036854775807", "-9223372036854775808", "0", "-1", "9007199254740993", "5"),
    "d1": ("1.50", "-0.01", "8.20", "100.00", "0.00", "-12.35", "9999999999.99", "NaN"),
    "d2": ("1.500000", "0.000001", "-0.000001", "8.200000", "99999999.999999", "0"),
    "f": ("0", "-0.0", "1.5", "-1.5", "0.1", "1e300", "3", "NaN", "-NaN", "inf", "-inf"),
    "s": _TEXTS,
    "c": [text for text in _TEXTS if len(text) <= 4],
    "e": ("ok", "Sad", "OK2", "é"),
    "u": _UUIDS,
    "Mixed Case": ('{"a": 1}', '"x"', "1", "[]", '{"b": 2, "a": 1}', "null", '"10"'),
    "b": ("true", "false"),
    "day": (*_DAYS, *_INFINITE),
    "ts": (*_MOMENTS, *_INFINITE),
    "tz": (*_MOMENTS, *_INFINITE),
}
_SMALLER: dict[str, Sequence[str]] = {
    **_COMMON,
    "k": ("0", "1", "2", "3", "7", "100"),
    "big": ("2147483647", "-2147483648", "0", "1", "-1", "5", "46341"),
    "d1": ("1.5", "-0.1", "8.2", "100.0", "0.0", "9999.9", "NaN"),
    "d2": ("1.5", "0.0000000001", "8.2", "-8.2", "99999999.9999999999", "NaN"),
    "f": ("0", "-0.0", "1.5", "-1.5", "0.1", "3", "NaN", "-NaN", "inf", "-inf"),
    "c": [text for text in _TEXTS if text],
}


class Tables:
    """Two tables of one source, ``n`` and ``m``, with the same columns in other types."""

    def __init__(
        self, types: dict[str, str], pools: Sequence[dict[str, Sequence[str]]], *, quote: str = '"'
    ) -> None:
        self._types = types
        self._pools = pools
        self._quote = quote

    def statements(self, lacks: Sequence[str] = ()) -> Iterator[str]:
        """SQL that makes both; values that the source lacks are NULL."""
        chance = random.Random(7)
        for place, (noun, count) in enumerate((("n", 60), ("m", 25))):
            kinds = {name: both.split(" | ")[place] for name, both in self._types.items()}
            columns = ", ".join(f"{self._quote}{n}{self._quote} {t}" for n, t in kinds.items())
            yield f"CREATE TABLE {noun} ({columns})"
            for number in range(1, count + 1):
                values = [self._value(chance, place, name, number, lacks) for name in kinds]
                yield f"INSERT INTO {noun} VALUES ({', '.join(values)})"

    def _value(
        self, chance: random.Random, place: int, name: str, number: int, lacks: Sequence[str]
    ) -> str:
        if name == "id":
            return str(number)
        pool = self._pools[place][name]
        # Every value is there.
        value = pool[number % len(pool)] if chance.random() < 0.4 else chance.choice(pool)
        if chance.random() < 0.15 or value in lacks:
            return "NULL"
        if self._quote == "`":
            value = {"true": "1", "false": "0"}.get(value, value) if name == "b" else value
            value = value.replace("\\", "\\\\")
        if value == "-NaN":
            return "(- CAST('NaN' AS double precision))"
        return "'" + value.replace("'", "''") + "'"


POSTGRES = Tables(
    {
        "id": "int PRIMARY KEY | bigint",
        "k": "smallint | oid",
        "big": "bigint | int",
        "d1": "numeric(12,2) | numeric(5,1)",
        "d2": "numeric(20,6) | numeric(38,10)",
        "f": "float8 | real",
        "s": "text | varchar(40)",
        "c": "char(4) | name",
        "e": "mood | numeric",
        "u": "uuid | inet",
        "Mixed Case": "jsonb | interval",
        "b": "boolean | boolean",
        "day": "date | date",
        "ts": "timestamp | timestamp(3)",
        "tz": "timestamptz | timestamptz",
    },
    (
        _COMMON,
        {
            **_SMALLER,
            "k": (*_SMALLER["k"], "4294967295"),
            "e": ("1.50", "1.5", "NaN", "-7", "100000000000000000000000000000000000000000.1", "9"),
            "u": ("1.2.3.4", "1.2.3.4/24", "::1", "10.0.0.0/8"),
            "Mixed Case": ("1 day", "24:00:00", "1 mon", "30 days", "-1 day", "00:00:00.5"),
        },
    ),
)
DUCKDB = Tables(
    {
        "id": "INTEGER | BIGINT",
        "k": "TINYINT | UTINYINT",
        "big": "BIGINT | HUGEINT",
        "d1": "DECIMAL(12,2) | DECIMAL(5,1)",
        "d2": "DECIMAL(20,6) | DECIMAL(38,10)",
        "f": "DOUBLE | FLOAT",
        "s": "VARCHAR | VARCHAR COLLATE NOACCENT",
        "c": "VARCHAR COLLATE NOCASE | VARCHAR",
        "e": "mood | BIT",
        "u": "UUID | UHUGEINT",
        "Mixed Case": "JSON | INTERVAL",
        "b": "BOOLEAN | BOOLEAN",
        "day": "DATE | DATE",
        "ts": "TIMESTAMP | TIMESTAMP_MS",
        "tz": "TIMESTAMPTZ | TIMESTAMPTZ",
    },
    (
        {**_COMMON, "d1": _COMMON["d1"][:-1]},
        {
            **_SMALLER,
            "d1": _SMALLER["d1"][:-1],
            "d2": _SMALLER["d2"][:-1],
            "big": ("9223372036854775808", "-1", "0", "170141183460469231731687303715884105727"),
            "e": ("1", "0", "101", "0101"),
            "u": ("0", "340282366920938463463374607431768211455", "7"),
            "Mixed Case": ("1 day", "24:00:00", "1 month", "30 days"),
        },
    ),
)
MARIADB = Tables(
    {
        "id": "int PRIMARY KEY | bigint unsigned",
        "k": "smallint | year",
        "big": "bigint | int",
        "d1": "decimal(12,2) | decimal(5,1)",
        "d2": "decimal(20,6) | decimal(38,10)",
        "f": "double | float",
        "s": "varchar(40) | varchar(40) CHARACTER SET latin1",
        "c": "char(4) | text",
        "e": "enum('ok','Sad','OK2','é') | set('a','b','ab')",
        "u": "uuid | inet6",
        "Mixed Case": "json | time(3)",
        "b": "bit(1) | bit(1)",
        "day": "date | date",
        "ts": "datetime(6) | datetime",
        "tz": "timestamp(6) NULL | timestamp NULL",
    },
    (
        {**_COMMON, "day": (*_DAYS[:8], "0000-00-00"), "tz": _MOMENTS[2:5]},
        {
            **_SMALLER,
            "k": ("1901", "1970", "2000", "2024", "2155", "0", "1999"),
            "s": [text for text in _TEXTS if text != "😀"],
            "e": ("a", "b", "ab", "", "a,b"),
            "u": ("::1", "::ffff:1.2.3.4", "fe80::1"),
            "Mixed Case": ("10:00:00.5", "-838:59:59", "25:00:00", "00:00:00"),
            "day": (*_DAYS[:8], "0000-00-00"),
            "tz": _MOMENTS[2:5],
        },
    ),
    quote="`",
)
MOOD = "CREATE TYPE mood AS ENUM ('ok', 'Sad', 'OK2', 'é')"


# Statements.

_COLUMNS: dict[str, tuple[str, ...]] = {
    "int": ("id", "k", "big"),
    "decimal": ("d1", "d2"),
    "float": ("f",),
    "text": ("s", "c", "e", "u", '"Mixed Case"'),
    "bool": ("b",),
    "date": ("day",),
    "ts": ("ts",),
    "tz": ("tz",),
}
_LITERALS: dict[str, Sequence[str]] = {
    "int": ("0", "1", "2", "3", "-1", "7", "9223372036854775807", "-9223372036854775807", "255"),
    "decimal": ("1.5", "-0.01", "8.2", "100", "0", "0.000001", "12.34"),
    "float": ("0.0", "-0.0", "1.5", "-1e300", "0", "0.1", "3"),
    "text": ["'" + text.replace("'", "''") + "'" for text in _TEXTS],
    "bool": ("true", "false", "NULL"),
    "date": [form.format(day) for day in _DAYS[:6] for form in ("DATE '{}'", "'{}'")],
}
_PATTERNS = (
    *("a%", "%b", "A_", "_", "%", "", "a\\%b", "%\\\\%", "á%", "%é", "a_b", "%''%", "% ", "a%b"),
)
Written = tuple[str, bool]
"""A statement over ``{n}`` and ``{m}``, and whether it puts its rows in order."""


class Statements:
    """Writes statements, one after another, of which none fails for some rows only."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._names = 0

    def one(self) -> Written:
        """Write a statement."""
        self._names = 0
        shape: Callable[[], Written] = self._pick(
            *(self._rows, self._rows, self._all_columns, self._groups, self._groups, self._totals),
            *(self._distinct, self._limited, self._join, self._join, self._set, self._shared),
            *(self._nested, self._shadowed, self._window, self._fixed),
        )
        return shape()

    def place(self, statement: str, catalog: str, schema: str) -> str:
        """Name the tables; with and without what the defaults stand for."""
        style = self._pick("{0}.{1}.{2}", "{0}.{1}.{2}", "{1}.{2}", "{2}")
        return re.sub(r"\{([nm])\}", lambda m: style.format(catalog, schema, m[1]), statement)

    def _pick(self, *among: Any) -> Any:
        return self._random.choice(among)

    def _is_lucky(self, share: float) -> bool:
        return self._random.random() < share

    def _kind(self) -> str:
        return str(self._pick(*_COLUMNS))

    def _column(self, kind: str, scope: Sequence[str]) -> str:
        owner = self._random.choice(scope)
        name = self._random.choice(_COLUMNS[kind])
        return f"{owner}.{name}" if owner else name

    def _literal(self, kind: str) -> str:
        if kind in _LITERALS:
            return self._random.choice(_LITERALS[kind])
        moment, zone = self._random.choice(_MOMENTS), ""
        if kind == "tz" or self._is_lucky(0.1):
            zone = self._pick("", "Z", "+00:00", "+02:00", "-05:30")
        forms = (f"'{moment}{zone}'", f"'{moment.replace(' ', 'T')}{zone}'")
        return str(self._pick(*forms, f"TIMESTAMP{'TZ' if zone else ''} '{moment}{zone}'"))

    def _value(self, kind: str, scope: Sequence[str], depth: int = 2) -> str:
        """Write an expression of a kind."""
        if depth <= 0 or self._is_lucky(0.45):
            return self._column(kind, scope)
        if self._is_lucky(0.4):
            return self._literal(kind)
        one, other = self._value(kind, scope, depth - 1), self._value(kind, scope, depth - 1)
        number = self._value("int", scope, depth - 1)
        forms = [
            f"coalesce({one}, {other})",
            f"nullif({one}, {other})",
            f"CASE WHEN {self._condition(scope, depth - 1)} THEN {one} ELSE {other} END",
            f"CASE {number} WHEN {self._literal('int')} THEN {one} END",
        ]
        column = self._column(kind, scope)
        match kind:
            case "int":
                forms += [f"({one} {sign} {other})" for sign in "+-*"]
                forms += [f"({one} {sign} {self._pick(2, -3, 7)})" for sign in "/%"]
                text, owner = self._column("text", scope), self._random.choice(scope)
                small = f"{owner}.k" if owner else "k"
                forms += [f"(- {one})", f"CAST({small} AS BIGINT)", f"length({text})"]
                forms += [f"(SELECT {self._pick('max', 'sum', 'count')}(q.k) FROM {{m}} q)"]
                forms += [f"(SELECT max(q.k) FROM {{m}} q WHERE q.id = {column})"]
            case "decimal":
                forms += [f"({one} {sign} {other})" for sign in "+-"]
                forms += [f"({one} {sign} {number})" for sign in "+-"]
                forms += [f"({column} * {self._column(kind, scope)})", f"({one} / 3)"]
                forms += [f"CAST({column} AS DECIMAL(20, 1))", "(SELECT max(q.d1) FROM {m} q)"]
            case "float":
                forms += [f"({one} + 1)", f"(- {one})"]
            case "text":
                forms += [f"({one} || 'x')", f"upper({one})"]
            case "date":
                forms += [f"CAST({self._column('ts', scope)} AS DATE)"]
        return self._random.choice(forms)

    def _condition(self, scope: Sequence[str], depth: int = 3) -> str:
        if depth > 0 and self._is_lucky(0.4):
            one, other = self._condition(scope, depth - 1), self._condition(scope, depth - 1)
            return str(self._pick(f"({one} AND {other})", f"({one} OR {other})", f"NOT ({one})"))
        depth = min(depth, 2)
        if depth > 0 and self._is_lucky(0.1):
            return self._subquery(scope)
        kind = self._pick("int", "int", "decimal", "float", "text", "text", "date", "ts", "tz")
        # Mostly what can be pushed: a column and a literal.
        mine = self._value(kind, scope, depth - 1 if self._is_lucky(0.2) else 0)
        other = self._literal(kind) if self._is_lucky(0.6) else self._value(kind, scope, depth - 1)
        sign, word = self._pick("=", "<>", "<", "<=", ">", ">="), self._pick("", "NOT ")
        compared = (f"{mine} {sign} {other}", f"{other} {sign} {mine}")
        flag = self._column("bool", scope)
        return str(
            self._pick(
                *compared,
                *compared,
                f"{mine} {word}IN ({self._literal(kind)}, {other}, {self._literal(kind)})",
                f"{mine} IN ({self._literal(kind)}, NULL)",
                f"{mine} {word}BETWEEN {self._literal(kind)} AND {other}",
                f"{mine} IS {word}NULL",
                f"{mine} IS {word}DISTINCT FROM {other}",
                f"{self._column('text', scope)} {word}LIKE '{self._pick(*_PATTERNS)}'",
                f"{flag} IS {word}{self._pick('TRUE', 'FALSE', 'NULL')}",
                f"{word}{flag}",
            )
        )

    def _subquery(self, scope: Sequence[str]) -> str:
        self._names += 1
        name, word = f"t{self._names}", self._pick("", "NOT ")
        kind = self._pick("int", "text", "decimal", "date")
        inner, outer = self._column(kind, [name]), self._column(kind, scope)
        source = f"FROM {{m}} {name} WHERE {self._condition([name], 0)}"
        if self._is_lucky(0.5):
            return f"{outer} {word}IN (SELECT {inner} {source})"
        return f"{word}EXISTS (SELECT * {source} AND {inner} = {outer})"

    def _where(self, *scope: str) -> str:
        return f" WHERE {self._condition(scope)}" if self._is_lucky(0.8) else ""

    def _page(self) -> str:
        pages = ("", "", " LIMIT 5", " LIMIT 0", " LIMIT 3 OFFSET 2", " OFFSET 4")
        return str(self._pick(*pages))

    def _rows(self) -> Written:
        name = self._pick("", "n")
        key = "n.id" if name else "id"
        values = [self._value(self._kind(), [name]) for _ in range(self._pick(1, 2, 3))]
        selected = ", ".join(f"{value} AS c{place}" for place, value in enumerate(values))
        order = self._pick("id", "id DESC") + self._page()
        return (
            f"SELECT {key} AS id, {selected} FROM {{n}} {name}{self._where(name)} ORDER BY {order}",
            True,
        )

    def _all_columns(self) -> Written:
        key = self._value(self._pick("int", "text", "decimal", "date", "tz"), [""], 1)
        way = self._pick("", " DESC", " NULLS FIRST", " DESC NULLS LAST")
        return (
            f"SELECT * FROM {{n}}{self._where('')} ORDER BY {key}{way}, id{self._page()}",
            True,
        )

    def _groups(self) -> Written:
        kinds = [self._pick("int", "text", "bool", "date", "decimal", "float", "tz")]
        kinds += [self._pick("text", "bool")] if self._is_lucky(0.3) else []
        keys = [self._value(kind, ["n"], 1) for kind in kinds]
        selected = ", ".join(f"{key} AS g{place}" for place, key in enumerate(keys))
        places = ", ".join(self._pick(str(place + 1), key) for place, key in enumerate(keys))
        having = f" HAVING {self._having()}" if self._is_lucky(0.4) else ""
        is_ordered = self._is_lucky(0.5) and "float" not in kinds
        order = " ORDER BY " + ", ".join(f"g{place}" for place in range(len(keys))) + self._page()
        return (
            f"SELECT {selected}, {self._total()} AS a0, {self._total()} AS a1"
            f" FROM {{n}} n{self._where('n')} GROUP BY {places}{having}{order if is_ordered else ''}"
        ), is_ordered

    def _total(self) -> str:
        kind = self._kind()
        # Which of several NaN is the least is not said.
        words = {"float": ["count"], "int": ["min", "max", "count", "sum"]}
        word = self._pick(*words.get("int" if kind == "decimal" else kind, ["min", "max", "count"]))
        of = self._value(kind, ["n"], 1)
        return str(
            self._pick("count(*)", f"{word}({of})", f"{word}({of})", f"{word}(DISTINCT {of})")
        )

    def _having(self) -> str:
        return str(
            self._pick(
                f"count(*) > {self._pick(0, 1, 2, 3)}",
                "sum(n.big) > 0",
                "max(n.d1) < 5",
                "min(n.s) <> 'a'",
                "sum(n.d1) BETWEEN -10 AND 10",
            )
        )

    def _totals(self) -> Written:
        totals = ", ".join(f"{self._total()} AS a{place}" for place in range(3))
        return f"SELECT {totals} FROM {{n}} AS n{self._where('n')}", False

    def _distinct(self) -> Written:
        values = ", ".join(f"{self._value(self._kind(), [''], 1)} AS c{i}" for i in range(2))
        return f"SELECT DISTINCT {values} FROM {{n}}{self._where('')}", False

    def _limited(self) -> Written:
        inner = f"SELECT * FROM {{n}}{self._where('')} LIMIT {self._pick(0, 1, 5, 30)}"
        return f"SELECT count(*) AS c FROM ({inner}) AS q", False

    def _join(self) -> Written:
        word = self._pick("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN")
        first, second = self._pick(("{n}", "{m}"), ("{m}", "{n}"), ("{m}", "{m}"))
        kind = self._pick("int", "int", "text", "decimal", "date", "bool", "float")
        on = f"{self._column(kind, ['a'])} = {self._column(kind, ['b'])}"
        value = self._value(self._kind(), ["a", "b"], 1)
        if self._is_lucky(0.2) and word != "CROSS JOIN":
            join = f"{first} a {word} {second} b USING ({self._pick('id', 'k', 's')})"
        elif word == "CROSS JOIN":
            join = self._pick(f"{first} a, {second} b", f"{first} a {word} {second} b")
            return f"SELECT a.id AS x, {value} AS c FROM {join} WHERE {on}", False
        else:
            also = f" AND {self._condition(['a', 'b'], 1)}" if self._is_lucky(0.4) else ""
            join = f"{first} a {word} {second} b ON {on}{also}"
        return (
            f"SELECT a.id AS x, b.id AS y, {value} AS c FROM {join}{self._where('a', 'b')}",
            False,
        )

    def _set(self) -> Written:
        kind = self._pick("int", "text", "decimal", "date", "tz", "bool")
        word = self._pick("UNION", "UNION ALL", "EXCEPT", "INTERSECT")
        one, other = (
            f"SELECT {self._column(kind, [''])} AS c FROM {self._pick('{n}', '{m}')}{self._where('')}"
            for _ in range(2)
        )
        return f"{one} {word} {other}", False

    def _shared(self) -> Written:
        inner = f"WITH w AS (SELECT * FROM {{n}}{self._where('')})"
        if self._is_lucky(0.5):
            value = self._value(self._kind(), ["w", "v"], 1)
            join = f"w JOIN w AS v ON w.id = v.k{self._where('w', 'v')}"
            return f"{inner} SELECT w.id AS x, v.id AS y, {value} AS c FROM {join}", False
        tested = f"id {self._pick('', 'NOT ')}IN (SELECT k FROM w)"
        return f"{inner} SELECT id, s FROM w WHERE {tested} ORDER BY id{self._page()}", True

    def _nested(self) -> Written:
        value = self._value(self._pick("int", "text", "decimal", "date", "bool"), [""], 1)
        name = self._pick("v", "k", "s", "id", "n")
        inner = f"SELECT {value} AS {name}, big AS z FROM {{n}}{self._where('')}"
        return (
            f"SELECT q.{name}, count(*) AS c, max(q.z) AS z FROM ({inner}) AS q GROUP BY q.{name}",
            False,
        )

    def _shadowed(self) -> Written:
        value = self._pick("n.k", "- n.id", "n.big", "n.s", "n.d1", "n.id + 1", "n.k * 2")
        name = self._pick("k", "s", "big", "id", '"Id"', '"K"', "d1")
        key = self._pick(name, f"{name} DESC", "1", "n.id")
        return (
            f"SELECT {value} AS {name}, n.id AS zz FROM {{n}} n{self._where('n')}"
            f" ORDER BY {key}, n.id{self._page()}"
        ), True

    def _window(self) -> Written:
        key = self._column(self._pick("int", "text", "bool"), [""])
        window = f"sum(k) OVER (PARTITION BY {key} ORDER BY id)"
        return f"SELECT id, {window} AS w FROM {{n}}{self._where('')} ORDER BY id", True

    def _fixed(self) -> Written:
        return str(
            self._pick(
                "SELECT count(*) AS c FROM {n} a WHERE a.id < 9 AND EXISTS"
                " (SELECT 1 FROM {n} b WHERE b.k = a.id)",
                "SELECT a.id AS x FROM {n} a JOIN {n} b ON b.id = a.k WHERE a.id < 9 AND b.id > 2",
                "SELECT id, (SELECT count(*) FROM {m} q WHERE q.k = n.k) AS c FROM {n} n",
                "SELECT 1 AS one, 'x' AS t, NULL AS nothing, id FROM {n} WHERE id = 3",
                "SELECT s AS t, 7 AS seven, count(*) AS c FROM {n} GROUP BY s, seven",
            )
        ), False


# Sources.


@dataclass(frozen=True)
class Source:
    """Where both tables are."""

    source_type: str
    config: dict[str, Any]
    schema: str


@pytest.fixture(scope="module")
def postgres_source(postgres_url: str) -> Source:
    name = f"pushdown_{uuid4().hex}"
    run_in(postgres_url, f"CREATE DATABASE {name}")
    url = postgres_url.replace("/postgres?", f"/{name}?", 1)
    run_in(url, MOOD, *POSTGRES.statements())
    return Source("postgres", postgres_config(url), "public")


@pytest.fixture(scope="module")
def icu_source() -> Iterator[Source]:
    """A Postgres that compares text by the rules of a language, in some columns without case."""
    ci = "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level1', deterministic = false)"
    made = (
        re.sub(r"(text|char\(4\))(?=[,)])", r"\1 COLLATE ci", each)
        for each in POSTGRES.statements()
    )
    with running_server() as server:
        create = "CREATE DATABASE icu LOCALE_PROVIDER icu ICU_LOCALE 'en-US' TEMPLATE template0"
        run_in(server.conninfo(), create)
        run_in(server.conninfo("icu"), ci, MOOD, *made)
        config = {"host": "127.0.0.1", "port": server.port, "user": "postgres", "database": "icu"}
        yield Source("postgres", {**config, "password": PASSWORD}, "public")


@pytest.fixture(scope="module")
def duckdb_source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    path = tmp_path_factory.mktemp("pushdown") / "x.duckdb"
    write_duckdb(path, "SET TimeZone = 'UTC'", MOOD, *DUCKDB.statements())
    return Source("duckdb", {"path": str(path)}, "main")


@pytest.fixture(scope="module")
def mariadb_source() -> Iterator[Source]:
    settings = "SET sql_mode = '', time_zone = '+00:00'"
    lacks = (*_INFINITE, "NaN", "-NaN", "inf", "-inf")
    with mariadb_server() as server:
        connection = server.connect()
        with connection.cursor() as cursor:
            for each in (settings, *MARIADB.statements(lacks)):
                collation = " CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
                cursor.execute(each + collation if each.startswith("CREATE") else each)
        connection.close()
        config = {"host": server.host, "port": server.port, "user": server.user}
        config |= {"database": server.database, "password": server.password}
        yield Source("mariadb", config, server.database)


@pytest.fixture(params=["postgres", "icu", "duckdb", "mariadb"])
def source(request: pytest.FixtureRequest) -> Source:
    found: Source = request.getfixturevalue(f"{request.param}_source")
    return found


def run_in(url: str, *statements: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


async def connect(engine: Engine, caller: Caller, source: Source) -> Connection:
    asked = NewConnection("x", source.source_type, source.config)
    made, _ = await connections.create_connection(engine, caller, asked)
    assert made.discovery_error is None
    return made


async def go_live(engine: Engine, caller: Caller, made: Connection) -> None:
    await connections.update_connection(engine, caller, made.id, {"mode": ReadMode.LIVE})


async def answer_to(
    engine: Engine, caller: Caller, sql: str, schema: str, *, is_ordered: bool = True
) -> list[str]:
    """The rows as text, every bit of a value in it but the sign of 0.0 and NaN; or how it failed."""
    options = QueryOptions(format="arrow", default_catalog="x", default_schema=schema)
    try:
        answer = await run_query(engine, caller, sql, options)
        assert isinstance(answer, QueryAnswer)
        body = answer.body_bytes or b"".join([chunk async for chunk in answer.body])
    except errors.QueryCrashed:
        raise
    except errors.EngineError:
        return ["failed"]
    rows = pa.ipc.open_stream(body).read_all().to_pylist()
    lines = [re.sub(r"-0\.0\b", "0.0", repr([*row.values()])) for row in rows]
    return lines if is_ordered else sorted(lines)


# Tests.

pytestmark = pytest.mark.anyio


async def test_a_live_answer_is_that_of_a_copy(
    engine: Engine, caller: Caller, source: Source
) -> None:
    print(f"PUSHDOWN_SEED={SEED}")
    statements = Statements(SEED)
    known = [(sql, "ORDER" in sql) for sql in KNOWN]
    written = [*known, *(statements.one() for _ in range(STATEMENTS))]
    asked = [(statements.place(sql, "x", source.schema), flag) for sql, flag in written]
    made = await connect(engine, caller, source)
    copied = [await answer_to(engine, caller, a, source.schema, is_ordered=b) for a, b in asked]
    await go_live(engine, caller, made)
    for (sql, is_ordered), expected in zip(asked, copied, strict=True):
        live = await answer_to(engine, caller, sql, source.schema, is_ordered=is_ordered)
        assert live == expected, f"PUSHDOWN_SEED={SEED} {sql}"


KNOWN = (
    "SELECT id FROM {n} WHERE k IS NOT NULL",
    "SELECT id FROM {n} WHERE s IS NOT NULL AND NOT (u IS NOT NULL)",
    "SELECT id FROM {m} WHERE k > -5",
    "SELECT id FROM {m} WHERE k < 100",
    "SELECT id FROM {m} WHERE k > 70 AND k <> 2",
    "SELECT id FROM {n} WHERE f < 1",
    "SELECT id FROM {n} WHERE f > 1",
    "SELECT id FROM {n} WHERE f = 0 OR f = 0.1",
    "SELECT id FROM {m} WHERE f = 0.5 OR f = 1.5",
    "SELECT id FROM {n} WHERE ts >= '2024-02-29 12:00:00.000001'",
    "SELECT id FROM {n} WHERE ts < '2024-02-29T10:00:00.000001-02:00'",
    'SELECT id FROM {n} WHERE "Mixed Case" = \'1\' OR "Mixed Case" = \'{"a": 1}\'',
    "SELECT k FROM {n} EXCEPT SELECT k FROM {m}",
    "SELECT k FROM {n} INTERSECT SELECT k FROM {m}",
    "SELECT id FROM {n} WHERE id > 50 OR k NOT IN (SELECT k FROM {m})",
    "SELECT id FROM {n} WHERE k NOT IN (SELECT k FROM {m})",
    "SELECT id FROM {n} WHERE s LIKE '%\\%%' OR s LIKE 'a\\\\b'",
    "SELECT - id AS id FROM {n} GROUP BY id HAVING id > 4 ORDER BY id LIMIT 3",
    "SELECT id AS s, s AS id FROM {n} ORDER BY id, s LIMIT 7",
    "SELECT b, sum(big) FROM {n} GROUP BY b HAVING sum(big) > 0",
    "SELECT id FROM {n} WHERE d1 = 8.2 OR d1 > 99.99",
    "SELECT id, CASE WHEN b THEN d1 ELSE d2 END AS c FROM {n}",
    "SELECT sum(CASE WHEN b THEN d1 ELSE d2 END) AS c FROM {n}",
    "SELECT id, CASE WHEN b THEN ts ELSE TIMESTAMP '2024-01-01 00:00:00' END AS c FROM {n}",
    "SELECT count(*) FROM (SELECT * FROM {n} WHERE f <> 1.5 LIMIT 40) q",
    "SELECT count(*) FROM (SELECT * FROM {n} WHERE s = 'a' LIMIT 2) q",
)
"""Each of these, or one like it, was once answered wrongly."""

WHOLE = (
    "SELECT count(d1), sum(d1), min(d1), count(day), min(day), max(ts), max(tz) FROM n",
    "SELECT id FROM n WHERE d1 > 5 OR d1 <= 5 OR day > '2100-01-01' ORDER BY id",
    "SELECT id FROM n WHERE d1 IS NULL ORDER BY day DESC, id LIMIT 9",
    "SELECT id FROM n WHERE c = 'a' OR c = 'AB' ORDER BY id",
    "SELECT s, count(*) FROM n GROUP BY s ORDER BY s",
    "SELECT c, count(*) FROM n GROUP BY c ORDER BY c DESC",
    "SELECT DISTINCT s FROM n WHERE s > 'B' ORDER BY s",
    "SELECT min(s), max(s), min(e), max(c), max(u) FROM n",
    "SELECT e, count(*) FROM n WHERE e < 'P' GROUP BY e ORDER BY e",
    "SELECT count(*) FROM n a JOIN n b ON a.s = b.c",
    'SELECT a.id FROM n a JOIN n b ON a."Mixed Case" = b."Mixed Case" ORDER BY a.id LIMIT 5',
    "SELECT CASE WHEN b THEN 'b' WHEN NOT b THEN 'A' ELSE 'á' END AS t, count(*) FROM n"
    " GROUP BY 1 ORDER BY t",
    "SELECT k, sum(big) FROM n WHERE id < 30 GROUP BY k HAVING sum(k) > 0 ORDER BY k",
    "SELECT id, f, tz FROM n WHERE id NOT IN (SELECT k FROM n WHERE k IS NOT NULL) ORDER BY id",
)


@pytest.mark.parametrize("name", ["postgres", "icu", "duckdb"])
async def test_a_whole_statement_sees_what_a_copy_holds(
    engine: Engine, caller: Caller, request: pytest.FixtureRequest, name: str
) -> None:
    source: Source = request.getfixturevalue(f"{name}_source")
    placed = [re.sub(r"(FROM|JOIN) n\b", rf"\1 x.{source.schema}.n", each) for each in WHOLE]
    made = await connect(engine, caller, source)
    copied = [await answer_to(engine, caller, sql, source.schema) for sql in placed]
    await go_live(engine, caller, made)
    for sql, expected in zip(placed, copied, strict=True):
        assert await answer_to(engine, caller, sql, source.schema) == expected, sql
        (shown,) = await remote_sql(engine, caller, sql)
        assert "(SELECT" in shown, sql


async def test_a_long_answer_keeps_its_order(
    engine: Engine, caller: Caller, tmp_path: Path
) -> None:
    rows = "SELECT i AS id, hash(i)::VARCHAR AS t FROM range(700000) r(i)"
    write_duckdb(tmp_path / "x.duckdb", f"CREATE TABLE t AS {rows}")
    await connect_duckdb(engine, caller, tmp_path / "x.duckdb", mode=ReadMode.LIVE)
    sql = "SELECT id, t FROM duck.main.t ORDER BY CASE WHEN id < 400000 THEN id ELSE 0 - id END"
    assert "ORDER BY" in (await remote_sql(engine, caller, sql))[0]
    answer = await run_query(engine, caller, sql, QueryOptions(format="arrow"))
    assert isinstance(answer, QueryAnswer)
    body = b"".join([chunk async for chunk in answer.body])
    ids = pa.ipc.open_stream(body).read_all()["id"].to_pylist()
    assert ids == [*range(699_999, 399_999, -1), *range(400_000)]


async def test_names_mean_what_the_defaults_say(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    run_in(
        postgres_database,
        *("CREATE TABLE t AS SELECT 1 AS id", "CREATE SCHEMA other"),
        "CREATE TABLE other.t AS SELECT generate_series(2, 3) AS id",
    )
    source = Source("postgres", postgres_config(postgres_database), "public")
    await go_live(engine, caller, await connect(engine, caller, source))
    for schema, expected in (("public", "[1]"), ("other", "[2]")):
        assert await answer_to(engine, caller, "SELECT count(*) AS c FROM t", schema) == [expected]
    sql = (
        "SELECT id FROM x.other.t WHERE NOT EXISTS"
        " (SELECT * FROM x.public.t WHERE x.public.t.id = x.other.t.id - 1)"
    )
    assert await answer_to(engine, caller, sql, "public") == ["[3]"]


async def test_a_long_chain_is_read_without_being_pushed(
    engine: Engine, caller: Caller, duckdb_source: Source
) -> None:
    await go_live(engine, caller, await connect(engine, caller, duckdb_source))
    chain = " OR ".join(f"(id = {number} AND k IS NULL)" for number in range(900))
    found = await answer_to(engine, caller, f"SELECT count(*) FROM n WHERE {chain}", "main")
    assert found == await answer_to(
        engine, caller, "SELECT count(*) FROM n WHERE k IS NULL", "main"
    )


# What is pushed of single conditions and statements.

_TYPES: dict[str, pa.DataType] = {
    "id": pa.int64(),
    "n": pa.int16(),
    "s": pa.string(),
    "f": pa.float64(),
    "d": pa.decimal128(12, 2),
    "day": pa.date32(),
    "ts": pa.timestamp("us"),
    "tz": pa.timestamp("us", "UTC"),
    "ns": pa.timestamp("ns"),
    "b": pa.bool_(),
    "wide": pa.decimal128(38, 20),
    "u": pa.uint64(),
    "data": pa.binary(),
}
_SCHEMA = pa.schema(_TYPES)


@pytest.mark.parametrize(
    ("condition", "dialect", "expected"),
    [
        ('"t"."id" > 1', "postgres", Pushed('"id" > 1', is_exact=True)),
        ('1 < "t"."id"', "postgres", Pushed('"id" > 1', is_exact=True)),
        ('"t"."id" IS NULL', "postgres", Pushed('"id" IS NULL', is_exact=True)),
        ('"t"."id" IS NOT NULL', "postgres", Pushed('NOT "id" IS NULL', is_exact=True)),
        ('NOT "t"."s" IS NULL', "duckdb", Pushed('NOT "s" IS NULL', is_exact=True)),
        ('NOT "t"."s" IS NOT NULL', "duckdb", Pushed('"s" IS NULL', is_exact=True)),
        ('"t"."d" IS NULL', "postgres", Pushed(None, is_exact=False)),
        ('"t"."id" NOT IN (1, 2)', "postgres", Pushed(None, is_exact=False)),
        ('"t"."id" IN (1, 2)', "postgres", Pushed('"id" IN (1, 2)', is_exact=True)),
        ('"t"."id" IN (1, NULL)', "postgres", Pushed(None, is_exact=False)),
        ('"t"."id" NOT BETWEEN 1 AND 2', "postgres", Pushed(None, is_exact=False)),
        # An OID would take -1 for 4294967295.
        ('"t"."id" > -1', "postgres", Pushed(None, is_exact=False)),
        ('"t"."id" > -1', "duckdb", Pushed('"id" > -1', is_exact=True)),
        # A YEAR would take 70 for 1970.
        ('"t"."n" > 70', "mysql", Pushed(None, is_exact=False)),
        ('"t"."n" > 70', "postgres", Pushed('"n" > 70', is_exact=True)),
        ("\"t\".\"s\" = 'it''s'", "postgres", Pushed("\"s\" = 'it''s'", is_exact=False)),
        ('"t"."s" = \'a\\b\'', "mysql", Pushed("`s` = 'a\\\\b'", is_exact=False)),
        ('"t"."s" <> \'a\'', "postgres", Pushed(None, is_exact=False)),
        ('"t"."s" < \'a\'', "postgres", Pushed(None, is_exact=False)),
        ('"t"."s" LIKE \'a%\'', "postgres", Pushed(None, is_exact=False)),
        # A JSON column is compared as what its text stands for.
        ('"t"."s" = \'{}\'', "mysql", Pushed(None, is_exact=False)),
        ('"t"."s" = \'7\'', "snowflake", Pushed(None, is_exact=False)),
        ('"t"."s" = \'7\'', "postgres", Pushed("\"s\" = '7'", is_exact=False)),
        # NaN has a sign here.
        ('"t"."f" < 1.5', "postgres", Pushed(None, is_exact=False)),
        ('"t"."f" > 1.5', "postgres", Pushed(None, is_exact=False)),
        ('"t"."f" = 0.1', "duckdb", Pushed('"f" = 0.1e0', is_exact=True)),
        ('"t"."f" <> -1.5', "postgres", Pushed('"f" <> -1.5e0', is_exact=True)),
        ('"t"."f" < 1.5', "mysql", Pushed("`f` < 1.5e0", is_exact=True)),
        ('"t"."d" > 50.25', "postgres", Pushed('"d" > 50.25', is_exact=False)),
        ('"t"."d" > 50.25', "clickhouse", Pushed(None, is_exact=False)),
        (
            '"t"."day" = CAST(\'2024-02-29\' AS DATE)',
            "postgres",
            Pushed("\"day\" = CAST('2024-02-29' AS DATE)", is_exact=False),
        ),
        (
            '"t"."day" = CAST(\'1900-01-01\' AS DATE)',
            "clickhouse",
            Pushed(None, is_exact=False),
        ),
        (
            '"t"."ts" >= CAST(\'2024-01-01T00:00:00.5\' AS TIMESTAMP)',
            "mysql",
            Pushed("`ts` >= CAST('2024-01-01 00:00:00.5' AS DATETIME(6))", is_exact=False),
        ),
        (
            '"t"."tz" >= CAST(\'2024-01-01T00:00:00+00:00\' AS TIMESTAMP)',
            "postgres",
            Pushed("\"tz\" >= CAST('2024-01-01 00:00:00' AS TIMESTAMPTZ)", is_exact=False),
        ),
        (
            '"t"."ts" >= CAST(\'2024-01-01 00:00:00.1234567\' AS TIMESTAMP)',
            "postgres",
            Pushed(None, is_exact=False),
        ),
        (
            '"t"."tz" >= CAST(\'2024-01-01T00:00:00-05:00\' AS TIMESTAMP)',
            "postgres",
            Pushed(None, is_exact=False),
        ),
        (
            '"t"."ns" >= CAST(\'2024-01-01T00:00:00\' AS TIMESTAMP)',
            "duckdb",
            Pushed(None, is_exact=False),
        ),
        (
            '("t"."id" = 1 OR "t"."s" LIKE \'a\') AND "t"."id" < 9',
            "postgres",
            Pushed('"id" < 9', is_exact=False),
        ),
        (
            '("t"."id" = 1 OR ("t"."n" = 2 AND "t"."d" > 0)) AND "t"."id" < 9',
            "postgres",
            Pushed('("id" = 1 OR ("n" = 2 AND "d" > 0)) AND "id" < 9', is_exact=False),
        ),
        ('"t"."b"', "postgres", Pushed(None, is_exact=False)),
        ('"t"."id" = "t"."n"', "postgres", Pushed(None, is_exact=False)),
        ('"t"."id" + 1 = 2', "postgres", Pushed(None, is_exact=False)),
        (" OR ".join(['("t"."id" = 1'] * 900) + ")" * 900, "duckdb", Pushed(None, is_exact=False)),
    ],
)
def test_a_condition_is_pushed(condition: str, dialect: str, expected: Pushed) -> None:
    leaf = f'SELECT "t"."id" FROM "c"."s"."t" WHERE {condition}'
    assert push_condition(leaf, _SCHEMA, dialect) == expected


_ALL = ", ".join(f'"{name}"' for name in _SCHEMA.names)
_T = f'(SELECT {_ALL} FROM "s"."t") AS "t"'


def pushed(sql: str, dialect: str = "postgres", where: str | None = None) -> str | None:
    schemas = {("c", "s", "t"): _SCHEMA, ("c", "s2", "t"): _SCHEMA}
    conditions = {} if where is None else {("c", "s", "t"): where}
    return push_statement(sql, schemas, dialect, defaults=("c", "s"), conditions=conditions)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ('SELECT "t"."id" FROM "c"."s"."t"', f'SELECT "t"."id" FROM {_T}'),
        ('SELECT "t"."id" FROM "t"', f'SELECT "t"."id" FROM {_T}'),
        (
            'SELECT "t"."id" FROM "s2"."t"',
            f'SELECT "t"."id" FROM (SELECT {_ALL} FROM "s2"."t") AS "t"',
        ),
        (
            'SELECT "t"."s", sum("t"."id") AS "x" FROM "t" GROUP BY "t"."s" ORDER BY "x" ASC NULLS LAST',
            f'SELECT "t"."s", CAST(SUM("t"."id") AS BIGINT) AS "x" FROM {_T} GROUP BY "t"."s" ORDER BY "x" ASC',
        ),
        (
            'SELECT sum("t"."d") FROM "t" WHERE "t"."s" = \'a\'',
            f'SELECT SUM("t"."d") FROM {_T} WHERE "t"."s" = (\'a\' COLLATE "C")',
        ),
        (
            'SELECT "t"."f" FROM "t" WHERE "t"."day" >= \'2024-01-01\'',
            f'SELECT "t"."f" FROM {_T} WHERE "t"."day" >= CAST(\'2024-01-01\' AS DATE)',
        ),
        (
            'SELECT "a"."id" FROM "t" AS "a" CROSS JOIN "t" AS "b" WHERE "a"."id" = "b"."id"',
            f'SELECT "a"."id" FROM (SELECT {_ALL} FROM "s"."t") AS "a"'
            f' CROSS JOIN (SELECT {_ALL} FROM "s"."t") AS "b" WHERE "a"."id" = "b"."id"',
        ),
    ],
)
def test_a_statement_is_pushed(sql: str, expected: str) -> None:
    assert pushed(sql) == expected


def test_a_table_is_asked_for_what_a_scan_would_be() -> None:
    sql = 'SELECT "t"."id" FROM "t" WHERE "t"."id" < 9'
    rows = f'(SELECT {_ALL} FROM "s"."t" WHERE "id" < 9) AS "t"'
    expected = f'SELECT "t"."id" FROM {rows} WHERE "t"."id" < 9'
    assert pushed(sql, where='"id" < 9') == expected
    twice = 'SELECT "t"."id" FROM "t" CROSS JOIN "t" AS "b" WHERE "t"."id" < 9'
    assert 'WHERE "id" < 9)' not in (pushed(twice, where='"id" < 9') or "")


def test_text_of_duckdb_has_its_bytes_already() -> None:
    sql = 'SELECT "t"."id" FROM "t" WHERE "t"."s" = \'a\' ORDER BY "t"."s" DESC NULLS FIRST'
    expected = f'SELECT "t"."id" FROM {_T} WHERE "t"."s" = \'a\' ORDER BY "t"."s" DESC NULLS FIRST'
    assert pushed(sql, "duckdb") == expected


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT "t"."id" FROM "elsewhere"."t"',
        'SELECT "u"."id" FROM "u"',
        'SELECT * FROM "t"',
        'SELECT "t"."id" / 2 FROM "t"',
        'SELECT "t"."id" % 2 FROM "t"',
        'SELECT avg("t"."id") FROM "t"',
        'SELECT upper("t"."s") FROM "t"',
        'SELECT "t"."s" || \'x\' FROM "t"',
        'SELECT sum("t"."f") FROM "t"',
        'SELECT max("t"."f") FROM "t"',
        'SELECT max("t"."b") FROM "t"',
        'SELECT "t"."f" + 1 FROM "t"',
        'SELECT DISTINCT "t"."f" FROM "t"',
        'SELECT count(DISTINCT "t"."f") FROM "t"',
        'SELECT "t"."f" FROM "t" GROUP BY "t"."f"',
        'SELECT "t"."id" FROM "t" ORDER BY "t"."f" ASC',
        'SELECT "t"."id" FROM "t" ORDER BY "t"."data" ASC',
        'SELECT "t"."id" FROM "t" WHERE "t"."f" > 1',
        'SELECT "t"."u" + 1 FROM "t"',
        'SELECT "t"."wide" + 1 FROM "t"',
        'SELECT "t"."d" * 1.1 FROM "t"',
        'SELECT 0.1 AS "x" FROM "t"',
        'SELECT "t"."id" FROM "t" WHERE "t"."d" > 1.1',
        'SELECT "t"."id" FROM "t" WHERE "t"."id" = \'5\'',
        'SELECT "t"."id" FROM "t" WHERE "t"."s" = 5',
        'SELECT "t"."id" FROM "t" WHERE "t"."id" = 9223372036854775808',
        'SELECT coalesce("t"."id", "t"."d") FROM "t"',
        'SELECT CASE WHEN "t"."b" THEN 1 ELSE \'a\' END FROM "t"',
        'SELECT CASE WHEN "t"."b" THEN "t"."d" ELSE "t"."d" + "t"."d" END FROM "t"',
        'SELECT CAST("t"."d" AS INTEGER) FROM "t"',
        'SELECT CAST("t"."id" AS TEXT) FROM "t"',
        'SELECT CAST("t"."tz" AS DATE) FROM "t"',
        'SELECT "t"."id" FROM "t" WHERE "t"."day" = "t"."ts"',
        'SELECT "t"."id" FROM "t" WHERE "t"."day" = \'2024-01-01 00:00:00\'',
        'SELECT "t"."id" FROM "t" WHERE "t"."ts" = \'2024-01-01T00:00:00+02:00\'',
        'SELECT "t"."id" FROM "t" WHERE "t"."ts" = \'infinity\'',
        'SELECT "t"."id" FROM "t" WHERE "t"."ts" = CAST(\'1066-10-14\' AS TIMESTAMP)',
        'SELECT "t"."id" FROM "t" WHERE "t"."s" LIKE \'a\\%\'',
        'SELECT "t"."id" FROM "t" WHERE "t"."s" LIKE \'a!%\' ESCAPE \'!\'',
        'SELECT "t"."id" FROM "t" WHERE "t"."s" LIKE "t"."s"',
        'SELECT "t"."id" FROM "t" WHERE "t"."s" ILIKE \'a\'',
        'SELECT "a"."id" FROM "t" AS "a" INNER JOIN "t" AS "b" USING("id")',
        'SELECT "t"."id" FROM "t" UNION SELECT "t"."id" FROM "t"',
        'SELECT row_number() OVER (ORDER BY "t"."id") FROM "t"',
        'SELECT DISTINCT ON ("t"."id") "t"."s" FROM "t"',
        'SELECT "t"."id" AS "K", "t"."n" AS "k" FROM "t"',
        'SELECT "T"."id" FROM "t" AS "T" CROSS JOIN "t"',
        'SELECT "t"."id" AS "s" FROM "t" ORDER BY ("s" + 1) ASC',
        'SELECT 2 AS "x", count(1) FROM "t" GROUP BY 2',
        'SELECT NULL AS "x" FROM "t"',
        "SELECT " + "NOT " * 900 + '"t"."b" FROM "t"',
        "SELECT (",
    ],
)
def test_a_statement_is_not_pushed(sql: str) -> None:
    assert pushed(sql) is None
    assert pushed(sql, "duckdb") is None

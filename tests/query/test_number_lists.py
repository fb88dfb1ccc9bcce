"""Long lists of numbers are found, and nothing else is taken for one."""

import math
import random

import pytest
from datafusion import SessionContext
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import SqlTooComplex
from engine.query.number_lists import blank_numbers, chars_besides_numbers, take_numbers
from engine.query.parse import SMALL_CHARS_MAX, parse_sql, read_sql

LONG = ", ".join(f"{number / 8 - 1}" for number in range(20))
NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**15), 10**15),
)


def evaluate(array: str) -> list[float]:
    frame = SessionContext().sql(f"SELECT {array}")
    value: list[float] = frame.collect()[0].column(0)[0].as_py()
    return value


@settings(max_examples=100)
@given(st.lists(NUMBERS, min_size=16, max_size=40), st.randoms(use_true_random=False))
def test_numbers_are_read_as_the_engine_reads_them(
    numbers: list[float], rng: random.Random
) -> None:
    spelled = [rng.choice(["{}", " {}", "{}\n", "({})"]).format(repr(n)) for n in [*numbers, 0.5]]
    array = f"ARRAY[{','.join(spelled)}]"
    text, (taken,) = take_numbers(f"SELECT {array} AS v", "f")
    assert taken.tolist() == evaluate(array)
    assert len(text) == len(f"SELECT {array} AS v")
    assert text.split()[:2] == ["SELECT", "f(0)/*"]
    assert text.endswith("*/ AS v")


@pytest.mark.parametrize(
    "spelled",
    ["1.", ".5", "-.5", "1e3", "1.5E-7", "-2.25e+10", "123456789012345678", "(-1.5)", "0.1" * 1],
)
def test_every_spelling_of_a_number_is_read(spelled: str) -> None:
    array = "ARRAY[" + f"{spelled}, " * 20 + "0.5]"
    _, (taken,) = take_numbers(array, "f")
    assert taken.tolist() == evaluate(array)


def test_an_integer_has_one_zero() -> None:
    array = f"ARRAY[-0, {LONG}, 0.5]"
    assert evaluate(array)[0] == 0
    assert take_numbers(array, "f") == (array, [])
    kept = f"ARRAY[-0.0, {LONG}]"
    _, (taken,) = take_numbers(kept, "f")
    assert [math.copysign(1, each[0]) for each in (taken.tolist(), evaluate(kept))] == [-1, -1]


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT '[{LONG}]'",
        f"SELECT 'it''s ARRAY[{LONG}]'",
        f"SELECT E'\\'ARRAY[{LONG}]'",
        f'SELECT "ARRAY[{LONG}]" FROM t',
        f"SELECT 1 -- ARRAY[{LONG}]",
        f"SELECT 1 /* a /* b */ ARRAY[{LONG}] */",
        f"SELECT $$ARRAY[{LONG}]$$",
        f"SELECT $a$ARRAY[{LONG}]$a$",
        f"SELECT $a$ARRAY[{LONG}]",
        f"SELECT ARRAY[{LONG}, x]",
        f"SELECT ARRAY[{LONG}, NULL]",
        f"SELECT ARRAY[{LONG}, 1 - 1]",
        f"SELECT ARRAY[{LONG}, --1\n 1]",
        f"SELECT ARRAY[{LONG}, 12345678901234567890]",
        f"SELECT ARRAY[{LONG}, 1_000]",
        f"SELECT ARRAY[{LONG}, 0x1]",
        f"SELECT ARRAY[{LONG}, '1']",
        f"SELECT ARRAY[{LONG},]",
        "SELECT ARRAY[0.5, 1.5]",
        "SELECT ARRAY[]",
    ],
)
def test_what_is_no_long_list_of_numbers_stays(sql: str) -> None:
    assert blank_numbers(sql) == sql
    assert take_numbers(sql, "f") == (sql, [])


def test_several_arrays_are_numbered_and_whole_numbers_stay() -> None:
    whole = ", ".join(map(str, range(20)))
    other = f"ARRAY[{LONG}], ARRAY [{whole}], array [{LONG}, 0.5]"
    text, taken = take_numbers(f"SELECT {other}, ARRAY[{LONG}]", "f")
    assert text.count("f(0)/*") == 2
    assert f"ARRAY [{whole}]" in text
    assert "f(1)/*" in text
    assert len(taken) == 2


def test_a_subscript_is_blank_to_the_reader_and_is_not_taken() -> None:
    sql = f"SELECT x[{LONG}] FROM t"
    assert blank_numbers(sql).split() == ["SELECT", "x[", "]", "FROM", "t"]
    assert take_numbers(sql, "f") == (sql, [])


def test_places_in_the_text_stay_true() -> None:
    sql = f"SELECT ARRAY[{LONG}] FROM t; "
    assert len(blank_numbers(sql)) == len(sql)
    assert chars_besides_numbers(sql) == len(sql) - len(LONG)
    parsed = parse_sql(sql, terms_max=10)
    assert parsed.sql == sql[:-2]
    assert parsed.tables == (("t",),)


def test_a_statement_with_a_vector_is_read_before_a_worker_has_it() -> None:
    vector = ", ".join(["-0.12345678901234567"] * 1024)
    parsed = read_sql(f"SELECT * FROM vector_search('a.b', 'v', ARRAY[{vector}])", terms_max=10)
    assert len(parsed.sql) > SMALL_CHARS_MAX
    assert not parsed.is_deferred
    assert parsed.tables == (("a", "b"),)


def test_operators_are_counted_wherever_they_are() -> None:
    with pytest.raises(SqlTooComplex):
        parse_sql("SELECT ARRAY[" + "1.5, " * 20 + "1" + " - 1" * 20 + "]", terms_max=10)


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT 'a' LIKE'b\\', 'ARRAY[{LONG}]' AS x",
        f"SELECT $A$ $a$ ARRAY[{LONG}] $a$ $A$",
        f"SELECT $é$ ARRAY[{LONG}] $é$",
        f"SELECT 1 AS t$x$, '$x$ ARRAY[{LONG}] ' z",
        f"SELECT E'\\' ARRAY[{LONG}]'",
    ],
)
def test_texts_end_where_postgres_ends_them(sql: str) -> None:
    assert blank_numbers(sql) == sql
    assert take_numbers(sql, "f") == (sql, [])

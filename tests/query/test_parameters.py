"""Values become literals, never SQL."""

import math
from typing import Any

import pyarrow as pa
import pytest
from datafusion import SessionContext
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InvalidRequest, SqlInvalid
from engine.query.parameters import bind_parameters


def evaluate(sql: str, values: list[Any]) -> Any:
    context = SessionContext()
    context.sql("SET datafusion.sql_parser.dialect = 'PostgreSQL'")
    batches = [b.to_pyarrow() for b in context.sql(bind_parameters(sql, values)).execute_stream()]
    return pa.Table.from_batches(batches).column(0).to_pylist()[0]


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40),
)


@settings(max_examples=150)
@given(SCALARS)
def test_a_value_comes_back_as_it_went_in(value: Any) -> None:
    answer = evaluate("SELECT $1", [value])
    assert answer == value
    if isinstance(value, float):
        assert math.copysign(1, answer) == math.copysign(1, value) or value == 0


@settings(max_examples=50)
@given(st.integers(-(10**30), 10**30))
def test_an_integer_of_any_size_keeps_its_digits(value: int) -> None:
    assert int(evaluate("SELECT $1", [value])) == value


def test_infinities_and_nan_are_doubles() -> None:
    assert evaluate("SELECT $1", [math.inf]) == math.inf
    assert math.isnan(evaluate("SELECT $1", [math.nan]))


def test_a_list_is_an_array() -> None:
    assert evaluate("SELECT array_length($1)", [[1, 2, 3]]) == 3


@pytest.mark.parametrize(
    "text",
    [
        "SELECT '$1', $1",
        'SELECT 1 AS "$1", $1',
        "SELECT /* $1 /* $1 */ $1 */ $1",
        "SELECT $1 -- $1",
        "SELECT $tag$ $1 $tag$, $1",
        "SELECT E'\\'$1', $1",
    ],
)
def test_placeholders_in_strings_names_and_comments_stay(text: str) -> None:
    bound = bind_parameters(text, [42])
    assert bound.count("42") == 1
    assert bound.count("$1") == text.count("$1") - 1


def test_a_negative_value_after_a_minus_is_no_comment() -> None:
    assert evaluate("SELECT 5 -$1", [-3]) == 8


def test_placeholders_may_repeat_and_touch_commas() -> None:
    assert bind_parameters("SELECT $1,$2,$1", [1, 2]) == "SELECT 1,2,1"


def test_ten_is_not_one() -> None:
    values = list(range(10))
    assert bind_parameters("SELECT " + ",".join(f"${i}" for i in range(10, 0, -1)), values) == (
        "SELECT 9,8,7,6,5,4,3,2,1,0"
    )


@pytest.mark.parametrize(
    ("sql", "values"), [("SELECT $2", [1]), ("SELECT $0", [1]), ("SELECT 1", [1])]
)
def test_values_and_placeholders_must_match(sql: str, values: list[Any]) -> None:
    with pytest.raises(SqlInvalid):
        bind_parameters(sql, values)


@pytest.mark.parametrize("value", [{"a": 1}, [[1]], "a\x00b", 10**80])
def test_what_has_no_literal_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRequest):
        bind_parameters("SELECT $1", [value])


@pytest.mark.parametrize(
    ("sql", "values", "bound"),
    [
        (
            "SELECT $1, 'a' LIKE'\\', 'pays $1 extra'",
            ["x"],
            "SELECT 'x', 'a' LIKE'\\', 'pays $1 extra'",
        ),
        ("SELECT 'b' LIKE'\\', $1, 'z' LIKE'\\'", [7], "SELECT 'b' LIKE'\\', 7, 'z' LIKE'\\'"),
        ("SELECT 1 AS t$x$, $1, '$x$ ' z", [7], "SELECT 1 AS t$x$, 7, '$x$ ' z"),
        ("SELECT $é$ $1 $é$, $1", [7], "SELECT $é$ $1 $é$, 7"),
        ("SELECT $A$ $a$ $1 $a$ $A$, $1", [7], "SELECT $A$ $a$ $1 $a$ $A$, 7"),
        ("SELECT E'\\' $1', $1", [7], "SELECT E'\\' $1', 7"),
        ("SELECT $1, 'never closed $1", [7], "SELECT 7, 'never closed $1"),
        ("SELECT $1, $$never closed $1", [7], "SELECT 7, $$never closed $1"),
    ],
)
def test_texts_end_where_postgres_ends_them(sql: str, values: list[object], bound: str) -> None:
    assert bind_parameters(sql, values) == bound

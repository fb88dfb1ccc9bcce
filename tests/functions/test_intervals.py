"""Intervals, and the fields of moments, against a real Postgres."""

import pytest

from tests.golden.answers import is_same
from tests.golden.engines import Engines, Refused

_TEXTS = (
    *("1 day", "1 month 2 days 03:04:05", "-1 day", "1 day ago", "1.5 days", "0.5 month", "1:30"),
    *("1 year 2 months", "1-2", "-1-2", "P1Y2M3DT4H5M6.7S", "PT36H", "P1W", "@ 1 minute", "10"),
    *(
        "1 hour -30 minutes",
        "3 weeks",
        "1.5 years",
        "2 decades",
        "100 ms",
        "1 mon -1 day +02:03:04",
    ),
    *(
        "1d 2h 3m 4s",
        "-00:00:01.5",
        "1.25 hours",
        "04:05:06.789",
        "1 century",
        "x",
        "1 foo",
        "",
        "P",
    ),
    *(
        "1.5 weeks",
        "-1.5 mon",
        "1 day 1 day",
        "1.000001 seconds",
        "1 hour ago",
        "1 day,",
        "2 12:00",
    ),
)
_FACTORS = (2.0, -1.0, 0.5, 1.5, 0.1, -0.333, 0.0, 10.25)
_FIELDS_OF_BOTH = (
    *(
        "year",
        "quarter",
        "month",
        "day",
        "hour",
        "minute",
        "second",
        "milliseconds",
        "microseconds",
    ),
    *("epoch", "decade", "century", "millennium"),
)
_FIELDS = (*_FIELDS_OF_BOTH, "week", "dow", "isodow", "doy", "isoyear", "julian")


@pytest.mark.parametrize("text", _TEXTS)
def test_interval_is_read_as_postgres_reads_it(engines: Engines, text: str) -> None:
    try:
        expected = engines.ask_postgres(f"SELECT interval '{text}'")
    except Refused:
        with pytest.raises(Refused, match="invalid input syntax for type interval"):
            engines.ask_ours(f"SELECT interval_of_text('{text}')")
        return
    found = engines.ask_ours(f"SELECT interval_of_text('{text}')")
    assert is_same(expected, found, ordered=True), (expected, found)


@pytest.mark.parametrize("factor", _FACTORS)
def test_interval_times_a_number(engines: Engines, factor: float) -> None:
    expected = engines.ask_postgres(f"SELECT id, span * {factor}::float8 FROM spans")
    found = engines.ask_ours(f"SELECT id, interval_times(span, {factor}) FROM spans")
    assert is_same(expected, found, ordered=False), (expected, found)


@pytest.mark.parametrize("divisor", [2.0, -3.0, 0.5, 7.0])
def test_interval_divided_by_a_number(engines: Engines, divisor: float) -> None:
    expected = engines.ask_postgres(f"SELECT id, span / {divisor}::float8 FROM spans")
    found = engines.ask_ours(f"SELECT id, interval_divided(span, {divisor}) FROM spans")
    assert is_same(expected, found, ordered=False), (expected, found)


def test_intervals_are_ordered_by_their_key(engines: Engines) -> None:
    expected = engines.ask_postgres("SELECT id FROM spans ORDER BY span NULLS LAST, id")
    found = engines.ask_ours("SELECT id FROM spans ORDER BY interval_key(span) NULLS LAST, id")
    assert is_same(expected, found, ordered=True)


@pytest.mark.parametrize("field", _FIELDS)
@pytest.mark.parametrize(
    ("column", "table"), [("ordered_at", "orders"), ("at", "events"), ("born", "people")]
)
def test_fields_of_moments(engines: Engines, field: str, column: str, table: str) -> None:
    try:
        expected = engines.ask_postgres(f"SELECT extract({field} FROM {column}) FROM {table}")
    except Refused:  # Postgres has no hours of dates
        assert column == "born"
        return
    found = engines.ask_ours(f"SELECT extract_field('{field}', {column}) FROM {table}")
    assert is_same(expected, found, ordered=False), (expected, found)


@pytest.mark.parametrize("field", _FIELDS_OF_BOTH)
def test_fields_of_intervals(engines: Engines, field: str) -> None:
    expected = engines.ask_postgres(f"SELECT extract({field} FROM span) FROM spans")
    found = engines.ask_ours(f"SELECT extract_field('{field}', span) FROM spans")
    assert is_same(expected, found, ordered=False), (expected, found)


def test_fields_that_intervals_do_not_have(engines: Engines) -> None:
    with pytest.raises(Refused, match="not supported for type interval"):
        engines.ask_ours("SELECT extract_field('dow', span) FROM spans")


@pytest.mark.parametrize("text", [r"\xdeadBEEF", r"\x", "abc", r"a\000\\b\377", r"\x1", r"a\9"])
def test_bytea(engines: Engines, text: str) -> None:
    try:
        expected = engines.ask_postgres(f"SELECT '{text}'::bytea")
    except Refused:
        with pytest.raises(Refused):
            engines.ask_ours(f"SELECT bytea_of_text('{text}')")
        return
    assert is_same(expected, engines.ask_ours(f"SELECT bytea_of_text('{text}')"), ordered=True)

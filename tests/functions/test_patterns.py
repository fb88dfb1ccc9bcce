"""to_char, to_date, to_timestamp and to_number against a real Postgres, over grids of values and patterns."""

import pytest

from engine.errors import SqlInvalid
from engine.functions.number_patterns import parse_number_pattern
from tests.golden.answers import is_same
from tests.golden.engines import Engines, Refused

_STAMPS = (
    "2024-02-29 23:59:59.123456",
    "1999-12-31 00:00:00",
    "2000-01-01 12:00:00.5",
    "2023-01-01 01:02:03.000009",
    "2021-01-03 11:59:59.999999",
    "2020-12-31 13:00:00",
    "1900-03-01 06:07:08",
    "2100-10-11 21:12:13.1",
)
_DATE_PATTERNS = (
    "YYYY-MM-DD HH24:MI:SS.US",
    "Dy, DD Mon YY HH12:MI:SS AM",
    "FMDay FMMonth FMDDth, FMYYYY",
    "IYYY-IW-ID IDDD WW W Q",
    "Y,YYY YYY YY Y CC D DDD DDDth",
    "MS US FF1 FF2 FF3 FF4 FF5 FF6 SSSS SSSSS",
    "FMHH24 FMMI FMSS FMHH12 FMHH FMMM",
    "yyyy mm dd hh24 mi ss ms us",
    "A.M. a.m. PM pm P.M. BC ad B.C.",
    "RM rm FMRM FMrm J",
    "DAY|Day|day|DY|Dy|dy|MONTH|Month|month|MON|Mon|mon",
    '"on the" DDTH "of" FMMonth, YYYYth',
    r"\"YYYY\" x-y/z.; ",
    "TMMonth TMDay FXYYYY",
    "HHth MIth SSth",
)
_NUMBERS = (
    *("0", "1", "-1", "9.99", "-9.99", "0.1", "-0.1", "0.05", "-0.05", "12.345", "-12.345"),
    *("99.5", "100", "999", "1000", "-1000", "1234.5", "-1234.56", "123456.789", "0.999", "0.001"),
)
_NUMBER_PATTERNS = (
    *("9", "99", "999", "9999", "0", "000", "0000", "9.9", "99.99", "999.999", "0.0", "000.00"),
    *("FM9", "FM999", "FM000", "FM9.9", "FM99.99", "FM990.00", "FM0.99", "FM999.099", "FM9,999.99"),
    *("9,999", "9,999.99", "0,000.00", "9G999D99", "FM9G999D99", "99,99,99"),
    *("S9", "S999", "999S", "9.9S", "S000", "FMS999", "FM999S", "S9,999.99", "99S9", "9S.9"),
    *("MI999", "999MI", "FM999MI", "FMMI999", "PL999", "999PL", "FMPL999", "SG999", "999SG"),
    *("FM999SG", "999PR", "9.9PR", "FM999PR", "FM0.0PR", "0000PR", "9,999PR", "999.99PR"),
    *(
        "9th",
        "999TH",
        "FM999th",
        "9.9th",
        "V9",
        "9V9",
        "99V99",
        "999V9",
        "FM9V9",
        "RN",
        "rn",
        "FMRN",
    ),
    *(
        "9.9EEEE",
        "9.99EEEE",
        "9EEEE",
        "L999",
        "999L",
        "9 9 9",
        ' "x" 999',
        '99"a"9',
        "B999",
        "B9.9",
    ),
    *(".9", ".99", "9.", "FM9.", "FM.99", "0.9", "90.9", "09.90", "990", "9909", "FM9909", "099"),
    *("S.9", "MI.9", "9.9MI", "FM9.9MI", "SG9.9", "PL9.9", "FM0999.9900", "FM9990.9009"),
)
_DATE_TEXTS = (
    ("2024-02-29", "YYYY-MM-DD"),
    ("20240229", "YYYYMMDD"),
    ("240229", "YYMMDD"),
    ("690229", "YYMMDD"),
    ("700228", "YYMMDD"),
    ("29 Feb 2024", "DD Mon YYYY"),
    ("29FEBRUARY2024", "DDMonthYYYY"),
    ("february 29, 2024", "Month DD, YYYY"),
    ("Thursday 29 February 2024", "Day DD Month YYYY"),
    ("2024/2/9", "YYYY-MM-DD"),
    ("  2024 - 02 - 09", "YYYY-MM-DD"),
    ("2024", "YYYY-MM-DD"),
    ("2024-03", "YYYY-MM-DD"),
    ("2024-060", "YYYY-DDD"),
    ("2024-09-4", "IYYY-IW-ID"),
    ("2024-366", "YYYY-DDD"),
    ("2460370", "J"),
    ("3rd 02 2024", "DDth MM YYYY"),
    ("IX 2024", "RM YYYY"),
    ("2024 12", "YYYY WW"),
    ("2024-02-29 and more", "YYYY-MM-DD"),
    ("2,024-02-03", "Y,YYY-MM-DD"),
    ("0044-03-15 BC", "YYYY-MM-DD BC"),
    ("2024-13-01", "YYYY-MM-DD"),
    ("2023-02-29", "YYYY-MM-DD"),
    ("2024-02-00", "YYYY-MM-DD"),
    ("20240229", "YYYY-MM-DD"),
    ("2024-02-29T10", "YYYY-MM-DD HH24"),
    ("2024:02::29", "YYYY-MM-DD"),
    ("abc", "YYYY"),
    ("12 Foo 2024", "DD Mon YYYY"),
    ("2024-02-29", 'YYYY"-"MM"-"DD'),
    ("on 05 03 2024", '"on "DD MM YYYY'),
)
_STAMP_TEXTS = (
    ("2024-01-02 03:04:05", "YYYY-MM-DD HH24:MI:SS"),
    ("2024-01-02T03:04:05", 'YYYY-MM-DD"T"HH24:MI:SS'),
    ("2024-01-02 03:04:05.678", "YYYY-MM-DD HH24:MI:SS.MS"),
    ("2024-01-02 03:04:05.6", "YYYY-MM-DD HH24:MI:SS.MS"),
    ("2024-01-02 03:04:05.000678", "YYYY-MM-DD HH24:MI:SS.US"),
    ("2024-01-02 03:04:05.12", "YYYY-MM-DD HH24:MI:SS.FF2"),
    ("2024-01-02 12:30 AM", "YYYY-MM-DD HH:MI AM"),
    ("2024-01-02 12:30 PM", "YYYY-MM-DD HH12:MI AM"),
    ("2024-01-02 01:30 p.m.", "YYYY-MM-DD HH12:MI a.m."),
    ("2024-01-02 03:04+05:30", "YYYY-MM-DD HH24:MITZH:TZM"),
    ("2024-01-02 03:04-08", "YYYY-MM-DD HH24:MITZH"),
    ("20240102030405", "YYYYMMDDHH24MISS"),
    ("2024-01-02 37800", "YYYY-MM-DD SSSS"),
    ("2024-01-02 24:00:00", "YYYY-MM-DD HH24:MI:SS"),
    ("2024-01-02 13:00 AM", "YYYY-MM-DD HH12:MI AM"),
    ("2024-01-02 10:61", "YYYY-MM-DD HH24:MI"),
)
_NUMBER_TEXTS = (
    ("12,454.8-", "99G999D9S"),
    ("-34,338,492", "99G999G999"),
    ("-34,338,492.654,878", "99G999G999D999G999"),
    ("<564646.654564>", "999999.999999PR"),
    ("0.00001-", "9.999999S"),
    ("5.01-", "FM9.999999S"),
    ("5 4 4 4 4 8 . 7 8", "9 9 9 9 9 9 . 9 9"),
    (".01", "FM9.99"),
    (".0", "99999999.99999999"),
    ("0", "99.99"),
    (".01-", "99.99S"),
    ("$1,234.56", "L9,999.99"),
    ("1234", "9V99"),
    ("42nd", "99th"),
    ("abc", "999"),
)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def compare(engines: Engines, theirs: str, ours: str) -> None:
    """Both answer the same, or both refuse."""
    try:
        expected = engines.ask_postgres(theirs)
    except Refused:
        with pytest.raises(Refused):
            engines.ask_ours(ours)
        return
    found = engines.ask_ours(ours)
    assert is_same(expected, found, ordered=True), f"{ours}\n{expected}\n{found}"


@pytest.mark.parametrize("pattern", _DATE_PATTERNS)
def test_timestamps_are_written_as_postgres_writes_them(engines: Engines, pattern: str) -> None:
    values = ", ".join(f"(timestamp '{stamp}')" for stamp in (*_STAMPS, "2001-09-09 01:46:40"))
    sql = f"SELECT to_char(x, {quoted(pattern)}) FROM (VALUES {values}) AS t(x)"
    compare(engines, sql, sql)


@pytest.mark.parametrize("pattern", ["HH24:MI:SS.US", "DD HH:MI AM", "YYYY MM DD", "CC Q W WW DDD"])
def test_intervals_are_written_as_postgres_writes_them(engines: Engines, pattern: str) -> None:
    sql = f"SELECT to_char(span, {quoted(pattern)}) FROM spans ORDER BY id"
    compare(engines, sql, sql)


@pytest.mark.parametrize("pattern", _NUMBER_PATTERNS)
def test_numbers_are_written_as_postgres_writes_them(engines: Engines, pattern: str) -> None:
    values = ", ".join(f"({number}::numeric(12,3))" for number in _NUMBERS)
    sql = f"SELECT x, to_char(x, {quoted(pattern)}) FROM (VALUES {values}) AS t(x)"
    compare(engines, sql, sql)


@pytest.mark.parametrize(("text", "pattern"), _DATE_TEXTS)
def test_dates_are_read_as_postgres_reads_them(engines: Engines, text: str, pattern: str) -> None:
    # As days: Python has no dates before Christ.
    sql = f"SELECT to_date({quoted(text)}, {quoted(pattern)}) - date '2000-01-01'"
    compare(engines, sql, sql)


@pytest.mark.parametrize(("text", "pattern"), _STAMP_TEXTS)
def test_timestamps_are_read_as_postgres_reads_them(
    engines: Engines, text: str, pattern: str
) -> None:
    arguments = f"({quoted(text)}, {quoted(pattern)})"
    compare(
        engines, f"SELECT to_timestamp{arguments}", f"SELECT to_timestamp_by_pattern{arguments}"
    )


@pytest.mark.parametrize(("text", "pattern"), _NUMBER_TEXTS)
def test_numbers_are_read_as_postgres_reads_them(engines: Engines, text: str, pattern: str) -> None:
    sql = f"SELECT to_number({quoted(text)}, {quoted(pattern)})"
    compare(engines, sql, sql)


@pytest.mark.parametrize("pattern", ["9.9.9", "S9S", "9.9V9", "999PR9", "9EEEE9"])
def test_patterns_that_postgres_refuses(engines: Engines, pattern: str) -> None:
    with pytest.raises(Refused):
        engines.ask_postgres(f"SELECT to_char(1, {quoted(pattern)})")
    with pytest.raises(SqlInvalid):
        parse_number_pattern(pattern)

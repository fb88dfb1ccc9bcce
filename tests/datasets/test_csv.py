"""CSV files, ordinary and hostile."""

import gzip
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest

from engine.datasets import csv_input
from engine.datasets.load import LoadError
from tests.datasets.loading import load


def zstd(data: bytes) -> bytes:
    return pa.compress(data, codec="zstd", asbytes=True)


MANY = "".join(f"{i},x{i}\n" for i in range(300_000))


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["1", "-2", "0"], "int64"),
        (["1", "2.5", "1e3"], "double"),
        ([" 1", "2 ", "   "], "int64"),
        (["9223372036854775807"], "int64"),
        (["9223372036854775808", "1"], "decimal128(38, 0)"),
        (["9" * 39, "1"], "string"),
        (["9" * 39, "1.5"], "string"),
        (["00123", "45"], "string"),
        (["-05"], "string"),
        (["0x1F"], "string"),
        (["+49"], "string"),
        (["1_000"], "string"),
        (["1e400"], "string"),
        (["0", "0.5", "-0.5", "-0"], "double"),
        (["inf", "-1.5", "NaN"], "double"),
        (["true", "False", "TRUE"], "bool"),
        (["1", "true"], "string"),
        (["2024-02-29"], "date32[day]"),
        (["2023-02-29"], "string"),
        (["2024-1-1"], "string"),
        (["01/02/2024"], "string"),
        (["2024-01-01", "2024-01-02 03:04:05"], "timestamp[us]"),
        (["2024-01-01T00:00:00.123456789"], "timestamp[ns]"),
        (["2024-01-01T00:00:00Z", "2024-01-01T00:00:00+02:00"], "timestamp[us, tz=UTC]"),
        (["2024-01-01T00:00:00Z", "2024-01-01T00:00:00"], "string"),
        (["12:30:00"], "string"),
        (["", ""], "string"),
        (["text", "1"], "string"),
    ],
)
def test_the_type_of_a_column_is_inferred(values: list[str], dtype: str) -> None:
    loaded = load("k,v\n" + "".join(f"1,{value}\n" for value in values), "csv")
    assert loaded.types == {"k": "int64", "v": dtype}


def test_values_survive() -> None:
    loaded = load(
        "a,b,c,d,e\n1,1.5,2024-01-02,x,true\n,,,,\n-3,-0.1,1969-12-31,00123,false\n", "csv"
    )
    assert loaded.rows == [
        {"a": 1, "b": 1.5, "c": date(2024, 1, 2), "d": "x", "e": True},
        dict.fromkeys("abcde"),
        {"a": -3, "b": -0.1, "c": date(1969, 12, 31), "d": "00123", "e": False},
    ]


@pytest.mark.parametrize(
    ("late", "dtype", "first", "last"),
    [
        ("1.5", "double", 0.0, 1.5),
        ("9223372036854775808", "decimal128(38, 0)", Decimal(0), Decimal(2**63)),
        ("00123", "string", "0", "00123"),
        ("n/a", "string", "0", "n/a"),
        ("", "int64", 0, None),
        ("2024-01-01", "string", "0", "2024-01-01"),
    ],
)
def test_a_late_value_widens_its_column_and_loses_nothing(
    late: str, dtype: str, first: object, last: object
) -> None:
    loaded = load(f"k,v\n{MANY}{late},y\n", "csv")
    assert loaded.types == {"k": dtype, "v": "string"}
    assert loaded.rows[0]["k"] == first
    assert loaded.rows[-1] == {"k": last, "v": "y"}
    assert loaded.report.row_count == 300_001


def test_a_column_of_nulls_that_gets_values_late_has_their_type() -> None:
    loaded = load("k,v\n" + "1,\n" * 400_000 + "1,2024-01-01\n", "csv")
    assert loaded.types["v"] == "date32[day]"
    assert loaded.rows[-1]["v"] == date(2024, 1, 1)
    assert loaded.rows[0]["v"] is None


def test_quotes_hold_separators_quotes_and_line_breaks() -> None:
    loaded = load('a,b\n"x,1","say ""hi"""\n"two\nlines","\r\n"\n', "csv")
    assert loaded.rows == [{"a": "x,1", "b": 'say "hi"'}, {"a": "two\nlines", "b": "\r\n"}]


@pytest.mark.parametrize(
    "text",
    [
        "a,b\r\n1,2\r\n3,4\r\n",
        "\ufeffa,b\n1,2\n3,4\n",
        "a,b\n1,2\n3,4",
        "a,b\n\n1,2\n\n3,4\n\n",
        "a;b\n1;2\n3;4\n",
        "a\tb\n1\t2\n3\t4\n",
        "a|b\n1|2\n3|4\n",
        '"a","b"\n"1","2"\n"3","4"\n',
        " a , b \n1,2\n3,4\n",
        "a,b\r1,2\r3,4\r",
    ],
)
def test_ways_to_write_the_same_table(text: str) -> None:
    assert load(text, "csv").rows == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]


def test_empty_fields_are_null_quoted_or_not() -> None:
    assert load('a,b\n"",x\n,y\n', "csv").rows == [{"a": None, "b": "x"}, {"a": None, "b": "y"}]


def test_empty_and_repeated_column_names_are_made_unique() -> None:
    assert list(load("a,a,,a,a_1\n1,2,3,4,5\n", "csv").types) == [
        "a",
        "a_2",
        "column2",
        "a_3",
        "a_1",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "^No data found in the input$"),
        (b"\n\n", "^No data found in the input$"),
        (b"a,b\n", "^No data found in the input$"),
        (b"a,b", "^No data found in the input$"),
        (b"a,b\n1,2\n3\n4,5\n", "^Parse error: row 2 has 1 fields, expected 2$"),
        (b"a,b\n1,2\n3,4\n5,6,7\n", "^Parse error: row 3 has 3 fields, expected 2$"),
        (b"a,b\n1,\xff\xfe\n", "^Parse error: text that is not UTF-8 after row 0$"),
        (b"a\xff,b\n1,2\n", "^Parse error: the header is not UTF-8$"),
        ("a,b\n1,2\n".encode("utf-16"), "^Parse error: the text is UTF-16"),
        (b'a,b\n1,"open\n2,3\n', "^Parse error: a quote is opened in the last row"),
        (b"a,b\n1," + b"x" * 1_001 + b"\n", None),
        (b"x" * 1_001 + b",b\n1,2\n", "^Parse error: a column name is longer than 1000"),
        (b",".join(b"c%d" % i for i in range(10_001)) + b"\n", "10001 columns, at most 10000"),
        (gzip.compress(b"a\n1\n", mtime=0)[:-6], "compressed data is damaged"),
        (b"\x1f\x8b" + b"garbage" * 9, "compressed data is damaged"),
        (b"\x28\xb5\x2f\xfd" + b"garbage" * 9, "compressed data is damaged"),
    ],
)
def test_bad_files_are_explained(content: bytes, message: str | None) -> None:
    if message is None:
        load(content, "csv")
        return
    with pytest.raises(LoadError, match=message):
        load(content, "csv")


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstd])
def test_a_row_longer_than_a_block_is_read(compress: Callable[[bytes], bytes]) -> None:
    long = "x" * (csv_input.BLOCK_BYTES * 2)
    loaded = load(compress(f"a,b\n{MANY}1,{long}\n2,y\n".encode()), "csv")
    assert loaded.report.row_count == 300_002
    assert [len(row["b"]) for row in loaded.rows[-2:]] == [len(long), 1]
    assert [row["a"] for row in loaded.rows[:3]] == [0, 1, 2]


def test_a_row_longer_than_any_block_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_input, "LONG_ROW_BLOCK_BYTES", csv_input.BLOCK_BYTES)
    with pytest.raises(LoadError, match="longer than 4 MiB or a quote is not closed"):
        load(b'a,b\n1,"' + b"x" * (csv_input.BLOCK_BYTES * 2), "csv")


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
def test_compressed_files_are_found_by_their_bytes(compress: object) -> None:
    data = b"a,b\n" + b"1,x\n" * 5_000
    assert callable(compress)
    assert load(compress(data), "csv").report.row_count == 5_000
    assert load(compress(data[:12]) + compress(data[12:]), "csv").report.row_count == 5_000


DECLARED = {
    "a": "smallint",
    "b": "decimal(6,2)",
    "c": "timestamp",
    "d": "timestamptz",
    "e": "time",
    "f": "blob",
    "g": "varchar",
    "h": "real",
    "i": "bool",
    "j": "date",
}


def test_declared_types_are_used() -> None:
    header = ",".join(DECLARED)
    row = (
        "007,1.255,2024-01-01T10:00:00Z,2024-01-01T10:00:00+02:00,"
        "10:20:30.5,\\x00ff,007,1.5,1,2024-01-01"
    )
    loaded = load(f"{header}\n{row}\n,,,,,,,,,\n", "csv", DECLARED)
    assert loaded.rows == [
        {
            "a": 7,
            "b": Decimal("1.26"),
            "c": datetime(2024, 1, 1, 10),  # noqa: DTZ001 - a time without a zone
            "d": datetime(2024, 1, 1, 8, tzinfo=UTC),
            "e": time(10, 20, 30, 500_000),
            "f": b"\x00\xff",
            "g": "007",
            "h": 1.5,
            "i": True,
            "j": date(2024, 1, 1),
        },
        dict.fromkeys(DECLARED),
    ]
    assert loaded.types["a"] == "int16"
    assert loaded.types["d"] == "timestamp[us, tz=UTC]"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": "int"}, "^Column 'b' found in data but not defined in columns$"),
        ({"a": "int", "b": "text", "c": "int"}, "^Column 'c' is defined but not found in data$"),
        ({"a": "int", "b": "int"}, "^Parse error: column 'b', row 2: 'y' is not a valid int32$"),
        (
            {"a": "tinyint", "b": "text"},
            "^Parse error: column 'a', row 2: '300' is not a valid int8$",
        ),
        ({"a": "int", "b": "date"}, "^Parse error: column 'b', row 1: '1' is not a valid date32"),
        ({"a": "int", "b": "blob"}, "^Parse error: column 'b', row 1: '1' is not a valid binary"),
    ],
)
def test_declared_columns_must_fit_the_data(columns: dict[str, str], message: str) -> None:
    with pytest.raises(LoadError, match=message):
        load("a,b\n1,1\n300,y\n", "csv", columns)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.005", "1.01"),
        ("-1.005", "-1.01"),
        ("1e3", "1000.00"),
        ("0." + "9" * 39, "1.00"),
        ("9" * 36 + ".995", None),
        ("9" * 36, "9" * 36 + ".00"),
        ("9" * 39, None),
        ("9" * 80, None),
        ("1e50", None),
        ("1e-50", "0.00"),
        ("x", None),
    ],
)
def test_a_declared_decimal_is_rounded_and_never_wraps(text: str, value: str | None) -> None:
    if value is None:
        with pytest.raises(LoadError, match="row 1"):
            load(f"a\n{text}\n", "csv", {"a": "decimal(38,2)"})
    else:
        assert load(f"a\n{text}\n", "csv", {"a": "decimal(38,2)"}).rows == [{"a": Decimal(value)}]


def test_a_declared_column_that_fails_late_names_its_row() -> None:
    with pytest.raises(LoadError, match="column 'k', row 300001: 'oops' is not a valid int32"):
        load(f"k,v\n{MANY}oops,1\n", "csv", {"k": "int", "v": "text"})


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(LoadError, match=r"^Unsupported format: xlsx$"):
        load("a\n1\n", "xlsx")
    assert load("a\n1\n", "CSV").rows == [{"a": 1}]


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ("a\n1\n\n3\n", [1, None, 3]),
        ("a\r\n1\r\n\r\n3\r\n", [1, None, 3]),
        ("a\n1\n\n3", [1, None, 3]),
        ("a\n1\n", [1]),
        ("a\n1\n\n", [1, None]),
        ("\n\na\n1\n\n", [1, None]),
        ("\ufeff\r\na\r\n1\r\n", [1]),
        ('"a\n,"\n\n"x\n\ny"\n', [None, "x\n\ny"]),
        ("a\n\n", [None]),
    ],
)
def test_an_empty_line_of_a_single_column_is_a_null(content: str, values: list[object]) -> None:
    assert [value for row in load(content, "csv").rows for value in row.values()] == values


@pytest.mark.parametrize("mark", [",", ";"])
def test_empty_lines_between_several_columns_are_skipped(mark: str) -> None:
    loaded = load("\na,b\n\n1,2\n\n\n3,4\n\n".replace(",", mark), "csv")
    assert loaded.rows == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]


@pytest.mark.parametrize("rows", [500, csv_input.BLOCK_BYTES // 2])
def test_single_column_rows_are_counted_across_blocks(rows: int) -> None:
    table = load("a\n" + "7\n\n" * rows, "csv").table
    assert (table.num_rows, table["a"].null_count) == (2 * rows, rows)

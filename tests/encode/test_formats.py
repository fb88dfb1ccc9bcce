"""What each format writes around the cells, how it is cut into chunks, and how it reads back."""

import csv
import datetime as dt
import io
import json
import math
import re
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.encode import open_encoder
from engine.encode.chunks import CHUNK_BYTES_MAX

FORMATS = ["json", "arrow", "csv", "md"]
CELLS = (
    st.none()
    | st.text()
    | st.sampled_from(["", '"', "a|b", "a\\|b", "x,y", "\r\n", "line\nline", " "])
)
COLUMNS = st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=2, max_size=4)


def written(format_name: str, schema: pa.Schema, *batches: pa.RecordBatch) -> bytes:
    encoder = open_encoder(format_name, schema)
    chunks = [encoder.begin()]
    for batch in batches:
        for chunk in encoder.encode(batch):
            assert 0 < len(chunk) <= CHUNK_BYTES_MAX
            chunks.append(bytes(chunk))
    return b"".join([*chunks, encoder.finish()])


def record_batch(*columns: Any, names: list[str] | None = None) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns), names=names or ["x"] * len(columns))


MIXED = record_batch(
    pa.array([1, None], pa.int64()),
    pa.array([math.nan, -math.inf]),
    pa.array(['say "hi", you', ""]),
    pa.array([Decimal("1.50"), None], pa.decimal128(12, 2)),
    pa.array([dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC), None], pa.timestamp("us", "UTC")),
    pa.array([b"\x00\xff", b""]),
    pa.array([["a|b", None], []]),
    pa.array([True, False]),
)


def test_an_unknown_format_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown result format 'xml'"):
        open_encoder("xml", MIXED.schema)


@pytest.mark.parametrize(("format_name", "nothing"), [("json", b""), ("csv", b""), ("md", b"")])
def test_no_columns_and_no_rows_write_nothing(format_name: str, nothing: bytes) -> None:
    assert written(format_name, pa.schema([])) == nothing


def test_rows_without_columns_are_empty_rows() -> None:
    batch: Any = pa.table({"x": [1, 2, 3]}).select([]).to_batches()[0]
    assert batch.num_rows == 3
    assert written("json", batch.schema, batch, batch) == b"[],[],[],[],[],[]"
    assert pa.ipc.open_stream(written("arrow", batch.schema, batch)).read_all().num_rows == 3
    assert written("csv", batch.schema, batch) == written("md", batch.schema, batch) == b""


@pytest.mark.parametrize("format_name", FORMATS)
def test_an_empty_batch_adds_no_row(format_name: str) -> None:
    plain, empty = written(format_name, MIXED.schema, MIXED), MIXED.slice(0, 0)
    if format_name == "arrow":
        stream = written(format_name, MIXED.schema, empty, MIXED, empty)
        assert pa.ipc.open_stream(stream).read_all().num_rows == 2
    else:
        assert written(format_name, MIXED.schema, empty, MIXED, empty) == plain


def test_json_rows_are_separated_across_batches_and_have_no_outer_brackets() -> None:
    batch = record_batch(pa.array([1, 2]), pa.array(["a", None]))
    assert written("json", batch.schema, batch, batch) == b'[1,"a"],[2,null],[1,"a"],[2,null]'


def test_csv_of_mixed_types_reads_as_written_here() -> None:
    assert written("csv", MIXED.schema, MIXED).decode().split("\r\n") == [
        "x,x,x,x,x,x,x,x",
        '1,NaN,"say ""hi"", you",1.50,2024-01-02T03:04:05Z,00ff,"[""a|b"",null]",true',
        ',-inf,"",,,"",[],false',
        "",
    ]


@given(columns=COLUMNS)
def test_csv_parses_back_with_nulls_apart_from_empty_strings(
    columns: list[list[str | None]],
) -> None:
    batch = record_batch(*[pa.array(column, pa.string()) for column in columns])
    text = written("csv", batch.schema, batch.slice(0, 1), batch.slice(1)).decode()
    parsed = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    wanted = [[cell or "" for cell in row] for row in zip(*columns, strict=True)]
    assert parsed == [["x"] * len(columns), *wanted]
    assert text.count('""') >= sum(cell == "" for column in columns for cell in column)
    for row in zip(*columns, strict=True):
        if not any(row):
            assert ",".join("" if cell is None else '""' for cell in row) in text.split("\r\n")


def test_column_names_are_quoted_like_cells() -> None:
    batch = record_batch(pa.array([1]), pa.array([2]), names=['a,"b"', "c|d\ne"])
    assert written("csv", batch.schema, batch) == b'"a,""b""","c|d\ne"\r\n1,2\r\n'
    assert (
        written("md", batch.schema, batch) == b'| a,"b" | c\\|d<br>e |\n| --- | --- |\n| 1 | 2 |\n'
    )


@given(columns=COLUMNS)
def test_markdown_has_one_line_a_row_and_one_cell_a_column(columns: list[list[str | None]]) -> None:
    batch = record_batch(*[pa.array(column, pa.string()) for column in columns])
    lines = written("md", batch.schema, batch).decode().removesuffix("\n").split("\n")
    assert len(lines) == 2 + 3
    for line, row in zip(lines[2:], zip(*columns, strict=True), strict=True):
        cells = re.split(r"(?<!\\)(?:\\\\)*\|", line)
        assert len(cells) == len(columns) + 2
        inside = line.removeprefix("| ").removesuffix(" |")
        escaped = [re.sub(r"([\\|])", r"\\\1", cell or "") for cell in row]
        assert inside == " | ".join(c.replace("\r", "").replace("\n", "<br>") for c in escaped)


def test_arrow_reads_back_equal_with_dictionaries_and_views() -> None:
    first = record_batch(
        pa.array(["a", "b"]).dictionary_encode(), pa.array(["x" * 20, None], pa.string_view())
    )
    second = record_batch(
        pa.array(["c", "a"]).dictionary_encode(), pa.array(["y", "z"], pa.string_view())
    )
    stream = written("arrow", first.schema, first, second.slice(1))
    back = list(pa.ipc.open_stream(stream))
    assert back == [first, second.slice(1)]
    assert stream.endswith(b"\xff\xff\xff\xff\x00\x00\x00\x00")
    assert pa.ipc.open_stream(written("arrow", MIXED.schema)).read_all().schema == MIXED.schema


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("kind", [pa.string(), pa.string_view(), pa.large_string()], ids=str)
def test_long_and_short_rows_stay_below_the_chunk_limit(
    format_name: str, kind: pa.DataType
) -> None:
    values = ["short"] * 3_000 + ["é" * 3_000_000] * 3 + ["\x01" * 100_000] * 50 + ["end"] * 70_000
    batch = record_batch(pa.array(values, kind), pa.array(range(len(values))))
    text = written(format_name, batch.schema, batch)
    if format_name == "json":
        assert json.loads(b"[" + text + b"]") == [[v, i] for i, v in enumerate(values)]
    elif format_name == "csv":
        csv.field_size_limit(10**8)
        assert [row[0] for row in csv.reader(io.StringIO(text.decode(), newline=""))][1:] == values
    elif format_name == "arrow":
        assert pa.ipc.open_stream(text).read_all().column(0).to_pylist() == values
    else:
        assert text.count(b"\n") == len(values) + 2


def test_many_columns_are_sliced_by_their_text_not_by_their_bits() -> None:
    batch = record_batch(*[pa.nulls(20_000, pa.bool_())] * 600)
    encoder = open_encoder("json", batch.schema)
    sizes = [len(chunk) for chunk in encoder.encode(batch)]
    assert sum(sizes) == 20_000 * (600 * 5 + 2) - 1
    # A slice of more than two chunks would have held more than 8 MiB at once.
    assert max(sizes) <= CHUNK_BYTES_MAX
    assert len(sizes) >= sum(sizes) // CHUNK_BYTES_MAX

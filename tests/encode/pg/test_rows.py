"""DataRow messages: their framing, their chunks, and how an encoder is opened."""

from typing import Any

import pyarrow as pa
import pytest

from engine.encode import open_encoder
from engine.encode.chunks import CHUNK_BYTES_MAX
from engine.encode.pg import (
    CopyOptions,
    PgCopyEncoder,
    PgRowEncoder,
    copy_format_name,
    open_pg_encoder,
    rows_format_name,
)
from engine.encode.pg.rows import COLUMNS_MAX
from tests.encode.pg.samples import KINDS, column
from tests.encode.pg.wire import batch_of, encoded, fields, messages, rows_of

PAIR = batch_of(pa.array([1, None]), pa.array(["a", "é"]))


def test_a_row_is_a_data_row_message() -> None:
    assert encoded(PgRowEncoder(PAIR.schema), [PAIR]) == (
        b"D\x00\x00\x00\x10\x00\x02\x00\x00\x00\x011\x00\x00\x00\x01a"
        b"D\x00\x00\x00\x10\x00\x02\xff\xff\xff\xff\x00\x00\x00\x02\xc3\xa9"
    )


def test_columns_may_differ_in_format() -> None:
    encoder = PgRowEncoder(PAIR.schema, [1, 0])
    rows = [fields(row) for row in messages(encoded(encoder, [PAIR]), b"D")]
    assert rows == [[bytes(7) + b"\x01", b"a"], [None, "é".encode()]]


@pytest.mark.parametrize(("formats", "expected"), [([], [0, 0]), ([1], [1, 1]), ([0, 1], [0, 1])])
def test_formats_are_none_one_or_each(formats: list[int], expected: list[int]) -> None:
    assert PgRowEncoder(PAIR.schema, formats).formats == expected


@pytest.mark.parametrize("formats", [[0, 0, 0], [2], [0, -1]])
def test_other_formats_are_refused(formats: list[int]) -> None:
    with pytest.raises(ValueError, match="format"):
        PgRowEncoder(PAIR.schema, formats)


def test_more_columns_than_a_row_can_count_are_refused() -> None:
    schema = pa.schema([("x", pa.int8())] * (COLUMNS_MAX + 1))
    with pytest.raises(ValueError, match="at most 32,767 columns"):
        PgRowEncoder(schema)
    with pytest.raises(ValueError, match="at most 32,767 columns"):
        PgCopyEncoder(schema, CopyOptions())


def test_rows_without_columns_are_rows() -> None:
    source: Any = pa.table({"a": pa.nulls(3)}).select([])
    (batch,) = source.to_batches()
    assert encoded(PgRowEncoder(batch.schema), [batch]) == b"D\x00\x00\x00\x06\x00\x00" * 3


@pytest.mark.parametrize("code", [0, 1])
def test_no_rows_are_no_bytes(code: int) -> None:
    for name in KINDS:
        empty = batch_of(column(name, 20)).slice(0, 0)
        assert encoded(PgRowEncoder(empty.schema, [code]), [empty]) == b"", name


@pytest.mark.parametrize("code", [0, 1])
def test_all_types_stand_in_one_row(code: int) -> None:
    """Pieces of fixed and of varying width, with and without nulls, in any neighbourhood."""
    columns = [column(name, 60) for name in KINDS]
    alone = [[row[0] for row in rows_of(batch_of(one), code)] for one in columns]
    together = rows_of(batch_of(*columns), code)
    assert together == [list(row) for row in zip(*alone, strict=True)]
    backwards = rows_of(batch_of(*columns[::-1]), code)
    assert backwards == [row[::-1] for row in together]


@pytest.mark.parametrize("code", [0, 1])
def test_batches_are_cut_without_a_trace(code: int) -> None:
    batch = batch_of(
        *(column(name, 3_000) for name in ("int64", "utf8", "decimal128", "list<utf8>"))
    )
    parts = [batch.slice(0, 1), batch.slice(1, 0), batch.slice(1, 1_500), batch.slice(1_501)]
    whole = encoded(PgRowEncoder(batch.schema, [code]), [batch])
    assert encoded(PgRowEncoder(batch.schema, [code]), parts) == whole


@pytest.mark.parametrize("code", [0, 1])
def test_a_long_row_is_cut_into_chunks(code: int) -> None:
    long = "x" * (2 * CHUNK_BYTES_MAX)
    batch = batch_of(pa.array([long, "y"]), pa.array([1, 2]))
    assert [row[0] for row in rows_of(batch, code)] == [long.encode(), b"y"]


@pytest.mark.parametrize("code", [0, 1])
def test_bytes_under_a_null_are_not_sent(code: int) -> None:
    """Arrow allows any bytes there."""
    texts = pa.array(["secret", "b"])
    masked: Any = pa.Array.from_buffers(
        pa.string(), 2, [pa.py_buffer(b"\x02"), *texts.buffers()[1:]]
    )
    numbers: Any = pa.Array.from_buffers(
        pa.timestamp("us"), 2, [pa.py_buffer(b"\x02"), pa.array([2**63 - 1, 0]).buffers()[1]]
    )
    for one in (masked, numbers):
        assert rows_of(batch_of(one), code)[0] == [None]
    assert b"secret" not in encoded(
        PgRowEncoder(batch_of(masked).schema, [code]), [batch_of(masked)]
    )


def test_a_format_name_opens_rows() -> None:
    encoder = open_encoder(rows_format_name([1, 0], "Europe/Berlin"), PAIR.schema)
    assert isinstance(encoder, PgRowEncoder)
    assert encoder.formats == [1, 0]
    assert isinstance(open_pg_encoder("pg:{}", PAIR.schema), PgRowEncoder)


@pytest.mark.parametrize("forced", ["all", ("c0",), ()])
def test_a_format_name_opens_a_copy(forced: Any) -> None:
    options = CopyOptions("csv", header=True, null="-", force_quote=forced)
    encoder = open_pg_encoder(copy_format_name(options), PAIR.schema)
    assert isinstance(encoder, PgCopyEncoder)
    assert encoded(encoder, [PAIR]) == encoded(PgCopyEncoder(PAIR.schema, options), [PAIR])


@pytest.mark.parametrize(
    "name",
    ["csv", "pg:", "pg:[]", "pg:{", 'pg:{"copy":{"mode":"x"}}', 'pg:{"time_zone":"Nowhere"}'],
)
def test_another_format_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        open_pg_encoder(name, PAIR.schema)

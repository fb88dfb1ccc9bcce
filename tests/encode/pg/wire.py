"""Reading what the encoders wrote, and what a real Postgres sends for the same values."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import psycopg
import pyarrow as pa
from psycopg import sql

from engine.encode.chunks import CHUNK_BYTES_MAX
from engine.encode.pg import CopyOptions, PgCopyEncoder, PgRowEncoder, PgType, types_of

TYPE_NAMES = {"_char": '"char"[]', "char": '"char"'}


def batch_of(*columns: Any, names: list[str] | None = None) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        list(columns), names=names or [f"c{index}" for index in range(len(columns))]
    )


def encoded(encoder: PgRowEncoder | PgCopyEncoder, batches: Iterable[pa.RecordBatch]) -> bytes:
    chunks = [encoder.begin()]
    for batch in batches:
        for chunk in encoder.encode(batch):
            assert 0 < len(chunk) <= CHUNK_BYTES_MAX
            chunks.append(bytes(chunk))
    return b"".join([*chunks, encoder.finish()])


def messages(data: bytes, tag: bytes) -> Iterator[bytes]:
    """The bodies of messages."""
    at = 0
    while at < len(data):
        assert data[at : at + 1] == tag
        length = int.from_bytes(data[at + 1 : at + 5], "big")
        yield data[at + 5 : at + 1 + length]
        at += 1 + length
    assert at == len(data)


def fields(row: bytes) -> list[bytes | None]:
    """The fields of a DataRow."""
    count, at = int.from_bytes(row[:2], "big"), 2
    found: list[bytes | None] = []
    for _ in range(count):
        length = int.from_bytes(row[at : at + 4], "big", signed=True)
        at += 4
        found.append(None if length == -1 else row[at : at + length])
        at += max(length, 0)
    assert at == len(row)
    return found


def rows_of(batch: pa.RecordBatch, code: int, time_zone: str = "UTC") -> list[list[bytes | None]]:
    encoder = PgRowEncoder(batch.schema, [code], time_zone=time_zone)
    return [fields(row) for row in messages(encoded(encoder, [batch]), b"D")]


def values_of(column: Any, code: int, time_zone: str = "UTC") -> list[bytes | None]:
    return [row[0] for row in rows_of(batch_of(column), code, time_zone)]


def copied(batch: pa.RecordBatch, options: CopyOptions, time_zone: str = "UTC") -> list[bytes]:
    """The bodies of CopyData."""
    encoder = PgCopyEncoder(batch.schema, options, time_zone=time_zone)
    return list(messages(encoded(encoder, [batch]), b"d"))


def declared(kind: PgType) -> str:
    """The type as a statement names it."""
    if kind.name in {"numeric", "_numeric"} and kind.modifier > 0:
        precision, scale = (kind.modifier - 4) >> 16, (kind.modifier - 4) & 0x7FF
        shown = f"numeric({precision},{scale - 2048 if scale > 1023 else scale})"
        return shown + "[]" if kind.is_array else shown
    return TYPE_NAMES.get(kind.name, kind.name)


def store(connection: psycopg.Connection[Any], batch: pa.RecordBatch, table: str) -> None:
    """Have Postgres read our COPY in the binary format into a new temporary table.

    Its last column, `row`, is the order: that of a heap is not the one of insertion.
    """
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(declared(kind)))
        for name, kind in zip(batch.schema.names, types_of(batch.schema), strict=True)
    ]
    name = sql.Identifier(table)
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(name))
        cursor.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ({}, row serial)").format(
                name, sql.SQL(", ").join(columns)
            )
        )
        names = sql.SQL(", ").join(map(sql.Identifier, batch.schema.names))
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(name, names)
        with cursor.copy(statement) as copy:
            for body in copied(batch, CopyOptions("binary")):
                copy.write(body)


def sent(
    connection: psycopg.Connection[Any], statement: str, code: Literal[0, 1]
) -> list[list[bytes | None]]:
    """The fields Postgres sends, as they are."""
    with connection.cursor(binary=bool(code)) as cursor:
        result = cursor.execute(sql.SQL(statement)).pgresult
        assert result is not None
        return [
            [result.get_value(row, column) for column in range(result.nfields)]
            for row in range(result.ntuples)
        ]


def sent_copy(connection: psycopg.Connection[Any], statement: str) -> list[bytes]:
    """The bodies of CopyData Postgres sends."""
    with connection.cursor() as cursor, cursor.copy(sql.SQL(statement)) as copy:
        return [bytes(body) for body in copy]


def first_difference(ours: list[Any], theirs: list[Any]) -> str:
    """A short report, for lists too long to print."""
    if len(ours) != len(theirs):
        return f"{len(ours)} values, Postgres has {len(theirs)}"
    for index, (our, their) in enumerate(zip(ours, theirs, strict=True)):
        if our != their:
            return f"row {index}: {our!r}, Postgres has {their!r}"
    return ""

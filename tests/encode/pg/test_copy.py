"""COPY in all three formats, against the COPY of a real Postgres over the same rows."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest

from engine.encode.chunks import CHUNK_BYTES_MAX
from engine.encode.pg import CopyOptions, PgCopyEncoder
from tests.encode.pg.samples import KINDS, column
from tests.encode.pg.wire import (
    batch_of,
    copied,
    encoded,
    first_difference,
    messages,
    sent_copy,
    store,
)

CHARACTERS = "\x01\x08\t\n\x0b\x0c\r\x1f \"'\\,;|.{}Nan\u00e9😀"
STATEMENTS: dict[str, CopyOptions] = {
    "FORMAT text": CopyOptions(),
    "FORMAT text, HEADER": CopyOptions(header=True),
    "FORMAT text, DELIMITER '|', NULL 'N/A'": CopyOptions(delimiter="|", null="N/A"),
    "FORMAT text, DELIMITER '-', NULL ''": CopyOptions(delimiter="-", null=""),
    "FORMAT csv": CopyOptions("csv"),
    "FORMAT csv, HEADER": CopyOptions("csv", header=True),
    "FORMAT csv, DELIMITER ';', NULL 'NULL'": CopyOptions("csv", delimiter=";", null="NULL"),
    "FORMAT csv, NULL 'a'": CopyOptions("csv", null="a"),
    "FORMAT csv, NULL '1'": CopyOptions("csv", null="1"),
    "FORMAT csv, DELIMITER '-'": CopyOptions("csv", delimiter="-"),
    "FORMAT csv, QUOTE '''', ESCAPE '\\'": CopyOptions("csv", quote="'", escape="\\"),
    "FORMAT csv, QUOTE '1'": CopyOptions("csv", quote="1"),
    "FORMAT csv, ESCAPE '\\'": CopyOptions("csv", escape="\\"),
    "FORMAT csv, FORCE_QUOTE *": CopyOptions("csv", force_quote="all"),
    'FORMAT csv, FORCE_QUOTE ("a b", n)': CopyOptions("csv", force_quote=("a b", "n")),
    "FORMAT binary": CopyOptions("binary"),
}


@pytest.fixture(scope="module")
def connection(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_url, autocommit=True, prepare_threshold=None) as one:
        one.execute("SET TIME ZONE 'UTC'")
        yield one


def texts(rows: int, seed: int) -> Any:
    """Short strings of special characters, some empty, some null."""
    rng = np.random.default_rng(seed)
    values = [
        None if length == 5 else "".join(rng.choice(list(CHARACTERS), length))
        for length in rng.integers(0, 6, rows)
    ]
    return pa.array(values, pa.string())


def mixed(rows: int) -> pa.RecordBatch:
    return batch_of(
        texts(rows, 3),
        column("int64", rows),
        texts(rows, 4),
        column("decimal128", rows),
        column("timestamp[us]", rows),
        column("list<utf8>", rows),
        column("binary", rows),
        column("interval", rows),
        names=["a b", "n", 'quo"te', "money\\", "at,", "tab\t", "data", "took"],
    )


@pytest.mark.parametrize("options", list(STATEMENTS))
@pytest.mark.parametrize("rows", [0, 1, 3_000])
def test_messages_are_postgres_own(
    options: str, rows: int, connection: psycopg.Connection[Any]
) -> None:
    batch = mixed(rows)
    store(connection, batch, "sample")
    names = ", ".join(f'''"{name.replace('"', '""')}"''' for name in batch.schema.names)
    source = f"(SELECT {names} FROM sample ORDER BY row)"
    theirs = sent_copy(connection, f"COPY {source} TO STDOUT ({options})")
    assert first_difference(copied(batch, STATEMENTS[options]), theirs) == ""


@pytest.mark.parametrize("options", list(STATEMENTS))
def test_one_column_is_quoted_as_postgres_does(
    options: str, connection: psycopg.Connection[Any]
) -> None:
    """A line of one value may look like the end of the data, or like nothing."""
    words = ["\\.", "", None, "\\", ".", "\\.x", "a", "1", "NULL", "N/A", "-", '"', "\\N"]
    batch = batch_of(pa.array(words), names=["\\."])
    store(connection, batch, "sample")
    options_used = options.replace('"a b", n', '"\\."')
    ours = STATEMENTS[options]
    if ours.force_quote == ("a b", "n"):
        ours = CopyOptions("csv", force_quote=("\\.",))
    theirs = sent_copy(
        connection, f'COPY (SELECT "\\." FROM sample ORDER BY row) TO STDOUT ({options_used})'
    )
    assert first_difference(copied(batch, ours), theirs) == ""


@pytest.mark.parametrize("options", ["FORMAT text", "FORMAT csv", "FORMAT binary"])
@pytest.mark.parametrize("name", list(KINDS))
def test_every_type_is_copied_as_by_postgres(
    name: str, options: str, connection: psycopg.Connection[Any]
) -> None:
    batch = batch_of(column(name, 500))
    store(connection, batch, "sample")
    statement = f"COPY (SELECT c0 FROM sample ORDER BY row) TO STDOUT ({options})"
    theirs = sent_copy(connection, statement)
    assert first_difference(copied(batch, STATEMENTS[options]), theirs) == ""


@pytest.mark.parametrize("options", ["FORMAT text", "FORMAT csv", "FORMAT binary"])
def test_rows_without_columns_are_rows(options: str, connection: psycopg.Connection[Any]) -> None:
    source: Any = pa.table({"a": pa.nulls(3)}).select([])
    batch = source.to_batches()[0]
    assert batch.num_rows == 3
    theirs = sent_copy(
        connection, f"COPY (SELECT FROM generate_series(1, 3)) TO STDOUT ({options})"
    )
    assert copied(batch, STATEMENTS[options]) == theirs


@pytest.mark.parametrize("options", list(STATEMENTS))
def test_batches_make_one_copy(options: str) -> None:
    batch = mixed(2_500)
    encoder = PgCopyEncoder(batch.schema, STATEMENTS[options])
    parts = [batch.slice(0, 1), batch.slice(1, 0), batch.slice(1, 1_200), batch.slice(1_201)]
    assert list(messages(encoded(encoder, parts), b"d")) == copied(batch, STATEMENTS[options])


@pytest.mark.parametrize("options", ["FORMAT text", "FORMAT csv", "FORMAT binary"])
def test_a_long_row_is_cut_into_chunks(options: str) -> None:
    batch = batch_of(pa.array(["x" * (CHUNK_BYTES_MAX + 10), "y"]))
    encoder = PgCopyEncoder(batch.schema, STATEMENTS[options])
    assert len(list(messages(encoded(encoder, [batch]), b"d"))) == (
        3 if options == "FORMAT binary" else 2
    )

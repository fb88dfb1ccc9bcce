"""Random values of every type: Postgres reads ours and sends the same bytes back, in both formats."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest

from engine.encode.pg import TYPES, PgRowEncoder
from tests.encode.pg.samples import KINDS, column
from tests.encode.pg.wire import (
    batch_of,
    first_difference,
    sent,
    store,
    values_of,
)

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Africa/Monrovia"]


@pytest.fixture(scope="module")
def connection(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_url, autocommit=True, prepare_threshold=None) as one:
        one.execute("SET TIME ZONE 'UTC'")
        yield one


@pytest.mark.parametrize("name", list(KINDS))
def test_both_formats_are_postgres_own(name: str, connection: psycopg.Connection[Any]) -> None:
    values = column(name)
    store(connection, batch_of(values), "sample")
    for code in (1, 0):
        theirs = [row[0] for row in sent(connection, "SELECT c0 FROM sample ORDER BY row", code)]
        assert first_difference(values_of(values, code), theirs) == ""


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("name", [name for name in KINDS if "timestamptz" in name])
def test_the_session_time_zone_is_shown(
    name: str, zone: str, connection: psycopg.Connection[Any]
) -> None:
    values = column(name, 3_000)
    store(connection, batch_of(values), "sample")
    connection.execute(f"SET TIME ZONE '{zone}'")
    try:
        theirs = [row[0] for row in sent(connection, "SELECT c0 FROM sample ORDER BY row", 0)]
    finally:
        connection.execute("SET TIME ZONE 'UTC'")
    assert first_difference(values_of(values, 0, zone), theirs) == ""


def test_every_type_is_that_of_pg_type(connection: psycopg.Connection[Any]) -> None:
    rows = connection.execute(
        "SELECT oid, typname, typlen, typcategory, typarray, typelem FROM pg_type"
    ).fetchall()
    theirs = {row[0]: row for row in rows}
    for one in TYPES:
        ours = (one.oid, one.name, one.size, one.category, one.array_oid, one.element_oid)
        assert ours == theirs[one.oid]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_powers_of_two_and_ten_have_postgres_digits(
    dtype: str, connection: psycopg.Connection[Any]
) -> None:
    """Where the floats below are nearer than those above, and where short texts lie halfway."""
    twos = np.ldexp(1.0, np.arange(-149, 128) if dtype == "f4" else np.arange(-1074, 1024))
    tens = 10.0 ** (np.arange(-45, 39) if dtype == "f4" else np.arange(-323, 309))
    with np.errstate(under="ignore"):
        exact = np.concatenate((twos, tens)).astype(dtype)
    values = np.concatenate((exact, np.nextafter(exact, 0), -np.nextafter(exact, np.inf)))
    column = pa.array(values[np.isfinite(values)])
    store(connection, batch_of(column), "sample")
    theirs = [row[0] for row in sent(connection, "SELECT c0 FROM sample ORDER BY row", 0)]
    assert first_difference(values_of(column, 0), theirs) == ""


@pytest.mark.parametrize("code", [0, 1])
def test_a_slice_is_encoded_as_its_copy(code: int) -> None:
    for name in KINDS:
        whole = column(name, 40)
        assert values_of(whole.slice(7, 20), code) == values_of(whole, code)[7:27], name


def test_all_columns_make_one_row() -> None:
    columns = {name: column(name, 50) for name in KINDS}
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    encoder = PgRowEncoder(batch.schema, [index % 2 for index in range(len(columns))])
    assert len(encoder.types) == len(columns)

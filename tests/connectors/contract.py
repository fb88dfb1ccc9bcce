"""What every connector keeps, as one class of tests; each source's test module subclasses it.

A subclass provides the fixture ``source``: a :class:`Source` on a real server (or the closest
emulator, which its docs page names). Random records print their seed.
"""

import random
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.base import After, Connector, Losses, Scan, SourceContext
from connectors.errors import SourceRefused, SourceUnreachable, TableGone
from connectors.options import SourceOptions, auth_schema, config_schema

BATCH_BYTES = 1 << 20
RANDOM_ROWS = 200


@dataclass(frozen=True)
class Sample:
    """A table of the source and what must come of it.

    ``rows`` is in the declared schema, ordered by its first column, whose values are distinct.
    """

    table: str
    rows: pa.Table


class Source(ABC):
    """One real source with tables in it."""

    connector: type[Connector[Any, Any]]
    schema: str

    @property
    @abstractmethod
    def options(self) -> SourceOptions:
        """Options that work."""

    @property
    @abstractmethod
    def full(self) -> Sample:
        """A table with at least three rows that has a column of every type, with extreme values."""

    @property
    @abstractmethod
    def empty(self) -> str:
        """A table with the columns of ``full`` and no rows."""

    @abstractmethod
    def random(self, rng: random.Random, rows: int) -> Sample:
        """Make a table of every type with random values: NULLs, extremes, 4-byte UTF-8 included."""

    def wide(self) -> str | None:
        """A table of 200 rows with 100 KB each; None where a batch is what the source makes it."""
        return None

    def unreachable(self) -> SourceOptions | None:
        """Options of a server that is not there; None where there is no server."""
        return None

    def refused(self) -> SourceOptions | None:
        """Options with a wrong credential; None where there are none."""
        return None

    def warnings(self) -> list[str]:
        """What reading all of ``full`` warns of."""
        return []

    def where(self) -> str | None:
        """A condition in the source's dialect that holds for exactly the first row of ``full``."""
        return None

    def query(self) -> tuple[str, pa.Table] | None:
        """A SELECT in the source's dialect over ``full``, and its rows."""
        return None


def context_for(folder: Path, **changes: Any) -> SourceContext:
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    context = SourceContext(
        allow_private=True,
        local_files=(Path(tempfile.gettempdir()),),
        connect_timeout_s=5,
        statement_timeout_s=60,
        memory_bytes=1 << 30,
        batch_bytes=BATCH_BYTES,
        parts_max=2,
        scratch=scratch,
        losses=Losses(),
    )
    return replace(context, **changes)


def read(connector: Connector[Any, Any], schema: str, table: str, scan: Scan = Scan()) -> pa.Table:  # noqa: B008 - frozen
    """Read a table through all its parts, in the order of its first column."""
    described = connector.describe(schema, table)
    declared = pa.schema(
        [pa.field(c.name, c.type, c.nullable) for c in described.select(scan.columns)]
    )
    batches: list[pa.RecordBatch] = []
    parts = connector.plan_fetch(described, scan)
    assert 1 <= len(parts) <= connector.context.parts_max
    for part in parts:
        assert part.schema.equals(declared, check_metadata=True)
        for batch in connector.open(part):
            assert batch.schema.equals(declared, check_metadata=True), batch.schema
            batch.validate(full=True)
            batches.append(batch)
    read_rows = pa.Table.from_batches(batches, declared)
    return read_rows.sort_by(declared.names[0]) if read_rows.num_rows else read_rows


def assert_same_rows(found: pa.Table, expected: pa.Table) -> None:
    assert found.schema.equals(expected.schema, check_metadata=True), (
        f"{found.schema}\n--- expected ---\n{expected.schema}"
    )
    for name in expected.column_names:
        one, other = found[name].combine_chunks(), expected[name].combine_chunks()
        # NaN is equal to itself in a text only.
        is_same = one.equals(other) or repr(one.to_pylist()) == repr(other.to_pylist())
        assert is_same, f"column {name}:\n{one}\n--- expected ---\n{other}"


class ConnectorContract:
    """Subclass it with a fixture ``source`` of type :class:`Source`."""

    @pytest.fixture
    def connector(self, source: Source, tmp_path: Path) -> Iterator[Connector[Any, Any]]:
        with source.connector(source.options, context_for(tmp_path)) as opened:
            yield opened

    @contextmanager
    def opened(
        self, source: Source, options: SourceOptions, folder: Path
    ) -> Iterator[Connector[Any, Any]]:
        with source.connector(options, context_for(folder)) as connector:
            yield connector

    def test_a_source_that_is_there_passes_the_check(self, connector: Connector[Any, Any]) -> None:
        connector.check()

    def test_a_server_that_is_not_there_is_unreachable(
        self, source: Source, tmp_path: Path
    ) -> None:
        options = source.unreachable()
        if options is not None:
            with pytest.raises(SourceUnreachable), self.opened(source, options, tmp_path) as it:
                it.check()

    def test_a_wrong_credential_is_refused_and_not_repeated(
        self, source: Source, tmp_path: Path
    ) -> None:
        options = source.refused()
        if options is not None:
            with (
                pytest.raises(SourceRefused) as caught,
                self.opened(source, options, tmp_path) as it,
            ):
                it.check()
            assert not [secret for secret in options.secrets() if secret in str(caught.value)]

    def test_what_is_discovered_is_what_is_described(
        self, source: Source, connector: Connector[Any, Any]
    ) -> None:
        found = {(table.schema, table.name): table for table in connector.discover()}
        for name in (source.full.table, source.empty):
            table = found[source.schema, name]
            described = connector.describe(source.schema, name)
            assert table.arrow_schema.equals(described.arrow_schema, check_metadata=True)
            assert table.columns == described.columns
            assert table.primary_key == described.primary_key

    def test_an_unknown_table_is_gone(self, source: Source, connector: Connector[Any, Any]) -> None:
        with pytest.raises(TableGone):
            connector.describe(source.schema, "no such 'table\"")

    def test_an_empty_table_has_the_schema_of_a_full_one(
        self, source: Source, connector: Connector[Any, Any]
    ) -> None:
        rows = read(connector, source.schema, source.empty)
        assert rows.num_rows == 0
        assert rows.schema.equals(source.full.rows.schema, check_metadata=True)

    def test_every_value_arrives_exactly_or_is_counted(
        self, source: Source, connector: Connector[Any, Any]
    ) -> None:
        assert_same_rows(read(connector, source.schema, source.full.table), source.full.rows)
        assert connector.context.losses.warnings() == source.warnings()

    def test_random_records_arrive_exactly(
        self, source: Source, connector: Connector[Any, Any]
    ) -> None:
        seed = random.randrange(1 << 32)
        print(f"seed {seed}")
        sample = source.random(random.Random(seed), RANDOM_ROWS)
        assert_same_rows(read(connector, source.schema, sample.table), sample.rows)

    def test_columns_are_chosen_in_the_order_of_the_table(
        self, source: Source, connector: Connector[Any, Any]
    ) -> None:
        names = source.full.rows.column_names
        wanted = [names[0], *names[-2:]]
        rows = read(
            connector, source.schema, source.full.table, Scan(columns=tuple(reversed(wanted)))
        )
        assert_same_rows(rows, source.full.rows.select(wanted))

    def test_a_limit_bounds_the_rows(self, source: Source, connector: Connector[Any, Any]) -> None:
        rows = read(connector, source.schema, source.full.table, Scan(limit=2))
        assert rows.num_rows == 2

    def test_only_rows_after_a_value(self, source: Source, connector: Connector[Any, Any]) -> None:
        if not connector.capabilities.is_incremental:
            return
        expected = source.full.rows
        name = expected.column_names[0]
        value = expected[name].cast(pa.string())[0].as_py()
        rows = read(connector, source.schema, source.full.table, Scan(after=After(name, value)))
        assert_same_rows(rows, expected.slice(1))

    def test_a_condition_in_the_dialect_is_applied(
        self, source: Source, connector: Connector[Any, Any]
    ) -> None:
        where = source.where()
        assert (where is None) == (connector.capabilities.dialect is None)
        if where is not None:
            rows = read(connector, source.schema, source.full.table, Scan(where=where))
            assert_same_rows(rows, source.full.rows.slice(0, 1))

    def test_a_query_in_the_dialect_comes_in_the_schema_of_the_plan(
        self, source: Source, connector: Connector[Any, Any]
    ) -> None:
        asked = source.query()
        assert (asked is None) == (connector.capabilities.dialect is None)
        if asked is not None:
            sql, expected = asked
            batches = list(connector.query(sql, expected.schema))
            assert_same_rows(pa.Table.from_batches(batches, expected.schema), expected)

    def test_batches_are_bounded_by_bytes(
        self, source: Source, connector: Connector[Any, Any]
    ) -> None:
        table = source.wide()
        if table is None:
            return
        described = connector.describe(source.schema, table)
        for part in connector.plan_fetch(described, Scan()):
            assert max(batch.nbytes for batch in connector.open(part)) <= 4 * BATCH_BYTES

    def test_a_stream_may_be_left_early(
        self, source: Source, connector: Connector[Any, Any]
    ) -> None:
        described = connector.describe(source.schema, source.full.table)
        for part in connector.plan_fetch(described, Scan()):
            stream = iter(connector.open(part))
            next(stream, None)
            stream.close()  # type: ignore[attr-defined]  # a generator
        connector.check()

    def test_a_part_the_source_writes_itself_is_the_same(
        self, source: Source, connector: Connector[Any, Any], tmp_path: Path
    ) -> None:
        described = connector.describe(source.schema, source.full.table)
        (part, *others) = connector.plan_fetch(described, Scan())
        path = tmp_path / "part.parquet"
        count = connector.write_parquet(part, path)
        if count is not None:
            assert not others
            written = pq.ParquetFile(path).read()
            assert written.num_rows == count
            rows = written.sort_by(written.column_names[0])
            assert_same_rows(rows.cast(source.full.rows.schema), source.full.rows)

    def test_schemas_of_the_options_are_plain_and_hold_no_secret(self, source: Source) -> None:
        options_type = source.connector.options_type
        config = config_schema(options_type)
        assert not set(config["properties"]) & set(options_type.credential_fields())
        for schema in (config, auth_schema(options_type) or {}):
            assert "$ref" not in str(schema)
        secrets = source.options.secrets()
        assert not [secret for secret in secrets if secret and secret in repr(source.options)]

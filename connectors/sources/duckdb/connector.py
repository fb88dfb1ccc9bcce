"""The connectors of DuckDB files and of MotherDuck: one scan, described, streamed or copied.

The invariant: every statement runs in an instance that is locked (see ``database.py``), and sees
values in the types they are declared in, queries in the source's dialect included: these run over
views of our own, which bear the names of the tables.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from threading import RLock
from typing import ClassVar

import pyarrow as pa
from typing_extensions import override

from connectors.arrow_batches import conform, sized
from connectors.base import (
    Capabilities,
    Connector,
    OptionsT,
    Part,
    Scan,
    SourceContext,
    SourceTable,
)
from connectors.drivers import load_driver
from connectors.errors import OptionsInvalid, SourceFailed, TableGone
from connectors.local_paths import check_file
from connectors.sources.duckdb.catalog import read_tables
from connectors.sources.duckdb.column_types import literal, quoted
from connectors.sources.duckdb.database import Connection, Instance, open_file, open_motherduck
from connectors.sources.duckdb.failures import typed_errors
from connectors.sources.duckdb.file_copy import copy_database
from connectors.sources.duckdb.options import DuckDBOptions, MotherDuckOptions
from connectors.sources.duckdb.selection import Rows, arrived, greater

FETCH_ROWS = 512
"""Rows of one batch of the driver: few, so that wide ones are bounded; 4 million rows/s even so."""
ROW_GROUP_ROWS = 122_880
ROW_GROUP_BYTES = 64 << 20
"""Parquet row groups end at whichever comes first. DuckDB holds several in memory."""


@dataclass(frozen=True, slots=True)
class DuckDBPart(Part):
    """A whole scan of one table."""

    rows: Rows


class DuckConnector(Connector[OptionsT, DuckDBPart]):
    """What files and MotherDuck have in common."""

    capabilities: ClassVar[Capabilities] = Capabilities(is_incremental=True, dialect="duckdb")

    def __init__(self, options: OptionsT, context: SourceContext) -> None:
        super().__init__(options, context)
        self._duckdb = load_driver("duckdb")
        self._lock = RLock()
        self._opened: Instance | None = None
        self._viewed: set[tuple[str, str]] = set()

    @abstractmethod
    def _open_instance(self) -> Instance:
        """Open an instance for reading; called once."""

    @override
    def check(self) -> None:
        with self._errors(), self._cursor() as cursor:
            cursor.execute("SELECT count(*) FROM duckdb_tables()").fetchall()

    @override
    def discover(self) -> Iterator[SourceTable]:
        yield from self._tables()

    @override
    def describe(self, schema: str, table: str) -> SourceTable:
        for found in self._tables((schema, table)):
            return found
        raise TableGone

    @override
    def plan_fetch(self, table: SourceTable, scan: Scan) -> Sequence[DuckDBPart]:
        wanted = table.select(scan.columns)
        conditions = [] if scan.after is None else [greater(scan.after)]
        conditions += [] if scan.where is None else [scan.where]
        with self._errors():
            instance = self._instance
            rows = Rows(
                instance.catalog,
                table.schema,
                table.name,
                tuple((c.name, instance.types(c.native_type)) for c in table.columns),
                tuple(c.name for c in wanted),
                tuple(conditions),
                scan.limit,
            )
        return [DuckDBPart(pa.schema([pa.field(c.name, c.type, c.nullable) for c in wanted]), rows)]

    @override
    def open(self, part: DuckDBPart) -> Iterator[pa.RecordBatch]:
        with self._errors(), self._cursor() as cursor:
            # At MotherDuck others write meanwhile: what is counted is what is read.
            cursor.execute("BEGIN")
            self._count_losses(cursor, part.rows)
            yield from self._stream(cursor, part.rows.select, part.schema)

    @override
    def query(self, sql: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        with self._errors(), self._cursor() as cursor:
            statements = cursor.extract_statements(sql)
            if [s.type for s in statements] != [self._duckdb.StatementType.SELECT]:
                raise SourceFailed("Only one SELECT can be run")
            self._make_views(cursor.get_table_names(sql))
            cursor.execute("USE memory")
            result = cursor.sql(sql)
            kinds = [self._instance.types(str(native)) for native in result.types]
            names = [f"c{place}" for place in range(len(kinds))]
            kept = ", ".join(kind.keep(name) for name, kind in zip(names, kinds, strict=True))
            body = sql.rstrip().rstrip(";")
            whole = f"SELECT {kept} FROM ({body}\n) AS q({', '.join(names)})"  # noqa: S608 - parsed as one SELECT
            yield from self._stream(cursor, whole, schema)

    @override
    def close(self) -> None:
        with self._lock:
            if self._opened is not None:
                self._opened.connection.close()
                self._opened = None

    @property
    def _instance(self) -> Instance:
        with self._lock:
            if self._opened is None:
                self._opened = self._open_instance()
            return self._opened

    @contextmanager
    def _cursor(self) -> Iterator[Connection]:
        cursor = self._instance.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with typed_errors(self._hidden):
            yield

    def _tables(self, only: tuple[str, str] | None = None) -> Iterator[SourceTable]:
        with self._errors(), self._cursor() as cursor:
            yield from read_tables(cursor, self._instance, only=only)

    def _count_losses(self, cursor: Connection, rows: Rows) -> None:
        if rows.losses:
            (counts,) = cursor.execute(rows.count_losses).fetchall()
            for (column, rule), count in zip(rows.losses, counts, strict=True):
                self.context.losses.add(column, rule, int(count))

    def _stream(self, cursor: Connection, sql: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        batches = cursor.sql(sql).to_arrow_reader(FETCH_ROWS)
        return sized(conform(batches, schema), self.context.batch_bytes)

    def _make_views(self, names: set[str]) -> None:
        """Make sure that the in-memory database has views of the tables of these names."""
        wanted = {name.casefold() for name in names}
        with self._lock, self._cursor() as cursor:
            for table in self._tables():
                place = (table.schema, table.name)
                if table.name.casefold() in wanted and place not in self._viewed:
                    columns = [(c.name, self._instance.types(c.native_type)) for c in table.columns]
                    rows = arrived(self._instance.catalog, *place, columns)
                    schema, view = map(quoted, place)
                    cursor.execute(f"CREATE SCHEMA IF NOT EXISTS memory.{schema}")
                    cursor.execute(f"CREATE VIEW memory.{schema}.{view} AS {rows}")
                    self._viewed.add(place)

    def _hidden(self) -> list[str]:
        """Texts that no message repeats: credentials, and paths on this machine."""
        return [*self.options.secrets(), str(self.context.scratch)]


class DuckDBConnector(DuckConnector[DuckDBOptions]):
    """A DuckDB file."""

    source_type = "duckdb"
    label = "DuckDB"
    options_type = DuckDBOptions

    def __init__(self, options: DuckDBOptions, context: SourceContext) -> None:
        super().__init__(options, context)
        self._path: Path | None = None

    @override
    def write_parquet(self, part: DuckDBPart, path: Path) -> int | None:
        with self._errors(), self._writer(path) as cursor:
            try:
                ((count,),) = cursor.execute(_copy(part.rows.select, path)).fetchall()
            except self._duckdb.OutOfMemoryException:
                # Row groups are held whole; a stream holds a few rows only.
                path.unlink(missing_ok=True)
                return None
            self._count_losses(cursor, part.rows)
            return int(count)

    @override
    def _open_instance(self) -> Instance:
        return self._open_file(None)

    @contextmanager
    def _writer(self, path: Path) -> Iterator[Connection]:
        """Open an instance of its own that may write one file."""
        instance = self._open_file(path)
        try:
            yield instance.cursor()
        finally:
            instance.connection.close()

    def _open_file(self, output: Path | None) -> Instance:
        context = self.context
        spill = context.scratch / "spill"
        spill.mkdir(exist_ok=True)
        return open_file(
            self._file,
            threads=context.parts_max,
            memory_bytes=context.memory_bytes // 2,
            scratch=spill,
            output=output,
        )

    @property
    def _file(self) -> Path:
        """The file to open: checked, and copied if need be, when it is first asked for."""
        with self._lock:
            if self._path is None:
                self._path = check_file(self.options.path, self.context.local_files)
                if self.options.snapshot:
                    folder = Path(mkdtemp(dir=self.context.scratch))
                    self._path = copy_database(self._path, folder)
            return self._path

    @override
    def _hidden(self) -> list[str]:
        return [*super()._hidden(), *([] if self._path is None else [str(self._path)])]


class MotherDuckConnector(DuckConnector[MotherDuckOptions]):
    """A database at MotherDuck.

    Its SaaS mode writes no local files, so there is no ``write_parquet``.
    """

    source_type = "motherduck"
    label = "MotherDuck"
    options_type = MotherDuckOptions

    @override
    def _open_instance(self) -> Instance:
        token = self.options.reveal("token")
        if not token:
            raise OptionsInvalid("A MotherDuck connection needs a token")
        context = self.context
        return open_motherduck(
            self.options.database,
            token,
            threads=context.parts_max,
            memory_bytes=context.memory_bytes // 2,
            scratch=context.scratch,
        )


def _copy(select: str, path: Path) -> str:
    return (
        f"COPY ({select}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION snappy, "
        f"ROW_GROUP_SIZE {ROW_GROUP_ROWS}, ROW_GROUP_SIZE_BYTES {ROW_GROUP_BYTES}, "
        "USE_TMP_FILE false)"
    )

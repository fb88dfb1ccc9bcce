"""DataFusion inside a worker: a context for each way to read, with the names of one query at a time.

Queries never see each other's names: those of the query before are taken out first, unless they are
the same. What a path holds never changes (a new version of a table is a new path), so a context keeps
the providers of the files it has read, and what it knows of them.

The trap: each context has a cache of metadata of its own. A provider reads the page indexes of its files
into that of the first context that scans it, and any other would read them for every query. So
providers are never shared, and the contexts are few: a cache may hold 50 MB.

While a statement is planned, an index may stand in for a table (:meth:`Sessions.swap`): it has the same
rows, or all that the statement can need of them. A table of segments that may be ordered by distance has
no rows at all at first: only so its plan shows what is asked of it, before :meth:`Sessions.restore`.

Files are reached through an object store rooted at the data folder, so plans and errors show
``datasets/…``, never a path of the machine.
"""

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow as pa
from datafusion import DataFrame, RuntimeEnvBuilder, SessionConfig, SessionContext, SQLOptions
from datafusion.catalog import Catalog, Schema, Table
from datafusion.object_store import LocalFileSystem

from engine.indexes.row_store import plain_schema
from engine.query.sql_text import quoted_name
from engine.workers.open_indexes import OpenIndexes
from engine.workers.plan_paths import ScanName
from engine.workers.search_functions import SearchFunctions
from engine.workers.segment_rows import columns_of, may_use_distance, union_rows
from engine.workers.table_files import as_read, check_files
from engine.workers.tasks import ScanMode, TableBinding

STORE_URL = "tidemill://data/"
_CONTEXTS_MAX = 5
_PROVIDERS_MAX = 256
_FIRST_RUNTIME_BYTES = 256 * 1024 * 1024
# The pool counts what operators reserve; Arrow buffers in flight come on top of it.
_POOL_SHARE = 0.75


READ_ONLY = SQLOptions().with_allow_ddl(False).with_allow_dml(False).with_allow_statements(False)


class _Providers:
    """What one context reads, by path."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Table] = OrderedDict()

    def get(self, path: str, make: Callable[[], Table]) -> Table:
        """Return the provider of a file or folder, made when it is new here."""
        provider = self._kept.get(path) or make()
        self._kept[path] = provider
        self._kept.move_to_end(path)
        if len(self._kept) > _PROVIDERS_MAX:
            self._kept.popitem(last=False)
        return provider


class _Room:
    """A context, the names it has now, and what it has read."""

    def __init__(
        self, context: SessionContext, functions: SearchFunctions, defaults: tuple[str, str]
    ) -> None:
        self.context = context
        self.functions = functions
        self.defaults = defaults
        self.tables: tuple[TableBinding, ...] = ()
        self.is_swapped = False
        self.withheld: list[TableBinding] = []
        self.sql = ""
        self.providers = _Providers()

    def clear(self) -> None:
        """Forget the names."""
        for catalog, schema, table in {(b.catalog, b.schema, b.table) for b in self.tables}:
            _schema_of(self.context, catalog, schema).deregister_table(table)
        self.tables = ()
        self.is_swapped = False
        self.withheld = []


class Sessions:
    """What a worker keeps between queries."""

    def __init__(self, data_folder: Path) -> None:
        self._data_folder = data_folder
        self._spill_folder = data_folder / "spill" / str(os.getpid())
        self._runtime: RuntimeEnvBuilder | None = None
        self._runtime_bytes = _FIRST_RUNTIME_BYTES
        self._keeper = SessionContext()
        self._ordered = SessionContext()
        self._ordered_providers = _Providers()
        self._rooms: OrderedDict[tuple[str, str, ScanMode], _Room] = OrderedDict()
        self._number = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="search")
        self.indexes = OpenIndexes(self._spill_folder / "indexes")

    def open(
        self,
        tables: Sequence[TableBinding],
        *,
        default_catalog: str,
        default_schema: str,
        memory_bytes: int | None,
        scan: ScanMode,
        sql: str = "",
    ) -> SessionContext:
        """Return a context that knows these tables and nothing else.

        Args:
            tables: what names stand for.
            sql: the statement: it decides whether generated columns are read.
            default_catalog: of names without one.
            default_schema: of names without one.
            memory_bytes: what operators may reserve; None when nothing will run.
            scan: how tables are read.
        """
        runtime = self._runtime_of(memory_bytes)
        key = (default_catalog, default_schema, scan)
        room = self._rooms.get(key)
        if room is None:
            config = _config(scan).with_default_catalog_and_schema(default_catalog, default_schema)
            context = SessionContext(config, runtime)
            functions = SearchFunctions(self.indexes, self.name_rows, self.name_files, self._thread)
            functions.register(context)
            room = self._rooms[key] = _Room(context, functions, key[:2])
            if len(self._rooms) > _CONTEXTS_MAX:
                self._rooms.popitem(last=False)
        self._rooms.move_to_end(key)
        room.sql = sql
        room.functions.know_spellings(room.context, sql)
        chosen = tuple(as_read(binding, sql) for binding in tables)
        is_kept = room.tables == chosen and not room.is_swapped
        if not is_kept or any(may_use_distance(binding, sql) for binding in chosen):
            room.clear()
            self._register(room, chosen)
        else:
            for binding in chosen:
                check_files(binding)
        return room.context

    def bind(self, context: SessionContext, tables: Sequence[TableBinding]) -> None:
        """Make more tables known to a context, for this query alone."""
        room = self._room_of(context)
        self._register(room, [as_read(binding, room.sql) for binding in tables])

    def tables_of(self, context: SessionContext) -> tuple[TableBinding, ...]:
        """Return what a context knows now."""
        return self._room_of(context).tables

    def find(self, context: SessionContext, name: tuple[str, ...]) -> TableBinding | None:
        """Return the table that a name of one to three parts means, if the context knows it."""
        room = self._room_of(context)
        full = (*room.defaults[: len(room.defaults) + 1 - len(name)], *name)
        return next((table for table in room.tables if table.name == full), None)

    def functions_of(self, context: SessionContext) -> SearchFunctions:
        """Return the search functions of a context."""
        return self._room_of(context).functions

    def swap(self, context: SessionContext, binding: TableBinding, provider: Table) -> None:
        """Let something else stand for a table, for this query alone."""
        room = self._room_of(context)
        schema = _schema_of(context, binding.catalog, binding.schema)
        schema.deregister_table(binding.table)
        schema.register_table(binding.table, provider)
        room.is_swapped = True

    def is_swapped(self, context: SessionContext) -> bool:
        """Tell whether something else stands for a table now."""
        return self._room_of(context).is_swapped

    def swap_back(self, context: SessionContext) -> None:
        """Let every table stand for itself again."""
        room = self._room_of(context)
        tables = room.tables
        room.clear()
        self._register(room, tables, may_withhold=False)

    def restore(self, context: SessionContext, swapped: Sequence[TableBinding]) -> bool:
        """Give withheld tables their rows, but for those that something stands for; tell of any."""
        room = self._room_of(context)
        withheld, room.withheld = room.withheld, []
        for binding in withheld:
            if binding not in swapped:
                self.swap(context, binding, self._provider(room, binding))
        return bool(withheld)

    def name_rows(self, name: str, rows: pa.Table) -> DataFrame:
        """Make rows readable under a name that plans show."""
        quoted = quoted_name(name)
        batches = rows.to_batches() or [pa.RecordBatch.from_pylist([], rows.schema)]
        self._keeper.register_record_batches(quoted, [batches])
        return self._take_frame(quoted)

    def name_files(self, name: str, folder: str) -> DataFrame:
        """Make a folder of Parquet files readable under a name that plans show."""
        quoted = quoted_name(name)
        self._keeper.register_parquet(quoted, self._url(folder) + "/")
        return self._take_frame(quoted)

    def copy_of(self, context: SessionContext, name: str, folder: str) -> Table:
        """Return a folder of Parquet files for a context, which keeps it, under a name that plans show."""
        room = self._room_of(context)
        return room.providers.get(
            f"{name} {folder}", lambda: self.name_files(name, folder).into_view()
        )

    def rows_in_order(self, paths: Sequence[str], name: ScanName) -> Iterator[DataFrame]:
        """Read files one after the other, each with its rows in order, under the name of a table."""
        context = self._ordered
        parts = [part for part in name if part is not None]
        catalog, schema, table = name
        owner = _schema_of(context, catalog or "datafusion", schema or "public")
        for path in paths:
            provider = self._ordered_providers.get(path, partial(self._read, path, False))
            owner.register_table(table, provider)
            try:
                yield context.table(quoted_name(*parts))
            finally:
                owner.deregister_table(table)

    def _take_frame(self, quoted: str) -> DataFrame:
        frame = self._keeper.table(quoted)
        self._keeper.deregister_table(quoted)
        return frame

    def _room_of(self, context: SessionContext) -> _Room:
        return next(room for room in self._rooms.values() if room.context is context)

    def _register(
        self, room: _Room, tables: Sequence[TableBinding], *, may_withhold: bool = True
    ) -> None:
        for binding in tables:
            schema = _schema_of(room.context, binding.catalog, binding.schema)
            if may_withhold and may_use_distance(binding, room.sql):
                check_files(binding)
                provider = self._no_rows(binding)
                room.withheld.append(binding)
                room.is_swapped = True
            else:
                provider = self._provider(room, binding)
            schema.register_table(binding.table, provider)
            room.tables = (*room.tables, binding)

    def _runtime_of(self, memory_bytes: int | None) -> RuntimeEnvBuilder:
        if memory_bytes is None:
            memory_bytes = self._runtime_bytes
        if self._runtime is None or self._runtime_bytes != memory_bytes:
            self._spill_folder.mkdir(parents=True, exist_ok=True)
            self._runtime = (
                RuntimeEnvBuilder()
                .with_disk_manager_specified(str(self._spill_folder))
                .with_fair_spill_pool(int(memory_bytes * _POOL_SHARE))
            )
            self._runtime_bytes = memory_bytes
            self._rooms.clear()
            self._ordered = SessionContext(_config(ScanMode.SINGLE), self._runtime)
            self._ordered_providers = _Providers()
            self._keeper = SessionContext(_config(ScanMode.PARALLEL), self._runtime)
            self._keeper.register_object_store(
                "tidemill://", LocalFileSystem(str(self._data_folder)), "data"
            )
        return self._runtime

    def _provider(self, room: _Room, binding: TableBinding) -> Table:
        check_files(binding)
        if binding.documents is not None:
            rows = union_rows(binding.documents, partial(self._read_kept, room, binding))
            return self._no_rows(binding) if rows is None else rows.into_view()
        stored = self._stored(room, binding)
        if stored is not None and binding.file is not None and binding.file == binding.rows:
            return self._visible(binding, stored)
        given = self._given(binding.ipc)
        if stored is None or given is None:
            provider = stored or given
            assert provider is not None
            return provider
        both = self._keeper.read_table(stored).union(self._keeper.read_table(given))
        return both.into_view()

    def _read_kept(self, room: _Room, binding: TableBinding, path: str) -> DataFrame:
        rows = room.providers.get(path, partial(self._read, path, False))
        return self._named(binding, rows)

    def _no_rows(self, binding: TableBinding) -> Table:
        assert binding.documents is not None
        name = self._new_name()
        empty = pa.RecordBatch.from_pylist([], columns_of(binding.documents))
        self._keeper.register_record_batches(name, [[empty]])
        return self._take(name)

    def _visible(self, binding: TableBinding, rows: Table) -> Table:
        """Leave out generated columns of indexes that are deleted; plans show the table's full name."""
        visible = self.indexes.visible(binding)
        if visible == self.indexes.rows(binding.file or "").schema.names:
            return rows
        return self._named(binding, rows).select(*map(quoted_name, visible)).into_view()

    def _named(self, binding: TableBinding, rows: Table) -> DataFrame:
        name = quoted_name(".".join(binding.name))
        self._keeper.register_table(name, rows)
        return self._take_frame(name)

    def _given(self, ipc: bytes | None) -> Table | None:
        if ipc is None:
            return None
        name = self._new_name()
        batches = pa.ipc.open_stream(ipc).read_all()
        self._keeper.register_record_batches(
            name, [batches.to_batches() or [pa.RecordBatch.from_pylist([], batches.schema)]]
        )
        return self._take(name)

    def _stored(self, room: _Room, binding: TableBinding) -> Table | None:
        path = binding.file or binding.folder
        if path is None:
            return None
        return room.providers.get(path, partial(self._read, path, binding.file is None))

    def _read(self, path: str, is_folder: bool) -> Table:
        name = self._new_name()
        url = self._url(path)
        if path.endswith(".arrow"):
            self._keeper.register_arrow(name, url, schema=plain_schema(path))
        else:
            self._keeper.register_parquet(name, url + "/" if is_folder else url)
        return self._take(name)

    def _url(self, path: str) -> str:
        return STORE_URL + Path(path).relative_to(self._data_folder).as_posix()

    def _new_name(self) -> str:
        self._number += 1
        return f"t{self._number}"

    def _take(self, name: str) -> Table:
        provider = self._keeper.table_provider(name)
        self._keeper.deregister_table(name)
        return provider


def _config(scan: ScanMode) -> SessionConfig:
    config = (
        SessionConfig()
        .with_target_partitions(1 if scan is ScanMode.SINGLE else os.cpu_count() or 1)
        .with_information_schema(False)
        .with_create_default_catalog_and_schema(True)
        .set("datafusion.sql_parser.dialect", "PostgreSQL")
        .set("datafusion.execution.time_zone", "UTC")
    )
    if scan is ScanMode.LATE:
        config = config.set("datafusion.execution.parquet.pushdown_filters", "true")
    return config


def _schema_of(context: SessionContext, catalog: str, schema: str) -> Schema:
    if catalog not in context.catalog_names():
        context.register_catalog_provider(catalog, Catalog.memory_catalog())
    owner = context.catalog(catalog)
    if schema not in owner.schema_names():
        owner.register_schema(schema, Schema.memory_schema())
    return owner.schema(schema)

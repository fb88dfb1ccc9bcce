"""The connector protocol: what a source is asked for, and in which form it answers.

A connector turns one remote source into Arrow. It receives resolved options and credentials, knows
neither the catalog nor the engine, and runs in a process of its own that may be killed at any
moment: that kill is how a fetch is cancelled, so nothing here needs to be.

The invariant every connector keeps, and ``tests/connectors/contract.py`` checks: batches come **in
the declared schema** (:attr:`SourceTable.arrow_schema`), whatever the driver would have made of the
values, the same for an empty table as for a full one; and a value that is not NULL in the source is
never NULL here without an entry in :class:`Losses`.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import ClassVar, Generic, Self, TypeVar

import pyarrow as pa

from connectors.errors import SourceFailed
from connectors.options import SourceOptions

OptionsT = TypeVar("OptionsT", bound=SourceOptions)
PartT = TypeVar("PartT", bound="Part")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a source can do beyond giving whole tables.

    Attributes:
        has_parts: ``plan_fetch`` may cut a table into parts of one snapshot, opened side by side.
        is_incremental: ``Scan.after`` is understood.
        dialect: name of the SQL dialect (as sqlglot has it) that ``Scan.where`` and ``query`` take;
            None when the source takes no SQL, and so cannot be queried live.
    """

    has_parts: bool = False
    is_incremental: bool = False
    dialect: str | None = None


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """One column of a remote table.

    Attributes:
        name: as the source spells it.
        type: the Arrow type its values arrive in. Only what Parquet and DataFusion both hold: no
            interval, no dictionary, no view, no extension type; timestamps in microseconds
            unless the source is finer; times as ``time64``.
        nullable: False only when the source promises it and no rule of the type makes NULLs.
        native_type: as the source writes it, e.g. ``numeric(12,2)``.
    """

    name: str
    type: pa.DataType
    nullable: bool
    native_type: str


@dataclass(frozen=True, slots=True)
class SourceTable:
    """One remote table or view.

    ``row_estimate`` is the source's own guess, for progress. ``kind`` is ``table`` or ``view``.
    """

    schema: str
    name: str
    columns: tuple[SourceColumn, ...]
    kind: str = "table"
    row_estimate: int | None = None
    primary_key: tuple[str, ...] = ()
    comment: str | None = None

    @property
    def arrow_schema(self) -> pa.Schema:
        """The declared schema: what every batch of the table has."""
        return pa.schema([pa.field(c.name, c.type, c.nullable) for c in self.columns])

    def select(self, names: Sequence[str] | None) -> "tuple[SourceColumn, ...]":
        """Return the columns of these names, in the table's order; all for None."""
        if names is None:
            return self.columns
        wanted = set(names)
        return tuple(column for column in self.columns if column.name in wanted)


@dataclass(frozen=True, slots=True)
class After:
    """Only rows whose column is greater than a value.

    ``value`` is the text Arrow gives when it casts the column's type to a string.
    """

    column: str
    value: str


@dataclass(frozen=True, slots=True)
class Scan:
    """Which rows and columns of a table are wanted.

    Attributes:
        columns: names, at least one; None = all. They come in the order of the table.
        after: for an incremental refresh; only with ``is_incremental``.
        where: a condition in the source's own dialect, made by the engine, never user text; only
            with a ``dialect``.
        limit: rows at most, any of them; None = all.
    """

    columns: tuple[str, ...] | None = None
    after: After | None = None
    where: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a table, to be opened by the connector that planned it.

    ``schema`` is the declared schema of its columns. Connectors add what they need.
    """

    schema: pa.Schema


class Losses:
    """Counts values that could not be kept: what, in which column, how often. Thread-safe."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = Lock()

    def add(self, column: str, rule: str, count: int) -> None:
        """Remember a loss; none for a count of 0.

        Args:
            column: its name.
            rule: what became of the values, to follow "3 values", e.g. ``of NaN became NULL``.
            count: how many.
        """
        if count:
            with self._lock:
                self._counts[column, rule] += count

    def warnings(self) -> list[str]:
        """One sentence for each rule and column.

        >>> losses = Losses()
        >>> losses.add("price", "of NaN became NULL", 3)
        >>> losses.warnings()
        ["Column 'price': 3 values of NaN became NULL."]
        """
        return [
            f"Column '{column}': {count} value{'s' if count > 1 else ''} {rule}."
            for (column, rule), count in sorted(self._counts.items())
        ]


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What the surroundings grant a connector.

    Attributes:
        allow_private: private and loopback addresses may be connected to.
        local_files: folders whose files may be read; see :func:`connectors.local_paths.check_path`.
        connect_timeout_s: for one attempt to connect, and to log in.
        statement_timeout_s: told to the source, where it has such a setting, for each statement.
        memory_bytes: what the whole process may use; a driver with a limit of its own gets half.
        batch_bytes: a batch should hold about so many bytes, never many times as many.
        parts_max: parts that will be opened side by side.
        scratch: an empty folder for temporary files; removed afterwards.
        losses: where values that could not be kept are counted.
    """

    allow_private: bool
    local_files: tuple[Path, ...]
    connect_timeout_s: float
    statement_timeout_s: float
    memory_bytes: int
    batch_bytes: int
    parts_max: int
    scratch: Path
    losses: Losses = field(default_factory=Losses)


class Connector(ABC, Generic[OptionsT, PartT]):
    """One source, with one set of options. Use it as a context manager.

    Methods raise :class:`connectors.errors.ConnectorError` and nothing else a driver may throw,
    also in the middle of a stream, also for a Rust panic (a ``BaseException``). Drivers are
    imported when a connector is made, not with its module.

    Attributes:
        source_type: the API's name of the source.
        label: its display name.
        options_type: its options and credentials.
        capabilities: see there.
    """

    source_type: ClassVar[str]
    label: ClassVar[str]
    options_type: ClassVar[type[SourceOptions]]
    capabilities: ClassVar[Capabilities] = Capabilities()

    def __init__(self, options: OptionsT, context: SourceContext) -> None:
        self.options = options
        self.context = context

    @abstractmethod
    def check(self) -> None:
        """Connect, log in and ask something cheap that proves the database can be read."""

    @abstractmethod
    def discover(self) -> Iterator[SourceTable]:
        """Yield every table and view this user may read, with columns; system schemas left out.

        Cheap whatever the number of tables: a few queries of the source's own catalog, no rows.
        """

    @abstractmethod
    def describe(self, schema: str, table: str) -> SourceTable:
        """Describe one table as it is now.

        Raises:
            TableGone: there is none.
        """

    @abstractmethod
    def plan_fetch(self, table: SourceTable, scan: Scan) -> Sequence[PartT]:
        """Cut a scan into parts that together are one consistent state of the table.

        Returns:
            At least one part, at most ``context.parts_max``; one is always right.
        """

    @abstractmethod
    def open(self, part: PartT) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a part, in ``part.schema``; batches may be empty, rows of no order.

        Parts are opened in different threads at the same time. Closing the iterator early
        releases what it holds.
        """

    def write_parquet(self, part: PartT, path: Path) -> int | None:
        """Write a part as one Parquet file in ``part.schema``, where the source itself is best at it.

        Returns:
            The rows written; None when the part must be read with :meth:`open`, the usual case.
        """
        return None

    def query(self, sql: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Run one SELECT in the source's dialect and yield its rows as this schema.

        Args:
            sql: made by the engine from a plan; one column for each field, in order.
            schema: what the plan says the columns are.

        Raises:
            SourceFailed: it cannot run, or its columns cannot be brought to the schema.
        """
        raise SourceFailed(f"A {self.label} connection takes no SQL")

    def close(self) -> None:
        """Release everything; harmless when called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

"""The Delta connector: tables of one folder, each read at one version.

The rows come from deltalake's own engine, which knows deletion vectors and column mapping; its
dataset for pyarrow knows neither. Its statistics prune files only where they are exact: those of a
decimal are rounded, those of a text are cut, so such an ``after`` is applied to the rows read.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp
from typing_extensions import override

from connectors.arrow_batches import bounded, conform_batch
from connectors.base import (
    After,
    Capabilities,
    Connector,
    Part,
    Scan,
    SourceContext,
    SourceTable,
)
from connectors.drivers import load_driver
from connectors.errors import ConnectorError, SourceFailed, TableGone
from connectors.object_storage import object_store_options
from connectors.sources.delta.columns import columns_of
from connectors.sources.delta.failures import delta_errors
from connectors.sources.delta.folders import Folder, TablePlace, open_folder
from connectors.sources.delta.options import DeltaOptions

ROWS_MAX = 8192
ROWS_UNKNOWN = 1024
EXPANSION = 4
"""How many times larger rows are in Arrow than in a file, as a rule of thumb."""
READERS = 8

Scalar: TypeAlias = "pa.Scalar[Any]"
_SOURCE = "source"
_DIALECT = "postgres"


@dataclass(frozen=True, slots=True)
class DeltaPart(Part):
    """A whole table at one version.

    ``table`` is deltalake's table, loaded at it; ``after`` is a column and the value, in its type,
    that rows must be greater than.
    """

    table: Any
    after: tuple[str, Scalar] | None
    limit: int | None


class DeltaConnector(Connector[DeltaOptions, DeltaPart]):
    """Delta Lake tables."""

    source_type: ClassVar[str] = "delta"
    label: ClassVar[str] = "Delta Lake"
    options_type: ClassVar[type[DeltaOptions]] = DeltaOptions
    capabilities: ClassVar[Capabilities] = Capabilities(is_incremental=True)

    def __init__(self, options: DeltaOptions, context: SourceContext) -> None:
        super().__init__(options, context)
        self._driver = load_driver("deltalake", extra="delta")
        self._secrets = options.secrets()
        self._folder: Folder | None = None

    @override
    def check(self) -> None:
        with delta_errors(self._secrets):
            folder = self._open_folder()
            place = next(folder.tables(), None)
            # Among several tables one that cannot be read says nothing of the others.
            if place is not None and place.path == folder.path:
                self._load(place)

    @override
    def discover(self) -> Iterator[SourceTable]:
        """Yield every table; one that cannot be read is left out, unless none can."""
        with delta_errors(self._secrets), ThreadPoolExecutor(READERS) as pool:
            found = pool.map(self._describe_or_fail, self._open_folder().tables())
            failure: ConnectorError | None = None
            count = 0
            for table in found:
                if isinstance(table, SourceTable):
                    count += 1
                    yield table
                else:
                    failure = table
            if failure is not None and not count:
                raise failure

    @override
    def describe(self, schema: str, table: str) -> SourceTable:
        with delta_errors(self._secrets):
            place = self._find(schema, table)
            return _described(place, self._load(place))

    @override
    def plan_fetch(self, table: SourceTable, scan: Scan) -> list[DeltaPart]:
        with delta_errors(self._secrets):
            place = self._find(table.schema, table.name)
            loaded = self._load(place)
            if _described(place, loaded).columns != table.columns:
                raise SourceFailed("The columns of the table changed while it was read")
            paths = (path.as_py() for path in _add_actions(loaded)["path"])
            self._open_folder().check_files(place, paths)
            columns = table.select(scan.columns)
            return [
                DeltaPart(
                    schema=pa.schema([pa.field(c.name, c.type, c.nullable) for c in columns]),
                    table=loaded,
                    after=None if scan.after is None else _typed(table, scan.after),
                    limit=scan.limit,
                )
            ]

    @override
    def open(self, part: DeltaPart) -> Iterator[pa.RecordBatch]:
        with delta_errors(self._secrets):
            settings = {
                "datafusion.execution.batch_size": str(self._batch_rows(part.table)),
                "datafusion.execution.target_partitions": "1",
            }
            engine = self._driver.QueryBuilder(settings).register(_SOURCE, part.table)
            reader = pa.RecordBatchReader.from_stream(engine.execute(_select(part)))
            rows = _filtered(_conformed(reader, part), part)
            for batch in _limited(rows, part.limit):
                yield from bounded(batch, self.context.batch_bytes)

    def _open_folder(self) -> Folder:
        if self._folder is None:
            self._folder = open_folder(self.options, self.context)
        return self._folder

    def _find(self, schema: str, name: str) -> TablePlace:
        place = self._open_folder().find(schema, name)
        if place is None:
            raise TableGone
        return place

    def _describe_or_fail(self, place: TablePlace) -> SourceTable | ConnectorError:
        try:
            with delta_errors(self._secrets):
                return _described(place, self._load(place))
        except ConnectorError as error:
            return error

    def _load(self, place: TablePlace) -> Any:  # noqa: ANN401 - a table of a lazily loaded driver
        folder = self._open_folder()
        folder.check_log(place)
        table = self._driver.DeltaTable(
            folder.url(place), version=self.options.version, storage_options=self._storage_options()
        )
        moment = self.options.timestamp
        if moment is not None:
            table.load_as_version(moment)
            written = folder.written_at(place, table.version())
            # For a moment before the first version deltalake answers with the first.
            if written is not None and written > moment:
                raise SourceFailed("The table had no version yet at that moment")
        return table

    def _storage_options(self) -> dict[str, str] | None:
        if not self.options.url.startswith("s3://"):
            return None
        return object_store_options(self.options, self.context) | {
            "connect_timeout": f"{self.context.connect_timeout_s * 1000:.0f}ms",
            "timeout": f"{self.context.statement_timeout_s * 1000:.0f}ms",
            "max_retries": "2",
        }

    def _batch_rows(self, table: Any) -> int:  # noqa: ANN401 - a table of a lazily loaded driver
        actions = _add_actions(table)
        rows = pc.sum(actions["num_records"]).as_py()
        if not rows:
            return ROWS_UNKNOWN
        row_bytes = pc.sum(actions["size_bytes"]).as_py() * EXPANSION / rows
        return max(1, min(ROWS_MAX, int(self.context.batch_bytes / row_bytes)))


def _add_actions(table: Any) -> pa.Table:  # noqa: ANN401 - a table of a lazily loaded driver
    return pa.table(table.get_add_actions())


def _described(place: TablePlace, table: Any) -> SourceTable:  # noqa: ANN401 - see above
    rows = pc.sum(_add_actions(table)["num_records"]).as_py()
    return SourceTable(
        schema=place.schema,
        name=place.name,
        columns=columns_of(orjson.loads(table.schema().to_json())),
        row_estimate=rows,
        comment=table.metadata().description,
    )


def _typed(table: SourceTable, after: After) -> tuple[str, Scalar]:
    dtype = table.arrow_schema.field(after.column).type
    try:
        return after.column, pa.scalar(after.value).cast(dtype)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SourceFailed(f"Column '{after.column}' cannot be compared with a value") from error


def _select(part: DeltaPart) -> str:
    """Write the query: the columns of the part, then the one that ``after`` looks at."""
    names = list(part.schema.names)
    where: exp.Expression | None = None
    if part.after is not None:
        name, value = part.after
        names.append(name)
        literal = _exact_literal(value)
        where = literal and exp.GT(this=_identifier(name), expression=literal)
    columns = [_identifier(name).as_(f"c{place}") for place, name in enumerate(names)]
    query = exp.select(*columns).from_(_identifier(_SOURCE))
    return (query if where is None else query.where(where)).sql(dialect=_DIALECT)


def _identifier(name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True))


def _exact_literal(value: Scalar) -> exp.Expression | None:
    """Return a value as SQL where statistics may be compared with it."""
    dtype = value.type
    if pa.types.is_integer(dtype):
        name, number = "Int64", value.cast(pa.int64()).as_py()
    elif pa.types.is_date(dtype):
        name, number = "Date32", value.cast(pa.int32()).as_py()
    elif isinstance(dtype, pa.TimestampType):
        zone = 'Some("UTC")' if dtype.tz else "None"
        name, number = f"Timestamp(Microsecond, {zone})", value.cast(pa.int64()).as_py()
    else:
        return None
    arguments = [exp.Literal.number(number), exp.Literal.string(name)]
    return exp.Anonymous(this="arrow_cast", expressions=arguments)


def _conformed(reader: pa.RecordBatchReader, part: DeltaPart) -> Iterator[pa.RecordBatch]:
    """Bring what :func:`_select` asks for to its types; the texts are not valid until checked."""
    schema = part.schema
    if part.after is not None:
        schema = schema.append(pa.field(part.after[0], part.after[1].type))
    for batch in reader:
        conformed = conform_batch(batch, schema)
        conformed.validate(full=True)
        yield conformed


def _filtered(batches: Iterable[pa.RecordBatch], part: DeltaPart) -> Iterator[pa.RecordBatch]:
    """Keep the rows after the value and drop the column it was compared with."""
    if part.after is None:
        yield from batches
        return
    _, value = part.after
    for batch in batches:
        last = batch.num_columns - 1
        kept = batch.filter(pc.greater(batch.column(last), value))
        yield pa.RecordBatch.from_arrays(kept.columns[:last], schema=part.schema)


def _limited(batches: Iterable[pa.RecordBatch], limit: int | None) -> Iterator[pa.RecordBatch]:
    left = limit
    for batch in batches:
        if left is None:
            yield batch
            continue
        yield batch.slice(0, left)
        left -= min(left, batch.num_rows)
        if not left:
            return

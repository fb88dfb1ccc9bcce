"""The BigQuery connector: each scan is one query job, whose result is read page by page.

The invariant: the pages of a job's result are one state of the table; listing the rows of the table
itself would not promise that. The trap: every query is billed, also discovery and with a LIMIT, and
the client library goes on trying for minutes unless it is told not to.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from threading import Lock
from typing import Any, ClassVar
from urllib.parse import quote

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from typing_extensions import override

from connectors.arrow_batches import bounded
from connectors.base import (
    Capabilities,
    Connector,
    Part,
    Scan,
    SourceColumn,
    SourceContext,
    SourceTable,
)
from connectors.drivers import load_driver
from connectors.errors import SourceFailed
from connectors.sources.bigquery.cells import Row, read_rows
from connectors.sources.bigquery.column_types import (
    DIALECT,
    arrow_type,
    is_array,
    native_type,
    parse_field,
    parse_type,
)
from connectors.sources.bigquery.failures import source_failures
from connectors.sources.bigquery.login import open_client
from connectors.sources.bigquery.options import BigQueryOptions

PAGE_CELLS = 200_000
"""Cells of a page at most: as Python objects they take some 50 MB. BigQuery itself cuts a page at
10 MB, which bounds wide ones."""

_CATALOG = """
SELECT c.table_schema, c.table_name, t.table_type, c.column_name, c.data_type, c.is_nullable
FROM {place}.INFORMATION_SCHEMA.COLUMNS AS c
JOIN {place}.INFORMATION_SCHEMA.TABLES AS t
  ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.is_hidden = 'NO'
ORDER BY c.table_schema, c.table_name, c.ordinal_position
"""
_CATALOG_COLUMNS = 6
_KEPT_NOT_NULL = frozenset({"BASE TABLE", "CLONE", "SNAPSHOT", "TABLE"})
"""Kinds of tables whose REQUIRED columns hold no NULL; TABLE is the REST interface's word."""
_ORDERED_KINDS = frozenset(
    {
        exp.DType.BIGDECIMAL,
        exp.DType.BIGINT,
        exp.DType.DATE,
        exp.DType.DECIMAL,
        exp.DType.DOUBLE,
        exp.DType.TEXT,
        exp.DType.TIME,
        exp.DType.TIMESTAMP,
        exp.DType.TIMESTAMPTZ,
    }
)


@dataclass(frozen=True, slots=True)
class BigQueryPart(Part):
    """A whole scan, as one query."""

    sql: str


class BigQueryConnector(Connector[BigQueryOptions, BigQueryPart]):
    """One client of one service account, made when it is first needed."""

    source_type: ClassVar[str] = "bigquery"
    label: ClassVar[str] = "BigQuery"
    options_type: ClassVar[type[BigQueryOptions]] = BigQueryOptions
    capabilities: ClassVar[Capabilities] = Capabilities(is_incremental=True, dialect=DIALECT)

    def __init__(self, options: BigQueryOptions, context: SourceContext) -> None:
        super().__init__(options, context)
        self._bigquery = load_driver("google.cloud.bigquery", extra="bigquery")
        self._client: Any = None
        self._client_lock = Lock()

    @override
    def check(self) -> None:
        client = self._opened()
        with source_failures(self.options):
            if self.options.dataset is None:
                list(client.list_datasets(max_results=1, **self._patience()))
            else:
                client.get_dataset(self._dataset(self.options.dataset), **self._patience())
        for _ in self._pages("SELECT 1", columns=1):
            pass

    @override
    def discover(self) -> Iterator[SourceTable]:
        dataset, region = self.options.dataset, self.options.region
        names = (self.options.project_id, dataset or f"region-{region}")
        sql = _CATALOG.format(place=".".join(_quoted(name) for name in names))
        pages = self._pages(sql, columns=_CATALOG_COLUMNS, location=None if dataset else region)
        rows = ([cell["v"] for cell in row["f"]] for _, page in pages for row in page)
        for (schema, name, kind), group in groupby(rows, key=lambda row: tuple(row[:3])):
            columns = tuple(
                _column(column, parse_type(text), is_kept=kind in _KEPT_NOT_NULL and nulls == "NO")
                for _, _, _, column, text, nulls in group
            )
            yield SourceTable(schema, name, columns, kind=_kind(kind))

    @override
    def describe(self, schema: str, table: str) -> SourceTable:
        client = self._opened()
        # The library puts names into the path of a URL as they are.
        reference = self._dataset(quote(schema, safe="")).table(quote(table, safe=""))
        with source_failures(self.options):
            found = client.get_table(reference, **self._patience())
        is_kept = found.table_type in _KEPT_NOT_NULL
        fields = [field.to_api_repr() for field in found.schema]
        return SourceTable(
            schema=schema,
            name=table,
            columns=tuple(
                _column(
                    field["name"],
                    parse_field(field),
                    is_kept=is_kept and field.get("mode") == "REQUIRED",
                )
                for field in fields
            ),
            kind=_kind(found.table_type),
            row_estimate=found.num_rows,
            comment=found.description or None,
        )

    @override
    def plan_fetch(self, table: SourceTable, scan: Scan) -> Sequence[BigQueryPart]:
        columns = table.select(scan.columns)
        query = exp.select(*(_name(column) for column in columns)).from_(
            exp.table_(table.name, db=table.schema, catalog=self.options.project_id, quoted=True)
        )
        if scan.where is not None:
            query = query.where(_parsed_condition(scan.where))
        if scan.after is not None:
            (column,) = table.select([scan.after.column])
            query = query.where(_after_condition(column, scan.after.value))
        if scan.limit is not None:
            query = query.limit(scan.limit)
        schema = pa.schema([pa.field(c.name, c.type, c.nullable) for c in columns])
        return [BigQueryPart(schema, query.sql(DIALECT))]

    @override
    def open(self, part: BigQueryPart) -> Iterator[pa.RecordBatch]:
        yield from self.query(part.sql, part.schema)

    @override
    def query(self, sql: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for types, rows in self._pages(sql, columns=len(schema)):
            page = read_rows(rows, types, schema, self.context.losses)
            yield from bounded(page, self.context.batch_bytes)

    @override
    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _pages(
        self, sql: str, *, columns: int, location: str | None = None
    ) -> Iterator[tuple[list[pa.DataType], list[Row]]]:
        """Run a query; yield the types of its columns with the rows of each page."""
        client = self._opened()
        with source_failures(self.options):
            result = client.query_and_wait(
                sql,
                job_config=self._job_config(),
                location=location,
                api_timeout=self.context.connect_timeout_s,
                wait_timeout=self.context.statement_timeout_s,
                retry=self._retry(),
                job_retry=None,
                page_size=max(1, PAGE_CELLS // max(1, columns)),
            )
        types = [arrow_type(parse_field(field.to_api_repr())) for field in result.schema]
        pages = iter(result.pages)
        while True:
            with source_failures(self.options, is_reading=True):
                page = next(pages, None)
            if page is None:
                return
            yield types, page.raw_page.get("rows", [])

    def _job_config(self) -> Any:  # noqa: ANN401 - a driver's
        return self._bigquery.QueryJobConfig(
            use_legacy_sql=False,
            job_timeout_ms=int(self.context.statement_timeout_s * 1000),
            maximum_bytes_billed=self.options.maximum_bytes_billed,
            labels={"application": "tidemill"},
        )

    def _dataset(self, name: str) -> Any:  # noqa: ANN401 - a driver's
        return self._bigquery.DatasetReference(self.options.project_id, name)

    def _retry(self) -> Any:  # noqa: ANN401 - a driver's
        return self._bigquery.DEFAULT_RETRY.with_timeout(self.context.connect_timeout_s)

    def _patience(self) -> dict[str, Any]:
        return {"retry": self._retry(), "timeout": self.context.connect_timeout_s}

    def _opened(self) -> Any:  # noqa: ANN401 - a driver's
        with self._client_lock:
            if self._client is None:
                self._client = open_client(self.options, self.context)
            return self._client


def _column(name: str, dtype: exp.DataType, *, is_kept: bool) -> SourceColumn:
    """Describe a column; ``is_kept`` when the table keeps it NOT NULL."""
    return SourceColumn(
        name=name,
        type=arrow_type(dtype),
        nullable=not (is_kept or is_array(dtype)),
        native_type=native_type(dtype),
    )


def _kind(table_type: str) -> str:
    return "view" if "VIEW" in table_type else "table"


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(DIALECT)


def _name(column: SourceColumn) -> exp.Column:
    return exp.column(exp.to_identifier(column.name, quoted=True))


def _parsed_condition(sql: str) -> exp.Expr:
    try:
        return sqlglot.parse_one(sql, read=DIALECT, into=exp.Condition)
    except SqlglotError as error:
        raise SourceFailed("The condition is no SQL of BigQuery") from error


def _after_condition(column: SourceColumn, value: str) -> exp.Expr:
    """Return the condition for values greater than one that was read before."""
    dtype = parse_type(column.native_type)
    if dtype.this not in _ORDERED_KINDS:
        raise SourceFailed(
            f"Column '{column.name}' of type {column.native_type} cannot be refreshed from"
        )
    literal = exp.Literal.string(value)
    bound = exp.Cast(this=literal, to=exp.DataType(this=dtype.this))
    return exp.GT(this=_name(column), expression=bound)

"""MySQL and MariaDB over one Python session per task, with rows read as columns.

A table is one SELECT and so one consistent state of it (InnoDB); there are no parts, since two
sessions share no snapshot. Sessions are read only. Nothing native connects, so every address is
judged and TLS verifies the host's name on the way the rows take, too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from typing_extensions import override

from connectors.arrow_batches import conform_batch
from connectors.base import Capabilities, Connector, Part, Scan, SourceTable
from connectors.errors import SourceFailed, TableGone
from connectors.sources.mysql.column_types import parsed
from connectors.sources.mysql.discovery import all_tables, one_table
from connectors.sources.mysql.options import MySQLOptions
from connectors.sources.mysql.session import connected
from connectors.sources.mysql.statements import DIALECT, exact_floats, select
from connectors.sources.mysql.wire import Answer

_TEXT_OFFSET_BYTES = 4


@dataclass(frozen=True, slots=True)
class MySQLPart(Part):
    """A whole scan: the SELECT that answers it."""

    sql: str


class MySQLConnector(Connector[MySQLOptions, MySQLPart]):
    """Reads MySQL."""

    source_type = "mysql"
    label = "MySQL"
    options_type = MySQLOptions
    capabilities = Capabilities(is_incremental=True, dialect=DIALECT)

    @override
    def check(self) -> None:
        with connected(self.options, self.context) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM information_schema.schemata LIMIT 1")

    @override
    def discover(self) -> Iterator[SourceTable]:
        with connected(self.options, self.context) as connection:
            yield from all_tables(connection)

    @override
    def describe(self, schema: str, table: str) -> SourceTable:
        with connected(self.options, self.context) as connection:
            found = one_table(connection, schema, table)
        if found is None:
            raise TableGone
        return found

    @override
    def plan_fetch(self, table: SourceTable, scan: Scan) -> Sequence[MySQLPart]:
        columns = table.select(scan.columns)
        schema = pa.schema([pa.field(c.name, c.type, c.nullable) for c in columns])
        return [MySQLPart(schema, select(table, columns, scan))]

    @override
    def open(self, part: MySQLPart) -> Iterator[pa.RecordBatch]:
        return self._batches(part.sql, part.schema)

    @override
    def query(self, sql: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        return self._batches(exact_floats(sql, schema), schema)

    def _batches(self, sql: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        with connected(self.options, self.context) as connection:
            answer = Answer(connection, sql)
            if len(answer.columns) != len(schema):
                raise SourceFailed("The source sent another number of columns than it declared")
            bytes_max = self.context.batch_bytes
            rows_max = max(1, bytes_max // _row_bytes(schema))
            for chunk in answer.chunks(bytes_max=bytes_max, rows_max=rows_max):
                arrays = [
                    parsed(values, wire, field, self.context.losses)
                    for values, wire, field in zip(chunk, answer.columns, schema, strict=True)
                ]
                yield conform_batch(pa.RecordBatch.from_arrays(arrays, schema.names), schema)


class MariaDBConnector(MySQLConnector):
    """Reads MariaDB."""

    source_type = "mariadb"
    label = "MariaDB"


def _row_bytes(schema: pa.Schema) -> int:
    """Return what a row takes at least: one sent as few bytes may be much more in Arrow."""
    return sum(_value_bytes(dtype) for dtype in schema.types) or 1


def _value_bytes(dtype: pa.DataType) -> int:
    if pa.types.is_primitive(dtype) or pa.types.is_decimal(dtype):
        return dtype.bit_width // 8 or 1
    return _TEXT_OFFSET_BYTES

r"""Flight SQL's metadata commands: what there is, as Arrow tables of exactly the schemas it prescribes.

Clients compare these schemas, so names, types and nullability are the protocol's. Patterns are those of
LIKE with ``\`` as the escape; they are matched over whole columns. Tidemill has no keys, so the listings
of keys are empty, which is the true answer.

Source: ``format/FlightSql.proto`` in apache/arrow, the comments of each command.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.arrow_types import write_schema
from engine.query.sql_text import quoted_name
from engine.service.describing import schema_of_statement
from engine.service.named_tables import ALWAYS, TABLE_TYPES, NamedTable, list_tables
from server.flight.calls import Call
from server.flight.commands import (
    Command,
    CommandGetCatalogs,
    CommandGetCrossReference,
    CommandGetDbSchemas,
    CommandGetExportedKeys,
    CommandGetImportedKeys,
    CommandGetPrimaryKeys,
    CommandGetSqlInfo,
    CommandGetTables,
    CommandGetTableTypes,
    CommandGetXdbcTypeInfo,
)
from server.flight.sql_info import SQL_INFO_SCHEMA, TYPE_INFO_SCHEMA, sql_info, type_info

_PLANNED_MAX = 16


def _schema(*fields: tuple[str, pa.DataType, bool]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable) for name, kind, nullable in fields])


_TEXT = pa.string()
CATALOGS = _schema(("catalog_name", _TEXT, False))
DB_SCHEMAS = _schema(("catalog_name", _TEXT, True), ("db_schema_name", _TEXT, False))
TABLES = _schema(
    ("catalog_name", _TEXT, True),
    ("db_schema_name", _TEXT, True),
    ("table_name", _TEXT, False),
    ("table_type", _TEXT, False),
)
TABLES_WITH_SCHEMA = TABLES.append(pa.field("table_schema", pa.binary(), nullable=False))
TABLE_TYPE_LIST = _schema(("table_type", _TEXT, False))
PRIMARY_KEYS = _schema(
    ("catalog_name", _TEXT, True),
    ("db_schema_name", _TEXT, True),
    ("table_name", _TEXT, False),
    ("column_name", _TEXT, False),
    ("key_name", _TEXT, True),
    ("key_sequence", pa.int32(), False),
)
FOREIGN_KEYS = _schema(
    ("pk_catalog_name", _TEXT, True),
    ("pk_db_schema_name", _TEXT, True),
    ("pk_table_name", _TEXT, False),
    ("pk_column_name", _TEXT, False),
    ("fk_catalog_name", _TEXT, True),
    ("fk_db_schema_name", _TEXT, True),
    ("fk_table_name", _TEXT, False),
    ("fk_column_name", _TEXT, False),
    ("key_sequence", pa.int32(), False),
    ("fk_key_name", _TEXT, True),
    ("pk_key_name", _TEXT, True),
    ("update_rule", pa.uint8(), False),
    ("delete_rule", pa.uint8(), False),
)
_SCHEMAS: MappingProxyType[type, pa.Schema] = MappingProxyType(
    {
        CommandGetCatalogs: CATALOGS,
        CommandGetDbSchemas: DB_SCHEMAS,
        CommandGetTables: TABLES,
        CommandGetTableTypes: TABLE_TYPE_LIST,
        CommandGetSqlInfo: SQL_INFO_SCHEMA,
        CommandGetXdbcTypeInfo: TYPE_INFO_SCHEMA,
        CommandGetPrimaryKeys: PRIMARY_KEYS,
        CommandGetExportedKeys: FOREIGN_KEYS,
        CommandGetImportedKeys: FOREIGN_KEYS,
        CommandGetCrossReference: FOREIGN_KEYS,
    }
)


def metadata_schema(command: Command) -> pa.Schema | None:
    """Return the schema of a metadata command's rows; None for any other command."""
    if isinstance(command, CommandGetTables) and command.include_schema:
        return TABLES_WITH_SCHEMA
    return _SCHEMAS.get(type(command))


async def read_metadata(call: Call, command: Command) -> pa.Table:  # noqa: PLR0911 - one per command
    """Answer a metadata command, one row per thing, in the protocol's order."""
    match command:
        case CommandGetCatalogs():
            return await _catalogs(call)
        case CommandGetDbSchemas():
            return await _db_schemas(call, command)
        case CommandGetTables():
            return await _tables(call, command)
        case CommandGetTableTypes():
            return pa.table([TABLE_TYPES], schema=TABLE_TYPE_LIST)
        case CommandGetSqlInfo():
            return sql_info(command.info, chars_max=call.engine.settings.sql_chars_max)
        case CommandGetXdbcTypeInfo():
            return type_info(command.data_type)
        case _:
            schema = metadata_schema(command)
            assert schema is not None
            return schema.empty_table()


async def _catalogs(call: Call) -> pa.Table:
    tables = await list_tables(call.engine, call.caller, with_schemas=False)
    names = {each.catalog for each in tables} | {catalog for catalog, _ in ALWAYS}
    return pa.table([sorted(names)], schema=CATALOGS)


async def _db_schemas(call: Call, command: CommandGetDbSchemas) -> pa.Table:
    tables = await list_tables(call.engine, call.caller, with_schemas=False)
    pairs = sorted({(each.catalog, each.schema) for each in tables} | {*ALWAYS})
    found = pa.table(
        [[catalog for catalog, _ in pairs], [schema for _, schema in pairs]], schema=DB_SCHEMAS
    )
    return found.filter(
        _all(
            found.num_rows,
            _is(found["catalog_name"], command.catalog),
            _like(found["db_schema_name"], command.db_schema_filter_pattern),
        )
    )


async def _tables(call: Call, command: CommandGetTables) -> pa.Table:
    tables = await list_tables(call.engine, call.caller, with_schemas=command.include_schema)
    found, rows = await asyncio.to_thread(_selected, tables, command)
    if not command.include_schema:
        return found
    chosen = await _typed(call, [tables[row] for row in rows])
    column = pa.array([each.schema_ipc for each in chosen], pa.binary())
    return found.append_column(TABLES_WITH_SCHEMA.field("table_schema"), column)


def _selected(
    tables: Sequence[NamedTable], command: CommandGetTables
) -> tuple[pa.Table, Sequence[int]]:
    """Return the tables that a command is about, and which of those given they are."""
    found = pa.table(
        [
            [each.catalog for each in tables],
            [each.schema for each in tables],
            [each.table for each in tables],
            [each.table_type for each in tables],
        ],
        schema=TABLES,
    )
    types = pa.array(command.table_types, _TEXT) if command.table_types else None
    mask = _all(
        found.num_rows,
        _is(found["catalog_name"], command.catalog),
        _like(found["db_schema_name"], command.db_schema_filter_pattern),
        _like(found["table_name"], command.table_name_filter_pattern),
        None if types is None else pc.is_in(found["table_type"], types),
    )
    return found.filter(mask), pc.indices_nonzero(mask).to_pylist()


async def _typed(call: Call, tables: Sequence[NamedTable]) -> Sequence[NamedTable]:
    """Have the columns of a few results planned; those of many stay without types."""
    if sum(not each.is_typed for each in tables) > _PLANNED_MAX:
        return tables
    return [each if each.is_typed else await _planned(call, each) for each in tables]


async def _planned(call: Call, table: NamedTable) -> NamedTable:
    name = quoted_name(table.catalog, table.schema, table.table)
    sql = f"SELECT * FROM {name}"  # noqa: S608 - quoted
    schema = await schema_of_statement(call.engine, call.caller, sql, (None, None))
    assert schema is not None
    return replace(table, schema_ipc=write_schema(schema))


def _is(column: "pa.ChunkedArray[Any]", name: str | None) -> Any:  # noqa: ANN401 - a mask
    """Match a name; an empty one asks for what has no catalog, and everything has one."""
    return None if name is None else pc.equal(column, pa.scalar(name))


def _like(column: "pa.ChunkedArray[Any]", pattern: str | None) -> Any:  # noqa: ANN401 - as above
    return None if pattern is None else pc.match_like(column, pattern)


def _all(rows: int, *masks: Any) -> Any:  # noqa: ANN401 - as above
    mask: Any = pa.chunked_array([pa.repeat(True, rows)])
    for each in masks:
        if each is not None:
            mask = pc.and_(mask, each)
    return mask

"""Rows of ``information_schema``, as Postgres words them.

Views about constraints, triggers, domains and routines are empty: there are none.
"""

from engine.pg_catalog.entries import OWNER, Attribute, Entries, attributes_of
from engine.pg_catalog.filling import Build, Cells
from engine.pg_catalog.layout import PG_CATALOG
from engine.pg_catalog.pg_types import SQL_NAMES, duckdb_type, types_by_name, types_by_oid
from engine.pg_catalog.snapshot import TABLE, VIEW

_NUMBER_BITS = {"int2": 16, "int4": 32, "int8": 64, "float4": 24, "float8": 53}
_FRACTIONS = {"time": 6, "timetz": 6, "timestamp": 6, "timestamptz": 6, "interval": 6, "date": 0}
_BYTES_MAX = 2**30
_BYTES_PER_CHARACTER = 4
_TYPMOD_HEADER = 4
_READER_GRANT = {
    "grantor": OWNER,
    "grantee": "PUBLIC",
    "privilege_type": "SELECT",
    "is_grantable": "NO",
}


def _schemata(entries: Entries) -> Cells:
    names = list(entries.schema_oids)
    database = entries.snapshot.database
    return {"catalog_name": database, "schema_name": names, "schema_owner": OWNER}


def _tables(entries: Entries) -> Cells:
    return {
        "table_catalog": entries.snapshot.database,
        "table_schema": [each.schema for each in entries.relations],
        "table_name": [each.name for each in entries.relations],
        "table_type": [
            "BASE TABLE" if each.kind == TABLE else "VIEW" for each in entries.relations
        ],
        "is_insertable_into": "NO",
        "is_typed": "NO",
    }


def _columns(entries: Entries) -> Cells:
    columns = attributes_of(entries.relations)
    names = entries.relations_by_oid
    base = [_base_name(each) for each in columns]
    database = entries.snapshot.database
    return {
        "table_catalog": database,
        "table_schema": [names[each.relation_oid][0] for each in columns],
        "table_name": [names[each.relation_oid][1] for each in columns],
        "column_name": [each.name for each in columns],
        "ordinal_position": [each.number for each in columns],
        "is_nullable": ["NO" if each.not_null else "YES" for each in columns],
        "data_type": ["ARRAY" if _is_array(name) else SQL_NAMES.get(name, name) for name in base],
        "character_maximum_length": list(map(_length, columns)),
        "character_octet_length": [
            _octets(each, name) for each, name in zip(columns, base, strict=True)
        ],
        "numeric_precision": [
            _precision(each, name) for each, name in zip(columns, base, strict=True)
        ],
        "numeric_precision_radix": [
            2 if name in _NUMBER_BITS else 10 if name == "numeric" else None for name in base
        ],
        "numeric_scale": [_scale(each, name) for each, name in zip(columns, base, strict=True)],
        "datetime_precision": [
            _fraction(each, name) for each, name in zip(columns, base, strict=True)
        ],
        "domain_catalog": [database if _is_domain(each) else None for each in columns],
        "domain_schema": ["information_schema" if _is_domain(each) else None for each in columns],
        "domain_name": [each.pg_type.typname if _is_domain(each) else None for each in columns],
        "udt_catalog": database,
        "udt_schema": PG_CATALOG,
        "udt_name": base,
        "dtd_identifier": [str(each.number) for each in columns],
        "is_self_referencing": "NO",
        "is_identity": "NO",
        "identity_cycle": "NO",
        "is_generated": "NEVER",
        "is_updatable": "NO",
    }


def _views(entries: Entries) -> Cells:
    views = [each for each in entries.relations if each.kind == VIEW]
    return {
        "table_catalog": entries.snapshot.database,
        "table_schema": [each.schema for each in views],
        "table_name": [each.name for each in views],
        "view_definition": [each.definition for each in views],
        "check_option": "NONE",
        "is_updatable": "NO",
        "is_insertable_into": "NO",
        "is_trigger_updatable": "NO",
        "is_trigger_deletable": "NO",
        "is_trigger_insertable_into": "NO",
    }


def _table_privileges(entries: Entries) -> Cells:
    return {
        **_READER_GRANT,
        "table_catalog": entries.snapshot.database,
        "table_schema": [each.schema for each in entries.relations],
        "table_name": [each.name for each in entries.relations],
        "with_hierarchy": "YES",
    }


def _column_privileges(entries: Entries) -> Cells:
    columns = attributes_of(entries.relations)
    names = entries.relations_by_oid
    return {
        **_READER_GRANT,
        "table_catalog": entries.snapshot.database,
        "table_schema": [names[each.relation_oid][0] for each in columns],
        "table_name": [names[each.relation_oid][1] for each in columns],
        "column_name": [each.name for each in columns],
    }


def _character_sets(entries: Entries) -> Cells:
    database = entries.snapshot.database
    return {
        "character_set_name": ["UTF8"],
        "character_repertoire": "UCS",
        "form_of_use": "UTF8",
        "default_collate_catalog": database,
        "default_collate_schema": PG_CATALOG,
        "default_collate_name": "C",
    }


def _catalog_name(entries: Entries) -> Cells:
    return {"catalog_name": [entries.snapshot.database]}


def _enabled_roles(entries: Entries) -> Cells:
    return {"role_name": list(entries.role_oids)}


def _base_name(column: Attribute) -> str:
    """The type a domain is over, else the type itself."""
    kind = column.pg_type
    return types_by_oid()[kind.typbasetype].typname if kind.typbasetype else kind.typname


def _is_domain(column: Attribute) -> bool:
    return bool(column.pg_type.typbasetype)


def _is_array(name: str) -> bool:
    kind = types_by_name()[name]
    return kind.typcategory == "A" and duckdb_type(name).endswith("[]")


def _length(column: Attribute) -> int | None:
    has_length = column.pg_type.typname in ("varchar", "bpchar") and column.typmod >= 0
    return column.typmod - _TYPMOD_HEADER if has_length else None


def _octets(column: Attribute, name: str) -> int | None:
    length = _length(column)
    if length is not None:
        return length * _BYTES_PER_CHARACTER
    return _BYTES_MAX if name in ("text", "varchar", "bpchar") else None


def _precision(column: Attribute, name: str) -> int | None:
    if name == "numeric" and column.typmod >= 0:
        return (column.typmod - _TYPMOD_HEADER) >> 16
    return _NUMBER_BITS.get(name)


def _scale(column: Attribute, name: str) -> int | None:
    if name == "numeric" and column.typmod >= 0:
        return (column.typmod - _TYPMOD_HEADER) & 0x7FF
    return 0 if name.startswith("int") and name in _NUMBER_BITS else None


def _fraction(column: Attribute, name: str) -> int | None:
    if name not in _FRACTIONS:
        return None
    return column.typmod if column.typmod >= 0 else _FRACTIONS[name]


BUILDERS: dict[str, Build] = {
    "schemata": _schemata,
    "tables": _tables,
    "columns": _columns,
    "views": _views,
    "table_privileges": _table_privileges,
    "role_table_grants": _table_privileges,
    "column_privileges": _column_privileges,
    "role_column_grants": _column_privileges,
    "character_sets": _character_sets,
    "information_schema_catalog_name": _catalog_name,
    "enabled_roles": _enabled_roles,
}

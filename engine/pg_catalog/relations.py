"""Rows of ``pg_catalog``'s relations about tables, columns, types and indexes.

Each builder gives the cells of one relation; what a relation has no builder for is empty, and truly so: Tidemill
has no triggers, rules, policies, publications, sequences, partitions or constraints.
"""

from engine.pg_catalog.cluster import CLUSTER_BUILDERS
from engine.pg_catalog.entries import (
    ARRAY_CLASS,
    BTREE_CLASSES,
    HEAP,
    OWNER,
    OWNER_OID,
    PAGE_BYTES,
    Attribute,
    Entries,
    Index,
    Relation,
    attributes_of,
)
from engine.pg_catalog.filling import Build, Cells
from engine.pg_catalog.indexdef import index_definition
from engine.pg_catalog.layout import INFORMATION_SCHEMA, PG_CATALOG
from engine.pg_catalog.pg_types import (
    function_oids,
    functions_by_oid,
    private_type_oids,
    types_by_name,
)
from engine.pg_catalog.snapshot import TABLE, VIEW

_INDEX = "i"
_BTREE = "btree"
_UNKNOWN_ROWS = -1.0
_INTERNAL_LANGUAGE = 12
_READERS = (f"{OWNER}=r/{OWNER}",)


def _pg_namespace(entries: Entries) -> Cells:
    oids = entries.schema_oids
    return {"oid": list(oids.values()), "nspname": list(oids), "nspowner": OWNER_OID}


def _pg_class(entries: Entries) -> Cells:
    tables, indexes = entries.relations, entries.indexes
    indexed = {each.table.oid for each in indexes}
    methods, schemas = entries.access_method_oids, entries.schema_oids
    heap = methods[HEAP]
    count = len(indexes)
    return {
        "oid": [*(each.oid for each in tables), *(each.index.oid for each in indexes)],
        "relname": [*(each.name for each in tables), *(each.index.name for each in indexes)],
        "relnamespace": [
            *(schemas[each.schema] for each in tables),
            *(schemas[each.index.schema] for each in indexes),
        ],
        "relowner": OWNER_OID,
        "relam": [
            *(heap if each.kind == TABLE else 0 for each in tables),
            *(methods[each.index.kind] for each in indexes),
        ],
        "relfilenode": [
            *(each.oid if each.kind == TABLE else 0 for each in tables),
            *(each.index.oid for each in indexes),
        ],
        "relpages": [
            *(_pages(each.size_bytes) for each in tables),
            *(_pages(each.index.size_bytes) for each in indexes),
        ],
        "reltuples": [
            *map(_rows_of, tables),
            *(float(each.table.row_estimate or 0) for each in indexes),
        ],
        "relhasindex": [*(each.oid in indexed for each in tables), *[False] * count],
        "relpersistence": "p",
        "relkind": [*(each.kind for each in tables), *[_INDEX] * count],
        "relnatts": [
            *(len(each.attributes) for each in tables),
            *(len(each.keys) for each in indexes),
        ],
        "relhasrules": [*(each.kind == VIEW for each in tables), *[False] * count],
        "relispopulated": True,
        # Without a list its owner would be taken to have every right.
        "relacl": [*[_READERS] * len(tables), *[None] * count],
        "relreplident": [*map(_replica_identity, tables), *["n"] * count],
    }


def _pg_attribute(entries: Entries) -> Cells:
    keys = [
        Attribute(each.index.oid, key.name, number, key.pg_type, key.typmod, not_null=False)
        for each in entries.indexes
        for number, key in enumerate(each.keys, start=1)
    ]
    columns = [*attributes_of(entries.relations), *keys]
    types = [each.pg_type for each in columns]
    return {
        "attrelid": [each.relation_oid for each in columns],
        "attname": [each.name for each in columns],
        "atttypid": [each.oid for each in types],
        "attstattarget": -1,
        "attlen": [each.typlen for each in types],
        "attnum": [each.number for each in columns],
        "attndims": [1 if each.typcategory == "A" else 0 for each in types],
        "attcacheoff": -1,
        "atttypmod": [each.typmod for each in columns],
        "attbyval": [each.typbyval for each in types],
        "attalign": [each.typalign for each in types],
        "attstorage": [each.typstorage for each in types],
        "attnotnull": [each.not_null for each in columns],
        "attislocal": True,
        "attcollation": [each.typcollation for each in types],
    }


def _pg_type(entries: Entries) -> Cells:
    types = list(types_by_name().values())
    functions = function_oids()
    schemas = entries.schema_oids
    private = private_type_oids()
    domain_schema, schema = schemas[INFORMATION_SCHEMA], schemas[PG_CATALOG]
    own = (
        *("oid", "typname", "typlen", "typbyval", "typtype", "typcategory", "typispreferred"),
        *("typdelim", "typelem", "typarray", "typalign", "typstorage", "typcollation"),
        *("typbasetype", "typtypmod"),
    )
    references = ("typinput", "typoutput", "typreceive", "typsend", "typmodin", "typmodout")
    return {
        **{name: [getattr(each, name) for each in types] for name in own},
        **{
            name: [functions[getattr(each, name)] for each in types]
            for name in (*references, "typsubscript")
        },
        "typnamespace": [domain_schema if each.oid in private else schema for each in types],
        "typowner": OWNER_OID,
        "typisdefined": True,
    }


def _pg_proc(entries: Entries) -> Cells:
    functions = list(functions_by_oid().values())
    return {
        "oid": [each.oid for each in functions],
        "proname": [each.proname for each in functions],
        "pronamespace": entries.schema_oids[PG_CATALOG],
        "proowner": OWNER_OID,
        "prolang": _INTERNAL_LANGUAGE,
        "procost": 1.0,
        "prokind": "f",
        "proisstrict": True,
        "provolatile": [each.provolatile for each in functions],
        "proparallel": "s",
        "pronargs": [len(each.proargtypes) for each in functions],
        "prorettype": [each.prorettype for each in functions],
        "proargtypes": [each.proargtypes for each in functions],
        "prosrc": [each.proname for each in functions],
    }


def _pg_index(entries: Entries) -> Cells:
    indexes = entries.indexes
    widths = [len(each.keys) for each in indexes]
    return {
        "indexrelid": [each.index.oid for each in indexes],
        "indrelid": [each.table.oid for each in indexes],
        "indnatts": widths,
        "indnkeyatts": widths,
        "indimmediate": True,
        "indisvalid": True,
        "indisready": True,
        "indislive": True,
        "indkey": [[key.number for key in each.keys] for each in indexes],
        "indcollation": [[key.pg_type.typcollation for key in each.keys] for each in indexes],
        "indclass": [_operator_classes(each) for each in indexes],
        "indoption": [[0] * width for width in widths],
    }


def _pg_opclass(entries: Entries) -> Cells:
    types = types_by_name()
    classes = [*BTREE_CLASSES.items(), ("anyarray", ARRAY_CLASS)]
    names = ["array" if name == "anyarray" else name for name, _ in classes]
    return {
        "oid": [oid for _, oid in classes],
        "opcmethod": entries.access_method_oids[_BTREE],
        "opcname": [f"{name}_ops" for name in names],
        "opcnamespace": entries.schema_oids[PG_CATALOG],
        "opcowner": OWNER_OID,
        "opcintype": [types[name].oid for name, _ in classes],
        "opcdefault": True,
    }


def _pg_tables(entries: Entries) -> Cells:
    tables = [each for each in entries.relations if each.kind == TABLE]
    indexed = {each.table.oid for each in entries.indexes}
    return {
        "schemaname": [each.schema for each in tables],
        "tablename": [each.name for each in tables],
        "tableowner": OWNER,
        "hasindexes": [each.oid in indexed for each in tables],
        "hasrules": False,
        "hastriggers": False,
        "rowsecurity": False,
    }


def _pg_views(entries: Entries) -> Cells:
    views = [each for each in entries.relations if each.kind == VIEW]
    return {
        "schemaname": [each.schema for each in views],
        "viewname": [each.name for each in views],
        "viewowner": OWNER,
        "definition": [each.definition for each in views],
    }


def _pg_indexes(entries: Entries) -> Cells:
    return {
        "schemaname": [each.index.schema for each in entries.indexes],
        "tablename": [each.table.name for each in entries.indexes],
        "indexname": [each.index.name for each in entries.indexes],
        "indexdef": [index_definition(each) for each in entries.indexes],
    }


def _stat_tables(tables: list[Relation]) -> Cells:
    return {
        "relid": [each.oid for each in tables],
        "schemaname": [each.schema for each in tables],
        "relname": [each.name for each in tables],
        "n_live_tup": [each.row_estimate or 0 for each in tables],
        "n_dead_tup": 0,
        "seq_scan": 0,
        "seq_tup_read": 0,
    }


def _pg_stat_user_tables(entries: Entries) -> Cells:
    return _stat_tables([each for each in entries.own_relations if each.kind == TABLE])


def _pg_stat_all_tables(entries: Entries) -> Cells:
    return _stat_tables([each for each in entries.relations if each.kind == TABLE])


def _pg_stat_indexes(entries: Entries) -> Cells:
    indexes = entries.indexes
    return {
        "relid": [each.table.oid for each in indexes],
        "indexrelid": [each.index.oid for each in indexes],
        "schemaname": [each.index.schema for each in indexes],
        "relname": [each.table.name for each in indexes],
        "indexrelname": [each.index.name for each in indexes],
        "idx_scan": 0,
        "idx_tup_read": 0,
        "idx_tup_fetch": 0,
    }


def _pages(size_bytes: int) -> int:
    return -(-size_bytes // PAGE_BYTES)


def _rows_of(relation: Relation) -> float:
    return _UNKNOWN_ROWS if relation.row_estimate is None else float(relation.row_estimate)


def _replica_identity(relation: Relation) -> str:
    return "d" if relation.kind == TABLE and not relation.is_system else "n"


def _operator_classes(each: Index) -> list[int]:
    """The class of each key; none for access methods that Postgres does not have."""
    if each.index.kind != _BTREE:
        return [0] * len(each.keys)
    return [_operator_class(key) for key in each.keys]


def _operator_class(key: Attribute) -> int:
    name = "text" if key.pg_type.typname == "varchar" else key.pg_type.typname
    return ARRAY_CLASS if key.pg_type.typcategory == "A" else BTREE_CLASSES.get(name, 0)


BUILDERS: dict[str, Build] = {
    "pg_namespace": _pg_namespace,
    "pg_class": _pg_class,
    "pg_attribute": _pg_attribute,
    "pg_type": _pg_type,
    "pg_proc": _pg_proc,
    "pg_index": _pg_index,
    "pg_opclass": _pg_opclass,
    "pg_tables": _pg_tables,
    "pg_views": _pg_views,
    "pg_indexes": _pg_indexes,
    "pg_stat_user_tables": _pg_stat_user_tables,
    "pg_stat_all_tables": _pg_stat_all_tables,
    "pg_stat_user_indexes": _pg_stat_indexes,
    "pg_stat_all_indexes": _pg_stat_indexes,
    **CLUSTER_BUILDERS,
}

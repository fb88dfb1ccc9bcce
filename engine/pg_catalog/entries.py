"""The relations of a snapshot and those of the system side by side, numbered: what all catalogs are made from."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property

from engine.pg_catalog.layout import (
    INFORMATION_SCHEMA,
    PG_CATALOG,
    keyword_classes,
    system_relations,
)
from engine.pg_catalog.pg_types import PgType, functions_by_oid, types_by_name, types_by_oid
from engine.pg_catalog.snapshot import VIEW, CatalogIndex, CatalogSnapshot, stable_oids

# Owns everything, as the role that ran initdb does.
OWNER = "tidemill"
OWNER_OID = 10
PG_CATALOG_OID = 11
PUBLIC_OID = 2200
CATALOG_ENCODING = 6
PAGE_BYTES = 8192
_ACCESS_METHODS = {
    "heap": 2,
    "btree": 403,
    "hash": 405,
    "gist": 783,
    "gin": 2742,
    "spgist": 4000,
    "brin": 3580,
}
HEAP = "heap"
# Postgres' default operator classes of btree, by the type they order.
BTREE_CLASSES = {
    "bool": 10003,
    "bytea": 10006,
    "date": 3122,
    "float4": 10012,
    "float8": 3123,
    "int2": 1979,
    "int4": 1978,
    "int8": 3124,
    "interval": 10022,
    "jsonb": 10088,
    "numeric": 3125,
    "text": 3126,
    "time": 10038,
    "timestamp": 3128,
    "timestamptz": 3127,
    "timetz": 10041,
    "uuid": 10065,
}
ARRAY_CLASS = 10000


@dataclass(frozen=True, slots=True)
class Attribute:
    """One column of a relation or index, ``number`` from 1."""

    relation_oid: int
    name: str
    number: int
    pg_type: PgType
    typmod: int
    not_null: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """One table, view or system relation."""

    oid: int
    schema: str
    name: str
    kind: str
    attributes: tuple[Attribute, ...]
    row_estimate: int | None = None
    size_bytes: int = 0
    definition: str | None = None
    is_system: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """One index with its table and the columns it is over."""

    index: CatalogIndex
    table: Relation
    keys: tuple[Attribute, ...]


class Entries:
    """Everything of one snapshot by name and number.

    What only some statements ask for is made at the first of them.
    """

    def __init__(self, snapshot: CatalogSnapshot) -> None:
        """Take a snapshot whose tables and indexes are numbered."""
        self.snapshot = snapshot

    @cached_property
    def schema_oids(self) -> dict[str, int]:
        """Object identifiers of schemas, the two of the system first."""
        own = [name for name in self.snapshot.schemas if name not in (PG_CATALOG, "public")]
        database = self.snapshot.database
        oids = stable_oids((database, "schema", name) for name in own)
        public = {"public": PUBLIC_OID} if "public" in self.snapshot.schemas else {}
        return {
            PG_CATALOG: PG_CATALOG_OID,
            INFORMATION_SCHEMA: _information_schema_oid(),
            **public,
            **{name[-1]: oid for name, oid in oids.items() if name[-1] != INFORMATION_SCHEMA},
        }

    @cached_property
    def database_oids(self) -> dict[str, int]:
        """Object identifiers of databases, in the snapshot's order."""
        oids = stable_oids(("database", name) for name in self.snapshot.databases)
        return {name: oids["database", name] for name in self.snapshot.databases}

    @cached_property
    def role_oids(self) -> dict[str, int]:
        """Object identifiers of roles; the owner's first."""
        oids = stable_oids(("role", name) for name in self.snapshot.roles if name != OWNER)
        return {OWNER: OWNER_OID, **{name[-1]: oid for name, oid in oids.items()}}

    @cached_property
    def access_method_oids(self) -> dict[str, int]:
        """Object identifiers of access methods: Postgres' and those of the snapshot's indexes."""
        kinds = {index.kind for index in self.snapshot.indexes} - _ACCESS_METHODS.keys()
        oids = stable_oids(("access method", kind) for kind in kinds)
        return {**_ACCESS_METHODS, **{name[-1]: oid for name, oid in oids.items()}}

    @cached_property
    def own_relations(self) -> tuple[Relation, ...]:
        """Tables and views of the snapshot."""
        types, text = types_by_oid(), types_by_name()["text"]
        return tuple(
            Relation(
                table.oid,
                table.schema,
                table.name,
                table.kind,
                tuple(
                    Attribute(
                        table.oid,
                        column.name,
                        number,
                        types.get(column.type_oid, text),
                        column.typmod,
                        not column.nullable,
                    )
                    for number, column in enumerate(table.columns, start=1)
                ),
                table.row_estimate,
                table.size_bytes,
                table.definition,
            )
            for table in self.snapshot.tables
        )

    @cached_property
    def relations(self) -> tuple[Relation, ...]:
        """All of them: the system's first."""
        return (*_system_entries(), *self.own_relations)

    @cached_property
    def relations_by_oid(self) -> dict[int, tuple[str, str]]:
        """Schema and name of relations and indexes."""
        tables = ((each.oid, (each.schema, each.name)) for each in self.relations)
        indexes = ((each.oid, (each.schema, each.name)) for each in self.snapshot.indexes)
        return {**dict(tables), **dict(indexes)}

    @cached_property
    def relation_oids(self) -> dict[tuple[str, str], int]:
        """Object identifiers of relations and indexes by schema and name."""
        return {name: oid for oid, name in self.relations_by_oid.items()}

    @cached_property
    def indexes(self) -> tuple[Index, ...]:
        """Indexes whose table is in the snapshot."""
        tables = {(each.schema, each.name): each for each in self.own_relations}
        return tuple(
            _index(index, tables[index.schema, index.table])
            for index in self.snapshot.indexes
            if (index.schema, index.table) in tables
        )


def attributes_of(relations: Iterable[Relation]) -> list[Attribute]:
    """All columns, relation by relation."""
    return [attribute for relation in relations for attribute in relation.attributes]


def _index(index: CatalogIndex, table: Relation) -> Index:
    attributes = {attribute.name: attribute for attribute in table.attributes}
    keys = [attributes[name] for name in index.columns if name in attributes]
    return Index(index, table, tuple(keys))


@cache
def _information_schema_oid() -> int:
    return stable_oids([("schema", INFORMATION_SCHEMA)])["schema", INFORMATION_SCHEMA]


@cache
def _system_entries() -> tuple[Relation, ...]:
    types = types_by_name()
    # The one column of rows of another relation.
    rows = types["_record"]
    return tuple(
        Relation(
            relation.oid,
            relation.schema,
            relation.name,
            relation.kind,
            tuple(
                Attribute(
                    relation.oid,
                    each.name,
                    number,
                    types.get(each.type_name, rows),
                    -1,
                    each.not_null,
                )
                for number, each in enumerate(relation.columns, start=1)
            ),
            definition="" if relation.kind == VIEW else None,
            is_system=True,
        )
        for relation in system_relations().values()
        if relation.kind != "f"
    )


def warm() -> None:
    """Read all that no snapshot changes, so that forks of this process have it."""
    _system_entries()
    _information_schema_oid()
    functions_by_oid()
    keyword_classes()

"""Postgres' own types by their true object identifiers, as ``types.txt`` and ``functions.txt`` list them.

Also how a value of each is kept while a catalog statement runs: object identifiers and everything that is one
(``regclass``, ``regtype``, …) as 64-bit numbers, whatever is text as text, vectors as lists.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from engine.pg_catalog.snapshot import stable_oids

_FOLDER = Path(__file__).parent
NO_FUNCTION = "-"
_DOMAIN = "d"
# How SQL writes types whose catalog name differs.
SQL_NAMES = {
    "bool": "boolean",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bpchar": "character",
    "varchar": "character varying",
    "varbit": "bit varying",
    "time": "time without time zone",
    "timetz": "time with time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "char": '"char"',
}
_ALIASES = {
    **{name: catalog for catalog, name in SQL_NAMES.items()},
    "int": "int4",
    "decimal": "numeric",
    "float": "float8",
    "string": "text",
    "char": "bpchar",
}
REG_TYPES = frozenset(
    [
        "regclass",
        "regtype",
        "regproc",
        "regprocedure",
        "regnamespace",
        "regrole",
        "regoper",
        "regoperator",
        "regconfig",
        "regdictionary",
        "regcollation",
    ]
)
VECTORS = frozenset(("int2vector", "oidvector"))
_NUMBERED = REG_TYPES | {"oid", "xid", "cid"}
_DUCKDB = {
    "bool": "BOOLEAN",
    "int2": "SMALLINT",
    "int4": "INTEGER",
    "int8": "BIGINT",
    "float4": "FLOAT",
    "float8": "DOUBLE",
    "timestamptz": "TIMESTAMPTZ",
    "interval": "INTERVAL",
    "bytea": "BLOB",
    "numeric": "DECIMAL(38, 10)",
    "int2vector": "SMALLINT[]",
    "oidvector": "BIGINT[]",
    "cardinal_number": "INTEGER",
    "time_stamp": "TIMESTAMPTZ",
    **dict.fromkeys(_NUMBERED, "BIGINT"),
}
_TYPMOD_HEADER = 4


@dataclass(frozen=True, slots=True)
class PgType:
    """One row of ``pg_type``; fields are its columns."""

    oid: int
    typname: str
    typlen: int
    typbyval: bool
    typtype: str
    typcategory: str
    typispreferred: bool
    typdelim: str
    typelem: int
    typarray: int
    typinput: str
    typoutput: str
    typreceive: str
    typsend: str
    typmodin: str
    typmodout: str
    typalign: str
    typstorage: str
    typcollation: int
    typbasetype: int
    typtypmod: int
    typsubscript: str


@dataclass(frozen=True, slots=True)
class PgFunction:
    """A function that reads or writes a type."""

    oid: int
    proname: str
    provolatile: str
    prorettype: int
    proargtypes: tuple[int, ...]


@cache
def types_by_name() -> dict[str, PgType]:
    """Postgres' types by ``typname``, those of ``information_schema`` (of ``typtype`` d) as well."""
    found = [_read_type(line.split(" ")) for line in _lines("types.txt")]
    domains = [each for each in found if not each.oid]
    names = [each.typname for each in domains]
    oids = stable_oids(("type", name) for name in [*names, *(f"_{name}" for name in names)])
    numbered = [
        replace(each, oid=oids["type", each.typname], typarray=oids["type", f"_{each.typname}"])
        for each in domains
    ]
    fixed = [each for each in found if each.oid]
    text_array = next(each for each in fixed if each.typname == "_text")
    arrays = [
        replace(
            text_array,
            oid=each.typarray,
            typname=f"_{each.typname}",
            typelem=each.oid,
            typalign=each.typalign,
            typcollation=each.typcollation,
        )
        for each in numbered
    ]
    return {each.typname: each for each in (*fixed, *numbered, *arrays)}


@cache
def types_by_oid() -> dict[int, PgType]:
    """The same by object identifier."""
    return {each.oid: each for each in types_by_name().values()}


@cache
def private_type_oids() -> frozenset[int]:
    """Types of ``information_schema``, which is in no search path: its domains and their arrays."""
    domains = [each for each in types_by_name().values() if each.typtype == _DOMAIN]
    return frozenset(oid for each in domains for oid in (each.oid, each.typarray))


@cache
def functions_by_oid() -> dict[int, PgFunction]:
    """Functions of ``pg_proc`` by object identifier."""
    found = []
    for line in _lines("functions.txt"):
        oid, name, volatility, result, *arguments = line.split()
        given = tuple(map(int, arguments[0].split(","))) if arguments else ()
        found.append(PgFunction(int(oid), name, volatility, int(result), given))
    return {each.oid: each for each in found}


@cache
def function_oids() -> dict[str, int]:
    """Object identifiers of these functions by name; 0 for none."""
    return {each.proname: each.oid for each in functions_by_oid().values()} | {NO_FUNCTION: 0}


def type_name_of(text: str) -> str | None:
    """Return the ``typname`` that SQL's name of a type means, None when there is no such type.

    >>> type_name_of("character varying(40)"), type_name_of("bigint[]"), type_name_of("hstore")
    ('varchar', '_int8', None)
    """
    name = text.strip().removeprefix("pg_catalog.")
    is_array = name.endswith("[]")
    name = name.removesuffix("[]")
    if name.startswith('"') and name.endswith('"'):
        name = name[1:-1]
    else:
        name = " ".join(name.lower().partition("(")[0].split() + _behind_modifier(name))
        name = _ALIASES.get(name, name)
    name = "_" + name if is_array else name
    return name if name in types_by_name() else None


def format_type(oid: int, typmod: int | None) -> str:
    """Write a type as SQL does, as Postgres' function of the same name.

    >>> format_type(1700, 655366), format_type(1009, -1), format_type(0, None)
    ('numeric(10,2)', 'text[]', '-')
    """
    found = types_by_oid().get(oid)
    if found is None:
        return "???" if oid else "-"
    if found.typcategory == "A" and found.typelem and found.typsubscript.startswith("array"):
        return format_type(found.typelem, typmod) + "[]"
    name = SQL_NAMES.get(found.typname, found.typname)
    if found.typtype == _DOMAIN:
        return f"information_schema.{name}"
    if typmod is None or typmod < 0:
        return "bpchar" if found.typname == "bpchar" and typmod is not None else name
    return _with_modifier(found.typname, name, typmod)


def duckdb_type(type_name: str) -> str:
    """Return how values of a type are kept while a statement runs.

    >>> duckdb_type("regclass"), duckdb_type("_text"), duckdb_type("name")
    ('BIGINT', 'VARCHAR[]', 'VARCHAR')
    """
    if type_name.startswith("_") and type_name != "_":
        return duckdb_type(type_name[1:]) + "[]"
    return _DUCKDB.get(type_name, "VARCHAR")


def _with_modifier(type_name: str, name: str, typmod: int) -> str:
    if type_name == "numeric":
        packed = typmod - _TYPMOD_HEADER
        return f"{name}({packed >> 16 & 0xFFFF},{(packed & 0x7FF ^ 0x400) - 0x400})"
    if type_name in ("varchar", "bpchar"):
        return f"{name}({typmod - _TYPMOD_HEADER})"
    if type_name in ("bit", "varbit"):
        return f"{name}({typmod})"
    if type_name in ("time", "timetz", "timestamp", "timestamptz"):
        word, _, zone = name.partition(" ")
        return f"{word}({typmod}) {zone}"
    return name


def _behind_modifier(name: str) -> list[str]:
    """``timestamp(3) with time zone``: what stands behind the brackets is part of the name."""
    return name.lower().rpartition(")")[2].split() if ")" in name else []


def _lines(name: str) -> list[str]:
    text = (_FOLDER / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def _read_type(parts: list[str]) -> PgType:
    """Read a line of ``types.txt``, which has the fields in their order."""
    values: dict[str, Any] = {}
    for (name, kind), part in zip(_FIELDS.items(), parts, strict=True):
        values[name] = part == "t" if kind is bool else kind(part)
    return PgType(**values)


_FIELDS: dict[str, Any] = get_type_hints(PgType)

"""Rows of the relations that are the same in every database, and of those about the session."""

from collections.abc import Callable

from engine.pg_catalog.entries import (
    CATALOG_ENCODING,
    OWNER,
    OWNER_OID,
    PG_CATALOG_OID,
    Entries,
)
from engine.pg_catalog.filling import Build, Cells
from engine.pg_catalog.layout import keywords
from engine.pg_catalog.snapshot import CatalogSnapshot

_DEFAULT_SPACE = 1663
_GLOBAL_SPACE = 1664
_LOCALE = "C"
_HIDDEN_PASSWORD = "********"  # noqa: S105 - what Postgres shows instead of one
_KEYWORD_CLASSES = {
    "U": "unreserved",
    "C": "unreserved (cannot be function or type name)",
    "T": "reserved (can be function or type name)",
    "R": "reserved",
}
_COLLATIONS = {"default": 100, "C": 950, "POSIX": 951}
_LANGUAGES = {"internal": 12, "c": 13, "sql": 14}
# Subtype, multirange type, operator class of the subtype.
_RANGES = {
    3904: (23, 4451, 1978),
    3906: (1700, 4532, 3125),
    3908: (1114, 4533, 3128),
    3910: (1184, 4534, 3127),
    3912: (1082, 4535, 3122),
    3926: (20, 4536, 3124),
}


def _pg_database(entries: Entries) -> Cells:
    oids = entries.database_oids
    return {
        "oid": list(oids.values()),
        "datname": list(oids),
        "datdba": OWNER_OID,
        "encoding": CATALOG_ENCODING,
        "datlocprovider": "c",
        "datistemplate": False,
        "datallowconn": True,
        "datconnlimit": -1,
        "dattablespace": _DEFAULT_SPACE,
        "datcollate": _LOCALE,
        "datctype": _LOCALE,
    }


def _pg_stat_database(entries: Entries) -> Cells:
    oids = entries.database_oids
    return {"datid": list(oids.values()), "datname": list(oids)}


def _pg_roles(entries: Entries) -> Cells:
    return {
        **_roles(entries),
        "rolpassword": _HIDDEN_PASSWORD,
    }


def _roles(entries: Entries) -> Cells:
    oids = entries.role_oids
    is_owner = [name == OWNER for name in oids]
    return {
        "oid": list(oids.values()),
        "rolname": list(oids),
        "rolsuper": is_owner,
        "rolinherit": True,
        "rolcreaterole": is_owner,
        "rolcreatedb": is_owner,
        "rolcanlogin": [name != OWNER for name in oids],
        "rolreplication": False,
        "rolconnlimit": -1,
        "rolbypassrls": is_owner,
    }


def _pg_user(entries: Entries) -> Cells:
    names = [name for name in entries.role_oids if name != OWNER]
    return {
        "usename": names,
        "usesysid": [entries.role_oids[name] for name in names],
        "usecreatedb": False,
        "usesuper": False,
        "userepl": False,
        "usebypassrls": False,
        "passwd": _HIDDEN_PASSWORD,
    }


def _pg_am(entries: Entries) -> Cells:
    oids = entries.access_method_oids
    return {
        "oid": list(oids.values()),
        "amname": list(oids),
        "amtype": ["t" if name == "heap" else "i" for name in oids],
    }


def _pg_tablespace(_: Entries) -> Cells:
    names = ["pg_default", "pg_global"]
    return {"oid": [_DEFAULT_SPACE, _GLOBAL_SPACE], "spcname": names, "spcowner": OWNER_OID}


def _pg_language(_: Entries) -> Cells:
    return {
        "oid": list(_LANGUAGES.values()),
        "lanname": list(_LANGUAGES),
        "lanowner": OWNER_OID,
        "lanpltrusted": [name == "sql" for name in _LANGUAGES],
    }


def _pg_collation(_: Entries) -> Cells:
    return {
        "oid": list(_COLLATIONS.values()),
        "collname": list(_COLLATIONS),
        "collnamespace": PG_CATALOG_OID,
        "collowner": OWNER_OID,
        "collprovider": ["d", "c", "c"],
        "collisdeterministic": True,
        "collencoding": -1,
        "collcollate": [None, "C", "POSIX"],
        "collctype": [None, "C", "POSIX"],
    }


def _pg_range(_: Entries) -> Cells:
    return {
        "rngtypid": list(_RANGES),
        "rngsubtype": [subtype for subtype, _, _ in _RANGES.values()],
        "rngmultitypid": [multirange for _, multirange, _ in _RANGES.values()],
        "rngsubopc": [operators for _, _, operators in _RANGES.values()],
    }


def _pg_get_keywords(_: Entries) -> Cells:
    words = keywords()
    return {
        "word": [word for word, _, _ in words],
        "catcode": [kind for _, kind, _ in words],
        "barelabel": [label for _, _, label in words],
        "catdesc": [_KEYWORD_CLASSES[kind] for _, kind, _ in words],
        "baredesc": ["can be bare label" if label else "requires AS" for _, _, label in words],
    }


def _pg_settings(snapshot: CatalogSnapshot, _: int) -> Cells:
    values = snapshot.session.settings
    return {
        "name": list(values),
        "setting": list(values.values()),
        "boot_val": list(values.values()),
        "reset_val": list(values.values()),
        "category": "Client Connection Defaults",
        "context": "user",
        "vartype": "string",
        "source": "session",
        "pending_restart": False,
    }


def _pg_stat_activity(snapshot: CatalogSnapshot, database_oid: int) -> Cells:
    session = snapshot.session
    return {
        "datid": [database_oid],
        "datname": snapshot.database,
        "pid": session.backend_pid,
        "usename": session.user,
        "application_name": session.settings.get("application_name", ""),
        "state": "active",
        "backend_type": "client backend",
    }


# What differs from session to session, from a snapshot and the number of its database.
SESSION_RELATIONS: dict[str, Callable[[CatalogSnapshot, int], Cells]] = {
    "pg_settings": _pg_settings,
    "pg_stat_activity": _pg_stat_activity,
}
CLUSTER_BUILDERS: dict[str, Build] = {
    "pg_database": _pg_database,
    "pg_stat_database": _pg_stat_database,
    "pg_roles": _pg_roles,
    "pg_authid": _roles,
    "pg_user": _pg_user,
    "pg_am": _pg_am,
    "pg_tablespace": _pg_tablespace,
    "pg_language": _pg_language,
    "pg_collation": _pg_collation,
    "pg_range": _pg_range,
    "pg_get_keywords": _pg_get_keywords,
}

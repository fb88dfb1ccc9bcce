"""Where an answer differs from that of a real Postgres 16, and why. All others are the same, column by column."""

from engine.pg_catalog.functions import VERSION

_SIXTEEN = "the columns are those of Postgres 15; the real one is 16"
_NO_ROW_TYPES = "tables have no row type, since no value ever has one"
_NO_SYSTEM_OBJECTS = "only what Tidemill has is listed, not all that Postgres ships"
_NO_TEMPLATES = "there are no templates, and no database postgres"
_NO_TRANSACTIONS = "there are no transaction numbers"
_NO_ACCESS_LISTS = "privileges are those of tokens, so schemas have no access lists"
_READ_ONLY = "nothing can be changed"
_NO_COMMENTS = "nothing has a comment"

# These columns differ.
LEFT_OUT: dict[str, tuple[tuple[str, ...], str]] = {
    "dbeaver-all_columns_of_class": (
        ("reltype", "reltoastrelid", "relpages", "relfrozenxid", "relminmxid"),
        f"{_NO_ROW_TYPES}; {_NO_TRANSACTIONS}; large values are not kept apart",
    ),
    "dbeaver-databases": (("datfrozenxid", "datminmxid"), _NO_TRANSACTIONS),
    "dbeaver-schemas": (("nspacl", "description"), f"{_NO_ACCESS_LISTS}; {_NO_COMMENTS}"),
    "dbeaver-types": (("description",), _NO_COMMENTS),
    "psql-db": (("Owner",), "the real cluster was made by another role"),
    "psql-dg_plus": (("memberof",), "roles have no members"),
    "psql-dn_plus": (
        ("Access privileges", "Description"),
        f"{_NO_ACCESS_LISTS}; {_NO_COMMENTS}",
    ),
    "psql-du": (("memberof",), "roles have no members"),
    "tools-all_of_columns": (("is_updatable",), _READ_ONLY),
    "tools-all_of_tables": (("is_insertable_into",), _READ_ONLY),
    "tools-all_of_types": (("typanalyze",), _NO_SYSTEM_OBJECTS),
    "tools-all_of_views": (("is_updatable", "is_insertable_into"), _READ_ONLY),
    "psql-l_plus": (("Size",), "the size is that of the tables alone"),
}
# These give fewer rows, all of which the real one gives as well.
FEWER_ROWS: dict[str, str] = {
    "adbc-connect_3": f"{_NO_ROW_TYPES}; {_NO_SYSTEM_OBJECTS}",
    "adbc-get_objects_all": _NO_TEMPLATES,
    "dbeaver-databases": _NO_TEMPLATES,
    "jdbc-getCatalogs": _NO_TEMPLATES,
    "jdbc-getTypeInfo": _NO_ROW_TYPES,
    "jdbc-getTypeInfo_2": _NO_ROW_TYPES,
    "jdbc-getUDTs": _NO_ROW_TYPES,
    "psql-dC": _NO_SYSTEM_OBJECTS,
    "psql-dF": _NO_SYSTEM_OBJECTS,
    "psql-dL": "there is no procedural language",
    "psql-dconfig": "no setting differs from its default in a snapshot",
    "psql-dg_plus": "the real cluster was made by another role",
    "psql-du": "the real cluster was made by another role",
    "psql-dx": "there are no extensions",
    "psql-l": _NO_TEMPLATES,
    "psql-l_plus": _NO_TEMPLATES,
    "psycopg-type_info_6": _NO_ROW_TYPES,
    "sqlalchemy-get_indexes_3": _NO_SYSTEM_OBJECTS,
}
# These are compared by the columns that both have.
COMMON_COLUMNS: dict[str, str] = {"dbeaver-databases": _SIXTEEN, "dbeaver-columns": _SIXTEEN}
# Of these, only rows about the tables of the database are compared.
OWN_ROWS: dict[str, str] = {
    "adbc-connect_2": f"{_SIXTEEN}; columns like ctid do not exist",
    "psql-dt__all__all": "relations of the system have another owner, and some are other relations",
}
# What these answer is true of Tidemill alone.
OWN_ANSWERS: dict[str, tuple[list[tuple[object, ...]], str]] = {
    **dict.fromkeys(
        ("adbc-connect", "npgsql-version", "sqlalchemy-connect", "superset-version"),
        ([(VERSION,)], "it is another server"),
    ),
    "psql-sf_version_2": ([(None,)], "functions have no source"),
}
# These are refused.
REFUSED: dict[str, str] = {"psql-sf_version": "only functions that read and write types are listed"}
# Types of these columns differ.
OTHER_TYPES: dict[str, tuple[tuple[str, ...], str]] = {
    "dbeaver-columns": (("attstattarget", "attndims", "attinhcount"), _SIXTEEN),
    "dbeaver-constraints": (("coninhcount",), _SIXTEEN),
    "npgsql-power_bi_columns": (("data_type",), "text where Postgres unifies to varchar"),
    "psql-d_plus_cars_2": (("attstattarget",), _SIXTEEN),
}
KEYWORDS = "jdbc-getSQLKeywords"

"""What the JDBC driver of Postgres says of tables: all of it is what the tests made."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.pgwire.all_types import ALL_TYPES
from tests.pgwire.jvm import Kept
from tests.pgwire.running import USER, PgServer, made

NULLABLE = 1
# By the OID of a type in Postgres: its number in java.sql.Types, and its name.
TYPES = {
    16: (-7, "bool"),
    17: (-2, "bytea"),
    20: (-5, "int8"),
    21: (5, "int2"),
    23: (4, "int4"),
    25: (12, "text"),
    114: (1111, "json"),
    700: (7, "float4"),
    701: (8, "float8"),
    1009: (2003, "_text"),
    1016: (2003, "_int8"),
    1082: (91, "date"),
    1083: (92, "time"),
    1114: (93, "timestamp"),
    1182: (2003, "_date"),
    1184: (93, "timestamptz"),
    1186: (1111, "interval"),
    1700: (2, "numeric"),
}


@pytest.fixture
def metadata(by_jdbc: Any) -> Kept:
    found: Kept = by_jdbc.getMetaData()
    return found


@pytest.fixture(scope="module")
def indexed(server: PgServer) -> str:
    """A table with an index, uploaded as Parquet."""
    content = io.BytesIO()
    pq.write_table(pa.table({"word": ["a", "b", "c"], "id": [1, 2, 3]}), content)
    with server.server.client() as client:
        upload = made(client.post("/v1/files", content=content.getvalue()))
        source = {"upload_id": upload["id"], "format": "parquet"}
        body = {"label": "indexed", "table_name": "indexed", "source": source}
        dataset = made(client.post("/v1/datasets", json=body))
        index = {"index_name": "by_id", "index_type": "sorted", "columns": ["id"]}
        made(client.post(f"/v1/datasets/{dataset['id']}/indexes", json=index))
    return "indexed"


def listed(answer: Any, *names: str) -> list[tuple[Any, ...]]:
    """These columns of all rows, by getObject: numbers as numbers."""
    described = answer.getMetaData()
    labels = [
        described.getColumnLabel(number).upper()
        for number in range(1, described.getColumnCount() + 1)
    ]
    places = [labels.index(name) for name in names]
    return [tuple(_plain(row[place]) for place in places) for row in answer.objects()]


def _plain(value: list[str] | None) -> Any:
    if value is None:
        return None
    kind, text = value
    if kind == "Boolean":
        return text == "true"
    return int(text) if kind in {"Integer", "Long", "Short"} else text


def test_the_server_says_what_it_is(metadata: Any) -> None:
    assert metadata.getDatabaseProductName() == "PostgreSQL"
    assert metadata.getDatabaseProductVersion() == "15.0"
    assert [metadata.getDatabaseMajorVersion(), metadata.getDatabaseMinorVersion()] == [15, 0]
    assert metadata.getUserName() == USER
    assert metadata.getIdentifierQuoteString() == '"'
    assert metadata.supportsTransactions()
    assert "ilike" in metadata.getSQLKeywords().split(",")


def test_catalogs_and_schemas_are_those_of_the_workspace(metadata: Any) -> None:
    assert listed(metadata.getCatalogs(), "TABLE_CAT") == [("datasets",)]
    schemas = [("information_schema",), ("main",), ("pg_catalog",)]
    assert listed(metadata.getSchemas(), "TABLE_SCHEM") == schemas
    assert listed(metadata.getSchemas(None, "ma%"), "TABLE_SCHEM") == [("main",)]


def test_types_of_tables(metadata: Any) -> None:
    kinds = {kind for (kind,) in listed(metadata.getTableTypes(), "TABLE_TYPE")}
    assert {"TABLE", "VIEW", "INDEX"} <= kinds


@pytest.mark.parametrize(
    ("schema", "name", "kinds", "expected"),
    [
        ("main", "%", ["TABLE"], {"all_types", "indexed", "items"}),
        ("main", "it%", None, {"items"}),
        ("main", "%", ["INDEX"], {"by_id"}),
        ("main", "%", ["VIEW"], set()),
        (None, "all\\_types", ["TABLE", "VIEW"], {"all_types"}),
        ("pg_catalog", "pg_class", ["SYSTEM TABLE"], {"pg_class"}),
        ("absent", "%", None, set()),
    ],
)
def test_tables_are_listed(
    metadata: Any,
    indexed: str,
    schema: str | None,
    name: str,
    kinds: list[str] | None,
    expected: set[str],
) -> None:
    found = listed(
        metadata.getTables(None, schema, name, kinds), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE"
    )
    assert {table for _, table, _ in found} == expected
    assert len(found) == len(expected)
    if kinds == ["TABLE"]:
        assert {(where, kind) for where, _, kind in found} == {("main", "TABLE")}


def test_columns_of_each_type_are_listed_in_order(metadata: Any) -> None:
    found = listed(
        metadata.getColumns(None, "main", "all_types", "%"),
        *("COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "ORDINAL_POSITION", "NULLABLE", "IS_NULLABLE"),
    )
    oids = {"n": 20, **{name: oid for name, (_, oid, _) in ALL_TYPES.items()}}
    assert found == [
        (name, *TYPES[oid], place, NULLABLE, "YES")
        for place, (name, oid) in enumerate(oids.items(), start=1)
    ]


def test_a_numeric_column_has_its_digits(metadata: Any) -> None:
    found = listed(
        metadata.getColumns(None, None, "all_types", "a%decimal"),
        *("COLUMN_NAME", "COLUMN_SIZE", "DECIMAL_DIGITS"),
    )
    assert found == [("a_decimal", 10, 3), ("a_long_decimal", 50, 2)]


def test_columns_are_found_by_their_name(metadata: Any) -> None:
    found = listed(metadata.getColumns(None, "main", "items", "ha__"), "TABLE_NAME", "COLUMN_NAME")
    assert found == [("items", "half")]
    assert metadata.getColumns(None, "main", "absent", "%").strings() == []


def test_no_table_has_keys(metadata: Any) -> None:
    for method in ("getPrimaryKeys", "getImportedKeys", "getExportedKeys"):
        assert getattr(metadata, method)(None, "main", "items").strings() == []
    cross = metadata.getCrossReference(None, "main", "items", None, "main", "all_types")
    assert cross.strings() == []
    assert metadata.getBestRowIdentifier(None, "main", "items", 1, True).strings() == []


def test_indexes_are_listed(metadata: Any, indexed: str) -> None:
    assert metadata.getIndexInfo(None, "main", "items", False, True).strings() == []
    found = listed(
        metadata.getIndexInfo(None, "main", indexed, False, True),
        *("INDEX_NAME", "NON_UNIQUE", "ORDINAL_POSITION", "COLUMN_NAME", "ASC_OR_DESC"),
    )
    assert found == [("by_id", True, 1, "id", "A")]
    assert metadata.getIndexInfo(None, "main", indexed, True, True).strings() == []


def test_types_are_listed(metadata: Any) -> None:
    found = dict(listed(metadata.getTypeInfo(), "TYPE_NAME", "DATA_TYPE"))
    assert {name: number for number, name in TYPES.values()}.items() <= found.items()


def test_functions_and_procedures_are_listed(metadata: Any) -> None:
    assert metadata.getProcedures(None, None, "%").strings() == []
    assert listed(metadata.getFunctions(None, None, "int4in"), "FUNCTION_NAME") == [("int4in",)]
    found = listed(
        metadata.getFunctionColumns(None, None, "int4in", "%"), "COLUMN_NAME", "TYPE_NAME"
    )
    assert found == [("returnValue", "int4"), ("$1", "cstring")]


def test_tables_are_only_read(metadata: Any) -> None:
    found = listed(metadata.getTablePrivileges(None, "main", "items"), "TABLE_NAME", "PRIVILEGE")
    assert found == [("items", "SELECT")]


def test_an_answer_names_no_type_that_is_made_up(metadata: Any) -> None:
    found = listed(metadata.getUDTs(None, "main", "%", None), "TYPE_NAME")
    assert found == []

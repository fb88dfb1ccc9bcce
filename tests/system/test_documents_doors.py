"""Documents in SQL, through every door: HTTP, psql, psycopg, Flight SQL, and the catalogs of each."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import adbc_driver_flightsql.dbapi as flight_sql
import psycopg
import pytest
from adbc_driver_flightsql import DatabaseOptions

from tests.pgwire.running import PgServer, made, pg_serving
from tests.server.running import TOKEN

pytestmark = pytest.mark.system

TEXTS = {
    "tides": "Tide mills grind corn with the ebb of the sea, twice a day.",
    "bread": "Rye bread is baked with sourdough, water and salt.",
    "steel": "Steel is iron with a little carbon; it rusts in salt water.",
}
PARTS_SQL = "SELECT * FROM (VALUES (1, 'tides', 12.5), (2, 'steel', 3.0)) AS t(id, slug, price)"
SEARCH = (
    "SELECT p.id, e.name, c.text, p.price"
    " FROM vector_search('documents.notes.chunks', 'text', 'milling grain by the ocean', 3) AS c"
    " JOIN documents.notes.entries AS e ON e.id = c.entry_id"
    " JOIN datasets.main.parts AS p ON p.slug = e.slug"
    " ORDER BY c._distance LIMIT 1"
)
WORDS = (
    "SELECT e.slug FROM bm25_search('documents.notes.chunks', 'text', 'salt water', 10) AS c"
    " JOIN documents.notes.entries AS e ON e.id = c.entry_id ORDER BY c.score DESC, e.slug"
)


@dataclass(frozen=True)
class Doors:
    """A server with documents, and its ports."""

    pg: PgServer
    flight_port: int

    def over_http(self, sql: str) -> list[list[Any]]:
        """The rows of a statement as JSON."""
        with self.pg.server.client() as client:
            rows: list[list[Any]] = made(client.post("/v1/query", json={"sql": sql}))["rows"]
            return rows


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    port = _free_port()
    data_dir = tmp_path_factory.mktemp("doors") / "data"
    with pg_serving(data_dir, flight_port=port) as running:
        running.load("parts", PARTS_SQL)
        with running.server.client(**{"x-organization-id": "1"}) as client:
            definition = {
                "schema_id": "notes",
                "version": "v1",
                "original": {"metadata_schema": {}},
                "processed": {},
            }
            body = {"name": "Notes", "slug": "notes", "schema_definition": definition}
            dataset_id = made(client.post("/api/v1/datasets", json=body))["id"]
            for slug, text in TEXTS.items():
                entry = {"dataset_id": dataset_id, "name": slug.title(), "slug": slug}
                entry_id = made(client.post("/api/v1/entries", json=entry))["entry"]["id"]
                path = f"/api/v1/entries/{entry_id}"
                made(client.post(f"{path}/processed", json={"content": {"text": text}}))
                chunk = {"chunk_text": text, "chunk_index": 0}
                made(client.post(f"{path}/chunks", json={"chunks": [chunk]}))
        yield Doors(running, port)


def test_a_question_is_joined_across_worlds(doors: Doors) -> None:
    expected = (1, "Tides", TEXTS["tides"], 12.5)
    assert [tuple(row) for row in doors.over_http(SEARCH)] == [expected]
    with doors.pg.connect() as connection:
        rows = connection.execute(SEARCH).fetchall()
    assert [(*row[:3], float(row[3])) for row in rows] == [expected]
    shown = doors.pg.psql("-At", "-c", SEARCH)
    assert shown.stdout.strip() == "|".join(map(str, expected)), shown.stderr
    options = {
        DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {TOKEN}",
    }
    with (
        flight_sql.connect(
            f"grpc://127.0.0.1:{doors.flight_port}", db_kwargs=options, autocommit=True
        ) as arrow,
        arrow.cursor() as cursor,
    ):
        cursor.execute(SEARCH)
        (row,) = cursor.fetch_arrow_table().to_pylist()
    assert (*list(row.values())[:3], float(row["price"])) == expected


def test_words_find_chunks_on_every_door(doors: Doors) -> None:
    assert doors.over_http(WORDS) == [["bread"], ["steel"]] or doors.over_http(WORDS) == [
        ["steel"],
        ["bread"],
    ]
    with doors.pg.connect() as connection:
        rows = connection.execute(WORDS).fetchall()
    assert [list(row) for row in rows] == doors.over_http(WORDS)


def test_the_nearest_chunks_come_by_distance(doors: Doors) -> None:
    vector = doors.over_http("SELECT embedding FROM documents.notes.chunks WHERE text LIKE 'Rye%'")[
        0
    ][0]
    sql = f"SELECT text FROM documents.notes.chunks ORDER BY embedding <=> '{vector}' LIMIT 1"
    with doors.pg.connect() as connection:
        rows = connection.execute(sql).fetchall()
    assert rows == [(TEXTS["bread"],)]


def test_the_catalogs_list_documents(doors: Doors) -> None:
    listed = doors.over_http(
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE table_catalog = 'documents' AND table_schema <> 'information_schema'"
        " ORDER BY table_name"
    )
    assert listed == [["notes", "chunks"], ["notes", "entries"], ["notes", "files"]]
    columns = doors.over_http(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_catalog = 'documents' AND table_name = 'chunks' ORDER BY ordinal_position"
    )
    present = doors.over_http("SELECT * FROM documents.notes.chunks LIMIT 0")
    assert present == []
    assert [name for (name,) in columns][:2] == ["entry_id", "dataset_id"]
    assert ["embedding"] in columns


def test_documents_are_a_database_of_their_own(doors: Doors) -> None:
    with doors.pg.connect(dbname="documents") as connection:
        count = connection.execute("SELECT count(*) FROM notes.entries").fetchone()
        tables = connection.execute(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c"
            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'notes' ORDER BY c.relname"
        ).fetchall()
    assert count == (3,)
    assert tables == [("notes", "chunks"), ("notes", "entries"), ("notes", "files")]
    described = doors.pg.psql("-c", r"\d notes.entries", dbname="documents")
    assert "processed_at" in described.stdout, described.stderr
    databases = doors.pg.psql("-At", "-c", r"\l")
    assert "documents|" in databases.stdout


def test_flight_lists_documents(doors: Doors) -> None:
    options = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {TOKEN}"}
    with flight_sql.connect(
        f"grpc://127.0.0.1:{doors.flight_port}", db_kwargs=options, autocommit=True
    ) as connection:
        found = connection.adbc_get_objects(depth="tables", catalog_filter="documents")
        rows = found.read_all().to_pylist()
    schemas = [schema for row in rows for schema in row["catalog_db_schemas"]]
    tables = {
        table["table_name"]
        for schema in schemas
        if schema["db_schema_name"] == "notes"
        for table in schema["db_schema_tables"]
    }
    assert tables == {"entries", "chunks", "files"}


@pytest.mark.parametrize(
    "name",
    ["documents.other.chunks", "documents.notes.pages", "documents.notes", "other.notes.chunks"],
)
def test_other_names_are_unknown(doors: Doors, name: str) -> None:
    with doors.pg.server.client() as client:
        refused = client.post("/v1/query", json={"sql": f"SELECT * FROM {name}"})
    assert refused.status_code == 400, refused.text
    with doors.pg.connect() as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute(f"SELECT * FROM {name}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port

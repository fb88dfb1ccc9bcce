"""Two workspaces behind one door: neither sees, names or cancels what is the other's."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import errors

from tests.pgwire.running import PgServer, made, pg_serving


@dataclass(frozen=True)
class Tenants:
    """A server with two workspaces: each has a table of its own, and one of the same name."""

    server: PgServer
    first: str
    second: str

    def connect(self, workspace: str) -> psycopg.Connection:
        return self.server.connect(dbname=f"{workspace}/datasets")


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    with pg_serving(tmp_path_factory.mktemp("pgtenants") / "data") as server:
        with server.server.client() as client:
            (first,) = made(client.get("/v1/workspaces"))["workspaces"]
            second = made(client.post("/v1/workspaces", json={"name": "other"}))["workspace"]
        found = Tenants(server, first["public_id"], second["public_id"])
        for workspace, name in ((found.first, "first"), (found.second, "second")):
            header = {"X-Workspace-Id": workspace}
            server.load(f"of_{name}", f"SELECT '{name}' AS secret_{name}", **header)
            server.load("shared", f"SELECT '{name}' AS owner", **header)
        yield found


def sides(tenants: Tenants) -> list[tuple[str, str, str]]:
    return [
        (tenants.first, "first", "second"),
        (tenants.second, "second", "first"),
    ]


def test_a_name_means_the_table_of_the_own_workspace(tenants: Tenants) -> None:
    for workspace, own, foreign in sides(tenants):
        with tenants.connect(workspace) as connection:
            assert connection.execute("SELECT * FROM shared").fetchall() == [(own,)]
            assert connection.execute(f"SELECT * FROM of_{own}").fetchall() == [(own,)]
            for name in (f"of_{foreign}", f"main.of_{foreign}", f"datasets.main.of_{foreign}"):
                with pytest.raises(errors.UndefinedTable) as caught:
                    connection.execute(f"SELECT * FROM {name}")
                assert f"secret_{foreign}" not in str(caught.value)
            with pytest.raises(psycopg.Error):
                connection.execute(f'SELECT * FROM "{foreign}".main.of_{foreign}')


@pytest.mark.parametrize(
    "query",
    [
        "SELECT relname FROM pg_class",
        "SELECT attname FROM pg_attribute",
        "SELECT table_name FROM information_schema.tables",
        "SELECT column_name FROM information_schema.columns",
        "SELECT tablename FROM pg_tables",
        "SELECT datname FROM pg_database",
        "SELECT nspname FROM pg_namespace",
    ],
    ids=lambda query: str(query).rpartition(" ")[2],
)
def test_the_catalogs_show_the_own_workspace_only(tenants: Tenants, query: str) -> None:
    for workspace, _, foreign in sides(tenants):
        with tenants.connect(workspace) as connection:
            names = {str(name) for (name,) in connection.execute(query)}
        assert names
        assert not {name for name in names if foreign in name}


def test_the_catalogs_show_what_is_there(tenants: Tenants) -> None:
    for workspace, own, _ in sides(tenants):
        with tenants.connect(workspace) as connection:
            query = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE '%o%'"
            names = {name for (name,) in connection.execute(query)}
        assert f"of_{own}" in names


@pytest.mark.parametrize("command", ["\\d", "\\dt", "\\dt *.*", "\\d shared", "\\l", "\\dn"])
def test_psql_shows_the_own_workspace_only(tenants: Tenants, command: str) -> None:
    for workspace, _, foreign in sides(tenants):
        done = tenants.server.psql("-c", command, dbname=f"{workspace}/datasets")
        assert done.returncode == 0, done.stderr
        assert f"of_{foreign}" not in done.stdout
        assert f"secret_{foreign}" not in done.stdout


def test_a_foreign_table_is_not_described(tenants: Tenants) -> None:
    for workspace, own, foreign in sides(tenants):
        where = f"{workspace}/datasets"
        assert f"secret_{own}" in tenants.server.psql("-c", f"\\d of_{own}", dbname=where).stdout
        done = tenants.server.psql("-c", f"\\d of_{foreign}", dbname=where)
        assert f"secret_{foreign}" not in done.stdout + done.stderr


def test_the_workspace_must_be_named_when_there_are_several(tenants: Tenants) -> None:
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        tenants.server.connect()


def test_a_workspace_is_named_by_its_id_alone(tenants: Tenants) -> None:
    for workspace, own, _ in sides(tenants):
        with tenants.server.connect(dbname=workspace) as connection:
            assert connection.execute("SELECT owner FROM shared").fetchall() == [(own,)]


def test_a_cursor_and_a_prepared_statement_are_of_one_connection(tenants: Tenants) -> None:
    with tenants.connect(tenants.first) as one, tenants.connect(tenants.second) as other:
        one.execute("PREPARE p AS SELECT owner FROM shared")
        with pytest.raises(errors.InvalidSqlStatementName):
            other.execute("EXECUTE p")
        other.execute("PREPARE p AS SELECT owner FROM shared")
        assert one.execute("EXECUTE p").fetchall() == [("first",)]
        assert other.execute("EXECUTE p").fetchall() == [("second",)]

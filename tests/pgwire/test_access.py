"""Who is let in, and over what: passwords, databases, tokens that end, TLS."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import asyncpg
import psycopg
import pytest
from psycopg import errors

from catalog.settings import Settings
from engine.service import identity
from engine.service.context import Engine
from tests.connectors.sources.postgres_server import Authority, issue, make_authority
from tests.pgwire.messages import GSS_REQUEST, SSL_REQUEST, query, startup
from tests.pgwire.running import DATABASE, HOST, USER, PgServer, made, pg_serving
from tests.pgwire.wire import RawClient, sqlstate
from tests.server.running import TOKEN

T = TypeVar("T")


@dataclass(frozen=True)
class Encrypted:
    """A server with a certificate for ``localhost``, and the file of who signed it."""

    server: PgServer
    root: Path


def written(folder: Path, authority: Authority) -> tuple[Path, Path]:
    certificate, key = folder / "server.crt", folder / "server.key"
    certificate.write_text(authority.pem)
    key.write_text(authority.key_pem)
    return certificate, key


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    folder = tmp_path_factory.mktemp("pgtls")
    authority = make_authority("root")
    root = folder / "root.crt"
    root.write_text(authority.pem)
    certificate, key = written(folder, issue(authority, "localhost"))
    settings = {
        "pg_tls_certificate": certificate,
        "pg_tls_key": key,
        "pg_tls_required": True,
    }
    with pg_serving(folder / "data", **settings) as server:
        yield Encrypted(server, root)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"password": "tm_wrong"}, "password authentication failed"),
        ({"password": TOKEN + "x"}, "password authentication failed"),
        ({"user": "nobody"}, "password authentication failed"),
        ({"user": "x" * 1000}, "password authentication failed"),
        ({"user": "' OR 1=1 --"}, "password authentication failed"),
        ({"dbname": "absent"}, 'database "absent" does not exist'),
        ({"dbname": "absent/datasets"}, "does not exist"),
        ({"dbname": "ws_absent"}, "does not exist"),
        ({"options": "-c absent=1"}, "unrecognized configuration parameter"),
        ({"options": "-c statement_timeout=soon"}, "invalid value for parameter"),
        ({"client_encoding": "LATIN1"}, "conversion between"),
        ({"sslmode": "require"}, "SSL"),
    ],
    ids=[
        "wrong-password",
        "longer-password",
        "unknown-user",
        "long-user",
        "hostile-user",
        "unknown-database",
        "unknown-workspace",
        "unknown-workspace-id",
        "unknown-setting",
        "wrong-setting",
        "encoding",
        "no-tls-here",
    ],
)
def test_a_stranger_is_refused(server: PgServer, changes: dict[str, str], message: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=message):
        server.connect(**changes)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (startup({"user": USER, "database": DATABASE}, major=2), "0A000"),
        (startup({"database": DATABASE}), "28000"),
        (b"\x00\x00\x00\x03", "08P01"),
        (b"\xff\xff\xff\xff", "08P01"),
        (b"GET / HTTP/1.1\r\n\r\n", "08P01"),
        (startup({"user": USER}) + query("SELECT 1"), "08P01"),
    ],
    ids=["old-protocol", "no-user", "short", "endless", "http", "query-before-password"],
)
def test_a_wrong_beginning_is_refused(server: PgServer, body: bytes, code: str) -> None:
    with RawClient(server) as client:
        client.send(body)
        kind, answer = client.receive()
        if kind == "R":
            kind, answer = client.receive()
        assert kind == "E"
        assert sqlstate(answer) == code
        assert client.is_over()


def test_encryption_that_is_not_there_is_declined(server: PgServer) -> None:
    with RawClient(server) as client:
        for request in (GSS_REQUEST, SSL_REQUEST):
            client.send(request)
            assert client.socket.recv(1) == b"N"
        client.log_in()
        assert client.kinds(query("SELECT 1")) == "TDCZ"


def test_a_newer_protocol_is_negotiated_down(server: PgServer) -> None:
    with RawClient(server) as client:
        client.send(
            startup({"user": USER, "database": DATABASE, "_pq_.new": "1"}, minor=2),
        )
        kind, body = client.receive()
        assert kind == "v"
        assert body == b"\x00\x00\x00\x00\x00\x00\x00\x01_pq_.new\x00"
        assert client.receive()[0] == "R"


def test_no_database_means_the_datasets(server: PgServer) -> None:
    with server.connect(dbname=USER) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("datasets",)


def test_a_connection_is_a_database(server: PgServer) -> None:
    body = {
        "name": "elsewhere",
        "source_type": "postgres",
        "config": {"host": HOST, "port": 1, "user": "u", "database": "d"},
        "skip_discovery": True,
    }
    with server.server.client() as client:
        made(client.post("/v1/connections", json=body))
    with server.connect(dbname="elsewhere") as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("elsewhere",)
        with pytest.raises(errors.UndefinedTable):
            connection.execute("SELECT * FROM items")
        named = connection.execute("SELECT count(*) FROM datasets.main.items").fetchone()
        assert named == (5000,)


def test_a_search_path_says_where_bare_names_are(server: PgServer) -> None:
    with server.connect(options="-c search_path=information_schema") as connection:
        query = "SELECT table_name FROM tables WHERE table_name = 'items'"
        assert connection.execute(query).fetchall() == [("items",)]
        connection.execute("SET search_path TO main")
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (5000,)


def administered(server: PgServer, work: Callable[[Engine], Awaitable[T]]) -> T:
    """Do what the command line does beside a running server."""

    async def run() -> T:
        engine = await Engine.open(Settings(data_dir=server.data_dir), serve=False)
        try:
            return await work(engine)
        finally:
            await engine.close()

    return asyncio.run(run())


async def create_laptop(engine: Engine) -> str:
    return (await identity.create_token(engine, name="a laptop", workspace_id=None))[1]


def test_a_token_opens_until_it_is_revoked(server: PgServer) -> None:
    secret = administered(server, create_laptop)
    with server.connect(user="a laptop", password=secret) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("a laptop",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        server.connect(user="a laptop")
    administered(server, lambda engine: identity.revoke_token(engine, "a laptop"))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        server.connect(user="a laptop", password=secret)


@pytest.mark.parametrize(
    ("mode", "binding"),
    [
        ("require", "require"),
        ("require", "disable"),
        ("prefer", "prefer"),
        ("verify-ca", "prefer"),
        ("verify-full", "require"),
    ],
)
def test_an_encrypted_connection_works(encrypted: Encrypted, mode: str, binding: str) -> None:
    changes = {
        "host": "localhost",
        "hostaddr": HOST,
        "sslmode": mode,
        "channel_binding": binding,
        "sslrootcert": str(encrypted.root) if mode.startswith("verify") else "/nowhere",
    }
    with encrypted.server.connect(**changes) as connection:
        assert connection.pgconn.ssl_in_use
        assert connection.execute("SELECT count(*) FROM generate_series(1, 100000)").fetchone() == (
            100_000,
        )


def test_a_certificate_of_somebody_else_is_found_out(encrypted: Encrypted, tmp_path: Path) -> None:
    other = tmp_path / "other.crt"
    other.write_text(make_authority("other").pem)
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        encrypted.server.connect(sslmode="verify-ca", sslrootcert=str(other))
    with pytest.raises(psycopg.OperationalError, match="does not match host"):
        encrypted.server.connect(
            host="elsewhere", hostaddr=HOST, sslmode="verify-full", sslrootcert=str(encrypted.root)
        )


def test_a_wrong_password_over_tls_is_refused(encrypted: Encrypted) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        encrypted.server.connect(sslmode="require", password="tm_wrong")


def test_a_connection_without_tls_is_refused_where_it_must_be(encrypted: Encrypted) -> None:
    with pytest.raises(psycopg.OperationalError, match="requires encrypted connections"):
        encrypted.server.connect(sslmode="disable")


def test_asyncpg_is_encrypted(encrypted: Encrypted) -> None:
    async def ask() -> int:
        context = ssl.create_default_context(cafile=str(encrypted.root))
        connection = await asyncpg.connect(
            user=USER,
            password=TOKEN,
            host="localhost",
            port=encrypted.server.port,
            database=DATABASE,
            ssl=context,
            server_settings={"client_encoding": "UTF8"},
        )
        try:
            return int(await connection.fetchval("SELECT 1"))
        finally:
            await connection.close()

    assert asyncio.run(ask()) == 1


def test_words_before_the_handshake_are_refused(encrypted: Encrypted) -> None:
    with RawClient(encrypted.server) as client:
        client.send(SSL_REQUEST + startup({"user": USER}))
        kind, body = client.receive()
        assert (kind, sqlstate(body)) == ("E", "08P01")
        assert client.is_over()


def test_a_handshake_that_is_none_ends_the_connection(encrypted: Encrypted) -> None:
    with RawClient(encrypted.server) as client:
        client.send(SSL_REQUEST)
        assert client.socket.recv(1) == b"S"
        client.send(startup({"user": USER}))
        while client.socket.recv(1024):
            pass
    with encrypted.server.connect(sslmode="require") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_large_answer_is_encrypted_whole(encrypted: Encrypted) -> None:
    with encrypted.server.connect(sslmode="require") as connection:
        query_of_many = "SELECT x FROM generate_series(1, 300000) AS g(x)"
        found = connection.cursor(binary=True).execute(query_of_many).fetchall()
        assert sum(number for (number,) in found) == 300_000 * 300_001 // 2
        with pytest.raises(errors.UndefinedTable):
            connection.execute("SELECT * FROM absent")

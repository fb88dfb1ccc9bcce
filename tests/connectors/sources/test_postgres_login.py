"""How a Postgres connection is made: options, TLS, logins, settings, and how it breaks."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from connectors.base import Scan
from connectors.errors import (
    EgressRefused,
    OptionsInvalid,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
)
from connectors.options import auth_schema, config_schema, parse_options
from connectors.sources.postgres import PostgresConnector, PostgresOptions
from connectors.sources.postgres.options import conninfo_text, make_conninfo
from tests.connectors.contract import context_for
from tests.connectors.sources.postgres_server import (
    CERTIFIED_USER,
    PASSWORD,
    TlsServer,
    all_rows,
    asked,
    connected,
    issue,
    make_authority,
    opened,
    running_server,
    socket_options,
    tls_options,
)


@pytest.fixture(scope="module")
def tls_server() -> Iterator[TlsServer]:
    with running_server() as server:
        yield server


@pytest.fixture
def database(postgres_database: str) -> Iterator[psycopg.Connection]:
    with connected(postgres_database) as connection:
        yield connection


@pytest.fixture
def connector(postgres_database: str, tmp_path: Path) -> Iterator[PostgresConnector]:
    with opened(postgres_database, tmp_path) as connector:
        yield connector


@pytest.fixture
def options(postgres_database: str) -> PostgresOptions:
    return socket_options(postgres_database)


HOSTILE = "a' host='10.0.0.1' x=\\' \\ --\n"


def test_no_value_becomes_an_option_of_the_connection(tmp_path: Path) -> None:
    options = PostgresOptions(
        host="db.example", port=5432, user=HOSTILE, database=HOSTILE, password=HOSTILE
    )
    parameters = make_conninfo(options, context_for(tmp_path), ["10.1.2.3", "10.1.2.4"])
    parsed = psycopg.conninfo.conninfo_to_dict(conninfo_text(parameters))
    assert parsed == parameters
    assert parsed["host"] == "db.example,db.example"
    assert parsed["hostaddr"] == "10.1.2.3,10.1.2.4"
    assert parsed["user"] == parsed["dbname"] == parsed["password"] == HOSTILE


def test_nothing_of_this_machine_takes_part_in_a_login(tmp_path: Path) -> None:
    options = PostgresOptions(host="/run", port=5432, user="u", database="d")
    parameters = make_conninfo(options, context_for(tmp_path), [])
    for name in ("passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl"):
        assert not Path(parameters[name]).exists()
    assert parameters["password"] == ""
    assert "hostaddr" not in parameters


def test_certificates_are_written_where_only_the_owner_reads(tmp_path: Path) -> None:
    authority = make_authority("root")
    options = PostgresOptions(
        host="h",
        port=5432,
        user="u",
        database="d",
        sslmode="verify-ca",
        sslrootcert=authority.pem,
        sslcert=authority.pem,
        sslkey=authority.key_pem,
    )
    parameters = make_conninfo(options, context_for(tmp_path), ["10.0.0.1"])
    for name, text in (("sslrootcert", authority.pem), ("sslkey", authority.key_pem)):
        path = Path(parameters[name])
        assert path.read_text() == text
        assert path.stat().st_mode & 0o077 == 0
        assert path.is_relative_to(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "a,b"},
        {"host": "@abstract"},
        {"host": "relative/folder"},
        {"host": "h\0"},
        {"password": "p\0"},
        {"port": 0},
        {"sslmode": "verify-full"},
        {"sslmode": "verify-ca"},
        {"sslmode": "require", "sslrootcert": "system"},
        {"sslrootcert": "/etc/passwd"},
        {"sslcert": "system", "sslkey": "-----BEGIN PRIVATE KEY-----"},
        {"sslcert": "-----BEGIN CERTIFICATE-----"},
        {"sslkey": "/etc/shadow", "sslcert": "-----BEGIN CERTIFICATE-----"},
        {"options": "-c x=y"},
    ],
)
def test_options_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    right = {"host": "h", "port": 5432, "user": "u", "database": "d"}
    with pytest.raises(OptionsInvalid) as caught:
        parse_options(PostgresOptions, {**right, **wrong}, None)
    assert "passwd" not in str(caught.value)


def test_the_form_asks_for_what_a_connection_needs() -> None:
    schema = config_schema(PostgresOptions)
    assert schema["required"] == ["host", "port", "user", "database"]
    assert schema["properties"]["sslmode"]["default"] == "prefer"
    auth = auth_schema(PostgresOptions)
    assert auth is not None
    assert [form["required"] for form in auth["oneOf"]] == [["password"], ["sslkey"]]


def test_private_addresses_are_refused_where_they_are_not_allowed(
    options: PostgresOptions, tmp_path: Path
) -> None:
    context = context_for(tmp_path, allow_private=False)
    for host in (options.host, "127.0.0.1", "localhost"):
        changed = options.model_copy(update={"host": host})
        with pytest.raises(EgressRefused), PostgresConnector(changed, context) as connector:
            connector.check()


def encryption(options: PostgresOptions, folder: Path) -> list[Any]:
    with PostgresConnector(options, context_for(folder)) as connector:
        sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        return asked(connector, sql, ssl=pa.bool_())


@pytest.mark.parametrize(
    ("changes", "is_encrypted"),
    [
        ({}, True),
        ({"sslmode": "verify-ca", "host": "127.0.0.1"}, True),
        ({"sslmode": "require", "sslrootcert": None}, True),
        ({"sslmode": "prefer", "sslrootcert": None}, True),
        ({"sslmode": "allow", "sslrootcert": None}, False),
        ({"sslmode": "disable", "sslrootcert": None}, False),
    ],
)
def test_each_mode_of_tls_connects(
    tls_server: TlsServer, tmp_path: Path, changes: dict[str, Any], is_encrypted: bool
) -> None:
    assert encryption(tls_options(tls_server, **changes), tmp_path) == [is_encrypted]


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca", "require"])
def test_a_certificate_of_another_authority_is_not_trusted(
    tls_server: TlsServer, tmp_path: Path, mode: str
) -> None:
    options = tls_options(tls_server, sslmode=mode, sslrootcert=make_authority("other").pem)
    with pytest.raises(SourceUnreachable, match="certificate verify failed"):
        encryption(options, tmp_path)


def test_a_certificate_of_another_name_is_not_trusted(
    tls_server: TlsServer, tmp_path: Path
) -> None:
    with pytest.raises(SourceUnreachable, match="does not match"):
        encryption(tls_options(tls_server, host="127.0.0.1"), tmp_path)


def test_the_authorities_of_the_system_may_be_asked(
    tls_server: TlsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = tls_options(tls_server, sslrootcert="system")
    with pytest.raises(SourceUnreachable, match="certificate verify failed"):
        encryption(options, tmp_path)
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(tls_server.authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    assert encryption(options, tmp_path) == [True]


def test_a_server_without_tls_is_not_used_where_tls_is_required(
    tls_server: TlsServer, tmp_path: Path
) -> None:
    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(8)
            connection.sendall(b"N")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        options = tls_options(tls_server, port=listener.getsockname()[1])
        with pytest.raises(SourceUnreachable, match="does not support SSL"):
            encryption(options, tmp_path)
        thread.join()


def test_a_client_certificate_logs_in(tls_server: TlsServer, tmp_path: Path) -> None:
    client = issue(tls_server.authority, CERTIFIED_USER)
    changes = {"user": CERTIFIED_USER, "password": None, "sslcert": client.pem}
    options = tls_options(tls_server, **changes, sslkey=client.key_pem)
    assert encryption(options, tmp_path) == [True]


def test_a_client_certificate_of_another_name_is_refused(
    tls_server: TlsServer, tmp_path: Path
) -> None:
    client = issue(tls_server.authority, "somebody")
    changes = {"user": CERTIFIED_USER, "password": None, "sslcert": client.pem}
    with pytest.raises(SourceRefused, match="certificate authentication failed"):
        encryption(tls_options(tls_server, **changes, sslkey=client.key_pem), tmp_path)


@pytest.mark.parametrize(
    "changes",
    [{"password": None}, {"password": "wrong"}, {"user": "nobody"}, {"database": "nothing"}],
)
def test_a_login_that_is_refused_tells_neither_password_nor_address(
    tls_server: TlsServer, tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(SourceRefused) as caught:
        encryption(tls_options(tls_server, **changes), tmp_path)
    message = str(caught.value)
    assert not [text for text in (PASSWORD, "wrong", "127.0.0.1", "::1") if text in message]


def test_a_session_only_reads_and_writes_text_in_one_way(
    database: psycopg.Connection, connector: PostgresConnector
) -> None:
    database.execute("CREATE SEQUENCE s")
    expected = {
        "transaction_read_only": "on",
        "TimeZone": "UTC",
        "DateStyle": "ISO, MDY",
        "IntervalStyle": "postgres",
        "application_name": "tidemill",
        "client_connection_check_interval": "10s",
        "statement_timeout": "1min",
        "transaction_isolation": "repeatable read",
    }
    sql = " UNION ALL ".join(f"SELECT current_setting('{name}')" for name in expected)
    assert asked(connector, sql, setting=pa.string()) == list(expected.values())
    with pytest.raises(SourceFailed, match="read-only transaction"):
        asked(connector, "SELECT nextval('s')", n=pa.int64())


def test_a_statement_that_takes_too_long_is_ended(options: PostgresOptions, tmp_path: Path) -> None:
    context = context_for(tmp_path, statement_timeout_s=0.2)
    with PostgresConnector(options, context) as connector:
        for sql in (
            "SELECT pg_sleep(30)::text",
            "SELECT pg_sleep(0.01)::text FROM generate_series(1, 9999)",
        ):
            with pytest.raises(SourceFailed, match="statement timeout"):
                asked(connector, sql, text=pa.string())


def test_an_error_in_the_middle_of_a_stream_is_one_of_the_source(
    database: psycopg.Connection, connector: PostgresConnector
) -> None:
    database.execute(
        "CREATE VIEW v AS SELECT 1 / (90000 - g) AS n FROM generate_series(1, 99999) g"
    )
    with pytest.raises(SourceFailed, match="division by zero"):
        all_rows(connector, "v")


def test_a_server_that_breaks_off_is_a_failure(
    database: psycopg.Connection, connector: PostgresConnector
) -> None:
    database.execute("CREATE VIEW v AS SELECT repeat('x', 9999) FROM generate_series(1, 99999)")
    (part,) = connector.plan_fetch(connector.describe("public", "v"), Scan())
    stream = connector.open(part)
    next(stream)
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'tidemill' AND datname = current_database()"
    )
    with pytest.raises(SourceFailed):
        list(stream)


def test_a_stream_that_nobody_closed_ends_with_the_connector(
    database: psycopg.Connection, connector: PostgresConnector
) -> None:
    database.execute("CREATE VIEW v AS SELECT repeat('x', 9999) FROM generate_series(1, 99999)")
    (part,) = connector.plan_fetch(connector.describe("public", "v"), Scan())
    stream = connector.open(part)
    next(stream)
    connector.close()
    connector.close()
    with pytest.raises(SourceFailed):
        list(stream)

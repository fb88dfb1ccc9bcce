"""Postgres servers for the tests: that of PyPI, and that of the system with TLS and passwords."""

import datetime
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pyarrow as pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.base import Scan
from connectors.sources.postgres import PostgresConnector, PostgresOptions
from connectors.sources.postgres.connector import WireConnector
from tests.connectors.contract import context_for

PASSWORD = "it's a \\ secret"
CERTIFIED_USER = "certified"
_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
_USER = "postgres"
_VALID_FROM = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
_VALID_TO = datetime.datetime(2124, 1, 1, tzinfo=datetime.UTC)
_STARTS = 5
_HBA = f"""
hostssl all {CERTIFIED_USER} 127.0.0.1/32 cert
host all all 127.0.0.1/32 scram-sha-256
"""
_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
ssl = on
ssl_cert_file = 'server.crt'
ssl_key_file = 'server.key'
ssl_ca_file = 'root.crt'
"""


@dataclass(frozen=True)
class Authority:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()


def make_authority(name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(_certificate(name, key, None), key)


def issue(authority: Authority, name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(_certificate(name, key, authority), key)


@dataclass(frozen=True)
class TlsServer:
    """A running server: TCP on 127.0.0.1, its certificate for ``localhost``."""

    port: int
    authority: Authority
    version: int

    def conninfo(self, database: str = "postgres") -> str:
        return psycopg.conninfo.make_conninfo(
            host="127.0.0.1", port=self.port, user=_USER, password=PASSWORD, dbname=database
        )


@contextmanager
def running_server() -> Iterator[TlsServer]:
    """Run a server, or skip the test."""
    if not _FOLDERS:
        pytest.skip("needs the server programs of Postgres: apt-get install postgresql")
    prefix = _as_other_user()
    authority = make_authority("root")
    # Short and readable by the other user, which pytest's own folder is not.
    with tempfile.TemporaryDirectory(prefix="pgtls-", dir="/tmp") as folder:
        data = Path(folder, "data")
        secret = Path(folder, "password")
        secret.write_text(PASSWORD)
        if prefix:
            for path in (Path(folder), secret):
                shutil.chown(path, _USER)
        run(
            *prefix,
            str(_FOLDERS[0] / "initdb"),
            *("-D", str(data), "-U", _USER, "-A", "scram-sha-256", "-E", "UTF8"),
            *("--locale", "C.UTF-8", "--no-sync", f"--pwfile={secret}"),
        )
        _configure(data, authority, owner=_USER if prefix else None)
        port = _start(prefix, data)
        try:
            version = int((data / "PG_VERSION").read_text())
            server = TlsServer(port, authority, version)
            with psycopg.connect(server.conninfo(), autocommit=True) as connection:
                connection.execute(f"CREATE USER {CERTIFIED_USER}")
            yield server
        finally:
            run(*prefix, str(_FOLDERS[0] / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def _as_other_user() -> list[str]:
    """The server does not run as root."""
    if os.geteuid() != 0:
        return []
    try:
        user = pwd.getpwnam(_USER)
    except KeyError:
        pytest.skip(f"needs a user '{_USER}' to run Postgres as: apt-get install postgresql")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _configure(data: Path, authority: Authority, owner: str | None) -> None:
    server = issue(authority, "localhost")
    files = {
        "server.crt": server.pem,
        "server.key": server.key_pem,
        "root.crt": authority.pem,
        "pg_hba.conf": _HBA,
        "postgresql.auto.conf": _SETTINGS,
    }
    for name, text in files.items():
        path = data / name
        path.write_text(text)
        path.chmod(0o600)
        if owner is not None:
            shutil.chown(path, owner)


def _start(prefix: list[str], data: Path) -> int:
    """Start on a free port; another process may take it first."""
    for _ in range(_STARTS):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        command = (
            *prefix,
            *(str(_FOLDERS[0] / "pg_ctl"), "-D", str(data), "-l", str(data / "log")),
            *("-o", f"-p {port}", "-w", "start"),
        )
        if subprocess.run(command, capture_output=True, check=False, cwd="/").returncode == 0:
            return port
    raise AssertionError((data / "log").read_text())


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: Authority | None
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_VALID_FROM)
        .not_valid_after(_VALID_TO)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
    return builder.sign(key if issuer is None else issuer.key, hashes.SHA256())


def socket_options(url: str, **changes: Any) -> PostgresOptions:
    """Options of a database of the server from PyPI."""
    parts = urlsplit(url)
    (folder,) = parse_qs(parts.query)["host"]
    fields: dict[str, Any] = {
        "host": folder,
        "port": 5432,
        "user": "postgres",
        "database": parts.path[1:],
    }
    return PostgresOptions(**{**fields, **changes})


def tls_options(server: TlsServer, **changes: Any) -> PostgresOptions:
    fields: dict[str, Any] = {
        "host": "localhost",
        "port": server.port,
        "user": "postgres",
        "database": "postgres",
        "password": PASSWORD,
        "sslmode": "verify-full",
        "sslrootcert": server.authority.pem,
    }
    return PostgresOptions(**{**fields, **changes})


def connected(url: str) -> psycopg.Connection:
    """A connection to a database of the server from PyPI."""
    plain = url.replace("postgresql+psycopg", "postgresql")
    return psycopg.connect(plain, autocommit=True)


def opened(url: str, folder: Path) -> PostgresConnector:
    """A connector of a database of the server from PyPI."""
    return PostgresConnector(socket_options(url), context_for(folder))


def all_rows(
    connector: WireConnector,
    table: str,
    scan: Scan = Scan(),  # noqa: B008 - frozen
) -> list[dict[str, Any]]:
    """Describe, plan and read."""
    described = connector.describe("public", table)
    parts = connector.plan_fetch(described, scan)
    return [row for part in parts for batch in connector.open(part) for row in batch.to_pylist()]


def asked(connector: WireConnector, sql: str, **types: pa.DataType) -> list[Any]:
    """Query, and return the first column."""
    batches = list(connector.query(sql, pa.schema(list(types.items()))))
    return [value for batch in batches for value in batch.column(0).to_pylist()]

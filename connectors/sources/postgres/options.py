"""Options of a Postgres connection, and the connection string made of them.

The invariant: no value becomes an option of its own, and nothing is taken from this machine. Values
are quoted as libpq asks; certificates are text that is written to a scratch file, never a path;
the password file, the certificates and the service of whoever runs the server are switched off.
libpq connects to the judged addresses (``hostaddr``) while TLS verifies the name (``host``).
"""

import math
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from connectors.base import SourceContext
from connectors.hosts import check_socket_folder, resolve_host
from connectors.options import AuthForm, SourceOptions

SYSTEM_ROOTS = "system"
CONNECT_TIMEOUT_MIN_S = 2  # libpq takes less for this
KEEPALIVES_IDLE_S = 30
KEEPALIVES_INTERVAL_S = 10
KEEPALIVES_COUNT = 3
_CERTIFICATE_MARK = "-----BEGIN CERTIFICATE-----"
_KEY_MARK = "PRIVATE KEY-----"

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]


class PostgresOptions(SourceOptions):
    """Where the server is, who reads, and how the connection is secured."""

    AUTH: ClassVar[tuple[AuthForm, ...]] = (
        AuthForm("Password", ("password",)),
        AuthForm("Client certificate", ("sslkey",), ("password",)),
    )

    host: str = Field(
        min_length=1,
        max_length=255,
        description="Name or IP address, or the absolute folder of a Unix socket.",
    )
    port: int = Field(ge=1, le=65535, description="Port of the server.", examples=[5432])
    user: str = Field(min_length=1, description="User who reads.")
    database: str = Field(min_length=1, description="Database to read.")
    password: SecretStr | None = Field(None, description="Password of the user.")
    sslmode: SslMode = Field(
        "prefer",
        description="TLS: verify-full checks certificate and host name, verify-ca the certificate,"
        " require encrypts only, prefer encrypts if the server can.",
    )
    sslrootcert: str | None = Field(
        None,
        description="Certificate authority of the server as PEM text, or 'system' for the public"
        " ones (then sslmode must be verify-full).",
    )
    sslcert: str | None = Field(None, description="Client certificate as PEM text.")
    sslkey: SecretStr | None = Field(
        None, description="Private key of the client certificate as PEM text, not encrypted."
    )

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str) -> str:
        # libpq reads a comma as a list of hosts and a leading @ as an abstract socket.
        if "," in host or host.startswith("@") or (not host.startswith("/") and "/" in host):
            raise ValueError("must be a name, an IP address or an absolute folder")
        return host

    @field_validator("host", "user", "database", "password")
    @classmethod
    def _check_characters(cls, value: str | SecretStr | None) -> str | SecretStr | None:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if text is not None and "\0" in text:
            raise ValueError("may not hold a NUL character")
        return value

    @field_validator("sslrootcert", "sslcert")
    @classmethod
    def _check_certificate(cls, value: str | None, info: ValidationInfo) -> str | None:
        is_system = value == SYSTEM_ROOTS and info.field_name == "sslrootcert"
        if value is not None and not is_system and _CERTIFICATE_MARK not in value:
            raise ValueError("must be a certificate as PEM text")
        return value

    @field_validator("sslkey")
    @classmethod
    def _check_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and _KEY_MARK not in value.get_secret_value():
            raise ValueError("must be a private key as PEM text")
        return value

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if self.sslmode.startswith("verify") and self.sslrootcert is None:
            raise ValueError(
                f"sslmode {self.sslmode} needs sslrootcert: a certificate authority as PEM text,"
                " or 'system'"
            )
        if self.sslrootcert == SYSTEM_ROOTS and self.sslmode != "verify-full":
            raise ValueError("sslrootcert 'system' needs sslmode verify-full")
        if (self.sslcert is None) != (self.sslkey is None):
            raise ValueError("sslcert and sslkey are given together or not at all")
        return self

    @property
    def is_socket(self) -> bool:
        """Whether the host is a folder with a Unix socket."""
        return self.host.startswith("/")


def judged_addresses(options: PostgresOptions, context: SourceContext) -> list[str]:
    """Return the addresses that may be connected to, best first; none for a Unix socket.

    Raises:
        EgressRefused: the host may not be reached.
        SourceUnreachable: its name does not resolve, or the folder is not there.
    """
    if options.is_socket:
        check_socket_folder(options.host, allow_private=context.allow_private)
        return []
    return resolve_host(options.host, options.port, allow_private=context.allow_private)


def make_conninfo(
    options: PostgresOptions, context: SourceContext, addresses: list[str]
) -> dict[str, str]:
    """Return the parameters of libpq; certificates are written below ``context.scratch``."""
    nothing = str(context.scratch / "not-there")
    root = options.sslrootcert
    return {
        "host": ",".join([options.host] * max(1, len(addresses))),
        **({"hostaddr": ",".join(addresses)} if addresses else {}),
        "port": str(options.port),
        "user": options.user,
        "dbname": options.database,
        "password": options.reveal("password") or "",
        "passfile": nothing,
        "sslmode": options.sslmode,
        "sslrootcert": root if root == SYSTEM_ROOTS else _written(root, context.scratch) or nothing,
        "sslcert": _written(options.sslcert, context.scratch) or nothing,
        "sslkey": _written(options.reveal("sslkey"), context.scratch) or nothing,
        "sslcrl": nothing,
        "gssencmode": "disable",
        "client_encoding": "UTF8",
        "application_name": "tidemill",
        "connect_timeout": str(max(CONNECT_TIMEOUT_MIN_S, math.ceil(context.connect_timeout_s))),
        "keepalives": "1",
        "keepalives_idle": str(KEEPALIVES_IDLE_S),
        "keepalives_interval": str(KEEPALIVES_INTERVAL_S),
        "keepalives_count": str(KEEPALIVES_COUNT),
    }


def conninfo_text(parameters: Mapping[str, str]) -> str:
    r"""Write parameters as a connection string.

    Source: "Keyword/Value Connection Strings" of the libpq manual.

    >>> conninfo_text({"user": "o'neil", "dbname": "a b\\"})
    "user='o\\'neil' dbname='a b\\\\'"
    """
    return " ".join(
        "{}='{}'".format(key, value.replace("\\", r"\\").replace("'", r"\'"))
        for key, value in parameters.items()
    )


def _written(text: str | None, folder: Path) -> str | None:
    if text is None:
        return None
    # NamedTemporaryFile gives mode 0600, without which libpq refuses a key.
    with NamedTemporaryFile("w", dir=folder, suffix=".pem", delete=False) as file:
        file.write(text)
    return file.name

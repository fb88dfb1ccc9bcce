"""Options of a Flight SQL connection."""

from typing import ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from connectors.options import AuthForm, SourceOptions

TLS_SCHEME = "grpc+tls"
PLAIN_SCHEMES = frozenset({"grpc", "grpc+tcp"})

Dialect = Literal[
    "ansi",
    "bigquery",
    "clickhouse",
    "databricks",
    "doris",
    "dremio",
    "duckdb",
    "mysql",
    "postgres",
    "snowflake",
    "spark",
    "sqlite",
    "starrocks",
    "trino",
]


class FlightSqlOptions(SourceOptions):
    """Where the server is, what of it is wanted, and who asks.

    A server that asks for no login needs neither user nor credential.
    """

    uri: str = Field(
        description="grpc+tls://host:port, or grpc://host:port without encryption",
        examples=["grpc+tls://flight.example.com:443"],
    )
    user: str | None = Field(
        default=None, min_length=1, description="User name; unused with a token"
    )
    catalog: str | None = Field(
        default=None, min_length=1, description="Only this catalog; needed if there are several"
    )
    db_schema: str | None = Field(default=None, min_length=1, description="Only this schema")
    database: str | None = Field(
        default=None,
        min_length=1,
        description="Sent as the header 'database' with every call, for servers that want it",
    )
    dialect: Dialect = Field(
        default="ansi", description="SQL the server speaks: how names and values are quoted"
    )
    ca_cert: str | None = Field(
        default=None, description="Certificates to trust instead of the public ones, as PEM text"
    )
    password: SecretStr | None = Field(default=None, description="Password of the user")
    token: SecretStr | None = Field(default=None, description="Bearer token")

    AUTH: ClassVar[tuple[AuthForm, ...]] = (
        AuthForm("Password", ("password",)),
        AuthForm("Bearer token", ("token",)),
    )

    @field_validator("uri")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        endpoint_of(value)
        return value

    @model_validator(mode="after")
    def _has_one_login(self) -> Self:
        if self.password is not None and self.token is not None:
            raise ValueError("Give a password or a token, not both")
        if self.password is not None and self.user is None:
            raise ValueError("A password needs a user")
        return self


def endpoint_of(uri: str) -> tuple[bool, str, int]:
    """Take the address of a server apart.

    Returns:
        Whether TLS is used, the host and the port.

    Raises:
        ValueError: it is none.

    >>> endpoint_of("grpc+tls://flight.example:443")
    (True, 'flight.example', 443)
    """
    parts = urlsplit(uri)
    if parts.scheme not in PLAIN_SCHEMES | {TLS_SCHEME}:
        raise ValueError("The address must begin with grpc+tls:// or grpc://")
    if parts.username is not None or not parts.hostname or not parts.port:
        raise ValueError("The address must be of the form grpc+tls://host:port")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("The address must end with the port")
    return parts.scheme == TLS_SCHEME, parts.hostname, parts.port

"""Options of a Snowflake connection."""

from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from connectors.options import AuthForm, SourceOptions

_LABEL = "[A-Za-z0-9_][A-Za-z0-9_-]*"


class SnowflakeOptions(SourceOptions):
    """Where to log in, as whom, and which database to read.

    The account's pattern is a wall: the driver makes the host out of it, and resolves it itself, so
    the host can only lie below ``snowflakecomputing.com`` (or ``.cn`` for a region in China).
    """

    AUTH: ClassVar[tuple[AuthForm, ...]] = (
        AuthForm("Password", ("password",)),
        AuthForm("Key pair", ("private_key",), ("private_key_passphrase",)),
        AuthForm("Programmatic access token", ("token",)),
        AuthForm("OAuth token", ("oauth_token",)),
    )

    account: str = Field(
        description="Account identifier",
        pattern=rf"^{_LABEL}(\.{_LABEL}){{0,4}}$",
        max_length=255,
        examples=["myorg-account1", "xy12345.eu-central-1"],
    )
    user: str = Field(description="User name", min_length=1)
    warehouse: str = Field(description="Warehouse that runs the queries", min_length=1)
    database: str = Field(description="Database to read", min_length=1)
    schema_name: str | None = Field(
        default=None,
        alias="schema",
        description="Only tables of this schema; all schemas when absent",
        min_length=1,
    )
    role: str | None = Field(
        default=None, description="Role; the user's default role when absent", min_length=1
    )
    host: str | None = Field(
        default=None,
        description="Host in place of the account's own, for private connectivity",
        pattern=rf"^{_LABEL}(\.{_LABEL})*$",
        max_length=253,
        examples=["xy12345.eu-central-1.privatelink.snowflakecomputing.com"],
    )
    port: int | None = Field(
        default=None, description="Port of the host; 443, or 80 for http", ge=1, le=65_535
    )
    protocol: Literal["https", "http"] = Field(
        default="https", description="http only where private addresses are allowed"
    )
    password: SecretStr | None = Field(default=None, description="Password")
    private_key: SecretStr | None = Field(
        default=None, description="RSA private key in PEM, PKCS #8 or PKCS #1"
    )
    private_key_passphrase: SecretStr | None = Field(
        default=None, description="Passphrase of the private key"
    )
    token: SecretStr | None = Field(default=None, description="Programmatic access token")
    oauth_token: SecretStr | None = Field(default=None, description="OAuth access token")

    @model_validator(mode="after")
    def _port_belongs_to_a_host(self) -> Self:
        if self.host is None and (self.port is not None or self.protocol != "https"):
            raise ValueError("port and protocol are for a host of your own")
        return self

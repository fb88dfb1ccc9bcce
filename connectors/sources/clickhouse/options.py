"""Options of a ClickHouse connection."""

from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from connectors.options import AuthForm, SourceOptions

TLS_PORT = 8443
PLAIN_PORT = 8123


class ClickHouseOptions(SourceOptions):
    """Where the HTTP interface is, and who asks.

    A user without a password needs no credential.
    """

    host: str = Field(description="Host name or address", min_length=1)
    port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description="Port of the HTTP interface; 8443 with TLS, 8123 without",
    )
    user: str = Field(default="default", description="User name; unused with a token")
    database: str | None = Field(
        default=None, min_length=1, description="Only this database; all but the system's if unset"
    )
    secure: bool = Field(default=True, description="Use TLS; without it the password goes in clear")
    ca_cert: str | None = Field(
        default=None, description="Certificates to trust instead of the public ones, as PEM text"
    )
    strings: Literal["text", "binary"] = Field(
        default="text",
        description="What String columns become; text that is not UTF-8 is NULL, and counted",
    )
    password: SecretStr | None = Field(default=None, description="Password of the user")
    token: SecretStr | None = Field(default=None, description="Access token (JWT), without a user")

    AUTH: ClassVar[tuple[AuthForm, ...]] = (
        AuthForm("Password", ("password",)),
        AuthForm("Access token", ("token",)),
    )

    @model_validator(mode="after")
    def _has_one_credential(self) -> Self:
        if self.password is not None and self.token is not None:
            raise ValueError("Give a password or a token, not both")
        return self

    @property
    def effective_port(self) -> int:
        """The port that is connected to."""
        return self.port or (TLS_PORT if self.secure else PLAIN_PORT)

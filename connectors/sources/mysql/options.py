"""Options of a MySQL or MariaDB server.

What cannot be meant is refused here, before anything is connected: a certificate authority that no
mode would use must not look as if it protected something.
"""

import ssl
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from connectors.options import AuthForm, SourceOptions

SslMode = Literal["disabled", "preferred", "required", "verify_ca", "verify_identity"]

_NO_NUL = r"^[^\x00]+$"
_VERIFYING = frozenset({"verify_ca", "verify_identity"})


class MySQLOptions(SourceOptions):
    """A server, a user, and how the way there is protected."""

    AUTH = (AuthForm("Password", ("password",)),)

    host: str = Field(
        pattern=_NO_NUL,
        description="Host name, IP address, or absolute path of a Unix socket or of its folder.",
        examples=["db.example.com"],
    )
    port: int = Field(
        ge=1, le=65535, description="TCP port; not used with a Unix socket.", examples=[3306]
    )
    user: str = Field(pattern=_NO_NUL, description="User name.")
    database: str = Field(
        pattern=_NO_NUL,
        description="Database to log in to. Every database the user may read is discovered.",
    )
    password: SecretStr | None = Field(None, description="Password of the user.")
    ssl_mode: SslMode = Field(
        "preferred",
        description="preferred: TLS if the server offers it, unverified. required: TLS, unverified. "
        "verify_ca: the certificate is checked. verify_identity: the host name in it, too.",
    )
    ssl_ca: str | None = Field(
        None,
        description="PEM text of the certificate authority for verify_ca and verify_identity; "
        "empty = the ones the system trusts.",
    )

    @property
    def is_local(self) -> bool:
        """Whether the host is a Unix socket."""
        return self.host.startswith("/")

    @property
    def verifies(self) -> bool:
        """Whether the certificate of the server is checked."""
        return self.ssl_mode in _VERIFYING

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if self.is_local and self.ssl_mode not in {"disabled", "preferred"}:
            raise ValueError(f"ssl_mode {self.ssl_mode} needs a TCP host: Unix sockets use no TLS")
        if self.ssl_ca is None:
            return self
        if not self.verifies:
            raise ValueError("ssl_ca is only used with ssl_mode verify_ca or verify_identity")
        try:
            ssl.create_default_context(cadata=self.ssl_ca)
        except (ssl.SSLError, ValueError):
            raise ValueError("ssl_ca is not the PEM text of a certificate") from None
        return self

"""Options of a DuckLake connection, and the address of its catalog.

The URL of the catalog never holds the password: the configuration is not a secret.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import AwareDatetime, Field, SecretStr, field_validator, model_validator

from connectors.object_storage import S3Options
from connectors.options import AuthForm, SourceOptions

POSTGRES_PORT = 5432
_SSL_MODES = ("disable", "prefer", "require", "verify-full")
_S3_FIELDS = ("s3_access_key_id", "s3_secret_access_key")


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """A Postgres database; ``host`` is a name, an address, or the folder of a Unix socket."""

    host: str
    port: int
    user: str
    database: str
    ssl_mode: str


@dataclass(frozen=True, slots=True)
class FileAddress:
    """A catalog in a file of this machine."""

    kind: Literal["duckdb", "sqlite"]
    path: str


class DuckLakeOptions(SourceOptions):
    """Which catalog, which snapshot of it, and who reads the data files.

    The key id is a credential here, unlike elsewhere: one secret holds the password of the catalog
    and both halves of the S3 key.
    """

    AUTH: ClassVar[tuple[AuthForm, ...]] = (
        AuthForm("Catalog password", ("catalog_password",), _S3_FIELDS),
        AuthForm("S3 access key", _S3_FIELDS),
    )

    catalog_url: str = Field(
        description=(
            "postgresql://user@host/database, or the absolute path of a catalog file: "
            "duckdb:/path/lake.ducklake or sqlite:/path/lake.sqlite."
        ),
        examples=["postgresql://reader@lake.example.com/lake"],
    )
    catalog_password: SecretStr | None = Field(None, description="Password of the catalog's user.")
    metadata_schema: str | None = Field(
        None, description="Schema of the ducklake_ tables; empty = the default of the database."
    )
    data_path: str | None = Field(
        None, description="Where the data files are, if not where the catalog says."
    )
    snapshot_version: int | None = Field(
        None, ge=0, description="Read this snapshot; empty = the latest."
    )
    as_of: AwareDatetime | None = Field(
        None, description="Read the snapshot that was the latest at this time."
    )
    s3_endpoint: str | None = Field(
        None, description="URL of an S3-compatible service; empty = Amazon S3."
    )
    s3_region: str | None = Field(None, description="Region of the bucket.", examples=["eu-west-1"])
    s3_access_key_id: SecretStr | None = Field(None, description="Access key id.")
    s3_secret_access_key: SecretStr | None = Field(None, description="Secret of the access key.")

    @field_validator("catalog_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        parse_catalog_url(value)
        return value

    @model_validator(mode="after")
    def _names_one_snapshot(self) -> Self:
        if self.snapshot_version is not None and self.as_of is not None:
            raise ValueError("snapshot_version and as_of exclude each other")
        return self

    @property
    def address(self) -> PostgresAddress | FileAddress:
        """Where the catalog is."""
        return parse_catalog_url(self.catalog_url)

    @property
    def s3(self) -> S3Options:
        """The object storage, as :mod:`connectors.object_storage` takes it."""
        return S3Options(
            s3_endpoint=self.s3_endpoint,
            s3_region=self.s3_region,
            s3_access_key_id=self.reveal("s3_access_key_id"),
            s3_secret_access_key=self.s3_secret_access_key,
        )


def parse_catalog_url(url: str) -> PostgresAddress | FileAddress:
    """Read the address of a catalog.

    Raises:
        ValueError: it is none; the message does not repeat it.

    >>> parse_catalog_url("duckdb:/srv/lake.ducklake")
    FileAddress(kind='duckdb', path='/srv/lake.ducklake')
    """
    scheme, _, rest = url.partition(":")
    if scheme in ("duckdb", "sqlite"):
        path = rest.removeprefix("//")
        if not path.startswith("/"):
            raise ValueError("the path of a catalog file must be absolute")
        return FileAddress("duckdb" if scheme == "duckdb" else "sqlite", path)
    if scheme in ("postgresql", "postgres"):
        return _parse_postgres_url(url)
    raise ValueError("must begin with postgresql://, duckdb: or sqlite:")


def _parse_postgres_url(url: str) -> PostgresAddress:
    parts = urlsplit(url)
    if parts.password:
        raise ValueError("must hold no password: give it as catalog_password")
    settings = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    host = settings.pop("host", None) or unquote(parts.hostname or "")
    ssl_mode = settings.pop("sslmode", "prefer")
    database = unquote(parts.path.removeprefix("/"))
    if settings:
        raise ValueError("takes only host and sslmode after the question mark")
    if ssl_mode not in _SSL_MODES:
        raise ValueError(f"sslmode is one of {', '.join(_SSL_MODES)}")
    if not host or not parts.username or not database:
        raise ValueError("must name a user, a host and a database")
    port = parts.port or POSTGRES_PORT
    return PostgresAddress(host, port, unquote(parts.username), database, ssl_mode)

"""Options of an Iceberg connection: which catalog, whose credentials, as of when."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.object_storage import S3Options
from connectors.options import AuthForm

CATALOG_URL = r"^https?://[^/@?#\\\s]+(/[^?#\\\s]*)?$"
"""No user name, no query, nothing that parsers disagree about."""
_S3_SECRET = ("s3_secret_access_key",)


class RestCatalogOptions(BaseModel):
    """A catalog that speaks the Iceberg REST protocol."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="REST")

    type: Literal["rest"]
    uri: str = Field(description="URL of the catalog.", pattern=CATALOG_URL)
    oauth2_server_uri: str | None = Field(
        None,
        description="Where an OAuth2 credential becomes a token; empty = uri/v1/oauth/tokens.",
        pattern=CATALOG_URL,
    )
    scope: str | None = Field(None, description="OAuth2 scope; empty = catalog.")


class GlueCatalogOptions(BaseModel):
    """The Glue Data Catalog of an AWS account."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="AWS Glue")

    type: Literal["glue"]
    region: str = Field(description="AWS region.", pattern=r"^[a-z0-9-]+$")
    endpoint: str | None = Field(
        None,
        description="URL of a Glue-compatible service; empty = AWS.",
        pattern=CATALOG_URL,
    )


class SqlCatalogOptions(BaseModel):
    """A catalog in tables of SQLite or Postgres, as Java's JdbcCatalog and pyiceberg keep it."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="SQL database")

    type: Literal["sql"]
    uri: str = Field(
        description="sqlite:////absolute/path, or postgresql+psycopg://user@host/database"
        " without the password.",
        pattern=r"^(sqlite|postgresql|postgresql\+psycopg)://",
    )
    catalog_name: str | None = Field(
        None, description="Name of the catalog in the database; empty = the only one."
    )


CatalogOptions = Annotated[
    RestCatalogOptions | GlueCatalogOptions | SqlCatalogOptions, Field(discriminator="type")
]


class IcebergOptions(S3Options):
    """Where the catalog is, and who reads it and the files of its tables."""

    AUTH: ClassVar[tuple[AuthForm, ...]] = (
        AuthForm("REST: bearer token", ("bearer_token",), _S3_SECRET),
        AuthForm("REST: OAuth2 client credential", ("credential",), _S3_SECRET),
        AuthForm(
            "AWS Glue: access key",
            ("access_key_id", "secret_access_key"),
            ("session_token", *_S3_SECRET),
        ),
        AuthForm("SQL database: password", ("password",), _S3_SECRET),
    )

    warehouse: str = Field(
        description="Location of the warehouse, or its name in a REST catalog.",
        examples=["s3://bucket/warehouse"],
        min_length=1,
    )
    namespace: str | None = Field(
        None, description="Only this namespace, its levels joined by dots.", examples=["sales"]
    )
    catalog_type: CatalogOptions = Field(description="The catalog.")
    snapshot_id: int | None = Field(
        None, ge=1, description="Read tables at this snapshot; it belongs to one table."
    )
    as_of: AwareDatetime | None = Field(
        None, description="Read every table as it was at this moment, with its time zone."
    )
    bearer_token: SecretStr | None = Field(None, description="Token of a REST catalog.")
    token: SecretStr | None = Field(None, description="The same as bearer_token.")
    credential: SecretStr | None = Field(
        None, description="OAuth2 client of a REST catalog, as id:secret."
    )
    access_key_id: SecretStr | None = Field(None, description="AWS access key id, for Glue.")
    secret_access_key: SecretStr | None = Field(None, description="Secret of the AWS access key.")
    session_token: SecretStr | None = Field(None, description="Token of a temporary AWS key.")
    password: SecretStr | None = Field(None, description="Password of the SQL database.")

    @model_validator(mode="after")
    def _has_one_credential(self) -> Self:
        allowed = {
            "rest": {"bearer_token", "token", "credential"},
            "glue": {"access_key_id", "secret_access_key", "session_token"},
            "sql": {"password", "bearer_token"},
        }[self.catalog_type.type] | set(_S3_SECRET)
        given = {name for name in self.credential_fields() if self.reveal(name)}
        if given - allowed:
            names = ", ".join(sorted(given - allowed))
            raise ValueError(f"a catalog of type {self.catalog_type.type} takes no {names}")
        if len(given & {"bearer_token", "token", "credential", "password"}) > 1:
            raise ValueError("give one credential of the catalog only")
        return self

    @model_validator(mode="after")
    def _travels_once(self) -> Self:
        if self.snapshot_id is not None and self.as_of is not None:
            raise ValueError("snapshot_id and as_of exclude each other")
        return self

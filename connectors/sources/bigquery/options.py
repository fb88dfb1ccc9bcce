"""Options of a BigQuery connection."""

from typing import ClassVar

from pydantic import Field, SecretStr

from connectors.options import AuthForm, SourceOptions


class BigQueryOptions(SourceOptions):
    """Which project to read and to bill, as which service account."""

    AUTH: ClassVar[tuple[AuthForm, ...]] = (AuthForm("Service account", ("credentials_json",)),)

    project_id: str = Field(
        description="Project that holds the datasets and is billed for the queries",
        pattern=r"^[A-Za-z0-9.:_-]+$",
        max_length=255,
        examples=["my-project-1234"],
    )
    dataset: str | None = Field(
        default=None,
        description="Only tables of this dataset; all datasets of the region when absent",
        pattern=r"^[A-Za-z0-9_]+$",
        max_length=1_024,
    )
    region: str = Field(
        default="us",
        description="Region whose datasets are listed when no dataset is given",
        pattern=r"^[A-Za-z0-9-]+$",
        examples=["us", "eu", "europe-west4"],
    )
    location: str | None = Field(
        default=None,
        description="Where queries run; by default BigQuery finds it from their tables",
        pattern=r"^[A-Za-z0-9-]+$",
    )
    maximum_bytes_billed: int | None = Field(
        default=None, description="A query that would be billed for more bytes fails", ge=1
    )
    api_endpoint: str | None = Field(
        default=None,
        description="Address in place of https://bigquery.googleapis.com, for a private endpoint",
        pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$",
        max_length=300,
        examples=["https://bigquery-xyz.p.googleapis.com"],
    )
    credentials_json: SecretStr | None = Field(
        default=None, description="Key of a service account, as the JSON document Google gives"
    )

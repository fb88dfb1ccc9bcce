"""Options of a Delta connection."""

from typing import ClassVar, Self

from pydantic import AwareDatetime, Field, model_validator

from connectors.object_storage import S3_AUTH, S3Options
from connectors.options import AuthForm


class DeltaOptions(S3Options):
    """Where the tables are, and as of when they are read."""

    AUTH: ClassVar[tuple[AuthForm, ...]] = (S3_AUTH,)

    url: str = Field(
        description="One table, or a folder with tables: an s3:// URL or an absolute path.",
        examples=["s3://bucket/warehouse"],
        pattern=r"^(s3://[^/]|file:///|/)",
    )
    schema_name: str = Field(
        "main", description="Schema of the tables that lie directly in the folder.", min_length=1
    )
    version: int | None = Field(None, ge=0, description="Read this version of every table.")
    timestamp: AwareDatetime | None = Field(
        None, description="Read every table as it was at this moment, with its time zone."
    )

    @model_validator(mode="after")
    def _travels_once(self) -> Self:
        if self.version is not None and self.timestamp is not None:
            raise ValueError("version and timestamp exclude each other")
        return self

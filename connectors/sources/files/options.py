"""Options of a file connection."""

import codecs
from typing import Annotated, ClassVar, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, field_validator

from connectors.object_storage import S3Options
from connectors.options import AuthForm
from connectors.sources.files.column_types import parse_type

S3_SCHEME = "s3://"
SAMPLE_BYTES = 1 << 20
SAMPLE_BYTES_MAX = 64 << 20
FILES_MAX = 100_000
FILES_MAX_MAX = 1_000_000

FileFormat = Literal["parquet", "csv", "json"]


class FilesOptions(S3Options):
    """A folder or bucket prefix, what its files are, and which of them make a table."""

    AUTH: ClassVar[tuple[AuthForm, ...]] = (
        AuthForm("S3 access key", (), ("s3_secret_access_key",)),
    )

    url: str = Field(
        description="An absolute folder, its file:// URL, or s3://bucket/prefix.",
        examples=["s3://lake/sales", "/data/sales"],
    )
    format: Literal["auto", "parquet", "csv", "json"] = Field(
        "auto", description="What the files hold; auto = by the ending of each name."
    )
    tables: Literal["folders", "single"] = Field(
        "folders",
        description="folders = every folder and every file directly below the URL is a table;"
        " single = everything below it is one table.",
    )
    table_name: str | None = Field(
        None, min_length=1, description="Name of the single table; empty = that of the folder."
    )
    schema_name: str = Field("main", min_length=1, description="Name of the schema of all tables.")
    column_types: dict[str, str] = Field(
        {},
        description="Types of columns by name, or by table.column, in place of those found.",
        examples=[{"price": "DECIMAL(10, 2)", "orders.zip": "VARCHAR"}],
    )
    delimiter: str | None = Field(
        None, description="Separator of CSV fields; empty = found in the first line."
    )
    header: bool = Field(True, description="Whether the first row of a CSV file names its columns.")
    quote: str = Field('"', max_length=1, description="Quote of CSV fields; empty = none.")
    encoding: str = Field("utf-8", description="Encoding of CSV files.", examples=["latin-1"])
    null_texts: list[str] = Field(
        [],
        description="Unquoted CSV fields that are NULL, besides the empty one.",
        examples=[["NA"]],
    )
    sample_bytes: Annotated[int, Field(ge=4096, le=SAMPLE_BYTES_MAX)] = Field(
        SAMPLE_BYTES, description="Text read of a file to find the types of a table."
    )
    files_max: Annotated[int, Field(ge=1, le=FILES_MAX_MAX)] = Field(
        FILES_MAX, description="Files a table may have."
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if url.startswith(S3_SCHEME):
            if not url.removeprefix(S3_SCHEME).strip("/"):
                raise ValueError("an s3:// URL needs a bucket")
        elif not _local_path(url).startswith("/"):
            raise ValueError("must be an absolute folder, a file:// URL or s3://bucket/prefix")
        return url

    @field_validator("column_types")
    @classmethod
    def _check_types(cls, types: dict[str, str]) -> dict[str, str]:
        for text in types.values():
            parse_type(text)
        return types

    @field_validator("delimiter")
    @classmethod
    def _check_delimiter(cls, delimiter: str | None) -> str | None:
        if delimiter and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in '\r\n"'):
            raise ValueError("must be one ASCII character, and no quote or line break")
        return delimiter or None

    @field_validator("quote")
    @classmethod
    def _check_quote(cls, quote: str) -> str:
        if not quote.isascii() or quote in set("\r\n,"):
            raise ValueError("must be one ASCII character, and no comma or line break")
        return quote

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, encoding: str) -> str:
        try:
            codecs.getincrementaldecoder(encoding)
            "".encode(encoding)
        except (LookupError, TypeError, ValueError):
            raise ValueError("is no encoding of text") from None
        return encoding

    @property
    def is_s3(self) -> bool:
        """Whether the files are objects of a bucket."""
        return self.url.startswith(S3_SCHEME)

    @property
    def root(self) -> str:
        """The absolute folder, or ``bucket/prefix``, without a slash at its end."""
        if self.is_s3:
            return self.url.removeprefix(S3_SCHEME).strip("/")
        return _local_path(self.url)


def _local_path(url: str) -> str:
    if not url.startswith("file:"):
        return url
    parts = urlsplit(url)
    return unquote(parts.path) if parts.netloc in {"", "localhost"} else ""

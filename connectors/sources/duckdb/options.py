"""Options of a DuckDB file and of a MotherDuck database."""

from typing import ClassVar

from pydantic import Field, SecretStr

from connectors.options import AuthForm, SourceOptions


class DuckDBOptions(SourceOptions):
    """A DuckDB file on the machine of the service."""

    path: str = Field(
        description="Absolute path of the database file, below a folder of TIDEMILL_LOCAL_FILES.",
        examples=["/data/sales.duckdb"],
    )
    snapshot: bool = Field(
        default=False,
        description="Read a copy of the file, made for each fetch. Needed for a file that another "
        "process holds open for writing.",
    )


class MotherDuckOptions(SourceOptions):
    """A database at MotherDuck."""

    AUTH: ClassVar[tuple[AuthForm, ...]] = (AuthForm("Access token", ("token",)),)

    database: str = Field(
        description="Name of the database.",
        examples=["my_db"],
        # Anything else could add parameters to the connection string.
        pattern=r"^[\w .-]+$",
    )
    token: SecretStr | None = Field(default=None, description="A MotherDuck access token.")

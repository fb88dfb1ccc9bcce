"""Options of a SQLite file."""

from typing import Literal

from pydantic import Field

from connectors.options import SourceOptions

DateNumbers = Literal["refuse", "unix", "unix_ms", "julian"]


class SQLiteOptions(SourceOptions):
    """A SQLite file on the machine of the service."""

    path: str = Field(
        description="Absolute path of the database file, below a folder of TIDEMILL_LOCAL_FILES.",
        examples=["/data/shop.sqlite"],
    )
    text_columns: tuple[str, ...] = Field(
        default=(),
        description="Columns to read as text whatever they hold: 'table.column', 'table.*' for all "
        "columns of a table, '*' for all of the file.",
        examples=[["orders.note"]],
    )
    date_numbers: DateNumbers = Field(
        default="refuse",
        description="What a number in a column of dates or timestamps is: seconds or milliseconds "
        "since 1970, or a Julian day.",
    )

    def is_text(self, table: str, column: str) -> bool:
        """Whether a column is to be read as text whatever it holds."""
        return not {"*", f"{table}.*", f"{table}.{column}"}.isdisjoint(self.text_columns)

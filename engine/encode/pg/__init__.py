"""Rows as the bytes of the Postgres protocol (version 3.0), made inside a worker.

The door writes what is not rows: RowDescription, CommandComplete, CopyOutResponse, CopyDone.

Invariant: pure, as all encoders are, and byte for byte what Postgres 15 and later send.
Trap: types are chosen from the schema alone, so the door and the worker agree without talking.
"""

import dataclasses
from typing import Any

import orjson
import pyarrow as pa

from engine.encode.pg.copy_out import CopyOptions, PgCopyEncoder
from engine.encode.pg.pg_types import TYPES, PgColumn, PgType, numeric_modifier, pg_type_of
from engine.encode.pg.rows import PgRowEncoder, column_formats, types_of

__all__ = [
    "PG_PREFIX",
    "TYPES",
    "CopyOptions",
    "PgColumn",
    "PgCopyEncoder",
    "PgRowEncoder",
    "PgType",
    "column_formats",
    "copy_format_name",
    "numeric_modifier",
    "open_pg_encoder",
    "pg_type_of",
    "rows_format_name",
    "types_of",
]

PG_PREFIX = "pg:"


def rows_format_name(formats: "list[int] | tuple[int, ...]" = (), time_zone: str = "UTC") -> str:
    """Name the format of a query's rows, for a task.

    >>> rows_format_name([1])
    'pg:{"formats":[1],"time_zone":"UTC"}'
    """
    return PG_PREFIX + orjson.dumps({"formats": list(formats), "time_zone": time_zone}).decode()


def copy_format_name(options: CopyOptions, time_zone: str = "UTC") -> str:
    """Name the format of a COPY, for a task."""
    fields = dataclasses.asdict(options)
    return PG_PREFIX + orjson.dumps({"copy": fields, "time_zone": time_zone}).decode()


def open_pg_encoder(format_name: str, schema: pa.Schema) -> PgRowEncoder | PgCopyEncoder:
    """Open an encoder for one response.

    Args:
        format_name: `pg:` and JSON, as `rows_format_name` and `copy_format_name` write it:
            `formats` (0 text, 1 binary; one for all columns or one each, none is all text) or
            `copy` (fields of CopyOptions), and `time_zone`.
        schema: of every batch to come.

    Raises:
        ValueError: not such a name, or it does not fit the schema.
    """
    if not format_name.startswith(PG_PREFIX):
        raise ValueError(f"not a format of the Postgres protocol: {format_name!r}")
    told = orjson.loads(format_name.removeprefix(PG_PREFIX))
    if not isinstance(told, dict):
        raise ValueError(f"not a format of the Postgres protocol: {format_name!r}")  # noqa: TRY004 - it is a text's content
    time_zone = told.get("time_zone", "UTC")
    if "copy" not in told:
        return PgRowEncoder(schema, told.get("formats", ()), time_zone=time_zone)
    return PgCopyEncoder(schema, _options(told["copy"]), time_zone=time_zone)


def _options(fields: dict[str, Any]) -> CopyOptions:
    forced = fields.get("force_quote", ())
    fields = fields | {"force_quote": forced if forced == "all" else tuple(forced)}
    try:
        return CopyOptions(**fields)
    except TypeError as error:
        raise ValueError("not the options of a COPY") from error

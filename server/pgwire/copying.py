"""Reads the options of COPY … TO STDOUT and checks them as Postgres does."""

from typing import Literal, cast

from engine.encode.pg import CopyOptions
from server.pgwire.commands import Copy
from server.pgwire.errors import PgError

_FORMATS = ("text", "csv", "binary")
_KNOWN = frozenset(
    {"format", "header", "delimiter", "null", "quote", "escape", "force_quote", "encoding"}
)
_TRUE = frozenset({"true", "on", "1"})
_FALSE = frozenset({"false", "off", "0"})
_NOT_DELIMITERS = frozenset("\\.abcdefghijklmnopqrstuvwxyz0123456789")


def copy_options(copy: Copy) -> CopyOptions:
    """Read the options of a command.

    Raises:
        PgError: there is no such option, or its value is not right.
    """
    options = copy.options
    for name in options:
        if name not in _KNOWN:
            raise PgError(f'option "{name}" not recognized', "42601")
    kind = _text(options.get("format", "text")).lower()
    if kind not in _FORMATS:
        raise PgError(f'COPY format "{kind[:60]}" not recognized', "22023")
    if kind == "binary" and {"delimiter", "null", "header"} & options.keys():
        raise PgError("cannot specify DELIMITER, NULL or HEADER in BINARY mode", "42601")
    if kind != "csv" and {"quote", "escape", "force_quote"} & options.keys():
        raise PgError("COPY quote, escape and force_quote are available only in CSV mode", "0A000")
    if _text(options.get("encoding", "utf8")).lower().replace("-", "") != "utf8":
        raise PgError("COPY is UTF8 only", "22023")
    force = options.get("force_quote", ())
    found = CopyOptions(
        format=cast("Literal['text', 'csv', 'binary']", kind),
        header=_flag(_text(options.get("header", "false"))),
        delimiter=_character(options, "delimiter"),
        null=_null(options),
        quote=_character(options, "quote") or '"',
        escape=_character(options, "escape"),
        force_quote="all" if force == "*" else (force,) if isinstance(force, str) else force,
    )
    _check_apart(found)
    return found


def _check_apart(options: CopyOptions) -> None:
    delimiter = options.separator
    if options.format == "csv" and delimiter == options.quote:
        raise PgError("COPY delimiter and quote must be different", "22023")
    if options.format == "text" and delimiter in _NOT_DELIMITERS:
        raise PgError(f'COPY delimiter cannot be "{delimiter}"', "22023")
    if options.null is not None and options.format != "binary" and delimiter in options.null:
        raise PgError("COPY delimiter character must not appear in the NULL specification", "22023")


def _null(options: dict[str, str | tuple[str, ...]]) -> str | None:
    if "null" not in options:
        return None
    null = _text(options["null"])
    if "\n" in null or "\r" in null:
        raise PgError("COPY null representation cannot use newline or carriage return", "22023")
    return null


def _character(options: dict[str, str | tuple[str, ...]], name: str) -> str | None:
    if name not in options:
        return None
    value = _text(options[name])
    if len(value.encode()) != 1:
        raise PgError(f"COPY {name} must be a single one-byte character", "0A000")
    if value in "\r\n":
        raise PgError(f"COPY {name} cannot be newline or carriage return", "22023")
    return value


def _flag(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise PgError("header requires a Boolean value", "42601")


def _text(value: str | tuple[str, ...]) -> str:
    if isinstance(value, tuple):
        raise PgError("this option of COPY takes one value", "42601")
    return value

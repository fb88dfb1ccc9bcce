"""Where a dataset's rows come from, as the API spells it.

Two spellings are accepted: with ``type`` (it decides) and without (the distinguishing key does).
With a type, the distinguishing keys of other kinds are ignored; any other key that does not belong
to the kind is refused, because what it asks for would not happen. What a refresh needs later is :func:`stored_source`; it
holds neither the inline content nor anything secret.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias, TypeVar

from engine.errors import InvalidRequest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UploadSource:
    """A file sent before."""

    upload_id: str
    format: str | None
    columns: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class InlineSource:
    """Text inside the request."""

    format: str
    content: str
    columns: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file to fetch, now and at every refresh."""

    url: str
    format: str | None
    columns: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class SqlSource:
    """A query; it becomes a saved query of this name, or of the dataset's label."""

    sql: str
    name: str | None
    description: str | None


@dataclass(frozen=True, slots=True)
class SavedQuerySource:
    """A saved query: this version, or the latest at each refresh."""

    saved_query_id: str
    version: int | None


DatasetSource: TypeAlias = UploadSource | InlineSource | UrlSource | SqlSource | SavedQuerySource

# The order decides between untagged sources with several distinguishing keys.
_KEY_OF_TYPE = {
    "upload": "upload_id",
    "inline": "inline",
    "url": "url",
    "sql_query": "sql",
    "saved_query": "saved_query_id",
}
_KEYS_OF_ALL = frozenset(["type", *_KEY_OF_TYPE.values()])
_KEYS_OF_TYPE = {
    "upload": frozenset(["format", "columns"]),
    "inline": frozenset(["columns"]),
    "url": frozenset(["format", "columns"]),
    "sql_query": frozenset(["name", "description"]),
    "saved_query": frozenset(["version"]),
}
_INLINE_KEYS = frozenset(["format", "content", "columns"])
_KEY_CHARS_SHOWN = 100
_TYPE_OF_CLASS: dict[type, str] = {
    UploadSource: "upload",
    InlineSource: "inline",
    UrlSource: "url",
    SqlSource: "sql_query",
    SavedQuerySource: "saved_query",
}


def source_type(source: DatasetSource) -> str:
    """Return the name of the kind of source.

    >>> source_type(UrlSource("https://example.org/a.csv", None, None))
    'url'
    """
    return _TYPE_OF_CLASS[type(source)]


def parse_source(fields: Mapping[str, Any]) -> DatasetSource:
    """Read a source.

    Raises:
        InvalidRequest: no known kind, or a key is missing, unknown or of the wrong type.

    >>> parse_source({"upload_id": "upld1"})
    UploadSource(upload_id='upld1', format=None, columns=None)
    """
    kind = _type_of(fields)
    _refuse_other_keys(fields, kind)
    match kind:
        case "upload":
            return UploadSource(
                _need(fields, "upload_id", str), _take(fields, "format", str), _columns(fields)
            )
        case "inline":
            return _inline_source(fields)
        case "url":
            return UrlSource(
                _need(fields, "url", str), _take(fields, "format", str), _columns(fields)
            )
        case "sql_query":
            return SqlSource(
                _need(fields, "sql", str),
                _take(fields, "name", str),
                _take(fields, "description", str),
            )
        case _:
            return SavedQuerySource(
                _need(fields, "saved_query_id", str), _take(fields, "version", int)
            )


def _inline_source(fields: Mapping[str, Any]) -> InlineSource:
    inline = _need(fields, "inline", dict)
    for key in inline:
        if key not in _INLINE_KEYS:
            raise InvalidRequest(f"Unknown key source.inline.{key[:_KEY_CHARS_SHOWN]}")
    inside, beside = _columns(inline), _columns(fields)
    if inside is not None and beside is not None:
        raise InvalidRequest("source.columns and source.inline.columns cannot both be given")
    columns = beside if inside is None else inside
    return InlineSource(_need(inline, "format", str), _need(inline, "content", str), columns)


def stored_source(source: DatasetSource) -> dict[str, Any]:
    """Return what the catalog keeps of a source; :func:`parse_source` reads it back, inline aside.

    >>> stored_source(SavedQuerySource("svqr1", None))
    {'type': 'saved_query', 'saved_query_id': 'svqr1', 'version': None}
    """
    kept = {"type": source_type(source), **asdict(source)}
    kept.pop("content", None)
    return kept


def _type_of(fields: Mapping[str, Any]) -> str:
    tag = fields.get("type")
    if tag is not None:
        if not isinstance(tag, str) or tag not in _KEY_OF_TYPE:
            raise InvalidRequest(f"Unknown source type; the types are {', '.join(_KEY_OF_TYPE)}")
        return tag
    for kind, key in _KEY_OF_TYPE.items():
        if fields.get(key) is not None:
            return kind
    raise InvalidRequest(f"source needs one of {', '.join(_KEY_OF_TYPE.values())}")


def _refuse_other_keys(fields: Mapping[str, Any], kind: str) -> None:
    """Refuse keys that mean nothing here; null asks for nothing."""
    for key, value in fields.items():
        if value is None or key in _KEYS_OF_TYPE[kind] or key in _KEYS_OF_ALL:
            continue
        raise InvalidRequest(
            f"Unknown key source.{key[:_KEY_CHARS_SHOWN]} for a source of type '{kind}'"
        )


def _need(fields: Mapping[str, Any], key: str, kind: type[T]) -> T:
    value = _take(fields, key, kind)
    if value is None:
        raise InvalidRequest(f"source.{key} is required")
    return value


def _take(fields: Mapping[str, Any], key: str, kind: type[T]) -> T | None:
    value = fields.get(key)
    if value is None:
        return None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InvalidRequest(f"source.{key} must be {_WORDS[kind]}")
    return value


def _columns(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    return _take(fields, "columns", dict)


_WORDS: dict[type, str] = {str: "a string", dict: "an object", int: "an integer"}

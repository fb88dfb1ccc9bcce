"""What a dataset says of its documents: the schema definition, checked, and what follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import jsonschema_rs
import orjson

from engine.documents.media_types import matches
from engine.errors import InvalidRequest

_PATH_CHARS_MAX = 200
METADATA_BYTES_MAX = 64 * 1024
"""Of one entry, as JSON."""
# A value is checked against each part of a schema, and against it again for every reference to it.
_SCHEMA_NODES_MAX = 1000
_REFERENCES_DEEP = 32
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
RETENTION_DAYS_MAX = 36_500


def check_definition(definition: Mapping[str, Any]) -> None:
    """See that the JSON Schemas in a definition are such; its other fields are checked at the door.

    Raises:
        InvalidRequest: one is not, and where.
    """
    parts = (("original", "metadata_schema"), ("processed", "content_schema"))
    for part, name in parts:
        schema = (definition.get(part) or {}).get(name)
        if schema:
            _check_schema(f"{part}.{name}", schema)


def check_metadata(definition: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
    """See that the metadata of an entry is as its dataset wants it.

    Raises:
        InvalidRequest: it is not, and where.
    """
    schema = (definition.get("original") or {}).get("metadata_schema")
    if len(orjson.dumps(metadata)) > METADATA_BYTES_MAX:
        raise InvalidRequest(f"metadata may have at most {METADATA_BYTES_MAX} bytes of JSON")
    if not schema:
        return
    problem = next(iter(_validator(schema).iter_errors(dict(metadata))), None)
    if problem is not None:
        place = ".".join(str(part) for part in problem.instance_path)[:_PATH_CHARS_MAX]
        where = f"metadata.{place}" if place else "metadata"
        raise InvalidRequest(
            f"The {where} breaks the dataset's metadata_schema: {problem.message[:_PATH_CHARS_MAX]}"
        )


def accepts_name(definition: Mapping[str, Any], file_name: str) -> bool:
    """Tell whether a dataset takes an original of this name; one that names no files takes all."""
    original = definition.get("original") or {}
    patterns = [*original.get("required_files", ()), *original.get("optional_files", ())]
    return not patterns or matches(file_name, patterns)


def named_patterns(definition: Mapping[str, Any]) -> str:
    """Name the files a dataset takes, for a message."""
    original = definition.get("original") or {}
    return ", ".join([*original.get("required_files", ()), *original.get("optional_files", ())])


def _check_schema(place: str, schema: Any) -> None:  # noqa: ANN401 - any JSON value
    if not isinstance(schema, dict):
        raise InvalidRequest(f"schema_definition.{place} must be a JSON Schema object")
    if _cost(schema, schema, ()) > _SCHEMA_NODES_MAX:
        raise InvalidRequest(
            f"schema_definition.{place} is too large: with each $ref written out it may have "
            f"{_SCHEMA_NODES_MAX} parts, and none inside itself"
        )
    try:
        _validator(schema)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        sentence = str(error).splitlines()[0][:_PATH_CHARS_MAX]
        raise InvalidRequest(
            f"schema_definition.{place} is not a JSON Schema that stands alone: {sentence}"
        ) from None


def _validator(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    # Nothing is fetched, and no pattern takes more than linear time.
    return jsonschema_rs.validator_for(
        schema, offline=True, pattern_options=jsonschema_rs.RegexOptions()
    )


def _cost(value: Any, root: dict[str, Any], within: tuple[str, ...]) -> int:  # noqa: ANN401 - JSON
    """Count the parts of a schema with its references written out; stops once they are too many."""
    if isinstance(value, list):
        parts = [*value]
    elif isinstance(value, dict):
        parts = [*value.values()]
        for name in _REFERENCES:
            target = value.get(name)
            if isinstance(target, str):
                if target in within or len(within) == _REFERENCES_DEEP:
                    return _SCHEMA_NODES_MAX + 1
                found = _pointed(root, target)
                parts.append(_Referred(found, (*within, target)))
    elif isinstance(value, _Referred):
        return _cost(value.schema, root, value.within)
    else:
        return 1
    total = 1
    for part in parts:
        total += _cost(part, root, within)
        if total > _SCHEMA_NODES_MAX:
            break
    return total


@dataclass(frozen=True, slots=True)
class _Referred:
    """What a reference means, and through which references it was reached."""

    schema: Any
    within: tuple[str, ...]


def _pointed(root: dict[str, Any], target: str) -> Any:  # noqa: ANN401 - JSON
    """Follow a JSON pointer or an anchor; what it does not find, the validator refuses."""
    if not target.startswith("#/"):
        return root if target == "#" else _anchored(root, target.removeprefix("#"))
    found: Any = root
    for part in target[2:].split("/"):
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(key)
        elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            return None
    return found


def _anchored(value: Any, name: str) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        if name in (value.get("$anchor"), value.get("$dynamicAnchor"), value.get("$id")):
            return value
        value = list(value.values())
    if isinstance(value, list):
        return next((found for each in value if (found := _anchored(each, name)) is not None), None)
    return None

"""The metadata of an entry as a search sees it: words to find, and values to filter and count by.

Metadata is any JSON object. Its words are those of all texts, numbers and booleans in it, however deep. Its
values are those of its fields and of the items of their lists; what is deeper is no value. A value
is of one kind: ``2021`` and ``2021.0`` are one, and ``"2021"`` is another.

The trap: the names and values become a path and a term of an index, so a name is a hash there, and a
value begins with the sign of its kind: otherwise a text like a date would be read as one. Segments of
format 1 that were built before there were two signs have that of texts for all their values: by
numbers and booleans their entries are found once they are merged or registered again.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

VALUE_CHARS_MAX = 200
"""Longer values are found by a filter, and not counted."""
_DEPTH_MAX = 32
_TEXT, _OTHER, _LONG = "=", "~", "#"
"""Signs of a text, of a number or a boolean, and of the hash of a long text; no number has them."""
_WHOLE_MAX = 2.0**53


def value_text(value: object) -> str | None:
    """Return the text of a value; None for what is none.

    >>> [value_text(value) for value in (2021, 2021.0, 0.5, True, "x", None, [])]
    ['2021', '2021', '0.5', 'true', 'x', None, None]
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE_MAX:
        return str(int(value))
    return str(value) if isinstance(value, int | float) else None


def value_key(value: object) -> str | None:
    """Return the text of a value behind the sign of its kind; None for what is none.

    >>> [value_key(value) for value in (5, 5.0, "5", True, "true", None)]
    ['~5', '~5', '=5', '~true', '=true', None]
    """
    text = value_text(value)
    if text is None:
        return None
    return (_TEXT if isinstance(value, str) else _OTHER) + text


def field_values(metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each field with the key of each of its values."""
    for field, value in metadata.items():
        keys = map(value_key, value if isinstance(value, list) else [value])
        for key in dict.fromkeys(keys):
            if key is not None:
                yield field, key


def words(value: Any, depth: int = 0) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Yield the texts of all values."""
    if isinstance(value, dict | list) and depth < _DEPTH_MAX:
        for item in value.values() if isinstance(value, dict) else value:
            yield from words(item, depth + 1)
    elif (text := value_text(value)) is not None:
        yield text


def field_key(field: str) -> str:
    """Return what stands for a field in an index."""
    return "f" + _hash(field)


def value_term(key: str) -> str:
    """Return what stands for the key of a value in an index."""
    return _LONG + _hash(key[1:]) if len(key) > 1 + VALUE_CHARS_MAX else key


def text_of_term(term: str) -> str | None:
    """Return the text of the value that a term stands for; None when it is too long to be told."""
    return None if term.startswith(_LONG) else term[1:]


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

"""Binds positional parameters (``$1``, ``$2``) as literals at their places in the text.

Values arrive from JSON. Each becomes one literal token, so a value can never become SQL; the rest
of the text is untouched. Binding before planning is what lets table functions take parameters.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import InvalidRequest, SqlInvalid
from engine.query.sql_text import PLACEHOLDERS, replaced

PARAMETERS_MAX = 65_535
_NUMBER_DIGITS = 6
_INT64_MAX = 2**63 - 1
_DECIMAL_DIGITS_MAX = 76


@dataclass(frozen=True, slots=True)
class SqlLiteral:
    """A value that is written already, by whoever knows its type: one literal, in brackets if need be."""

    text: str


def bind_parameters(sql: str, values: Sequence[Any]) -> str:
    """Put values in the places of ``$1`` … ``$n``.

    Args:
        sql: text with placeholders; each number from 1 to ``len(values)``.
        values: None, bool, int, float, str, a flat list of these (an ARRAY), or literals.

    Raises:
        InvalidRequest: a value has no SQL literal.
        SqlInvalid: a placeholder has no value, or a value has no placeholder.

    >>> bind_parameters("SELECT $1, '$1', $2", ["it's", 7])
    "SELECT 'it''s', '$1', 7"
    """
    used: set[int] = set()

    def literal(found: re.Match[str]) -> str:
        number = placeholder_number(found["number"])
        if not 1 <= number <= min(len(values), PARAMETERS_MAX):
            raise SqlInvalid(f"There is no value for the parameter ${found['number']}.")
        used.add(number)
        return _literal(values[number - 1])

    text = replaced(sql, PLACEHOLDERS.find(sql), literal)
    if len(used) < len(values):
        unused = min(set(range(1, len(values) + 1)) - used)
        raise SqlInvalid(f"The SQL has no placeholder ${unused} for one of the values in params.")
    return text


def placeholder_number(digits: str) -> int:
    """Read the number of a placeholder, of any length: what is beyond the most there can be stays beyond.

    >>> placeholder_number("7"), placeholder_number("9" * 5000)
    (7, 999999)
    """
    return int(digits[:_NUMBER_DIGITS])


def count_placeholders(sql: str) -> int:
    """Return the highest number of a placeholder, at most ``PARAMETERS_MAX``."""
    numbers = [placeholder_number(found["number"]) for found in PLACEHOLDERS.find(sql)]
    return min(max(numbers, default=0), PARAMETERS_MAX)


def _literal(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, SqlLiteral):
        return value.text
    if value is None or isinstance(value, bool):
        return "NULL" if value is None else str(value).upper()
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list) and not any(isinstance(item, list | dict) for item in value):
        return "ARRAY[" + ", ".join(map(_item, value)) + "]"
    raise InvalidRequest("A parameter must be null, a boolean, a number, a string or a flat list.")


def _item(value: Any) -> str:  # noqa: ANN401 - as above
    """Write an item of an array: between commas a minus needs no brackets."""
    return repr(value) if type(value) is float and math.isfinite(value) else _literal(value)


def _integer(value: int) -> str:
    if abs(value) <= _INT64_MAX:
        # The brackets keep `-$1` from becoming a comment when the value is negative.
        return str(value) if value >= 0 else f"({value})"
    digits = len(str(abs(value)))
    if digits > _DECIMAL_DIGITS_MAX:
        raise InvalidRequest("An integer parameter has more digits than a DECIMAL can hold.")
    return f"CAST('{value}' AS DECIMAL({digits}, 0))"


def _float(value: float) -> str:
    if math.isfinite(value):
        text = repr(value)
        return text if value >= 0 and text[0] != "-" else f"({text})"
    return f"CAST('{value}' AS DOUBLE)"


def _text(value: str) -> str:
    if "\x00" in value:
        raise InvalidRequest("A string parameter must not contain NUL characters.")
    return "'" + value.replace("'", "''") + "'"

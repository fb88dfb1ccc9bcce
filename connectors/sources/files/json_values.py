"""What JSON values are: the narrowest type of many, and one value as a type, exactly.

Objects become structs, arrays lists, a missing key NULL. Text stays text, also when it looks like a
date. Whole numbers are int64, decimal(38, 0) beyond it; other numbers DOUBLE if that keeps them. Where
values of different kinds meet (a number here, an object there), or nothing keeps a number, they are
text: strings as they are, everything else as JSON, with numbers spelled as in the file.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa

from connectors.sources.files.text_values import BIG_INTEGER, exact_decimal, is_exact_double

DEPTH_MAX = 30
"""How deep objects and arrays may nest; what is deeper becomes text."""
_INTEGER_MAX = (1 << 63) - 1
_DECIMAL_MAX = 10**38 - 1


class Number(str):
    """A number, spelled as in the file."""

    __slots__ = ()

    @property
    def is_whole(self) -> bool:
        """Whether it is written without a point and an exponent."""
        return self.removeprefix("-").isdigit()


class Misfit(ValueError):
    """A value is not of the type of its column; its argument is the path within the column."""


def parse_object(line: bytes) -> dict[str, Any]:
    """Parse one object, with numbers as they are spelled.

    Raises:
        ValueError: it is not valid JSON, no object, or has a key twice.
    """
    value = json.loads(
        line,
        parse_int=Number,
        parse_float=Number,
        parse_constant=_refuse_constant,
        object_pairs_hook=_unique,
    )
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - as all that is wrong with the text
    return value


@dataclass(slots=True)
class Shape:
    """What is known of the values at one place; NULL says nothing."""

    kinds: set[str] = field(default_factory=set)
    low: int = 0
    high: int = 0
    is_double: bool = True
    item: "Shape | None" = None
    fields: dict[str, "Shape"] = field(default_factory=dict)

    def add(self, value: Any, depth: int = 0) -> None:  # noqa: ANN401 - any JSON value
        """Learn from one more value."""
        if value is None:
            return
        if depth > DEPTH_MAX:
            self.kinds.add("deep")
        elif isinstance(value, Number):
            self._add_number(value)
        elif isinstance(value, dict):
            self.kinds.add("object")
            for key, inner in value.items():
                self.fields.setdefault(key, Shape()).add(inner, depth + 1)
        elif isinstance(value, list):
            self.kinds.add("array")
            self.item = self.item or Shape()
            for inner in value:
                self.item.add(inner, depth + 1)
        else:
            self.kinds.add(type(value).__name__)

    def merge(self, other: "Shape") -> None:
        """Learn what another shape knows."""
        self.kinds |= other.kinds
        self.low = min(self.low, other.low)
        self.high = max(self.high, other.high)
        self.is_double = self.is_double and other.is_double
        if other.item is not None:
            self.item = self.item or Shape()
            self.item.merge(other.item)
        for key, inner in other.fields.items():
            self.fields.setdefault(key, Shape()).merge(inner)

    def type(self) -> pa.DataType:
        """Return the narrowest type of all values so far."""
        if len(self.kinds) != 1:
            whole = self.kinds == {"whole", "fraction"} and self.is_double
            return pa.float64() if whole else pa.string()
        (kind,) = self.kinds
        if kind == "object" and self.fields:
            return pa.struct([pa.field(key, inner.type()) for key, inner in self.fields.items()])
        if kind == "array" and self.item is not None:
            return pa.list_(self.item.type())
        if kind == "whole":
            return self._whole_type()
        if kind == "fraction" and self.is_double:
            return pa.float64()
        return pa.bool_() if kind == "bool" else pa.string()

    def _add_number(self, value: Number) -> None:
        self.kinds.add("whole" if value.is_whole else "fraction")
        self.is_double = self.is_double and is_exact_double(value)
        if value.is_whole:
            self.low = min(self.low, int(value))
            self.high = max(self.high, int(value))

    def _whole_type(self) -> pa.DataType:
        if _is_int64(self.low) and _is_int64(self.high):
            return pa.int64()
        is_decimal = max(-self.low, self.high) <= _DECIMAL_MAX
        return BIG_INTEGER if is_decimal else pa.string()


def value_of(value: Any, dtype: Any) -> Any:  # noqa: ANN401 - any JSON value, type and Python value
    """Return a value as Arrow takes it for a type.

    Raises:
        Misfit: it is not of this type, or would be another value as one.
    """
    if value is None:
        return None
    if pa.types.is_string(dtype):
        return text_of(value)
    if pa.types.is_struct(dtype) and isinstance(value, dict):
        return _struct_of(value, dtype)
    if pa.types.is_list(dtype) and isinstance(value, list):
        return [value_of(inner, dtype.value_type) for inner in value]
    if pa.types.is_boolean(dtype) and isinstance(value, bool):
        return value
    if isinstance(value, Number) and (number := _number_of(value, dtype)) is not None:
        return number
    raise Misfit


def text_of(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    """Return a string as it is, anything else as JSON.

    Raises:
        ValueError: a string in it is no text (half of a surrogate pair).
    """
    if value is None:
        return None
    if isinstance(value, str):
        return str(value)
    try:
        return orjson.dumps(
            value,
            default=lambda number: orjson.Fragment(number.encode()),
            option=orjson.OPT_PASSTHROUGH_SUBCLASS,
        ).decode()
    except TypeError as error:
        raise ValueError("not text") from error


def _struct_of(value: dict[str, Any], dtype: Any) -> dict[str, Any]:  # noqa: ANN401 - a struct type
    unknown = value.keys() - {inner.name for inner in dtype.fields}
    if unknown:
        raise Misfit(min(unknown))
    return {inner.name: value_of(value.get(inner.name), inner.type) for inner in dtype.fields}


def _number_of(value: Number, dtype: Any) -> Any:  # noqa: ANN401 - a numeric type and value
    if pa.types.is_integer(dtype) and value.is_whole and _is_int64(int(value)):
        return int(value)
    if pa.types.is_floating(dtype) and is_exact_double(value):
        return float(value)
    if pa.types.is_decimal(dtype):
        return exact_decimal(value, dtype)
    return None


def _is_int64(number: int) -> bool:
    return ~_INTEGER_MAX <= number <= _INTEGER_MAX


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is twice in one object")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")

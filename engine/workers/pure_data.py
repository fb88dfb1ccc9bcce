"""Frozen dataclasses as JSON and back: how tasks cross a process border.

What the types of the fields say is all there is: no class name is read from the bytes. Bytes travel as
base64 inside the JSON, so they must stay small.
"""

import base64
import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import orjson

T = TypeVar("T")

_Load = Callable[[Any], Any]


def dump_data(value: object) -> bytes:
    """Write a dataclass, or a list of such, as JSON."""
    return orjson.dumps(value, default=_dump_bytes)


def load_data(kind: type[T], value: Any) -> T:  # noqa: ANN401 - what JSON gave
    """Make a dataclass of what its JSON was parsed to."""
    hint: Any = kind
    load = _loader(hint)
    assert load is not None
    return cast("T", load(value))


@cache
def _loader(hint: Any) -> _Load | None:  # noqa: ANN401 - a type as it was written
    """Return what turns a JSON value into a value of a type; None when it is one already."""
    if hint is bytes:
        return base64.b64decode
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if isinstance(hint, type) and is_dataclass(hint):
        return _dataclass_loader(hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin is tuple:
        return _tuple_loader(_loader(args[0]))
    if origin in (Union, types.UnionType):
        inner = [_loader(arg) for arg in args if arg is not type(None)]
        assert len(inner) == 1 or not any(inner), "one alternative besides None"
        return _optional_loader(inner[0])
    return None


def _dataclass_loader(kind: type[Any]) -> _Load:
    hints = get_type_hints(kind)
    loaders = [(field.name, _loader(hints[field.name])) for field in fields(kind)]
    changing = [(name, load) for name, load in loaders if load is not None]

    def load(value: dict[str, Any]) -> Any:  # noqa: ANN401 - of the kind
        for name, convert in changing:
            if name in value:
                value[name] = convert(value[name])
        return kind(**value)

    return load


def _tuple_loader(item: _Load | None) -> _Load:
    if item is None:
        return tuple
    return lambda values: tuple([item(value) for value in values])


def _optional_loader(inner: _Load | None) -> _Load | None:
    if inner is None:
        return None
    return lambda value: None if value is None else inner(value)


def _dump_bytes(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(type(value).__name__)

"""How values of the model become column values: times, enums, JSON documents and ordered text.

A value that leaves the database is the one that went in: microseconds are exact, tuples come back
as tuples. The trap is collation: names are compared by code point on both databases, so that a
page never depends on the server's locale.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

import orjson
from sqlalchemy import BigInteger, Text
from sqlalchemy.dialects.postgresql import TEXT
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine
from typing_extensions import override

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

EnumT = TypeVar("EnumT", bound=StrEnum)

# A fresh object per column: SQLAlchemy types are immutable, sharing one is fine.
ORDERED_TEXT: TypeEngine[str] = Text().with_variant(TEXT(collation="C"), "postgresql")


def to_microseconds(moment: datetime) -> int:
    """Count the microseconds since 1970 in UTC.

    >>> to_microseconds(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC))
    1000005
    """
    return (moment - _EPOCH) // _MICROSECOND


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime kept as BIGINT microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_microseconds(value)

    @override
    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Choice(TypeDecorator[EnumT], Generic[EnumT]):
    """A member of a StrEnum kept as its text."""

    impl = Text
    cache_ok = True

    def __init__(self, choices: type[EnumT]) -> None:
        super().__init__()
        self.choices = choices

    @override
    def process_bind_param(self, value: EnumT | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    @override
    def process_result_value(self, value: Any | None, dialect: Dialect) -> EnumT | None:
        return None if value is None else self.choices(value)


class Json(TypeDecorator[Any]):
    """A JSON document kept as text; ``wrap`` rebuilds the value's own type from it."""

    impl = Text
    cache_ok = True

    def __init__(self, wrap: Callable[[Any], Any] | None = None) -> None:
        super().__init__()
        self.wrap = wrap

    @override
    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:
        return None if value is None else orjson.dumps(value).decode()

    @override
    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any | None:
        if value is None:
            return None
        document = orjson.loads(value)
        return document if self.wrap is None else self.wrap(document)

"""Brings SQLite's values, which have types of their own, to the one type of a column.

The invariant: a value arrives exactly, or reading it is an error; SQLite lets any column hold any
type of value. Columns whose values all have the expected type are converted at once, others value
by value.

The trap: pyarrow cuts fractions off, and takes bytes for text, without a word
(``pa.array([1.5], pa.int64())`` is 1), so the Python types are looked at first.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from connectors.arrow_batches import Array
from connectors.sources.sqlite.options import DateNumbers

SqlValue = str | int | float | bytes
"""What SQLite stores, NULL aside."""

Comparison = Literal["free", "text", "number", "never"]

EXACT_DIGITS = 15
"""Decimals of up to so many digits have doubles of their own, and doubles compare as they do."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_JULIAN_EPOCH = 2_440_587.5
_DAY_MS = 86_400_000
_UNIT_US = {"unix": 1_000_000, "unix_ms": 1_000}
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(?:(:\d\d)(?:\.(\d{1,6})0*)?)?(?: ?(Z|[+-]\d\d:\d\d))?)?"
)
_TIME = re.compile(r"(\d\d:\d\d)(?:(:\d\d)(?:\.(\d{1,6})0*)?)?")
_STORED_AS = {str: "text", int: "an integer", float: "a real number", bytes: "a blob"}


@dataclass(frozen=True, slots=True)
class Kind:
    """How values of a column arrive.

    Attributes:
        arrow: the type they arrive in.
        plain: the Python type of values that need no look.
        convert: makes the value for Arrow of any other; raises ValueError when it does not fit.
        bulk: makes an array of plain values; raises ValueError (an ArrowInvalid) when one does
            not fit.
        storage: SQLite's name of the type whose values mean to SQL what they mean to us; None when
            there is none, and conditions need ``coded``.
        coded: makes of what ``convert`` returns a value that SQL compares as it should.
        comparison: how conditions may compare coded values: freely; only with a literal of this
            type, which is coded too, or with a column of the same kind; or never.
        usual: SQL templates of a condition that holds for values as most databases write them,
            and of such a value coded: these need not go through ``convert``.
        is_escaped: values of any type arrive as text, and text is handed over as its bytes.
    """

    arrow: pa.DataType
    plain: frozenset[type]
    convert: Callable[[SqlValue], Any]
    bulk: Callable[[Sequence[Any]], Array]
    storage: str | None = None
    coded: Callable[[Any], SqlValue] = lambda value: value
    comparison: Comparison = "free"
    usual: tuple[str, str] | None = None
    is_escaped: bool = False

    def array(self, values: Sequence[SqlValue | None]) -> Array:
        """Make an array.

        Raises:
            Unfit: a value does not fit.
        """
        found = set(map(type, values)) - {type(None)}
        if found <= self.plain:
            try:
                return self.bulk(values)
            except (ValueError, OverflowError):
                pass
        return pa.array([self.value(v) for v in values], self.arrow)

    def value(self, value: SqlValue | None) -> Any:  # noqa: ANN401 - whatever Arrow takes for the type
        """Convert one value; NULL stays.

        Raises:
            Unfit: it does not fit.
        """
        if value is None:
            return None
        try:
            return self.convert(value)
        except (ValueError, OverflowError, InvalidOperation) as error:
            raise Unfit(_STORED_AS[type(value)]) from error


class Unfit(Exception):
    """A value is not one of its column's type; the message says how it is stored."""


def integer() -> Kind:
    """Whole numbers, as int64."""
    return _simple(pa.int64(), int, "integer", _refuse)


def real() -> Kind:
    """Doubles; an integer that is one exactly is taken."""

    def convert(value: SqlValue) -> float:
        if not isinstance(value, int) or int(float(value)) != value:
            raise ValueError
        return float(value)

    return _simple(pa.float64(), float, "real", convert)


def string(*, is_strict: bool = False) -> Kind:
    """Text; numbers are written as the shortest text that reads back to the same number."""

    def convert(value: SqlValue) -> str:
        return repr(value) if isinstance(value, int | float) else _text(value)

    return _simple(pa.string(), str, "text", _refuse if is_strict else convert)


def binary(*, is_strict: bool = False) -> Kind:
    """Blobs; a text is its bytes in UTF-8."""

    def convert(value: SqlValue) -> bytes:
        return _text(value).encode()

    return _simple(pa.binary(), bytes, "blob", _refuse if is_strict else convert)


def boolean() -> Kind:
    """0 and 1."""

    def convert(value: SqlValue) -> bool:
        if not isinstance(value, int) or value not in {0, 1}:
            raise ValueError
        return bool(value)

    def bulk(values: Sequence[int | None]) -> Array:
        numbers = pa.array(values, pa.int64())
        if not pc.all(pc.is_in(numbers, value_set=pa.array([0, 1, None])), min_count=0).as_py():
            raise ValueError
        return numbers.cast(pa.bool_())

    return Kind(pa.bool_(), frozenset({int}), convert, bulk, coded=int)


def decimal(precision: int, scale: int) -> Kind:
    """Decimals, of integers, of text, and of reals by their shortest text."""
    of = pa.decimal128 if precision <= pa.decimal128(38).precision else pa.decimal256
    arrow = of(precision, scale)

    def bulk(values: Sequence[SqlValue | None]) -> Array:
        texts = [None if v is None else _text_of_number(v) for v in values]
        return pa.array(texts, pa.string()).cast(arrow)

    def convert(value: SqlValue) -> Decimal:
        found: Decimal = bulk([value])[0].as_py()
        return found

    is_exact = precision <= EXACT_DIGITS
    return Kind(
        arrow,
        frozenset({int, float, str}),
        convert,
        bulk,
        coded=float if is_exact else str,
        comparison="number" if is_exact else "never",
    )


def date(numbers: DateNumbers) -> Kind:
    """Days, of ISO texts; a text with a time must be at midnight."""

    def convert(value: SqlValue) -> dt.date:
        moment = _moment(value, numbers)
        if moment.time() != dt.time():
            raise ValueError
        return moment.date()

    def bulk(values: Sequence[str | None]) -> Array:
        return pa.array(values, pa.string()).cast(pa.date32())

    return Kind(
        pa.date32(),
        frozenset({str}),
        convert,
        bulk,
        coded=dt.date.isoformat,
        comparison="text",
        usual=("date({0}) = {0}", "{0}"),
    )


def timestamp(numbers: DateNumbers, *, zone: Literal["UTC"] | None) -> Kind:
    """Moments, of ISO texts; as in SQLite, those with an offset are brought to UTC."""
    in_utc = pa.timestamp("us", "UTC")
    arrow = pa.timestamp("us") if zone is None else in_utc

    def bulk(values: Sequence[str | None]) -> Array:
        texts = pa.array(values, pa.string())
        found: Array
        try:
            found = texts.cast(pa.timestamp("us"))
        except pa.ArrowInvalid:
            found = texts.cast(in_utc)
        return found.cast(arrow)

    def convert(value: SqlValue) -> dt.datetime:
        moment = _moment(value, numbers)
        return moment if zone else moment.replace(tzinfo=None)

    def coded(value: dt.datetime) -> str:
        return value.replace(tzinfo=None).isoformat(" ", "microseconds")

    return Kind(
        arrow,
        frozenset({str}),
        convert,
        bulk,
        coded=coded,
        comparison="text",
        usual=("datetime({0}) = {0}", "{0} || '.000000'"),
    )


def time_of_day() -> Kind:
    """Times of a day, of ISO texts."""

    def convert(value: SqlValue) -> dt.time:
        found = _TIME.fullmatch(_text(value))
        if found is None:
            raise ValueError
        minutes, seconds, fraction = found.groups()
        return dt.time.fromisoformat(
            f"{minutes}{seconds or ':00'}.{(fraction or '').ljust(6, '0')}"
        )

    def bulk(values: Sequence[str | None]) -> Array:
        moments = pa.array([None if v is None else f"1970-01-01 {v}" for v in values], pa.string())
        return moments.cast(pa.timestamp("us")).cast(pa.time64("us"))

    def coded(value: dt.time) -> str:
        return value.isoformat("microseconds")

    return Kind(pa.time64("us"), frozenset({str}), convert, bulk, coded=coded, comparison="text")


def escaped_text() -> Kind:
    """Text of a value of any type; the SQL of such columns gives text as its bytes."""

    def convert(value: SqlValue) -> str:
        if isinstance(value, bytes):
            return value.decode(errors="backslashreplace")
        return value if isinstance(value, str) else repr(value)

    def bulk(values: Sequence[SqlValue | None]) -> Array:
        return pa.array([None if v is None else convert(v) for v in values], pa.string())

    plain = frozenset({bytes, str, int, float})
    return Kind(pa.string(), plain, convert, bulk, storage="text", is_escaped=True)


def count_escaped(values: Iterable[SqlValue | None]) -> int:
    """Count the texts, as bytes, that are not UTF-8."""
    return sum(isinstance(v, bytes) and not _is_utf8(v) for v in values)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _simple(arrow: pa.DataType, plain: type, storage: str, convert: Callable[[Any], Any]) -> Kind:
    def bulk(values: Sequence[Any]) -> Array:
        return pa.array(values, arrow)

    def checked(value: SqlValue) -> Any:  # noqa: ANN401 - whatever Arrow takes for the type
        return value if type(value) is plain else convert(value)

    return Kind(arrow, frozenset({plain}), checked, bulk, storage=storage)


def _refuse(value: SqlValue) -> Any:  # noqa: ANN401 - never returns
    raise ValueError(type(value))


def _text(value: SqlValue) -> str:
    if not isinstance(value, str):
        raise ValueError(type(value))  # noqa: TRY004 - as of every value that does not fit
    return value


def _text_of_number(value: SqlValue) -> str:
    return repr(value) if isinstance(value, int | float) else _text(value)


def _moment(value: SqlValue, numbers: DateNumbers) -> dt.datetime:
    """Read a moment as SQLite's own functions do; without an offset it is in UTC."""
    if isinstance(value, str):
        return _moment_of_text(value)
    if isinstance(value, bytes) or numbers == "refuse":
        raise ValueError
    if numbers == "julian":
        # SQLite itself counts milliseconds of the Julian day.
        return _EPOCH + dt.timedelta(milliseconds=round((value - _JULIAN_EPOCH) * _DAY_MS))
    microseconds = Decimal(repr(value)) * _UNIT_US[numbers]
    if microseconds != int(microseconds):
        raise ValueError
    return _EPOCH + dt.timedelta(microseconds=int(microseconds))


def _moment_of_text(text: str) -> dt.datetime:
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError
    day, minutes, seconds, fraction, zone = found.groups()
    offset = "+00:00" if zone in {None, "Z"} else zone
    time = f"{minutes or '00:00'}{seconds or ':00'}.{(fraction or '').ljust(6, '0')}"
    return dt.datetime.fromisoformat(f"{day} {time}{offset}").astimezone(dt.UTC)

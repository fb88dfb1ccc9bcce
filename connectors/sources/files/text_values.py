"""Texts to typed values: which type a column of texts has, and the conversion to it.

Inference is strict, so that nothing is lost: ``00123`` stays text, a whole number beyond int64 is a
decimal, and a number is a DOUBLE only if the shortest text of that DOUBLE is the same number. A
declared type is lenient in form, never in value: ``007`` is an integer then, and DOUBLE means the
nearest one, but no digit of a decimal and no fraction of a second is dropped.

The trap: Arrow's own casts take ``007``, ``0x1F`` and ``+5`` for numbers, turn ``1e400`` into infinity
and let decimals of more than 38 digits wrap around.
"""

from collections.abc import Callable
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import SourceFailed

Array: TypeAlias = Any
"""A ``pa.Array``; the published stubs refuse valid calls."""
Convert: TypeAlias = Callable[[Array], Array]
"""Raises ValueError for values that do not fit."""

BIG_INTEGER = pa.decimal128(38, 0)
EXACT_DIGITS = 15
"""A DOUBLE keeps every number of so many digits."""

_CANDIDATES = (
    pa.int64(),
    BIG_INTEGER,
    pa.float64(),
    pa.bool_(),
    pa.date32(),
    pa.timestamp("us"),
    pa.timestamp("ns"),
    pa.timestamp("us", tz="UTC"),
    pa.timestamp("ns", tz="UTC"),
)
_PROBE_ROWS = 16
_SUBNORMAL = 1e-300
_NOT_ZERO = r"^[^eE]*[1-9]"
_TOO_LONG_TO_CAST = r"([0-9]\.?){39}"


class _Misfit(ValueError):
    """A text is no value of the type, or would not be the same value as one."""


def infer_type(texts: Array) -> pa.DataType:
    """Return the narrowest type every text has; string when all are NULL or blank.

    >>> infer_type(pa.array(["1", None, "2.5"]))
    DataType(double)
    >>> infer_type(pa.array(["00123"]))
    DataType(string)
    """
    values = _trimmed(texts).drop_null()
    if not len(values):
        return pa.string()
    probe = values.slice(0, _PROBE_ROWS)
    for candidate in _CANDIDATES:
        # Most candidates fail on the first rows; all rows are tried only when those fit.
        if fits(probe, candidate) and fits(values, candidate):
            return candidate
    return pa.string()


def fits(texts: Array, dtype: pa.DataType) -> bool:
    """Whether every text is strictly a value of the type."""
    try:
        convert_inferred(texts, dtype)
    except ValueError:
        return False
    return True


def convert_inferred(texts: Array, dtype: pa.DataType) -> Array:
    """Convert texts to a type inferred from other rows; a blank one is NULL unless text is wanted.

    Raises:
        ValueError: some text is no such value, or would be another value as one.
    """
    if pa.types.is_string(dtype):
        return texts
    texts = _trimmed(texts)
    if pa.types.is_boolean(dtype):
        return _booleans(texts)
    if not pa.types.is_temporal(dtype) and _has_padded_number(texts):
        raise _Misfit
    if pa.types.is_decimal(dtype) and not _all(pc.match_substring_regex(texts, r"^-?[0-9]{1,38}$")):
        raise _Misfit
    values = texts.cast(dtype)
    if pa.types.is_floating(dtype):
        _refuse_rounded(texts, values)
    return values


def convert_declared(texts: Array, dtype: pa.DataType) -> Array:
    """Convert texts to a type the user declared; a blank one is NULL unless text is wanted.

    Raises:
        ValueError: some text is no such value.
    """
    if pa.types.is_string(dtype):
        return texts
    texts = _trimmed(texts)
    if pa.types.is_binary(dtype):
        return pa.array([_from_hex(text) for text in texts.to_pylist()], dtype)
    if pa.types.is_decimal(dtype):
        return _decimals(texts, dtype)
    if pa.types.is_time(dtype):
        on_a_day: Array = pc.binary_join_element_wise(pa.scalar("1970-01-01"), texts, " ")
        return on_a_day.cast(pa.timestamp(dtype.unit)).cast(dtype)
    values = texts.cast(dtype)
    if pa.types.is_floating(dtype):
        unbounded = pc.and_(pc.is_inf(values), pc.invert(pc.match_substring_regex(texts, "[iI]")))
        if _any(unbounded):
            raise _Misfit
    return values


def explained(texts: Array, convert: Convert, *, place: str, first_row: int, kind: str) -> Array:
    """Convert, and say where and how to help when a value does not fit.

    Args:
        texts: of one column.
        convert: see there.
        place: file and column, as a message begins.
        first_row: number of the first row in the file, from 1.
        kind: what the values should be.

    Raises:
        SourceFailed: a value does not fit.
    """
    try:
        return convert(texts)
    except (ValueError, pa.ArrowException) as error:
        row = first_row + _first_failing(texts, convert)
        raise SourceFailed(
            f"{place}, row {row}: a value is no {kind}; declare a type that fits with column_types"
        ) from error


def is_exact_double(text: str) -> bool:
    """Whether a number is what the shortest text of its nearest DOUBLE says.

    >>> [is_exact_double(text) for text in ("0.1", "9007199254740993", "1e400")]
    [True, False, False]
    """
    shortest = repr(float(text))
    return shortest == text or Decimal(shortest) == Decimal(text)


def _first_failing(values: Array, convert: Convert) -> int:
    """Position of the first value that does not convert, by halving."""
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(values.slice(low, middle - low))
            low = middle
        except (ValueError, pa.ArrowException):
            high = middle
    return low


def _trimmed(texts: Array) -> Array:
    trimmed = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.equal(trimmed, pa.scalar("")), pa.scalar(None, pa.string()), trimmed)


def _all(truths: Array) -> bool:
    return bool(pc.all(truths, min_count=0).as_py())


def _any(truths: Array) -> bool:
    return bool(pc.any(truths, min_count=0).as_py())


def _booleans(texts: Array) -> Array:
    lower = pc.utf8_lower(texts)
    true, false = pc.equal(lower, pa.scalar("true")), pc.equal(lower, pa.scalar("false"))
    if not _all(pc.or_(true, false)):
        raise _Misfit
    return true


def _refuse_rounded(texts: Array, values: Array) -> None:
    is_long = pc.greater(pc.utf8_length(texts), pa.scalar(EXACT_DIGITS))
    is_tiny = pc.less(pc.abs(values), pa.scalar(_SUBNORMAL))
    is_tiny = pc.and_(is_tiny, pc.match_substring_regex(texts, _NOT_ZERO))
    is_huge = pc.and_(pc.is_inf(values), pc.invert(pc.match_substring_regex(texts, "[iI]")))
    suspect = pc.or_(pc.or_(is_long, is_tiny), is_huge)
    suspects, doubles = texts.filter(suspect), values.filter(suspect)
    # Most numbers of many digits were written by a program that wrote just this text.
    odd = suspects.filter(pc.not_equal(suspects, doubles.cast(pa.string())))
    if not all(is_exact_double(text) for text in odd.to_pylist()):
        raise _Misfit


def _has_padded_number(texts: Array) -> bool:
    """Whether a number has a leading zero, ``0x`` or ``+``; a regex would be 50 times slower."""
    _, offset_buffer, data_buffer = texts.buffers()
    if data_buffer is None or data_buffer.size == 0:
        return False
    offsets = np.frombuffer(offset_buffer, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(data_buffer, np.uint8)
    starts, lengths = offsets[:-1], np.diff(offsets)
    filled = lengths > 0
    starts, lengths = starts[filled], lengths[filled]
    first = data[starts]
    if (first == ord("+")).any():
        return True
    signed = first == ord("-")
    starts, lengths = starts + signed, lengths - signed
    starts = starts[lengths > 1]
    starts = starts[data[starts] == ord("0")]
    second = data[starts + 1] | 0x20  # lower case; digits already have this bit
    return bool((((second >= ord("0")) & (second <= ord("9"))) | (second == ord("x"))).any())


def _from_hex(text: str | None) -> bytes | None:
    r"""Bytes written as hexadecimal; ``\x`` or ``0x`` in front is fine."""
    if text is None:
        return None
    return bytes.fromhex(text[2:] if text[:2] in {"\\x", "0x", "0X"} else text)


def _decimals(texts: Array, dtype: Any) -> Array:  # noqa: ANN401 - a decimal type
    if not _any(pc.match_substring_regex(texts, _TOO_LONG_TO_CAST)):
        try:
            return texts.cast(dtype)
        except pa.ArrowInvalid:
            pass  # Zeros beyond the scale, or no such number: the exact way tells, 2 µs each.
    return pa.array([exact_decimal(text, dtype) for text in texts.to_pylist()], dtype)


def exact_decimal(text: str | None, dtype: Any) -> Decimal | None:  # noqa: ANN401 - a decimal type
    """Read a decimal of a type.

    Raises:
        ValueError: it is none, or has more digits.
    """
    if text is None:
        return None
    try:
        context = Context(prec=dtype.precision, traps=[Inexact, InvalidOperation])
        return Decimal(text).quantize(Decimal(1).scaleb(-dtype.scale), context=context)
    except (Inexact, InvalidOperation) as error:
        raise _Misfit(text) from error

"""Text to typed values: which type a column of texts has, and the conversion to it.

Inference is strict so that nothing is lost: ``00123`` and ``+49`` stay text (zip codes, telephone
numbers), a whole number beyond int64 is a decimal and never a float, dates and times are ISO 8601
only. Declared types are lenient where the meaning is clear: padded numbers, more decimals than
the scale, a time with or without a zone.

The trap: Arrow's own casts accept ``007``, ``0x1F`` and ``+5`` as numbers, turn ``1e400`` into
infinity and let decimals of more than 38 digits wrap around.
"""

from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.datasets.arrow_values import Column, Texts, Type
from engine.datasets.errors import TypeContradiction
from engine.datasets.widening import BIG_INTEGER

_UTC_US = pa.timestamp("us", tz="UTC")
_ZONED = r":\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)$"
_NOT_A_FLOAT = r"^-?[0-9]+$|^[^iI]*[eE]\+?([0-9]{4,}|[4-9][0-9]{2}|3[1-9][0-9])$"
"""Among texts of 1e38 and more: whole numbers beyond any decimal, exponents beyond any float."""
_CANDIDATES = (
    pa.int64(),
    BIG_INTEGER,
    pa.float64(),
    pa.bool_(),
    pa.date32(),
    pa.timestamp("us"),
    pa.timestamp("ns"),
    _UTC_US,
    pa.timestamp("ns", tz="UTC"),
)
_PROBE_ROWS = 16
_TOO_LONG_TO_CAST = r"([0-9]\.?){39}"


def infer_type(texts: Texts) -> pa.DataType:
    """Return the narrowest type every non-null text has; null when there is none.

    >>> infer_type(pa.array(["1", None, "2.5"]))
    DataType(double)
    >>> infer_type(pa.array(["00123"]))
    DataType(string)
    """
    values = texts.drop_null()
    if len(values) == 0:
        return pa.null()
    probe = values.slice(0, _PROBE_ROWS)
    for candidate in _CANDIDATES:
        # Most candidates fail on the first rows; the whole block is tried only when those fit.
        if _fits(probe, candidate) and _fits(values, candidate):
            return candidate
    return pa.string()


def _fits(values: Texts, dtype: pa.DataType) -> bool:
    try:
        convert_inferred(values, dtype)
    except TypeContradiction:
        return False
    return True


def convert_inferred(texts: Texts, dtype: Type) -> Column:
    """Convert texts to a type inferred from other rows; numbers may have blanks around them.

    Raises:
        TypeContradiction: some text is not such a value, or would lose something as one.
    """
    if pa.types.is_string(dtype):
        return texts
    if pa.types.is_null(dtype):
        if texts.null_count < len(texts):
            raise TypeContradiction
        return pa.nulls(len(texts))
    if pa.types.is_boolean(dtype):
        return _strict_booleans(texts)
    try:
        values = texts.cast(dtype)
    except pa.ArrowInvalid:
        if pa.types.is_temporal(dtype):
            raise TypeContradiction from None
        texts = _trimmed(texts)
        values = _cast_or_contradict(texts, dtype)
    if not pa.types.is_temporal(dtype):
        _refuse_lossy_numbers(texts, values)
    return values


def _cast_or_contradict(texts: Texts, dtype: Type) -> Column:
    try:
        return texts.cast(dtype)
    except pa.ArrowInvalid:
        raise TypeContradiction from None


def _strict_booleans(texts: Texts) -> Column:
    lower = pc.utf8_lower(texts)
    true, false = pc.equal(lower, pa.scalar("true")), pc.equal(lower, pa.scalar("false"))
    if not pc.all(pc.or_(true, false)).as_py():
        raise TypeContradiction
    return true


def _trimmed(texts: Texts) -> Texts:
    """Texts without blanks around them; nothing but blanks is null."""
    trimmed = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.equal(trimmed, pa.scalar("")), pa.scalar(None, pa.string()), trimmed)


def _refuse_lossy_numbers(texts: Texts, values: Column) -> None:
    if _has_padded_number(texts):
        raise TypeContradiction
    if pa.types.is_decimal(values.type):
        if not pc.all(pc.match_substring_regex(texts, r"^-?[0-9]{1,38}$")).as_py():
            raise TypeContradiction
    elif pa.types.is_floating(values.type):
        huge = texts.filter(pc.greater_equal(pc.abs(values), pa.scalar(1e38)))
        if len(huge) and pc.any(pc.match_substring_regex(huge, _NOT_A_FLOAT)).as_py():
            raise TypeContradiction


def _has_padded_number(texts: Texts) -> bool:
    """Whether a number has a leading zero, ``0x`` or ``+``; a regex would be 50 times slower."""
    _, offset_buffer, data_buffer = texts.buffers()
    if data_buffer is None or data_buffer.size == 0:
        return False
    starts = np.frombuffer(offset_buffer, np.int32)[texts.offset : texts.offset + len(texts)]
    data = np.frombuffer(data_buffer, np.uint8)
    ends = np.frombuffer(offset_buffer, np.int32)[texts.offset + 1 : texts.offset + len(texts) + 1]
    filled = ends > starts
    starts, lengths = starts[filled], (ends - starts)[filled]
    first = data[starts]
    if (first == ord("+")).any():
        return True
    signed = first == ord("-")
    starts, lengths = starts + signed, lengths - signed
    longer = lengths > 1
    starts = starts[longer]
    starts = starts[data[starts] == ord("0")]
    second = data[starts + 1] | 0x20  # lower case; digits already have this bit
    return bool((((second >= ord("0")) & (second <= ord("9"))) | (second == ord("x"))).any())


def convert_declared(texts: Texts, dtype: Type) -> Column:
    """Convert texts to a declared type.

    Raises:
        ValueError: some text is not such a value (``pa.ArrowInvalid`` is one).
    """
    if pa.types.is_string(dtype):
        return texts
    texts = _trimmed(texts)
    if pa.types.is_binary(dtype):
        return pa.array([_from_hex(text) for text in texts.to_pylist()], dtype)
    if pa.types.is_decimal(dtype):
        return _decimals(texts, dtype)
    if pa.types.is_timestamp(dtype):
        return _timestamps(texts, dtype)
    return _times(texts, dtype) if pa.types.is_time(dtype) else texts.cast(dtype)


def _from_hex(text: str | None) -> bytes | None:
    r"""Bytes written as hexadecimal, as results show them; ``\x`` or ``0x`` in front is fine."""
    if text is None:
        return None
    return bytes.fromhex(text[2:] if text[:2] in {"\\x", "0x", "0X"} else text)


def _decimals(texts: Texts, dtype: Type) -> Column:
    if not pc.any(pc.match_substring_regex(texts, _TOO_LONG_TO_CAST)).as_py():
        try:
            return texts.cast(dtype)
        except pa.ArrowInvalid:
            pass  # More decimals than the scale, or no number: the exact way tells, 2 µs each.
    return pa.array([_exact_decimal(text, dtype.scale) for text in texts.to_pylist()], dtype)


def _exact_decimal(text: str | None, scale: int) -> Decimal | None:
    if text is None:
        return None
    try:
        context = Context(prec=len(text) + scale, rounding=ROUND_HALF_UP)
        return Decimal(text).quantize(Decimal(1).scaleb(-scale), context=context)
    except InvalidOperation as exc:
        raise ValueError(text) from exc


def _timestamps(texts: Texts, dtype: Type) -> Column:
    try:
        return texts.cast(dtype)
    except pa.ArrowInvalid:
        zoned = pc.match_substring_regex(texts, _ZONED)
        nothing = pa.scalar(None, pa.string())
        with_zone = _microseconds(pc.if_else(zoned, texts, nothing), tz="UTC")
        without = _microseconds(pc.if_else(zoned, nothing, texts), tz=None)
        # Both are microseconds since the epoch; a time without a zone is taken as UTC.
        return pc.coalesce(with_zone.cast(pa.int64()), without.cast(pa.int64())).cast(dtype)


def _microseconds(texts: Texts, *, tz: str | None) -> Column:
    try:
        return texts.cast(pa.timestamp("us", tz=tz))
    except pa.ArrowInvalid:
        return texts.cast(pa.timestamp("ns", tz=tz)).cast(pa.timestamp("us", tz=tz), safe=False)


def _times(texts: Texts, dtype: Type) -> Column:
    on_a_day: Texts = pc.binary_join_element_wise(pa.scalar("1970-01-01"), texts, " ")
    return on_a_day.cast(pa.timestamp("us")).cast(dtype)

"""Text of floats as Postgres writes it: the shortest digits that read back as the same float.

Invariant: an exponent of two digits or more below 1e-4 and from 1e15 (float8) or 1e6 (float4) on;
plain digits between.
Trap: orjson writes the common ones fastest but with its own idea of where exponents begin, so the
others come from Arrow's cast and are brought into form by expressions over whole columns.
"""

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from engine.encode.strings import TEXT, Array, Text, from_parts, kernels, nulled

_PLAIN_FROM = 1e-4
_EXPONENT_FROM = {64: 1e15, 32: 1e6}
_LARGEST_PLAIN_EXPONENT = 15
# Halfway points are odd multiples of powers of two: beyond, none has 17 digits.
_NO_HALFWAY = 1e41


def float_text(array: Array) -> Text:
    """Text of float16 (as a float4), float32 and float64: `1.5`, `1e-05`, `-0`, `Infinity`."""
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    numbers = np.ascontiguousarray(array.fill_null(0).to_numpy())
    size = np.abs(numbers)
    plain = (size >= _PLAIN_FROM) & (size < _EXPONENT_FROM[array.type.bit_width]) | (size == 0)
    text = _plain_text(np.where(plain, numbers, 0) if not plain.all() else numbers)
    if not plain.all():
        others = pa.array(numbers[~plain])
        text = kernels.replace_with_mask(text, pa.array(~plain), _unusual_text(others))
    return nulled(text, array)


def _plain_text(numbers: npt.NDArray[np.floating]) -> Text:
    """One orjson call, cut at its commas; whole numbers lose their `.0`."""
    joined = orjson.dumps(np.ascontiguousarray(numbers), option=orjson.OPT_SERIALIZE_NUMPY)
    data = np.frombuffer(joined, np.uint8)
    # Each text is followed by a comma, the last one by the bracket.
    ends = np.append(np.flatnonzero(data == ord(",")), len(data) - 1)
    starts = np.empty_like(ends)
    starts[0], starts[1:] = 1, ends[:-1] + 1
    whole = (data[ends - 1] == ord("0")) & (data[ends - 2] == ord("."))
    lengths = ends - starts - 2 * whole
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
    if whole.any():
        kept = np.ones(len(data), np.bool_)
        kept[0] = kept[ends] = False
        kept[ends[whole] - 1] = kept[ends[whole] - 2] = False
        texts = data[kept].tobytes()
    else:
        texts = joined.translate(None, b"[,]")
    return from_parts(offsets, texts, pa.array(numbers))


def _unusual_text(numbers: Array) -> Text:
    """Not finite, or with an exponent."""
    text = numbers.cast(TEXT)
    text = _replaced(_replaced(text, "inf", "Infinity"), "nan", "NaN")
    # 0.0000123, which Arrow writes down to 1e-6.
    for zeros in (4, 5):
        below = rf"^(-?)0\.0{{{zeros}}}([1-9])(\d*)$"
        text = _replaced(text, below, rf"\1\2.\3e-{zeros + 1:02}")
    # 1234567.5, which float4 writes with an exponent and Arrow plain.
    for above in range(6, _LARGEST_PLAIN_EXPONENT):
        plain = rf"^(-?)(\d)(\d{{{above}}})(?:\.(\d*))?$"
        text = _replaced(text, plain, rf"\1\2.\3\4e+{above:02}")
    text = _replaced(text, r"\.?0*e", "e")
    # RE2 knows groups of one digit only: group 1, a zero, group 2.
    text = _replaced(text, r"e([+-])(\d)$", r"e\10\2")
    return _inside_bounds(text, numbers)


def _inside_bounds(text: Text, numbers: Array) -> Text:
    """Lengthen texts that lie halfway to the next float: Postgres does not trust readers with them.

    Such a text reads back only by the rule of halves to even. It is an integer whose power of two
    is exactly that of the halfway point, which few are: those are decided one by one.
    """
    values = numbers.to_numpy()
    bits = np.finfo(values.dtype).nmant + 1
    size = np.abs(values.astype(np.float64))
    large = (size >= 2.0**bits) & (size < _NO_HALFWAY)
    if not large.any():
        return text
    shown = text.filter(pa.array(large))
    digits = _replaced(shown, r"^-?(\d)\.?(\d*)e.*$", r"\1\2")
    exponents = _replaced(shown, r"^.*e\+", "").cast(pa.int64()).to_numpy()
    decimals = kernels.binary_length(digits).cast(pa.int64()).to_numpy() - 1
    whole = digits.cast(pa.int64()).to_numpy()
    twos = np.frexp((whole & -whole).astype(np.float64))[1] - 1 + exponents - decimals
    fractions, powers = np.frexp(values[large])
    halfway = powers - bits - 1
    # frexp gives 0.5 for powers of two: floats are twice as dense below them.
    may_be = (twos == halfway) | (np.abs(fractions) == 0.5) & (twos == halfway - 1)  # noqa: PLR2004
    suspects = np.flatnonzero(large)[may_be]
    if not len(suspects):
        return text
    mask = np.zeros(len(values), np.bool_)
    mask[suspects] = True
    longer = [_shortest_inside(int(values[index]), bits) for index in suspects]
    return kernels.replace_with_mask(text, pa.array(mask), pa.array(longer, TEXT))


def _shortest_inside(value: int, bits: int) -> str:
    """Fewest digits that are nearer to `value` than to the floats next to it.

    >>> _shortest_inside(-69961498258035904, 53)
    '-6.9961498258035904e+16'
    """
    size = abs(value)
    # Twice the distances, which may be one half. Below a power of two, floats are twice as dense.
    above = 1 << (size.bit_length() - bits)
    below = above if size & (size - 1) else above // 2
    digits = str(size)
    for count in range(1, len(digits) + 1):
        unit = 10 ** (len(digits) - count)
        floor = size // unit * unit
        inside = [one for one in (floor, floor + unit) if -below < 2 * (one - size) < above]
        if inside:
            found = min(inside, key=lambda one: abs(one - size))
            mantissa = str(found).rstrip("0")
            point = "." if mantissa[1:] else ""
            sign = "-" if value < 0 else ""
            return f"{sign}{mantissa[0]}{point}{mantissa[1:]}e+{len(str(found)) - 1:02}"
    raise AssertionError("all digits are the value itself")


def _replaced(text: Text, pattern: str, replacement: str) -> Text:
    return kernels.replace_substring_regex(text, pattern, replacement)

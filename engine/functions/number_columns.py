"""Columns of numbers written by a pattern: ``to_char`` without a loop over the numbers.

Where the digits of a number go depends on how many there are and on its sign, not on which they are. So one
number of each shape is written with marks for its digits, and the digits of all the others are cut out
and joined in the same places.
"""

import numpy as np
import pyarrow as pa

from engine.functions.number_patterns import NumberPattern, parse_number_pattern
from engine.functions.number_text import digits_text, number_text
from engine.functions.values import Column, integers, map_distinct, pc

_WIDE = pa.decimal256(76, 30)
# Arrow writes smaller numbers with an exponent.
_AFTER_MAX = 6
# Letters of no script, more than numbers have digits.
_FIRST_MARK = 0xE000
_MARKS = 128
_SHAPES = 1 << 20


def number_texts(values: Column, pattern_text: str) -> Column:
    """Write numbers by a pattern.

    Args:
        values: the numbers, as Arrow writes them.
        pattern_text: as to_char takes it.

    Returns:
        Texts; NULL where the number is.

    Raises:
        SqlInvalid: the pattern is none of numbers, or a value is no number.
    """
    pattern = parse_number_pattern(pattern_text)
    is_plain = not any(_FIRST_MARK <= ord(letter) < _FIRST_MARK + _MARKS for letter in pattern_text)
    if is_plain and not pattern.has("RN", "EEEE", "TH", "V") and pattern.after <= _AFTER_MAX:
        try:
            numbers = pc.cast(values, _WIDE)
        except pa.ArrowInvalid:  # NaN, an infinity, or more digits than 46
            pass
        else:
            return _by_shape(numbers, pattern)
    return map_distinct(values, pa.string(), lambda text: number_text(text, pattern_text))


def _by_shape(numbers: Column, pattern: NumberPattern) -> Column:
    rounded = pc.round(numbers, pattern.after, "half_towards_infinity")
    digits = pc.cast(pc.cast(pc.abs(rounded), pa.decimal256(76, pattern.after)), pa.string())
    is_negative = pc.fill_null(pc.less(rounded, pa.scalar(0, _WIDE)), False)
    kept = pc.ascii_rtrim(digits, "0") if pattern.has("FM") and pattern.after else digits
    negative = is_negative.to_numpy(zero_copy_only=False)
    shapes = integers(pc.utf8_length(digits)) * _SHAPES + integers(pc.utf8_length(kept)) * 4
    shapes += negative * 2 + integers(pc.starts_with(digits, "0"))
    order = np.argsort(shapes, kind="stable")
    _, starts = np.unique(shapes[order], return_index=True)
    parts = []
    for rows in np.split(order, starts[1:]):
        chosen = digits.take(pa.array(rows))
        marked = _marked(chosen, kept, int(rows[0]))
        template = digits_text(marked, pattern, is_negative=bool(negative[rows[0]]))
        parts.append(_filled(template, chosen))
    if not parts:
        return pa.array([], pa.string())
    return pa.concat_arrays(parts).take(pa.array(np.argsort(order, kind="stable")))


def _marked(chosen: Column, kept: Column, row: int) -> str:
    """The digits of one number of a shape, those that may differ as marks."""
    digits, length = chosen[0].as_py() or "", len(kept[row].as_py() or "")
    lone = digits.startswith("0")
    return "".join(
        character
        if character == "." or place >= length or (lone and place == 0)
        else chr(_FIRST_MARK + place)
        for place, character in enumerate(digits)
    )


def _filled(template: str, digits: Column) -> Column:
    """Put the digits of numbers where the marks of a template are."""
    pieces: list[Column] = []
    start = end = -1
    literal = ""
    for character in template:
        place = ord(character) - _FIRST_MARK
        if not 0 <= place < _MARKS:
            if end >= 0:
                pieces.append(pc.utf8_slice_codeunits(digits, start, end))
                start = end = -1
            literal += character
            continue
        if end != place:
            if end >= 0:
                pieces.append(pc.utf8_slice_codeunits(digits, start, end))
            pieces.append(literal)
            literal, start = "", place
        end = place + 1
    if end >= 0:
        pieces.append(pc.utf8_slice_codeunits(digits, start, end))
    # An empty piece of the digits keeps NULL, and the length when the template has no mark.
    return pc.binary_join_element_wise(pc.utf8_slice_codeunits(digits, 0, 0), *pieces, literal, "")

"""Numerics in Postgres's binary form: digits of base 10,000 around the decimal point.

The form (`numeric_send`): int16 count of digits, int16 weight of the first (a power of 10,000),
uint16 sign, uint16 scale as shown, then the digits without zeros at either end.

Invariant: exact for all four Arrow decimals and uint64.
Trap: digits are aligned to the decimal point, not to the last one: a value is first multiplied by
what its scale lacks to a multiple of four.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.encode.pg.cells import DATA, Cells
from engine.encode.strings import Array, validity

_BASE = 10_000
_BASE_DIGITS = 4
_NEGATIVE = 0x4000
_HEADER = 4  # int16 fields before the digits
_LIMB_BITS = 32
_LIMB = np.uint64(2**32 - 1)

Words = npt.NDArray[np.uint64]
Digits = npt.NDArray[np.int16]


def numeric_binary(array: Array) -> Cells:
    """Encode decimals and unsigned 64-bit integers.

    Args:
        array: of a decimal type, whose scale may be negative, or of uint64.

    Returns:
        large_binary, null where `array` is.
    """
    scale = array.type.scale if pa.types.is_decimal(array.type) else 0
    negative, limbs = _limbs(array)
    pad = -scale % _BASE_DIGITS
    digits = _digits(_multiplied(limbs, 10**pad))
    # digits[:, 0] counts units of 10,000 ** first.
    first = digits.shape[1] - 1 - (scale + pad) // _BASE_DIGITS
    return _sent(digits, negative, first, max(scale, 0), array)


def _limbs(array: Array) -> tuple[npt.NDArray[np.bool_], list[Words]]:
    """Return (which values are negative, absolute values as 32-bit limbs, lowest first)."""
    if pa.types.is_uint64(array.type):
        values: Words = array.fill_null(0).to_numpy()
        return np.zeros(len(array), np.bool_), [values & _LIMB, values >> np.uint64(_LIMB_BITS)]
    width = array.type.bit_width // _LIMB_BITS
    end = array.offset + len(array)
    raw = np.frombuffer(array.buffers()[1], np.uint32, end * width)
    raw = raw.reshape(-1, width)[array.offset :]
    limbs = [raw[:, index].astype(np.uint64) for index in range(width)]
    if array.null_count:
        valid = array.is_valid().to_numpy(zero_copy_only=False)
        limbs = [limb * valid for limb in limbs]
    negative = limbs[-1] >> np.uint64(_LIMB_BITS - 1) == 1
    if negative.any():
        limbs = _negated(limbs, negative)
    return negative, limbs


def _negated(limbs: list[Words], where: npt.NDArray[np.bool_]) -> list[Words]:
    """Two's complement: all bits turned and one added, in the rows of `where`."""
    turned = []
    carry = where.astype(np.uint64)
    flip = where * _LIMB
    for limb in limbs:
        total = (limb ^ flip) + carry
        turned.append(total & _LIMB)
        carry = total >> np.uint64(_LIMB_BITS)
    return turned


def _multiplied(limbs: list[Words], factor: int) -> list[Words]:
    """Multiply by 1 to 1,000; limbs that are zero everywhere are dropped from the top."""
    product = []
    carry = np.zeros(len(limbs[0]), np.uint64)
    for limb in limbs:
        total = limb * np.uint64(factor) + carry
        product.append(total & _LIMB)
        carry = total >> np.uint64(_LIMB_BITS)
    product.append(carry)
    while len(product) > 1 and not product[-1].any():
        product.pop()
    return product


def _digits(limbs: list[Words]) -> Digits:
    """Return (rows, count) digits of base 10,000, highest first; at least one."""
    found: list[Digits] = []
    while len(limbs) > 2:  # noqa: PLR2004 - two limbs are one word
        rest = np.zeros(len(limbs[0]), np.uint64)
        for index in range(len(limbs) - 1, -1, -1):
            total = (rest << np.uint64(_LIMB_BITS)) | limbs[index]
            limbs[index] = total // np.uint64(_BASE)
            rest = total - limbs[index] * np.uint64(_BASE)
        found.append(rest.astype(np.int16))
        while len(limbs) > 1 and not limbs[-1].any():
            limbs.pop()
    word = limbs[0] if len(limbs) == 1 else limbs[0] | limbs[1] << np.uint64(_LIMB_BITS)
    while word.any() or not found:
        above = word // np.uint64(_BASE)
        found.append((word - above * np.uint64(_BASE)).astype(np.int16))
        word = above
    return np.stack(found[::-1], axis=1)


def _sent(
    digits: Digits, negative: npt.NDArray[np.bool_], first: int, scale: int, nulls_of: Array
) -> Array:
    """Write headers, cut zeros at both ends, and join each row's bytes."""
    rows, count = digits.shape
    used = digits != 0
    above = np.where(used.any(axis=1), used.argmax(axis=1), count)
    below = np.where(above < count, used[:, ::-1].argmax(axis=1), 0)
    shown = count - above - below
    sent = np.empty((rows, _HEADER + count), ">u2")
    sent[:, 0] = shown
    sent[:, 1] = np.where(shown > 0, first - above, 0).astype(np.int16).view(np.uint16)
    sent[:, 2] = np.where(negative, _NEGATIVE, 0)
    sent[:, 3] = scale
    sent[:, _HEADER:] = digits
    place = np.arange(-_HEADER, count)
    kept = (place >= above[:, None]) & (place < (count - below)[:, None])
    kept[:, :_HEADER] = True
    offsets = np.zeros(rows + 1, np.int64)
    np.cumsum(2 * (_HEADER + shown), out=offsets[1:])
    data = sent[kept].view(np.uint8)
    buffers = [validity(nulls_of), pa.py_buffer(offsets.data), pa.py_buffer(data.data)]
    return pa.Array.from_buffers(DATA, rows, buffers)

"""Text of one Arrow array, by type: as JSON, or plain for CSV and Markdown.

Invariant: no Python per row; each type is a few kernels over the whole array.
Trap: a null cell is a null of the result, but NaN and the infinities are the text `null`.
"""

import binascii
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import orjson
import pyarrow as pa

from engine.arrow_types import viewless
from engine.encode import temporal
from engine.encode.strings import (
    JSON_ESCAPES,
    TEXT,
    Array,
    Ints,
    Text,
    concat,
    from_parts,
    kernels,
    literal,
    nulled,
    offsets_of,
    payload,
    replaced,
    taken,
)
from engine.errors import SqlInvalid

types = pa.types

# Arrow writes an exponent when the first digit is more than six places behind the point.
PLAIN_SCALE_MAX = 6


@dataclass(frozen=True, slots=True)
class JsonText:
    """JSON of an array's cells.

    Attributes:
        values: one text a cell, null where the cell is null.
        quoted: the texts are the insides of JSON strings; whoever joins them writes the quotes.
    """

    values: Text
    quoted: bool


def json_text(array: Array) -> JsonText:
    """Encode every cell of any Arrow type as JSON (spec, section 3)."""
    array = decoded(array)
    values = _text(array)
    if _is_free(array.type):
        values = replaced(values, JSON_ESCAPES)
    return JsonText(values, _is_free(array.type) or _is_safe(array.type))


def json_cells(array: Array) -> Text:
    """Encode every cell as complete JSON: quotes in place, `null` for nulls, no null slots."""
    text = json_text(array)
    values = concat('"', text.values, '"') if text.quoted else text.values
    return values.fill_null("null") if values.null_count else values


def plain_text(array: Array) -> Text:
    """Encode every cell for people: no quotes, no escapes, NaN and inf by name; nested as JSON."""
    array = decoded(array)
    values = _text(array)
    if not has_nonfinite(array):
        return values
    names = kernels.replace_substring(array.cast(pa.float64()).cast(TEXT), "nan", "NaN")
    return kernels.if_else(kernels.is_finite(array), values, names)


def holds_floats(kind: pa.DataType) -> bool:
    """Tell whether `decoded` makes a column of this type one of floats."""
    if isinstance(kind, pa.BaseExtensionType):
        return holds_floats(kind.storage_type)
    if isinstance(kind, pa.DictionaryType | pa.RunEndEncodedType):
        return holds_floats(kind.value_type)
    return types.is_floating(kind)


def has_nonfinite(array: Array) -> bool:
    """Tell whether an array holds NaN or an infinity; False for anything but floats."""
    if not holds_floats(array.type):
        return False
    return kernels.all(kernels.is_finite(decoded(array))).as_py() is False


def decoded(array: Array) -> Array:
    """Strip extension types, dictionaries and run-end encoding, in whatever order they nest."""
    while True:
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        elif isinstance(array, pa.DictionaryArray):
            values = array.dictionary  # its kernels know no views
            array = values.cast(viewless(values.type)).take(array.indices)
        elif isinstance(array, pa.RunEndEncodedArray):
            rows = np.arange(array.offset, array.offset + len(array))
            runs = np.searchsorted(array.run_ends.to_numpy(), rows, side="right")
            array = kernels.take(array.values, pa.array(runs))
        else:
            return array


def _text(array: Array) -> Text:
    if not len(array):
        return pa.array([], TEXT)
    encode = next((encode for holds, encode in _ENCODERS if holds(array.type)), None)
    if encode is None:
        raise SqlInvalid(f"Values of type {array.type} have no text form: ask for the Arrow format")
    return encode(array)


def _is_free(kind: pa.DataType) -> bool:
    """Strings whose characters may need escaping."""
    return (
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_union(kind)
    )


def _is_safe(kind: pa.DataType) -> bool:
    """Strings whose characters never need escaping."""
    return types.is_temporal(kind) or _is_binary(kind)


def _is_binary(kind: pa.DataType) -> bool:
    return (
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    )


def _is_list(kind: pa.DataType) -> bool:
    return isinstance(
        kind,
        pa.ListType
        | pa.LargeListType
        | pa.FixedSizeListType
        | pa.ListViewType
        | pa.LargeListViewType,
    )


def _cast_text(array: Array) -> Text:
    return array.cast(TEXT)


def _null_text(array: Array) -> Text:
    return pa.nulls(len(array), TEXT)


def _bool_text(array: Array) -> Text:
    return kernels.if_else(array, literal("true"), literal("false"))


def _half_text(array: Array) -> Text:
    """Float16: orjson would print the digits of a float32, so take numpy's, value by value."""
    bits = array.view(pa.uint16()).fill_null(0).to_numpy(zero_copy_only=False)
    distinct, index = np.unique(bits, return_inverse=True)
    texts = [str(half) if np.isfinite(half) else "null" for half in distinct.view(np.float16)]
    return nulled(taken(texts, index), array)


def _float_text(array: Array) -> Text:
    """Shortest round trip of the column's own width: one orjson call, split at its commas."""
    numbers = np.ascontiguousarray(array.to_numpy(zero_copy_only=False))
    joined = orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)
    ends = np.flatnonzero(np.frombuffer(joined, np.uint8) == ord(","))
    offsets = np.empty(len(array) + 1, np.int64)
    offsets[0], offsets[1:-1], offsets[-1] = 0, ends, len(joined) - 1
    # Offset i moves left by the bracket and the i-1 commas that are deleted before it.
    offsets[1:] -= np.arange(1, len(array) + 1)
    return from_parts(offsets, joined.translate(None, b"[,]"), array)


def _decimal_text(array: Array) -> Text:
    """All digits and never an exponent, which Arrow writes for small values of large scales."""
    scale = array.type.scale
    if 0 <= scale <= PLAIN_SCALE_MAX:
        return array.cast(TEXT)
    whole = _unscaled(array).cast(TEXT)
    if scale < 0:
        zero = kernels.equal(whole, literal("0"))
        return kernels.if_else(zero, whole, concat(whole, "0" * -scale))
    digits = kernels.utf8_lpad(kernels.ascii_ltrim(whole, "-"), scale + 1, "0")
    sign = kernels.if_else(kernels.starts_with(whole, "-"), literal("-"), literal(""))
    return concat(sign, kernels.utf8_replace_slice(digits, -scale, -scale, "."))


def _unscaled(array: Array) -> Array:
    wide = array.cast(pa.decimal256(array.type.precision, array.type.scale))
    plain = pa.decimal256(array.type.precision, 0)
    return pa.Array.from_buffers(plain, len(wide), wide.buffers(), offset=wide.offset)


def _binary_text(array: Array) -> Text:
    offsets, data = payload(array.cast(pa.large_binary()))
    return from_parts(offsets * 2, binascii.hexlify(data.data), array)


def _list_text(array: Array) -> Text:
    lengths = kernels.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
    return _joined(offsets_of(lengths), json_cells(kernels.list_flatten(array)), array, "[]")


def _map_text(array: Array) -> Text:
    """Entries whose value is null are left out; a key that is no string becomes its JSON text."""
    entries = array.cast(
        pa.large_list(pa.struct([("key", array.type.key_type), ("value", array.type.item_type)]))
    )
    flat = kernels.list_flatten(entries)
    lengths = kernels.list_value_length(entries).fill_null(0).to_numpy(zero_copy_only=False)
    keys, values = flat.field(0), flat.field(1)
    kept = values.is_valid()
    offsets = offsets_of(kept.to_numpy(zero_copy_only=False))[offsets_of(lengths)]
    key = json_text(keys.filter(kept))
    names = key.values if key.quoted else replaced(key.values, JSON_ESCAPES)
    pairs = concat('"', names, '":', json_cells(values.filter(kept)))
    return _joined(offsets, pairs, array, "{}")


def _joined(offsets: Ints, cells: Text, nulls_of: Array, brackets: str) -> Text:
    lists = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), cells)
    text = concat(brackets[0], kernels.binary_join(lists, literal(",")), brackets[1])
    return nulled(text, nulls_of)


def _struct_text(array: Array) -> Text:
    """Null fields are left out."""
    fields = [json_text(child) for child in array.flatten()]
    names = [orjson.dumps(field.name).decode() for field in array.type]
    if not fields:
        return nulled(pa.array(["{}"] * len(array), TEXT), array)
    if any(field.values.null_count for field in fields):
        members = [_member(name, field) for name, field in zip(names, fields, strict=True)]
        # Each member starts with a comma and none ends with one, so only the first comma goes.
        joined = kernels.ascii_ltrim(concat(*members, nulls_as=""), ",")
        return nulled(concat("{", joined, "}"), array)
    parts: list[Array | str] = []
    before = "{"
    for name, field in zip(names, fields, strict=True):
        quote = '"' if field.quoted else ""
        parts += [f"{before}{name}:{quote}", field.values]
        before = quote + ","
    return concat(*parts, before[:-1] + "}")


def _member(name: str, field: JsonText) -> Text:
    quote = '"' if field.quoted else ""
    return concat(f",{name}:{quote}", field.values, quote)


def _union_text(array: Array) -> Text:
    """Each slot as the plain text of the member it selects."""
    children = [plain_text(array.field(index)) for index in range(array.type.num_fields)]
    starts = offsets_of(np.array([len(child) for child in children]))
    child_of = np.zeros(128, np.int64)
    child_of[array.type.type_codes] = np.arange(len(children))
    # Read from the buffers: `type_codes` and `offsets` forget that the array may be a slice.
    rows = slice(array.offset, array.offset + len(array))
    _, codes, *offsets = (np.frombuffer(b or b"", np.int8) for b in array.buffers()[:3])
    dense = array.type.mode == "dense"
    within = offsets[0].view(np.int32)[rows] if dense else np.arange(len(array))
    chosen = starts[child_of[codes[rows]]] + within
    return kernels.take(pa.concat_arrays(children), pa.array(chosen))


# The first predicate that holds decides; the order only matters for float16.
_ENCODERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Array], Text]], ...] = (
    (types.is_null, _null_text),
    (types.is_boolean, _bool_text),
    (types.is_integer, _cast_text),
    (types.is_float16, _half_text),
    (types.is_floating, _float_text),
    (types.is_string, _cast_text),
    (types.is_large_string, _cast_text),
    (types.is_string_view, _cast_text),
    (types.is_date32, temporal.date_text),
    (types.is_date64, temporal.timestamp_text),
    (types.is_timestamp, temporal.timestamp_text),
    (types.is_time, temporal.time_text),
    (types.is_duration, temporal.duration_text),
    (types.is_interval, temporal.interval_text),
    (types.is_decimal, _decimal_text),
    (_is_binary, _binary_text),
    (_is_list, _list_text),
    (types.is_map, _map_text),
    (types.is_struct, _struct_text),
    (types.is_union, _union_text),
)

"""Lists as Postgres arrays, of as many dimensions as lists nest.

Invariant: elements are encoded once, all together; a row's array is a stretch of their bytes.
Trap: in Postgres all lists of one level have one length and are not null. Lists that differ have a
text form here, which clients read as nested lists, but no binary one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from engine.arrow_types import viewless
from engine.encode.pg.cells import (
    DATA,
    Cells,
    Fixed,
    text_of,
    uniform,
    varying,
    without_nulls,
)
from engine.encode.pg.pg_types import PgType, is_list
from engine.encode.strings import (
    Array,
    Bytes,
    Ints,
    Replacements,
    Text,
    concat,
    kernels,
    literal,
    nulled,
    offsets_of,
    payload,
    replaced,
    validity,
)
from engine.encode.text import decoded
from engine.errors import SqlInvalid

_ESCAPED = Replacements({0x5C: rb"\\", 0x22: rb"\""})
_QUOTED = Replacements(dict.fromkeys(b'"\\{}, \t\n\x0b\x0c\r', b""))
# Their text never has a character that must be quoted, and never is empty or NULL.
PLAIN_TYPES = frozenset(
    ("bool", "int2", "int4", "int8", "oid", "float4", "float8", "numeric", "date", "time", "uuid")
)
_HEADER = np.dtype([("dimensions", ">i4"), ("has_null", ">i4"), ("element", ">i4")])
_DIMENSION = np.dtype([("length", ">i4"), ("lower_bound", ">i4")])
_NULL_LENGTH = -1


@dataclass(frozen=True, slots=True)
class _Level:
    """Lists of one depth: (lists,) lengths, which are null, and their items one after another."""

    lengths: Ints
    nulls_of: Array
    items: Array


def array_text(array: Array, element: PgType, encode: Callable[[Array], Cells]) -> Text:
    """Text of arrays: `{1,NULL,3}`, `{{"a b","NULL"},{c,""}}`, `{}`.

    Args:
        array: of any list type, nested as deep as it likes.
        element: the type of the elements.
        encode: turns the elements into text.
    """
    levels = _levels(array)
    items = _quoted(text_of(encode(levels[-1].items)), element)
    for level in reversed(levels):
        offsets = pa.array(offsets_of(level.lengths), pa.int64())
        joined = pa.LargeListArray.from_arrays(offsets, items.fill_null("NULL"))
        text = concat("{", kernels.binary_join(joined, literal(",")), "}")
        items = nulled(text, level.nulls_of)
    if len(levels) > 1:
        # Lists of empty lists are one array without elements.
        empty = kernels.match_substring_regex(items, r"^[{},]*$")
        items = kernels.if_else(empty, literal("{}"), items)
    return items


def array_binary(array: Array, element: PgType, encode: Callable[[Array], Cells]) -> Array:
    """Dimensions, and elements with their lengths.

    Raises:
        SqlInvalid: inner lists of one array differ in length, or are null.
    """
    levels = _levels(array)
    lengths = _dimensions(levels)
    fields, has_null = _fields(encode(levels[-1].items))
    offsets = _leaf_offsets(levels)
    ends, data = payload(fields)
    buffers = [None, pa.py_buffer(ends[offsets].data), pa.py_buffer(data.data)]
    elements = pa.Array.from_buffers(DATA, len(array), buffers)
    nulls = np.concatenate((np.zeros(1, np.int64), np.cumsum(has_null)))[offsets]
    filled = np.asarray(lengths.all(axis=1))
    head = np.zeros(len(array), _HEADER)
    head["dimensions"] = np.where(filled, len(levels), 0)
    head["has_null"] = nulls[1:] > nulls[:-1]
    head["element"] = element.oid
    bounds = np.ones(lengths.shape, _DIMENSION)
    bounds["length"] = lengths
    shapes = bounds.view(np.dtype(f"V{_DIMENSION.itemsize * len(levels)}")).reshape(-1)
    shape = kernels.if_else(pa.array(filled), uniform(shapes), pa.scalar(b"", DATA))
    sent = kernels.binary_join_element_wise(uniform(head), shape, elements, pa.scalar(b"", DATA))
    if not array.null_count:
        return sent
    buffers = [validity(array), *sent.buffers()[1:]]
    return pa.Array.from_buffers(DATA, len(sent), buffers, offset=sent.offset)


def _levels(array: Array) -> list[_Level]:
    """Unnest: the outermost lists first; null lists have no items."""
    levels: list[_Level] = []
    while True:
        array = decoded(array)
        if not is_list(array.type):
            return levels
        lengths = kernels.list_value_length(array).fill_null(0).to_numpy().astype(np.int64)
        if isinstance(array.type, pa.ListViewType | pa.LargeListViewType):
            items = _viewed(array, lengths)
        else:
            items = kernels.list_flatten(array)
        items = items.cast(viewless(items.type))
        levels.append(_Level(lengths, array, items))
        array = items


def _viewed(array: Array, lengths: Ints) -> Array:
    """Return the items of list views, in their lists' order; Arrow's own cast loses some."""
    width = np.int32 if isinstance(array.type, pa.ListViewType) else np.int64
    end = array.offset + len(array)
    starts = np.frombuffer(array.buffers()[1], width, end)[array.offset :]
    within = np.arange(lengths.sum()) - np.repeat(offsets_of(lengths)[:-1], lengths)
    items = array.values.cast(viewless(array.type.value_type))
    return items.take(pa.array(np.repeat(starts, lengths) + within))


def _leaf_offsets(levels: list[_Level]) -> Ints:
    """Return where each outermost list begins and ends in the innermost items."""
    offsets = offsets_of(levels[0].lengths)
    for level in levels[1:]:
        offsets = offsets_of(level.lengths)[offsets]
    return offsets


def _dimensions(levels: list[_Level]) -> Ints:
    """Return (rows, depth) lengths; zero below a length of zero.

    Raises:
        SqlInvalid: they are not the same within a row.
    """
    rows = len(levels[0].lengths)
    found = np.zeros((rows, len(levels)), np.int64)
    row_of = np.arange(rows)
    for depth, level in enumerate(levels):
        # Of several lists of a row one writes last: all must be equal to it.
        found[row_of, depth] = level.lengths
        if depth and (level.nulls_of.null_count or (found[row_of, depth] != level.lengths).any()):
            raise SqlInvalid(
                "Lists of lists that are null or differ in length are no multidimensional array:"
                " ask for the text format"
            )
        row_of = np.repeat(row_of, level.lengths)
    return found


def _fields(cells: Cells) -> tuple[Array, Ints]:
    """Return (each element's length and bytes, whether it is null)."""
    if isinstance(cells, Fixed) and cells.valid is None:
        dtype = np.dtype([("length", ">i4"), ("value", cells.dtype)])
        rows = np.empty(len(cells.values), dtype)
        rows["length"], rows["value"] = cells.dtype.itemsize, cells.values
        return uniform(rows), np.zeros(len(rows), np.int64)
    values, lengths, valid = without_nulls(varying(cells))
    sent = lengths if valid is None else np.where(valid, lengths, _NULL_LENGTH)
    prefix = uniform(sent.astype(">i4"))
    fields = kernels.binary_join_element_wise(prefix, values, pa.scalar(b"", DATA))
    return fields, (sent == _NULL_LENGTH).astype(np.int64)


def _quoted(values: Text, element: PgType) -> Text:
    """Quote elements that need it: empty, NULL, or with a brace, comma, quote, space or backslash."""
    if element.name in PLAIN_TYPES or not len(values):
        return values
    offsets, data = payload(values)
    needs = _needs_quotes(values, offsets, data)
    if not needs.any():
        return values
    quote = kernels.if_else(pa.array(needs), literal('"'), literal(""))
    return concat(quote, replaced(values, _ESCAPED), quote)


def _needs_quotes(
    values: Text, offsets: Ints, data: Bytes
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    special = np.flatnonzero(_QUOTED.find(data))
    below = np.searchsorted(special, offsets)
    needs = (below[1:] > below[:-1]) | (offsets[1:] == offsets[:-1])
    named = kernels.equal(kernels.ascii_upper(values), literal("NULL")).fill_null(False)
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = needs | named.to_numpy(zero_copy_only=False)
    return found

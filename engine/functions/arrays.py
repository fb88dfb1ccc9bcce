"""Functions of arrays that DataFusion lacks or answers otherwise."""

import re
from typing import Any

import numpy as np
import pyarrow as pa

from engine.errors import SqlInvalid
from engine.functions.registry import INTEGER, TEXT, TEXTS, Function
from engine.functions.values import Column, map_rows, pc

_ITEM = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|((?:[^,{}"\\]|\\.)+?))\s*(,|$)', re.DOTALL)


def read_array(text: str) -> list[str | None]:
    """Read an array of one dimension.

    Raises:
        SqlInvalid: it is none.

    >>> read_array('{a,"b c",NULL}')
    ['a', 'b c', None]
    """
    inside = text.strip()
    if not (inside.startswith("{") and inside.endswith("}")):
        raise SqlInvalid(f"malformed array literal: '{text}'")
    inside = inside[1:-1].strip()
    items: list[str | None] = []
    at, is_open = 0, bool(inside)
    while is_open:
        match = _ITEM.match(inside, at)
        if match is None:
            raise SqlInvalid(f"malformed array literal: '{text}'")
        quoted, plain, comma = match.groups()
        item = re.sub(r"\\(.)", r"\1", quoted if plain is None else plain, flags=re.DOTALL)
        items.append(None if plain is not None and plain.upper() == "NULL" else item)
        at, is_open = match.end(), comma == ","
    return items


def _array_upper(arrays: Column, dimensions: Column) -> Column:
    return _of_first_dimension(_lengths(arrays), dimensions)


def _array_lower(arrays: Column, dimensions: Column) -> Column:
    ones = pc.if_else(pc.is_valid(_lengths(arrays)), 1, pa.scalar(None, INTEGER))
    return _of_first_dimension(ones, dimensions)


def _lengths(arrays: Column) -> Column:
    lengths = pc.cast(pc.list_value_length(arrays), INTEGER)
    return pc.if_else(pc.greater(lengths, 0), lengths, pa.scalar(None, INTEGER))


def _of_first_dimension(values: Column, dimensions: Column) -> Column:
    return pc.if_else(pc.equal(dimensions, 1), values, pa.scalar(None, INTEGER))


def _mode_position(groups: Column) -> Column:
    """Where the most frequent item of each list is first, from 1; NULL items are not counted.

    ``mode() WITHIN GROUP (ORDER BY x)`` is the item there of ``array_agg(x ORDER BY x)``: of several as
    frequent the least, as Postgres.
    """
    lengths = pc.fill_null(pc.list_value_length(groups), 0).to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(len(groups)), lengths)
    starts = np.cumsum(lengths) - lengths
    items = {
        "row": rows,
        "item": groups.flatten(),
        "place": np.arange(len(rows)) - starts[rows] + 1,
    }
    table = pa.table(items).filter(pc.is_valid(items["item"]))
    counts: Any = [([], "count_all"), ("place", "min")]
    counted = table.group_by(["row", "item"]).aggregate(counts)
    order: Any = [("row", "ascending"), ("count_all", "descending"), ("place_min", "ascending")]
    grouped = counted.sort_by(order).group_by("row", use_threads=False)
    best = grouped.aggregate([("place_min", "first")])
    places = pc.index_in(pa.array(np.arange(len(groups))), best["row"].combine_chunks())
    return best["place_min_first"].combine_chunks().take(places)


def _literal(texts: Column) -> Column:
    """Arrays of texts as Postgres writes them: ``'{a,"b c",NULL}'::text[]``; one dimension."""
    return map_rows((texts,), TEXTS, read_array)


FUNCTIONS = (
    Function("array_upper", _array_upper, (TEXTS, INTEGER), INTEGER),
    Function("array_lower", _array_lower, (TEXTS, INTEGER), INTEGER),
    Function("mode_position", _mode_position, (TEXTS,), INTEGER),
    Function("array_of_text", _literal, (TEXT,), TEXTS),
)

"""Describes the columns of a table: how many values, how many different ones, and which.

Two scans whatever the number of columns: one for all aggregates, and one for the values of the
columns that have few. Distinct values are estimated; a column whose estimate is small is counted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from datafusion import SessionContext

from engine.query.sql_text import quoted_name
from engine.workers.session import READ_ONLY, Sessions
from engine.workers.tasks import ProfileTask, ScanMode

CATEGORIES_MAX = 200
_CATEGORY_CHARS_MAX = 256
# The estimate errs by some percent: this many may still be 200.
_ESTIMATE_MAX = 230
_COLUMNS_PER_SCAN = 50
# What the API calls each number, by kind of column.
_SHOWN = {
    "text": {"min_length": "min", "max_length": "max", "avg_length": "avg"},
    "numeric": {"min": "min", "max": "max", "mean": "mean"},
    "temporal": {"min": "min", "max": "max"},
}


@dataclass(frozen=True, slots=True)
class _Column:
    """One column; ``kind`` decides what is asked about it."""

    position: int
    name: str
    kind: str

    @property
    def sql(self) -> str:
        return quoted_name(self.name)

    @property
    def countable(self) -> str:
        """SQL of a value that stands for this one where distinct values are counted."""
        if self.kind == "binary":
            return f"encode({self.sql}, 'hex')"
        return self.sql if self.kind == "text" else f"CAST({self.sql} AS VARCHAR)"

    def aggregates(self) -> dict[str, str]:
        """SQL of each number wanted, by name."""
        value = self.sql
        base = {"count": f"count({value})", "cardinality": f"approx_distinct({self.countable})"}
        match self.kind:
            case "text":
                length = f"char_length({value})"
                own = {
                    "min": f"min({length})",
                    "max": f"max({length})",
                    "avg": f"avg({length})",
                }
            case "numeric":
                own = {
                    "min": f"CAST(min({value}) AS VARCHAR)",
                    "max": f"CAST(max({value}) AS VARCHAR)",
                    "mean": f"avg(CAST({value} AS DOUBLE))",
                }
            case "temporal":
                own = {
                    "min": f"CAST(min({value}) AS VARCHAR)",
                    "max": f"CAST(max({value}) AS VARCHAR)",
                }
            case "boolean":
                own = {"true": f"count(*) FILTER (WHERE {value})"}
            case _:
                own = {}
        return base | own


def profile_table(task: ProfileTask, sessions: Sessions) -> dict[str, Any]:
    """Return ``row_count`` and, for each column, the JSON object the API shows but for its type."""
    binding = task.table
    context = sessions.open(
        (binding,),
        default_catalog=binding.catalog,
        default_schema=binding.schema,
        memory_bytes=task.memory_bytes,
        scan=ScanMode.PARALLEL,
    )
    table = quoted_name(*binding.name)
    columns = _columns_of(context, table)
    row_count, facts = _aggregate(context, table, columns)
    few = [column for column in columns if _may_be_categorical(column, facts[column.position])]
    values = _count_values(context, table, few)
    return {
        "row_count": row_count,
        "columns": [
            _describe(column, row_count, facts[column.position], values.get(column.position))
            for column in columns
        ],
    }


def _may_be_categorical(column: _Column, facts: dict[str, Any]) -> bool:
    """A few values, none of them long: they are shown, all of them."""
    if column.kind == "text" and (facts["max"] or 0) > _CATEGORY_CHARS_MAX:
        return False
    return column.kind in {"text", "numeric"} and 0 < facts["cardinality"] <= _ESTIMATE_MAX


def _columns_of(context: SessionContext, table: str) -> list[_Column]:
    schema = context.sql(f"SELECT * FROM {table}", options=READ_ONLY).schema()  # noqa: S608 - quoted
    return [
        _Column(position, field.name, _kind_of(field.type)) for position, field in enumerate(schema)
    ]


def _kind_of(dtype: pa.DataType) -> str:
    checks = (
        ("boolean", pa.types.is_boolean(dtype)),
        ("numeric", pa.types.is_integer(dtype) or pa.types.is_floating(dtype)),
        ("numeric", pa.types.is_decimal(dtype)),
        ("temporal", pa.types.is_date(dtype) or pa.types.is_timestamp(dtype)),
        ("text", pa.types.is_string(dtype) or pa.types.is_large_string(dtype)),
        ("text", dtype == pa.string_view()),
        ("binary", dtype in {pa.binary(), pa.large_binary(), pa.binary_view()}),
    )
    return next((kind for kind, is_so in checks if is_so), "other")


def _aggregate(
    context: SessionContext, table: str, columns: Sequence[_Column]
) -> tuple[int, list[dict[str, Any]]]:
    facts: list[dict[str, Any]] = []
    row_count = 0
    for part in _parts(columns):
        wanted = [(column, column.aggregates()) for column in part]
        terms = ["count(*)", *(sql for _, aggregates in wanted for sql in aggregates.values())]
        answer = _rows(context, f"SELECT {', '.join(terms)} FROM {table}")[0]  # noqa: S608 - quoted
        row_count = int(answer[0])
        rest = iter(answer[1:])
        facts += [{name: next(rest) for name in aggregates} for _, aggregates in wanted]
    return row_count, facts


def _count_values(
    context: SessionContext, table: str, columns: Sequence[_Column]
) -> dict[int, list[tuple[str | None, int]]]:
    """Count the values of each column, most frequent first, all columns in one scan."""
    counted: dict[int, list[tuple[str | None, int]]] = {}
    for part in _parts(columns):
        sets = ", ".join(f"({column.sql})" for column in part)
        names = ", ".join(f"CAST({column.sql} AS VARCHAR)" for column in part)
        marks = ", ".join(f"grouping({column.sql})" for column in part)
        rows = _rows(
            context,
            f"SELECT count(*), {names}, {marks} FROM {table} GROUP BY GROUPING SETS ({sets})",  # noqa: S608 - quoted
        )
        for row in rows:
            count, texts, absent = row[0], row[1 : len(part) + 1], row[len(part) + 1 :]
            index = absent.index(0)
            counted.setdefault(part[index].position, []).append((texts[index], count))
    for values in counted.values():
        values.sort(key=lambda value: (-value[1], value[0] is None, value[0] or ""))
    return counted


def _describe(
    column: _Column,
    row_count: int,
    facts: dict[str, Any],
    values: list[tuple[str | None, int]] | None,
) -> dict[str, Any]:
    nulls = row_count - facts["count"]
    cardinality = min(int(facts["cardinality"] or 0), facts["count"])
    distinct = [value for value in values or () if value[0] is not None]
    if values is not None:
        cardinality = len(distinct)
    return {
        "name": column.name,
        "null_count": nulls,
        "null_percentage": 100.0 * nulls / row_count if row_count else 0.0,
        "cardinality": cardinality,
        "profile": _profile(column, facts, values if len(distinct) <= CATEGORIES_MAX else None),
    }


def _profile(
    column: _Column, facts: dict[str, Any], values: list[tuple[str | None, int]] | None
) -> dict[str, Any] | None:
    if not facts["count"]:
        return None
    if values is not None:
        counts = [{"value": value, "count": count} for value, count in values]
        return {"type": "categorical", "values": counts}
    if column.kind == "boolean":
        false = facts["count"] - facts["true"]
        return {"type": "boolean", "true_count": facts["true"], "false_count": false}
    shown = _SHOWN.get(column.kind)
    if shown is None:
        return None
    return {"type": column.kind, **{name: facts[fact] for name, fact in shown.items()}}


def _parts(columns: Sequence[_Column]) -> Iterator[Sequence[_Column]]:
    for start in range(0, len(columns), _COLUMNS_PER_SCAN):
        yield columns[start : start + _COLUMNS_PER_SCAN]


def _rows(context: SessionContext, sql: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for batch in context.sql(sql, options=READ_ONLY).execute_stream():
        arrays = [array.to_pylist() for array in batch.to_pyarrow().columns]
        rows += zip(*arrays, strict=True)
    return rows

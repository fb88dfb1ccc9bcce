"""The SQL of a scan: the rows of a table, as their values arrive, under conditions.

The invariant: conditions see values as they arrive, not as DuckDB has them. An enum compares as
text and not by its place, text by its bytes whatever its collation, a UUID can be LIKE something,
and an infinite timestamp is NULL and so is not after anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from connectors.base import After
from connectors.sources.duckdb.column_types import ColumnType, literal, quoted

TypedColumn = tuple[str, ColumnType]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table.

    Attributes:
        catalog, schema, table: where they are.
        columns: all columns of the table, with how they arrive.
        wanted: names, in the table's order.
        conditions: SQL over the columns as they arrive; all must hold.
        limit: rows at most.
    """

    catalog: str
    schema: str
    table: str
    columns: tuple[TypedColumn, ...]
    wanted: tuple[str, ...]
    conditions: tuple[str, ...] = ()
    limit: int | None = None

    @property
    def losses(self) -> list[tuple[str, str]]:
        """Column and rule of each kind of loss that wanted columns may have."""
        return [(name, rule) for name, kind in self._selected for rule in kind.lost]

    @property
    def select(self) -> str:
        """SQL of the wanted columns."""
        return f"SELECT {', '.join(map(quoted, self.wanted))} FROM {self._from()}"  # noqa: S608 - of quoted parts

    @property
    def count_losses(self) -> str:
        """SQL of one row: how many values of each of ``losses``."""
        # Longer than any column's name, so equal to none.
        prefix = "_" * (max(len(name) for name, _ in self.columns) + 1)
        counts = [
            count(quoted(name)) for name, kind in self._selected for count in kind.lost.values()
        ]
        names = [quoted(f"{prefix}{place}") for place in range(len(counts))]
        extra = [f"{count} AS {name}" for count, name in zip(counts, names, strict=True)]
        sums = ", ".join(f"coalesce(sum({name}), 0)" for name in names)
        return f"SELECT {sums} FROM (SELECT {', '.join(names)} FROM {self._from(extra)})"  # noqa: S608 - of quoted parts

    @property
    def _selected(self) -> list[TypedColumn]:
        wanted = set(self.wanted)
        return [column for column in self.columns if column[0] in wanted]

    def _from(self, extra: Sequence[str] = ()) -> str:
        where = " AND ".join(f"({condition})" for condition in self.conditions)
        rows = arrived(self.catalog, self.schema, self.table, self.columns, extra)
        return (
            f"({rows}) AS {quoted(self.table)}"
            + (f" WHERE {where}" if where else "")
            + (f" LIMIT {self.limit}" if self.limit is not None else "")
        )


def arrived(
    catalog: str,
    schema: str,
    table: str,
    columns: Sequence[TypedColumn],
    extra: Sequence[str] = (),
) -> str:
    """Return SQL of a whole table, as its values arrive, with further expressions."""
    place = ".".join(map(quoted, (catalog, schema, table)))
    kept = [f"{_value(name, kind)} AS {quoted(name)}" for name, kind in columns]
    return f"SELECT {', '.join([*kept, *extra])} FROM {place}"  # noqa: S608 - of quoted parts


def _value(name: str, kind: ColumnType) -> str:
    value = kind.keep(quoted(name))
    # A collation of the column, which the catalog does not tell, would make 'a' equal to 'A'.
    return f"{value} COLLATE C" if kind.arrow == pa.string() else value


def greater(after: After) -> str:
    """Return the condition of an incremental scan; DuckDB reads the text as the column's type."""
    return f"{quoted(after.column)} > {literal(after.value)}"

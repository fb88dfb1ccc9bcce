"""What the three formats have in common: a look at some files, and the rows of one."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa

from connectors.errors import SourceFailed
from connectors.sources.files.options import FilesOptions
from connectors.sources.files.stores import File, Store

ItemT = TypeVar("ItemT")
OutcomeT = TypeVar("OutcomeT")
EachFile: TypeAlias = Callable[[Callable[[File], Any], Sequence[File]], Iterable[Any]]
"""``map``, or that of an executor."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at some files of a table told.

    Attributes:
        schema: of all of them together.
        native_types: of each column, as the files write it.
        row_count: of the table; None when only reading it would tell.
    """

    schema: pa.Schema
    native_types: tuple[str, ...]
    row_count: int | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """A file, or the row groups from ``first`` to before ``end`` of a Parquet file."""

    file: File
    size_bytes: int
    row_groups: range | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read of a file.

    Attributes:
        declared: all columns that files of the table may have.
        hidden: names of columns that files may have too, and partitions stand for.
        names: of the columns to read, in the order of ``declared``.
        overridden: names of the columns whose type the user declared.
        after: column and value; rows with no greater one may be left out.
    """

    declared: pa.Schema
    hidden: frozenset[str]
    names: tuple[str, ...]
    overridden: frozenset[str]
    after: tuple[str, "pa.Scalar[Any]"] | None

    @property
    def schema(self) -> pa.Schema:
        """Of the columns to read."""
        return pa.schema([self.declared.field(name) for name in self.names])

    def refuse_unknown(self, file: File, names: Iterable[str]) -> None:
        """Refuse a file with a column that the table has not, rather than lose its values.

        Raises:
            SourceFailed: naming the column, and the option that adds it.
        """
        known = {*self.declared.names, *self.hidden}
        unknown = next((name for name in names if name not in known), None)
        if unknown is not None:
            raise SourceFailed(
                f"'{file.path}' has a column '{unknown}' that was not in the files or rows looked"
                " at: add it with column_types, as table.column"
            )


class FileReader(ABC):
    """Reads files of one format; safe to use from several threads."""

    def __init__(self, store: Store, options: FilesOptions, batch_bytes: int) -> None:
        self.store = store
        self.options = options
        self.batch_bytes = batch_bytes

    @abstractmethod
    def look(
        self, files: Sequence[File], each: EachFile, overridden: frozenset[str] = frozenset()
    ) -> Found:
        """Find the columns of a table, from footers or samples of some of its files.

        Args:
            files: of the table.
            each: runs a function for each file.
            overridden: names of columns whose type the user declared; it settles contradictions.

        Raises:
            SourceFailed: a file cannot be read, or two contradict each other.
        """

    @abstractmethod
    def batches(self, unit: Unit, wanted: Wanted) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a unit in ``wanted.schema``; a column it lacks is NULL.

        Raises:
            SourceFailed: the file cannot be read, or a value is not of its declared type.
        """

    def split(self, file: File, pieces: int) -> list[Unit]:
        """Cut a large file into units of about the same size, at most so many."""
        del pieces  # Most formats can only be read from the first byte to the last.
        return [Unit(file, file.size_bytes)]


def spread(items: Sequence[ItemT], count: int) -> Sequence[ItemT]:
    """Choose some items evenly, the first and the last among them.

    >>> spread(range(10), 4)
    [0, 3, 6, 9]
    """
    if len(items) <= count:
        return items
    last = len(items) - 1
    return [items[round(i * last / (count - 1))] for i in range(count)]


def no_columns(row_count: int) -> pa.RecordBatch:
    """Return so many rows of no columns; a batch made of no arrays would have none."""
    counted: Any = pa.RecordBatch.from_arrays([pa.nulls(row_count)], names=["row"])
    rows: pa.RecordBatch = counted.select([])
    return rows

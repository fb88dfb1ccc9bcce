"""The search functions of SQL inside a worker: ``bm25_search``, ``vector_search`` and their kin.

DataFusion calls a table function while it plans, before it knows which columns and rows will be read.
So a call first answers with columns and no rows; :mod:`engine.workers.index_use` reads the plan, has
:meth:`SearchFunctions.answer` find as many rows as are needed, and the statement is planned again over
these. The traps: DataFusion must not be called on the thread it calls us on, it hides what we raise in a
text with a traceback (:attr:`SearchFunctions.failure` keeps it), and an argument that is no literal
arrives as an expression, over which the statement would run with a wrong answer.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from datafusion import DataFrame, SessionContext, udtf
from datafusion.expr import Expr

from engine.errors import EngineError, ResourceExhausted, SqlInvalid
from engine.indexes.analyzers import DEFAULT_LANGUAGE
from engine.indexes.fusion import fuse
from engine.indexes.hits import Hits
from engine.query.search_calls import TABLE_FUNCTIONS, table_of
from engine.workers.bound_indexes import find_bm25, find_sorted, find_vector
from engine.workers.failures import as_engine_error
from engine.workers.open_indexes import OpenIndexes
from engine.workers.scalar_functions import Embed, ScalarFunctions
from engine.workers.search_arguments import (
    count_of,
    least_of,
    share_of,
    text_of,
    values_of,
    vector_of,
)
from engine.workers.tasks import IndexBinding, TableBinding

# What a name must not have to be found again in a printed plan.
_UNPRINTED = re.compile(r"\W")
ROWS_MAX = 1_000_000
"""A search that says no ``k`` and finds more rows than this is refused."""
_DEFAULT_K = 10
_FUSED_MIN = 100
_FUSED_TIMES = 4
_EMPTY_MAX = 256

_SPELLINGS_MAX = 256

NameRows = Callable[[str, pa.Table], DataFrame]
NameFiles = Callable[[str, str], DataFrame]
FindTable = Callable[[tuple[str, ...]], TableBinding | None]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a search function in a statement.

    Attributes:
        name: what the plan calls its scan.
        table: what it searches.
        value: the column of scores or distances, after those of the table.
        is_descending: whether greater values are better.
        find: finds the best rows, no more than a number of them if one is given.
    """

    name: str
    table: TableBinding
    value: str
    is_descending: bool
    find: Callable[[int | None], Hits]


class SearchFunctions:
    """The functions of one context, for one statement at a time.

    Attributes:
        calls: of the statement, in the order in which they were planned first.
        scalars: the functions that are not of tables.
    """

    def __init__(
        self, indexes: OpenIndexes, name_rows: NameRows, name_files: NameFiles, thread: Executor
    ) -> None:
        self._indexes = indexes
        self._name_rows = name_rows
        self._name_files = name_files
        self._thread = thread
        self._answers: list[DataFrame] = []
        self._planned = 0
        self._known_table: FindTable
        self._find_table: FindTable
        self._embed: Embed
        self._empty: dict[tuple[str, pa.Schema], DataFrame] = {}
        self._readers = {
            "bm25_search": self._read_bm25,
            "vector_search": self._read_vector,
            "hybrid_search": self._read_hybrid,
        }
        self._spellings: set[str] = set()
        self.calls: list[Call] = []
        self.scalars = ScalarFunctions()
        self._failure: EngineError | None = None

    @property
    def failure(self) -> EngineError | None:
        """What a call was refused for."""
        return self._failure or self.scalars.failure

    def register(self, context: SessionContext) -> None:
        """Make the functions known to a context."""
        for name in TABLE_FUNCTIONS:
            self._register_spelled(context, name)
            self._register_spelled(context, name.upper())
        self.scalars.register(context)

    def know_spellings(self, context: SessionContext, sql: str) -> None:
        """Let a statement write the functions in any case: DataFusion does not fold their names."""
        encoded = sql.encode()
        folded = encoded.lower()  # of bytes these are as long: a text's may be longer
        for name in map(str.encode, TABLE_FUNCTIONS):
            at = folded.find(name)
            while at >= 0:
                spelled = encoded[at : at + len(name)].decode()
                if spelled not in self._spellings and len(self._spellings) < _SPELLINGS_MAX:
                    self._register_spelled(context, spelled)
                at = folded.find(name, at + 1)

    def _register_spelled(self, context: SessionContext, spelled: str) -> None:
        name = spelled.lower()
        function = (
            self._sorted_scan
            if name == "sorted_scan"
            else partial(self._called, name, self._readers[name])
        )
        context.register_udtf(udtf(function, spelled))
        self._spellings.add(spelled)

    def _sorted_scan(self, *args: Expr) -> DataFrame:
        """``sorted_scan('<table>', '<index>')``: the copy of a table that is in order."""
        with self._noting("sorted_scan"):
            table, name = values_of(args, "'<table>', '<index>'", least=2)
            binding = self._bound(text_of(table, "table"))
            index = find_sorted(binding, text_of(name, "index"))
            assert index.folder is not None
            title = f"{'.'.join(binding.name)} by sorted index {index.name}"
            return self._thread.submit(self._name_files, title, index.folder).result()

    def begin(self, known_table: FindTable, find_table: FindTable, embed: Embed) -> None:
        """Forget the statement before.

        Args:
            known_table: finds a table without a call of DataFusion; only other tables are looked
                for by ``find_table``, on another thread.
            find_table: asks for a table.
            embed: turns a text into a vector.
        """
        self._known_table, self._find_table, self._embed = known_table, find_table, embed
        self.scalars.begin(embed)
        self._answers = []
        self.restart()

    def restart(self) -> None:
        """Get ready to have the same statement planned once more."""
        self._planned = 0
        self._failure = self.scalars.failure = None
        if not self._answers:
            self.calls = []

    def answer(self, wanted: Sequence[tuple[Sequence[str] | None, int | None]]) -> None:
        """Find the rows of every call; the next planning reads them.

        Args:
            wanted: for each call the columns that are read, None for all, and how many of the best
                rows suffice, None for all.
        """
        self._answers = [
            self._name_rows(call.name, self.rows_of(call, columns, limit))
            for call, (columns, limit) in zip(self.calls, wanted, strict=True)
        ]
        self._planned = 0

    def rows_of(self, call: Call, columns: Sequence[str] | None, limit: int | None) -> pa.Table:
        """Return what a call finds; columns that are not read hold nulls."""
        hits = call.find(limit)
        rows = found_rows(self._indexes, call.table, hits, columns)
        return rows.append_column(_value_field(call), pa.array(hits.values, pa.float32()))

    def _called(
        self, function: str, read: Callable[[Sequence[Expr]], Call], *args: Expr
    ) -> DataFrame:
        with self._noting(function):
            number = self._planned
            self._planned += 1
            if number < len(self._answers):
                return self._answers[number]
            call = read(args)
            self.calls.append(call)
            return self._no_rows(call)

    @contextmanager
    def _noting(self, function: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            known = as_engine_error(error)
            self._failure = type(known)(f"{function}: {known.message}")
            raise

    def _no_rows(self, call: Call) -> DataFrame:
        """Return the columns of a call. They are kept: another thread is slow to wake."""
        schema = pa.schema([*found_fields(self._indexes, call.table), _value_field(call)])
        key = call.name, schema
        if key not in self._empty:
            if len(self._empty) >= _EMPTY_MAX:
                self._empty.clear()
            empty = schema.empty_table()
            self._empty[key] = self._thread.submit(self._name_rows, call.name, empty).result()
        return self._empty[key]

    def _read_bm25(self, args: Sequence[Expr]) -> Call:
        table, columns, query, *rest = values_of(
            args, "'<table>', '<column>', '<query>' [, k]", least=3
        )
        binding = self._bound(text_of(table, "table"))
        index, names = find_bm25(binding, text_of(columns, "column"))
        k = count_of(rest[0]) if rest else None
        text = text_of(query, "query")
        self.scalars.language = index.language or DEFAULT_LANGUAGE

        def find(limit: int | None) -> Hits:
            most = least_of(k, limit)
            limit = ROWS_MAX + 1 if most is None else most
            hits = self._indexes.find_words(binding, index, text, names, limit)
            if most is None and len(hits.rows) > ROWS_MAX:
                raise ResourceExhausted(
                    f"bm25_search finds more than {ROWS_MAX} rows. Say how many of the best are "
                    "wanted, as its fourth argument, or ORDER BY score DESC LIMIT."
                )
            return hits

        return self._new_call("bm25_search", binding, index, "score", find)

    def _read_vector(self, args: Sequence[Expr]) -> Call:
        table, column, query, *rest = values_of(
            args, "'<table>', '<column>', '<text>' or ARRAY[…] [, k]", least=3
        )
        binding = self._bound(text_of(table, "table"))
        index = find_vector(binding, text_of(column, "column"))
        k = count_of(rest[0]) if rest else _DEFAULT_K

        def find(limit: int | None) -> Hits:
            vector = self._query_vector(index, query)
            return self._indexes.find_nearest(binding, index, vector, least_of(k, limit) or 0)

        return self._new_call("vector_search", binding, index, "_distance", find)

    def _read_hybrid(self, args: Sequence[Expr]) -> Call:
        form = "'<table>', '<text column>', '<vector column>', '<text>' [, k [, alpha]]"
        table, words, vectors, query, *rest = values_of(args, form, least=4)
        binding = self._bound(text_of(table, "table"))
        bm25, names = find_bm25(binding, text_of(words, "text column"))
        vector = find_vector(binding, text_of(vectors, "vector column"))
        text = text_of(query, "text")
        if vector.embedding is None:
            raise SqlInvalid(
                f"The vectors of column '{vector.columns[0]}' were not made of text, so text cannot "
                "be compared with them. Use vector_search with an ARRAY."
            )
        k = count_of(rest[0]) if rest else _DEFAULT_K
        alpha = share_of(rest[1]) if len(rest) > 1 else 0.5
        self.scalars.language = bm25.language or DEFAULT_LANGUAGE

        def find(limit: int | None) -> Hits:
            depth = max(_FUSED_MIN, _FUSED_TIMES * k)
            numbers = self._query_vector(vector, text)
            near = self._indexes.find_nearest(binding, vector, numbers, depth)
            named = self._indexes.find_words(binding, bm25, text, names, depth)
            return fuse(named, near, share=alpha, limit=least_of(k, limit) or 0)

        return self._new_call("hybrid_search", binding, vector, "score", find)

    def _new_call(
        self,
        function: str,
        binding: TableBinding,
        index: IndexBinding,
        value: str,
        find: Callable[[int | None], Hits],
    ) -> Call:
        names = self._indexes.visible(binding)
        while value in names:  # the table has a column of that name
            value = "_" + value
        number = len(self.calls) + 1
        return Call(
            name=f"{function} #{number} of {_UNPRINTED.sub('_', binding.table)} by index {index.name}",
            table=binding,
            value=value,
            is_descending=value.endswith("score"),
            find=find,
        )

    def _bound(self, name: str) -> TableBinding:
        parts = table_of(name)
        if parts is None:
            raise SqlInvalid(f"'{name}' is not the name of a table")
        binding = self._known_table(parts)
        if binding is None:
            binding = self._thread.submit(self._find_table, parts).result()
        if binding is None:
            raise SqlInvalid(f"Table '{name}' not found")
        return binding

    def _query_vector(self, index: IndexBinding, query: Any) -> np.ndarray:  # noqa: ANN401 - a literal
        if isinstance(query, str):
            if index.embedding is None:
                raise SqlInvalid(
                    f"Index '{index.name}' was not made of text: give ARRAY[…] instead of a text"
                )
            query = self._embed(index.embedding, query)
        return vector_of(query)


def found_rows(
    indexes: OpenIndexes, table: TableBinding, hits: Hits, columns: Sequence[str] | None
) -> pa.Table:
    """Return rows by number.

    Args:
        indexes: of the worker.
        table: with its rows by number.
        hits: which rows.
        columns: that are read; the others hold nulls. None = all are.
    """
    fields = found_fields(indexes, table)
    read = [field.name for field in fields if columns is None or field.name in columns]
    taken = indexes.rows_of(table).take(hits.rows, read)
    arrays = [
        taken.column(field.name) if field.name in read else pa.nulls(len(hits.rows), field.type)
        for field in fields
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def found_fields(indexes: OpenIndexes, table: TableBinding) -> "list[pa.Field[Any]]":
    """Return the columns of rows by number."""
    schema = indexes.rows_of(table).schema
    names = indexes.visible(table)
    return [schema.field(name).remove_metadata().with_nullable(True) for name in names]


def _value_field(call: Call) -> "pa.Field[Any]":
    return pa.field(call.value, pa.float32(), nullable=False)

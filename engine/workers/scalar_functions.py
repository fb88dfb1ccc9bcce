"""The scalar functions of ours inside a worker: distances, highlights, and what stands for a literal.

A long array and a text that is compared with vectors are kept here, and calls of a function stand for them in
the statement: reading them once is enough. The trap: DataFusion hides what we raise in a text with a
traceback; :attr:`ScalarFunctions.failure` keeps it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
from datafusion import SessionContext

from engine.errors import EngineError, SqlInvalid
from engine.functions import register_functions
from engine.functions.registry import FLOAT, INTEGER, TEXT, Function
from engine.indexes.analyzers import DEFAULT_LANGUAGE
from engine.indexes.distances import distance_array
from engine.indexes.highlight import highlight
from engine.query.number_lists import take_numbers
from engine.workers.tasks import EmbeddingBinding

DISTANCES = {"l2_distance": "l2", "cosine_distance": "cosine", "negative_dot_product": "dot"}
# The stubs know no array whose items may be anything.
_Column = Any
_VECTOR = pa.list_(pa.float32())
_NUMBERS = pa.list_(pa.float64())
_NUMBERS_FUNCTION = "numbers_of_statement"
_TEXT_FUNCTION = "embedding_of_statement"

Embed = Callable[[EmbeddingBinding, str], Sequence[float]]


class ScalarFunctions:
    """The functions of one context, for one statement at a time.

    Attributes:
        failure: what a call was refused for.
        language: of the words that are highlighted: that of the search.
    """

    def __init__(self) -> None:
        self._embed: Embed
        self._numbers: _Column = pa.array([], _NUMBERS)
        self._texts: dict[tuple[EmbeddingBinding, str], Sequence[float]] = {}
        self.failure: EngineError | None = None
        self.language = DEFAULT_LANGUAGE

    def register(self, context: SessionContext) -> None:
        """Make the functions known to a context."""
        register_functions(context, self._note)
        functions = (
            *(
                Function(name, partial(distance_array, metric), (_VECTOR, _VECTOR), FLOAT)
                for name, metric in DISTANCES.items()
            ),
            Function(_NUMBERS_FUNCTION, self._numbers_of, (INTEGER,), _NUMBERS),
            Function(_TEXT_FUNCTION, self._embedded, (INTEGER,), _VECTOR),
            Function("bm25_highlight", self._highlight, (TEXT, TEXT), TEXT),
        )
        for function in functions:
            context.register_udf(function.build(self._note))

    def begin(self, embed: Embed) -> None:
        """Forget the statement before, but for the arrays that were taken; ``embed`` embeds a text."""
        self._embed = embed
        self._texts = {}
        self.failure = None
        self.language = DEFAULT_LANGUAGE

    def take_numbers(self, sql: str) -> str:
        """Keep the long arrays of a statement, which DataFusion then need not read twice."""
        sql, numbers = take_numbers(sql, _NUMBERS_FUNCTION)
        self._numbers = pa.array(numbers, _NUMBERS)
        return sql

    def write_text(self, how: EmbeddingBinding, text: str) -> str:
        """Keep a text of the statement that is compared with vectors; return the SQL for its vector."""
        if (how, text) not in self._texts:
            self._texts[how, text] = self._embed(how, text)
        return f"{_TEXT_FUNCTION}({[*self._texts].index((how, text))})"

    def _note(self, failure: EngineError) -> None:
        self.failure = failure

    def _numbers_of(self, places: _Column) -> _Column:
        kept = self._kept(places, len(self._numbers))
        return self._numbers.take(pa.array(kept, pa.int64()))

    def _embedded(self, places: _Column) -> _Column:
        kept = [*self._texts.values()]
        return pa.array([kept[place] for place in self._kept(places, len(kept))], _VECTOR)

    def _kept(self, places: _Column, count: int) -> list[int]:
        """Read places among what a statement keeps: only what was written here names them."""
        found: list[Any] = places.to_pylist()
        if any(place is None or not 0 <= place < count for place in found):
            raise SqlInvalid("Functions that stand for a literal are not to be called")
        return found

    def _highlight(self, texts: _Column, queries: _Column) -> _Column:
        if len(queries) == 0:
            return pa.array([], pa.string())
        distinct = queries.unique()
        if len(distinct) == 1:
            query = distinct[0].as_py()
            if query is None:
                return pa.nulls(len(texts), pa.string())
            return highlight(texts, query, language=self.language)
        each = [
            self._highlight(texts.slice(place, 1), queries.slice(place, 1))
            for place in range(len(queries))
        ]
        return pa.concat_arrays(each)

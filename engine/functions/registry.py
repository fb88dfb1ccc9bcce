"""What a function of ours is: a name, the exact types of its arguments, and vectorised Python."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from datafusion import ScalarUDF, udf

from engine.errors import EngineError, SqlInvalid
from engine.functions.values import Column

TEXT = pa.string()
TEXTS = pa.list_(pa.string())
INTEGER = pa.int64()
FLOAT = pa.float64()
BOOLEAN = pa.bool_()
INTERVAL = pa.month_day_nano_interval()
TIMESTAMPTZ = pa.timestamp("us", "UTC")

OnFailure = Callable[[EngineError], None]


@dataclass(frozen=True)
class Function:
    """A scalar function.

    Attributes:
        name: in SQL.
        run: columns in, a column of type ``answer`` out; raises SqlInvalid, or an error of pyarrow.
        arguments: a TEXT takes any scalar value, as its Arrow text; TEXTS any list of scalars.
        answer: type of the result.
        volatility: of DataFusion.
    """

    name: str
    run: Callable[..., Any]
    arguments: Sequence[pa.DataType]
    answer: pa.DataType
    volatility: str = "immutable"

    def build(self, on_failure: OnFailure | None) -> ScalarUDF:
        """Make what a context registers.

        Args:
            on_failure: is told what a call was refused for, as DataFusion hides it in a text.
        """

        def call(*columns: Column) -> Column:
            try:
                found = self.run(*columns)
            except EngineError as error:
                failure = error
            except OverflowError:
                failure = SqlInvalid(f"{self.name}: value out of range")
            except (
                pa.ArrowException,
                ArithmeticError,
                RecursionError,
                TypeError,
                ValueError,
            ) as error:
                failure = SqlInvalid(f"{self.name}: {error}")
            else:
                return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
            if on_failure is not None:
                on_failure(failure)
            raise failure

        return udf(call, list(self.arguments), self.answer, self.volatility, self.name)

"""Functions of Postgres that DataFusion lacks, or answers otherwise: vectorised, registered in a context.

A user function of DataFusion has one exact signature, so the ones of any type take texts, variadic ones take
arrays, and a function of several numbers of arguments is registered under the most. How a statement of Postgres
comes to call them, :mod:`engine.dialect` says; what is written as Postgres writes it and fits already
(``to_char``, ``age``, ``quote_ident`` …) needs nothing.
"""

from datafusion import SessionContext

from engine.functions import (
    arrays,
    extraction,
    intervals,
    json_values,
    numerics,
    temporal,
    text,
    value_text,
)
from engine.functions.registry import Function, OnFailure

_FUNCTIONS: tuple[Function, ...] = (
    *temporal.FUNCTIONS,
    *extraction.FUNCTIONS,
    *intervals.FUNCTIONS,
    *text.FUNCTIONS,
    *numerics.FUNCTIONS,
    *arrays.FUNCTIONS,
    *json_values.FUNCTIONS,
    *value_text.FUNCTIONS,
)
FUNCTION_NAMES = frozenset(function.name for function in _FUNCTIONS)


def register_functions(context: SessionContext, on_failure: OnFailure | None = None) -> None:
    """Make the functions known to a context, in place of DataFusion's own of the same names.

    Args:
        context: of one query or many.
        on_failure: is told what a call was refused for: DataFusion hides what a function raises in a
            text with a traceback.
    """
    for function in _FUNCTIONS:
        context.register_udf(function.build(on_failure))

"""What a failure in a worker means to whoever asked."""

import pyarrow as pa
import pytest

from engine.errors import EngineError, QueryCrashed, ResourceExhausted, SqlInvalid
from engine.workers.failures import as_engine_error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TypeError("'NoneType' object is not subscriptable"), QueryCrashed),
        (KeyError("field"), QueryCrashed),
        (Exception("DataFusion error: Internal error: assertion failed: x > 0"), QueryCrashed),
        (pa.ArrowTypeError("Expected integer, got a dict"), SqlInvalid),
        (pa.ArrowKeyError("no such field"), SqlInvalid),
        (ValueError("Error during planning: table 'a.b.c' not found"), SqlInvalid),
        (MemoryError(), ResourceExhausted),
    ],
)
def test_a_mistake_of_this_code_is_not_called_one_of_the_statement(
    error: Exception, kind: type[EngineError]
) -> None:
    assert type(as_engine_error(error)) is kind


def test_a_function_that_does_not_take_its_arguments_is_named_with_their_type() -> None:
    text = (
        "Error during planning: Internal error: Function 'avg' failed to match any signature, errors: "
        "Error during planning: Function 'avg' requires Decimal, but received Timestamp(ns) "
        "(DataType: Timestamp(ns)).,Error during planning: Function 'avg' requires Duration"
    )
    told = as_engine_error(ValueError(text))
    assert str(told).startswith("Function 'avg' does not take a value of type Timestamp(ns).")

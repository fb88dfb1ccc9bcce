"""What a failure in a worker means to whoever asked."""

import pyarrow as pa
import pytest

from engine.errors import EngineError, QueryCrashed, ResourceExhausted, SqlInvalid, Unavailable
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
        (KeyError(21), SqlInvalid),
        (Exception("Arrow error: Cast error: Cannot cast string 'NotFound' to Int32"), SqlInvalid),
        (Exception("caused by\nArrow error: Cast error: 'it's panicked' to Int32"), SqlInvalid),
        (ValueError('Schema error: No field named "No space".'), SqlInvalid),
        (Exception("Resources exhausted: Additional allocation failed"), ResourceExhausted),
        (Exception("Object at location a/b.parquet not found"), Unavailable),
        (
            Exception("type_coercion\ncaused by\nInternal error: Failed to coerce types A"),
            SqlInvalid,
        ),
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

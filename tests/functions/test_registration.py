"""Every function stands NULLs and no rows, keeps its type, and says what it refuses."""

import pyarrow as pa
import pytest
from datafusion import SessionContext

from engine.errors import EngineError, SqlInvalid
from engine.functions import _FUNCTIONS, FUNCTION_NAMES, register_functions
from engine.functions.registry import TEXT as TEXT_TYPE
from engine.functions.registry import Function

# What is never NULL: a literal in place of it.
_NEVER_NULL = {"quote_nullable", "format", "json_build_array", "json_build_object"}


def ask(function: Function, rows: int) -> pa.Table:
    """Call a function over so many rows of NULLs."""
    context = SessionContext()
    register_functions(context)
    fields = [pa.field(f"a{n}", dtype) for n, dtype in enumerate(function.arguments)]
    fields.append(pa.field("n", pa.int64()))
    arrays = [pa.array([None] * rows, field.type) for field in fields]
    batch = pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
    context.register_record_batches("t", [[batch]])
    call = f"{function.name}({', '.join(field.name for field in fields[:-1])})"
    frame = context.sql(f"SELECT {call} AS r FROM t")
    return pa.Table.from_batches(
        [batch.to_pyarrow() for batch in frame.execute_stream()]
        or [pa.RecordBatch.from_pylist([], pa.schema([("r", function.answer)]))]
    )


@pytest.mark.parametrize("function", _FUNCTIONS, ids=lambda function: function.name)
def test_null_is_null(function: Function) -> None:
    answer = ask(function, 3).column("r")
    assert answer.type == function.answer
    assert len(answer) == 3
    assert answer.null_count == 3 or function.name in _NEVER_NULL


@pytest.mark.parametrize("function", _FUNCTIONS, ids=lambda function: function.name)
def test_no_rows_are_no_rows(function: Function) -> None:
    assert len(ask(function, 0)) == 0
    # DataFusion does not call over no rows; a filter of ours may.
    empty = [pa.array([], dtype) for dtype in function.arguments]
    assert len(function.run(*empty)) == 0


def test_names_are_unique() -> None:
    assert len(FUNCTION_NAMES) == len(_FUNCTIONS)


def test_a_refusal_is_told() -> None:
    told: list[EngineError] = []
    context = SessionContext()
    register_functions(context, told.append)
    with pytest.raises(Exception, match="date/time field value out of range"):
        context.sql("SELECT to_date_by_pattern('2024-02-30', 'YYYY-MM-DD')").collect()
    assert isinstance(told[0], SqlInvalid)
    assert str(told[0]) == "date/time field value out of range"


def test_values_of_many_batches_come_in_order() -> None:
    context = SessionContext()
    register_functions(context)
    numbers = pa.table({"n": pa.array(range(20_000), pa.int64())})
    context.register_record_batches("t", [numbers.to_batches(max_chunksize=777)])
    patterns = "CASE n % 3 WHEN 0 THEN 'FM99999' WHEN 1 THEN 'FM00000' END"
    frame = context.sql(f"SELECT n, to_char(n, {patterns}) AS r FROM t")
    table = pa.Table.from_batches([b.to_pyarrow() for b in frame.execute_stream()])
    order: list[int] = [row["n"] for row in table.to_pylist()]
    wanted = [None if n % 3 == 2 else str(n) if n % 3 == 0 else f"{n:05d}" for n in order]
    assert table.column("r").cast(TEXT_TYPE).to_pylist() == wanted

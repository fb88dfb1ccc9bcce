"""Declared column types."""

import pyarrow as pa
import pytest

from engine.datasets.columns import parse_columns
from engine.datasets.load import LoadError


@pytest.mark.parametrize(
    ("declared", "dtype"),
    [
        ("varchar", pa.string()),
        ("VARCHAR(20)", pa.string()),
        ("Uuid", pa.string()),
        ("json", pa.string()),
        ("bool", pa.bool_()),
        ("INT1", pa.int8()),
        ("smallint", pa.int16()),
        (" int ", pa.int32()),
        ("INT8", pa.int64()),
        ("utinyint", pa.uint8()),
        ("usmallint", pa.uint16()),
        ("UINT", pa.uint32()),
        ("ubigint", pa.uint64()),
        ("float", pa.float32()),
        ("FLOAT8", pa.float64()),
        ("decimal", pa.decimal128(38, 10)),
        ("DECIMAL(10)", pa.decimal128(10, 0)),
        ("numeric( 10 , 2 )", pa.decimal128(10, 2)),
        ("date", pa.date32()),
        ("time", pa.time64("ns")),
        ("datetime", pa.timestamp("us")),
        ("timestamp  with time zone", pa.timestamp("us", "UTC")),
        ("TIMESTAMPTZ", pa.timestamp("us", "UTC")),
        ("bytea", pa.binary()),
        ("GEOMETRY(Point, 4326)", pa.binary()),
        ("geography", pa.binary()),
        ({"type": "decimal", "precision": 12, "scale": 3}, pa.decimal128(12, 3)),
        ({"type": "decimal", "precision": 12}, pa.decimal128(12, 0)),
        ({"type": "geometry", "srid": 4326, "geometry_type": "Point"}, pa.binary()),
    ],
)
def test_a_declared_type_is_an_arrow_type(declared: object, dtype: pa.DataType) -> None:
    assert parse_columns({"c": declared}) == {"c": dtype}  # type: ignore[dict-item]  # JSON


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("money", "Supported types: VARCHAR"),
        ("", "Supported types"),
        ("decimal(10", "Unbalanced parentheses"),
        ("decimal 10)", "Unbalanced parentheses"),
        ("decimal((10))", "Unbalanced parentheses"),
        ("decimal(39)", "precision must be 1 to 38"),
        ("decimal(0)", "precision must be 1 to 38"),
        ("decimal(5,6)", "scale must be 0 to the precision 5"),
        ("decimal(x)", "whole numbers"),
        ("decimal(-1)", "whole numbers"),
        ({"type": "decimal", "scale": 2}, "needs a precision"),
        ({"type": "decimal", "precision": True}, "whole numbers"),
        ({"precision": 2}, "needs a type"),
        ({"type": 5}, "needs a type"),
        (1, "needs a type"),
        (None, "needs a type"),
        (["INT"], "needs a type"),
    ],
)
def test_a_bad_declaration_is_explained(declared: object, message: str) -> None:
    with pytest.raises(LoadError, match=message):
        parse_columns({"c": declared})  # type: ignore[dict-item]  # JSON

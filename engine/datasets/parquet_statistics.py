"""Which columns of a Parquet file get statistics and a page index: those that hold no floats.

The trap: minimum and maximum of Parquet leave NaN out, while SQL counts it as the largest value.
A reader that prunes by them, or takes equal bounds for a constant, answers wrongly as soon as one
value is NaN, and a writer knows that only after the file was begun.
"""

import pyarrow as pa
import pyarrow.parquet as pq

_FLOATS = frozenset(["FLOAT", "DOUBLE"])


def leaf_paths(schema: pa.Schema) -> list[str]:
    """Paths of all leaf columns as Parquet spells them; those in structs and lists count.

    >>> leaf_paths(pa.schema({"a": pa.int64(), "b": pa.list_(pa.float64())}))
    ['a', 'b.list.element']
    """
    return [path for path, _is_float in _leaves(schema)]


def paths_with_statistics(schema: pa.Schema) -> list[str]:
    """Paths of the leaf columns without floats, for ``write_statistics``.

    >>> paths_with_statistics(pa.schema({"a": pa.int64(), "b": pa.list_(pa.float64())}))
    ['a']
    """
    leaves = _leaves(schema)
    # A column "a.b" and the field b of a struct a are one path to the writer.
    floats = {path for path, is_float in leaves if is_float}
    return [path for path, _is_float in leaves if path not in floats]


def _leaves(schema: pa.Schema) -> list[tuple[str, bool]]:
    empty = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), empty)
    written = pq.ParquetFile(pa.BufferReader(empty.getvalue())).metadata.schema
    leaves = (written.column(position) for position in range(len(written)))
    return [
        (
            leaf.path,
            leaf.physical_type in _FLOATS or leaf.logical_type.type == "FLOAT16",
        )
        for leaf in leaves
    ]

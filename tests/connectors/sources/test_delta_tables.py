"""What comes of Delta tables: deletes, renamed columns, partitions, types, states of the past."""

import json
import struct
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import deltalake
import pyarrow as pa
import pytest
from pyroaring import BitMap

from connectors.base import After, Scan, SourceTable
from connectors.errors import SourceFailed
from tests.connectors.contract import assert_same_rows
from tests.connectors.sources.delta_samples import LONG, Lake, column


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    root = tmp_path / "lake"
    root.mkdir()
    return Lake(root, tmp_path)


@pytest.mark.parametrize("feature", ["typeWidening", "geospatial", "catalogManaged", "unheardOf"])
def test_a_reader_feature_that_is_not_known_is_an_error(lake: Lake, feature: str) -> None:
    lake.table("t", pa.table({"id": [1]}), features=[feature])
    with pytest.raises(SourceFailed, match="cannot be read") as caught:
        lake.read("t")
    assert str(lake.root) not in str(caught.value)


def z85(data: bytes) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    text = ""
    for (number,) in struct.iter_unpack(">I", data):
        group = ""
        for power in (4, 3, 2, 1, 0):
            group += digits[number // 85**power % 85]
        text += group
    return text


def deletion_vector(positions: list[int]) -> bytes:
    bitmap = BitMap(positions).serialize()
    vector = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    return vector + b"\0" * (-len(vector) % 4)


ROWS = pa.table({"id": [1, 2, 3, 4, 5]})


VECTOR = deletion_vector([0, 3])


VECTOR_ID = UUID("d2c639aa-8816-431a-aaf6-d3fe2512ff61")


def test_deleted_rows_of_a_vector_in_the_log_do_not_come(lake: Lake) -> None:
    vector = {"storageType": "i", "pathOrInlineDv": z85(VECTOR), "cardinality": 2}
    vector["sizeInBytes"] = len(VECTOR)
    entry = {"deletionVector": vector, "stats": '{"numRecords":5}'}
    parquet = {"row_group_size": 2}
    lake.table("t", ROWS, add=entry, features=["deletionVectors"], parquet=parquet)
    assert lake.read("t")["id"].to_pylist() == [2, 3, 5]
    assert lake.read("t", Scan(after=After("id", "2")))["id"].to_pylist() == [3, 5]
    assert lake.read("t", Scan(limit=2)).num_rows == 2


def test_deleted_rows_of_a_vector_in_a_file_do_not_come(lake: Lake) -> None:
    vector = {"storageType": "u", "pathOrInlineDv": z85(VECTOR_ID.bytes), "cardinality": 2}
    vector |= {"offset": 1, "sizeInBytes": len(VECTOR)}
    entry = {"deletionVector": vector}
    folder = lake.table("t", ROWS, add=entry, features=["deletionVectors"])
    framed = struct.pack(">I", len(VECTOR)) + VECTOR + struct.pack(">I", zlib.crc32(VECTOR))
    (folder / f"deletion_vector_{VECTOR_ID}.bin").write_bytes(b"\x01" + framed)
    assert lake.read("t")["id"].to_pylist() == [2, 3, 5]


def test_a_vector_elsewhere_does_not_tell_whether_its_file_is_there(
    lake: Lake, tmp_path: Path
) -> None:
    present = tmp_path / "present.bin"
    present.write_bytes(b"\x01" + b"password" * 9)
    said = set()
    for name, path in (("t1", present), ("t2", tmp_path / "absent.bin")):
        vector = {"storageType": "p", "pathOrInlineDv": f"file://{path}", "cardinality": 2}
        vector |= {"offset": 1, "sizeInBytes": len(VECTOR)}
        lake.table(name, ROWS, add={"deletionVector": vector}, features=["deletionVectors"])
        with pytest.raises(SourceFailed) as caught:
            lake.read(name)
        said.add(str(caught.value))
    assert said == {"The log or a file of the table cannot be read"}


@pytest.mark.parametrize("mode", ["name", "id"])
def test_renamed_columns_come_under_their_names(lake: Lake, mode: str) -> None:
    def mapped(name: str, dtype: Any, number: int) -> dict[str, Any]:
        physical = f"col-{number}"
        keys = {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": physical}
        return column(name, dtype, **keys)

    def stored(number: int, dtype: pa.DataType) -> "pa.Field[Any]":
        return pa.field(f"col-{number}", dtype, metadata={"PARQUET:field_id": str(number)})

    struct_type = {"type": "struct", "fields": [mapped("renamed", "string", 3)]}
    element = {"type": "struct", "fields": [mapped("renamed", "string", 5)]}
    array = {"type": "array", "elementType": element, "containsNull": True}
    fields = [mapped('the "id"', "long", 1), mapped("s", struct_type, 2), mapped("l", array, 4)]
    schema = pa.schema(
        [
            stored(1, pa.int64()),
            stored(2, pa.struct([stored(3, pa.string())])),
            stored(4, pa.list_(pa.struct([stored(5, pa.string())]))),
        ]
    )
    rows = pa.table(
        {"col-1": [1, 2], "col-2": [{"col-3": "x"}, None], "col-4": [[{"col-5": "y"}], None]},
        schema=schema,
    )
    configuration = {"delta.columnMapping.mode": mode, "delta.columnMapping.maxColumnId": "5"}
    lake.table("t", rows, fields=fields, features=["columnMapping"], configuration=configuration)
    assert lake.read("t").to_pylist() == [
        {'the "id"': 1, "s": {"renamed": "x"}, "l": [{"renamed": "y"}]},
        {'the "id"': 2, "s": None, "l": None},
    ]
    assert lake.read("t", Scan(after=After('the "id"', "1"))).num_rows == 1


@pytest.mark.parametrize(
    ("dtype", "text", "value"),
    [
        ("string", None, None),
        ("string", "__HIVE_DEFAULT_PARTITION__", "__HIVE_DEFAULT_PARTITION__"),
        ("byte", "-128", -128),
        ("short", "5", 5),
        ("integer", None, None),
        ("long", "9223372036854775807", 2**63 - 1),
        ("float", "1.5", 1.5),
        ("double", "1e300", 1e300),
        ("boolean", "true", True),
        ("decimal(10,2)", "123.45", Decimal("123.45")),
        ("date", "0001-01-01", date(1, 1, 1)),
        ("timestamp", "2020-01-01 00:00:00", datetime(2020, 1, 1, tzinfo=UTC)),
        (
            "timestamp",
            "2020-01-01T00:00:00.123456Z",
            datetime(2020, 1, 1, 0, 0, 0, 123456, UTC),
        ),
        ("binary", "é", "é".encode()),
    ],
)
def test_partition_values_come_in_their_type(
    lake: Lake, dtype: str, text: str | None, value: Any
) -> None:
    lake.table(
        "t",
        pa.table({"id": [1]}),
        add={"partitionValues": {"p": text}},
        fields=[LONG, column("p", dtype)],
        partitioned_by=("p",),
    )
    assert lake.read("t").to_pylist() == [{"id": 1, "p": value}]


@pytest.mark.parametrize(
    ("dtype", "array"),
    [
        ("integer", pa.array([2**40])),
        ("integer", pa.array(["abc"])),
        ("decimal(3,2)", pa.array([Decimal("123.45")])),
        ("string", pa.array([b"\xff\xfe"])),
    ],
)
def test_a_value_that_does_not_fit_is_an_error(
    lake: Lake, dtype: str, array: "pa.Array[Any]"
) -> None:
    lake.table("t", pa.table({"v": array}), fields=[column("v", dtype)])
    with pytest.raises(SourceFailed):
        lake.read("t")


def test_types_deltalake_does_not_write(lake: Lake) -> None:
    variant = pa.struct(
        [pa.field("metadata", pa.binary(), False), pa.field("value", pa.binary(), False)]
    )
    value = {"metadata": b"\x01\x00\x00", "value": b"\x0c\x05"}
    rows = pa.table({"variant": pa.array([value, None], variant)})
    fields = [column("variant", "variant"), column("void", "void")]
    lake.table("t", rows, fields=fields, features=["variantType"])
    found = lake.read("t", Scan(columns=("variant",))).to_pylist()
    assert sorted(found, key=str) == [{"variant": None}, {"variant": value}]
    with lake.connector() as connector:
        described = connector.describe("main", "t")
    assert described.arrow_schema.field("void").type == pa.string()
    assert [c.native_type for c in described.columns] == ["variant", "void"]


def test_timestamps_in_spark_s_old_form_keep_their_range(lake: Lake) -> None:
    moments = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)]
    rows = pa.table({"at": pa.array(moments, pa.timestamp("us", "UTC"))})
    parquet = {"use_deprecated_int96_timestamps": True}
    lake.table("t", rows, fields=[column("at", "timestamp")], parquet=parquet)
    assert lake.read("t")["at"].to_pylist() == moments


def test_columns_added_later_are_null_in_older_files(lake: Lake) -> None:
    folder = str(lake.root / "t")
    deltalake.write_deltalake(folder, pa.table({"id": [1]}))
    deltalake.write_deltalake(
        folder, pa.table({"id": [2], "new": ["x"]}), mode="append", schema_mode="merge"
    )
    assert lake.read("t").to_pylist() == [{"id": 1, "new": None}, {"id": 2, "new": "x"}]


AFTERS: list[tuple[str, pa.DataType, list[Any], str]] = [
    ("decimal", pa.decimal128(38, 10), [Decimal("12345678901234567890.99")], "0.98"),
    (
        "moment",
        pa.timestamp("us", "UTC"),
        [datetime(2024, 1, 1, 0, 0, 0, 123999, UTC)],
        "2024-01-01 00:00:00.123998Z",
    ),
    (
        "wall",
        pa.timestamp("us"),
        [datetime(2024, 1, 1, 0, 0, 0, 123999)],  # noqa: DTZ001 - a time of no zone is tested
        "2024-01-01 00:00:00.123998",
    ),
    ("text", pa.string(), ["a" * 40 + "z"], "a" * 40 + "y"),
    ("day", pa.date32(), [date(2024, 1, 2)], "2024-01-01"),
    ("number", pa.int64(), [2**63 - 1], str(2**63 - 2)),
    ("double", pa.float64(), [0.1 + 0.2], "0.3"),
    ("flag", pa.bool_(), [True], "false"),
]


@pytest.mark.parametrize(("name", "dtype", "values", "value"), AFTERS)
def test_statistics_that_are_rounded_hide_no_row(
    lake: Lake, name: str, dtype: pa.DataType, values: list[Any], value: str
) -> None:
    if name == "decimal":
        value = "12345678901234567890.98"
    rows = pa.table({name: pa.array(values, dtype)})
    deltalake.write_deltalake(str(lake.root / "t"), rows)
    assert_same_rows(lake.read("t", Scan(after=After(name, value))), rows)
    last = rows[name].cast(pa.string())[0].as_py()
    assert lake.read("t", Scan(after=After(name, last))).num_rows == 0


def test_a_column_that_cannot_be_compared_is_an_error(lake: Lake) -> None:
    lake.table("t", pa.table({"id": [1]}))
    with pytest.raises(SourceFailed, match="compared"):
        lake.read("t", Scan(after=After("id", "not a number")))


@pytest.fixture
def versions(lake: Lake) -> Callable[[int], datetime]:
    """A table ``t`` with versions 0 to 2, and when each was committed."""
    folder = lake.root / "t"
    for number in range(3):
        deltalake.write_deltalake(str(folder), pa.table({"id": [number]}), mode="append")

    def committed(version: int) -> datetime:
        commit = folder / "_delta_log" / f"{version:020}.json"
        return datetime.fromtimestamp(commit.stat().st_mtime, UTC)

    return committed


def test_a_version_is_read_as_it_was(lake: Lake, versions: object) -> None:
    assert lake.read("t")["id"].to_pylist() == [0, 1, 2]
    assert lake.read("t", version=1)["id"].to_pylist() == [0, 1]
    with pytest.raises(SourceFailed, match="no such version"):
        lake.read("t", version=9)


def test_a_moment_is_read_as_it_was(lake: Lake, versions: Callable[[int], datetime]) -> None:
    second = timedelta(seconds=1)
    assert lake.read("t", timestamp=versions(2) + second)["id"].to_pylist() == [0, 1, 2]
    with pytest.raises(SourceFailed, match="no version yet"):
        lake.read("t", timestamp=versions(0) - second)


def test_rows_written_after_the_plan_do_not_come(lake: Lake, versions: object) -> None:
    with lake.connector() as connector:
        (part,) = connector.plan_fetch(connector.describe("main", "t"), Scan())
        deltalake.write_deltalake(str(lake.root / "t"), pa.table({"id": [3]}), mode="overwrite")
        rows = pa.Table.from_batches(connector.open(part), part.schema)
    assert rows.sort_by("id")["id"].to_pylist() == [0, 1, 2]


def test_columns_that_changed_since_they_were_described_are_an_error(
    lake: Lake, versions: object
) -> None:
    with lake.connector() as connector:
        described = connector.describe("main", "t")
        deltalake.write_deltalake(
            str(lake.root / "t"),
            pa.table({"other": [3]}),
            mode="overwrite",
            schema_mode="overwrite",
        )
        with pytest.raises(SourceFailed, match="changed"):
            connector.plan_fetch(described, Scan())


def test_a_table_is_read_from_its_checkpoint(lake: Lake, versions: object) -> None:
    folder = lake.root / "t"
    deltalake.DeltaTable(folder).create_checkpoint()
    for number in range(2):
        (folder / "_delta_log" / f"{number:020}.json").unlink()
    assert lake.read("t")["id"].to_pylist() == [0, 1, 2]


def test_a_table_is_read_from_a_checkpoint_of_the_second_form(lake: Lake) -> None:
    folder = lake.table("t", pa.table({"id": [1]}), features=["v2Checkpoint"])
    log = folder / "_delta_log"
    first = log / "00000000000000000000.json"
    kept = [line for line in first.read_text().splitlines() if "dataChange" not in line]
    entry = json.loads(first.read_text().splitlines()[-1])
    entry["add"]["dataChange"] = False
    lines = [*kept, json.dumps(entry), json.dumps({"checkpointMetadata": {"version": 0}})]
    (log / f"00000000000000000000.checkpoint.{VECTOR_ID}.json").write_text("\n".join(lines))
    first.unlink()
    assert lake.read("t")["id"].to_pylist() == [1]


def test_what_is_known_of_a_table_is_described(lake: Lake) -> None:
    deltalake.write_deltalake(
        str(lake.root / "t"), pa.table({"id": [1, 2]}), description="Two numbers."
    )
    with lake.connector() as connector:
        found = connector.describe("main", "t")
    columns = found.columns
    assert found == SourceTable("main", "t", columns, row_estimate=2, comment="Two numbers.")
    assert [(c.name, c.native_type, c.nullable) for c in columns] == [("id", "long", True)]

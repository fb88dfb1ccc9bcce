"""What comes of Iceberg tables: changed columns, deletes, partitions, types, states of the past."""

import json
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform, IdentityTransform
from pyiceberg.typedef import Record
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)
from pyroaring import BitMap

from connectors.base import After, Scan
from connectors.errors import SourceFailed
from connectors.sources.iceberg.columns import arrow_type
from tests.connectors.sources.iceberg_samples import (
    FULL,
    ID,
    SCHEMA,
    U1,
    U2,
    Shelf,
    add_delete_file,
    add_rows,
    commit,
    data_file,
    delete_positions,
    ids,
    optional_list,
    optional_map,
    stored,
    write_file,
)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    root = tmp_path / "root"
    root.mkdir()
    shelf = Shelf(root, tmp_path)
    with closing(shelf.catalog):
        yield shelf


def test_a_file_that_is_missing_is_an_error_and_not_rows_less(shelf: Shelf) -> None:
    path = add_rows(shelf.make(ID), ids(1))
    Path(path.removeprefix("file://")).unlink()
    with pytest.raises(SourceFailed, match="is missing"):
        shelf.read()


def test_columns_are_followed_through_changes_at_every_depth(shelf: Shelf) -> None:
    table = shelf.catalog.create_table(("n", "t"), SCHEMA)
    old = add_rows(table, FULL.slice(3, 1))
    with table.update_schema() as change:
        change.rename_column("deep.element.element.a", "renamed")
        change.rename_column("list map.value.element.b", "renamed")
        change.update_column("structs.element.a", LongType())
        change.update_column("list.element", LongType())
        change.add_column(("struct map", "value", "added"), StringType())
        change.delete_column("struct.u")
        change.delete_column("binary")
        change.rename_column("id", "the id")
        change.update_column("float", DoubleType())
        change.update_column("int", LongType())
        change.add_column("binary", StringType())
        change.move_first("string")
    (row,) = shelf.rows()
    assert next(iter(row)) == "string"
    assert row["deep"] == [[None, {"renamed": 2, "b": "y", "u": None}], []]
    assert row["list map"] == [(U2, [None, {"a": 4, "renamed": "w", "u": U2}])]
    assert row["struct map"] == [(2, {"a": 3, "b": "z", "u": U1, "added": None})]
    assert row["struct"] == {"a": -1, "b": "x"}
    assert (row["the id"], row["binary"], row["int"]) == (2**63 - 1, None, 2**31 - 1)
    types = shelf.read().schema
    assert types.field("list").type.value_type == pa.int64()
    assert types.field("float").type == pa.float64()
    assert shelf.rows(Scan(columns=("binary",))) == [{"binary": None}]
    assert shelf.rows(Scan(after=After("int", str(2**31 - 2)), columns=("int",))) == [
        {"int": 2**31 - 1}
    ]
    assert shelf.rows(Scan(after=After("int", str(2**31 - 1)))) == []
    assert Path(old.removeprefix("file://")).exists()


def test_a_state_of_the_past_is_read_in_its_schema(shelf: Shelf) -> None:
    table = shelf.make(ID)
    add_rows(table, ids(1))
    first = table.metadata.snapshots[-1]
    with table.update_schema() as change:
        change.rename_column("id", "renamed")
        change.add_column("added", StringType())
    add_rows(table, pa.table({"renamed": [2], "added": ["x"]}))
    assert shelf.rows() == [{"renamed": 1, "added": None}, {"renamed": 2, "added": "x"}]
    assert shelf.rows(snapshot_id=first.snapshot_id) == [{"id": 1}]
    after = Scan(after=After("id", "0"))
    assert shelf.rows(after, snapshot_id=first.snapshot_id) == [{"id": 1}]
    moment = datetime.fromtimestamp(first.timestamp_ms / 1000, UTC)
    assert shelf.rows(as_of=moment.isoformat()) == [{"id": 1}]
    for past in (
        {"snapshot_id": 1},
        {"as_of": (moment - timedelta(seconds=1)).isoformat()},
    ):
        with pytest.raises(SourceFailed, match="no such snapshot"):
            shelf.read(**past)


def test_a_column_added_without_new_rows_is_there(shelf: Shelf) -> None:
    table = shelf.make(ID)
    add_rows(table, ids(1))
    with table.update_schema() as change:
        change.add_column("added", StringType())
    assert shelf.rows() == [{"id": 1, "added": None}]


def test_rows_written_after_the_plan_do_not_come(shelf: Shelf) -> None:
    table = shelf.make(ID)
    add_rows(table, ids(1))
    with shelf.connector() as connector:
        (part,) = connector.plan_fetch(connector.describe("n", "t"), Scan())
        add_rows(table, ids(2))
        rows = pa.Table.from_batches(connector.open(part), part.schema)
    assert rows["id"].to_pylist() == [1]


def test_columns_that_changed_since_they_were_described_are_an_error(shelf: Shelf) -> None:
    table = shelf.make(ID)
    with shelf.connector() as connector:
        described = connector.describe("n", "t")
        with table.update_schema() as change:
            change.rename_column("id", "renamed")
        with pytest.raises(SourceFailed, match="changed"):
            connector.plan_fetch(described, Scan())


def test_names_are_taken_as_they_are(shelf: Shelf) -> None:
    names = ["a.b", 'the "c"', "ü ", "a"]
    table = shelf.make(*(NestedField(n + 1, name, LongType()) for n, name in enumerate(names)))
    row = {name: number for number, name in enumerate(names)}
    add_rows(table, pa.Table.from_pylist([row]))
    assert shelf.rows() == [row]
    for name in names:
        assert shelf.rows(Scan(columns=(name,), after=After(name, "-1"))) == [{name: row[name]}]


def test_files_are_shared_out_among_parts(shelf: Shelf) -> None:
    table = shelf.make(ID)
    for number in range(5):
        add_rows(table, ids(number))
    with shelf.connector() as connector:
        parts = connector.plan_fetch(connector.describe("n", "t"), Scan())
        assert sorted(len(part.tasks) for part in parts) == [2, 3]
        with ThreadPoolExecutor() as pool:
            batches = [*chain(*pool.map(lambda part: list(connector.open(part)), parts))]
        assert sum(batch.num_rows for batch in batches) == 5
    assert shelf.read()["id"].to_pylist() == [0, 1, 2, 3, 4]
    assert shelf.read(Scan(limit=3)).num_rows == 3


@pytest.mark.parametrize("group_rows", [1, 2, 3, 100])
def test_rows_deleted_by_position_do_not_come(shelf: Shelf, group_rows: int) -> None:
    table = shelf.make(ID)
    first = add_rows(table, ids(*range(10)), row_group_size=group_rows)
    second = add_rows(table, ids(*range(10, 13)), row_group_size=group_rows)
    delete_positions(table, [(first, 0), (first, 3), (first, 9), (second, 1)])
    delete_positions(table, [(first, 3), (first, 4)])
    kept = [1, 2, 5, 6, 7, 8, 10, 12]
    assert shelf.read()["id"].to_pylist() == kept
    assert shelf.read(Scan(after=After("id", "5")))["id"].to_pylist() == kept[3:]
    assert shelf.read(Scan(limit=4)).num_rows == 4
    third = add_rows(table, ids(20))
    assert shelf.read()["id"].to_pylist() == [*kept, 20]
    delete_positions(table, [(third, 0)])
    assert shelf.read()["id"].to_pylist() == kept


def test_a_table_that_pyiceberg_deleted_from_is_read(shelf: Shelf) -> None:
    table = shelf.make(ID)
    add_rows(table, ids(1, 2, 3))
    table.delete("id = 2")
    assert shelf.read()["id"].to_pylist() == [1, 3]
    table.delete("true")
    assert shelf.read().num_rows == 0


def puffin(path: str, positions: list[int]) -> bytes:
    """A file with one deletion vector, as the specification of Puffin has it."""
    vector = struct.pack("<qi", 1, 0) + BitMap(positions).serialize()
    blob = struct.pack(">i", len(vector) + 4) + bytes.fromhex("d1d33964") + vector + b"\0\0\0\0"
    meta = {
        "type": "deletion-vector-v1",
        "fields": [],
        "snapshot-id": -1,
        "sequence-number": -1,
        "offset": 4,
        "length": len(blob),
        "properties": {"referenced-data-file": path, "cardinality": str(len(positions))},
    }
    footer = json.dumps({"blobs": [meta]}).encode()
    tail = struct.pack("<i", len(footer)) + b"\0\0\0\0" + b"PFA1"
    return b"PFA1" + blob + b"PFA1" + footer + tail


def test_rows_deleted_by_a_vector_do_not_come(shelf: Shelf) -> None:
    table = shelf.make(ID)
    path = add_rows(table, ids(*range(6)), row_group_size=2)
    place = shelf.root / "deletes.puffin"
    place.write_bytes(puffin(path, [0, 2, 5]))
    add_delete_file(table, f"file://{place}", 3, kind=FileFormat.PUFFIN)
    assert shelf.read()["id"].to_pylist() == [1, 3, 4]


@pytest.mark.parametrize("is_counted", [True, False])
def test_rows_deleted_by_value_are_an_error_and_never_come_back(
    shelf: Shelf, is_counted: bool
) -> None:
    table = shelf.make(ID)
    add_rows(table, ids(1, 2))
    path, _, _ = write_file(table, stored(table.schema(), ids(1)))
    add_delete_file(table, path, 1, content=DataFileContent.EQUALITY_DELETES, equality_ids=[1])
    if not is_counted:

        def forget(document: dict[str, Any]) -> None:
            for snapshot in document["snapshots"]:
                snapshot["summary"] = {"operation": "append"}

        shelf.edit_metadata(table, forget)
    with pytest.raises(SourceFailed, match="equality deletes"):
        shelf.read()


@pytest.mark.parametrize("kind", [FileFormat.ORC, FileFormat.AVRO])
def test_files_of_another_format_are_an_error(shelf: Shelf, kind: FileFormat) -> None:
    table = shelf.make(ID)
    file = data_file(table, stored(table.schema(), ids(1)))
    file[2] = kind
    commit(table, file)
    with pytest.raises(SourceFailed, match=f"format {kind.value}"):
        shelf.read()
    other = shelf.make(ID, name="other")
    path = add_rows(other, ids(1))
    add_delete_file(other, path, 1, kind=kind)
    with pytest.raises(SourceFailed, match=f"format {kind.value}"):
        shelf.read(name="other")


PARTITIONED = [
    ("boolean", True),
    ("int", 5),
    ("decimal", Decimal("1.5000000000")),
    ("date", date(1969, 12, 31)),
    ("time", time(1, 2, 3, 4)),
    ("timestamp", datetime(1969, 12, 31, 23, 59, 59, 999999)),  # noqa: DTZ001 - of no zone
    ("timestamptz", datetime(2024, 1, 1, tzinfo=UTC)),
    ("string", "a/b c%d?é"),
    ("binary", b"\x00\xff"),
    ("fixed", b"abc"),
    ("double", 1.5),
    ("int", None),
]


@pytest.mark.parametrize(("name", "value"), PARTITIONED)
def test_a_partition_value_stands_in_for_a_column_that_a_file_lacks(
    shelf: Shelf, name: str, value: Any
) -> None:
    """As in tables that were Hive's, whose files do not hold their partition columns."""
    field = SCHEMA.find_field(name)
    spec = PartitionSpec(PartitionField(field.field_id, 1000, IdentityTransform(), name))
    table = shelf.make(ID, field, partition_spec=spec)
    place = table.schema().find_field(name)
    rows = pa.table({"id": pa.array([1]), name: pa.array([value], arrow_type(field.field_type))})
    table.append(rows.cast(schema_to_pyarrow(table.schema(), include_field_ids=False)))
    path = Path(next(iter(table.scan().plan_files())).file.file_path.removeprefix("file://"))
    id_field = schema_to_pyarrow(Schema(table.schema().find_field("id")))
    pq.write_table(pa.table({"id": [1]}).cast(id_field), path)
    assert shelf.rows() == [{"id": 1, place.name: value}]


def test_files_of_several_partition_specs_are_read_together(shelf: Shelf) -> None:
    table = shelf.make(ID, NestedField(2, "at", TimestamptzType()))
    moments = [datetime(2024, 1, day, 12, tzinfo=UTC) for day in (1, 2, 3, 4)]
    rows = pa.table({"id": [1, 2, 3, 4], "at": pa.array(moments, pa.timestamp("us", "UTC"))})

    def add_day(start: int, *partition: Any) -> None:
        file = data_file(table, stored(table.schema(), rows.slice(start, 1)))
        file[3] = Record(*partition)
        commit(table, file)

    add_day(0)
    with table.update_spec() as change:
        change.add_field("at", DayTransform(), "day")
    add_day(1, (moments[1].date() - date(1970, 1, 1)).days)
    add_day(2, (moments[2].date() - date(1970, 1, 1)).days)
    with table.update_spec() as change:
        change.remove_field("day")
        change.add_identity("id")
    add_day(3, 4)
    assert shelf.read()["id"].to_pylist() == [1, 2, 3, 4]
    scan = Scan(after=After("at", "2024-01-02 12:00:00.000000Z"))
    assert shelf.read(scan)["id"].to_pylist() == [3, 4]
    with shelf.connector() as connector:
        parts = connector.plan_fetch(connector.describe("n", "t"), scan)
    assert sum(len(part.tasks) for part in parts) == 2


def test_files_without_ids_are_read_by_the_name_mapping(shelf: Shelf) -> None:
    table = shelf.make(
        ID,
        NestedField(2, "s", StructType(NestedField(3, "a", IntegerType()))),
        NestedField(4, "l", optional_list(5, StructType(NestedField(6, "b", StringType())))),
        NestedField(
            7, "m", optional_map(8, StringType(), 9, StructType(NestedField(10, "c", DateType())))
        ),
    )
    row = {"id": 1, "s": {"a": 2}, "l": [{"b": "x"}, None], "m": [("k", {"c": date(2024, 1, 1)})]}
    plain = schema_to_pyarrow(table.schema(), include_field_ids=False)
    path = shelf.root / "plain.parquet"
    pq.write_table(pa.Table.from_pylist([row], schema=plain), path, store_schema=False)
    table.add_files([f"file://{path}"])
    assert shelf.rows() == [row]
    with table.update_schema() as change:
        change.rename_column("l.element.b", "renamed")
        change.rename_column("m.value.c", "renamed")
    assert shelf.rows() == [
        row | {"l": [{"renamed": "x"}, None], "m": [("k", {"renamed": date(2024, 1, 1)})]}
    ]
    with table.transaction() as transaction:
        transaction.remove_properties("schema.name-mapping.default")
    with pytest.raises(SourceFailed, match="no field ids"):
        shelf.read()


def upgraded(table_type: dict[str, str], default: Any = None) -> Callable[[dict[str, Any]], None]:
    """Make a table one of version 3, give columns other types and the last one a default."""

    def change(document: dict[str, Any]) -> None:
        document["format-version"] = 3
        document["next-row-id"] = 0
        for schema in document["schemas"]:
            for field in schema["fields"]:
                field["type"] = table_type.get(field["name"], field["type"])
            if default is not None and len(schema["fields"]) > 1:
                schema["fields"][-1]["initial-default"] = default

    return change


def test_types_of_version_3(shelf: Shelf) -> None:
    names = ("ns", "nstz", "shape", "earth")
    types: list[IcebergType] = [TimestampType(), TimestamptzType(), BinaryType(), BinaryType()]
    fields = [NestedField(n + 2, *pair) for n, pair in enumerate(zip(names, types, strict=True))]
    unknown = NestedField(6, "unknown", StringType())
    table = shelf.make(ID, *fields, unknown)
    least, most = -(2**63) + 1, 2**63 - 1
    rows = pa.table(
        {
            "id": [1, 2],
            "ns": pa.array([least, most], pa.timestamp("ns")),
            "nstz": pa.array([most, None], pa.timestamp("ns", "UTC")),
            "shape": [b"\x01\x01", None],
            "earth": [b"\x01\x02", None],
        }
    )
    ids_of = {field.name: str(field.field_id) for field in table.schema().fields}
    numbered = pa.schema(
        [f.with_metadata({"PARQUET:field_id": ids_of[f.name]}) for f in rows.schema]
    )
    path, size, footer = write_file(table, rows.cast(numbered))
    commit(
        table,
        DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=path,
            file_format=FileFormat.PARQUET,
            partition=Record(),
            record_count=footer.num_rows,
            file_size_in_bytes=size,
            spec_id=0,
        ),
    )
    new_types = {
        "ns": "timestamp_ns",
        "nstz": "timestamptz_ns",
        "shape": "geometry",
        "earth": "geography",
        "unknown": "unknown",
    }
    shelf.edit_metadata(table, upgraded(new_types))
    found = shelf.read()
    assert found["ns"].cast(pa.int64()).to_pylist() == [least, most]
    assert found["nstz"].type == pa.timestamp("ns", "UTC")
    assert found["nstz"].cast(pa.int64()).to_pylist() == [most, None]
    assert found["shape"].to_pylist() == [b"\x01\x01", None]
    assert found["unknown"].to_pylist() == [None, None]
    after = Scan(after=After("ns", "2262-04-11 23:47:16.854775806"))
    assert shelf.read(after)["id"].to_pylist() == [2]


@pytest.mark.parametrize(
    ("dtype", "default", "value"),
    [
        (StringType(), "x", "x"),
        (IntegerType(), 34, 34),
        (DateType(), "2017-11-16", date(2017, 11, 16)),
        (TimestamptzType(), "2017-11-16T22:31:08.000001+00:00", None),
        (UUIDType(), U1, U1),
        (DecimalType(9, 2), "14.20", Decimal("14.20")),
        (BinaryType(), "00ff", b"\x00\xff"),
        (BooleanType(), True, True),
        (TimeType(), "22:31:08.123456", time(22, 31, 8, 123456)),
    ],
)
def test_a_default_stands_in_for_a_column_that_a_file_lacks(
    shelf: Shelf, dtype: IcebergType, default: Any, value: Any
) -> None:
    table = shelf.make(ID)
    add_rows(table, ids(1))
    with table.update_schema() as change:
        change.add_column("added", dtype)
    shelf.edit_metadata(table, upgraded({}, default))
    expected = datetime(2017, 11, 16, 22, 31, 8, 1, UTC) if value is None else value
    assert shelf.rows() == [{"id": 1, "added": expected}]
    text = shelf.read()["added"].cast(pa.string())[0].as_py() if value != b"\x00\xff" else None
    if text is not None:
        assert shelf.rows(Scan(after=After("added", text))) == []


def test_a_type_that_is_not_known_is_an_error(shelf: Shelf) -> None:
    table = shelf.make(ID)
    shelf.edit_metadata(table, upgraded({"id": "variant"}))
    with pytest.raises(SourceFailed):
        shelf.read()


@pytest.mark.parametrize(
    ("field_type", "array"),
    [
        (IntegerType(), pa.array([2**40])),
        (FloatType(), pa.array([0.1])),
        (StringType(), pa.array([b"\xff\xfe"])),
        (DecimalType(3, 2), pa.array([Decimal("123.45")])),
        (StructType(NestedField(3, "a", LongType())), pa.array([1])),
        (LongType(), pa.array([[1]])),
        (UUIDType(), pa.array([b"short"], pa.binary(5))),
    ],
)
def test_a_value_that_does_not_fit_is_an_error(
    shelf: Shelf, field_type: IcebergType, array: "pa.Array[Any]"
) -> None:
    table = shelf.make(NestedField(1, "v", field_type))
    field = pa.field("v", array.type, metadata={"PARQUET:field_id": "1"})
    path, size, _ = write_file(table, pa.Table.from_arrays([array], schema=pa.schema([field])))
    commit(
        table,
        DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=path,
            file_format=FileFormat.PARQUET,
            partition=Record(),
            record_count=1,
            file_size_in_bytes=size,
            spec_id=0,
        ),
    )
    with pytest.raises(SourceFailed):
        shelf.read()


def test_timestamps_in_spark_s_old_form_keep_their_range(shelf: Shelf) -> None:
    table = shelf.make(NestedField(1, "at", TimestamptzType()))
    moments = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)]
    rows = pa.table({"at": pa.array(moments, pa.timestamp("us", "UTC"))})
    add_rows(table, rows, use_deprecated_int96_timestamps=True, store_schema=False)
    assert shelf.read()["at"].to_pylist() == moments


AFTERS: list[tuple[IcebergType, list[Any], str]] = [
    (IntegerType(), [1, 2], "1"),
    (LongType(), [2**63 - 2, 2**63 - 1], str(2**63 - 2)),
    (DateType(), [date(9999, 12, 30), date(9999, 12, 31)], "9999-12-30"),
    (TimeType(), [time(1), time(1, 0, 0, 1)], "01:00:00.000000"),
    (StringType(), ["a" * 40 + "y", "a" * 40 + "z"], "a" * 40 + "y"),
    (
        DecimalType(38, 10),
        [Decimal("12345678901234567890.98"), Decimal("12345678901234567890.99")],
        "12345678901234567890.9800000000",
    ),
    (UUIDType(), ["7fffffff-ffff-ffff-ffff-ffffffffffff", U2], U1.replace("00", "7f", 1)),
    (DoubleType(), [0.3, 0.1 + 0.2], "0.3"),
    (BinaryType(), [b"a", b"b"], "a"),
    (BooleanType(), [False, True], "false"),
]


@pytest.mark.parametrize(("dtype", "values", "value"), AFTERS)
def test_only_rows_after_a_value_of_any_type(
    shelf: Shelf, dtype: IcebergType, values: list[Any], value: str
) -> None:
    table = shelf.make(NestedField(1, "v", dtype))
    rows = pa.table({"v": pa.array(values, arrow_type(dtype))})
    for place in range(2):
        add_rows(table, rows.slice(place, 1))
    if isinstance(dtype, UUIDType):
        value = values[0]
    assert shelf.read(Scan(after=After("v", value)))["v"].to_pylist() == values[1:]
    last = "b" if isinstance(dtype, BinaryType) else rows["v"].cast(pa.string())[1].as_py()
    assert shelf.read(Scan(after=After("v", last))).num_rows == 0


def test_a_column_that_cannot_be_compared_is_an_error(shelf: Shelf) -> None:
    shelf.make(
        ID, NestedField(2, "l", optional_list(3, LongType())), NestedField(4, "t", TimeType())
    )
    for name in ("id", "l", "t"):
        with pytest.raises(SourceFailed, match="compared"):
            shelf.read(Scan(after=After(name, "not a value")))


def test_what_is_known_of_a_table_is_described(shelf: Shelf) -> None:
    schema = Schema(NestedField(1, "id", LongType(), required=True), identifier_field_ids=[1])
    table = shelf.catalog.create_table(("n", "t"), schema, properties={"comment": "Numbers."})
    with shelf.connector() as connector:
        assert connector.describe("n", "t").row_estimate == 0
        add_rows(table, pa.table({"id": [1, 2]}))
        found = connector.describe("n", "t")
    assert (found.row_estimate, found.comment, found.primary_key) == (2, "Numbers.", ("id",))
    assert [(c.native_type, c.nullable) for c in found.columns] == [("long", False)]

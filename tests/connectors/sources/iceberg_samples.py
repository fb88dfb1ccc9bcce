"""Iceberg tables to read: of every type, and written file by file.

Data files are written by pyarrow: pyiceberg writes an empty list where a NULL one of structs is
meant (apache/iceberg-python#3833).
"""

import json
import random
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestWriterV2,
)
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _FastAppendFiles
from pyiceberg.typedef import Record
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)
from typing_extensions import override

from connectors.base import Scan
from connectors.options import parse_options
from connectors.sources.iceberg import IcebergConnector, IcebergOptions
from connectors.sources.iceberg.columns import arrow_type
from tests.connectors.contract import Sample, Source, context_for, read

TOKEN = "not-a-word"


KEY_ID = "AKIA0123456789"


ITEM = StructType(
    NestedField(101, "a", IntegerType()),
    NestedField(102, "b", StringType()),
    NestedField(103, "u", UUIDType()),
)


def optional_list(number: int, element: IcebergType) -> ListType:
    return ListType(number, element, element_required=False)


def optional_map(key_id: int, key: IcebergType, value_id: int, value: IcebergType) -> MapType:
    return MapType(key_id, key, value_id, value, value_required=False)


def item(first: int) -> StructType:
    """The same with ids of its own."""
    fields = [NestedField(first + n, f.name, f.field_type) for n, f in enumerate(ITEM.fields)]
    return StructType(*fields)


SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=True),
    NestedField(2, "boolean", BooleanType()),
    NestedField(3, "int", IntegerType()),
    NestedField(4, "float", FloatType()),
    NestedField(5, "double", DoubleType()),
    NestedField(6, "decimal", DecimalType(38, 10)),
    NestedField(7, "date", DateType()),
    NestedField(8, "time", TimeType()),
    NestedField(9, "timestamp", TimestampType()),
    NestedField(10, "timestamptz", TimestamptzType()),
    NestedField(11, "string", StringType()),
    NestedField(12, "uuid", UUIDType()),
    NestedField(13, "fixed", FixedType(3)),
    NestedField(14, "binary", BinaryType()),
    NestedField(15, "struct", item(110)),
    NestedField(16, "list", optional_list(120, IntegerType())),
    NestedField(17, "structs", optional_list(130, item(131))),
    NestedField(18, "deep", optional_list(140, optional_list(141, item(142)))),
    NestedField(19, "map", optional_map(150, StringType(), 151, LongType())),
    NestedField(20, "struct map", optional_map(160, IntegerType(), 161, item(162))),
    NestedField(21, "list map", optional_map(170, UUIDType(), 171, optional_list(172, item(173)))),
    identifier_field_ids=[1],
)


DECLARED = pa.schema(
    [pa.field(f.name, arrow_type(f.field_type), not f.required) for f in SCHEMA.fields]
)


U1 = "00112233-4455-6677-8899-aabbccddeeff"


U2 = "ffffffff-ffff-ffff-ffff-ffffffffffff"


FULL = pa.table(
    {
        "id": [-(2**63), 0, 7, 2**63 - 1],
        "boolean": [True, None, False, True],
        "int": [-(2**31), None, 0, 2**31 - 1],
        "float": [float("nan"), None, -0.0, float("-inf")],
        "double": [float("nan"), None, 5e-324, float("inf")],
        "decimal": [
            Decimal("9999999999999999999999999999.9999999999"),
            None,
            Decimal("1E-10"),
            Decimal("-9999999999999999999999999999.9999999999"),
        ],
        "date": [date(1, 1, 1), None, date(1970, 1, 1), date(9999, 12, 31)],
        "time": [time(0), None, time(1, 2, 3, 4), time(23, 59, 59, 999999)],
        "timestamp": [
            datetime(1, 1, 1),  # noqa: DTZ001 - a time of no zone is what is tested
            None,
            datetime(2024, 2, 29, 1, 2, 3, 4),  # noqa: DTZ001 - the same
            datetime(9999, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001 - the same
        ],
        "timestamptz": [
            datetime(1, 1, 1, tzinfo=UTC),
            None,
            datetime(2024, 2, 29, 1, 2, 3, 4, UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
        ],
        "string": ["", None, "\U0001f600 'quoted\"", "a\x00b"],
        "uuid": [U1, None, U2, "00000000-0000-0000-0000-000000000000"],
        "fixed": [b"\x00\x01\x02", None, b"abc", b"\xff\xff\xff"],
        "binary": [b"", None, b"\x00\xff", b"a"],
        "struct": [
            {"a": 1, "b": None, "u": U1},
            None,
            {"a": None, "b": None, "u": None},
            {"a": -1, "b": "x", "u": U2},
        ],
        "list": [[], None, [None], [1, 2]],
        "structs": [[], None, [None, {"a": 1, "b": "x", "u": U1}], [{"a": None, "b": "", "u": U2}]],
        "deep": [[], None, [None, []], [[None, {"a": 2, "b": "y", "u": None}], []]],
        "map": [[], None, [("k", None)], [("a", 1), ("b", 2)]],
        "struct map": [[], None, [(1, None)], [(2, {"a": 3, "b": "z", "u": U1})]],
        "list map": [[], None, [(U1, None)], [(U2, [None, {"a": 4, "b": "w", "u": U2}])]],
    },
    schema=DECLARED,
)


def maybe(rng: random.Random, value: Any) -> Any:
    return None if rng.random() < 0.2 else value


def random_value(rng: random.Random, dtype: IcebergType) -> Any:
    moment = datetime(1, 1, 1, tzinfo=UTC) + timedelta(
        seconds=rng.randrange(315537897599), microseconds=rng.randrange(1_000_000)
    )
    makers: dict[type[IcebergType], Callable[[], Any]] = {
        BooleanType: lambda: rng.random() < 0.5,
        IntegerType: lambda: rng.randrange(-(2**31), 2**31),
        LongType: lambda: rng.randrange(-(2**63), 2**63),
        FloatType: lambda: struct.unpack("f", rng.randbytes(4))[0],
        DoubleType: lambda: struct.unpack("d", rng.randbytes(8))[0],
        DecimalType: lambda: Decimal(rng.randrange(-(10**38) + 1, 10**38)).scaleb(-10),
        DateType: moment.date,
        TimeType: moment.time,
        TimestampType: lambda: moment.replace(tzinfo=None),
        TimestamptzType: lambda: moment,
        StringType: lambda: "".join(rng.choice("A é€\U0001f600") for _ in range(4)),
        UUIDType: lambda: str(UUID(bytes=rng.randbytes(16))),
        FixedType: lambda: rng.randbytes(3),
        BinaryType: lambda: rng.randbytes(rng.randrange(4)),
    }
    if isinstance(dtype, StructType):
        return {f.name: maybe(rng, random_value(rng, f.field_type)) for f in dtype.fields}
    if isinstance(dtype, ListType):
        return [maybe(rng, random_value(rng, dtype.element_type)) for _ in range(rng.randrange(3))]
    if isinstance(dtype, MapType):
        keys = {random_value(rng, dtype.key_type) for _ in range(rng.randrange(3))}
        return [(key, maybe(rng, random_value(rng, dtype.value_type))) for key in sorted(keys)]
    return makers[type(dtype)]()


def random_rows(rng: random.Random, rows: int) -> pa.Table:
    def record(key: int) -> dict[str, Any]:
        values = ((f.name, random_value(rng, f.field_type)) for f in SCHEMA.fields)
        return {name: maybe(rng, value) for name, value in values} | {"id": key}

    keys = {rng.randrange(-(2**63), 2**63) for _ in range(rows)}
    return pa.Table.from_pylist([record(key) for key in keys], schema=DECLARED).sort_by("id")


def stored_type(dtype: Any) -> Any:
    """The type a file keeps; pyarrow builds no UUIDs."""
    if isinstance(dtype, pa.StructType):
        return pa.struct([stored_field(field) for field in dtype])
    if isinstance(dtype, pa.MapType):
        key: Any = stored_field(dtype.key_field)
        return pa.map_(key, stored_field(dtype.item_field))
    if isinstance(dtype, pa.LargeListType):
        return pa.large_list(stored_field(dtype.value_field))
    return pa.binary(16) if dtype == pa.uuid() else dtype


def stored_field(field: "pa.Field[Any]") -> "pa.Field[Any]":
    return field.with_type(stored_type(field.type))


def stored_value(value: Any, dtype: IcebergType) -> Any:
    if value is None:
        return None
    if isinstance(dtype, StructType):
        return {f.name: stored_value(value[f.name], f.field_type) for f in dtype.fields}
    if isinstance(dtype, ListType):
        return [stored_value(inner, dtype.element_type) for inner in value]
    if isinstance(dtype, MapType):
        return [
            (stored_value(key, dtype.key_type), stored_value(inner, dtype.value_type))
            for key, inner in value
        ]
    return UUID(value).bytes if isinstance(dtype, UUIDType) else value


def stored(schema: Schema, rows: pa.Table) -> pa.Table:
    """Rows as a data file of this schema keeps them, with field ids."""
    as_arrow = schema_to_pyarrow(schema)
    columns = []
    for field, arrow in zip(schema.fields, as_arrow, strict=True):
        values = [stored_value(value, field.field_type) for value in rows[field.name].to_pylist()]
        column: Any = pa.array(values, stored_type(arrow.type))
        if arrow.type == pa.uuid():
            column = pa.ExtensionArray.from_storage(pa.uuid(), column)
        columns.append(column)
    fields = [field.with_type(c.type) for field, c in zip(as_arrow, columns, strict=True)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def write_file(table: Table, rows: pa.Table, **settings: Any) -> tuple[str, int, pq.FileMetaData]:
    """Write a Parquet file below the table's data; returns path, size and footer."""
    path = f"{table.location()}/data/{uuid4()}.parquet"
    with table.io.new_output(path).create() as stream:
        native: Any = stream
        pq.write_table(rows, native, **settings)
    with table.io.new_input(path).open() as opened:
        native = opened
        return path, len(table.io.new_input(path)), pq.read_metadata(native)


def data_file(table: Table, rows: pa.Table, **settings: Any) -> DataFile:
    path, size, footer = write_file(table, rows, **settings)
    schema = table.schema()
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=footer,
        stats_columns=compute_statistics_plan(schema, table.properties),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    )
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(),
        file_size_in_bytes=size,
        sort_order_id=None,
        spec_id=table.spec().spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )


def commit(table: Table, *files: DataFile) -> None:
    with table.transaction() as change, change.update_snapshot().fast_append() as append:
        for file in files:
            append.append_data_file(file)


def add_rows(table: Table, rows: pa.Table, **settings: Any) -> str:
    """Append rows given in the declared schema; returns the path of their file."""
    file = data_file(table, stored(table.schema(), rows), **settings)
    commit(table, file)
    return file.file_path


class DeleteManifestWriter(ManifestWriterV2):
    @override
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    @override
    def _meta(self) -> dict[str, str]:
        return super()._meta | {"content": "deletes"}


class AppendDeletes(_FastAppendFiles):
    @override
    def new_manifest_writer(self, spec: PartitionSpec) -> DeleteManifestWriter:
        return DeleteManifestWriter(
            spec=spec,
            schema=self._transaction.table_metadata.schema(),
            output_file=self.new_manifest_output(),
            snapshot_id=self._snapshot_id,
            avro_compression=self._compression,
        )


def add_delete_file(
    table: Table, path: str, rows: int, *, kind: FileFormat = FileFormat.PARQUET, **more: Any
) -> None:
    file = DataFile.from_args(
        file_path=path,
        file_format=kind,
        partition=Record(),
        record_count=rows,
        file_size_in_bytes=len(table.io.new_input(path)),
        spec_id=table.spec().spec_id,
        **({"content": DataFileContent.POSITION_DELETES} | more),
    )
    with (
        table.transaction() as change,
        AppendDeletes(Operation.APPEND, change, table.io) as append,
    ):
        append.append_data_file(file)


def delete_positions(table: Table, positions: list[tuple[str, int]]) -> None:
    paths, places = zip(*positions, strict=True)
    rows = pa.table({"file_path": list(paths), "pos": pa.array(places, pa.int64())})
    path, _, _ = write_file(table, rows)
    add_delete_file(table, path, len(positions))


class Tables(Source):
    """Tables of one namespace of a catalog that can be written."""

    connector = IcebergConnector
    schema = "shop"

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        catalog.create_namespace("shop")
        add_rows(self.make("full"), FULL)
        self.make("empty")

    def make(self, name: str, schema: Schema = SCHEMA) -> Table:
        if self.catalog.table_exists(("shop", name)):
            self.catalog.drop_table(("shop", name))
        return self.catalog.create_table(("shop", name), schema)

    @property
    @override
    def full(self) -> Sample:
        return Sample("full", FULL)

    @property
    @override
    def empty(self) -> str:
        return "empty"

    @override
    def random(self, rng: random.Random, rows: int) -> Sample:
        sample = random_rows(rng, rows)
        table = self.make("random")
        for start in range(0, rows, 80):
            add_rows(table, sample.slice(start, 80), row_group_size=30)
        return Sample("random", sample)

    @override
    def wide(self) -> str:
        rng = random.Random(1)
        texts = [rng.randbytes(50_000).hex() for _ in range(200)]
        schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "text", StringType()))
        add_rows(self.make("wide", schema), pa.table({"id": range(200), "text": texts}))
        return "wide"


class SqlTables(Tables):
    def __init__(self, folder: Path) -> None:
        self.uri = f"sqlite:///{folder}/catalog.db"
        self.warehouse = f"file://{folder}/warehouse"
        super().__init__(SqlCatalog("default", uri=self.uri, warehouse=self.warehouse))

    @property
    @override
    def options(self) -> IcebergOptions:
        return self.options_with()

    def options_with(self, credential: str | None = None, **changes: Any) -> IcebergOptions:
        config = {
            "warehouse": self.warehouse,
            "catalog_type": {"type": "sql", "uri": self.uri},
        }
        return parse_options(IcebergOptions, config | changes, credential)


class Shelf:
    """A SQLite catalog with a namespace ``n`` on disk, and connectors over it."""

    def __init__(self, root: Path, scratch: Path) -> None:
        self.root = root
        self.scratch = scratch
        self.uri = f"sqlite:///{root}/catalog.db"
        self.catalog = SqlCatalog("default", uri=self.uri, warehouse=f"file://{root}/warehouse")
        self.catalog.create_namespace("n")

    def make(self, *fields: NestedField, name: str = "t", **settings: Any) -> Table:
        return self.catalog.create_table(("n", name), Schema(*fields), **settings)

    def connector(self, **changes: Any) -> IcebergConnector:
        config = {
            "warehouse": f"file://{self.root}/warehouse",
            "catalog_type": {"type": "sql", "uri": self.uri},
        }
        options = parse_options(IcebergOptions, config | changes, None)
        context = replace(context_for(self.scratch), local_files=(self.root,))
        return IcebergConnector(options, context)

    def read(self, scan: Scan = Scan(), name: str = "t", **changes: Any) -> pa.Table:  # noqa: B008 - frozen
        with self.connector(**changes) as connector:
            return read(connector, "n", name, scan)

    def rows(self, scan: Scan = Scan(), name: str = "t", **changes: Any) -> list[dict[str, Any]]:  # noqa: B008 - frozen
        return self.read(scan, name, **changes).to_pylist()

    def names(self, **changes: Any) -> set[tuple[str, str]]:
        with self.connector(**changes) as connector:
            return {(table.schema, table.name) for table in connector.discover()}

    def edit_metadata(self, table: Table, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the metadata document of a table, as a writer of another version would."""
        table = self.catalog.load_table(table.name())
        path = Path(table.metadata_location.removeprefix("file://"))
        document = json.loads(path.read_text())
        change(document)
        edited = path.with_name(f"00099-{uuid4()}.metadata.json")
        edited.write_text(json.dumps(document))
        self.catalog.drop_table(table.name())
        self.point(table.name()[-1], f"file://{edited}")

    def point(self, name: str, location: str) -> None:
        """Let the catalog say that a table's metadata is at a place."""
        with self.catalog.engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name,"
                " metadata_location) VALUES ('default', 'n', ?, ?)",
                (name, location),
            )


ID = NestedField(1, "id", LongType())


def ids(*values: int) -> pa.Table:
    return pa.table({"id": pa.array(values, pa.int64())})

"""Folders and buckets of files for the tests of the files connector, and short ways to read them."""

import gzip
import json
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import FileSystem, S3FileSystem
from typing_extensions import override

from connectors.base import Scan, SourceTable
from connectors.errors import ConnectorError, SourceFailed
from connectors.sources.files import FilesConnector
from connectors.sources.files.options import FilesOptions
from tests.connectors.contract import Sample, Source, context_for

AnyArray = Any
TEXTS = [
    "",
    " ",
    "a",
    "NA",
    "null",
    "0",
    "00123",
    '"',
    "'",
    "a,b",
    "a\nb",
    "é",
    "😀",
    "日本",
    "\\N",
]
UTC = "UTC"
S3_SECRET = "hunter2hunter2"


IDS = [UUID("0f8fad5b-d9cb-469f-a165-70867728950e"), UUID(int=0)]


def parquet_columns(start: int = 0, stop: int = 4) -> dict[str, tuple[AnyArray, AnyArray]]:
    """Name to what is in a file and what must come of it: of four rows of every type of Parquet."""
    same: list[tuple[str, Any, list[Any]]] = [
        ("id", pa.int64(), [-(1 << 63), -1, 0, (1 << 63) - 1]),
        ("int8", pa.int8(), [-128, 127, None, 0]),
        ("int16", pa.int16(), [-(1 << 15), (1 << 15) - 1, None, 0]),
        ("int32", pa.int32(), [-(1 << 31), (1 << 31) - 1, None, 0]),
        ("uint8", pa.uint8(), [0, 255, None, 1]),
        ("uint16", pa.uint16(), [0, (1 << 16) - 1, None, 1]),
        ("uint32", pa.uint32(), [0, (1 << 32) - 1, None, 1]),
        ("uint64", pa.uint64(), [0, (1 << 64) - 1, None, 1]),
        ("bool", pa.bool_(), [True, False, None, True]),
        ("float", pa.float32(), [1.5, -math.inf, None, math.nan]),
        ("double", pa.float64(), [5e-324, math.inf, None, math.nan]),
        ("decimal", pa.decimal128(38, 10), [Decimal(-(10**28) + 1), Decimal("1e-10"), None, 0]),
        ("decimal256", pa.decimal256(76, 0), [Decimal("9" * 76), Decimal(-9), None, 0]),
        ("text", pa.string(), ["", "😀 \x00", None, "a\nb"]),
        ("bytes", pa.binary(), [b"", b"\xff\x00", None, b"a"]),
        ("date", pa.date32(), [date(1, 1, 1), date(9999, 12, 31), None, date(1970, 1, 1)]),
        ("time", pa.time64("us"), [0, 86_399_999_999, None, 1]),
        ("time_ns", pa.time64("ns"), [0, 86_399_999_999_999, None, 1]),
        ("ms", pa.timestamp("ms"), [-(1 << 62), 1 << 62, None, 0]),
        ("us", pa.timestamp("us"), [-(1 << 62), 1 << 62, None, 0]),
        ("ns", pa.timestamp("ns"), [-(1 << 62), 1 << 62, None, 1]),
        ("utc", pa.timestamp("us", UTC), [-(1 << 62), 1 << 62, None, 0]),
        ("list", pa.list_(pa.int32()), [[1, None], [], None, [2]]),
        ("vector", pa.list_(pa.float32(), 2), [[1.0, 2.0], [0.0, -0.0], None, [3.0, 4.0]]),
        ("map", pa.map_(pa.string(), pa.int32()), [[("a", 1)], [], None, [("b", None)]]),
        (
            "struct",
            pa.struct([("x", pa.int32()), ("y", pa.list_(pa.string()))]),
            [{"x": 1, "y": ["a"]}, {"x": None, "y": None}, None, {"x": 2, "y": []}],
        ),
    ]
    changed: list[tuple[str, Any, Any, list[Any]]] = [
        ("dictionary", pa.dictionary(pa.int32(), pa.string()), pa.string(), ["a", "b", None, "a"]),
        ("large_text", pa.large_string(), pa.string(), ["a", "", None, "b"]),
        ("text_view", pa.string_view(), pa.string(), ["a", "a view of many bytes", None, "b"]),
        ("large_bytes", pa.large_binary(), pa.binary(), [b"a", b"", None, b"b"]),
        ("bytes_view", pa.binary_view(), pa.binary(), [b"a", b"", None, b"b"]),
        ("fixed", pa.binary(3), pa.binary(), [b"abc", b"\x00\x00\x00", None, b"xyz"]),
        ("half", pa.float16(), pa.float32(), [1.5, -2.0, None, 65504.0]),
        ("null", pa.null(), pa.string(), [None] * 4),
        ("decimal32", pa.decimal32(5, 2), pa.decimal128(5, 2), [Decimal("1.23"), 0, None, 1]),
        ("decimal64", pa.decimal64(12, 2), pa.decimal128(12, 2), [Decimal("1.23"), 0, None, 1]),
        ("time_ms", pa.time32("ms"), pa.time64("us"), [None, None, None, None]),
        ("large_list", pa.large_list(pa.string()), pa.list_(pa.string()), [["a"], [], None, [""]]),
        ("list_view", pa.list_view(pa.int8()), pa.list_(pa.int8()), [[1, 2], [], None, [3]]),
        ("json", pa.json_(), pa.string(), ["{}", "1", None, "[]"]),
        (
            "deep",
            pa.list_(pa.struct([("v", pa.large_string()), ("u", pa.large_list(pa.float16()))])),
            pa.list_(pa.struct([("v", pa.string()), ("u", pa.list_(pa.float32()))])),
            [[{"v": "a", "u": [1.5]}, None], [], None, [{"v": None, "u": None}]],
        ),
    ]
    rows = slice(start, stop)

    def array(values: list[Any], kind: Any) -> AnyArray:
        return pa.array(values[rows], kind)

    columns = {name: (array(v, kind), array(v, kind)) for name, kind, v in same}
    columns |= {name: (array(v, a), array(v, b)) for name, a, b, v in changed}
    ids = [IDS[0], IDS[1], None, IDS[0]]
    columns["uuid"] = (
        array([value and value.bytes for value in ids], pa.uuid()),
        array([value and str(value) for value in ids], pa.string()),
    )
    micros = array([-(1 << 63) + 1, (1 << 63) - 1, None, 0], pa.int64())
    columns["duration"] = (micros.cast(pa.duration("us")), micros)
    columns["zoned"] = (
        array([0, 1_700_000_000, None, -1], pa.timestamp("s", "Europe/Berlin")),
        array([0, 1_700_000_000_000, None, -1000], pa.timestamp("ms", UTC)),
    )
    return columns


def text_columns(rng: random.Random, rows: int) -> dict[str, list[Any]]:
    """Random values of every type that can be found in CSV and JSON."""

    def some(make: Any) -> list[Any]:
        return [None if rng.random() < 0.2 else make() for _ in range(rows)]

    instant = datetime.fromisoformat("1900-01-01")
    return {
        "id": rng.sample(range(-(1 << 61), 1 << 61), rows),
        "whole": some(lambda: rng.choice([-(1 << 63), (1 << 63) - 1, rng.randrange(-9, 9)])),
        "big": some(lambda: Decimal(rng.randrange(-(10**38) + 1, 10**38))),
        "double": some(
            lambda: rng.choice([0.1, -5e-324, 1.7e308, rng.random(), rng.gauss(0, 1e9)])
        ),
        "flag": some(lambda: rng.random() < 0.5),
        "day": some(lambda: date.fromordinal(rng.randrange(1, 3_652_060))),
        "moment": some(lambda: instant + timedelta(microseconds=rng.randrange(10**16))),
        "text": some(lambda: "".join(rng.choices(TEXTS, k=rng.randrange(4)))),
    }


TEXT_TYPES: dict[str, pa.DataType] = {
    "id": pa.int64(),
    "whole": pa.int64(),
    "big": pa.decimal128(38, 0),
    "double": pa.float64(),
    "flag": pa.bool_(),
    "day": pa.date32(),
    "moment": pa.timestamp("us"),
    "text": pa.string(),
}


def text_table(rng: random.Random, rows: int) -> pa.Table:
    schema = pa.schema(list(TEXT_TYPES.items()))
    # A last row that shows each type, whatever the others are.
    values = text_columns(rng, rows)
    shown = [
        1 << 62,
        1,
        Decimal(10**37),
        0.5,
        True,
        date(2024, 2, 29),
        datetime.fromisoformat("2024-01-01T01:00"),
        "x",
    ]
    columns = {name: [*v, one] for (name, v), one in zip(values.items(), shown, strict=True)}
    return pa.table(columns, schema=schema).sort_by("id")


def csv_of(table: pa.Table) -> bytes:
    """CSV that tells an empty text (quoted) from NULL."""

    def field(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, str):
            return '"' + value.replace('"', '""') + '"'
        return repr(value) if isinstance(value, float) else str(value)

    lines = [",".join(table.column_names)]
    lines += [",".join(map(field, row.values())) for row in table.to_pylist()]
    return ("\n".join(lines) + "\n").encode()


def json_of(table: pa.Table) -> bytes:
    def value(item: Any) -> str:
        if isinstance(item, Decimal):
            return str(item)
        return json.dumps(str(item) if isinstance(item, date) else item, ensure_ascii=False)

    rows = [
        "{" + ",".join(f'"{key}":{value(item)}' for key, item in row.items()) + "}"
        for row in table.to_pylist()
    ]
    return "".join(f"{row}\n" for row in rows).encode()


class FilesSource(Source):
    """A folder or prefix with the tables of the contract, written by the subclass."""

    connector = FilesConnector
    schema = "main"

    def __init__(self, files: FileSystem, root: str, **options: Any) -> None:
        self.files = files
        self.root = root
        self.given = options
        self.files.create_dir(root.removeprefix("s3://"))
        self.fill()

    def fill(self) -> None:
        """Write the tables of the contract."""

    @property
    @override
    def options(self) -> FilesOptions:
        return FilesOptions(**{"url": self.root, **self.given})

    def put(self, path: str, data: bytes) -> None:
        place = f"{self.root.removeprefix('s3://')}/{path}"
        self.files.create_dir(place.rpartition("/")[0])
        with self.files.open_output_stream(place, compression=None) as stream:
            stream.write(data)

    def put_table(self, path: str, table: pa.Table, **settings: Any) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, **settings)
        self.put(path, sink.getvalue().to_pybytes())


class ParquetSource(FilesSource):
    @override
    def fill(self) -> None:
        for path, start, stop in (("full/a", 0, 3), ("full/b", 3, 4), ("empty/a", 0, 0)):
            columns = parquet_columns(start, stop)
            table = pa.table({name: given for name, (given, _) in columns.items()})
            self.put_table(f"{path}.parquet", table)
        self.rows = pa.table({name: wanted for name, (_, wanted) in parquet_columns().items()})

    @property
    @override
    def full(self) -> Sample:
        return Sample("full", self.rows)

    @property
    @override
    def empty(self) -> str:
        return "empty"

    @override
    def random(self, rng: random.Random, rows: int) -> Sample:
        table = text_table(rng, rows)
        self.put_table("random/a.parquet", table.slice(0, 50), row_group_size=20)
        self.put_table("random/deep/b.parquet", table.slice(50), row_group_size=60)
        return Sample("random", table)

    @override
    def wide(self) -> str:
        texts = [f"{i:03}" * 33_334 for i in range(100)]
        # Repeated texts are written once, in a dictionary: the footer says nothing of their size.
        self.put_table("wide/a.parquet", pa.table({"id": range(200), "text": texts * 2}))
        return "wide"


class S3ParquetSource(ParquetSource):
    @override
    def unreachable(self) -> FilesOptions:
        return self.options.model_copy(update={"s3_endpoint": "http://127.0.0.1:1"})

    @override
    def refused(self) -> FilesOptions:
        return FilesOptions(
            **{"url": self.root, **self.given, "s3_secret_access_key": "wrong-secret"}
        )


class TextSource(FilesSource):
    """Text files; ``write`` makes the bytes of one."""

    ending: str
    nothing: bytes

    def write(self, table: pa.Table) -> bytes:
        raise NotImplementedError

    @override
    def fill(self) -> None:
        self.rows = text_table(random.Random(7), 30)
        self.put(f"full/a{self.ending}", self.write(self.rows.slice(0, 10)))
        self.put(f"full/b{self.ending}.gz", gzip.compress(self.write(self.rows.slice(10))))
        self.put(f"empty{self.ending}", self.nothing)

    @property
    @override
    def full(self) -> Sample:
        return Sample("full", self.rows)

    @property
    @override
    def empty(self) -> str:
        return "empty"

    @override
    def random(self, rng: random.Random, rows: int) -> Sample:
        table = text_table(rng, rows)
        self.put(f"random{self.ending}", self.write(table))
        return Sample("random", table)

    @override
    def wide(self) -> str:
        table = pa.table({"id": range(200), "text": ["x" * 100_000] * 200})
        self.put(f"wide{self.ending}", self.write(table))
        return "wide"


class CsvSource(TextSource):
    ending = ".csv"
    nothing = b",".join(name.encode() for name in TEXT_TYPES) + b"\n"

    @override
    def write(self, table: pa.Table) -> bytes:
        return csv_of(table)


class JsonSource(TextSource):
    ending = ".json"
    nothing = b"[]\n"

    @override
    def write(self, table: pa.Table) -> bytes:
        return json_of(table)


@contextmanager
def bucket(endpoint: str) -> Iterator[tuple[S3FileSystem, str]]:
    files = S3FileSystem(
        endpoint_override=endpoint.removeprefix("http://"),
        scheme="http",
        region="us-east-1",
        access_key="key",
        secret_key=S3_SECRET,
        allow_bucket_creation=True,
    )
    name = f"bucket-{uuid4().hex}"
    files.create_dir(name)
    yield files, name


def s3_options(endpoint: str) -> dict[str, Any]:
    return {
        "s3_endpoint": endpoint,
        "s3_access_key_id": "key",
        "s3_secret_access_key": S3_SECRET,
    }


def put(path: Path, data: bytes | str | pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(data, pa.Table):
        pq.write_table(data, path)
    else:
        path.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def connected(root: Path, context: dict[str, Any] | None = None, **options: Any) -> Iterator[Any]:
    given = context_for(root.parent, **(context or {}))
    with FilesConnector(FilesOptions(**{"url": str(root), **options}), given) as connector:
        yield connector


def found(root: Path, **options: Any) -> dict[str, SourceTable]:
    with connected(root, **options) as connector:
        return {table.name: table for table in connector.discover()}


def rows(root: Path, table: str, scan: Scan = Scan(), **options: Any) -> pa.Table:  # noqa: B008 - frozen
    with connected(root, **options) as connector:
        described = connector.describe("main", table)
        parts = connector.plan_fetch(described, scan)
        batches = [batch for part in parts for batch in connector.open(part)]
    for batch in batches:
        batch.validate(full=True)
    return pa.Table.from_batches(batches, parts[0].schema)


def failure(
    root: Path, table: str, kind: type[ConnectorError] = SourceFailed, **options: Any
) -> str:
    with pytest.raises(kind) as caught:
        rows(root, table, **options)
    assert type(caught.value) is kind
    assert str(root) not in str(caught.value)
    return str(caught.value)


def types_of(table: SourceTable) -> dict[str, pa.DataType]:
    return {column.name: column.type for column in table.columns}

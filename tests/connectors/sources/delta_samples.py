"""Delta tables to read: written by deltalake or, where it cannot, log line by log line."""

import json
import random
import socket
import struct
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import S3FileSystem
from typing_extensions import override

from connectors.base import Scan
from connectors.options import parse_options
from connectors.sources.delta import DeltaConnector, DeltaOptions
from tests.connectors.contract import Sample, Source, context_for, read

KEYS = {"s3_access_key_id": "key", "s3_secret_access_key": "not-a-word", "s3_region": "us-east-1"}


ITEM = pa.struct([("a", pa.int32()), ("b", pa.string())])


COLUMNS: list[tuple[str, pa.DataType]] = [
    ("id", pa.int64()),
    ("byte", pa.int8()),
    ("short", pa.int16()),
    ("integer", pa.int32()),
    ("float", pa.float32()),
    ("double", pa.float64()),
    ("decimal", pa.decimal128(38, 10)),
    ("text", pa.string()),
    ("bytes", pa.binary()),
    ("flag", pa.bool_()),
    ("day", pa.date32()),
    ("moment", pa.timestamp("us", "UTC")),
    ("wall", pa.timestamp("us")),
    ("list", pa.list_(pa.field("element", ITEM))),
    ("map", pa.map_(pa.string(), pa.list_(pa.field("element", pa.int64())))),
    ("struct", pa.struct([("moment", pa.timestamp("us", "UTC")), ("inner", ITEM)])),
    ("part text", pa.string()),
    ("part_day", pa.date32()),
    ("part_moment", pa.timestamp("us", "UTC")),
]


SCHEMA = pa.schema(COLUMNS).set(0, pa.field("id", pa.int64(), nullable=False))


PARTITIONED_BY = ["part text", "part_day", "part_moment"]


FULL = pa.table(
    {
        "id": [-(2**63), 0, 2**63 - 1, 7],
        "byte": [-128, 127, None, 0],
        "short": [-32768, 32767, None, 0],
        "integer": [-(2**31), 2**31 - 1, None, 0],
        "float": [float("nan"), float("-inf"), None, -0.0],
        "double": [float("nan"), 5e-324, None, -0.0],
        "decimal": [
            Decimal("9999999999999999999999999999.9999999999"),
            Decimal("-9999999999999999999999999999.9999999999"),
            None,
            Decimal("1E-10"),
        ],
        "text": ["", "\U0001f600 'quoted\"", None, "a\x00b"],
        "bytes": [b"", b"\x00\xff", None, b"a"],
        "flag": [True, False, None, True],
        "day": [date(1, 1, 1), date(9999, 12, 31), None, date(1970, 1, 1)],
        "moment": [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
            None,
            datetime(2024, 2, 29, 1, 2, 3, 4, UTC),
        ],
        "wall": [
            datetime(1, 1, 1),  # noqa: DTZ001 - a time of no zone is what is tested
            datetime(9999, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001 - the same
            None,
            datetime(2024, 2, 29, 1, 2, 3, 4),  # noqa: DTZ001 - the same
        ],
        "list": [[], [{"a": 1, "b": None}, None], None, [{"a": None, "b": "x"}]],
        "map": [[], [("k", [1, None]), ("j", None)], None, [("é", [])]],
        "struct": [
            {"moment": None, "inner": None},
            {"moment": datetime(1600, 1, 1, tzinfo=UTC), "inner": {"a": 1, "b": "y"}},
            None,
            {"moment": None, "inner": {"a": None, "b": None}},
        ],
        "part text": ["a/b c%d?#:", None, "é\U0001f600='\"\\", ".."],
        "part_day": [date(1, 1, 1), None, date(9999, 12, 31), date(2024, 2, 29)],
        "part_moment": [
            datetime(1, 1, 1, 0, 0, 0, 1, UTC),
            None,
            datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
            datetime(2024, 2, 29, tzinfo=UTC),
        ],
    },
    schema=SCHEMA,
).sort_by("id")


def maybe(rng: random.Random, value: Any) -> Any:
    return None if rng.random() < 0.2 else value


def random_rows(rng: random.Random, rows: int) -> pa.Table:
    def moment() -> datetime:
        return datetime(1, 1, 1, tzinfo=UTC) + timedelta(
            seconds=rng.randrange(315537897599), microseconds=rng.randrange(1_000_000)
        )

    def text() -> str:
        return "".join(chr(rng.choice([0x41, 0x20, 0xE9, 0x20AC, 0x1F600])) for _ in range(5))

    def item() -> Any:
        return {"a": maybe(rng, rng.randrange(-99, 99)), "b": maybe(rng, text())}

    def record(key: int) -> dict[str, Any]:
        values = {
            "byte": rng.randrange(-128, 128),
            "short": rng.randrange(-(2**15), 2**15),
            "integer": rng.randrange(-(2**31), 2**31),
            "float": struct.unpack("f", rng.randbytes(4))[0],
            "double": struct.unpack("d", rng.randbytes(8))[0],
            "decimal": Decimal(rng.randrange(-(10**38) + 1, 10**38)).scaleb(-10),
            "text": text(),
            "bytes": rng.randbytes(4),
            "flag": rng.random() < 0.5,
            "day": moment().date(),
            "moment": moment(),
            "wall": moment().replace(tzinfo=None),
            "list": [maybe(rng, item()) for _ in range(rng.randrange(3))],
            "map": [(str(n), maybe(rng, [1, None])) for n in range(rng.randrange(3))],
            "struct": {"moment": maybe(rng, moment()), "inner": maybe(rng, item())},
            "part text": rng.choice(["a", "b/c", "%20"]),
            "part_day": date(2024, 1, rng.randrange(1, 3)),
            "part_moment": datetime(2024, 1, 1, tzinfo=UTC),
        }
        return {"id": key} | {name: maybe(rng, value) for name, value in values.items()}

    keys = {rng.randrange(-(2**63), 2**63) for _ in range(rows)}
    return pa.Table.from_pylist([record(key) for key in keys], schema=SCHEMA).sort_by("id")


def write(url: str, rows: pa.Table, storage: dict[str, str] | None, *, partitioned: bool) -> None:
    deltalake.write_deltalake(
        url,
        rows,
        partition_by=PARTITIONED_BY if partitioned else None,
        storage_options=storage,
        mode="overwrite",
    )


class LocalTables(Source):
    connector = DeltaConnector
    schema = "main"

    def __init__(self, url: str, storage: dict[str, str] | None = None) -> None:
        self.url = url
        self.storage = storage
        self._random = random.Random(1)
        write(f"{url}/full", FULL, storage, partitioned=True)
        write(f"{url}/empty", FULL.slice(0, 0), storage, partitioned=True)

    @property
    @override
    def options(self) -> DeltaOptions:
        return DeltaOptions(url=self.url)

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
        write(f"{self.url}/random", sample, self.storage, partitioned=True)
        return Sample("random", sample)

    @override
    def wide(self) -> str:
        texts = [self._random.randbytes(50_000).hex() for _ in range(200)]
        rows = pa.table({"id": range(200), "text": texts})
        write(f"{self.url}/wide", rows, self.storage, partitioned=False)
        return "wide"


class S3Tables(LocalTables):
    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        host = endpoint.removeprefix("http://")
        self.filesystem = S3FileSystem(
            endpoint_override=host,
            scheme="http",
            access_key="key",
            secret_key="not-a-word",
            region="us-east-1",
            allow_bucket_creation=True,
        )
        self.filesystem.create_dir("lake")
        storage = {
            "aws_endpoint": endpoint,
            "aws_region": "us-east-1",
            "aws_access_key_id": "key",
            "aws_secret_access_key": "not-a-word",
            "aws_allow_http": "true",
        }
        super().__init__("s3://lake/tables", storage)

    @property
    @override
    def options(self) -> DeltaOptions:
        return DeltaOptions.model_validate({"url": self.url, "s3_endpoint": self.endpoint} | KEYS)

    @override
    def unreachable(self) -> DeltaOptions:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
        return self.options.model_copy(update={"s3_endpoint": f"http://127.0.0.1:{port}"})


LONG = {"name": "id", "type": "long", "nullable": True, "metadata": {}}


def column(name: str, dtype: Any, **metadata: Any) -> dict[str, Any]:
    return {"name": name, "type": dtype, "nullable": True, "metadata": metadata}


def add(path: str, file: Path, **more: Any) -> dict[str, Any]:
    size = file.stat().st_size
    base = {"path": path, "size": size, "modificationTime": 1, "dataChange": True}
    return {"add": base | {"partitionValues": {}} | more}


def log_lines(
    actions: list[dict[str, Any]],
    fields: list[dict[str, Any]] | None = None,
    *,
    features: list[str] | None = None,
    partitioned_by: tuple[str, ...] = (),
    configuration: dict[str, str] | None = None,
) -> str:
    protocol: dict[str, Any] = {"minReaderVersion": 1, "minWriterVersion": 2}
    if features is not None:
        names = {"readerFeatures": features, "writerFeatures": features}
        protocol = {"minReaderVersion": 3, "minWriterVersion": 7} | names
    schema = {"type": "struct", "fields": fields or [LONG]}
    metadata = {
        "id": "5f2b2c5c-0000-4000-8000-000000000000",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps(schema),
        "partitionColumns": list(partitioned_by),
        "configuration": configuration or {},
        "createdTime": 1,
    }
    lines = [{"protocol": protocol}, {"metaData": metadata}, *actions]
    return "\n".join(json.dumps(line) for line in lines)


class Lake:
    """A folder of tables written line by line, and a connector over it."""

    def __init__(self, root: Path, scratch: Path) -> None:
        self.root = root
        self.scratch = scratch

    def table(self, name: str, rows: pa.Table, /, *, path: str | None = None, **log: Any) -> Path:
        """Write a table of one file; ``path`` is what the log says, ``add`` more of its entry."""
        folder = self.root / name
        (folder / "_delta_log").mkdir(parents=True)
        file = folder / "a.parquet"
        parquet = log.pop("parquet", {})
        pq.write_table(rows, file, **parquet)
        entry = add(path or "a.parquet", file, **log.pop("add", {}))
        text = log_lines([entry], **log)
        (folder / "_delta_log" / "00000000000000000000.json").write_text(text)
        return folder

    def connector(self, **options: Any) -> DeltaConnector:
        merged = {"url": str(self.root)} | options
        context = replace(context_for(self.scratch), local_files=(self.root,))
        return DeltaConnector(parse_options(DeltaOptions, merged, None), context)

    def read(self, name: str, scan: Scan = Scan(), **options: Any) -> pa.Table:  # noqa: B008 - frozen
        with self.connector(**options) as connector:
            return read(connector, "main", name, scan)

    def names(self, **options: Any) -> set[tuple[str, str]]:
        with self.connector(**options) as connector:
            return {(table.schema, table.name) for table in connector.discover()}

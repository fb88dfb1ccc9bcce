"""The BigQuery connector on a stand-in for the REST interface, with the real client library."""

import base64
import json
import random
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from typing_extensions import override

from connectors.base import After, Losses, Scan, SourceColumn, SourceTable
from connectors.errors import (
    ConnectorError,
    EgressRefused,
    OptionsInvalid,
    SourceFailed,
    SourceRefused,
    TableGone,
)
from connectors.options import parse_options
from connectors.sources.bigquery import BigQueryConnector, BigQueryOptions
from connectors.sources.bigquery.cells import read_rows
from connectors.sources.bigquery.column_types import (
    arrow_type,
    native_type,
    parse_field,
    parse_type,
)
from connectors.sources.bigquery.login import open_client
from tests.connectors.contract import ConnectorContract, Sample, Source, context_for, read
from tests.connectors.sources.bigquery_server import ApiError, FakeBigQuery, fake_bigquery

PROJECT = "example.com:shop-1"
DATASET = "sales"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_MOMENT = datetime.fromisoformat("0001-01-01T00:00:00")
LAST_MOMENT = datetime.fromisoformat("9999-12-31T23:59:59.999999")
UTC_MICROSECONDS = pa.timestamp("us", "UTC")

Write = Callable[[Any], Any]


def _micros(value: datetime) -> str:
    return str((value - EPOCH) // timedelta(microseconds=1))


def _float(value: float) -> str:
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(repr(value), repr(value))


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _fixed(value: Decimal) -> str:
    return f"{value:f}"


def _list(write: Write) -> Write:
    return lambda values: [{"v": None if each is None else write(each)} for each in values]


def _row(**writes: Write) -> Write:
    def write(value: dict[str, Any]) -> Any:
        cells = [None if value[key] is None else each(value[key]) for key, each in writes.items()]
        return {"f": [{"v": cell} for cell in cells]}

    return write


class Kind(NamedTuple):
    """A column: its field in the REST interface, its type, and how a value becomes a cell."""

    field: dict[str, Any]
    type: pa.DataType
    write: Write = str


def _field(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "mode": "NULLABLE", **more}


def _repeated(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "mode": "REPEATED", **more}


POINT = pa.struct([pa.field("x", pa.int64()), pa.field("at", UTC_MICROSECONDS)])
POINT_FIELDS = [_field("x", "INTEGER"), _field("at", "TIMESTAMP")]
WRITE_POINT = _row(x=str, at=_micros)
NESTED = pa.struct(
    [
        pa.field("select", pa.string()),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("points", pa.list_(POINT)),
    ]
)
NESTED_FIELDS = [
    _field("select", "STRING"),
    _repeated("tags", "STRING"),
    _repeated("points", "RECORD", fields=POINT_FIELDS),
]
KINDS = (
    Kind(_field("id", "INTEGER", mode="REQUIRED"), pa.int64()),
    Kind(_field("f", "FLOAT"), pa.float64(), _float),
    Kind(_field("n", "NUMERIC"), pa.decimal128(38, 9), _fixed),
    Kind(_field("n2", "NUMERIC", precision="10", scale="2"), pa.decimal128(10, 2), _fixed),
    Kind(_field("big", "BIGNUMERIC"), pa.decimal256(76, 38), _fixed),
    Kind(_field("yes", "BOOLEAN"), pa.bool_(), lambda value: str(value).lower()),
    Kind(_field("s", "STRING"), pa.string()),
    Kind(_field("b", "BYTES"), pa.binary(), _base64),
    Kind(_field("day", "DATE"), pa.date32(), date.isoformat),
    Kind(_field("clock", "TIME"), pa.time64("us"), time.isoformat),
    Kind(_field("local", "DATETIME"), pa.timestamp("us"), datetime.isoformat),
    Kind(_field("at", "TIMESTAMP"), UTC_MICROSECONDS, _micros),
    Kind(_field("place", "GEOGRAPHY"), pa.string()),
    Kind(_field("doc", "JSON"), pa.string()),
    Kind(_field("span", "INTERVAL"), pa.string()),
    Kind(_field("days", "RANGE", rangeElementType={"type": "DATE"}), pa.string()),
    Kind(_repeated("ints", "INTEGER"), pa.list_(pa.int64()), _list(str)),
    Kind(_repeated("bigs", "BIGNUMERIC"), pa.list_(pa.decimal256(76, 38)), _list(_fixed)),
    Kind(_field("point", "RECORD", fields=POINT_FIELDS), POINT, WRITE_POINT),
    Kind(
        _repeated("nested", "RECORD", fields=NESTED_FIELDS),
        pa.list_(NESTED),
        _list(_row(select=str, tags=_list(str), points=_list(WRITE_POINT))),
    ),
    Kind(_field("with `tick` and 'quote'", "STRING"), pa.string()),
)
ARRAYS = frozenset({"ints", "bigs", "nested"})
SCHEMA = pa.schema(
    [
        pa.field(kind.field["name"], kind.type, kind.field["name"] not in {"id", *ARRAYS})
        for kind in KINDS
    ]
)
FIELDS = [kind.field for kind in KINDS]
DEEP = {"select": "é😀", "tags": ["", "x"], "points": [{"x": 1, "at": EPOCH}, None]}
FULL: list[tuple[Any, ...]] = [
    (
        -(2**63), 1.7976931348623157e308, Decimal("99999999999999999999999999999.999999999"),
        Decimal("99999999.99"), Decimal("9" * 38 + "." + "9" * 38), True, "a\\b'c\n\t\"`😀",
        b"\x00\xff", date(9999, 12, 31), time(23, 59, 59, 999_999), LAST_MOMENT,
        LAST_MOMENT.replace(tzinfo=UTC), "POINT(1 2)", '{"a":[1,null,"é"]}', "1-2 3 4:5:6.789",
        "[2020-01-01, UNBOUNDED)", [1, -(2**63)], [Decimal("0.5")],
        {"x": 1, "at": FIRST_MOMENT.replace(tzinfo=UTC)}, [DEEP], "x",
    ),
    (
        0, float("-inf"), Decimal("-0.000000001"), Decimal("-99999999.99"), Decimal("-1E-38"), False,
        "", b"", date(1, 1, 1), time(0), FIRST_MOMENT, FIRST_MOMENT.replace(tzinfo=UTC),
        "GEOMETRYCOLLECTION EMPTY", "null", "0-0 0 0:0:0", "[UNBOUNDED, UNBOUNDED)", [], [],
        {"x": None, "at": None}, [{"select": None, "tags": [], "points": []}], "NULL",
    ),
    (1, *(([] if kind.field["name"] in ARRAYS else None) for kind in KINDS[1:])),
    (
        2**63 - 1, float("nan"), *[None] * 9,
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), *[None] * 4,
        [0], [Decimal(0)], None, [], None,
    ),
]  # fmt: skip


def _table(rows: list[tuple[Any, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True)
    arrays = [
        pa.array(list(column), kind.type) for column, kind in zip(columns, KINDS, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _written(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    return [
        [
            None if value is None else kind.write(value)
            for value, kind in zip(row, KINDS, strict=True)
        ]
        for row in rows
    ]


def _random_row(rng: random.Random, position: int) -> tuple[Any, ...]:
    moment = FIRST_MOMENT + timedelta(
        days=rng.randrange(3_650_000), microseconds=rng.randrange(86_400_000_000)
    )
    aware = moment.replace(tzinfo=UTC)
    text = "".join(rng.choice("abz'\\\"`%_ \n\té中😀") for _ in range(20))
    big = Decimal(rng.randrange(-(10**75), 10**75)).scaleb(-38)
    point = {"x": rng.randrange(100), "at": aware}
    values = (
        rng.choice([rng.uniform(-1, 1) * 10.0 ** rng.randrange(-300, 300), float("inf"), 0.0]),
        Decimal(rng.randrange(-(10**37), 10**37)).scaleb(-9),
        Decimal(rng.randrange(-(10**10) + 1, 10**10)).scaleb(-2),
        big,
        rng.random() < 0.5,
        text,
        rng.randbytes(rng.randrange(9)),
        moment.date(),
        moment.time(),
        moment,
        aware,
        f"POINT({position} 0)",
        json.dumps({"k": text}),
        f"0-0 {position} 0:0:0",
        "[2020-01-01, 2020-01-02)",
        [rng.randrange(9) for _ in range(rng.randrange(4))],
        [big],
        point,
        [{"select": text, "tags": [text], "points": [point]} for _ in range(rng.randrange(3))],
        text,
    )
    return (
        position,
        *(
            value if kind.field["name"] in ARRAYS or rng.random() < 0.9 else None
            for value, kind in zip(values, KINDS[1:], strict=True)
        ),
    )


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _service_account(server: FakeBigQuery, key: rsa.RSAPrivateKey = KEY, **changes: Any) -> str:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    fields = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": "reader@shop-1.iam.gserviceaccount.com",
        "client_id": "2",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": f"{server.url}/token",
    }
    return json.dumps({**fields, **changes})


class FakeBigQuerySource(Source):
    connector = BigQueryConnector
    schema = DATASET

    def __init__(self, server: FakeBigQuery) -> None:
        self.server = server
        server.key = KEY.public_key()
        server.create_dataset(DATASET)
        server.create_table(DATASET, "full", FIELDS, _written(FULL), description="of every type")
        server.create_table(DATASET, "empty", FIELDS)
        server.create_table(DATASET, "wide", [_field("id", "INTEGER"), _field("s", "STRING")])
        server.fill(DATASET, "wide", "SELECT range, repeat('x', 100000) FROM range(200)")

    @property
    @override
    def options(self) -> BigQueryOptions:
        return self.having()

    def having(self, **changes: Any) -> BigQueryOptions:
        fields = {
            "project_id": PROJECT,
            "api_endpoint": self.server.url,
            "credentials_json": _service_account(self.server),
        }
        return parse_options(BigQueryOptions, {**fields, **changes}, None)

    @property
    @override
    def full(self) -> Sample:
        return Sample("full", _table(FULL))

    @property
    @override
    def empty(self) -> str:
        return "empty"

    @override
    def random(self, rng: random.Random, rows: int) -> Sample:
        made = [_random_row(rng, position) for position in range(rows)]
        self.server.create_table(DATASET, "random", FIELDS, _written(made))
        return Sample("random", _table(made))

    @override
    def wide(self) -> str:
        return "wide"

    @override
    def unreachable(self) -> BigQueryOptions:
        return self.having(api_endpoint="http://127.0.0.1:1", credentials_json=None)

    @override
    def refused(self) -> BigQueryOptions:
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self.having(credentials_json=_service_account(self.server, other))

    @override
    def where(self) -> str:
        return "`id` < 0 AND STARTS_WITH(`s`, 'a')"

    @override
    def query(self) -> tuple[str, pa.Table]:
        sql = (
            "SELECT `t`.`at` AS `at`, `t`.`place`, COUNT(1) AS `n`, SUM(`t`.`n2`) AS `total`"
            " FROM `sales`.`full` AS `t` WHERE `t`.`f` IS NOT NULL"
            " GROUP BY `t`.`at`, `t`.`place` ORDER BY `at` LIMIT 2"
        )
        fields: list[pa.Field[Any]] = [
            pa.field("at", UTC_MICROSECONDS),
            pa.field("where", pa.string()),
            pa.field("n", pa.int32()),
            pa.field("total", pa.float64()),
        ]
        rows = [
            (FIRST_MOMENT.replace(tzinfo=UTC), "GEOMETRYCOLLECTION EMPTY", 1, -99999999.99),
            (FULL[3][11], None, 1, None),
        ]
        arrays = [pa.array(column, each.type) for column, each in zip(zip(*rows), fields)]  # noqa: B905
        return sql, pa.Table.from_arrays(arrays, schema=pa.schema(fields))


@pytest.fixture(scope="module")
def bigquery() -> Iterator[FakeBigQuerySource]:
    with fake_bigquery(PROJECT) as server:
        yield FakeBigQuerySource(server)


class TestBigQuery(ConnectorContract):
    @pytest.fixture
    def source(self, bigquery: FakeBigQuerySource) -> Source:
        return bigquery


@pytest.fixture
def connector(bigquery: FakeBigQuerySource, tmp_path: Path) -> Iterator[BigQueryConnector]:
    with BigQueryConnector(bigquery.options, context_for(tmp_path)) as opened:
        yield opened


@pytest.fixture
def server(bigquery: FakeBigQuerySource) -> Iterator[FakeBigQuery]:
    """The server, asked of nothing yet, and without faults afterwards."""
    running = bigquery.server
    running.requests.clear()
    running.pages_sent = 0
    yield running
    running.error, running.pages_max, running.is_slow = None, None, False


TYPES = [
    ("INT64", _field("c", "INTEGER"), pa.int64()),
    ("FLOAT64", _field("c", "FLOAT"), pa.float64()),
    ("NUMERIC", _field("c", "NUMERIC"), pa.decimal128(38, 9)),
    ("NUMERIC(5)", _field("c", "NUMERIC", precision="5"), pa.decimal128(5, 0)),
    ("NUMERIC(38, 9)", _field("c", "NUMERIC", precision="38", scale="9"), pa.decimal128(38, 9)),
    ("BIGNUMERIC", _field("c", "BIGNUMERIC"), pa.decimal256(76, 38)),
    ("BIGNUMERIC(38, 37)", _field("c", "BIGNUMERIC", precision="38", scale="37"),
     pa.decimal128(38, 37)),
    ("BIGNUMERIC(39, 1)", _field("c", "BIGNUMERIC", precision="39", scale="1"),
     pa.decimal256(39, 1)),
    ("BOOL", _field("c", "BOOLEAN"), pa.bool_()),
    ("STRING", _field("c", "STRING"), pa.string()),
    ("STRING(7)", _field("c", "STRING", maxLength="7"), pa.string()),
    ("BYTES", _field("c", "BYTES"), pa.binary()),
    ("BYTES(7)", _field("c", "BYTES", maxLength="7"), pa.binary()),
    ("DATE", _field("c", "DATE"), pa.date32()),
    ("TIME", _field("c", "TIME"), pa.time64("us")),
    ("DATETIME", _field("c", "DATETIME"), pa.timestamp("us")),
    ("TIMESTAMP", _field("c", "TIMESTAMP"), UTC_MICROSECONDS),
    ("GEOGRAPHY", _field("c", "GEOGRAPHY"), pa.string()),
    ("JSON", _field("c", "JSON"), pa.string()),
    ("INTERVAL", _field("c", "INTERVAL"), pa.string()),
    ("RANGE<DATETIME>", _field("c", "RANGE", rangeElementType={"type": "DATETIME"}), pa.string()),
    ("ARRAY<STRING(3)>", _repeated("c", "STRING", maxLength="3"), pa.list_(pa.string())),
    ("STRUCT<x INT64, at TIMESTAMP>", _field("c", "RECORD", fields=POINT_FIELDS), POINT),
    ("SOMETHING_NEW", _field("c", "SOMETHING_NEW"), pa.string()),
    (
        "ARRAY<STRUCT<`select` STRING, tags ARRAY<STRING>,"
        " points ARRAY<STRUCT<x INT64, at TIMESTAMP>>>>",
        _repeated("c", "RECORD", fields=NESTED_FIELDS),
        pa.list_(NESTED),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "field", "expected"), TYPES)
def test_a_type_is_the_same_in_both_of_its_forms(
    text: str, field: dict[str, Any], expected: pa.DataType
) -> None:
    from_text, from_field = parse_type(text), parse_field(field)
    assert arrow_type(from_text) == arrow_type(from_field) == expected
    assert native_type(from_text) == native_type(from_field) == native_type(from_text)


def _read_cells(cells: list[Any], dtype: pa.DataType, losses: Losses | None = None) -> list[Any]:
    schema = pa.schema([pa.field("c", dtype)])
    rows = [{"f": [{"v": cell}]} for cell in cells]
    return read_rows(rows, [dtype], schema, losses or Losses())["c"].to_pylist()


def test_a_bignumeric_of_more_digits_than_arrow_has_becomes_null_and_is_counted() -> None:
    longest = pa.decimal256(76, 38)
    greatest = "578960446186580977117854925043439539266.34992332820282019728792003956564819967"
    losses = Losses()
    assert _read_cells([greatest, "9" * 38, f"-{greatest}"], longest, losses) == [
        None, Decimal("9" * 38), None,
    ]  # fmt: skip
    assert _read_cells([[{"v": greatest}]], pa.list_(longest), losses) == [[None]]
    assert losses.warnings() == [
        "Column 'c': 3 values of more than 38 digits before the point became NULL."
    ]


def test_an_array_is_never_null() -> None:
    assert _read_cells([None, []], pa.list_(pa.int64())) == [[], []]


@pytest.mark.parametrize(
    ("cell", "dtype"),
    [
        ("1.5", pa.int64()),
        ("9223372036854775808", pa.int64()),
        ("yes", pa.bool_()),
        ("1.123", pa.decimal128(38, 2)),
        ("!", pa.binary()),
        ("25:00:00", pa.time64("us")),
        ("1577836800.5", UTC_MICROSECONDS),
        ("2020-01-01T00:00:00.123456789", pa.timestamp("us")),
        ({"f": []}, pa.string()),
        ("text", POINT),
        ([{"v": "1"}], pa.int64()),
    ],
)
def test_a_cell_that_is_not_of_its_type_fails(cell: Any, dtype: pa.DataType) -> None:
    with pytest.raises(SourceFailed, match="'c'"):
        _read_cells([cell], dtype)


def test_rows_of_other_columns_fail() -> None:
    with pytest.raises(SourceFailed, match="number of columns"):
        read_rows([], [pa.int64()], SCHEMA, Losses())


def test_a_table_is_described_with_what_google_says_of_it(
    server: FakeBigQuery, connector: BigQueryConnector
) -> None:
    server.create_table(DATASET, "v", [_field("id", "INTEGER", mode="REQUIRED")], kind="VIEW")
    full, view = connector.describe(DATASET, "full"), connector.describe(DATASET, "v")
    assert (full.kind, full.comment, full.row_estimate) == ("table", "of every type", 7)
    assert view == SourceTable(
        DATASET, "v", (SourceColumn("id", pa.int64(), True, "INT64"),), "view", 7
    )
    assert next(table for table in connector.discover() if table.name == "v").kind == "view"


def test_only_the_datasets_asked_for_are_discovered(
    bigquery: FakeBigQuerySource, server: FakeBigQuery, tmp_path: Path
) -> None:
    server.create_dataset("other")
    server.create_table("other", "t", [_field("id", "INTEGER")])
    found = {}
    for name, changes in (
        ("one", {"dataset": "other"}), ("region", {}), ("elsewhere", {"region": "eu"}),
    ):  # fmt: skip
        options = bigquery.having(**changes)
        with BigQueryConnector(options, context_for(tmp_path)) as connector:
            found[name] = {table.schema for table in connector.discover()}
    assert found == {"one": {"other"}, "region": {DATASET, "other"}, "elsewhere": set()}
    locations = [given.get("location") for path, given in server.requests if "query" in given]
    assert locations == [None, "us", "eu"]


def test_names_do_not_lead_to_other_resources(
    server: FakeBigQuery, connector: BigQueryConnector
) -> None:
    for schema, table in ((DATASET, "full/data"), (DATASET, "full?x=1"), (DATASET, "../../x#")):
        with pytest.raises(TableGone):
            connector.describe(schema, table)
    with pytest.raises(SourceRefused):
        connector.describe(f"{DATASET}/tables/full?", "x")
    paths = [path for path, _ in server.requests if path != "/token"]
    assert {path.count("/") for path in paths} == {
        "/bigquery/v2/projects/p/datasets/d/tables/t".count("/")
    }


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("id", "0", [1, 2**63 - 1]),
        ("n", "99999999999999999999999999999.999999998", [-(2**63)]),
        ("n2", "-100000000", [-(2**63), 0]),
        ("f", "1.0", [-(2**63), 2**63 - 1]),
        ("s", "", [-(2**63)]),
        ("s", "a\\b'c\n\t\"`😀", []),
        ("day", "0001-01-01", [-(2**63)]),
        ("clock", "00:00:00.000000", [-(2**63)]),
        ("local", "9999-12-31 23:59:59.999998", [-(2**63)]),
        ("at", "0001-01-01 00:00:00.000000Z", [-(2**63), 2**63 - 1]),
    ],
)
def test_after_compares_as_the_column_does(
    connector: BigQueryConnector, column: str, value: str, expected: list[int]
) -> None:
    rows = read(connector, DATASET, "full", Scan(after=After(column, value)))
    assert rows["id"].to_pylist() == expected


@pytest.mark.parametrize("column", ["doc", "b", "yes", "ints", "point", "days"])
def test_columns_without_an_order_cannot_be_refreshed_from(
    connector: BigQueryConnector, column: str
) -> None:
    table = connector.describe(DATASET, "full")
    with pytest.raises(SourceFailed, match=column):
        connector.plan_fetch(table, Scan(after=After(column, "x")))


def test_what_is_sent_bounds_the_query(
    bigquery: FakeBigQuerySource, server: FakeBigQuery, tmp_path: Path
) -> None:
    options = bigquery.having(maximum_bytes_billed=10, location="europe-west4")
    with BigQueryConnector(options, context_for(tmp_path)) as connector:
        assert read(connector, DATASET, "full").num_rows == len(FULL)
    (body,) = [given for _, given in server.requests if "query" in given]
    assert body["location"] == "europe-west4"
    assert body["useLegacySql"] is False
    assert body["maximumBytesBilled"] == "10"
    assert body["jobTimeoutMs"] == "60000"
    assert body["maxResults"] == 200_000 // len(KINDS)


def test_a_large_result_comes_in_pages(server: FakeBigQuery, connector: BigQueryConnector) -> None:
    assert read(connector, DATASET, "wide")["id"].to_pylist() == list(range(200))
    assert server.pages_sent > 1


def test_a_slow_query_is_waited_for(server: FakeBigQuery, connector: BigQueryConnector) -> None:
    server.is_slow = True
    assert read(connector, DATASET, "full").num_rows == len(FULL)


def test_a_passing_failure_is_tried_again(
    server: FakeBigQuery, connector: BigQueryConnector
) -> None:
    server.error = ApiError(503, "backendError", "Try again")
    assert read(connector, DATASET, "full").num_rows == len(FULL)


@pytest.mark.parametrize(
    ("status", "reason", "message", "expected"),
    [
        (400, "invalidQuery", "Unrecognized name: x", SourceFailed),
        (400, "bytesBilledLimitExceeded", "Query exceeded limit", SourceFailed),
        (403, "accessDenied", "Access Denied: Table p:d.t", SourceRefused),
        (403, "billingNotEnabled", "Billing has not been enabled", SourceRefused),
        (403, "quotaExceeded", "Quota exceeded: too many concurrent queries", SourceFailed),
        (403, "responseTooLarge", "Response too large to return", SourceFailed),
        (404, "notFound", "Not found: Table p:d.t was not found", TableGone),
        (404, "notFound", "Not found: Dataset p:d was not found", SourceRefused),
        (404, "notFound", "Not found: Project p", SourceRefused),
    ],
)
def test_an_answer_of_the_service_has_its_meaning_and_its_words(
    server: FakeBigQuery,
    connector: BigQueryConnector,
    status: int,
    reason: str,
    message: str,
    expected: type[ConnectorError],
) -> None:
    (part,) = connector.plan_fetch(connector.describe(DATASET, "full"), Scan())
    server.error = ApiError(status, reason, message)
    with pytest.raises(ConnectorError) as caught:
        list(connector.open(part))
    assert type(caught.value) is expected
    assert str(caught.value) == message


def test_an_answer_without_its_parts_fails(
    server: FakeBigQuery, connector: BigQueryConnector
) -> None:
    (part,) = connector.plan_fetch(connector.describe(DATASET, "full"), Scan())
    server.error = ApiError(200, "none", "This is no table")
    with pytest.raises(SourceFailed, match="cannot be read"):
        connector.describe(DATASET, "full")
    server.error = ApiError(200, "none", "These are no rows")
    with pytest.raises(SourceFailed):
        list(connector.open(part))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"dataset": "missing"}, SourceRefused), ({"project_id": "missing"}, SourceRefused)],
)
def test_a_check_finds_what_is_not_there(
    bigquery: FakeBigQuerySource,
    tmp_path: Path,
    changes: dict[str, str],
    expected: type[ConnectorError],
) -> None:
    with (
        BigQueryConnector(bigquery.having(**changes), context_for(tmp_path)) as connector,
        pytest.raises(expected, match="Not found"),
    ):
        connector.check()


def test_a_check_of_a_dataset_that_is_there_passes(
    bigquery: FakeBigQuerySource, tmp_path: Path
) -> None:
    with BigQueryConnector(bigquery.having(dataset=DATASET), context_for(tmp_path)) as connector:
        connector.check()


def test_a_table_dropped_after_it_was_planned_is_gone(
    server: FakeBigQuery, connector: BigQueryConnector
) -> None:
    server.create_table(DATASET, "short_lived", [_field("id", "INTEGER")])
    (part,) = connector.plan_fetch(connector.describe(DATASET, "short_lived"), Scan())
    server.drop_table(DATASET, "short_lived")
    with pytest.raises(TableGone):
        list(connector.open(part))


def test_pages_that_break_off_fail_in_the_middle(
    bigquery: FakeBigQuerySource, server: FakeBigQuery, tmp_path: Path
) -> None:
    context = context_for(tmp_path, connect_timeout_s=1)
    with BigQueryConnector(bigquery.options, context) as connector:
        (part,) = connector.plan_fetch(connector.describe(DATASET, "wide"), Scan())
        server.pages_max = 1
        rows = connector.open(part)
        assert next(rows).num_rows > 0
        with pytest.raises(SourceFailed, match="broke off"):
            list(rows)


def test_a_token_goes_to_the_endpoint_only(
    bigquery: FakeBigQuerySource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()
    resolve = socket.getaddrinfo

    def remember(host: Any, *arguments: Any, **options: Any) -> Any:
        asked.add(str(host))
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", remember)
    with BigQueryConnector(bigquery.options, context_for(tmp_path)) as connector:
        connector.check()
    assert asked == {"127.0.0.1"}


def test_an_endpoint_may_let_everybody_in(
    bigquery: FakeBigQuerySource, server: FakeBigQuery, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(server, "key", None)
    options = bigquery.having(credentials_json=None)
    with BigQueryConnector(options, context_for(tmp_path)) as connector:
        connector.check()


def test_everybody_is_not_let_in_where_a_key_is_needed(
    bigquery: FakeBigQuerySource, tmp_path: Path
) -> None:
    options = bigquery.having(credentials_json=None)
    with (
        BigQueryConnector(options, context_for(tmp_path)) as connector,
        pytest.raises(SourceRefused, match="Anonymous"),
    ):
        connector.check()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"type": "external_account", "credential_source": {"url": "http://x/"}},
            "service account",
        ),
        ({"type": "authorized_user"}, "service account"),
        ({"type": None}, "service account"),
        ({"universe_domain": "evil.example"}, "universe"),
        ({"token_uri": "http://169.254.169.254/token"}, "token_uri"),
        ({"token_uri": "https://oauth2.googleapis.com/token/../x"}, "token_uri"),
        ({"token_uri": "http://127.0.0.1:10/token"}, "token_uri"),
        ({"token_uri": None}, "token_uri"),
        ({"private_key": "no key"}, "private key"),
        ({"client_email": None}, "private key"),
    ],
)
def test_a_key_that_leads_elsewhere_is_refused(
    bigquery: FakeBigQuerySource, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    options = bigquery.having(credentials_json=_service_account(bigquery.server, **changes))
    with pytest.raises(OptionsInvalid, match=message):
        open_client(options, context_for(tmp_path))


@pytest.mark.parametrize("document", ["no json", "[]", '"text"'])
def test_a_credential_that_is_no_key_is_refused_unrepeated(
    bigquery: FakeBigQuerySource, tmp_path: Path, document: str
) -> None:
    options = bigquery.having(credentials_json=document)
    with pytest.raises(OptionsInvalid) as caught:
        open_client(options, context_for(tmp_path))
    assert document not in str(caught.value)


def test_without_an_endpoint_a_key_is_needed(tmp_path: Path) -> None:
    options = parse_options(BigQueryOptions, {"project_id": PROJECT}, None)
    with pytest.raises(OptionsInvalid, match="credentials_json"):
        open_client(options, context_for(tmp_path))


def test_a_key_without_token_uri_asks_google(tmp_path: Path) -> None:
    document = json.loads(_service_account(FakeBigQuery(PROJECT)))
    del document["token_uri"]
    options = parse_options(BigQueryOptions, {"project_id": PROJECT}, json.dumps(document))
    open_client(options, context_for(tmp_path, allow_private=False)).close()


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("http://203.0.113.9", EgressRefused),
        ("https://127.0.0.1:8443", EgressRefused),
        ("https://10.0.0.1", EgressRefused),
        ("https://127.0.0.1:99999", OptionsInvalid),
    ],
)
def test_an_endpoint_is_judged(
    bigquery: FakeBigQuerySource, tmp_path: Path, endpoint: str, expected: type[ConnectorError]
) -> None:
    options = bigquery.having(api_endpoint=endpoint)
    with pytest.raises(expected):
        open_client(options, context_for(tmp_path, allow_private=False))


def test_a_metadata_address_is_never_an_endpoint(
    bigquery: FakeBigQuerySource, tmp_path: Path
) -> None:
    options = bigquery.having(api_endpoint="http://169.254.169.254")
    with pytest.raises(EgressRefused):
        open_client(options, context_for(tmp_path))


@pytest.mark.parametrize(
    "changes",
    [
        {"project_id": "a/b"},
        {"project_id": ""},
        {"dataset": "a.b"},
        {"dataset": "a`b"},
        {"region": "us`"},
        {"location": "us/"},
        {"maximum_bytes_billed": 0},
        {"api_endpoint": "https://user@host"},
        {"api_endpoint": "https://host/path"},
        {"api_endpoint": "file:///etc/passwd"},
    ],
)
def test_options_are_never_more_than_names(
    bigquery: FakeBigQuerySource, changes: dict[str, Any]
) -> None:
    with pytest.raises(OptionsInvalid, match=next(iter(changes))):
        bigquery.having(**changes)

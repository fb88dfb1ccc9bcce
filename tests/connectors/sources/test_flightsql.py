"""Flight SQL: the contract, every Arrow type, logging in, and where answers may send us.

The server is ``flightsql_server``; ROAPI, written by others in Rust, and the ADBC driver, in Go, say
whether that one and we speak the same protocol as the rest of the world.
"""

import base64
import decimal
import random
import shutil
import socket
import string
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl
import pytest
from typing_extensions import override

from connectors.base import After, Scan
from connectors.errors import (
    ConnectorError,
    EgressRefused,
    OptionsInvalid,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
    TableGone,
)
from connectors.options import parse_options
from connectors.sources.flightsql import FlightSqlConnector
from connectors.sources.flightsql.options import FlightSqlOptions
from connectors.sources.flightsql.plain_types import plain_array, plain_type
from tests.connectors.contract import (
    ConnectorContract,
    Sample,
    Source,
    assert_same_rows,
    context_for,
    read,
)
from tests.connectors.sources.flightsql_server import (
    PASSWORD,
    TOKEN,
    USER,
    Running,
    State,
    running,
)
from tests.patience import PATIENCE_S

CATALOG, SCHEMA = "lake", "sho\"p 'ö"
FULL = "full \"ö'`\\ 100%_"
LETTERS = string.ascii_letters + "äß漢🌊 '\"\\`%_\t\n\0"
DIGITS = decimal.Context(prec=80)

Make = Callable[[random.Random], Any]


def same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Case:
    """An Arrow type, what it becomes, three values of it, and how random ones are made.

    ``built`` makes an array where pyarrow does not by itself; ``shown`` is what a value becomes.
    """

    sent: pa.DataType
    arrow: pa.DataType
    values: tuple[Any, Any, Any]
    make: Make
    shown: Callable[[Any], Any] = same
    built: Callable[[list[Any]], Any] | None = None

    @property
    def name(self) -> str:
        return f"c {self.sent}"

    def array(self, values: list[Any]) -> Any:
        return self.built(values) if self.built else pa.array(values, self.sent)

    def plain(self, values: list[Any]) -> Any:
        shown = [None if value is None else self.shown(value) for value in values]
        return pa.array(shown, self.arrow)


def or_null(make: Make) -> Make:
    return lambda rng: None if rng.random() < 0.2 else make(rng)


def text_of(rng: random.Random) -> str:
    return "".join(rng.choices(LETTERS, k=rng.randrange(20)))


def texts(sent: pa.DataType) -> Case:
    return Case(sent, pa.string(), (None, "tab\t '漢🌊\0", ""), or_null(text_of))


def blobs(sent: pa.DataType) -> Case:
    return Case(sent, pa.binary(), (None, b"\x00\xff", b""), or_null(lambda rng: rng.randbytes(9)))


def integers(sent: pa.DataType, bits: int, *, signed: bool = True) -> Case:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return Case(sent, sent, (low, high, None), or_null(lambda rng: rng.randint(low, high)))


def ticks(sent: pa.DataType, arrow: pa.DataType, low: int, high: int, scale: int) -> Case:
    """Times and timestamps, as counts of their unit; ``scale`` is the plain unit in theirs."""
    return Case(
        sent,
        arrow,
        (low, high, None),
        or_null(lambda rng: rng.randint(low, high)),
        shown=lambda value: value * scale,
    )


def decimals(sent: pa.DataType, arrow: pa.DataType) -> Case:
    kind: Any = sent
    top = 10**kind.precision - 1

    def give(digits: int) -> Decimal:
        return Decimal(digits).scaleb(-kind.scale, DIGITS)

    return Case(
        sent,
        arrow,
        (give(-top), give(top), None),
        or_null(lambda rng: give(rng.randint(-top, top))),
    )


def lists(sent: pa.DataType, inner: Case) -> Case:
    def make(rng: random.Random) -> list[Any]:
        return [inner.make(rng) for _ in range(rng.randrange(4))]

    def built(values: list[Any]) -> Any:
        """pyarrow makes no lists of extension types from Python values."""
        offsets = [0]
        for value in values:
            offsets.append(offsets[-1] + len(value or []))
        flat = inner.array([each for value in values for each in value or []])
        mask: Any = pa.array([value is None for value in values])
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat, mask=mask)

    return Case(
        sent,
        pa.list_(inner.arrow),
        ([], None, list(inner.values)),
        or_null(make),
        shown=lambda values: [None if v is None else inner.shown(v) for v in values],
        built=built if pa.types.is_list(sent) else None,
    )


def encoded(values: list[Any]) -> Any:
    ends = pa.array(range(1, len(values) + 1), pa.int32())
    return pa.RunEndEncodedArray.from_arrays(ends, pa.array(values, pa.string_view()))


def union(values: list[Any]) -> Any:
    codes = pa.array([0 if isinstance(value, int) else 1 for value in values], pa.int8())
    numbers = pa.array([value if isinstance(value, int) else None for value in values], pa.int64())
    words = pa.array([value if isinstance(value, str) else None for value in values], pa.string())
    return pa.UnionArray.from_sparse(codes, [numbers, words], ["n", "w"])


def booleans8(values: list[Any]) -> Any:
    return pa.ExtensionArray.from_storage(pa.bool8(), pa.array(values, pa.int8()))


def shown_interval(value: pa.MonthDayNano) -> str:
    seconds = Decimal(value.nanoseconds).scaleb(-9)
    return f"P{value.months}M{value.days}DT{seconds:.9f}S"


def interval(*parts: int) -> pa.MonthDayNano:
    make: Any = pa.MonthDayNano  # its stub is of another signature
    made: pa.MonthDayNano = make(parts)
    return made


BIG = (1 << 63) - 1
DICTIONARY = pa.dictionary(pa.int16(), pa.string())
RUNS = pa.run_end_encoded(pa.int32(), pa.string_view())
UNION = pa.sparse_union([pa.field("n", pa.int64()), pa.field("w", pa.string())])
UUIDS = Case(
    pa.uuid(),
    pa.string(),
    (None, uuid.UUID(int=0).bytes, uuid.UUID(int=(1 << 128) - 1).bytes),
    or_null(lambda rng: rng.randbytes(16)),
    shown=lambda value: str(uuid.UUID(bytes=value)),
)
STRUCT = pa.struct([("a", DICTIONARY), ("b 'ö", pa.list_view(pa.time32("s")))])
MAP = pa.map_(pa.string_view(), pa.decimal32(4, 2))

CASES = (
    *(integers(dtype, bits) for dtype, bits in ((pa.int8(), 8), (pa.int16(), 16))),
    *(integers(dtype, bits) for dtype, bits in ((pa.int32(), 32), (pa.int64(), 64))),
    *(integers(t, b, signed=False) for t, b in ((pa.uint8(), 8), (pa.uint16(), 16))),
    *(integers(t, b, signed=False) for t, b in ((pa.uint32(), 32), (pa.uint64(), 64))),
    Case(
        pa.float16(), pa.float32(), (None, 65504.0, -0.5), or_null(lambda r: r.randint(-99, 99) / 8)
    ),
    Case(
        pa.float32(),
        pa.float32(),
        (float("nan"), float("-inf"), None),
        or_null(lambda r: r.randint(-99, 99) / 8),
    ),
    Case(
        pa.float64(),
        pa.float64(),
        (5e-324, 1.7976931348623157e308, None),
        or_null(random.Random.random),
    ),
    Case(pa.bool_(), pa.bool_(), (True, False, None), or_null(lambda rng: rng.random() < 0.5)),
    Case(
        pa.bool8(),
        pa.bool_(),
        (1, 0, None),
        or_null(lambda rng: rng.randrange(2)),
        shown=bool,
        built=booleans8,
    ),
    texts(pa.string()),
    texts(pa.large_string()),
    texts(pa.string_view()),
    texts(DICTIONARY),
    Case(RUNS, pa.string(), (None, "a", "a"), or_null(text_of), built=encoded),
    blobs(pa.binary()),
    blobs(pa.large_binary()),
    blobs(pa.binary_view()),
    Case(
        pa.binary(4),
        pa.binary(),
        (None, b"\xff\xff\xff\xff", b"abc\0"),
        or_null(lambda rng: rng.randbytes(4)),
    ),
    UUIDS,
    decimals(pa.decimal32(9, 2), pa.decimal128(9, 2)),
    decimals(pa.decimal64(18, 18), pa.decimal128(18, 18)),
    decimals(pa.decimal128(38, 10), pa.decimal128(38, 10)),
    decimals(pa.decimal256(76, 20), pa.decimal256(76, 20)),
    decimals(pa.decimal128(5, -2), pa.decimal128(7, 0)),
    Case(
        pa.date32(),
        pa.date32(),
        (date(1, 1, 1), date(9999, 12, 31), None),
        or_null(lambda rng: date(1970, 1, 1) + timedelta(days=rng.randrange(99999))),
    ),
    Case(
        pa.date64(),
        pa.date32(),
        (date(1, 1, 1), date(9999, 12, 31), None),
        or_null(lambda rng: date(1970, 1, 1) + timedelta(days=rng.randrange(99999))),
    ),
    ticks(pa.time32("s"), pa.time64("us"), 0, 86_399, 10**6),
    ticks(pa.time32("ms"), pa.time64("us"), 0, 86_399_999, 10**3),
    ticks(pa.time64("us"), pa.time64("us"), 0, 86_399_999_999, 1),
    ticks(pa.time64("ns"), pa.time64("ns"), 0, 86_399_999_999_999, 1),
    ticks(pa.timestamp("s"), pa.timestamp("us"), -62135596800, 253402300799, 10**6),
    ticks(
        pa.timestamp("ms", "Europe/Berlin"),
        pa.timestamp("us", "UTC"),
        -62135596800000,
        253402300799999,
        10**3,
    ),
    ticks(pa.timestamp("us", "+05:30"), pa.timestamp("us", "UTC"), -BIG, BIG, 1),
    ticks(pa.timestamp("ns"), pa.timestamp("ns"), -BIG, BIG, 1),
    ticks(pa.duration("ms"), pa.int64(), -BIG, BIG, 1),
    Case(
        pa.month_day_nano_interval(),
        pa.string(),
        (None, interval(-1, 2, -3_000_000_004), interval((1 << 31) - 1, -(1 << 31), BIG)),
        or_null(lambda rng: interval(rng.randint(-9, 9), rng.randint(-9, 9), rng.getrandbits(50))),
        shown=shown_interval,
    ),
    Case(pa.null(), pa.string(), (None, None, None), lambda rng: None),
    Case(
        UNION,
        pa.string(),
        (1, "it's", "漢"),
        lambda rng: rng.choice([rng.getrandbits(60), "x"]),
        shown=lambda value: str(value) if isinstance(value, int) else f'"{value}"',
        built=union,
    ),
    lists(pa.list_(pa.uuid()), UUIDS),
    lists(pa.large_list(pa.string_view()), texts(pa.string_view())),
    lists(pa.list_view(DICTIONARY), texts(DICTIONARY)),
    lists(pa.large_list_view(pa.int8()), integers(pa.int8(), 8)),
    lists(pa.list_(pa.list_(pa.uuid())), lists(pa.list_(pa.uuid()), UUIDS)),
    Case(
        pa.list_(pa.float16(), 2),
        pa.list_(pa.float32()),
        (None, [0.5, None], [1, 2]),
        or_null(lambda rng: [rng.randrange(9), None]),
    ),
    Case(
        STRUCT,
        pa.struct([("a", pa.string()), ("b 'ö", pa.list_(pa.time64("us")))]),
        (None, {"a": None, "b 'ö": None}, {"a": "漢", "b 'ö": [86399, None]}),
        or_null(lambda rng: {"a": "x", "b 'ö": [rng.randrange(86400)]}),
        shown=lambda value: {
            "a": value["a"],
            "b 'ö": value["b 'ö"]
            and [None if second is None else second * 10**6 for second in value["b 'ö"]],
        },
    ),
    Case(
        MAP,
        pa.map_(pa.string(), pa.decimal128(4, 2)),
        (None, [], [("a", Decimal("1.50")), ("漢", None)]),
        or_null(lambda rng: [("k", Decimal(rng.randrange(9999)).scaleb(-2))]),
    ),
    Case(pa.struct([]), pa.string(), (None, {}, {}), lambda rng: {}, shown=lambda value: "{}"),
)


def sent_and_expected(rows: list[list[Any]]) -> tuple[pa.Table, pa.Table]:
    """What the server holds and what must be read, with ids from 0."""
    ids: Any = pa.array(range(len(rows)), pa.int64())
    columns = [[row[position] for row in rows] for position in range(len(CASES))]
    sent, expected = [ids], [ids]
    for case, values in zip(CASES, columns, strict=True):
        sent.append(case.array(values))
        expected.append(case.plain(values))
    key: Any = pa.field("id", pa.int64(), nullable=False, metadata={"of": "the server"})
    shapes = [
        pa.schema([key, *(pa.field(case.name, case.sent) for case in CASES)]),
        pa.schema(
            [pa.field("id", pa.int64(), nullable=False)]
            + [pa.field(case.name, case.arrow) for case in CASES]
        ),
    ]
    return pa.Table.from_arrays(sent, schema=shapes[0]), pa.Table.from_arrays(
        expected, schema=shapes[1]
    )


class FlightSource(Source):
    connector = FlightSqlConnector
    schema = SCHEMA

    def __init__(self, server: Running) -> None:
        self.server = server
        sent, self._full = sent_and_expected([[c.values[row] for c in CASES] for row in range(3)])
        wide = pa.table({"id": range(200), "text": ["x" * 100_000] * 200})
        self.add(FULL, sent)
        self.add("empty", sent.slice(0, 0))
        self.add("wide", wide)

    def add(self, name: str, table: pa.Table) -> None:
        self.server.state.tables[CATALOG, SCHEMA, name] = table

    @property
    @override
    def options(self) -> FlightSqlOptions:
        return FlightSqlOptions(uri=self.server.uri, user=USER, password=PASSWORD)

    @property
    @override
    def full(self) -> Sample:
        return Sample(FULL, self._full)

    @property
    @override
    def empty(self) -> str:
        return "empty"

    @override
    def random(self, rng: random.Random, rows: int) -> Sample:
        sent, expected = sent_and_expected([[c.make(rng) for c in CASES] for _ in range(rows)])
        self.add("random", sent)
        return Sample("random", expected)

    @override
    def wide(self) -> str:
        return "wide"

    @override
    def unreachable(self) -> FlightSqlOptions:
        return self.options.model_copy(update={"uri": "grpc://127.0.0.1:1"})

    @override
    def refused(self) -> FlightSqlOptions:
        return FlightSqlOptions(uri=self.server.uri, user=USER, password="wr0ng-Passw0rd")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlightSource]:
    with running(State({}, login="token"), tmp_path_factory.mktemp("flight")) as server:
        yield FlightSource(server)


class TestFlightSql(ConnectorContract):
    @pytest.fixture
    def source(self, shop: FlightSource) -> FlightSource:
        return shop


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[..., FlightSqlConnector]]:
    with ExitStack() as stack:

        def make(options: FlightSqlOptions, **context: Any) -> FlightSqlConnector:
            connector = FlightSqlConnector(options, context_for(tmp_path, **context))
            return stack.enter_context(connector)

        yield make


@contextmanager
def serving(tmp_path: Path, *, with_tls: bool = False, **state: Any) -> Iterator[Running]:
    tables = {(CATALOG, "s", "t"): pa.table({"id": [1, 2, 3]})}
    given = State(**{"tables": tables, **state})
    with running(given, tmp_path, with_tls=with_tls) as server:
        yield server


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.sent))
def test_an_array_has_the_plain_type_of_its_type(case: Case) -> None:
    assert plain_type(case.sent) == case.arrow
    found = plain_array(case.array(list(case.values)))
    found.validate(full=True)
    assert found.type == case.arrow


def test_unknown_extensions_arrive_as_their_storage() -> None:
    dtype = pa.opaque(pa.large_binary(), "geometry", "some vendor")
    array = pa.ExtensionArray.from_storage(dtype, pa.array([b"x", None], pa.large_binary()))
    assert plain_array(array).equals(pa.array([b"x", None]))


@pytest.mark.parametrize(
    "odd",
    [
        pa.array([86_400_001], pa.int64()).view(pa.date64()),
        pa.array([1 << 62], pa.timestamp("s")),
        pa.array([b"\xff"]).view(pa.string()),
    ],
    ids=["a date with a time", "a timestamp out of range", "text that is none"],
)
def test_a_value_that_does_not_fit_is_an_error(
    tmp_path: Path, connect: Callable[..., FlightSqlConnector], odd: Any
) -> None:
    table = pa.table({"id": [1], "odd": odd})
    with serving(tmp_path, tables={(CATALOG, "s", "t"): table}) as server:
        connector = connect(FlightSqlOptions(uri=server.uri))
        with pytest.raises(SourceFailed):
            read(connector, "s", "t")


@pytest.mark.parametrize(
    ("schema", "native"),
    [
        (
            "/////3AAAAAQAAAAAAAKAAwABgAFAAgACgAAAAABBAAMAAAACAAIAAAABAAIAAAABAAAAAEAAAAUAAAAEAAU"
            "AAgABgAHAAwAAAAQABAAAAAAAAELEAAAABgAAAAEAAAAAAAAAAEAAAB4AAAABAAEAAQAAAAAAAAA",
            "month_interval",
        ),
        (
            "/////3AAAAAQAAAAAAAKAAwABgAFAAgACgAAAAABBAAMAAAACAAIAAAABAAIAAAABAAAAAEAAAAUAAAAEAAU"
            "AAgABgAHAAwAAAAQABAAAAAAAAELEAAAABgAAAAEAAAAAAAAAAEAAAB4AAYACAAGAAYAAAAAAAEA",
            "day_time_interval",
        ),
    ],
)
def test_what_pyarrow_cannot_hold_is_sent_as_text(
    tmp_path: Path, connect: Callable[..., FlightSqlConnector], schema: str, native: str
) -> None:
    table = pa.table({"x": ["1 year"]})
    described = {"t": pa.ipc.read_schema(pa.py_buffer(base64.b64decode(schema)))}
    with serving(tmp_path, tables={(None, None, "t"): table}, described=described) as server:
        connector = connect(FlightSqlOptions(uri=server.uri))
        found = connector.describe("main", "t")
        assert found.columns[0].native_type == native
        (part,) = connector.plan_fetch(found, Scan())
        assert part.sql == 'SELECT CAST("x" AS VARCHAR) FROM "t"'
        assert read(connector, "main", "t").equals(table)


@pytest.mark.parametrize("with_tls", [False, True])
@pytest.mark.parametrize(
    ("asked", "login", "is_known"),
    [
        ("none", {}, True),
        ("none", {"user": USER, "password": PASSWORD}, True),
        ("token", {}, False),
        ("token", {"user": USER}, False),
        ("token", {"user": USER, "password": PASSWORD}, True),
        ("token", {"user": USER, "password": "guess-ed"}, False),
        ("token", {"token": TOKEN}, True),
        ("token", {"token": "guess-ed"}, False),
        ("basic", {"user": USER, "password": PASSWORD}, True),
        ("basic", {"user": USER, "password": "guess-ed"}, False),
    ],
)
def test_ways_to_log_in(
    tmp_path: Path,
    connect: Callable[..., FlightSqlConnector],
    *,
    with_tls: bool,
    asked: str,
    login: dict[str, str],
    is_known: bool,
) -> None:
    with serving(tmp_path, with_tls=with_tls, login=asked) as server:
        options = FlightSqlOptions(uri=server.uri, ca_cert=server.certificate or None, **login)
        connector = connect(options)
        if is_known:
            connector.check()
            assert read(connector, "s", "t").num_rows == 3
        else:
            with pytest.raises(SourceRefused) as caught:
                connector.check()
            # The server of these tests repeats what it was given: base64 of it, or a token.
            assert set(login) < {"user"} or "'…'" in str(caught.value)


def test_tls_verifies_the_name_while_the_address_is_connected_to(
    tmp_path: Path, connect: Callable[..., FlightSqlConnector]
) -> None:
    with serving(tmp_path, with_tls=True) as server:
        trusted = FlightSqlOptions(uri=server.uri, ca_cert=server.certificate)
        connect(trusted).check()
        for changes in ({"ca_cert": None}, {"uri": server.uri.replace("localhost", "127.0.0.1")}):
            with pytest.raises(SourceUnreachable, match="TLS failed"):
                connect(trusted.model_copy(update=changes)).check()
        with pytest.raises(SourceUnreachable):
            connect(FlightSqlOptions(uri=server.uri.replace("grpc+tls", "grpc"))).check()


def test_private_addresses_are_judged_before_anything_is_sent(
    shop: FlightSource, connect: Callable[..., FlightSqlConnector]
) -> None:
    with pytest.raises(EgressRefused):
        connect(shop.options, allow_private=False).check()


def test_proxies_of_the_environment_are_not_used(
    tmp_path: Path, connect: Callable[..., FlightSqlConnector], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("grpc_proxy", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(tmp_path) as server:
        connect(FlightSqlOptions(uri=server.uri)).check()


def test_rows_are_fetched_where_the_server_says(
    tmp_path: Path, connect: Callable[..., FlightSqlConnector]
) -> None:
    with serving(tmp_path) as other, serving(tmp_path) as server:
        server.state.locations = ["grpc://127.0.0.1:1", other.uri]
        assert read(connect(FlightSqlOptions(uri=server.uri)), "s", "t").num_rows == 3
        assert server.state.reads == 0 < other.state.reads


@pytest.mark.parametrize("own", [True, False])
def test_rows_of_the_same_address_are_fetched_over_the_same_connection(
    tmp_path: Path, connect: Callable[..., FlightSqlConnector], *, own: bool
) -> None:
    with serving(tmp_path) as server:
        server.state.locations = [server.uri if own else "arrow-flight-reuse-connection://?"]
        assert read(connect(FlightSqlOptions(uri=server.uri)), "s", "t").num_rows == 3


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("grpc://169.254.169.254:80", EgressRefused),
        ("grpc://0.0.0.0:80", EgressRefused),
        ("grpc+unix:///run/secret.sock", EgressRefused),
        ("https://bucket.example/part-0", EgressRefused),
        ("grpc://127.0.0.1:1", SourceUnreachable),
    ],
)
def test_no_answer_sends_us_where_we_may_not_go(
    tmp_path: Path,
    connect: Callable[..., FlightSqlConnector],
    location: str,
    error: type[ConnectorError],
) -> None:
    with serving(tmp_path, locations=[location]) as server:
        with pytest.raises(error, match="of the server's choice") as caught:
            connect(FlightSqlOptions(uri=server.uri)).check()
        assert "1" not in str(caught.value)
        assert server.state.reads == 0


def test_no_answer_sends_the_token_where_it_can_be_overheard(
    tmp_path: Path, connect: Callable[..., FlightSqlConnector]
) -> None:
    with serving(tmp_path) as plain, serving(tmp_path, with_tls=True) as server:
        server.state.locations = [plain.uri]
        options = FlightSqlOptions(uri=server.uri, ca_cert=server.certificate, token=TOKEN)
        with pytest.raises(EgressRefused, match="without TLS"):
            connect(options).check()
        assert plain.state.reads == 0


def test_a_stream_that_breaks_is_an_error_and_no_short_table(
    tmp_path: Path, connect: Callable[..., FlightSqlConnector]
) -> None:
    table = pa.table({"id": range(1000)})
    with serving(tmp_path, tables={(CATALOG, "s", "breaks"): table}) as server:
        connector = connect(FlightSqlOptions(uri=server.uri))
        (part,) = connector.plan_fetch(connector.describe("s", "breaks"), Scan())
        stream = connector.open(part)
        assert next(stream).num_rows
        with pytest.raises(SourceFailed, match="the disk is gone"):
            list(stream)
        connector.check()


def test_a_server_that_goes_away_is_an_error(
    tmp_path: Path, connect: Callable[..., FlightSqlConnector]
) -> None:
    with serving(tmp_path) as server:
        connector = connect(FlightSqlOptions(uri=server.uri))
        (part,) = connector.plan_fetch(connector.describe("s", "t"), Scan())
    with pytest.raises(SourceFailed):
        list(connector.open(part))


@pytest.mark.parametrize("dialect", ["ansi", "duckdb", "mysql", "bigquery", "spark", "snowflake"])
def test_names_are_quoted_as_the_dialect_does(
    tmp_path: Path, connect: Callable[..., FlightSqlConnector], dialect: str
) -> None:
    names = ["select", 'a"b`c', "ö \\ 漢", "x'y"]
    table = pa.table({name: [1] for name in names})
    spoken = "" if dialect == "ansi" else dialect
    with serving(tmp_path, tables={(CATALOG, "from", 'or`"der'): table}, dialect=spoken) as server:
        options = parse_options(FlightSqlOptions, {"uri": server.uri, "dialect": dialect}, None)
        assert read(connect(options), "from", 'or`"der').column_names == names


@pytest.mark.parametrize(
    ("column", "arrow"),
    [
        ([3, 1, 2], pa.int64()),
        (["b", "it's \\ 'a", "漢"], pa.string()),
        ([Decimal("0.0000001"), Decimal(-5), Decimal(7)], pa.decimal128(20, 7)),
        ([date(2020, 1, 1), date(1999, 12, 31), date(2024, 2, 29)], pa.date32()),
        ([3, 1, 2_000_000_000_000_000], pa.timestamp("us", "UTC")),
        ([3, 1, 2_000_000_000_000_000], pa.timestamp("ns")),
    ],
)
def test_only_rows_after_a_value_of_any_type(
    tmp_path: Path, connect: Callable[..., FlightSqlConnector], column: list[Any], arrow: Any
) -> None:
    values: Any = pa.array(column, arrow)
    table = pa.table({"id": [0, 1, 2], "v": values})
    with serving(tmp_path, tables={(CATALOG, "s", "t"): table}) as server:
        connector = connect(FlightSqlOptions(uri=server.uri))
        for text in values.cast(pa.string()).to_pylist():
            rows = read(connector, "s", "t", Scan(after=After("v", text)))
            bound = values.to_pylist()[values.cast(pa.string()).to_pylist().index(text)]
            larger = [i for i, value in enumerate(values.to_pylist()) if value > bound]
            assert rows["id"].to_pylist() == larger


def test_the_tables_of_one_catalog_are_discovered(
    tmp_path: Path, connect: Callable[..., FlightSqlConnector]
) -> None:
    table = pa.table({"id": [1]})
    tables = {
        ("a", "s", "t"): table,
        ("a", "r", "t"): table,
        ("a", "r", "v"): table,
        ("a", "information_schema", "tables"): table,
        ("a", "s", "hidden"): table,
        ("b", "s", "u"): table,
    }
    kinds = {"v": "VIEW", "hidden": "SYSTEM TABLE"}
    with serving(tmp_path, tables=tables, kinds=kinds) as server:

        def found(**only: str) -> list[tuple[str, str, str]]:
            options = FlightSqlOptions(uri=server.uri, **only)
            return [(t.schema, t.name, t.kind) for t in connect(options).discover()]

        with pytest.raises(OptionsInvalid, match=r"\['a', 'b'\]"):
            found()
        assert found(catalog="a") == [
            ("s", "t", "table"),
            ("r", "t", "table"),
            ("r", "v", "view"),
        ]
        assert found(catalog="a", db_schema="s") == [("s", "t", "table"), ("s", "hidden", "table")]
        assert found(catalog="c") == []
        only = connect(FlightSqlOptions(uri=server.uri, catalog="a", db_schema="s"))
        with pytest.raises(TableGone):
            only.describe("r", "t")


def test_a_server_without_catalogs_and_schemas(
    tmp_path: Path, connect: Callable[..., FlightSqlConnector]
) -> None:
    tables = {(None, None, "a\\b"): pa.table({"id": [1]}), (None, None, "axb"): pa.table({})}
    with serving(tmp_path, tables=tables) as server:
        connector = connect(FlightSqlOptions(uri=server.uri))
        assert [table.schema for table in connector.discover()] == ["main", "main"]
        assert read(connector, "main", "a\\b").num_rows == 1


def test_the_database_is_sent_as_a_header(
    tmp_path: Path, connect: Callable[..., FlightSqlConnector]
) -> None:
    with serving(tmp_path) as server:
        connect(FlightSqlOptions(uri=server.uri, database="metrics")).check()
        assert server.state.databases == {"metrics"}


def test_a_server_that_never_answers_is_unreachable(
    connect: Callable[..., FlightSqlConnector],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = FlightSqlOptions(uri=f"grpc://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(SourceUnreachable):
            connect(options, connect_timeout_s=0.2).check()


@pytest.mark.parametrize(
    "config",
    [
        {"uri": "http://host:1"},
        {"uri": "grpc://host"},
        {"uri": "grpc://user:secret@host:1"},
        {"uri": "grpc://host:1/path"},
        {"uri": "grpc://host:70000"},
        {"uri": "grpc+unix:///tmp/x"},
        {"uri": "grpc://host:1", "password": "p"},
        {"uri": "grpc://host:1", "user": "u", "password": "p", "token": "t"},
        {"uri": "grpc://host:1", "dialect": "klingon"},
    ],
)
def test_options_that_cannot_be_meant(config: dict[str, str]) -> None:
    with pytest.raises(OptionsInvalid) as caught:
        parse_options(FlightSqlOptions, config, None)
    assert "secret" not in str(caught.value)


def test_a_bare_secret_is_the_password() -> None:
    config = {"uri": "grpc+tls://host:1", "user": "u"}
    assert parse_options(FlightSqlOptions, config, "s3cret").reveal("password") == "s3cret"
    token = parse_options(FlightSqlOptions, {"uri": "grpc://host:1"}, '{"token": "t"}')
    assert token.reveal("token") == "t"


def test_the_server_of_these_tests_is_understood_by_another_client(tmp_path: Path) -> None:
    dbapi = pytest.importorskip(
        "adbc_driver_flightsql.dbapi", reason="install it: pip install adbc-driver-flightsql"
    )
    options = {
        "username": USER,
        "password": PASSWORD,
        "adbc.flight.sql.client_option.tls_root_certs": "",
    }
    with serving(tmp_path, login="token", with_tls=True) as server:
        options["adbc.flight.sql.client_option.tls_root_certs"] = server.certificate
        with (
            dbapi.connect(server.uri, db_kwargs=options, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            (listed,) = connection.adbc_get_objects(depth="all").read_all().to_pylist()
            assert listed["catalog_name"] == CATALOG
            cursor.execute(f'SELECT "id" FROM "{CATALOG}"."s"."t"')
            assert cursor.fetch_arrow_table().num_rows == 3


@pytest.fixture(scope="module")
def roapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Flight SQL server that others wrote, over DataFusion."""
    program = shutil.which("roapi", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("install the server: pip install roapi")
    folder = tmp_path_factory.mktemp("roapi")
    (folder / "cities.csv").write_text(
        'id,Na"me,at,area\n1,Ulm,2020-01-01T00:00:00,1.5\n2,漢🌊,2021-01-01T00:00:00,2.5\n3,,,\n'
    )
    ports = [free_port() for _ in range(3)]
    addresses = zip(("http", "flight-sql", "postgres"), ports, strict=True)
    command = [program, "--table", f"cities={folder / 'cities.csv'}"]
    for door, port in addresses:
        command += [f"--addr-{door}", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        uri = f"grpc://127.0.0.1:{ports[1]}"
        wait_for(uri, process)
        yield uri
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for(uri: str, process: "subprocess.Popen[bytes]") -> None:
    give_up = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < give_up:
        with fl.FlightClient(uri) as client:
            try:
                client.get_flight_info(
                    fl.FlightDescriptor.for_command(b""), fl.FlightCallOptions(timeout=1)
                )
            except (fl.FlightUnavailableError, fl.FlightTimedOutError):
                time.sleep(0.02)
            except pa.ArrowException:
                return
    pytest.fail("the server did not start")


def test_a_server_of_others_is_read(roapi: str, connect: Callable[..., FlightSqlConnector]) -> None:
    connector = connect(FlightSqlOptions(uri=roapi, dialect="postgres"))
    connector.check()
    (table,) = connector.discover()
    assert (table.schema, table.name) == ("public", "cities")
    rows = read(connector, table.schema, table.name)
    stamp = rows.schema.field("at").type
    expected = pa.table(
        {
            "id": [1, 2, 3],
            'Na"me': ["Ulm", "漢🌊", rows['Na"me'][2].as_py()],
            "at": pa.array([1577836800, 1609459200, None], pa.timestamp("s")).cast(stamp),
            "area": [1.5, 2.5, None],
        }
    )
    assert_same_rows(rows, expected.cast(rows.schema))
    for name, bound in (("id", "1"), ("at", "2020-06-01 00:00:00"), ('Na"me', "Ulm")):
        after = Scan(columns=("id",), after=After(name, bound), limit=1)
        assert read(connector, "public", "cities", after)["id"].to_pylist() == [2]
    with pytest.raises(TableGone):
        connector.describe("public", "towns")

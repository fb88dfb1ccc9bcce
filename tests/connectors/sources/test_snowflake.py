"""The Snowflake connector on fakesnow, which speaks Snowflake's protocol to the real driver."""

import base64
import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from sqlglot import exp
from typing_extensions import override

from connectors.base import After, Losses, Scan, SourceColumn, SourceTable
from connectors.errors import EgressRefused, OptionsInvalid, SourceFailed, TableGone
from connectors.options import parse_options
from connectors.sources.snowflake import SnowflakeConnector, SnowflakeOptions
from connectors.sources.snowflake.columns import (
    arrow_type,
    native_type,
    read_batch,
    select_column,
)
from connectors.sources.snowflake.session import database_options
from tests.connectors.contract import ConnectorContract, Sample, Source, context_for, read
from tests.connectors.sources.snowflake_server import (
    DATABASE,
    PASSWORD,
    TOKEN,
    FakeSnowflake,
    fake_snowflake,
)

FIRST_MOMENT = datetime.fromisoformat("0001-01-01T00:00:00")
LAST_MOMENT = datetime.fromisoformat("9999-12-31T23:59:59.999999")
# fakesnow takes a dollar sign in a literal for a session variable.
CHARACTERS = "".join(map(chr, range(32, 127))).replace("$", "") + "é中😀\n\t"
POINT = bytes.fromhex("0101000000000000000000F03F0000000000000040")


def _text(value: object) -> str:
    return exp.Literal.string(str(value)).sql("snowflake")


def _cast(type_name: str) -> Callable[[Any], str]:
    return lambda value: f"{_text(value)}::{type_name}"


class Kind(NamedTuple):
    """A column: what it is called, its types, and how a value of it is written in SQL."""

    name: str
    native: str
    type: pa.DataType
    write: Callable[[Any], str]


KINDS = (
    Kind("ID", "NUMBER(38,0)", pa.decimal128(38, 0), str),
    # fakesnow keeps NUMBER(38,0) in 64 bits; this one has all its digits.
    Kind("BIG", "NUMBER(37,0)", pa.decimal128(37, 0), lambda v: f"'{v:f}'::NUMBER(37,0)"),
    Kind("N18", "NUMBER(18,0)", pa.int64(), str),
    Kind("SMALL", "NUMBER(5,0)", pa.int64(), str),
    Kind("PRICE", "NUMBER(12,2)", pa.decimal128(12, 2), str),
    Kind("FINE", "NUMBER(38,37)", pa.decimal128(38, 37), lambda v: f"'{v:f}'::NUMBER(38,37)"),
    Kind("F", "FLOAT", pa.float64(), lambda value: f"'{value!r}'::FLOAT"),
    Kind("V", "VARCHAR", pa.string(), _text),
    Kind("B", "BINARY", pa.binary(), lambda value: f"TO_BINARY('{value.hex()}', 'HEX')"),
    Kind("YES", "BOOLEAN", pa.bool_(), str),
    Kind("DAY", "DATE", pa.date32(), _cast("DATE")),
    Kind("CLOCK", "TIME", pa.time64("ns"), _cast("TIME")),
    Kind("NTZ", "TIMESTAMP_NTZ", pa.timestamp("us"), _cast("TIMESTAMP_NTZ")),
    Kind("LTZ", "TIMESTAMP_LTZ", pa.timestamp("us", "UTC"), _cast("TIMESTAMP_LTZ")),
    Kind("TZ", "TIMESTAMP_TZ", pa.timestamp("us", "UTC"), _cast("TIMESTAMP_TZ")),
    Kind("DOC", "VARIANT", pa.string(), lambda value: f"PARSE_JSON({_text(value)})"),
    Kind("OBJ", "OBJECT", pa.string(), lambda value: f"PARSE_JSON({_text(value)})"),
    Kind("ARR", "ARRAY", pa.string(), lambda value: f"PARSE_JSON({_text(value)})"),
    Kind('lower "q\\', "VARCHAR", pa.string(), _text),
)
SCHEMA = pa.schema([pa.field(kind.name, kind.type) for kind in KINDS])
FULL: list[tuple[Any, ...]] = [
    (
        Decimal(1), Decimal(10**37 - 1), 999_999_999_999_999_999, 99_999, Decimal("9999999999.99"),
        Decimal("9.9999999999999999999999999999999999999"), 1.7976931348623157e308,
        "a\\b'c\n\t\"😀", b"\x00\xff", True, date(9999, 12, 31), time(23, 59, 59, 999_999),
        LAST_MOMENT, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2262, 4, 12, 0, 0, 0, 1, tzinfo=UTC), '{"a":[1,null,"é"]}', '{"b":1.5}',
        "[1,2]", "x",
    ),
    (
        Decimal(2), Decimal(1 - 10**37), -999_999_999_999_999_999, -99_999, Decimal("-9999999999.99"),
        Decimal("-0.0000000000000000000000000000000000001"), float("-inf"), "", b"", False,
        date(1, 1, 1), time(0), FIRST_MOMENT, datetime(1677, 9, 21, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC), "null", "{}", "[]", "NULL",
    ),
    (Decimal(3), *[None] * (len(KINDS) - 1)),
    (Decimal(2**63 - 1), Decimal(0), 0, 0, Decimal(0), Decimal(0), float("nan"), *[None] * 12),
]  # fmt: skip


def _table(rows: list[tuple[Any, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True)
    arrays = [
        pa.array(list(column), kind.type) for column, kind in zip(columns, KINDS, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _create(name: str) -> str:
    columns = ", ".join(
        f"{exp.to_identifier(kind.name, quoted=True).sql('snowflake')} {kind.native}"
        for kind in KINDS
    )
    return f"CREATE TABLE {name} ({columns})"


def _insert(name: str, rows: list[tuple[Any, ...]]) -> str:
    lines = (
        ", ".join(
            "NULL" if value is None else kind.write(value)
            for value, kind in zip(row, KINDS, strict=True)
        )
        for row in rows
    )
    return f"INSERT INTO {name} " + " UNION ALL ".join(f"SELECT {line}" for line in lines)


def _random_row(rng: random.Random, position: int) -> tuple[Any, ...]:
    moment = FIRST_MOMENT + timedelta(
        days=rng.randrange(3_650_000), microseconds=rng.randrange(86_400_000_000)
    )
    values = (
        Decimal(rng.randrange(-(10**37) + 1, 10**37)),
        rng.randrange(-(10**18) + 1, 10**18),
        rng.randrange(-99_999, 100_000),
        Decimal(rng.randrange(-(10**12) + 1, 10**12)).scaleb(-2),
        Decimal(rng.randrange(-(10**37), 10**37)).scaleb(-37),
        rng.choice([rng.uniform(-1, 1) * 10.0 ** rng.randrange(-300, 300), float("inf"), 0.0]),
        "".join(rng.choice(CHARACTERS) for _ in range(20)),
        rng.randbytes(rng.randrange(9)),
        rng.random() < 0.5,
        moment.date(),
        moment.time(),
        moment,
        moment.replace(tzinfo=UTC),
        moment.replace(tzinfo=UTC),
        json.dumps({"k": rng.randrange(100)}, separators=(",", ":")),
        json.dumps({"o": rng.random() < 0.5}, separators=(",", ":")),
        json.dumps([rng.randrange(9) for _ in range(3)], separators=(",", ":")),
        "",
    )
    return (Decimal(position), *(None if rng.random() < 0.1 else value for value in values))


class FakeSnowflakeSource(Source):
    connector = SnowflakeConnector
    schema = "PUBLIC"

    def __init__(self, server: FakeSnowflake) -> None:
        self.server = server
        server.execute(
            _create("FULL_TYPES"),
            _insert("FULL_TYPES", FULL),
            _create("NO_ROWS"),
            "CREATE TABLE WIDE AS SELECT SEQ4() AS ID, REPEAT('x', 100000) AS V"
            " FROM TABLE(GENERATOR(ROWCOUNT => 200))",
        )

    @property
    @override
    def options(self) -> SnowflakeOptions:
        return self.having()

    def having(self, **changes: Any) -> SnowflakeOptions:
        fields = {
            "account": "fakesnow",
            "user": "reader",
            "warehouse": "WH",
            "database": DATABASE,
            "host": "127.0.0.1",
            "port": self.server.port,
            "protocol": "http",
            "password": PASSWORD,
        }
        return parse_options(SnowflakeOptions, {**fields, **changes}, None)

    @property
    @override
    def full(self) -> Sample:
        return Sample("FULL_TYPES", _table(FULL))

    @property
    @override
    def empty(self) -> str:
        return "NO_ROWS"

    @override
    def random(self, rng: random.Random, rows: int) -> Sample:
        made = [_random_row(rng, position) for position in range(rows)]
        self.server.execute(
            "DROP TABLE IF EXISTS RANDOM_ROWS", _create("RANDOM_ROWS"), _insert("RANDOM_ROWS", made)
        )
        return Sample("RANDOM_ROWS", _table(made))

    @override
    def wide(self) -> str:
        return "WIDE"

    @override
    def unreachable(self) -> SnowflakeOptions:
        return self.having(port=1)

    @override
    def refused(self) -> SnowflakeOptions:
        return self.having(password="wrong battery")

    @override
    def where(self) -> str:
        return '"ID" = 1 AND "V" LIKE \'a%\''

    @override
    def query(self) -> tuple[str, pa.Table]:
        sql = (
            'SELECT "t"."NTZ", MAX("t"."CLOCK") AS "latest", COUNT(1) AS "n", SUM("t"."N18") AS "s"'
            ' FROM "PUBLIC"."FULL_TYPES" AS "t" WHERE "t"."ID" < 3'
            ' GROUP BY "t"."NTZ" ORDER BY "t"."NTZ" LIMIT 5'
        )
        fields: list[pa.Field[Any]] = [
            pa.field("NTZ", pa.timestamp("us")),
            pa.field("latest", pa.time64("ns")),
            pa.field("n", pa.int64()),
            pa.field("s", pa.float64()),
        ]
        rows = [
            {"NTZ": FIRST_MOMENT, "latest": time(0), "n": 1, "s": -1e18},
            {
                "NTZ": LAST_MOMENT,
                "latest": time(23, 59, 59, 999_999),
                "n": 1,
                "s": 1e18,
            },
        ]
        return sql, pa.Table.from_pylist(rows, pa.schema(fields))


@pytest.fixture(scope="module")
def server() -> Iterator[FakeSnowflake]:
    with fake_snowflake() as running:
        yield running


@pytest.fixture(scope="module")
def snowflake(server: FakeSnowflake) -> FakeSnowflakeSource:
    return FakeSnowflakeSource(server)


class TestSnowflake(ConnectorContract):
    @pytest.fixture
    def source(self, snowflake: FakeSnowflakeSource) -> Source:
        return snowflake


@pytest.fixture
def connector(snowflake: FakeSnowflakeSource, tmp_path: Path) -> Iterator[SnowflakeConnector]:
    with SnowflakeConnector(snowflake.options, context_for(tmp_path)) as opened:
        yield opened


def _column(native: str, dtype: pa.DataType) -> SourceColumn:
    return SourceColumn("c", dtype, True, native)


UTC_MICROSECONDS = pa.timestamp("us", "UTC")
TYPES = [
    ("NUMBER", 1, 0, pa.int64(), '"c"'),
    ("NUMBER", 18, 0, pa.int64(), '"c"'),
    ("NUMBER", 19, 0, pa.decimal128(19, 0), '"c"'),
    ("NUMBER", 38, 0, pa.decimal128(38, 0), '"c"'),
    ("NUMBER", 5, 2, pa.decimal128(5, 2), '"c"'),
    ("NUMBER", 38, 37, pa.decimal128(38, 37), '"c"'),
    ("FLOAT", None, None, pa.float64(), '"c"'),
    ("DECFLOAT", None, None, pa.string(), 'CAST("c" AS VARCHAR)'),
    ("TEXT", None, None, pa.string(), '"c"'),
    ("BINARY", None, None, pa.binary(), '"c"'),
    ("BOOLEAN", None, None, pa.bool_(), '"c"'),
    ("DATE", None, None, pa.date32(), '"c"'),
    ("TIME", None, None, pa.time64("ns"), 'CAST("c" AS TIME(9))'),
    ("TIMESTAMP_NTZ", None, None, pa.timestamp("us"), "TO_VARCHAR(\"c\", '{format}')"),
    *(
        (kind, None, None, UTC_MICROSECONDS,
         "TO_VARCHAR(CONVERT_TIMEZONE('UTC', \"c\"), '{format}')")
        for kind in ("TIMESTAMP_LTZ", "TIMESTAMP_TZ")
    ),
    ("VARIANT", None, None, pa.string(), 'TO_JSON(CAST("c" AS VARIANT))'),
    ("OBJECT", None, None, pa.string(), 'TO_JSON(CAST("c" AS VARIANT))'),
    ("ARRAY", None, None, pa.string(), 'TO_JSON(CAST("c" AS VARIANT))'),
    ("MAP", None, None, pa.string(), 'TO_JSON(CAST("c" AS VARIANT))'),
    ("VECTOR", None, None, pa.string(), 'TO_JSON(CAST(CAST("c" AS ARRAY) AS VARIANT))'),
    ("GEOGRAPHY", None, None, pa.binary(), 'ST_ASWKB("c")'),
    ("GEOMETRY", None, None, pa.binary(), 'ST_ASWKB("c")'),
    ("UUID", None, None, pa.string(), 'CAST("c" AS VARCHAR)'),
    ("SOMETHING NEW", None, None, pa.string(), 'CAST("c" AS VARCHAR)'),
]  # fmt: skip


@pytest.mark.parametrize(("data_type", "precision", "scale", "expected", "selected"), TYPES)
def test_every_type_has_an_arrow_type_and_a_way_to_select_it(
    data_type: str, precision: int | None, scale: int | None, expected: pa.DataType, selected: str
) -> None:
    assert arrow_type(data_type, precision, scale) == expected
    column = _column(native_type(data_type, precision, scale), expected)
    wanted = selected.replace("{format}", "YYYY-MM-DD HH24:MI:SS.FF9")
    assert select_column(column).sql("snowflake") == wanted


def test_nanoseconds_are_cut_and_counted() -> None:
    schema = pa.schema([pa.field("t", pa.timestamp("us"))])
    texts = ["2020-01-01 00:00:00.123456789", "2020-01-01 00:00:00.123456000", None]
    losses = Losses()
    rows = read_batch(pa.RecordBatch.from_arrays([pa.array(texts)], ["t"]), schema, losses)
    moment = datetime.fromisoformat("2020-01-01T00:00:00.123456")
    assert rows["t"].to_pylist() == [moment, moment, None]
    assert losses.warnings() == ["Column 't': 1 value cut to microseconds."]


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (pa.array(["12020-01-01 00:00:00"]), pa.timestamp("us")),
        (pa.array([1]), pa.timestamp("us")),
        (pa.array(['{"type":"Point"}']), pa.binary()),
    ],
)
def test_what_is_not_in_the_expected_form_fails(array: Any, dtype: pa.DataType) -> None:
    schema = pa.schema([pa.field("c", dtype)])
    with pytest.raises(SourceFailed, match="'c'"):
        read_batch(pa.RecordBatch.from_arrays([array], ["c"]), schema, Losses())


def test_a_geometry_arrives_as_wkb(
    snowflake: FakeSnowflakeSource, connector: SnowflakeConnector
) -> None:
    snowflake.server.execute(
        "CREATE TABLE PLACES (ID NUMBER(5,0), G GEOMETRY)",
        "INSERT INTO PLACES SELECT 1, 'POINT(1 2)'::GEOMETRY UNION ALL SELECT 2, NULL",
    )
    assert read(connector, "PUBLIC", "PLACES")["G"].to_pylist() == [POINT, None]


def test_names_are_those_of_the_catalog(snowflake: FakeSnowflakeSource, tmp_path: Path) -> None:
    snowflake.server.execute(
        'CREATE SCHEMA "low"',
        'CREATE TABLE "low"."Mixed case" (id NUMBER(5,0) NOT NULL, "second" VARCHAR)'
        " COMMENT = 'of two columns'",
        "CREATE SCHEMA OTHER",
        'CREATE VIEW OTHER.V AS SELECT * FROM "low"."Mixed case"',
    )
    quoted, folded = snowflake.having(schema='"low"'), snowflake.having(schema="other")
    with SnowflakeConnector(quoted, context_for(tmp_path)) as connector:
        (table,) = connector.discover()
        assert read(connector, table.schema, table.name).num_rows == 0
    assert table == SourceTable(
        "low",
        "Mixed case",
        (
            SourceColumn("ID", pa.int64(), False, "NUMBER(5,0)"),
            SourceColumn("second", pa.string(), True, "TEXT"),
        ),
        row_estimate=0,
        comment="of two columns",
    )
    with SnowflakeConnector(folded, context_for(tmp_path)) as connector:
        (view,) = connector.discover()
    assert (view.schema, view.name, view.kind) == ("OTHER", "V", "view")
    assert all(column.nullable for column in view.columns)


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("N18", "0", [1]),
        ("PRICE", "9999999999.98", [1]),
        ("F", "-inf", [1, 2**63 - 1]),
        ("V", "", [1]),
        ("V", "a\\b'c\n\t\"😀", []),
        ("DAY", "0001-01-01", [1]),
        ("CLOCK", "00:00:00.000000000", [1]),
        ("NTZ", "9999-12-31 23:59:59.999998", [1]),
        ("LTZ", "1677-09-21 00:00:00.000000Z", [1]),
        ("TZ", "1969-12-31 23:59:59.499999Z", [1, 2]),
        ("TZ", "1969-12-31 23:59:59.500000Z", [1]),
    ],
)
def test_after_compares_as_the_column_does(
    connector: SnowflakeConnector, column: str, value: str, expected: list[int]
) -> None:
    rows = read(connector, "PUBLIC", "FULL_TYPES", Scan(after=After(column, value)))
    assert rows["ID"].to_pylist() == [Decimal(number) for number in expected]


@pytest.mark.parametrize("column", ["DOC", "B", "YES"])
def test_columns_without_a_kept_order_cannot_be_refreshed_from(
    connector: SnowflakeConnector, column: str
) -> None:
    table = connector.describe("PUBLIC", "FULL_TYPES")
    with pytest.raises(SourceFailed, match=column):
        connector.plan_fetch(table, Scan(after=After(column, "x")))


def test_both_branches_of_a_union_are_read_as_planned(connector: SnowflakeConnector) -> None:
    sql = (
        'SELECT "NTZ" FROM "PUBLIC"."FULL_TYPES" WHERE "ID" = 1'
        ' UNION ALL (SELECT "NTZ" FROM "PUBLIC"."FULL_TYPES" WHERE "ID" = 3)'
    )
    schema = pa.schema([pa.field("at", pa.timestamp("us"))])
    rows = pa.Table.from_batches(list(connector.query(sql, schema)), schema)
    assert set(rows["at"].to_pylist()) == {LAST_MOMENT, None}


@pytest.mark.parametrize(
    "sql", ['SELECT * FROM "FULL_TYPES"', "SELECT 1, 2", "DROP TABLE FULL_TYPES", "SELEC 1"]
)
def test_a_statement_that_cannot_be_read_as_planned_fails(
    connector: SnowflakeConnector, sql: str
) -> None:
    schema = pa.schema([pa.field("at", pa.timestamp("us"))])
    with pytest.raises(SourceFailed):
        list(connector.query(sql, schema))


def test_a_message_is_that_of_the_server(connector: SnowflakeConnector) -> None:
    schema = pa.schema([pa.field("n", pa.int64())])
    with pytest.raises(SourceFailed, match=r"^Binder Error: .*NOPE"):
        list(connector.query("SELECT NOPE FROM PUBLIC.FULL_TYPES", schema))


def test_a_table_dropped_after_it_was_planned_is_gone(
    snowflake: FakeSnowflakeSource, connector: SnowflakeConnector
) -> None:
    snowflake.server.execute("CREATE TABLE SHORT_LIVED (ID NUMBER(5,0))")
    (part,) = connector.plan_fetch(connector.describe("PUBLIC", "SHORT_LIVED"), Scan())
    snowflake.server.execute("DROP TABLE SHORT_LIVED")
    with pytest.raises(TableGone):
        list(connector.open(part))


def test_the_session_is_told_what_it_needs(
    snowflake: FakeSnowflakeSource, connector: SnowflakeConnector
) -> None:
    connector.check()
    told = snowflake.server.logins()[-1]["SESSION_PARAMETERS"]
    told = {key.upper(): str(value).lower() for key, value in told.items()}
    assert told["TIMEZONE"] == "utc"
    assert told["STATEMENT_TIMEOUT_IN_SECONDS"] == "60"
    assert told["QUERY_TAG"] == "tidemill"
    assert told["ABORT_DETACHED_QUERY"] == "true"
    assert told["QUOTED_IDENTIFIERS_IGNORE_CASE"] == "false"


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    form: serialization.PrivateFormat,
    passphrase: str | None = None,
) -> str:
    encryption = (
        serialization.BestAvailableEncryption(passphrase.encode())
        if passphrase
        else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, form, encryption).decode()


@pytest.mark.parametrize(
    ("form", "passphrase"),
    [
        (serialization.PrivateFormat.PKCS8, None),
        (serialization.PrivateFormat.PKCS8, "open sesame"),
        (serialization.PrivateFormat.TraditionalOpenSSL, None),
        (serialization.PrivateFormat.TraditionalOpenSSL, "open sesame"),
    ],
)
def test_a_key_pair_signs_the_login(
    snowflake: FakeSnowflakeSource,
    tmp_path: Path,
    private_key: rsa.RSAPrivateKey,
    form: serialization.PrivateFormat,
    passphrase: str | None,
) -> None:
    pem = _pem(private_key, form, passphrase)
    options = snowflake.having(password=None, private_key=pem, private_key_passphrase=passphrase)
    with SnowflakeConnector(options, context_for(tmp_path)) as connector:
        connector.check()
    login = snowflake.server.logins()[-1]
    assert login["AUTHENTICATOR"] == "SNOWFLAKE_JWT"
    signed, _, signature = login["TOKEN"].rpartition(".")
    private_key.public_key().verify(
        base64.urlsafe_b64decode(signature + "=="), signed.encode(), padding.PKCS1v15(),
        hashes.SHA256(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("field", "authenticator"),
    [("token", "PROGRAMMATIC_ACCESS_TOKEN"), ("oauth_token", "OAUTH")],
)
def test_a_token_logs_in(
    snowflake: FakeSnowflakeSource, tmp_path: Path, field: str, authenticator: str
) -> None:
    options = snowflake.having(password=None, **{field: TOKEN})
    with SnowflakeConnector(options, context_for(tmp_path)) as connector:
        connector.check()
    login = snowflake.server.logins()[-1]
    assert (login["AUTHENTICATOR"], login["TOKEN"]) == (authenticator, TOKEN)


def test_a_secret_may_be_the_password_or_a_document(snowflake: FakeSnowflakeSource) -> None:
    config = {"account": "a", "user": "u", "warehouse": "w", "database": "d"}
    bare = parse_options(SnowflakeOptions, config, "hunter2")
    assert bare.reveal("password") == "hunter2"
    document = json.dumps({"private_key": "PEM", "private_key_passphrase": "open"})
    pair = parse_options(SnowflakeOptions, config, document)
    assert (pair.reveal("private_key"), pair.reveal("private_key_passphrase")) == ("PEM", "open")


def _unusable_credentials(key: rsa.RSAPrivateKey) -> list[dict[str, str | None]]:
    of_curve = _pem(ec.generate_private_key(ec.SECP256R1()), serialization.PrivateFormat.PKCS8)
    locked = _pem(key, serialization.PrivateFormat.PKCS8, "open sesame")
    return [
        {"password": None},
        {"password": ""},
        {"token": TOKEN},
        {"password": None, "private_key": "no key"},
        {"password": None, "private_key": of_curve},
        {"password": None, "private_key": locked},
        {"password": None, "private_key": locked, "private_key_passphrase": "closed"},
    ]


def test_a_credential_that_cannot_be_meant_is_refused_unrepeated(
    snowflake: FakeSnowflakeSource, tmp_path: Path, private_key: rsa.RSAPrivateKey
) -> None:
    for changes in _unusable_credentials(private_key):
        options = snowflake.having(**changes)
        with pytest.raises(OptionsInvalid) as caught:
            database_options(options, context_for(tmp_path))
        assert not [
            secret for secret in options.secrets() if secret and secret in str(caught.value)
        ]


@pytest.mark.parametrize(
    "account",
    ["", "evil.com/", "a/b", "a@evil", "a:1", "a b", "a?x", "a#", ".a", "a..b", "-a", "a\n", "é"],
)
def test_an_account_is_never_more_than_labels(account: str) -> None:
    config = {"account": account, "user": "u", "warehouse": "w", "database": "d"}
    with pytest.raises(OptionsInvalid, match="account"):
        parse_options(SnowflakeOptions, config, "p")


@pytest.mark.parametrize("changes", [{"port": 1}, {"protocol": "http"}])
def test_port_and_protocol_need_a_host(changes: dict[str, Any]) -> None:
    config = {"account": "a", "user": "u", "warehouse": "w", "database": "d", **changes}
    with pytest.raises(OptionsInvalid, match="host"):
        parse_options(SnowflakeOptions, config, "p")


@pytest.mark.parametrize(
    ("host", "protocol"),
    [
        ("203.0.113.9", "https"),
        ("localhost", "http"),
        ("snowflakecomputing.com.evil.example", "https"),
        ("evilsnowflakecomputing.com", "https"),
        ("a.snowflakecomputing.com", "http"),
    ],
)
def test_only_hosts_of_snowflake_are_reached_from_a_public_service(
    snowflake: FakeSnowflakeSource, tmp_path: Path, host: str, protocol: str
) -> None:
    options = snowflake.having(host=host, protocol=protocol)
    with pytest.raises(EgressRefused):
        database_options(options, context_for(tmp_path, allow_private=False))


def test_an_address_that_is_never_allowed_is_refused(
    snowflake: FakeSnowflakeSource, tmp_path: Path
) -> None:
    options = snowflake.having(host="169.254.169.254")
    with pytest.raises(EgressRefused):
        database_options(options, context_for(tmp_path))


def test_plain_http_is_told_the_judged_address_and_tls_the_name(
    snowflake: FakeSnowflakeSource, tmp_path: Path
) -> None:
    for protocol, expected in (("http", {"127.0.0.1", "[::1]"}), ("https", {"localhost"})):
        options = snowflake.having(host="localhost", protocol=protocol)
        told = database_options(options, context_for(tmp_path))
        assert told["adbc.snowflake.sql.uri.host"] in expected
        assert told["adbc.snowflake.sql.uri.protocol"] == protocol


def test_without_a_host_the_driver_is_told_the_account_only(tmp_path: Path) -> None:
    config = {"account": "org-name.eu", "user": "u", "warehouse": "w", "database": "d"}
    told = database_options(
        parse_options(SnowflakeOptions, {**config, "schema": "s", "role": "r"}, "p"),
        context_for(tmp_path, allow_private=False),
    )
    assert not [key for key in told if ".uri." in key]
    assert told["adbc.snowflake.sql.account"] == "org-name.eu"
    assert told["adbc.snowflake.sql.schema"] == "s"
    assert told["adbc.snowflake.sql.role"] == "r"

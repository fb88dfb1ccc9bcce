"""MySQL and MariaDB, read from a real MariaDB."""

import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from typing_extensions import override

from connectors.base import Scan, SourceContext
from connectors.errors import (
    EgressRefused,
    OptionsInvalid,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
    TableGone,
)
from connectors.options import SourceOptions, auth_schema, config_schema, parse_options
from connectors.registry import connector_class
from connectors.sources.mysql import MariaDBConnector, MySQLConnector
from connectors.sources.mysql.options import MySQLOptions
from connectors.sources.mysql.session import connected
from tests.connectors.contract import (
    ConnectorContract,
    Sample,
    Source,
    context_for,
    read,
)
from tests.connectors.sources.mariadb_server import MariaDB, mariadb_server
from tests.connectors.sources.mysql_samples import (
    extreme_rows,
    lost_warnings,
    make_table,
    random_rows,
)

TEXT = pa.schema([pa.field("x", pa.string())])


def options_for(server: MariaDB, **changes: Any) -> MySQLOptions:
    given: dict[str, Any] = {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password,
        "database": server.database,
        **changes,
    }
    return MySQLOptions(**given)


class MariaDBSource(Source):
    connector = MariaDBConnector
    schema = "tidemill"

    def __init__(self, server: MariaDB) -> None:
        self._server = server
        self._full = make_table(server, "every type", extreme_rows())
        self._empty = make_table(server, "no `rows`", [])
        self._numbers = count()

    @property
    @override
    def options(self) -> SourceOptions:
        return options_for(self._server)

    @property
    @override
    def full(self) -> Sample:
        return self._full

    @property
    @override
    def empty(self) -> str:
        return self._empty.table

    @override
    def random(self, rng: random.Random, rows: int) -> Sample:
        return make_table(self._server, f"random {next(self._numbers)}", random_rows(rng, rows))

    @override
    def wide(self) -> str:
        self._server.run(
            "CREATE TABLE IF NOT EXISTS wide AS"
            " SELECT seq AS id, REPEAT(CHAR(97 + seq % 26), 100000) AS t FROM seq_1_to_200"
        )
        return "wide"

    @override
    def unreachable(self) -> SourceOptions:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            return options_for(self._server, port=sock.getsockname()[1])

    @override
    def refused(self) -> SourceOptions:
        return options_for(self._server, password="not the password")

    @override
    def warnings(self) -> list[str]:
        return lost_warnings()

    @override
    def where(self) -> str:
        return "`every type`.`id` = 1 OR `id` = 1 AND 'a\\'' = 'a'''"

    @override
    def query(self) -> tuple[str, pa.Table]:
        names = [
            "id",
            "bit 1",
            "bit 10",
            "float",
            "double",
            "decimal 38 10",
            "date",
            "timestamp 6",
            "geometry",
            "blob",
            "sjis",
        ]
        rows = self.full.rows.select(names)
        chosen = ", ".join(f"`{name}`" for name in names)
        return f"SELECT {chosen} FROM `tidemill`.`every type` ORDER BY `id`", rows


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDB]:
    with mariadb_server(["--max-allowed-packet=64M"]) as running:
        yield running


@pytest.fixture(scope="module")
def shared(server: MariaDB) -> MariaDBSource:
    return MariaDBSource(server)


@pytest.fixture
def source(shared: MariaDBSource) -> Source:
    return shared


@pytest.fixture
def connector(server: MariaDB, tmp_path: Path) -> Iterator[MySQLConnector]:
    with MySQLConnector(options_for(server), context_for(tmp_path)) as opened:
        yield opened


def values(connector: MySQLConnector, sql: str, schema: pa.Schema = TEXT) -> list[Any]:
    """Return the first column of a query."""
    batches = list(connector.query(sql, schema))
    return pa.Table.from_batches(batches, schema)[0].to_pylist()


class TestMariaDB(ConnectorContract):
    pass


def test_both_names_are_the_same_connector() -> None:
    mysql, mariadb = connector_class("mysql"), connector_class("mariadb")
    assert (mysql.source_type, mysql.label) == ("mysql", "MySQL")
    assert (mariadb.source_type, mariadb.label) == ("mariadb", "MariaDB")
    assert issubclass(mariadb, mysql)


class TestOptions:
    def test_a_bare_secret_is_the_password(self) -> None:
        config = {"host": "db", "port": 3306, "user": "u", "database": "d"}
        assert parse_options(MySQLOptions, config, "pw").reveal("password") == "pw"
        assert parse_options(MySQLOptions, config, '{"password": "pw"}').reveal("password") == "pw"

    def test_what_the_api_requires(self) -> None:
        assert config_schema(MySQLOptions)["required"] == ["host", "port", "user", "database"]
        auth = auth_schema(MySQLOptions)
        assert auth is not None
        assert auth["required"] == ["password"]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"ssl_mode": "required", "ssl_ca": "x"}, "only used with"),
            ({"ssl_mode": "verify_ca", "ssl_ca": "x"}, "not the PEM text"),
            ({"ssl_mode": "verify_ca", "host": "/run/mysqld"}, "Unix sockets use no TLS"),
            ({"ssl_mode": "sometimes"}, "ssl_mode"),
            ({"user": "a\0b"}, "user"),
            ({"port": 65536}, "port"),
            ({"host": ""}, "host"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, changes: dict[str, Any], message: str) -> None:
        config = {"host": "db", "port": 3306, "user": "u", "database": "d", **changes}
        with pytest.raises(OptionsInvalid, match=message):
            parse_options(MySQLOptions, config, None)


class TestSessions:
    def test_a_session_can_write_nothing(self, server: MariaDB, tmp_path: Path) -> None:
        server.run("CREATE TABLE IF NOT EXISTS kept (i int)")
        for statement in ("INSERT INTO kept VALUES (1)", "DROP TABLE kept"):
            with (
                pytest.raises(SourceFailed, match="READ ONLY"),
                connected(options_for(server), context_for(tmp_path)) as connection,
            ):
                connection.cursor().execute(statement)

    def test_settings_of_the_server_do_not_change_what_is_read(
        self, server: MariaDB, connector: MySQLConnector
    ) -> None:
        server.run(
            'CREATE TABLE settings (c char(4), t timestamp, `a"b` int)',
            "SET time_zone = '+00:00'",
            "INSERT INTO settings VALUES ('a', FROM_UNIXTIME(0) + INTERVAL 1 DAY, 1)",
            "INSERT INTO settings SELECT * FROM settings",
            "SET GLOBAL sql_mode = 'ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH,NO_BACKSLASH_ESCAPES'",
            "SET GLOBAL time_zone = '+05:00'",
            "SET GLOBAL sql_select_limit = 1",
        )
        try:
            rows = read(
                connector, "tidemill", "settings", Scan(where="c = 'a' AND \"\\\\\" = '\\\\'")
            )
        finally:
            server.run(
                "SET GLOBAL sql_mode = DEFAULT",
                "SET GLOBAL time_zone = DEFAULT",
                "SET GLOBAL sql_select_limit = DEFAULT",
            )
        assert rows.to_pylist() == [{"c": "a", "t": datetime(1970, 1, 2, tzinfo=UTC), 'a"b': 1}] * 2

    def test_a_statement_that_takes_too_long_fails(self, server: MariaDB, tmp_path: Path) -> None:
        context = context_for(tmp_path, statement_timeout_s=0.2)
        with (
            MySQLConnector(options_for(server), context) as connector,
            pytest.raises(SourceFailed, match="max_statement_time"),
        ):
            values(connector, "SELECT COUNT(*) FROM seq_1_to_10000000 a, seq_1_to_10000000 b")

    def test_a_password_may_hold_any_character(self, server: MariaDB, tmp_path: Path) -> None:
        password = "pä漢\U0001f600'\"\\@:/?#%"
        connection = server.connect()
        with connection.cursor() as cursor:
            cursor.execute("CREATE OR REPLACE USER `odd 'user`@'%%' IDENTIFIED BY %s", (password,))
            cursor.execute("GRANT SELECT ON tidemill.* TO `odd 'user`@'%'")
        connection.close()
        options = options_for(server, user="odd 'user", password=password)
        with MySQLConnector(options, context_for(tmp_path)) as connector:
            connector.check()


class TestWhereTheServerIs:
    @pytest.mark.parametrize("part", ["socket", "folder"])
    def test_a_unix_socket_or_its_folder(self, server: MariaDB, tmp_path: Path, part: str) -> None:
        host = server.socket if part == "socket" else server.socket.parent
        options = options_for(server, host=str(host), port=1)
        with MySQLConnector(options, context_for(tmp_path)) as connector:
            assert values(connector, "SELECT 'a' AS x") == ["a"]

    def test_a_socket_that_is_not_there(self, server: MariaDB, tmp_path: Path) -> None:
        for host in (tmp_path, tmp_path / "none.sock", tmp_path / "none" / "none.sock"):
            options = options_for(server, host=str(host))
            with (
                pytest.raises(SourceUnreachable),
                MySQLConnector(options, context_for(tmp_path)) as connector,
            ):
                connector.check()

    @pytest.mark.parametrize("part", ["port", "socket", "elsewhere"])
    def test_a_private_address_is_refused_unless_it_is_allowed(
        self, server: MariaDB, tmp_path: Path, part: str
    ) -> None:
        hosts = {"port": "localhost", "socket": str(server.socket), "elsewhere": "/none/none"}
        options = options_for(server, host=hosts[part])
        context = context_for(tmp_path, allow_private=False)
        with pytest.raises(EgressRefused), MySQLConnector(options, context) as connector:
            connector.check()

    @pytest.mark.parametrize(
        "greeting",
        [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x03\0\0\0\x0ab\0", b"\x0c\0\0\0\x0a5.5\0" + bytes(7), b""],
    )
    def test_a_server_of_another_kind_is_unreachable(
        self, server: MariaDB, tmp_path: Path, greeting: bytes
    ) -> None:
        with listening(lambda client: client.sendall(greeting)) as port:
            options = options_for(server, port=port)
            with (
                pytest.raises(SourceUnreachable),
                MySQLConnector(options, context_for(tmp_path)) as connector,
            ):
                connector.check()

    def test_a_server_that_says_nothing_is_unreachable(
        self, server: MariaDB, tmp_path: Path
    ) -> None:
        with listening(lambda client: client.recv(1)) as port:
            context = context_for(tmp_path, connect_timeout_s=0.2)
            options = options_for(server, port=port)
            with pytest.raises(SourceUnreachable), MySQLConnector(options, context) as connector:
                connector.check()


class TestRefusals:
    def test_a_refusal_does_not_name_our_address(self, server: MariaDB, tmp_path: Path) -> None:
        options = options_for(server, password="wrong")
        with (
            pytest.raises(SourceRefused, match="Access denied") as caught,
            MySQLConnector(options, context_for(tmp_path)) as connector,
        ):
            connector.check()
        assert "127.0.0.1" not in str(caught.value)

    def test_an_unknown_database_is_refused(self, server: MariaDB, tmp_path: Path) -> None:
        options = options_for(server, database="none")
        with (
            pytest.raises(SourceRefused, match="Unknown database"),
            MySQLConnector(options, context_for(tmp_path)) as connector,
        ):
            connector.check()

    def test_a_table_that_may_not_be_read_is_refused(self, server: MariaDB, tmp_path: Path) -> None:
        server.run(
            "CREATE TABLE IF NOT EXISTS closed (i int)",
            "CREATE DATABASE IF NOT EXISTS open",
            "CREATE OR REPLACE USER guest@'%' IDENTIFIED BY 'pw'",
            "GRANT SELECT ON open.* TO guest@'%'",
        )
        options = options_for(server, user="guest", password="pw", database="open")
        with MySQLConnector(options, context_for(tmp_path)) as connector:
            with pytest.raises(SourceRefused):
                values(connector, "SELECT 'a' FROM tidemill.closed")
            with pytest.raises(TableGone):
                connector.describe("tidemill", "closed")

    def test_a_table_that_went_away_is_gone(
        self, server: MariaDB, connector: MySQLConnector
    ) -> None:
        server.run("CREATE TABLE brief (i int)")
        (part,) = connector.plan_fetch(connector.describe("tidemill", "brief"), Scan())
        server.run("DROP TABLE brief")
        with pytest.raises(TableGone):
            list(connector.open(part))

    def test_what_is_no_select_is_refused(self, connector: MySQLConnector) -> None:
        with pytest.raises(SourceFailed, match="no rows"):
            values(connector, "DO 1")
        with pytest.raises(SourceFailed, match="another number of columns"):
            values(connector, "SELECT 1, 2")
        with pytest.raises(SourceFailed, match="syntax"):
            values(connector, "SELEC 1")


class TestBrokenAnswers:
    """A shorter table must never pass for a whole one."""

    def test_an_error_in_the_middle(self, connector: MySQLConnector) -> None:
        late = "(SELECT s.seq FROM seq_1_to_3 s WHERE s.seq + a.seq > 50000)"
        with pytest.raises(SourceFailed, match="more than 1 row"):
            values(connector, f"SELECT CONCAT(a.seq, {late}) AS x FROM seq_1_to_100000 a")

    def test_a_connection_killed_in_the_middle(
        self, server: MariaDB, connector: MySQLConnector
    ) -> None:
        sql = "SELECT REPEAT('to be killed ', 1000) AS x FROM seq_1_to_100000"
        stream = connector.query(sql, TEXT)
        next(stream)
        admin = server.connect()
        with admin.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM information_schema.processlist"
                " WHERE info LIKE '%to be killed%' AND id <> CONNECTION_ID()"
            )
            ((number,),) = cursor.fetchall()
            cursor.execute(f"KILL {number}")
        admin.close()
        with pytest.raises(SourceFailed):
            list(stream)

    @pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 100, 16383, 16384, 16385])
    def test_a_connection_that_ends_anywhere_in_the_rows(
        self, server: MariaDB, tmp_path: Path, count: int
    ) -> None:
        def cut(content: bytes) -> bytes | None:
            begin = content.find(b"first row")
            return None if begin < 0 else content[: begin + count]

        with forwarding(server, cut) as port:
            options = options_for(server, port=port)
            with (
                MySQLConnector(options, context_for(tmp_path, batch_bytes=1)) as connector,
                pytest.raises(SourceFailed),
            ):
                values(connector, "SELECT 'first row' AS x UNION ALL SELECT seq FROM seq_1_to_9000")

    def test_a_value_that_goes_beyond_its_row(self, server: MariaDB, tmp_path: Path) -> None:
        def lengthen(content: bytes) -> bytes | None:
            changed = content.replace(b"\x06marker", b"\x07marker")
            return None if changed == content else changed

        with forwarding(server, lengthen) as port:
            options = options_for(server, port=port)
            with (
                MySQLConnector(options, context_for(tmp_path)) as connector,
                pytest.raises(SourceFailed, match="protocol"),
            ):
                values(connector, "SELECT 'marker' AS x FROM seq_1_to_3")


class TestSizes:
    @pytest.mark.parametrize("size", [2**24 - 6, 2**24 - 5, 2**24 - 4, 2**24, 2 * 2**24 + 1])
    def test_a_row_of_several_packets(self, connector: MySQLConnector, size: int) -> None:
        sql = f"SELECT IF(seq = 2, REPEAT('x', {size}), CONCAT('row ', seq)) AS x FROM seq_1_to_3"
        found = values(connector, sql)
        assert [found[0], found[2]] == ["row 1", "row 3"]
        assert found[1] == "x" * size

    @pytest.mark.parametrize("batch_bytes", [1, 50_000, 1 << 20])
    def test_values_of_every_length_in_batches_of_any_size(
        self, server: MariaDB, tmp_path: Path, batch_bytes: int
    ) -> None:
        sizes = [None, 0, 1, 249, 250, 251, 252, 253, 254, 255, 256, 65534, 65535, 65536, 100_000]
        listed = ",".join("NULL" if size is None else str(size) for size in sizes)
        sql = (
            f"SELECT ELT(1 + seq % {len(sizes)}, {listed}) + 0 AS n,"
            f" REPEAT('\U0001f600a', ELT(1 + seq % {len(sizes)}, {listed})) AS a,"
            f" REPEAT('b', ELT(1 + seq DIV 3 % {len(sizes)}, {listed})) AS b, seq AS s"
            " FROM seq_0_to_99"
        )
        kinds: dict[str, pa.DataType] = {
            "n": pa.float64(),
            "a": pa.string(),
            "b": pa.string(),
            "s": pa.int64(),
        }
        schema = pa.schema(kinds)
        with MySQLConnector(
            options_for(server), context_for(tmp_path, batch_bytes=batch_bytes)
        ) as connector:
            rows = pa.Table.from_batches(list(connector.query(sql, schema))).to_pydict()
        assert rows["s"] == list(range(100))
        for place in range(100):
            first, second = sizes[place % len(sizes)], sizes[place // 3 % len(sizes)]
            assert rows["n"][place] == first
            assert rows["a"][place] == (None if first is None else "\U0001f600a" * first)
            assert rows["b"][place] == (None if second is None else "b" * second)

    def test_narrow_rows_are_bounded_by_what_they_become(
        self, server: MariaDB, tmp_path: Path
    ) -> None:
        schema = pa.schema([(f"c{place}", pa.decimal256(65)) for place in range(8)])
        context = context_for(tmp_path, batch_bytes=100_000)
        with MySQLConnector(options_for(server), context) as connector:
            sql = f"SELECT {', '.join(['1'] * 8)} FROM seq_1_to_20000"
            sizes = [(batch.num_rows, batch.nbytes) for batch in connector.query(sql, schema)]
        assert sum(rows for rows, _ in sizes) == 20_000
        assert max(size for _, size in sizes) <= 2 * 100_000


class TestDiscovery:
    def test_tables_views_keys_comments_and_estimates(
        self, server: MariaDB, connector: MySQLConnector
    ) -> None:
        server.run(
            "CREATE DATABASE found",
            "CREATE TABLE found.t (b int COMMENT 'c', a varchar(9), c int NOT NULL,"
            " PRIMARY KEY (a, b)) COMMENT 'what it is'",
            "CREATE TABLE found.T (only_here int)",
            "INSERT INTO found.t SELECT seq, 'x', 1 FROM seq_1_to_100",
            "ANALYZE TABLE found.t",
            "CREATE VIEW found.v AS SELECT c FROM found.t",
            "CREATE TABLE found.base (i int)",
            "CREATE VIEW found.broken AS SELECT * FROM found.base",
            "DROP TABLE found.base",
            "CREATE SEQUENCE found.counter",
            "CREATE TABLE found.versioned (i int PRIMARY KEY) WITH SYSTEM VERSIONING",
        )
        tables = {t.name: t for t in connector.discover() if t.schema == "found"}
        assert sorted(tables) == ["T", "t", "v", "versioned"]
        described = tables["t"]
        assert [column.name for column in described.columns] == ["b", "a", "c"]
        assert [column.nullable for column in described.columns] == [False, False, False]
        assert described.primary_key == ("a", "b")
        assert described.row_estimate == 100
        assert (described.kind, described.comment) == ("table", "what it is")
        view = tables["v"]
        assert (view.kind, view.comment, view.primary_key) == ("view", None, ())
        assert view.columns[0].nullable
        assert tables["versioned"].primary_key == ("i",)
        assert connector.describe("found", "T").columns[0].name == "only_here"
        with pytest.raises(TableGone):
            connector.describe("FOUND", "t")
        with pytest.raises(TableGone):
            connector.describe("found", "broken")

    def test_system_schemas_are_left_out(self, connector: MySQLConnector) -> None:
        schemas = {table.schema for table in connector.discover()}
        assert not schemas & {"mysql", "sys", "information_schema", "performance_schema"}

    def test_only_columns_that_may_be_read_are_there(self, server: MariaDB, tmp_path: Path) -> None:
        server.run(
            "CREATE DATABASE partly",
            "CREATE TABLE partly.t (a int, b int, secret int, PRIMARY KEY (a, secret))",
            "INSERT INTO partly.t VALUES (1, 2, 3)",
            "CREATE TABLE partly.closed (a int)",
            "CREATE OR REPLACE USER partly@'%' IDENTIFIED BY 'pw'",
            "GRANT SELECT (a, b), INSERT (secret) ON partly.t TO partly@'%'",
            "GRANT INSERT ON partly.closed TO partly@'%'",
        )
        options = options_for(server, user="partly", password="pw", database="partly")
        with MySQLConnector(options, context_for(tmp_path)) as connector:
            (table,) = connector.discover()
            assert [column.name for column in table.columns] == ["a", "b"]
            assert table.primary_key == ()
            assert read(connector, "partly", "t").to_pylist() == [{"a": 1, "b": 2}]


@pytest.fixture(scope="module")
def authority() -> "Authority":
    return Authority()


@pytest.fixture(scope="module")
def secured(authority: "Authority", tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = authority.issue("localhost")
    (folder / "cert.pem").write_text(certificate + authority.pem)
    (folder / "key.pem").write_text(key)
    files = [f"--ssl-cert={folder / 'cert.pem'}", f"--ssl-key={folder / 'key.pem'}"]
    with mariadb_server(files) as running:
        yield running


class TestTls:
    def cipher(self, options: MySQLOptions, context: SourceContext) -> str:
        sql = (
            "SELECT variable_value AS x FROM information_schema.session_status"
            " WHERE variable_name = 'Ssl_cipher'"
        )
        with MySQLConnector(options, context) as connector:
            (found,) = values(connector, sql)
            return str(found)

    @pytest.mark.parametrize(
        ("mode", "host", "is_secured"),
        [
            ("disabled", "127.0.0.1", False),
            ("preferred", "127.0.0.1", True),
            ("required", "127.0.0.1", True),
            ("verify_ca", "127.0.0.1", True),
            ("verify_identity", "localhost", True),
        ],
    )
    def test_each_mode_connects_as_it_says(
        self,
        secured: MariaDB,
        authority: "Authority",
        tmp_path: Path,
        mode: str,
        host: str,
        is_secured: bool,
    ) -> None:
        ca = authority.pem if mode.startswith("verify") else None
        options = options_for(secured, ssl_mode=mode, host=host, ssl_ca=ca)
        assert bool(self.cipher(options, context_for(tmp_path))) == is_secured

    def test_another_name_is_not_verified(
        self, secured: MariaDB, authority: "Authority", tmp_path: Path
    ) -> None:
        options = options_for(secured, ssl_mode="verify_identity", ssl_ca=authority.pem)
        with pytest.raises(SourceUnreachable, match="certificate"):
            self.cipher(options, context_for(tmp_path))

    @pytest.mark.parametrize("mode", ["verify_ca", "verify_identity"])
    def test_another_authority_is_not_trusted(
        self, secured: MariaDB, tmp_path: Path, mode: str
    ) -> None:
        for ca in (Authority().pem, None):
            options = options_for(secured, ssl_mode=mode, host="localhost", ssl_ca=ca)
            with pytest.raises(SourceUnreachable, match="certificate"):
                self.cipher(options, context_for(tmp_path))

    def test_a_server_without_tls(self, server: MariaDB, tmp_path: Path) -> None:
        assert self.cipher(options_for(server), context_for(tmp_path)) == ""
        options = options_for(server, ssl_mode="required")
        with pytest.raises(SourceUnreachable, match="SSL"):
            self.cipher(options, context_for(tmp_path))


class Authority:
    """A certificate authority of its own."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self._certificate = self._signed(self._name, self._key, is_authority=True)
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, host: str) -> tuple[str, str]:
        """Return certificate and key of a host, as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = self._signed(subject, key, is_authority=False)
        return (
            certificate.public_bytes(serialization.Encoding.PEM).decode(),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ).decode(),
        )

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool
    ) -> x509.Certificate:
        (common,) = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - timedelta(days=1))
            .not_valid_after(datetime.now(UTC) + timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(str(common.value))]), False)
            .sign(self._key, hashes.SHA256())
        )


@contextmanager
def listening(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """Serve connections in turn, and yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                try:
                    serve(client)
                except OSError:
                    continue

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@contextmanager
def forwarding(server: MariaDB, change: Callable[[bytes], bytes | None]) -> Iterator[int]:
    """Forward a connection, and yield the port.

    ``change`` sees what the server sends; what it returns is sent instead and ends the connection.
    """

    def serve(client: socket.socket) -> None:
        with socket.create_connection((server.host, server.port)) as upstream:
            back = threading.Thread(target=copy, args=(client, upstream))
            back.start()
            while content := upstream.recv(1 << 20):
                changed = change(content)
                client.sendall(content if changed is None else changed)
                if changed is not None:
                    break
            client.shutdown(socket.SHUT_WR)
            back.join()

    def copy(client: socket.socket, upstream: socket.socket) -> None:
        try:
            while content := client.recv(1 << 16):
                upstream.sendall(content)
        except OSError:
            return

    with listening(serve) as port:
        yield port


def test_the_password_is_in_no_representation(server: MariaDB) -> None:
    options = options_for(server)
    assert isinstance(options.password, SecretStr)
    assert server.password not in repr(options)

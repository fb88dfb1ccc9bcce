"""A session by raw messages: the orders that no driver sends, and the states in between."""

import struct
from collections.abc import Iterator

import pytest

from tests.pgwire.messages import (
    COPY_DONE,
    FLUSH,
    SYNC,
    TERMINATE,
    bind,
    close_portal,
    close_statement,
    copy_data,
    copy_fail,
    describe_portal,
    describe_statement,
    execute,
    function_call,
    message,
    parse,
    query,
)
from tests.pgwire.running import PgServer
from tests.pgwire.wire import (
    READY_FAILED,
    READY_IDLE,
    READY_IN_TRANSACTION,
    RawClient,
    cells,
    errors,
    rows,
    sqlstate,
    tags,
)

IDS = "SELECT id FROM items ORDER BY id"


@pytest.fixture
def raw(server: PgServer) -> Iterator[RawClient]:
    with RawClient(server) as client:
        client.log_in()
        yield client


def test_the_beginning_tells_settings_and_a_key(server: PgServer) -> None:
    with RawClient(server) as client:
        answers = client.log_in(application_name="raw")
        told = dict(body.split(b"\x00")[:2] for kind, body in answers if kind == "S")
        assert told[b"application_name"] == b"raw"
        assert told[b"server_encoding"] == b"UTF8"
        assert told[b"integer_datetimes"] == b"on"
        assert len(client.secret) == 4
        assert answers[-1] == READY_IDLE


@pytest.mark.parametrize(
    ("sent", "kinds"),
    [
        ((query("SELECT 1"),), "TDCZ"),
        ((query("SELECT 1; SELECT 2"),), "TDCTDCZ"),
        ((query("SELECT 1; SELEC; SELECT 2"),), "TDCEZ"),
        ((query(""),), "IZ"),
        ((query(" ; -- nothing\n;"),), "IZ"),
        ((query("SELECT id FROM items WHERE FALSE"),), "TCZ"),
        ((query("COPY (SELECT 1) TO STDOUT"),), "HdcCZ"),
        ((SYNC,), "Z"),
        ((SYNC, SYNC), "Z"),
        ((parse("SELECT 1"), bind(), execute(), SYNC), "12DCZ"),
        ((parse("SELECT 1"), bind(), describe_portal(), execute(), SYNC), "12TDCZ"),
        ((parse("SELECT 1"), describe_statement(), SYNC), "1tTZ"),
        ((parse("SET a.b = 1"), describe_statement(), bind(), execute(), SYNC), "1tn2CZ"),
        ((parse(""), describe_statement(), bind(), describe_portal(), execute(), SYNC), "1tn2nIZ"),
        ((parse("SHOW timezone"), bind(), describe_portal(), execute(), SYNC), "12TDCZ"),
        ((close_statement("absent"), close_portal("absent"), SYNC), "33Z"),
        ((copy_data(b"x"), COPY_DONE, copy_fail("no"), SYNC), "Z"),
    ],
    ids=[
        "one-statement",
        "two-statements",
        "second-fails",
        "empty",
        "comment",
        "no-rows",
        "copy",
        "sync",
        "sync-twice",
        "extended",
        "extended-described",
        "statement-described",
        "set",
        "empty-statement",
        "show",
        "close-unknown",
        "copy-input-unasked",
    ],
)
def test_messages_are_answered_in_order(
    raw: RawClient, sent: tuple[bytes, ...], kinds: str
) -> None:
    assert raw.kinds(*sent) == kinds


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ((execute(),), "34000"),
        ((execute("absent"),), "34000"),
        ((bind(statement="absent"),), "26000"),
        ((bind(),), "26000"),
        ((describe_statement("absent"),), "26000"),
        ((describe_portal("absent"),), "34000"),
        ((parse("SELECT 1; SELECT 2"),), "42601"),
        ((parse("SELECT 1", name="a"), parse("SELECT 1", name="a")), "42P05"),
        ((parse("SELECT 1"), bind(portal="p"), bind(portal="p")), "42P03"),
        ((parse("SELEC 1"), describe_statement()), "42601"),
        ((parse("SELECT * FROM absent"), describe_statement()), "42P01"),
        ((parse("SELECT $1", types=(25,)), bind([b"\xff"])), "22021"),
        ((parse("SELECT $1", types=(20,)), bind([b"x"])), "22P02"),
        ((parse("SELECT $1", types=(20,)), bind([b"x"], formats=(1,))), "22P03"),
        ((parse("SELECT $1"), bind([b"x"], formats=(0, 0))), "08P01"),
        ((function_call(),), "0A000"),
    ],
    ids=[
        "execute-without-bind",
        "execute-unknown",
        "bind-unknown",
        "bind-without-parse",
        "describe-unknown-statement",
        "describe-unknown-portal",
        "parse-two",
        "parse-twice",
        "bind-twice",
        "syntax",
        "no-table",
        "not-utf8",
        "not-a-number",
        "not-eight-bytes",
        "too-many-formats",
        "function-call",
    ],
)
def test_an_error_skips_everything_up_to_sync(
    raw: RawClient, sent: tuple[bytes, ...], code: str
) -> None:
    answers = raw.asked(*sent, parse("SELECT 1"), query("SELECT 1"), execute(), SYNC)
    assert errors(answers) == [code]
    assert [kind for kind, _ in answers[-2:]] == ["E", "Z"]
    assert raw.kinds(query("SELECT 1")) == "TDCZ"


def test_flush_sends_what_there_is_and_ends_nothing(raw: RawClient) -> None:
    raw.send(parse(IDS), bind(), FLUSH)
    assert [raw.receive()[0] for _ in range(2)] == ["1", "2"]
    raw.send(execute(rows_max=1), FLUSH)
    assert [raw.receive()[0] for _ in range(2)] == ["D", "s"]
    assert raw.kinds(execute(rows_max=1), SYNC) == "DsZ"
    assert errors(raw.asked(execute(), SYNC)) == ["34000"]


@pytest.mark.parametrize("portion", [1, 7, 1000, 4999])
def test_a_portal_is_suspended_and_goes_on(raw: RawClient, portion: int) -> None:
    found: list[int] = []
    raw.asked(query("BEGIN"))
    raw.asked(parse(IDS), bind(), SYNC)
    for _ in range(3):
        answers = raw.asked(execute(rows_max=portion), SYNC)
        found += [int(cell) for (cell,) in rows(answers) if cell is not None]
    answers = raw.asked(execute(), SYNC)
    found += [int(cell) for (cell,) in rows(answers) if cell is not None]
    assert found == list(range(1, 5001))


def test_a_portal_with_exactly_so_many_rows_is_suspended_once_more(raw: RawClient) -> None:
    sql = "SELECT id FROM items WHERE id <= 3 ORDER BY id"
    raw.asked(query("BEGIN"))
    answers = raw.asked(parse(sql), bind(), execute(rows_max=3), execute(rows_max=3), SYNC)
    assert "".join(kind for kind, _ in answers) == "12DDDsCZ"
    assert tags(answers) == ["SELECT 0"]


def test_two_portals_take_turns(raw: RawClient) -> None:
    raw.asked(query("BEGIN"))
    raw.asked(parse(IDS, name="up"), SYNC)
    raw.asked(parse(IDS + " DESC", name="down"), SYNC)
    raw.asked(bind(portal="a", statement="up"), bind(portal="b", statement="down"), SYNC)
    found = []
    for _ in range(3):
        answers = raw.asked(execute("a", rows_max=2), execute("b", rows_max=1), SYNC)
        found.append([cell for (cell,) in rows(answers)])
    assert found == [[b"1", b"2", b"5000"], [b"3", b"4", b"4999"], [b"5", b"6", b"4998"]]
    assert raw.kinds(close_portal("a"), SYNC) == "3Z"
    assert errors(raw.asked(execute("a"), SYNC)) == ["34000"]


def test_a_portal_ends_with_its_transaction(raw: RawClient) -> None:
    raw.asked(query("BEGIN"))
    raw.asked(parse(IDS, name="s"), bind(portal="p", statement="s"), SYNC)
    raw.asked(query("COMMIT"))
    assert errors(raw.asked(execute("p"), SYNC)) == ["34000"]
    assert raw.kinds(bind(statement="s"), execute(rows_max=2), SYNC) == "2DDsZ"


def test_formats_of_columns_are_chosen_one_by_one(raw: RawClient) -> None:
    sql = "SELECT id, id FROM items WHERE id = $1"
    sent = parse(sql), bind([b"7"], result_formats=(0, 1)), describe_portal(), execute(), SYNC
    answers = raw.asked(*sent)
    assert rows(answers) == [[b"7", struct.pack("!q", 7)]]
    (described,) = [body for kind, body in answers if kind == "T"]
    assert (described[21:23], described[-2:]) == (b"\x00\x00", b"\x00\x01")


def test_a_statement_says_the_types_of_its_parameters(raw: RawClient) -> None:
    sql = "SELECT name FROM items WHERE id = $1 AND half > $2 AND name = $3"
    answers = dict(raw.asked(parse(sql, types=(0, 700)), describe_statement(), SYNC))
    assert struct.unpack("!HIII", answers["t"]) == (3, 20, 700, 25)


@pytest.mark.parametrize(
    "sql", ["SELECT ${}", "SELECT ${}::int4", "SELECT id FROM items LIMIT ${}"]
)
@pytest.mark.parametrize("digits", [5, 6, 20, 5000])
def test_the_number_of_a_parameter_may_have_any_length(
    raw: RawClient, sql: str, digits: int
) -> None:
    statement = parse(sql.format("9" * digits))
    described = dict(raw.asked(statement, describe_statement(), SYNC))
    assert struct.unpack("!H", described["t"][:2]) == (65_535,)
    answers = raw.asked(statement, bind([b"1"]), execute(), SYNC)
    assert errors(answers) == ["08P01"]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT " + "+".join(["1"] * 20_000), "54001"),
        ("SELECT " + "(" * 20_000 + "1" + ")" * 20_000, "54001"),
        ("INSERT INTO items VALUES " + ",".join(["(1, 2, 3)"] * 5_000), "25006"),
    ],
    ids=["chain", "deep", "insert"],
)
def test_a_long_statement_is_read_before_it_is_described(
    raw: RawClient, sql: str, code: str
) -> None:
    answers = raw.asked(parse(sql), describe_statement(), SYNC)
    assert errors(answers) == [code]


def test_a_transaction_is_told_of(raw: RawClient) -> None:
    assert raw.asked(query("BEGIN"))[-1] == READY_IN_TRANSACTION
    assert raw.asked(query("SELECT 1"))[-1] == READY_IN_TRANSACTION
    assert raw.asked(query("SELEC"))[-1] == READY_FAILED
    answers = raw.asked(query("SELECT 1"))
    assert (errors(answers), answers[-1]) == (["25P02"], READY_FAILED)
    answers = raw.asked(parse("SELECT 1"), bind(), execute(), SYNC)
    assert (errors(answers), answers[-1]) == (["25P02"], READY_FAILED)
    answers = raw.asked(query("COMMIT"))
    assert (tags(answers), answers[-1]) == (["ROLLBACK"], READY_IDLE)


def test_every_change_of_a_setting_is_told(raw: RawClient) -> None:
    changed = [
        body for kind, body in raw.asked(query("SET timezone = 'Asia/Tokyo'")) if kind == "S"
    ]
    assert changed == [b"TimeZone\x00Asia/Tokyo\x00"]
    raw.asked(query("BEGIN"))
    raw.asked(query("SET LOCAL application_name = 'x'"))
    changed = [body for kind, body in raw.asked(query("ROLLBACK")) if kind == "S"]
    assert changed == [b"application_name\x00\x00"]


def test_a_cursor_is_fetched_moved_and_closed(raw: RawClient) -> None:
    raw.asked(query(f"BEGIN; DECLARE c CURSOR FOR {IDS}"))
    assert [cell for (cell,) in rows(raw.asked(query("FETCH 2 FROM c")))] == [b"1", b"2"]
    assert tags(raw.asked(query("MOVE 10 IN c"))) == ["MOVE 10"]
    assert rows(raw.asked(query("FETCH NEXT FROM c"))) == [[b"13"]]
    assert errors(raw.asked(query("FETCH BACKWARD 1 FROM c"))) == ["55000"]
    assert tags(raw.asked(query("ROLLBACK"))) == ["ROLLBACK"]
    assert errors(raw.asked(query("FETCH 1 FROM c"))) == ["34000"]


def test_a_cursor_needs_a_transaction(raw: RawClient) -> None:
    assert errors(raw.asked(query("DECLARE c CURSOR FOR SELECT 1"))) == ["25P01"]


def test_messages_may_come_byte_by_byte(raw: RawClient) -> None:
    for place in query("SELECT 'slow'"):
        raw.send(bytes([place]))
    assert rows(raw.until_ready()) == [[b"slow"]]


def test_goodbye_ends_the_connection(raw: RawClient) -> None:
    raw.send(TERMINATE)
    assert raw.is_over()


def test_goodbye_in_the_middle_ends_the_connection(raw: RawClient) -> None:
    raw.send(parse(IDS), bind(), execute(rows_max=1), FLUSH)
    assert [raw.receive()[0] for _ in range(4)] == ["1", "2", "D", "s"]
    raw.send(execute(rows_max=1), TERMINATE)
    while not raw.is_over():
        pass


@pytest.mark.parametrize(
    "sent",
    [
        message(b"?"),
        b"Q\x00\x00\x00\x03",
        b"Q\xff\xff\xff\xff",
        message(b"Q", b"SELECT 1"),
        message(b"Q", b"SELECT 1\x00\x00"),
        message(b"Q", b"\xff\x00"),
        message(b"B", b"\x00\x00\x00"),
        message(b"D", b"X\x00"),
        b"\x16\x03\x01\x02\x00",
    ],
    ids=[
        "unknown-type",
        "length-3",
        "length-endless",
        "no-nul",
        "trailing-byte",
        "not-utf8",
        "bind-short",
        "describe-what",
        "tls-too-late",
    ],
)
def test_what_is_no_message_ends_the_connection(raw: RawClient, sent: bytes) -> None:
    raw.send(sent)
    kind, body = raw.receive()
    assert kind == "E"
    assert b"SFATAL" in body
    assert sqlstate(body) in {"08P01", "22021"}
    assert raw.is_over()


def test_values_of_rows_are_what_was_asked(raw: RawClient) -> None:
    (row,) = [body for kind, body in raw.asked(query("SELECT NULL, '', 'x'")) if kind == "D"]
    assert cells(row) == [None, b"", b"x"]

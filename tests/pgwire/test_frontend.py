"""The reader of client messages: whole, cut, wrong and random ones."""

import random
import struct
import tracemalloc

import pytest

from server.pgwire.errors import ProtocolViolation
from server.pgwire.frontend import (
    MESSAGE_BYTES_MAX,
    STARTUP_BYTES_MAX,
    Authentication,
    Bind,
    CancelRequest,
    Close,
    CopyInput,
    Describe,
    EncryptionRequest,
    Execute,
    First,
    Flush,
    FrontendReader,
    FunctionCall,
    Message,
    Parse,
    Query,
    Startup,
    Sync,
    Terminate,
)
from tests.pgwire import messages
from tests.pgwire.messages import message

SEED = 20_261_121
SESSIONS = 200_000

MESSAGES: dict[str, tuple[bytes, Message]] = {
    "password": (messages.sasl_response(b"\x00\xff"), Authentication(b"\x00\xff")),
    "query": (messages.query("SELECT 'ü'"), Query("SELECT 'ü'")),
    "query-empty": (messages.query(""), Query("")),
    "parse": (
        messages.parse("SELECT $1", name="p", types=(20, 0)),
        Parse("p", "SELECT $1", (20, 0)),
    ),
    "parse-unnamed": (messages.parse("SELECT 1"), Parse("", "SELECT 1", ())),
    "bind": (
        messages.bind([b"7", None, b""], portal="c", statement="p", formats=(0, 1, 0)),
        Bind("c", "p", (0, 1, 0), (b"7", None, b""), ()),
    ),
    "bind-bare": (messages.bind(result_formats=(1,)), Bind("", "", (), (), (1,))),
    "describe-statement": (messages.describe_statement("p"), Describe(False, "p")),
    "describe-portal": (messages.describe_portal(), Describe(True, "")),
    "execute": (messages.execute("c", rows_max=7), Execute("c", 7)),
    "execute-negative": (messages.execute(rows_max=-1), Execute("", 0)),
    "close-statement": (messages.close_statement("p"), Close(False, "p")),
    "close-portal": (messages.close_portal("c"), Close(True, "c")),
    "sync": (messages.SYNC, Sync()),
    "flush": (messages.FLUSH, Flush()),
    "terminate": (messages.TERMINATE, Terminate()),
    "copy-data": (messages.copy_data(b"1\n"), CopyInput()),
    "copy-done": (messages.COPY_DONE, CopyInput()),
    "copy-fail": (messages.copy_fail("no"), CopyInput()),
    "function-call": (messages.function_call(), FunctionCall()),
}
FIRSTS: dict[str, tuple[bytes, First]] = {
    "tls": (messages.SSL_REQUEST, EncryptionRequest(is_tls=True)),
    "gss": (messages.GSS_REQUEST, EncryptionRequest(is_tls=False)),
    "cancel": (messages.cancel_request(7, b"abcd"), CancelRequest(7, b"abcd")),
    "cancel-long": (messages.cancel_request(7, b"x" * 32), CancelRequest(7, b"x" * 32)),
    "start": (messages.startup({"user": "u", "x": ""}), Startup(3, 0, {"user": "u", "x": ""})),
    "start-bare": (messages.startup({}, minor=2), Startup(3, 2, {})),
}
every_message = pytest.mark.parametrize("name", MESSAGES)
every_first = pytest.mark.parametrize("name", FIRSTS)


def read_all(reader: FrontendReader) -> list[Message]:
    """Read all messages that are whole."""
    found = []
    while (one := reader.message()) is not None:
        found.append(one)
    return found


def refused(data: bytes, *, first: bool = False) -> ProtocolViolation:
    reader = FrontendReader()
    reader.feed(data)
    with pytest.raises(ProtocolViolation) as caught:
        _ = reader.first() if first else reader.message()
    assert caught.value.is_fatal
    return caught.value


@every_message
def test_a_message_is_read(name: str) -> None:
    data, expected = MESSAGES[name]
    reader = FrontendReader()
    reader.feed(data)
    assert reader.message() == expected
    assert reader.waiting_bytes == 0
    assert reader.message() is None


@every_first
def test_a_first_message_is_read(name: str) -> None:
    data, expected = FIRSTS[name]
    reader = FrontendReader()
    reader.feed(data)
    assert reader.first() == expected
    assert (reader.waiting_bytes, reader.first()) == (0, None)


@every_message
def test_a_message_may_be_cut_anywhere(name: str) -> None:
    data, expected = MESSAGES[name]
    for cut in range(len(data)):
        reader = FrontendReader()
        reader.feed(data[:cut])
        assert reader.message() is None
        assert reader.waiting_bytes == cut
        reader.feed(data[cut:] + messages.SYNC)
        assert read_all(reader) == [expected, Sync()]


@every_first
def test_a_first_message_may_be_cut_anywhere(name: str) -> None:
    data, expected = FIRSTS[name]
    for cut in range(len(data)):
        reader = FrontendReader()
        reader.feed(data[:cut])
        assert reader.first() is None
        reader.feed(data[cut:])
        assert reader.first() == expected


def test_a_session_may_come_byte_by_byte() -> None:
    reader, found = FrontendReader(), []
    for byte in b"".join(data for data, _ in MESSAGES.values()):
        reader.feed(bytes([byte]))
        found += read_all(reader)
    assert found == [expected for _, expected in MESSAGES.values()]


@pytest.mark.parametrize("length", [0, 1, 3, 2**31 - 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("kind", sorted({data[:1] for data, _ in MESSAGES.values()}))
def test_a_length_that_cannot_be_is_refused_before_its_body(kind: bytes, length: int) -> None:
    assert refused(kind + struct.pack("!I", length)).sqlstate == "08P01"


@pytest.mark.parametrize("length", [0, 3, STARTUP_BYTES_MAX + 1, 2**31 - 1, 2**32 - 1])
def test_a_first_length_that_cannot_be_is_refused(length: int) -> None:
    assert refused(struct.pack("!I", length), first=True).sqlstate == "08P01"


@pytest.mark.parametrize("kind", [bytes([n]) for n in range(256) if n not in b"pQPBDECSHXdcfF"])
def test_an_unknown_type_is_refused_at_once(kind: bytes) -> None:
    refused(kind)


@pytest.mark.parametrize(
    "data",
    [
        message(b"Q", b""),
        message(b"Q", b"SELECT 1"),
        message(b"P", b"\x00"),
        message(b"P", b"\x00\x00\x00"),
        message(b"P", b"\x00\x00\x00\x02\x00\x00\x00\x14"),
        message(b"B", b"\x00\x00\x00\x01"),
        message(b"B", b"\x00\x00\x00\x01\x00\x02\x00\x00\x00\x00"),
        message(b"B", b"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x09x\x00\x00"),
        message(b"B", b"\x00\x00\x00\x00\x00\x01\xff\xff\xff\xfe\x00\x00"),
        message(b"B", b"\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\x00\x00"),
        message(b"D", b""),
        message(b"D", b"S"),
        message(b"D", b"X\x00"),
        message(b"C", b"\x00\x00"),
        message(b"E", b"\x00\x00\x00\x00"),
        message(b"E", b"portal"),
        message(b"Q", b"\xff\xfe\x00"),
        message(b"Q", b"\xed\xa0\x80\x00"),
        *(
            data[:1] + struct.pack("!I", len(data)) + data[5:] + b"\x00"
            for data in (
                messages.query("x"),
                messages.parse("x"),
                messages.bind([b"x"]),
                messages.execute(),
                messages.describe_portal(),
                messages.close_portal(),
                messages.SYNC,
                messages.FLUSH,
                messages.TERMINATE,
            )
        ),
    ],
    ids=range(27),
)
def test_a_body_that_does_not_fit_is_refused(data: bytes) -> None:
    assert refused(data).sqlstate in {"08P01", "22021", "22023"}


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("!II", 9, 80877103) + b"x",
        struct.pack("!II", 8, 80877102),
        struct.pack("!I", 4),
        struct.pack("!IHH", 8, 3, 0),
        struct.pack("!IHH", 13, 3, 0) + b"user\x00",
        struct.pack("!IHH", 12, 3, 0) + b"user",
        struct.pack("!IHH", 10, 3, 0) + b"\x00\x00",
        struct.pack("!IHH", 11, 3, 0) + b"\xff\x00\x00",
    ],
    ids=[
        "tls-long",
        "cancel-short",
        "no-code",
        "no-end",
        "no-value",
        "no-nul",
        "after",
        "not-utf8",
    ],
)
def test_a_first_body_that_does_not_fit_is_refused(data: bytes) -> None:
    assert refused(data, first=True).sqlstate in {"08P01", "22021"}


@pytest.mark.parametrize("length", [9_999, MESSAGE_BYTES_MAX])
def test_a_length_alone_takes_no_memory(length: int) -> None:
    kind = b"E" if length < STARTUP_BYTES_MAX else b"Q"
    reader = FrontendReader()
    tracemalloc.start()
    try:
        reader.feed(kind + struct.pack("!I", length) + b"x")
        assert reader.message() is None
        assert tracemalloc.get_traced_memory()[1] < 4096
    finally:
        tracemalloc.stop()


def test_counts_alone_take_no_memory() -> None:
    data = message(b"B", b"\x00\x00\x00\x00\xff\xff")
    reader = FrontendReader()
    reader.feed(data)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolViolation):
            reader.message()
        assert tracemalloc.get_traced_memory()[1] < 16_384
    finally:
        tracemalloc.stop()


def mutated(chance: random.Random, valid: list[bytes]) -> bytes:
    """A session of a few messages, in any order, with some of its bytes changed, lost or doubled."""
    data = b"".join(chance.choices(valid, k=chance.randint(1, 4)))
    for _ in range(chance.randint(0, 3)):
        if not data:
            break
        at = chance.randrange(len(data))
        match chance.randrange(5):
            case 0:
                data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
            case 1:
                data = data[:at]
            case 2:
                data = data[:at] + data[at + 1 :]
            case 3:
                data = data[:at] + chance.randbytes(chance.randint(1, 6)) + data[at:]
            case _:
                data = data[:at] + data[at:][::-1]
    return data


def test_random_sessions_are_read_or_refused_and_nothing_else() -> None:
    chance = random.Random(SEED)
    valid = [data for data, _ in (*MESSAGES.values(), *FIRSTS.values())]
    outcomes = {"read": 0, "refused": 0}
    for _ in range(SESSIONS):
        data = mutated(chance, valid)
        reader = FrontendReader()
        at, fed, is_first = 0, 0, chance.random() < 0.3
        try:
            while at < len(data):
                step = chance.randint(1, 40)
                reader.feed(data[at : at + step])
                fed = min(len(data), at + step)
                at += step
                while (reader.first() if is_first else reader.message()) is not None:
                    is_first = False
                assert reader.waiting_bytes <= fed
            outcomes["read"] += 1
        except ProtocolViolation:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > SESSIONS // 10, outcomes

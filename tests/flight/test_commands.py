"""Our messages against Google's own implementation, which reads and writes the same bytes."""

import importlib
from dataclasses import fields
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidRequest
from server.flight import commands
from server.flight.commands import (
    CommandGetSqlInfo,
    CommandGetTables,
    CommandGetXdbcTypeInfo,
    CommandStatementQuery,
    pack,
    read_command,
    tickets_of,
    unpack,
)
from server.flight.protobuf import (
    LENGTH,
    MalformedMessage,
    read_fields,
    read_message,
    write_message,
)

MESSAGES = [
    each
    for name, each in sorted(vars(commands).items())
    if name.startswith(("Command", "Action", "Ticket", "DoPut", "Cancel"))
    and isinstance(each, type)
    and hasattr(each, "__dataclass_fields__")
]
# Google publishes no types.
descriptor_pb2: Any = importlib.import_module("google.protobuf.descriptor_pb2")
descriptor_pool: Any = importlib.import_module("google.protobuf.descriptor_pool")
message_factory: Any = importlib.import_module("google.protobuf.message_factory")
_FIELD = descriptor_pb2.FieldDescriptorProto


def kind_of(field: Any) -> Any:
    return field.metadata["message_kind"]


@cache
def google_message(message: type) -> Any:
    """Build Google's class of a message from the numbers and kinds of ours."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{message.__name__}.proto", package="made.here", syntax="proto3"
    )
    described = file.message_type.add(name=message.__name__)
    for each in fields(message):
        kind = kind_of(each)
        optional = each.default is None
        if kind.wire_type == LENGTH:
            is_bytes = kind.read is bytes
            field_type = _FIELD.TYPE_BYTES if is_bytes else _FIELD.TYPE_STRING
        else:
            field_type = _FIELD.TYPE_BOOL if kind.read is bool else _FIELD.TYPE_INT64
        added = described.field.add(
            name=each.name,
            number=kind.number,
            type=field_type,
            label=_FIELD.LABEL_REPEATED if kind.is_repeated else _FIELD.LABEL_OPTIONAL,
            proto3_optional=optional,
        )
        if optional:
            added.oneof_index = len(described.oneof_decl)
            described.oneof_decl.add(name=f"_{each.name}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName(f"made.here.{message.__name__}")
    return message_factory.GetMessageClass(found)


def values_of(field: Any) -> st.SearchStrategy[Any]:
    kind = kind_of(field)
    one: st.SearchStrategy[Any]
    if kind.wire_type == LENGTH:
        one = st.binary(max_size=300) if kind.read is bytes else st.text(max_size=300)
    else:
        one = st.booleans() if kind.read is bool else st.integers(-(2**63), 2**63 - 1)
    if kind.is_repeated:
        return st.lists(one, max_size=5).map(tuple)
    return one if field.default is not None else st.none() | one


@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: each.__name__)
@given(data=st.data())
def test_google_reads_what_we_write_and_we_what_it_writes(message: Any, data: Any) -> None:
    values = {each.name: data.draw(values_of(each)) for each in fields(message)}
    theirs = google_message(message)()
    for name, value in values.items():
        if isinstance(value, tuple):
            getattr(theirs, name).extend(value)
        elif value is not None:
            setattr(theirs, name, value)
    ours = message(**values)
    assert read_message(message, theirs.SerializeToString()) == ours
    assert google_message(message).FromString(write_message(ours)) == theirs


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(encoded: bytes) -> None:
    for read in (read_command, tickets_of, read_fields):
        try:
            read(encoded)
        except InvalidRequest:
            continue


@given(st.binary(max_size=60))
def test_any_command_is_read_or_refused(encoded: bytes) -> None:
    for message in MESSAGES:
        try:
            read_message(message, encoded)
        except MalformedMessage:
            continue


def test_numbers_may_be_packed_or_not() -> None:
    assert read_message(CommandGetSqlInfo, b"\x0a\x03\x00\x84\x04") == CommandGetSqlInfo((0, 516))
    assert read_message(CommandGetSqlInfo, b"\x08\x00\x08\x84\x04") == CommandGetSqlInfo((0, 516))


def test_the_most_fields_are_read_and_no_more() -> None:
    assert len(read_message(CommandGetTables, b"\x22\x00" * 10_000).table_types) == 10_000
    packed = b"\x0a\x91\x4e" + b"\x00" * 10_001
    with pytest.raises(MalformedMessage, match=r"more than 10,000 fields"):
        read_message(CommandGetSqlInfo, packed)


def test_negative_numbers_are_read() -> None:
    encoded = write_message(CommandGetXdbcTypeInfo(-5))
    assert read_message(CommandGetXdbcTypeInfo, encoded).data_type == -5


def test_an_absent_filter_is_not_an_empty_one() -> None:
    assert read_message(CommandGetTables, b"").catalog is None
    assert read_message(CommandGetTables, b"\x0a\x00").catalog == ""


def test_unknown_fields_are_skipped() -> None:
    known = write_message(CommandStatementQuery("SELECT 1"))
    unknown = b"\xf8\x07\x01" + b"\xf9\x07" + bytes(8) + b"\xfd\x07" + bytes(4) + b"\xfa\x07\x01x"
    assert read_message(CommandStatementQuery, unknown + known).query == "SELECT 1"


@pytest.mark.parametrize(
    "encoded",
    [
        b"\n",
        b"\n\x05abc",
        b"\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x80" * 11,
        b"\x0b",
        b"\x08\x01",
        b"\n\x02\xff\xfe",
        b"\x12\x00" * 10_001,
    ],
    ids=["no_size", "cut", "huge", "endless_number", "group", "wrong_type", "not_utf8", "many"],
)
def test_a_malformed_message_is_refused(encoded: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read_message(CommandStatementQuery, encoded)


def test_an_action_takes_its_own_message_only() -> None:
    with pytest.raises(InvalidRequest, match="ActionCancelQueryRequest"):
        unpack(commands.ActionCancelQueryRequest, pack(CommandStatementQuery("SELECT 1")))

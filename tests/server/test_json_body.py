"""Bodies: whatever the bytes, an answer that names the problem."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import MalformedBody, WrongShape
from server.v1.queries import UpdateSavedQuery
from server.v1.query import QueryShape
from server.wire.json_body import parse_shape

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def refusal_of(body: bytes) -> str | None:
    try:
        parse_shape(QueryShape, body)
    except (MalformedBody, WrongShape) as error:
        return error.message
    return None


@given(st.binary())
def test_any_bytes_are_a_body_or_a_typed_refusal(body: bytes) -> None:
    message = refusal_of(body)
    assert message is None or message.endswith(".")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("sql", "params", "async"), JSON_VALUES)))
def test_any_json_object_is_a_body_or_names_the_wrong_field(value: dict[str, object]) -> None:
    message = refusal_of(orjson.dumps(value))
    assert message is None or "Field '" in message or "NUL" in message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"sql": NaN}',
        b'{"sql": "\\ud800"}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"sql": "SELECT 1"} trailing',
    ],
)
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        parse_shape(QueryShape, body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", "The body must be a JSON object."),
        (b"{}", "Field 'sql' is required."),
        (b'{"sql": 1}', "Field 'sql' should be a valid string."),
        (b'{"sql": null}', "Field 'sql' should be a valid string."),
        (b'{"sql": "x", "async": 1}', "Field 'async' should be a valid boolean."),
        (b'{"sql": "x", "async_after_ms": 1.5}', "Field 'async_after_ms' should be"),
        (b'{"sql": "x", "params": [1, {}]}', "$2"),
        (b'{"sql": "x", "params": [[[1]]]}', "$1"),
        (b'{"sql": "a\\u0000b"}', "Field 'sql' must not contain the NUL"),
    ],
)
def test_a_wrong_shape_names_the_field(body: bytes, message: str) -> None:
    with pytest.raises(WrongShape) as caught:
        parse_shape(QueryShape, body)
    assert message in caught.value.message


def test_an_escaped_backslash_before_u0000_is_not_a_nul() -> None:
    assert parse_shape(QueryShape, b'{"sql": "\\\\u0000"}').sql == "\\u0000"


def test_unknown_fields_are_ignored() -> None:
    assert parse_shape(QueryShape, b'{"sql": "x", "dialect": "hot\\u0000sql"}').sql == "x"


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (b"{}", {}),
        (b'{"name": null}', {}),
        (b'{"name": "n", "tags": []}', {"name": "n", "tags": []}),
        (b'{"category_override": null}', {"category_override": None}),
        (b'{"category_override": "join"}', {"category_override": "join"}),
    ],
)
def test_an_update_tells_absent_from_null(body: bytes, changes: dict[str, object]) -> None:
    shape = parse_shape(UpdateSavedQuery, body)
    assert shape.changes(clearable=("category_override", "table_size_override")) == changes

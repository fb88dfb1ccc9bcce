"""The table of errors: complete, documented, and harmless to render."""

import re
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import errors as engine_errors
from engine.errors import EngineError
from server.errors import (
    INTERNAL,
    TABLE,
    Draining,
    MethodUnknown,
    UnknownToken,
    WorkspaceUnknown,
    render,
    wire_of,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "api-errors.md"


def subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


@pytest.mark.parametrize("kind", tuple(subclasses(EngineError)), ids=lambda kind: kind.__name__)
def test_every_engine_error_has_an_answer_of_its_own_or_of_its_parent(
    kind: type[Exception],
) -> None:
    wire = wire_of(kind)
    assert wire != INTERNAL
    assert 400 <= wire.status <= 599


def test_an_error_of_no_known_class_is_an_internal_one() -> None:
    assert wire_of(ZeroDivisionError) == INTERNAL


def test_the_documented_codes_are_the_codes_of_the_table() -> None:
    documented = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", DOCUMENT.read_text(), re.MULTILINE)
    in_table = {(wire.code, str(wire.status)) for wire in TABLE.values()}
    assert len(documented) == len(set(documented))
    assert set(documented) == in_table


@given(st.text(st.characters(codec=None)), st.sampled_from(["/v1/query", "/v1/workspaces/x"]))
def test_any_message_renders_as_the_documented_shape(message: str, path: str) -> None:
    response = render(engine_errors.NotFound(message), path=path, request_id="r")
    body = orjson.loads(response.body)
    assert response.status_code == body["status"] == 404
    if path.startswith("/v1/workspaces"):
        assert body["error"] == "NOT_FOUND"
    else:
        assert body["error"] == {"code": "NOT_FOUND", "message": body["message"]}


@pytest.mark.parametrize("error", [UnknownToken(), WorkspaceUnknown()])
def test_rejections_before_the_workspace_have_the_gateway_shape(error: EngineError) -> None:
    body = orjson.loads(render(error, path="/v1/query", request_id="r").body)
    assert body["error"] == wire_of(type(error)).code


def test_an_internal_error_tells_the_request_id_and_nothing_else() -> None:
    response = render(KeyError("hunter2"), path="/v1/query", request_id="abc123")
    assert b"hunter2" not in response.body
    assert b"abc123" in response.body


@pytest.mark.parametrize(
    ("error", "header", "value"),
    [
        (UnknownToken(), "www-authenticate", 'Bearer realm="tidemill"'),
        (MethodUnknown(("GET", "PUT")), "allow", "GET, PUT"),
        (engine_errors.Overloaded(retry_after_s=7), "retry-after", "7"),
        (engine_errors.Overloaded(retry_after_s=0), "retry-after", "1"),
        (engine_errors.Unavailable(), "retry-after", "5"),
        (Draining(), "retry-after", "1"),
    ],
)
def test_a_status_carries_the_header_it_needs(error: EngineError, header: str, value: str) -> None:
    assert render(error, path="/", request_id="r").headers[header] == value

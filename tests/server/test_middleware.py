"""The layers around a request: what nobody handled, and what the drain cut off."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catalog.settings import Settings
from engine.errors import QueryCrashed
from server.door import Door
from server.middleware import LastResort, RequestBoundary

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


async def never(_scope: Scope, _receive: Receive, _send: Send) -> None:
    await asyncio.Event().wait()


async def started_then_broken(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise QueryCrashed


async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise KeyError("hunter2")


async def fine(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def door() -> Door:
    return Door(Settings(data_dir=Path("unused")))


def layered(app: ASGIApp, door: Door) -> ASGIApp:
    return RequestBoundary(LastResort(app), door)


def scope_of(path: str = "/v1/query", **headers: str) -> Scope:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "GET", "path": path, "headers": raw}


async def call(app: ASGIApp, scope: Scope) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def body_of(sent: list[Message]) -> Any:
    return orjson.loads(b"".join(message.get("body", b"") for message in sent))


def test_what_nobody_handled_becomes_a_500_without_its_text(
    door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = asyncio.run(call(layered(broken, door), scope_of()))
    assert sent[0]["status"] == 500
    headers = dict(sent[0]["headers"])
    body = body_of(sent)
    assert body["error"]["code"] == "INTERNAL_SERVER_ERROR"
    assert headers[b"x-request-id"].decode() in body["message"]
    assert "hunter2" not in body["message"]
    assert 'status="500"' in door.metrics.render().decode()
    assert "http.unhandled" in capsys.readouterr().out


def test_a_failure_after_the_start_sends_no_end(door: Door) -> None:
    sent = asyncio.run(call(layered(started_then_broken, door), scope_of()))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[-1]["more_body"] is True


def test_a_draining_door_refuses_work_but_not_probes(door: Door) -> None:
    door.is_draining = True
    refused = asyncio.run(call(layered(fine, door), scope_of()))
    assert refused[0]["status"] == 503
    assert dict(refused[0]["headers"])[b"connection"] == b"close"
    probed = asyncio.run(call(layered(fine, door), scope_of("/health")))
    assert probed[0]["status"] == 204


def test_a_request_the_drain_cuts_off_is_told_to_try_elsewhere(door: Door) -> None:
    async def run() -> list[Message]:
        serving = asyncio.create_task(call(layered(never, door), scope_of()))
        await asyncio.sleep(0)
        door.is_draining = True
        serving.cancel()
        return await serving

    sent = asyncio.run(run())
    assert sent[0]["status"] == 503
    assert body_of(sent)["error"]["code"] == "SERVICE_UNAVAILABLE"


def test_a_cancellation_without_a_drain_stays_one(door: Door) -> None:
    async def run() -> None:
        serving = asyncio.create_task(call(layered(never, door), scope_of()))
        await asyncio.sleep(0)
        serving.cancel()
        await serving

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())


def test_the_door_is_idle_only_when_no_request_runs(door: Door) -> None:
    async def run() -> None:
        serving = asyncio.create_task(call(layered(never, door), scope_of()))
        await asyncio.sleep(0)
        idle = asyncio.create_task(door.wait_idle())
        await asyncio.sleep(0)
        assert not idle.done()
        serving.cancel()
        await idle

    asyncio.run(run())


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "é", "a\nb"])
def test_a_harmful_request_id_is_replaced(door: Door, given: str) -> None:
    sent = asyncio.run(call(layered(fine, door), scope_of(**{"x-request-id": given})))
    assert dict(sent[0]["headers"])[b"x-request-id"].decode() != given


def test_an_unknown_method_does_not_make_a_series_of_its_own(door: Door) -> None:
    scope = {**scope_of(), "method": "BREW"}
    asyncio.run(call(layered(fine, door), scope))
    assert 'method="OTHER",route="unmatched",status="204"' in door.metrics.render().decode()

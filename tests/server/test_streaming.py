"""Streams end cleanly or not at all, and stop when nobody listens."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message

from engine.errors import QueryCrashed
from server.wire.streaming import ClientGone, StreamedAnswer, cancelled_when_client_leaves


class Exchange:
    """The server's side of one request: what was sent, and when the client leaves."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.left = asyncio.Event()
        self.started = asyncio.Event()

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self.started.set()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def is_complete(self) -> bool:
        return bool(self.sent) and self.sent[-1].get("more_body") is False


class Source:
    """Chunks from a list; an exception in it is raised, a None waits for ever."""

    def __init__(self, *steps: bytes | Exception | None) -> None:
        self.steps = steps
        self.closed = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        for step in self.steps:
            if isinstance(step, Exception):
                raise step
            if step is None:
                await asyncio.Event().wait()
            else:
                yield step

    async def aclose(self) -> None:
        self.closed += 1

    def answer(self) -> StreamedAnswer:
        return StreamedAnswer(self.chunks(), self.aclose, media_type="text/plain", headers={})


def test_a_source_that_ends_gives_a_complete_body() -> None:
    async def run() -> None:
        exchange, source = Exchange(), Source(b"ab", b"c")
        await source.answer()({}, exchange.receive, exchange.send)
        assert exchange.body == b"abc"
        assert exchange.is_complete
        assert source.closed == 1

    asyncio.run(run())


def test_an_empty_source_gives_an_empty_complete_body() -> None:
    async def run() -> None:
        exchange, source = Exchange(), Source()
        await source.answer()({}, exchange.receive, exchange.send)
        assert exchange.body == b""
        assert exchange.is_complete

    asyncio.run(run())


def test_a_failure_before_the_first_chunk_sends_nothing() -> None:
    async def run() -> None:
        exchange, source = Exchange(), Source(QueryCrashed())
        with pytest.raises(QueryCrashed):
            await source.answer()({}, exchange.receive, exchange.send)
        assert exchange.sent == []
        assert source.closed == 1

    asyncio.run(run())


def test_a_failure_in_mid_stream_leaves_the_body_open() -> None:
    async def run() -> None:
        exchange, source = Exchange(), Source(b"ab", QueryCrashed())
        with pytest.raises(QueryCrashed):
            await source.answer()({}, exchange.receive, exchange.send)
        assert exchange.body == b"ab"
        assert not exchange.is_complete
        assert source.closed == 1

    asyncio.run(run())


def test_a_client_that_leaves_stops_the_source() -> None:
    async def run() -> None:
        exchange, source = Exchange(), Source(b"ab", None)
        serving = asyncio.create_task(source.answer()({}, exchange.receive, exchange.send))
        await exchange.started.wait()
        exchange.left.set()
        with pytest.raises(ClientGone):
            await serving
        assert source.closed == 1
        assert not exchange.is_complete

    asyncio.run(run())


def test_a_cancellation_from_elsewhere_stays_a_cancellation() -> None:
    async def run() -> None:
        exchange = Exchange()

        async def wait() -> None:
            async with cancelled_when_client_leaves(exchange.receive):
                await asyncio.Event().wait()

        serving = asyncio.create_task(wait())
        await asyncio.sleep(0)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    asyncio.run(run())


def test_a_block_that_ends_in_time_is_not_disturbed() -> None:
    async def run() -> str:
        exchange = Exchange()
        async with cancelled_when_client_leaves(exchange.receive):
            await asyncio.sleep(0)
        exchange.left.set()
        await asyncio.sleep(0)
        return "done"

    assert asyncio.run(run()) == "done"

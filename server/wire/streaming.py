"""Answers that leave while they are made, and the client who leaves before they are done.

A stream is sent with a clean end only when its source ended cleanly. The first chunk is awaited
before the status line leaves, so an early failure is still a proper error response.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from typing_extensions import override

_WATCH_AFTER_S = 0.02


class ClientGone(Exception):
    """The client closed the connection before its answer was complete."""


@asynccontextmanager
async def cancelled_when_client_leaves(receive: Receive) -> AsyncIterator[None]:
    """Cancel the block as soon as the client disconnects.

    Args:
        receive: the request's channel, its body already read.

    Raises:
        ClientGone: the client left; whatever the block awaited was cancelled.
    """
    task = asyncio.current_task()
    assert task is not None
    has_left = False

    async def watch() -> None:
        nonlocal has_left
        while (await receive())["type"] != "http.disconnect":
            pass
        has_left = True
        task.cancel()

    watcher: asyncio.Task[None] | None = None

    def begin() -> None:
        nonlocal watcher
        watcher = asyncio.create_task(watch())

    # Most answers are there before it pays to look.
    timer = asyncio.get_running_loop().call_later(_WATCH_AFTER_S, begin)
    try:
        yield
    except asyncio.CancelledError:
        # A cancellation from elsewhere (shutdown) stays one.
        if has_left and task.uncancel() == 0:
            raise ClientGone from None
        raise
    finally:
        timer.cancel()
        if watcher is not None:
            watcher.cancel()


class StreamedAnswer(StreamingResponse):
    """A response whose body is made while it is sent.

    Args:
        chunks: the body; an exception from it aborts the connection.
        aclose: called exactly once, however the response ends; frees what makes the chunks.
        media_type: content type of the body.
        headers: further headers.
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        aclose: Callable[[], Awaitable[None]],
        *,
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(chunks, media_type=media_type, headers=headers)
        self._chunks = chunks
        self._aclose = aclose

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, chunk by chunk, at the speed of the client."""
        try:
            # The end is sent outside the watch: uvicorn reports a finished exchange as a disconnect.
            async with cancelled_when_client_leaves(receive):
                chunk = await anext(self._chunks, b"")
                start = {"status": self.status_code, "headers": self.raw_headers}
                await send({"type": "http.response.start", **start})
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                async for chunk in self._chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await self._aclose()

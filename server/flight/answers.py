"""Answers that wait for their ticket.

GetFlightInfo runs the statement and says what its rows look like, DoGet fetches them: so the statement
runs once. Between the two the rows that are there wait, at most 8 MiB of a large answer, whose worker
pauses. Invariants: a ticket is redeemed once, by the workspace it was made for; an answer that nobody
fetches is closed after ``keep_s``; what waits of one workspace is bounded, and the oldest makes room.
One that is being fetched can still be cancelled. Only the event loop touches this.
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa

from engine.errors import EngineError, NotFound
from engine.service.context import Caller
from engine.service.queries import QueryAnswer

KEEP_S = 60.0
_WORKSPACE_BYTES_MAX = 128 * 1024 * 1024
_WORKSPACE_ANSWERS_MAX = 256
_STREAMED_BYTES = 8 * 1024 * 1024
_HANDLE_BYTES = 16


@dataclass(slots=True)
class WaitingAnswer:
    """The rows of a statement as an Arrow IPC stream, of which a client knows the schema only.

    Attributes:
        answer: of the engine.
        head: the first bytes of the stream, or all of them.
        rest: the others; None when there are none.
        schema: of the rows.
        workspace_id: whose it is.
        expiry: closes it unless it is fetched.
        release: called when it is closed.
    """

    answer: QueryAnswer
    head: bytes
    rest: AsyncIterator[bytes] | None
    schema: pa.Schema
    workspace_id: str
    expiry: asyncio.TimerHandle | None = None
    release: Callable[[], None] = lambda: None

    @property
    def row_count(self) -> int:
        """Rows of the answer; -1 while they are still being made."""
        return self.answer.row_count if self.rest is None else -1

    @property
    def size_bytes(self) -> int:
        """Bytes that wait in memory, at most."""
        return len(self.head) if self.rest is None else len(self.head) + _STREAMED_BYTES


async def open_answer(caller: Caller, answer: QueryAnswer) -> WaitingAnswer:
    """Read the schema of an answer whose rows are an Arrow IPC stream.

    Raises:
        EngineError: the statement failed before its first row.
    """
    rest: AsyncIterator[bytes] | None = None
    try:
        if answer.body_is_complete:
            head = answer.body_bytes
        else:
            rest = aiter(answer.body)
            head = await anext(rest)
        schema = pa.ipc.open_stream(pa.py_buffer(head)).schema
    except BaseException:
        await answer.aclose()
        raise
    return WaitingAnswer(answer, head, rest, schema, caller.workspace_id)


class WaitingAnswers:
    """The answers of one server process, by handle."""

    def __init__(self, *, keep_s: float = KEEP_S) -> None:
        self._keep_s = keep_s
        self._answers: OrderedDict[bytes, WaitingAnswer] = OrderedDict()
        self._taken: dict[bytes, WaitingAnswer] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Answers that wait."""
        return len(self._answers)

    def keep(self, answer: WaitingAnswer) -> bytes:
        """Keep an answer and return the handle of its ticket."""
        handle = secrets.token_bytes(_HANDLE_BYTES)
        loop = asyncio.get_running_loop()
        answer.expiry = loop.call_later(self._keep_s, self._drop, handle)
        self._answers[handle] = answer
        self._make_room(answer.workspace_id)
        return handle

    def take(self, caller: Caller, handle: bytes) -> WaitingAnswer:
        """Hand an answer over to whoever has its ticket; :meth:`finish` it.

        Raises:
            NotFound: it was redeemed, cancelled or dropped before, or belongs to somebody else.
        """
        answer = self._own(caller, handle, self._answers)
        self._taken[handle] = self._forget(handle)
        return answer

    async def finish(self, handle: bytes) -> None:
        """Close an answer that was taken: it was fetched, or its client is gone."""
        answer = self._taken.pop(handle, None)
        if answer is not None:
            await _close(answer)

    async def cancel(self, caller: Caller, handle: bytes) -> None:
        """Stop an answer, also while it is fetched; raise ``NotFound`` as :meth:`take`."""
        if handle in self._answers:
            self.take(caller, handle)
            await self.finish(handle)
        else:
            await _close(self._own(caller, handle, self._taken))

    async def close(self) -> None:
        """Close every answer; one that is being fetched breaks off."""
        for handle in tuple(self._answers):
            self._drop(handle)
        for handle in tuple(self._taken):
            await self.finish(handle)
        if self._closing:
            await asyncio.wait(tuple(self._closing))

    def _own(
        self, caller: Caller, handle: bytes, answers: Mapping[bytes, WaitingAnswer]
    ) -> WaitingAnswer:
        answer = answers.get(handle)
        if answer is None or answer.workspace_id != caller.workspace_id:
            raise NotFound(
                "The ticket is not known: it can be redeemed once, "
                f"within {self._keep_s:g} seconds, at the server that issued it."
            )
        return answer

    def _make_room(self, workspace_id: str) -> None:
        own = [each for each in self._answers.items() if each[1].workspace_id == workspace_id]
        held_bytes = sum(answer.size_bytes for _, answer in own)
        count = len(own)
        for handle, answer in own[:-1]:
            if count <= _WORKSPACE_ANSWERS_MAX and held_bytes <= _WORKSPACE_BYTES_MAX:
                return
            count -= 1
            held_bytes -= answer.size_bytes
            self._drop(handle)

    def _forget(self, handle: bytes) -> WaitingAnswer:
        answer = self._answers.pop(handle)
        if answer.expiry is not None:
            answer.expiry.cancel()
        return answer

    def _drop(self, handle: bytes) -> None:
        task = asyncio.create_task(_close(self._forget(handle)))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _close(answer: WaitingAnswer) -> None:
    try:
        with suppress(EngineError):
            await answer.answer.aclose()
    finally:
        answer.release()

"""The rows of one answer, handed out in portions of any size.

They arrive as messages of the protocol and are passed on as they are; only where a client wants so many and no
more are they counted. The trap: between portions the worker would wait for the client, and a pool of
workers is small. So when a portion is not all, the rest goes to a spool file at once.
"""

import asyncio
import struct
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import IO

from engine.encode.pg import PgColumn
from engine.service.queries import QueryAnswer

Send = Callable[[bytes], Awaitable[None]]

_LENGTH = struct.Struct("!I")
_HEAD_BYTES = 5
_IN_MEMORY_BYTES = 1024 * 1024
_READ_BYTES = 256 * 1024


class AnswerRows:
    """What is left of an answer. Close it when done.

    Attributes:
        columns: of the rows.
        sent: rows that were handed out.
        is_over: whether none are left.
    """

    def __init__(self, answer: QueryAnswer, spool_folder: Path) -> None:
        self._answer = answer
        self._spool_folder = spool_folder
        self._source = self._chunks()
        self._buffer = bytearray()
        self._at = 0
        self._spooling: asyncio.Task[IO[bytes]] | None = None
        self.columns = tuple(
            PgColumn(name, *facts) for name, facts in zip(answer.columns, answer.types, strict=True)
        )
        self.sent = 0
        self.is_over = False

    @property
    def warning(self) -> str | None:
        """What the client should know although the query succeeded."""
        return self._answer.warning

    async def send_all(self, send: Send) -> int:
        """Hand out all that are left; return how many."""
        if self._at < len(self._buffer):
            await send(bytes(memoryview(self._buffer)[self._at :]))
            self._buffer.clear()
            self._at = 0
        async for chunk in self._source:
            await send(chunk)
        count = self._answer.row_count - self.sent
        self.sent += count
        self.is_over = True
        return count

    async def send_some(self, send: Send, most: int) -> int:
        """Hand out so many at most; return how many. What is left is spooled.

        ``is_over`` tells whether there are more only when fewer came than were asked for, as in
        Postgres.
        """
        count = 0
        while count < most:
            start = self._at
            count += self._skip(most - count)
            if self._at > start:
                await send(bytes(memoryview(self._buffer)[start : self._at]))
            if count == most:
                break
            chunk = await anext(self._source, None)
            if chunk is None:
                self.is_over = True
                break
            del self._buffer[: self._at]
            self._at = 0
            self._buffer += chunk
        self.sent += count
        if not self.is_over and self._spooling is None and not self._answer.body_is_complete:
            self._spooling = asyncio.create_task(self._spool(self._source))
            self._source = self._spooled(self._spooling)
        return count

    async def aclose(self) -> None:
        """Stop the query unless it is complete, and drop what is left."""
        self.is_over = True
        if self._spooling is not None:
            self._spooling.cancel()
            await asyncio.wait([self._spooling])
            if not self._spooling.cancelled() and self._spooling.exception() is None:
                self._spooling.result().close()
        await self._answer.aclose()

    def _skip(self, most: int) -> int:
        """Go over whole messages in the buffer, so many at most; return how many."""
        count, at, end = 0, self._at, len(self._buffer)
        while count < most and at + _HEAD_BYTES <= end:
            after = at + 1 + _LENGTH.unpack_from(self._buffer, at + 1)[0]
            if after > end:
                break
            at = after
            count += 1
        self._at = at
        return count

    async def _chunks(self) -> AsyncIterator[bytes]:
        if self._answer.body_is_complete:
            if self._answer.body_bytes:
                yield self._answer.body_bytes
            return
        async for chunk in self._answer.body:
            yield chunk

    async def _spool(self, source: AsyncIterator[bytes]) -> IO[bytes]:
        folder = str(self._spool_folder)
        file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=folder)  # noqa: SIM115 - closed by its reader
        try:
            async for chunk in source:
                await asyncio.to_thread(file.write, chunk)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    async def _spooled(self, spooling: "asyncio.Task[IO[bytes]]") -> AsyncIterator[bytes]:
        # Shielded: whoever cancels one portion may ask for the next.
        file = await asyncio.shield(spooling)
        while chunk := await asyncio.to_thread(file.read, _READ_BYTES):
            yield chunk
        file.close()

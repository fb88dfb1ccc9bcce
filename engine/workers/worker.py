"""One worker as the parent sees it: a process id and a stream of frames with flow control."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from resource import getpagesize
from socket import socket
from typing import cast

from typing_extensions import override

from engine.workers.frames import HEADER, Kind, frame

_PAGE_BYTES = getpagesize()
_BUFFER_HIGH_BYTES = 8 * 1024 * 1024
_BUFFER_LOW_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process holds: pages in RAM without those of files, and private writable address space.

    Pages of a mapped file, such as an index, are the kernel's to take back.
    """

    resident_bytes: int
    private_bytes: int


def memory_of(pid: int) -> Memory:
    """Measure a process; zeros when it is gone."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return Memory(0, 0)
    resident = int(pages[1]) - int(pages[2])
    return Memory(resident * _PAGE_BYTES, int(pages[5]) * _PAGE_BYTES)


class WorkerGone(Exception):
    """The worker's end of the socket closed: the process is dead."""


class Worker(asyncio.Protocol):
    """Frames to and from one worker process.

    Reading pauses while more than 8 MiB wait here: the worker then blocks, and the query runs only
    as fast as its client reads.
    """

    def __init__(self, pid: int, *, tasks_max: int) -> None:
        self.pid = pid
        self.tasks_left = tasks_max
        self.busy_since: float | None = None
        self.idle_since = time.monotonic()
        self.cap_bytes: int | None = None
        self.capped_at = 0.0
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._frames: deque[tuple[Kind, bytes]] = deque()
        self._frames_bytes = 0
        self._paused = False
        self._closed = False
        self._waiter: asyncio.Future[None] | None = None

    @classmethod
    async def connect(cls, pid: int, sock: socket, *, tasks_max: int) -> "Worker":
        """Take over a socket to a forked worker that is to do so many tasks."""
        loop = asyncio.get_running_loop()
        _, worker = await loop.create_connection(lambda: cls(pid, tasks_max=tasks_max), sock=sock)
        return worker

    def send(self, kind: Kind, body: bytes = b"") -> None:
        """Send one frame."""
        if self._transport is None or self._closed:
            raise WorkerGone
        self._transport.write(frame(kind, body))

    async def receive(self) -> tuple[Kind, bytes]:
        """Wait for the next frame; raise :class:`WorkerGone` when there will be none."""
        while not self._frames:
            if self._closed:
                raise WorkerGone
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        kind, body = self._frames.popleft()
        self._frames_bytes -= len(body)
        if self._paused and self._frames_bytes < _BUFFER_LOW_BYTES and self._transport:
            self._paused = False
            self._transport.resume_reading()
        return kind, body

    def close(self) -> None:
        """Hang up; an idle worker then ends by itself."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def is_gone(self) -> bool:
        """Whether the process has hung up."""
        return self._closed

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        view = memoryview(self._buffer)
        position = 0
        while len(view) - position >= HEADER.size:
            kind, length = HEADER.unpack_from(view, position)
            end = position + HEADER.size + length
            if end > len(view):
                break
            self._frames.append((Kind(kind), bytes(view[position + HEADER.size : end])))
            self._frames_bytes += length
            position = end
        view.release()
        if position:
            del self._buffer[:position]
            self._wake()
        if self._frames_bytes > _BUFFER_HIGH_BYTES and not self._paused and self._transport:
            self._paused = True
            self._transport.pause_reading()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

"""The parent's handle on the zygote: ask for workers, hear of their ends, kill them.

A dead zygote takes its workers with it; the next request starts another one.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

import engine
from engine.workers import priority

_log = structlog.get_logger()
_MESSAGE_BYTES = 4096
_START_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 10.0


class Forker:
    """Forks workers from one warm process. Start before use; close ends every worker."""

    def __init__(self, data_folder: Path, *, child: str, readable: Sequence[str]) -> None:
        self._data_folder = data_folder.resolve()
        self._child = child
        self._readable = readable
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._reader: asyncio.Task[None] | None = None
        self._requests: dict[int, asyncio.Future[int]] = {}
        self._number = 0
        self._statuses: dict[int, asyncio.Future[int]] = {}
        self._lock = asyncio.Lock()
        self.walls: tuple[str, ...] = ()

    async def fork(self) -> tuple[int, socket.socket]:
        """Fork one worker; return its process id and our end of its socket."""
        ours, theirs = socket.socketpair()
        try:
            async with self._lock:
                control = await self._started()
                pid = await self._request(control, theirs)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        return pid, ours

    async def _request(self, control: socket.socket, theirs: socket.socket) -> int:
        self._number += 1
        number = self._number
        reply = self._requests[number] = asyncio.get_running_loop().create_future()
        try:
            socket.send_fds(control, [str(number).encode()], [theirs.fileno()])
            async with asyncio.timeout(_START_TIMEOUT_S):
                pid: int = await reply
                return pid
        finally:
            self._requests.pop(number, None)

    async def exit_status(self, pid: int) -> int | None:
        """Wait a moment for the end of a worker: its exit code, negative for a signal."""
        future = self._statuses.get(pid)
        if future is None:
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_TIMEOUT_S):
                return await asyncio.shield(future)
        return None

    def forget(self, pid: int) -> None:
        """Drop what is remembered of a worker."""
        self._statuses.pop(pid, None)

    @staticmethod
    def kill(pid: int) -> None:
        """End a worker at once."""
        priority.restore(pid)  # a process that gives way also takes its time to die
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    async def close(self) -> None:
        """End the zygote; the kernel ends its workers."""
        await self._stop()

    async def _started(self) -> socket.socket:
        if self._process is not None and self._process.returncode is None and self._control:
            return self._control
        await self._stop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            with theirs:
                self._process = await self._start(theirs)
            async with asyncio.timeout(_START_TIMEOUT_S):
                hello = await loop.sock_recv(ours, _MESSAGE_BYTES)
        except BaseException:
            ours.close()
            raise
        if not hello:
            ours.close()
            raise RuntimeError("The worker zygote did not start.")
        self.walls = tuple(json.loads(hello)["walls"])
        _log.info("workers.confined", child=self._child, walls=self.walls)
        self._control = ours
        self._reader = asyncio.create_task(self._read(ours))
        return ours

    async def _start(self, control: socket.socket) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "engine.workers.zygote"),
            *(str(control.fileno()), str(self._data_folder), self._child, *self._readable),
            pass_fds=[control.fileno()],
            stdin=asyncio.subprocess.DEVNULL,
            env=_environment(),
            cwd=self._data_folder,
        )

    async def _read(self, control: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            while message := await loop.sock_recv(control, _MESSAGE_BYTES):
                self._hear(json.loads(message))
        except OSError:
            _log.warning("workers.zygote_lost")
        finally:  # whoever waits for it must hear now; the next request starts another one
            self._control = None
            control.close()
            for reply in self._requests.values():
                if not reply.done():
                    reply.set_exception(RuntimeError("The worker zygote has ended."))

    def _hear(self, event: dict[str, Any]) -> None:
        if "status" in event:
            future = self._statuses.get(event["pid"])
            if future is not None and not future.done():
                future.set_result(event["status"])
            return
        reply, pid = self._requests.get(event["request"]), event["pid"]
        if reply is None or reply.done():  # nobody waits any more
            if pid is not None:
                self.kill(pid)
        elif pid is None:
            reply.set_exception(RuntimeError("The worker zygote cannot fork."))
        else:
            self._statuses[pid] = asyncio.get_running_loop().create_future()
            reply.set_result(pid)

    async def _stop(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await self._reader
            self._reader = None
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            self._process = None


def _environment() -> dict[str, str]:
    """What a worker may know of the environment: nothing of the server's."""
    package_root = Path(engine.__file__).resolve().parent.parent
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPATH": str(package_root),
        "PYTHONDONTWRITEBYTECODE": "1",
        "RUST_BACKTRACE": "0",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "4",
        # KiB. An arena counts whole as private memory: with the usual GiB that limit says little.
        "MIMALLOC_ARENA_RESERVE": str(64 * 1024),
    }

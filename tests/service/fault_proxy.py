"""A TCP proxy that breaks what a server sends: the network of a source on a bad day.

The invariant: up to the chosen byte it forwards exactly what the server sent, so a fault strikes the
same place of a protocol every time. The trap: while nobody listens, another process could take the
port, so a socket that never listens holds it for the proxy's whole life.
"""

import asyncio
import random
import socket
import struct
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Self

_HOST = "127.0.0.1"
_CHUNK_BYTES = 64 << 10
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Fault(StrEnum):
    """What happens to what the server sends."""

    CUT = "cut"
    RESET = "reset"
    STALL = "stall"
    GARBAGE = "garbage"
    SLOW = "slow"
    REFUSE = "refuse"
    HALF_CLOSE = "half_close"


class FaultProxy:
    """Stands before a server of this machine; use it as an asynchronous context manager.

    Attributes:
        port: where it listens.
        passed_bytes: forwarded from the server since the last :meth:`arm` or :meth:`heal`.
        borders: values of ``passed_bytes`` after each piece that came from the server in one go.
        strikes: how often the present fault has struck.
        open_count: connections that are open.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._fault: Fault | None = None
        self._after_bytes = 0
        self._is_once = False
        self._pause_s = 0.0
        self._random = random.Random(0)
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.passed_bytes = 0
        self.borders: list[int] = []
        self.strikes = 0

    async def __aenter__(self) -> Self:
        self._holder = _bound(0)
        self.port: int = self._holder.getsockname()[1]
        await self.heal()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hang_up()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._holder.close()

    @property
    def open_count(self) -> int:
        return len(self._tasks)

    def arm(
        self, fault: Fault, *, after_bytes: int = 0, once: bool = False, pause_s: float = 0.0
    ) -> None:
        """Break every connection from now on, those that are open too.

        Args:
            fault: how.
            after_bytes: how many bytes pass before, counted over all connections.
            once: only the connection that passes them is hit.
            pause_s: after each byte of a slow connection.
        """
        self._reset_counters()
        self._fault, self._after_bytes, self._is_once = fault, after_bytes, once
        self._pause_s = pause_s
        if fault is Fault.REFUSE and not after_bytes:
            self.strikes = 1
            self._hang_up()

    async def heal(self) -> None:
        """Forward everything again; a connection that was hit stays as it is."""
        self._reset_counters()
        self._fault = None
        if self._listener is None:
            listening = _bound(self.port)
            self._listener = await asyncio.start_server(self._serve, sock=listening)

    def _reset_counters(self) -> None:
        self.passed_bytes = self.strikes = 0
        self.borders = []

    def _hang_up(self) -> None:
        """Be away, as a server that was killed: nobody listens and nothing is open."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        to_server: asyncio.StreamWriter | None = None
        try:
            server, to_server = await asyncio.open_connection(_HOST, self._server_port)
            pumps = {
                asyncio.create_task(_forward(client, to_server)),
                asyncio.create_task(self._send_back(server, to_client)),
            }
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except (asyncio.CancelledError, OSError):
            _reset(to_client)
        finally:
            for writer in (to_client, to_server):
                if writer is not None:
                    writer.close()
                    with suppress(OSError, asyncio.CancelledError):
                        await writer.wait_closed()
            self._tasks.discard(task)

    async def _send_back(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """Forward what the server sends, to the byte after which it is to break."""
        with suppress(ConnectionError):
            while (left := self._left_bytes()) and (data := await server.read(left)):
                self.passed_bytes += len(data)
                self.borders.append(self.passed_bytes)
                client.write(data)
                await client.drain()
            if self._fault is not None and not left:
                self.strikes += 1
                fault = self._fault
                if self._is_once:
                    self._fault = None
                await self._strike(fault, server, client)

    def _left_bytes(self) -> int:
        if self._fault is None:
            return _CHUNK_BYTES
        return max(0, min(_CHUNK_BYTES, self._after_bytes - self.passed_bytes))

    async def _strike(
        self, fault: Fault, server: asyncio.StreamReader, client: asyncio.StreamWriter
    ) -> None:
        """Do what the fault does; to return is to close both ends."""
        match fault:
            case Fault.RESET:
                _reset(client)
            case Fault.REFUSE:
                self._hang_up()
                _reset(client)
            case Fault.STALL:
                await asyncio.Event().wait()
            case Fault.HALF_CLOSE:
                client.write_eof()
                await asyncio.Event().wait()
            case Fault.GARBAGE | Fault.SLOW:
                while data := await server.read(_CHUNK_BYTES):
                    await self._spoil(fault, data, client)

    async def _spoil(self, fault: Fault, data: bytes, client: asyncio.StreamWriter) -> None:
        if fault is Fault.GARBAGE:
            client.write(self._random.randbytes(len(data)))
            await client.drain()
            return
        for byte in data:
            client.write(bytes([byte]))
            await client.drain()
            await asyncio.sleep(self._pause_s)


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a RST, and drop what was not sent yet."""
    sock = writer.get_extra_info("socket")
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


def _bound(port: int) -> socket.socket:
    """Make a socket on a port that others of ours may share, of which at most one listens."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((_HOST, port))
    return sock

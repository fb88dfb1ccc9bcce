"""The lifetime of the Flight SQL door: it listens, drains, and stops.

The trap: gRPC's own shutdown waits for every call under way, without an end, and so does the end of the
process; and nothing in pyarrow ends a send to a client that does not read. So the work of the calls is
ended first, and the connections that are left are cut.
"""

import asyncio
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

import structlog

from server.door import Door
from server.flight.calls import Calls
from server.flight.flight_server import FlightSqlServer

_SHUTDOWN_S = 5.0
_GRACE_S = 1.0
_OPEN_FILES = Path("/dev/fd")

_log = structlog.get_logger()


class FlightDoor:
    """Flight SQL at one address.

    Args:
        door: open; its engine, limits and drain are this door's as well.
        host: address to listen at; a name or a number, IPv6 in brackets.
        port: 0 = any free port, see :attr:`port`.
        tls: certificate chain and key in PEM; None = no TLS.
    """

    def __init__(
        self, door: Door, host: str, port: int, *, tls: tuple[bytes, bytes] | None = None
    ) -> None:
        self._door = door
        self._tls = tls
        scheme = "grpc+tcp" if tls is None else "grpc+tls"
        self._location = f"{scheme}://{host}:{port}"
        self._calls: Calls | None = None
        self._server: FlightSqlServer | None = None
        self._closing: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Where it listens, once it has started."""
        assert self._server is not None
        port: int = self._server.port
        return port

    async def start(self) -> None:
        """Listen; calls are served by the loop that this runs in.

        Raises:
            OSError: the address cannot be listened at.
        """
        self._calls = Calls(self._door, asyncio.get_running_loop())
        try:
            self._server = await asyncio.to_thread(
                FlightSqlServer, self._calls, self._location, self._tls
            )
        except Exception as error:
            # Arrow's text is of its own making; whoever started the server knows the address.
            raise OSError(f"Flight SQL cannot listen at {self._location}.") from error
        _log.info("flight.ready", port=self.port)

    async def stop(self, *, drain_s: float | None = None) -> None:
        """Refuse new calls, let running ones end, and stop listening.

        May be called again while it waits, or after it was cancelled, with less patience.

        Args:
            drain_s: how long running calls may go on; None = as long as the settings allow.
        """
        server, calls = self._server, self._calls
        if server is None or calls is None:
            return
        calls.is_stopping = True
        if drain_s is None:
            drain_s = self._door.settings.drain_timeout_s
        if self._closing is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(calls.wait_idle(), drain_s)
        if self._server is not server:  # somebody with less patience has done it
            return
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(server, calls))
        # Whoever waits may be cancelled; a door that is half closed would never end.
        await asyncio.shield(self._closing)
        self._server = self._calls = self._closing = None

    async def _close(self, server: FlightSqlServer, calls: Calls) -> None:
        calls.is_closed = True
        await server.answers.close()
        calls.cancel_all()
        port = server.port
        shutdown = asyncio.create_task(asyncio.to_thread(server.shutdown))
        done, _ = await asyncio.wait([shutdown], timeout=_GRACE_S)
        if not done:
            _log.warning("flight.connections_cut", count=_cut_connections(port))
            done, _ = await asyncio.wait([shutdown], timeout=_SHUTDOWN_S)
        _log.info("flight.stopped", is_clean=bool(done))


def _cut_connections(port: int) -> int:
    """End every connection that clients have to a port of this process; return how many there were."""
    count = 0
    for each in _OPEN_FILES.iterdir():
        with suppress(OSError):  # closed meanwhile, or it listens and has no peer
            if not stat.S_ISSOCK(os.fstat(int(each.name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(each.name))) as own:
                is_internet = own.family in (socket.AF_INET, socket.AF_INET6)
                if is_internet and own.getsockname()[1] == port and own.getpeername():
                    own.shutdown(socket.SHUT_RDWR)
                    count += 1
    return count

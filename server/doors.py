"""The doors beside HTTP: Postgres clients and Arrow Flight SQL clients, each where its setting says."""

import asyncio

from server.door import Door
from server.flight.door import FlightDoor
from server.pgwire.door import PgDoor, open_pg_door


class Doors:
    """Opened once the engine is open, and closed before it is.

    Args:
        door: the engine and the limits that all doors share.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._pg: PgDoor | None = None
        self._flight: FlightDoor | None = None

    async def open(self, host: str) -> dict[str, int]:
        """Listen; return the ports by their settings.

        Raises:
            OSError: a port is taken, or a certificate cannot be read.
        """
        settings = self._door.settings
        ports: dict[str, int] = {}
        if settings.pg_port:
            self._pg = open_pg_door(self._door)
            ports["pg_port"] = await self._pg.start(host, settings.pg_port)
        if settings.flight_port:
            self._flight = FlightDoor(self._door, host, settings.flight_port)
            await self._flight.start()
            ports["flight_port"] = self._flight.port
        return ports

    async def drain(self) -> None:
        """Let nobody in, and wait for those who are served; Flight's own limit is the same."""
        flight = [] if self._flight is None else [self._flight.stop()]
        pg = [] if self._pg is None else [self._pg.stop()]
        await asyncio.gather(*flight, *pg)

    async def close(self) -> None:
        """End every connection."""
        if self._pg is not None:
            self._pg.abort()
            await self._pg.stop()
        if self._flight is not None:
            await self._flight.stop(drain_s=0)

"""What every request of one server process shares.

One ``Door`` lives from start-up to the end of the process. It counts the requests under way, so
that draining can wait for the last one.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from starlette.requests import Request

from catalog.settings import Settings
from engine.service.context import Engine
from server.limits import RateLimiter
from server.observe import Metrics


class Running:
    """Counts what is under way; on the loop only."""

    def __init__(self) -> None:
        self._count = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count one as running for as long as the block runs."""
        self._count += 1
        self._is_idle.clear()
        try:
            yield
        finally:
            self._count -= 1
            if self._count == 0:
                self._is_idle.set()

    async def wait_idle(self) -> None:
        """Wait until none runs."""
        await self._is_idle.wait()


class Door:
    """The open engine, the limits and the meters behind the HTTP routes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.limiter = RateLimiter(settings.rate_limit_per_s)
        self.metrics = Metrics()
        self.is_draining = False
        self._engine: Engine | None = None
        self._running = Running()

    @property
    def engine(self) -> Engine:
        """The open engine; only between start-up and shut-down."""
        assert self._engine is not None
        return self._engine

    async def is_ready(self) -> bool:
        """Tell whether a load balancer should send requests here."""
        return self._engine is not None and not self.is_draining and await self._engine.is_ready()

    async def open(self) -> None:
        """Open the engine; requests may come afterwards."""
        self._engine = await Engine.open(self.settings)
        self.metrics.watch(self._engine)

    async def close(self) -> None:
        """Close the engine; running queries are stopped."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()

    def counted(self) -> AbstractContextManager[None]:
        """Count a request as running for as long as the block runs."""
        return self._running.counted()

    async def wait_idle(self) -> None:
        """Wait until no request runs, no submitted query does, and every result is kept."""
        await self._running.wait_idle()
        if self._engine is not None:
            await self._engine.runs.wait_idle()


def door_of(request: Request) -> Door:
    """The door this request came through."""
    door: Door = request.app.state.door
    return door

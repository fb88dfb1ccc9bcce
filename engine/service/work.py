"""What a piece of work needs while it runs, whether a client waits for it or a job does it.

Work prepares everything outside the catalog and then commits one effect. Done for a client, the
effect is written as it is; done by a job, the effect and the end of the job are one transaction.
An effect may run twice before it counts (:mod:`catalog.writer`), so it changes nothing but the catalog.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from catalog.database import Database

T = TypeVar("T")


class Work(Protocol):
    """Work under way."""

    @property
    def may_hold_claims(self) -> bool:
        """Whether what it claims may be claimed already, on its own behalf."""
        ...

    def keeps_claims(self, error: BaseException) -> bool:
        """Whether claims outlive this failure, because somebody goes on with the same work."""
        ...

    def report(self, progress: Mapping[str, int]) -> None:
        """Say how far it is: ``rows``, ``bytes``, ``bytes_total``, those that are known."""
        ...

    async def commit(
        self, effect: Callable[[Connection], T], *, to_result: Callable[[T], dict[str, Any]]
    ) -> T:
        """Make the effect durable and return its value; ``to_result`` is what a job shows of it."""
        ...

    async def checkpoint(self, effect: Callable[[Connection], T]) -> T:
        """Make a part of the work durable and return its value; it is not done again by a retry."""
        ...

    async def conclude(self, result: dict[str, Any], *, warning: str | None) -> None:
        """End work whose effects are durable already; with a warning it succeeded only in part."""
        ...


class DirectWork:
    """Work a client waits for."""

    may_hold_claims = False

    def __init__(self, db: Database) -> None:
        self._db = db

    def keeps_claims(self, error: BaseException) -> bool:
        """Nobody goes on."""
        return False

    def report(self, progress: Mapping[str, int]) -> None:
        """Nobody is looking."""

    async def commit(
        self,
        effect: Callable[[Connection], T],
        *,
        to_result: Callable[[T], dict[str, Any]],
    ) -> T:
        """Write the effect."""
        return await self._db.write(effect)

    async def checkpoint(self, effect: Callable[[Connection], T]) -> T:
        """Write the effect."""
        return await self._db.write(effect)

    async def conclude(self, result: dict[str, Any], *, warning: str | None) -> None:
        """Whoever waits has the result."""

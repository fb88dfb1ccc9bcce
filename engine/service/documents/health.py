"""Whether the parts that documents need are there."""

from collections.abc import Awaitable

from catalog.errors import CatalogError
from engine.service.context import Engine


async def check_parts(engine: Engine) -> dict[str, bool]:
    """Ask the catalog and the blob store, and see that there is a worker for searches."""
    has_worker = engine.pool.is_ready
    return {
        "database": await _answers(engine.db.ping()),
        "storage": await _answers(engine.blobs.ping()),
        "search": has_worker,
        "vector": has_worker,
    }


async def _answers(ping: Awaitable[None]) -> bool:
    try:
        await ping
    except CatalogError:
        return False
    return True

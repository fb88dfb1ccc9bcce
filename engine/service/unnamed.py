"""Files that are published and not yet named by a row, while somebody works on what will name them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from catalog.errors import CatalogError
from catalog.store.dropped import drop_blobs
from catalog.store.rows import utc_now
from engine.service.context import Engine


@asynccontextmanager
async def kept_from_collection(engine: Engine, keys: Sequence[str]) -> AsyncIterator[None]:
    """Have the grace of files begin anew, again and again, for as long as the block runs.

    Building the indexes of a new version may take longer than the grace of its files.
    """
    pause_s = max(1.0, engine.settings.blob_grace_s / 3)

    async def keep() -> None:
        while True:
            with suppress(CatalogError):  # the next time comes before the grace ends
                await engine.db.write(drop_blobs, keys, utc_now())
            await asyncio.sleep(pause_s)

    keeping = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

"""Files and folders for the time of one piece of work."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def scratch_file(path: Path) -> AsyncIterator[Path]:
    """Remove a file, or a folder with all in it, when the block is left; it need not exist."""
    try:
        yield path
    finally:
        await asyncio.to_thread(_remove, path)


@asynccontextmanager
async def scratch_folder(path: Path) -> AsyncIterator[Path]:
    """Make a folder for the time of the block."""
    async with scratch_file(path):
        await asyncio.to_thread(path.mkdir, mode=0o700)
        yield path


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)

"""Files and folders for the time of one piece of work."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_TRIES = 40
_PAUSE_S = 0.05


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
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for _ in range(_TRIES):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return
        time.sleep(_PAUSE_S)  # a process that was killed may still have made a file in it

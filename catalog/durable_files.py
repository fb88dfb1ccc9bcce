"""Files that survive a power cut once published: fsync of the bytes, then of every folder's names.

The trap: a rename alone looks right until the power goes.
"""

import fcntl
import filecmp
import os
import shutil
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

from catalog.errors import Conflict


def sync_file(path: Path) -> None:
    """Force the bytes of a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish_file(staged: Path, root: Path, key: str) -> None:
    """Move a file to its place for good: before it is not there, afterwards it is there whole.

    A file that is already there with the same bytes counts as published.

    Args:
        staged: a file on the same filesystem; gone afterwards.
        root: an existing folder.
        key: the place below the root; missing folders are made.

    Raises:
        Conflict: other bytes are there.
        OSError: the disk refuses.
    """
    target = root / key
    sync_file(staged)
    _make_folder(target.parent, root)
    try:
        # A hard link, unlike a rename, never replaces.
        target.hardlink_to(staged)
    except FileExistsError:
        if not filecmp.cmp(staged, target, shallow=False):
            raise Conflict("Stored files are immutable") from None
    sync_file(target.parent)
    staged.unlink()


# Remembers the folders whose names are on disk; existing is not enough, another thread may have
# made the folder a moment ago and not have synced it yet.
@lru_cache(maxsize=4096)
def _make_folder(folder: Path, root: Path) -> None:
    if folder == root:
        return
    _make_folder(folder.parent, root)
    folder.mkdir(exist_ok=True)
    sync_file(folder.parent)


class StagingFolder:
    """A private folder for files under construction; what crashed servers left is removed.

    Each server locks its own folder, so a second one on the same data leaves it alone.
    """

    def __init__(self, parent: Path) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        for lock in parent.glob("*.lock"):
            _remove_abandoned(lock)
        self.path = parent / uuid4().hex
        self._lock = _lock(self.path.with_suffix(".lock"))
        self.path.mkdir(mode=0o700)

    def new_path(self, suffix: str = "") -> Path:
        """Return a path nobody uses; the file is not made."""
        return self.path / (uuid4().hex + suffix)


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_abandoned(lock: Path) -> None:
    try:
        descriptor = _lock(lock)
    except BlockingIOError:
        return
    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
    lock.unlink(missing_ok=True)
    os.close(descriptor)

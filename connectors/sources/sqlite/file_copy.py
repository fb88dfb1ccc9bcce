"""A consistent copy of a SQLite file that may have a log or a journal beside it.

A database is its file with its write-ahead log (``-wal``) or its rollback journal
(``-journal``). A copy of both is a state SQLite can recover, provided that neither changed while it
was made; so their sizes and times are compared before and after.
"""

import shutil
import time
from pathlib import Path

from connectors.errors import SourceFailed

ATTEMPTS = 20
PAUSE_S = 0.1
_BESIDE = ("", "-wal", "-journal")

State = dict[str, tuple[int, int, int]]


def copy_database(source: Path, folder: Path) -> Path:
    """Copy a database into a folder, under the same name.

    Costs as much disk as the file, for as long as the copy is used.

    Raises:
        SourceFailed: it was written to during every attempt.
        OSError: the file cannot be read, or the disk is full.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_S)
        if _copied(source, folder):
            return folder / source.name
    raise SourceFailed("The file is written to too often to be copied")


def _copied(source: Path, folder: Path) -> bool:
    for old in folder.glob("*"):
        old.unlink()
    before = _state(source)
    try:
        for name in before:
            shutil.copyfile(source.with_name(name), folder / name)
    except FileNotFoundError:
        # The writer ended and took its log away.
        return False
    return before == _state(source)


def _state(source: Path) -> State:
    state: State = {}
    for suffix in _BESIDE:
        path = source.with_name(source.name + suffix)
        if path.exists():
            info = path.stat()
            state[path.name] = (info.st_ino, info.st_size, info.st_mtime_ns)
    return state

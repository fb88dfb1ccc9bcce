"""A consistent copy of a DuckDB file that another process may be writing to.

What a DuckDB file says is the state its header points to, followed by the commits in its log
(``.wal``). Blocks that header and log refer to are not written again until the next commit or
checkpoint. So a copy is sound exactly when neither of both happened while it was made: the log is
the same file with the same length, and the header has the same bytes, before and after.

The trap: while a checkpoint runs, commits go to a second log (``.wal.checkpoint``). Such moments
are waited out.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from connectors.errors import SourceFailed

HEADER_BYTES = 3 * 4096
"""The header of the file, and the two headers that checkpoints write in turn."""
ATTEMPTS = 20
PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class _State:
    """What a commit or a checkpoint would change."""

    header: bytes
    logs: tuple[tuple[str, int, int, int], ...]

    @property
    def is_settled(self) -> bool:
        return all(name.endswith(".wal") for name, *_ in self.logs)


def copy_database(source: Path, folder: Path) -> Path:
    """Copy a database file and its log into a folder, under the same names.

    Costs as much disk as the file, for as long as the copy is used.

    Raises:
        SourceFailed: something was committed during every attempt.
        OSError: the file cannot be read, or the disk is full.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_S)
        if _copied(source, folder):
            return folder / source.name
    raise SourceFailed("The file is written to too often to be copied; close it in the writer")


def _copied(source: Path, folder: Path) -> bool:
    for old in folder.glob("*"):
        old.unlink()
    try:
        before = _state(source)
        for name, *_ in before.logs:
            shutil.copyfile(source.parent / name, folder / name)
        shutil.copyfile(source, folder / source.name)
        after = _state(source)
    except FileNotFoundError:
        # A checkpoint ended and took its log away.
        return False
    return before.is_settled and before == after


def _state(source: Path) -> _State:
    with source.open("rb") as file:
        header = file.read(HEADER_BYTES)
    logs = []
    for path in sorted(source.parent.iterdir()):
        if path.name.startswith(f"{source.name}.wal"):
            info = path.stat()
            logs.append((path.name, info.st_ino, info.st_size, info.st_mtime_ns))
    return _State(header, tuple(logs))

"""Which files of this machine a connection may name: those below ``TIDEMILL_LOCAL_FILES``.

Checked on the path after every symbolic link, so that a link does not lead out. The message is the same
for a file that is missing and for one that may not be read: the disk is not mapped by asking.
"""

from collections.abc import Iterable
from pathlib import Path

from connectors.errors import EgressRefused, SourceUnreachable

_KEPT_OUT: list[Path] = []


def keep_out(folder: Path) -> None:
    """Refuse a folder, with everything below it, for the life of this process.

    For the service's own data folder: it holds every workspace's data, and may lie below a folder that
    connections may read.
    """
    _KEPT_OUT.append(folder.resolve())


def check_path(path: str | Path, folders: Iterable[Path]) -> Path:
    """Return the real path of an existing file or folder that may be read.

    Args:
        path: as configured; relative ones are refused.
        folders: what may be read, each with everything below it.

    Raises:
        EgressRefused: it lies, or leads, outside the folders, or no folder is set.
        SourceUnreachable: it lies inside, and there is nothing.
    """
    allowed = [folder.resolve() for folder in folders]
    if not allowed:
        raise EgressRefused(
            "Local files are not allowed here: set TIDEMILL_LOCAL_FILES to their folder"
        )
    given = Path(path)
    if not given.is_absolute():
        raise EgressRefused("The path must be absolute")
    real = given.resolve()
    if not _is_below(real, allowed) or _is_below(real, _KEPT_OUT):
        raise EgressRefused("The path is not below a folder of TIDEMILL_LOCAL_FILES")
    if not real.exists():
        raise SourceUnreachable("There is no such file or folder")
    return real


def check_file(path: str | Path, folders: Iterable[Path]) -> Path:
    """Return the real path of a file: see :func:`check_path`, whose errors it raises.

    Raises:
        SourceUnreachable: it is a folder, or nothing that can be read like a file.
    """
    real = check_path(path, folders)
    if not real.is_file():
        what = "a folder" if real.is_dir() else "a device or pipe"
        raise SourceUnreachable(f"The path leads to {what}, not to a file")
    return real


def _is_below(path: Path, folders: Iterable[Path]) -> bool:
    return any(path == folder or folder in path.parents for folder in folders)

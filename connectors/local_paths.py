"""Which files of this machine a connection may name: those below ``TIDEMILL_LOCAL_FILES``.

Checked on the path after every symbolic link, so that a link does not lead out. The message is the same
for a file that is missing and for one that may not be read: the disk is not mapped by asking.
"""

from collections.abc import Iterable
from pathlib import Path

from connectors.errors import EgressRefused, SourceUnreachable


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
    if not any(real == folder or folder in real.parents for folder in allowed):
        raise EgressRefused("The path is not below a folder of TIDEMILL_LOCAL_FILES")
    if not real.exists():
        raise SourceUnreachable("There is no such file or folder")
    return real

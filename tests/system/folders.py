"""Looking into a folder while a server writes it."""

import os
from pathlib import Path


def files_now(folder: Path, pattern: str = "*") -> set[Path]:
    """Relative paths of the files whose last parts match.

    ``Path.glob`` of Python 3.11 raises when a folder vanishes between its listing and its turn;
    here what has gone is not seen.
    """
    folders = ((Path(root).relative_to(folder), names) for root, _, names in os.walk(folder))
    paths = (root / name for root, names in folders for name in names)
    return {path for path in paths if path.match(pattern)}

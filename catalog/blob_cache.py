"""Local copies of objects in S3, the least recently used removed first.

A copy is put in place by a rename, so it is always whole. The trap: a worker may be about to open
a path it was given, so a copy used within the last ten minutes stays even over the budget.
"""

import math
import time
from pathlib import Path
from threading import Lock

IN_USE_S = 600.0


class BlobCache:
    """A folder of copies named by their keys. Safe to call from several threads."""

    def __init__(self, folder: Path, *, bytes_max: int, in_use_s: float = IN_USE_S) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._bytes_max = bytes_max
        self._in_use_s = in_use_s
        self._lock = Lock()
        # In order of use: key -> (size in bytes, moment of the last use).
        self._entries: dict[str, tuple[int, float]] = {}
        self._size_bytes = 0
        # Copies of an earlier server are known, but nobody uses them.
        for path in folder.rglob("*"):
            if path.is_file():
                self._add(str(path.relative_to(folder)), path.stat().st_size, used_at_s=-math.inf)

    def find(self, key: str) -> Path | None:
        """Return the copy, now in use, or None."""
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is None:
                return None
            self._entries[key] = (entry[0], time.monotonic())
        path = self._folder / key
        return path if path.exists() else None

    def adopt(self, key: str, staged: Path) -> Path:
        """Move a whole file into the cache, then make room."""
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        size_bytes = staged.stat().st_size
        staged.replace(path)
        with self._lock:
            self._forget(key)
            self._add(key, size_bytes, used_at_s=time.monotonic())
            self._make_room()
        return path

    def remove(self, key: str) -> None:
        """Remove a copy; missing is fine."""
        with self._lock:
            self._forget(key)
            (self._folder / key).unlink(missing_ok=True)

    def _add(self, key: str, size_bytes: int, *, used_at_s: float) -> None:
        self._entries[key] = (size_bytes, used_at_s)
        self._size_bytes += size_bytes

    def _forget(self, key: str) -> None:
        size_bytes, _ = self._entries.pop(key, (0, 0.0))
        self._size_bytes -= size_bytes

    def _make_room(self) -> None:
        unused_since_s = time.monotonic() - self._in_use_s
        while self._size_bytes > self._bytes_max:
            key, (_, used_at_s) = next(iter(self._entries.items()))
            if used_at_s > unused_since_s:
                return
            self._forget(key)
            (self._folder / key).unlink(missing_ok=True)

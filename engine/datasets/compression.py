"""Open a file that may be gzip or zstd compressed, found by its first bytes, not by its name.

Reading stops with a LoadError once a stream expands beyond sane bounds, so a compression bomb
costs at most ``EXPANDED_FREE_BYTES`` of reading. Memory is one read at a time.
"""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from engine.datasets.errors import LoadError

EXPANDED_FREE_BYTES = 1 << 30
"""A stream may expand to this many bytes at any ratio …"""
EXPANSION_RATIO_MAX = 100
"""… and beyond it to at most this many times its compressed size …"""
EXPANDED_MAX_BYTES = 64 << 30
"""… and never beyond this many bytes."""

TAIL_BYTES = 64

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


def compression_of(path: str) -> str | None:
    """``"gzip"``, ``"zstd"`` or None, by the first four bytes."""
    with Path(path).open("rb") as file:
        head = file.read(4)
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


class InputStream:
    """The expanded bytes of a file, a file object for pyarrow; knows its position for progress."""

    def __init__(self, path: str) -> None:
        self.size_bytes = Path(path).stat().st_size
        self._path = path
        self._file = pa.OSFile(path, "r")
        self._codec = compression_of(path)
        self._limit_bytes = min(
            max(EXPANDED_FREE_BYTES, EXPANSION_RATIO_MAX * self.size_bytes), EXPANDED_MAX_BYTES
        )
        self.rewind()

    def rewind(self) -> None:
        """Start again from the first byte, also after ``close``: pyarrow closes what it has read."""
        self._file.close()
        self._file = pa.OSFile(self._path, "r")
        self.closed = False
        codec: Any = self._codec
        self._stream: Any = pa.CompressedInputStream(self._file, codec) if codec else None
        self._expanded_bytes = 0
        self.tail = b""

    @property
    def position_bytes(self) -> int:
        """How far into the (compressed) file reading has come."""
        return self.size_bytes if self.closed else self._file.tell()

    def readable(self) -> bool:
        """Always true; pyarrow asks."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` expanded bytes; empty at the end. ``tail`` keeps the last few."""
        data = self._file.read(size) if self._stream is None else self._expand(size)
        self.tail = (self.tail + data[-TAIL_BYTES:])[-TAIL_BYTES:]
        return data

    def _expand(self, size: int) -> bytes:
        try:
            data: bytes = self._stream.read(size if size >= 0 else None)
        except (OSError, pa.ArrowInvalid) as exc:
            raise LoadError("Parse error: the compressed data is damaged or cut short") from exc
        self._expanded_bytes += len(data)
        if self._expanded_bytes > self._limit_bytes:
            raise LoadError("The compressed data expands beyond the allowed size")
        return data

    def close(self) -> None:
        """Close the file; twice is fine."""
        self.closed = True
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def expand_to_file(path: str, target: Path, *, chunk_bytes: int = 4 << 20) -> None:
    """Write the expanded bytes of ``path`` to ``target``; for readers that need random access.

    Raises:
        LoadError: the stream is damaged or expands beyond the bounds above.
    """
    with InputStream(path) as source, target.open("wb") as file:
        while chunk := source.read(chunk_bytes):
            file.write(chunk)

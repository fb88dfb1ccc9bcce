"""A ZIP of a stranger, opened only after its directory has been checked.

The invariant: nothing is ever extracted to a path, names are keys and no more; what can be read in all is
bounded before the first byte is. The trap: two members may claim the same bytes, and a small file may hold a
million members; both are seen from the directory.
"""

import mmap
import zipfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.errors import DocumentInvalid

ENTRIES_MAX = 5_000
UNPACKED_BYTES_MAX = 1 << 30
RATIO_FREE_BYTES = 10 << 20
"""An archive may unpack to this many bytes at any ratio …"""
RATIO_MAX = 100
"""… and beyond it to at most this many times its own size."""

_LOCAL_HEADER_BYTES = 30
_ENCRYPTED = 0x1
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_DIRECTORY_ENTRY = b"PK\x01\x02"
_DAMAGED = "The ZIP archive is damaged or cut short; pack it again and upload it."


def is_zip(head: bytes) -> bool:
    """Whether a file with these first bytes is a ZIP."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


class Archive:
    """An open, checked ZIP; ``names`` are its files in the order of its directory."""

    def __init__(self, path: Path) -> None:
        """Open and check the archive.

        Raises:
            DocumentInvalid: it is damaged, encrypted, or unpacks to more than is allowed.
        """
        _count_entries(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as exc:
            raise DocumentInvalid(_DAMAGED) from exc
        try:
            _check(self._zip, path.stat().st_size)
        except DocumentInvalid:
            self._zip.close()
            raise
        self.names = [info.filename for info in self._zip.infolist() if _is_file(info.filename)]
        self._known = frozenset(self.names)

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def size_bytes(self, name: str) -> int:
        """What a member unpacks to."""
        return self._zip.getinfo(name).file_size

    def read(self, name: str) -> bytes:
        """All bytes of a member.

        Raises:
            DocumentInvalid: it is damaged.
        """
        return self._read(name, -1)

    def head(self, name: str, size_bytes: int) -> bytes:
        """The first bytes of a member; raises like ``read``."""
        return self._read(name, size_bytes)

    def _read(self, name: str, size_bytes: int) -> bytes:
        try:
            with self._zip.open(name) as member:
                return member.read(size_bytes)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError) as exc:
            raise DocumentInvalid(_DAMAGED) from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()


def _is_file(name: str) -> bool:
    return name != "" and not name.endswith("/")


def _count_entries(path: Path) -> None:
    """Count signatures, as the directory of a bomb would fill the memory when it is parsed."""
    if not path.stat().st_size:
        raise DocumentInvalid(_DAMAGED)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at, count = data.find(_DIRECTORY_ENTRY), 0
        while at >= 0:
            count += 1
            if count > ENTRIES_MAX:
                raise _too_many()
            at = data.find(_DIRECTORY_ENTRY, at + len(_DIRECTORY_ENTRY))


def _too_many() -> DocumentInvalid:
    return DocumentInvalid(f"The ZIP archive holds more than {ENTRIES_MAX:,} files; split it.")


def _check(archive: zipfile.ZipFile, size_bytes: int) -> None:
    infos = archive.infolist()
    if any(info.flag_bits & _ENCRYPTED for info in infos):
        raise DocumentInvalid("The ZIP archive is encrypted; upload it without a password.")
    if any(info.compress_type not in _METHODS for info in infos):
        raise DocumentInvalid(
            "The ZIP archive is compressed by a method that is not read; use Deflate."
        )
    unpacked = sum(info.file_size for info in infos)
    if unpacked > UNPACKED_BYTES_MAX:
        raise DocumentInvalid(
            f"The ZIP archive unpacks to more than {UNPACKED_BYTES_MAX >> 30} GiB; split it."
        )
    if unpacked > RATIO_FREE_BYTES and unpacked > RATIO_MAX * size_bytes:
        raise DocumentInvalid(
            f"The ZIP archive unpacks to more than {RATIO_MAX} times its size, as no document does."
        )
    _refuse_overlaps(infos, archive.start_dir)


def _refuse_overlaps(infos: list[zipfile.ZipInfo], directory_at: int) -> None:
    end = 0
    for info in sorted(infos, key=lambda each: each.header_offset):
        if info.header_offset < end:
            raise DocumentInvalid("The ZIP archive has files that overlap, as no document has.")
        end = info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size
    if end > directory_at:
        raise DocumentInvalid(_DAMAGED)

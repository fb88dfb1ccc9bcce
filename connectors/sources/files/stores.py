"""Where files are: listed once, and read only as long as they are what was listed.

A listing is the snapshot of a table. :meth:`Store.reading` refuses a file that is no longer the one
listed, and looks again after the last byte, so a table is never made of two states of a file. It is
also the one place where errors of a reader become ours.

The trap: an entry that cannot be used (a link that leads out, a folder that may not be opened) must
not hide the tables beside it; it is listed with its problem, for the table it belongs to.
"""

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import pyarrow as pa
from pyarrow.fs import FileSelector, FileType
from typing_extensions import override

from connectors.base import SourceContext
from connectors.errors import (
    ConnectorError,
    EgressRefused,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
    scrubbed,
)
from connectors.local_paths import check_path
from connectors.object_storage import arrow_filesystem
from connectors.sources.files.options import FilesOptions

DELTA_LOG = "_delta_log"

Stamp: TypeAlias = tuple[object, ...]
"""What changes when a file is written again."""
Reading: TypeAlias = Any
"""A ``pa.NativeFile`` at its first byte; the stubs do not let readers take one."""

_UNREACHABLE = ("NETWORK_CONNECTION", "REQUEST_TIMEOUT", "SERVICE_UNAVAILABLE", "curlCode")
_REFUSED = (
    "ACCESS_DENIED",
    "INVALID_ACCESS_KEY_ID",
    "SIGNATURE",
    "CLIENT_TOKEN",
    "UNRECOGNIZED_CLIENT",
    "EXPIRED",
    "NO_SUCH_BUCKET",
    "HTTP status 401",
    "HTTP status 403",
    "HTTP status 301",
)


@dataclass(frozen=True, slots=True)
class File:
    """A file as it was listed.

    Attributes:
        path: below the root, with slashes; what messages call it.
        size_bytes: as listed.
        stamp: what the listing tells of its state; a fresh fingerprint begins with it.
        problem: why it, or the folder of this path, cannot be read.
    """

    path: str
    size_bytes: int = 0
    stamp: Stamp = ()
    problem: ConnectorError | None = None


class Store(ABC):
    """A root with files below it; safe to use from several threads."""

    @abstractmethod
    def check(self) -> None:
        """Prove that the root is there and can be listed."""

    @abstractmethod
    def top(self) -> tuple[list[str], list[File]]:
        """List what lies directly in the root: names of folders, and files."""

    @abstractmethod
    def below(self, folder: str = "") -> Iterator[File]:
        """List all files in a folder of the root and in its folders, hidden ones left out."""

    @abstractmethod
    def fingerprint(self, file: File) -> Stamp:
        """Look at a file again: its stamp as it would be listed now, and what else tells its state."""

    @abstractmethod
    def open(self, file: File) -> tuple[Reading, Stamp]:
        """Open a file for random access, with its fingerprint."""

    @abstractmethod
    def wrapped(self, error: Exception, path: str) -> ConnectorError:
        """Bring an error of a reader into our words, without the root."""

    @contextmanager
    def reading(self, file: File) -> Iterator[Reading]:
        """Open a listed file, and prove before and after that it is still the one listed.

        Raises:
            SourceFailed: it is gone, has changed, or its content cannot be read.
        """
        with self.wrapping(file.path):
            with self._still_there(file):
                opened, before = self.open(file)
            with opened as stream:
                if before[: len(file.stamp)] != file.stamp:
                    raise _changed(file)
                try:
                    yield stream
                except _READER_ERRORS:
                    # What looks damaged may be half of a file that is being written.
                    self._refuse_changed(file, before)
                    raise
            self._refuse_changed(file, before)

    @contextmanager
    def wrapping(self, path: str) -> Iterator[None]:
        """Turn what readers and file systems raise into connector errors."""
        try:
            yield
        except UnicodeDecodeError as error:
            raise SourceFailed(
                f"'{path}' holds bytes that are no {error.encoding} text: see the option encoding"
            ) from error
        except _READER_ERRORS as error:
            raise self.wrapped(error, path) from error

    def _refuse_changed(self, file: File, before: Stamp) -> None:
        with self._still_there(file):
            if self.fingerprint(file) != before:
                raise _changed(file)

    @contextmanager
    def _still_there(self, file: File) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise SourceFailed(f"'{file.path}' is gone since the table was listed") from None


def open_store(options: FilesOptions, context: SourceContext) -> Store:
    """Open the root of a connection.

    Raises:
        EgressRefused: the folder, or the endpoint, may not be used.
        SourceUnreachable: there is no such folder.
    """
    if options.is_s3:
        return _Bucket(options, context)
    return _LocalFolder(check_path(options.root, context.local_files), context.local_files)


_READER_ERRORS = (pa.ArrowException, OSError, ValueError, RecursionError)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is not data: ``_SUCCESS``, ``.x.crc``, ``_metadata``.

    >>> [is_hidden(name) for name in ("_SUCCESS", "_year=2024", "a.parquet.crc", "a_.csv")]
    [True, False, True, False]
    """
    return name.startswith(".") or name.endswith(".crc") or (name[:1] == "_" and "=" not in name)


def _changed(file: File) -> SourceFailed:
    return SourceFailed(f"'{file.path}' has changed since the table was listed")


def _delta(folder: str) -> SourceFailed:
    """Its removed rows would come back: which files count is written in its log only."""
    where = f"'{folder}'" if folder else "The folder"
    return SourceFailed(f"{where} is a Delta table: read it with a connection of type delta")


class _LocalFolder(Store):
    def __init__(self, root: Path, allowed: Iterable[Path]) -> None:
        self._root = root
        self._allowed = tuple(allowed)

    @override
    def check(self) -> None:
        self.top()

    @override
    def top(self) -> tuple[list[str], list[File]]:
        folders: list[str] = []
        files: list[File] = []
        for name, found in self._entries(self._root, ""):
            if isinstance(found, File):
                files.append(found)
            else:
                folders.append(name)
        return folders, files

    @override
    def below(self, folder: str = "") -> Iterator[File]:
        start = check_path(self._root / folder, self._allowed)
        yield from self._walk(start, f"{folder}/" if folder else "", (start,))

    @override
    def fingerprint(self, file: File) -> Stamp:
        return _stamp(self._real(file).stat())

    @override
    def open(self, file: File) -> tuple[Reading, Stamp]:
        path = self._real(file)
        return pa.OSFile(str(path), "r"), _stamp(path.stat())

    @override
    def wrapped(self, error: Exception, path: str) -> ConnectorError:
        name = f"'{path}'" if path else "The folder"
        if isinstance(error, PermissionError):
            return SourceRefused(f"{name} may not be read by this server")
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return SourceFailed(f"{name} is gone, or is no folder")
        text = scrubbed(str(error)).replace(str(self._root), "…")
        return SourceFailed(f"{name} cannot be read: {text}")

    def _real(self, file: File) -> Path:
        try:
            return check_path(self._root / file.path, self._allowed)
        except SourceUnreachable:
            raise FileNotFoundError from None

    def _walk(self, folder: Path, prefix: str, chain: tuple[Path, ...]) -> Iterator[File]:
        for name, found in self._entries(folder, prefix):
            if isinstance(found, File):
                yield found
            elif found in chain:
                yield File(name, problem=SourceFailed(f"'{name}' is a link to a folder above it"))
            else:
                yield from self._walk(found, f"{name}/", (*chain, found))

    def _entries(self, folder: Path, prefix: str) -> Iterator[tuple[str, "File | Path"]]:
        """Yield the path below the root of each entry, and its file or real folder."""
        try:
            with self.wrapping(prefix.rstrip("/")), os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except SourceRefused as error:
            if not prefix:
                raise
            yield prefix, File(prefix.rstrip("/"), problem=error)
            return
        for entry in entries:
            if entry.name == DELTA_LOG:
                if not prefix:
                    raise _delta("")
                yield prefix, File(f"{prefix}{DELTA_LOG}", problem=_delta(prefix.rstrip("/")))
            elif not is_hidden(entry.name):
                name = f"{prefix}{entry.name}"
                found = self._entry(entry, name)
                if found is not None:
                    yield name, found

    def _entry(self, entry: "os.DirEntry[str]", name: str) -> "File | Path | None":
        """The file or the real folder of an entry; None for what is neither, or gone by now."""
        problem: ConnectorError
        try:
            name.encode()
            path = Path(entry.path)
            if entry.is_symlink():
                path = check_path(path, self._allowed)
            if path.is_dir():
                return path
            status = path.stat()
            # A pipe or a device would be waited for without end.
            is_file = stat.S_ISREG(status.st_mode)
            return File(name, status.st_size, _stamp(status)) if is_file else None
        except EgressRefused as error:
            problem = EgressRefused(f"'{name}' is a link: {error}")
        except SourceUnreachable:
            problem = SourceFailed(f"'{name}' is a link to nothing")
        except UnicodeEncodeError:
            name = name.encode(errors="replace").decode()
            problem = SourceFailed(f"The name of '{name}' is not UTF-8")
        except FileNotFoundError:
            return None
        except OSError:
            problem = SourceRefused(f"'{name}' may not be read by this server")
        return File(name, problem=problem)


def _stamp(status: os.stat_result) -> Stamp:
    return (status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino)


class _Bucket(Store):
    def __init__(self, options: FilesOptions, context: SourceContext) -> None:
        self._root = options.root
        self._secrets = options.secrets()
        self._files = arrow_filesystem(options, context)

    @override
    def check(self) -> None:
        self.top()

    @override
    def top(self) -> tuple[list[str], list[File]]:
        folders: list[str] = []
        files: list[File] = []
        for info in self._list("", recursive=False):
            name = info.base_name
            if name == DELTA_LOG:
                raise _delta("")
            if is_hidden(name):
                continue
            if info.type == FileType.Directory:
                folders.append(name)
            else:
                files.append(_object(name, info))
        return sorted(folders), sorted(files, key=lambda file: file.path)

    @override
    def below(self, folder: str = "") -> Iterator[File]:
        start = len(self._root) + 1
        for info in self._list(folder, recursive=True):
            path = info.path[start:]
            steps = PurePosixPath(path).parts
            if DELTA_LOG in steps:
                owner = "/".join(steps[: steps.index(DELTA_LOG)])
                if not owner:
                    raise _delta("")
                yield File(f"{owner}/{DELTA_LOG}", problem=_delta(owner))
            elif info.type == FileType.File and not any(map(is_hidden, steps)):
                yield _object(path, info)

    @override
    def fingerprint(self, file: File) -> Stamp:
        stream, stamp = self.open(file)
        stream.close()
        return stamp

    @override
    def open(self, file: File) -> tuple[Reading, Stamp]:
        stream: Reading = self._files.open_input_file(f"{self._root}/{file.path}")
        told = stream.metadata()
        modified = datetime.fromisoformat(told["Last-Modified"].decode())
        return stream, (stream.size(), int(modified.timestamp()), told.get("ETag"))

    @override
    def wrapped(self, error: Exception, path: str) -> ConnectorError:
        text = scrubbed(str(error), self._secrets)
        if isinstance(error, FileNotFoundError):
            return SourceRefused("There is no such bucket or prefix, or it may not be listed")
        if any(sign in text for sign in _UNREACHABLE):
            return SourceUnreachable(text)
        if any(sign in text for sign in _REFUSED):
            return SourceRefused(text)
        return SourceFailed(f"'{path}' cannot be read: {text}" if path else text)

    def _list(self, folder: str, *, recursive: bool) -> list[Any]:
        place = f"{self._root}/{folder}" if folder else self._root
        with self.wrapping(folder):
            listed = self._files.get_file_info(FileSelector(place, recursive=recursive))
        return sorted(listed, key=lambda info: info.path)


def _object(path: str, info: Any) -> File:  # noqa: ANN401 - a FileInfo; the stubs have no mtime_ns
    # A listing may be finer than the header of the object, which is in seconds.
    return File(path, info.size, (info.size, info.mtime_ns // 1_000_000_000))

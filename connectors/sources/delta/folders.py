"""Which Delta tables a folder holds, and which files a table may name.

A table is a folder with a ``_delta_log``: the configured folder itself, one directly in it, or one
in a folder of it, which then is its schema. The trap is that deltalake joins the paths of a log as
a browser joins links: ``../``, ``/etc/x``, ``file:///etc/x`` all lead out, the last one from S3 to
this machine. So every path is judged before a file is opened: it must stay in the table's folder.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from connectors.base import SourceContext
from connectors.errors import EgressRefused, OptionsInvalid, SourceFailed, SourceUnreachable
from connectors.local_paths import check_path
from connectors.object_storage import arrow_filesystem
from connectors.sources.delta.options import DeltaOptions

LOG = "_delta_log"
_LEADS_OUT = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:|^/|[\x00-\x1f\\?#]")


@dataclass(frozen=True, slots=True)
class TablePlace:
    """One table: its names, and its folder as the file system of its :class:`Folder` has it."""

    schema: str
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Folder:
    """The configured folder.

    Attributes:
        filesystem: of this machine or of S3.
        path: the folder in it, without a slash at the end.
        schema: of the tables directly in it.
        local_files: what may be read of this machine; None for S3.
    """

    filesystem: FileSystem
    path: str
    schema: str
    local_files: tuple[Path, ...] | None

    def url(self, place: TablePlace) -> str:
        """Return the address of a table for deltalake."""
        return place.path if self.local_files is not None else f"s3://{quote(place.path)}"

    def tables(self) -> Iterator[TablePlace]:
        """Yield every table; of two with the same names, the nearer one."""
        if self._is_table(self.path):
            yield TablePlace(self.schema, _last(self.path), self.path)
            return
        nearer, others = set(), []
        for path in self._folders(self.path):
            if self._is_table(path):
                nearer.add((self.schema, _last(path)))
                yield TablePlace(self.schema, _last(path), path)
            else:
                others.append(path)
        for other in others:
            for path in self._folders(other):
                names = (_last(other), _last(path))
                if names not in nearer and self._is_table(path):
                    yield TablePlace(*names, path)

    def find(self, schema: str, name: str) -> TablePlace | None:
        """Return the table of these names, None when there is none."""
        if not (_is_folder_name(schema) and _is_folder_name(name)):
            return None
        paths = [f"{self.path}/{schema}/{name}"]
        if schema == self.schema:
            paths.insert(0, f"{self.path}/{name}")
            if name == _last(self.path):
                paths.insert(0, self.path)
        found = next((path for path in paths if self._is_table(path)), None)
        return None if found is None else TablePlace(schema, name, found)

    def written_at(self, place: TablePlace, version: int) -> datetime | None:
        """Return when a version was committed, None when its commit is not kept any more."""
        commit = self.filesystem.get_file_info(f"{place.path}/{LOG}/{version:020}.json")
        return commit.mtime

    def check_log(self, place: TablePlace) -> None:
        """Judge the files of a log: a link among them may not lead out.

        Raises:
            EgressRefused: one does.
        """
        if self.local_files is not None:
            for file in Path(place.path, LOG).rglob("*"):
                check_path(file, self.local_files)

    def check_files(self, place: TablePlace, paths: Iterable[str]) -> None:
        """Judge the data files of a table.

        Args:
            place: the table.
            paths: as its log has them.

        Raises:
            EgressRefused: one does not lie in the folder of the table.
            SourceFailed: one of this machine is missing.
        """
        for path in paths:
            inside = _inside(path)
            if self.local_files is not None:
                try:
                    check_path(Path(place.path, inside), self.local_files)
                except SourceUnreachable as error:
                    raise SourceFailed("A file that the table's log names is missing") from error

    def _is_table(self, path: str) -> bool:
        if self.local_files is not None and not _may_read(path, self.local_files):
            return False
        return bool(self.filesystem.get_file_info(f"{path}/{LOG}").type == FileType.Directory)

    def _folders(self, path: str) -> list[str]:
        if self.local_files is not None and not _may_read(path, self.local_files):
            return []
        inside: Any = self.filesystem.get_file_info(FileSelector(path))
        folders = (info for info in inside if info.type == FileType.Directory)
        return sorted(info.path for info in folders if _is_folder_name(info.base_name))


def open_folder(options: DeltaOptions, context: SourceContext) -> Folder:
    """Return the configured folder.

    Raises:
        OptionsInvalid: it is no path that can be read.
        EgressRefused: it may not be read, or its storage may not be reached.
        SourceUnreachable: it is of this machine and not there.
    """
    if options.url.startswith("s3://"):
        path = _readable(options.url.removeprefix("s3://").rstrip("/"))
        filesystem: FileSystem = arrow_filesystem(options, context)
        return Folder(filesystem, path, options.schema_name, None)
    url = urlsplit(options.url)
    if url.netloc:
        raise OptionsInvalid("A file URL names no host")
    given = unquote(url.path) if url.scheme == "file" else options.url
    path = _readable(str(check_path(given, context.local_files)))
    return Folder(LocalFileSystem(), path, options.schema_name, context.local_files)


def _readable(path: str) -> str:
    # deltalake decodes a path once more: with a percent sign it would open another folder.
    if "%" in path:
        raise OptionsInvalid("Folders with a percent sign in their path cannot be read")
    return path


def _inside(path: str) -> str:
    """Return a path of a log decoded, relative to its table.

    >>> _inside("day=2020-01-01/part%20one.parquet")
    'day=2020-01-01/part one.parquet'
    """
    decoded = unquote(path)
    parts = [*decoded.split("/"), *unquote(decoded).split("/")]
    if _LEADS_OUT.search(path) or ".." in parts or not parts[0] or "\x00" in decoded:
        raise EgressRefused("The table's log names a file outside of the table's folder")
    return decoded


def _may_read(path: str, local_files: tuple[Path, ...]) -> bool:
    try:
        check_path(path, local_files)
    except (EgressRefused, SourceUnreachable):
        return False
    return True


def _is_folder_name(name: str) -> bool:
    return bool(name) and name[0] not in "._" and not set(name) & {"/", "%", "\x00"}


def _last(path: str) -> str:
    return path.rsplit("/", 1)[-1]

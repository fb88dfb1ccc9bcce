"""Which files make which table, what they hold, and the columns in the names of their folders.

A table has one format and one set of partition columns; anything else is an error that names two
files. Files of no known ending are no data when the format is ``auto``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import OptionsInvalid, SourceFailed
from connectors.sources.files.options import FileFormat, FilesOptions
from connectors.sources.files.stores import File, Store
from connectors.sources.files.text_values import fits

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"

_ENDINGS: dict[str, FileFormat] = {
    ".parquet": "parquet",
    ".parq": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}
_COMPRESSED = frozenset({".gz", ".gzip", ".zst", ".zstd", ".bz2", ".lz4"})
_UNREADABLE = frozenset({".snappy", ".lzo", ".br", ".xz", ".z", ".zip", ".7z"})


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of a table; ``partitions`` are the texts of its folders by key, None for NULL."""

    file: File
    partitions: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class TableFiles:
    """All files of a table, of one format and with the same partition keys; at least one."""

    format: FileFormat
    files: tuple[DataFile, ...]

    @property
    def partition_keys(self) -> tuple[str, ...]:
        """Names of the partition columns, outermost first."""
        return tuple(self.files[0].partitions)

    def partition_type(self, key: str) -> pa.DataType:
        """Return the narrowest of int64, date32 and string for all values of a partition."""
        texts = [file.partitions[key] for file in self.files]
        values = pc.unique(pa.array(texts, pa.string())).drop_null()
        candidates = (pa.int64(), pa.date32()) if len(values) else ()
        return next((kind for kind in candidates if fits(values, kind)), pa.string())


def list_tables(store: Store, options: FilesOptions) -> Iterator[tuple[str, list[File]]]:
    """List everything once and yield each table's name and files, by name; tables without files
    are left out.
    """  # noqa: D205 - one sentence
    if options.tables == "single":
        yield single_name(options), _bounded(store.below(), options)
        return
    folders, singles = _top_tables(store, options)
    found: dict[str, list[File]] = {name: [] for name in folders}
    for file in store.below():
        folder, is_below, _ = file.path.partition("/")
        files = found.get(folder)
        if files is not None and (is_below or file.problem) and len(files) <= options.files_max:
            files.append(file)
    tables = {**found, **{name: [file] for name, file in singles.items()}}
    for name in sorted(tables):
        if tables[name]:
            yield name, tables[name]


def find_table(store: Store, options: FilesOptions, name: str) -> list[File]:
    """List the files of one table; none when there is no such table."""
    if options.tables == "single":
        return _bounded(store.below(), options) if name == single_name(options) else []
    folders, singles = _top_tables(store, options)
    if name in singles:
        return [singles[name]]
    return _bounded(store.below(name), options) if name in folders else []


def single_name(options: FilesOptions) -> str:
    """Name of the table when there is only one."""
    return options.table_name or PurePosixPath(options.root).name or "files"


def arrange(files: Iterable[File], options: FilesOptions) -> TableFiles | None:
    """Choose the data files of a table; None when there are none. Files of zero bytes hold no rows.

    Raises:
        SourceFailed: there are too many, two of them contradict each other, or one is unusable.
    """
    listed = list(files)
    if len(listed) > options.files_max:
        raise SourceFailed(f"The table has more than {options.files_max} files: see files_max")
    chosen: list[DataFile] = []
    first: tuple[FileFormat, File] | None = None
    for file in listed:
        if file.problem is not None:
            raise file.problem
        kind = _format_of(file, options)
        if kind is None or file.size_bytes == 0:
            continue
        first = first or (kind, file)
        if kind != first[0]:
            raise SourceFailed(
                f"'{first[1].path}' is {first[0]} and '{file.path}' is {kind}: a table has one"
                " format, see the option format"
            )
        chosen.append(DataFile(file, _partitions(file, options)))
    if first is None:
        return None
    for one in chosen:
        if tuple(one.partitions) != tuple(chosen[0].partitions):
            raise SourceFailed(
                f"'{one.file.path}' has other partition folders than '{chosen[0].file.path}'"
            )
    return TableFiles(first[0], tuple(chosen))


def _bounded(files: Iterator[File], options: FilesOptions) -> list[File]:
    return list(islice(files, options.files_max + 1))


def _top_tables(store: Store, options: FilesOptions) -> tuple[set[str], dict[str, File]]:
    """Folders that are tables, and files that are, by name.

    A file is called by its stem, or by its whole name where something else has that stem.
    """
    folders, files = store.top()
    partition = next((name for name in folders if "=" in name), None)
    if partition is not None:
        raise OptionsInvalid(
            f"The folder is one partitioned table ('{partition}'): set tables to 'single'"
        )
    data = [file for file in files if _is_data(file, options)]
    stems = [_stem(file.path) for file in data]
    return set(folders), {
        (stem if stem not in folders and stems.count(stem) == 1 else file.path): file
        for stem, file in zip(stems, data, strict=True)
    }


def _is_data(file: File, options: FilesOptions) -> bool:
    if file.problem is not None:
        # It may be a folder, whatever its name.
        return True
    return file.size_bytes > 0 and (options.format != "auto" or _ending(file.path)[0] is not None)


def _ending(path: str) -> tuple[FileFormat | None, str]:
    """The format a name tells, and the ending of its compression."""
    name = PurePosixPath(path)
    suffix = name.suffix.lower()
    if suffix in _COMPRESSED or suffix in _UNREADABLE:
        kind = _ENDINGS.get(PurePosixPath(name.stem).suffix.lower())
        # Parquet compresses its pages; a compressed file could not be read from its end.
        return (None, suffix) if kind == "parquet" else (kind, suffix)
    return _ENDINGS.get(suffix), ""


def _stem(path: str) -> str:
    name = PurePosixPath(path)
    kind, compression = _ending(path)
    return PurePosixPath(name.stem).stem if kind and compression else name.stem


def _format_of(file: File, options: FilesOptions) -> FileFormat | None:
    told, compression = _ending(file.path)
    if told is not None and compression in _UNREADABLE:
        raise SourceFailed(
            f"'{file.path}' is compressed in a way that cannot be read; gzip, zstd, bz2 and lz4 can"
        )
    if options.format == "auto":
        return told
    return options.format if told in {None, options.format} else None


def _partitions(file: File, options: FilesOptions) -> dict[str, str | None]:
    steps = PurePosixPath(file.path).parts[:-1]
    folders = steps if options.tables == "single" else steps[1:]
    found: dict[str, str | None] = {}
    for folder in folders:
        key, is_partition, value = folder.partition("=")
        if not is_partition or not key:
            continue
        name = unquote(key)
        if name in found:
            raise SourceFailed(f"'{file.path}' has the partition '{name}' twice")
        found[name] = None if value == HIVE_NULL else unquote(value)
    return found

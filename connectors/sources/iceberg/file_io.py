"""The only way to the files of a table: metadata, manifests, delete files and data files.

A catalog, a manifest and a delete file may all name any file of this machine or any storage, so
every location is judged when it is opened, here and nowhere else. Of what a catalog says about
storage only an access key, its region and its endpoint are used: pyiceberg's own loader would
import a class that a table's properties name, and fall back to the credentials of this server.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as pq
from pyarrow.fs import FileSystem, LocalFileSystem
from pyiceberg.io import FileIO, InputFile, OutputFile
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO
from typing_extensions import override

from connectors.base import SourceContext
from connectors.errors import EgressRefused, OptionsInvalid, SourceFailed, SourceUnreachable
from connectors.hosts import resolve_host
from connectors.local_paths import check_path
from connectors.object_storage import (
    DEFAULT_PORTS,
    DEFAULT_REGION,
    S3Options,
    check_endpoint,
    pyiceberg_properties,
)
from connectors.sources.iceberg.options import CATALOG_URL, IcebergOptions

S3_SCHEMES = frozenset({"s3", "s3a", "s3n"})
_REGION = re.compile(r"[a-z0-9-]+")
_KEY = ("s3.access-key-id", "s3.secret-access-key", "s3.session-token")


class JudgedFileIO(PyArrowFileIO):
    """Opens files for reading, after judging where they are."""

    def __init__(self, properties: Mapping[str, str], local_files: tuple[Path, ...]) -> None:
        super().__init__(dict(properties))
        self._local_files = local_files

    @override
    def new_input(self, location: str) -> PyArrowFile:
        """Return a file to read.

        Raises:
            EgressRefused: it is a file of this machine that may not be read.
            SourceFailed: it is a missing file of this machine, or in a storage of another kind.
        """
        url = urlsplit(location)
        filesystem: FileSystem
        if url.scheme in S3_SCHEMES:
            key = location.removeprefix(f"{url.scheme}://")
            filesystem = self.fs_by_scheme("s3", key.partition("/")[0])
            return PyArrowFile(location, key, filesystem)
        try:
            path = local_path(location, self._local_files)
        except SourceUnreachable as error:
            raise SourceFailed("A file of the table is missing") from error
        return PyArrowFile(location, str(path), _LOCAL)

    @override
    def new_output(self, location: str) -> PyArrowFile:
        raise EgressRefused("Nothing is written to a source")

    @override
    def delete(self, location: str | InputFile | OutputFile) -> None:
        raise EgressRefused("Nothing is written to a source")


_LOCAL = LocalFileSystem()


@contextmanager
def open_parquet(io: FileIO, location: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; reading a row group fetches all its wanted columns at once."""
    with io.new_input(location).open() as stream:
        native: Any = stream
        # In nanoseconds, which is the default, INT96 would wrap around outside of 1677 to 2262.
        yield pq.ParquetFile(native, pre_buffer=True, coerce_int96_timestamp_unit="us")


def local_path(location: str, local_files: tuple[Path, ...]) -> Path:
    """Return the real path of a location on this machine.

    Raises:
        EgressRefused: it may not be read.
        SourceUnreachable: there is nothing.
        SourceFailed: it is not on this machine.
    """
    url = urlsplit(location)
    if url.scheme == "file" and not url.netloc:
        # Engines do not escape what they write here: a percent sign is one.
        location = "/" + location.removeprefix("file:").lstrip("/")
    if not location.startswith("/"):
        raise SourceFailed(f"Tables in storage of the kind '{url.scheme}' cannot be read")
    return check_path(location, local_files)


def storage_properties(
    options: IcebergOptions, context: SourceContext, offered: Mapping[str, str]
) -> dict[str, str]:
    """Return the ``s3.*`` properties for the files of a table.

    Args:
        options: a key given there is used and nothing else.
        context: which addresses may be reached.
        offered: what the catalog gives for these files, or for all.

    Raises:
        EgressRefused: the endpoint may not be reached.
        OptionsInvalid: the endpoint is no http or https URL, or the region none.
    """
    properties = {
        "s3.connect-timeout": str(context.connect_timeout_s),
        "s3.request-timeout": str(context.statement_timeout_s),
    }
    given = pyiceberg_properties(options, context)
    endpoint = options.s3_endpoint or offered.get("s3.endpoint")
    if endpoint is not None:
        check_endpoint(S3Options(s3_endpoint=endpoint), context)
        properties["s3.endpoint"] = endpoint
    region = offered.get("s3.region") or offered.get("client.region")
    if region or endpoint:
        properties["s3.region"] = region or DEFAULT_REGION
    if options.s3_access_key_id is None and offered.get(_KEY[0]):
        del given["s3.anonymous"]
        given |= {name: offered[name] for name in _KEY if offered.get(name)}
    properties |= given
    if not _REGION.fullmatch(properties.get("s3.region", DEFAULT_REGION)):
        # It becomes a part of the host name.
        raise OptionsInvalid("The region of the storage is none")
    return properties


def judge_url(address: str, context: SourceContext) -> None:
    """Judge the host of a URL.

    Raises:
        EgressRefused: it may not be reached.
        OptionsInvalid: it is no http or https URL, or one whose meaning depends on who parses it.
    """
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError:
        raise OptionsInvalid("The address of a catalog is no valid URL") from None
    if not re.fullmatch(CATALOG_URL, address) or not url.hostname:
        raise OptionsInvalid("The address of a catalog must be an http or https URL")
    port = port or DEFAULT_PORTS[url.scheme]
    resolve_host(url.hostname, port, allow_private=context.allow_private)

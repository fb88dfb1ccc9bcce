"""Opens the files a catalog names: below the local folders that may be read, or on S3."""

from functools import cached_property

import pyarrow as pa
from pyarrow.fs import S3FileSystem

from connectors.base import SourceContext
from connectors.errors import OptionsInvalid, SourceFailed, SourceUnreachable
from connectors.local_paths import check_path
from connectors.object_storage import arrow_filesystem, check_endpoint
from connectors.sources.ducklake.options import DuckLakeOptions

_S3_SCHEMES = ("s3://", "s3a://")


class Storage:
    """Where data files are read from."""

    def __init__(self, options: DuckLakeOptions, context: SourceContext) -> None:
        self._options = options
        self._context = context

    def check(self, data_path: str) -> None:
        """Judge the folder of all data.

        Raises:
            EgressRefused: it, or the object storage, may not be reached.
            OptionsInvalid: it is neither an absolute path nor an S3 URL.
        """
        if data_path.startswith(_S3_SCHEMES):
            check_endpoint(self._options.s3, self._context)
            return
        if not data_path.startswith("/"):
            raise OptionsInvalid(
                "The catalog keeps its data at a place that cannot be read from here: "
                "set data_path to an absolute path or an s3:// URL"
            )
        try:
            check_path(data_path, self._context.local_files)
        except SourceUnreachable:
            # It is made with the first data file; until then all rows are in the catalog.
            return

    def open(self, path: str) -> pa.NativeFile:
        """Open a file the catalog names; close it after use.

        Raises:
            EgressRefused: it lies outside the folders.
            SourceFailed: it is missing, or somewhere else than on this machine or S3.
        """
        for scheme in _S3_SCHEMES:
            if path.startswith(scheme):
                return self._s3.open_input_file(path.removeprefix(scheme))
        if "\0" in path or not path.startswith("/"):
            raise SourceFailed("The catalog names a data file at a place that cannot be read")
        try:
            return pa.OSFile(str(check_path(path, self._context.local_files)), "rb")
        except SourceUnreachable as error:
            raise SourceFailed("A data file of the table is missing") from error

    @cached_property
    def _s3(self) -> S3FileSystem:
        return arrow_filesystem(self._options.s3, self._context)

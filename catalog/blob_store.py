"""Immutable files under keys, in the data folder or in a bucket of S3.

A published file is durable and whole, and never changes. The trap: publishing and the catalog row
are two steps. Publish first; a file without a row is garbage that ``catalog.garbage`` collects.
"""

import asyncio
import filecmp
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, S3Store
from typing_extensions import override

from catalog.blob_cache import BlobCache
from catalog.durable_files import StagingFolder, publish_file
from catalog.errors import BlobMissing, Conflict, InvalidValue, Unavailable
from catalog.settings import MIB, Settings

# One folder for blobs alone: whatever else lies in the data folder is out of reach of any key.
BLOB_FOLDER = "blobs"
STAGING_FOLDER = "staging"
CACHE_FOLDER = "cache"

_KEY_PART = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9_.=-]*")
_KEY_CHARS_MAX = 900
_CHUNK_BYTES = MIB
_PART_BYTES = 8 * MIB


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """One stored file; ``modified_at`` is when it was published."""

    key: str
    size_bytes: int
    modified_at: datetime


class BlobStore(Protocol):
    """Where bytes are kept."""

    @property
    def staging_folder(self) -> Path:
        """A private folder on the filesystem of the data folder; empty at start."""

    def stage(self, suffix: str = "") -> Path:
        """Return a fresh path in the staging folder; the caller writes the file there."""

    async def publish(self, staged: Path, key: str) -> int:
        """Make a staged file durable under a key; the staged path is gone afterwards.

        Returns:
            The size in bytes.

        Raises:
            ValueError: the key is malformed.
            Conflict: other bytes are stored under the key.
            Unavailable: the store refuses or cannot be reached.
        """

    async def copy(self, key: str, new_key: str) -> None:
        """Store the bytes of a key under another one too.

        Raises:
            ValueError: a key is malformed.
            BlobMissing: nothing is stored under the first.
            Unavailable: the store refuses or cannot be reached.
        """

    async def local_path(self, key: str) -> Path:
        """Return a file that can be opened now; it must not be changed.

        Raises:
            ValueError: the key is malformed.
            BlobMissing: nothing is stored under the key.
            Unavailable: the store cannot be reached.
        """

    async def local_paths(self, keys: Sequence[str]) -> list[Path]:
        """Return files like ``local_path``, all at once; those that are here cost no task."""

    def stream(self, key: str) -> AsyncIterator[bytes]:
        """Yield the bytes in chunks of about 1 MiB; raises like ``local_path``."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete files; those that are missing are fine."""

    def list(self, prefix: str = "") -> AsyncIterator[BlobInfo]:
        """Yield what is stored below a folder such as ``results``, in no order."""

    async def ping(self) -> None:
        """Check that the store answers.

        Raises:
            Unavailable: it does not.
        """


def open_blob_store(settings: Settings) -> BlobStore:
    """Open the store the settings name: a bucket by ``blob_url``, else the data folder.

    Raises:
        InvalidValue: ``blob_url`` is not of the form ``s3://bucket/prefix``.
    """
    staging = StagingFolder(settings.data_dir.absolute() / STAGING_FOLDER)
    if settings.blob_url is None:
        return LocalBlobStore(settings.data_dir.absolute() / BLOB_FOLDER, staging)
    cache = BlobCache(
        settings.data_dir.absolute() / CACHE_FOLDER, bytes_max=settings.blob_cache_bytes
    )
    return S3BlobStore(_open_s3(settings), staging, cache)


def check_key(key: str) -> str:
    """Return the key when it is a safe relative path.

    Raises:
        ValueError: a part is empty, starts with a dot, or has other characters than letters,
            digits and ``_ . = -``.

    >>> check_key("results/rslt1.parquet")
    'results/rslt1.parquet'
    """
    if len(key) > _KEY_CHARS_MAX or not all(map(_KEY_PART.fullmatch, key.split("/"))):
        raise ValueError("Malformed blob key")
    return key


class _ObjectBlobStore:
    """What the object store does by itself, local or not."""

    def __init__(self, store: ObjectStore, staging: StagingFolder) -> None:
        self._store = store
        self._staging = staging

    @property
    def staging_folder(self) -> Path:
        """A private folder on the filesystem of the data folder; empty at start."""
        return self._staging.path

    def stage(self, suffix: str = "") -> Path:
        """Return a fresh path in the staging folder."""
        return self._staging.new_path(suffix)

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """Yield the bytes in chunks of about 1 MiB."""
        check_key(key)
        with _typed_errors():
            answer = await obstore.get_async(self._store, key)
            async for chunk in answer.stream(min_chunk_size=_CHUNK_BYTES):
                yield bytes(chunk)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete files; those that are missing are fine."""
        for key in keys:
            with _typed_errors():
                try:
                    await obstore.delete_async(self._store, check_key(key))
                except FileNotFoundError:
                    continue

    async def list(self, prefix: str = "") -> AsyncIterator[BlobInfo]:
        """Yield what is stored below a folder."""
        with _typed_errors():
            async for chunk in obstore.list(self._store, prefix=prefix or None):
                for entry in chunk:
                    yield BlobInfo(entry["path"], entry["size"], entry["last_modified"])

    async def ping(self) -> None:
        """Check that the store answers."""
        with _typed_errors():
            try:
                await obstore.head_async(self._store, "ping")
            except FileNotFoundError:
                return


class LocalBlobStore(_ObjectBlobStore):
    """Files below one folder."""

    def __init__(self, root: Path, staging: StagingFolder) -> None:
        root.mkdir(parents=True, exist_ok=True)
        super().__init__(LocalStore(root), staging)
        self._root = root

    async def publish(self, staged: Path, key: str) -> int:
        """Make a staged file durable under a key."""
        check_key(key)
        return await asyncio.to_thread(self._publish, staged, key)

    def _publish(self, staged: Path, key: str) -> int:
        with _typed_errors():
            size_bytes = staged.stat().st_size
            publish_file(staged, self._root, key)
            return size_bytes

    async def copy(self, key: str, new_key: str) -> None:
        """Make a second name for a file, at no cost; files are immutable."""
        check_key(new_key)
        await asyncio.to_thread(self._link, self._existing(check_key(key)), new_key)

    def _link(self, path: Path, new_key: str) -> None:
        with _typed_errors():
            staged = self.stage()
            staged.hardlink_to(path)
            staged.touch()  # published now: a collection must see that it is new
            publish_file(staged, self._root, new_key)

    @override
    async def ping(self) -> None:
        """Check that the folder is there: a volume may be away."""
        if not await asyncio.to_thread(self._root.is_dir):
            raise Unavailable("The blob store cannot be reached now. Try again.")

    async def local_path(self, key: str) -> Path:
        """Return the file itself."""
        return self._existing(check_key(key))

    async def local_paths(self, keys: Sequence[str]) -> list[Path]:
        """Return the files themselves."""
        return [self._existing(check_key(key)) for key in keys]

    def _existing(self, key: str) -> Path:
        path = self._root / key
        if not path.is_file():
            raise BlobMissing
        return path


class S3BlobStore(_ObjectBlobStore):
    """Objects in a bucket, with local copies for whoever needs a path."""

    def __init__(self, store: ObjectStore, staging: StagingFolder, cache: BlobCache) -> None:
        super().__init__(store, staging)
        self._cache = cache
        self._downloads: dict[str, asyncio.Task[Path]] = {}

    async def publish(self, staged: Path, key: str) -> int:
        """Upload a staged file; it becomes the local copy."""
        check_key(key)
        with _typed_errors():
            size_bytes = await asyncio.to_thread(_size_bytes, staged)
            try:
                await self._put(staged, key, size_bytes)
            except AlreadyExistsError:
                await self._check_same(staged, key)
            await asyncio.to_thread(self._cache.adopt, key, staged)
            return size_bytes

    async def _put(self, staged: Path, key: str, size_bytes: int) -> None:
        if size_bytes <= _PART_BYTES:
            await obstore.put_async(self._store, key, staged, mode="create")
            return
        # An upload in parts cannot be conditional. Keys are unique: this is a guard, not a lock.
        try:
            await obstore.head_async(self._store, key)
        except FileNotFoundError:
            await obstore.put_async(
                self._store, key, staged, chunk_size=_PART_BYTES, max_concurrency=4
            )
        else:
            raise AlreadyExistsError

    async def copy(self, key: str, new_key: str) -> None:
        """Have the store copy an object."""
        with _typed_errors():
            await obstore.copy_async(self._store, check_key(key), check_key(new_key))

    async def _check_same(self, staged: Path, key: str) -> None:
        stored = await self.local_path(key)
        if not await asyncio.to_thread(_have_equal_bytes, staged, stored):
            raise Conflict("Stored files are immutable")

    async def local_path(self, key: str) -> Path:
        """Return the local copy; download it first if need be, once for all who wait."""
        copy = self._cache.find(check_key(key))
        if copy is not None:
            return copy
        download = self._downloads.get(key)
        if download is None:
            download = asyncio.create_task(self._download(key))
            self._downloads[key] = download
            download.add_done_callback(lambda done: self._end_download(key, done))
        # A waiter that is cancelled must not cancel the download of the others.
        return await asyncio.shield(download)

    async def local_paths(self, keys: Sequence[str]) -> list[Path]:
        """Return the local copies; what is not here is downloaded side by side."""
        copies = {key: self._cache.find(check_key(key)) for key in keys}
        missing = [key for key, copy in copies.items() if copy is None]
        found = await asyncio.gather(*map(self.local_path, missing)) if missing else ()
        copies |= zip(missing, found, strict=True)
        return [path for key in keys if (path := copies[key]) is not None]

    def _end_download(self, key: str, download: asyncio.Task[Path]) -> None:
        del self._downloads[key]
        if not download.cancelled():
            # Looked at even when every waiter has gone.
            download.exception()

    async def _download(self, key: str) -> Path:
        staged = self.stage()
        try:
            with _typed_errors(), staged.open("wb") as file:
                async for chunk in self.stream(key):
                    await asyncio.to_thread(file.write, chunk)
            return await asyncio.to_thread(self._cache.adopt, key, staged)
        finally:
            staged.unlink(missing_ok=True)

    @override
    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects and their local copies."""
        await super().delete(keys)
        for key in keys:
            self._cache.remove(key)


def _open_s3(settings: Settings) -> S3Store:
    url = urlsplit(settings.blob_url or "")
    if url.scheme != "s3" or not url.netloc:
        raise InvalidValue("blob_url must have the form s3://bucket/prefix")
    secret = settings.s3_secret_access_key
    given = {
        "endpoint": settings.s3_endpoint,
        "region": settings.s3_region,
        "access_key_id": settings.s3_access_key_id,
        "secret_access_key": None if secret is None else secret.get_secret_value(),
    }
    return S3Store(
        url.netloc,
        prefix=url.path.strip("/") or None,
        config={key: value for key, value in given.items() if value is not None},  # type: ignore[arg-type]  # keys of S3Config
        client_options={
            "allow_http": (settings.s3_endpoint or "").startswith("http:"),
            "connect_timeout": timedelta(seconds=5),
            "read_timeout": timedelta(seconds=60),
            # Of a whole request: a part of an upload, or a file of any size on its way here.
            "timeout": timedelta(hours=1),
        },
        retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=30)},
    )


@contextmanager
def _typed_errors() -> Iterator[None]:
    """Raise the catalog's own errors; the store's text, which holds paths and URLs, stays inside."""
    try:
        yield
    except FileNotFoundError as error:
        raise BlobMissing from error
    except (BaseError, OSError) as error:
        raise Unavailable("The blob store cannot be reached now. Try again.") from error


def _size_bytes(path: Path) -> int:
    return path.stat().st_size


def _have_equal_bytes(one: Path, other: Path) -> bool:
    return filecmp.cmp(one, other, shallow=False)

"""The engine's lifetime: what is opened at start, in which order, and closed in reverse.

Invariant: one data folder has at most one serving engine (a file lock proves it), so what this
folder's ``instance-id`` left ``running`` is an orphan of a crash and may be failed or requeued at
start. The trap: ``serve=False`` opens next to a running server, so it must touch neither staging nor
spill nor anybody's claims.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import structlog

from catalog import jobs as job_store
from catalog.blob_store import BlobStore, open_blob_store
from catalog.database import Database
from catalog.errors import CatalogError
from catalog.index_model import BuiltIndex
from catalog.model import DatasetVersion
from catalog.secret_store import Keyring
from catalog.settings import Settings
from catalog.store import document_entries as entry_store
from catalog.store import results as result_store
from catalog.store import runs as run_store
from catalog.store import table_syncs as sync_store
from catalog.store import tokens as token_store
from catalog.store import uploads as upload_store
from catalog.store import workspaces as workspace_store
from catalog.store.remote_tables import FoundTable
from engine.pg_catalog.snapshot import CarriedSnapshot
from engine.service.data_folder import DataFolder
from engine.service.documents.processes import DocumentProcesses
from engine.service.documents.segments import Searchable
from engine.service.documents.webhooks import WebhookSender
from engine.service.gathering import Gatherer
from engine.service.housekeeping import Housekeeping
from engine.service.job_runner import JobRunners
from engine.service.keyed_locks import KeyedLocks
from engine.service.recent_vectors import RecentVectors
from engine.service.remote_views import RemoteViews
from engine.service.run_board import RunBoard
from engine.service.schedule import RefreshSchedule
from engine.service.sync_board import SyncBoard
from engine.sources.tasks import SourceTask
from engine.workers.pool import WorkerPool
from engine.workers.shape import query_shape, source_shape
from engine.workers.tasks import Task

if TYPE_CHECKING:
    from engine.service.identity import Credential

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

IDENTITY_CACHE_S = 2.0
VERSIONS_CACHE_S = 60.0
_CACHE_ENTRIES_MAX = 4096
_SNAPSHOTS_MAX = 64

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, in which workspace, through which door."""

    organization_id: str
    workspace_id: str
    token_id: str
    user_public_id: str
    door: str = "http"


class TimedCache(Generic[K, V]):
    """A bounded memory of answers that may be stale for at most ``keep_s`` seconds."""

    def __init__(self, *, keep_s: float, entries_max: int) -> None:
        self._keep_s = keep_s
        self._entries_max = entries_max
        self._entries: dict[K, tuple[float, V]] = {}

    def get(self, key: K) -> V | None:
        """Return the remembered value, or None when it is unknown or too old."""
        until, value = self._entries.get(key, (0.0, None))
        return value if until > time.monotonic() else None

    def put(self, key: K, value: V) -> None:
        """Remember a value from now on."""
        if len(self._entries) >= self._entries_max:
            self._entries.clear()
        self._entries[key] = (time.monotonic() + self._keep_s, value)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()


class Engine:
    """Everything a use case needs. Make one with :meth:`open`.

    ``blobs``, ``pool``, ``sources``, ``documents``, ``syncs``, ``runs``, ``jobs``,
    ``schedule`` and ``owner`` are there only when opened for serving.
    """

    settings: Settings
    db: Database
    keyring: Keyring
    blobs: BlobStore
    pool: WorkerPool[Task]
    sources: WorkerPool[SourceTask]
    documents: DocumentProcesses
    runs: RunBoard
    syncs: SyncBoard
    jobs: JobRunners
    schedule: RefreshSchedule
    owner: str
    credentials: "TimedCache[bytes, Credential]"
    callers: TimedCache[tuple[str, str | None], Caller]
    builds: KeyedLocks
    versions: TimedCache[
        tuple[str, str, str],
        tuple[int, tuple[DatasetVersion, tuple[BuiltIndex, ...]] | None],
    ]
    pg_snapshots: TimedCache[tuple[str, str, str], tuple[int, CarriedSnapshot]]
    registrar: Gatherer[Any, Any]
    searchable: TimedCache[
        tuple[str, str | tuple[int, ...] | None], tuple[int, tuple[Searchable, ...]]
    ]
    recent_vectors: RecentVectors
    remote_views: RemoteViews
    remote_tables: TimedCache[tuple[str, str, str, str], tuple[int, FoundTable | None]]

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.credentials = _identity_cache()
        self.callers = _identity_cache()
        self.versions = TimedCache(keep_s=VERSIONS_CACHE_S, entries_max=_CACHE_ENTRIES_MAX)
        self.remote_tables = TimedCache(keep_s=VERSIONS_CACHE_S, entries_max=_CACHE_ENTRIES_MAX)
        self.searchable = TimedCache(keep_s=VERSIONS_CACHE_S, entries_max=_SNAPSHOTS_MAX)
        self.pg_snapshots = TimedCache(keep_s=VERSIONS_CACHE_S, entries_max=_SNAPSHOTS_MAX)
        self.recent_vectors = RecentVectors(settings.embedding_cache_bytes)
        self.builds = KeyedLocks()
        self._stack = AsyncExitStack()

    @classmethod
    async def open(cls, settings: Settings, *, serve: bool = True) -> "Engine":
        """Open the data folder and the catalog; when serving, also files, workers and jobs.

        Raises:
            Conflict: another server uses this data folder.
            Unavailable: the catalog cannot be reached.
        """
        engine = cls(settings)
        try:
            await engine._open_folder(lock=serve)
            await engine._open_catalog()
            if serve:
                await engine._start()
        except BaseException:
            await engine.close()
            raise
        return engine

    async def close(self) -> None:
        """Stop and close everything, last opened first. Harmless when called twice."""
        await self._stack.aclose()

    async def remembered(
        self, cache: TimedCache[K, tuple[int, V]], key: K, read: Callable[[], Awaitable[V]]
    ) -> V:
        """Return what was read under a key, read again once anything in the catalog has changed.

        Where other servers write to the catalog as well, it is read each time.
        """
        changes = self.db.changes
        kept = cache.get(key)
        if kept is not None and kept[0] == changes:
            return kept[1]
        found = await read()
        if changes is not None:
            cache.put(key, (changes, found))
        return found

    async def is_ready(self) -> bool:
        """Tell whether a query could run now: the catalog answers and a worker is alive."""
        try:
            await self.db.ping()
        except CatalogError:
            return False
        return self.pool.is_ready

    async def _open_folder(self, *, lock: bool) -> None:
        self._folder = await asyncio.to_thread(DataFolder.open, self.settings.data_dir)
        if lock:
            held = await asyncio.to_thread(self._folder.lock)
            self._stack.callback(held.close)

    async def _open_catalog(self) -> None:
        self.keyring = await asyncio.to_thread(Keyring.open, self.settings)
        self.db = await Database.open(self._folder.catalog_url(self.settings.catalog_url))
        self._stack.push_async_callback(self.db.close)
        workspace = await self.db.write(workspace_store.ensure_default)
        name, secret = await asyncio.to_thread(self._folder.first_token, self.settings.api_key)
        token = await self.db.write(
            token_store.ensure_token, workspace.organization_id, name=name, secret=secret
        )
        if token.revoked_at is not None:
            log.warning("engine.first_token_is_revoked", name=name)

    async def _start(self) -> None:
        self.owner = await asyncio.to_thread(self._folder.instance_id)
        await asyncio.to_thread(self._folder.empty_spill)
        self.remote_views = RemoteViews(self._folder.path / "spill")
        self.blobs = await asyncio.to_thread(open_blob_store, self.settings)
        await self._recover()
        self._stack.push_async_callback(asyncio.to_thread, self._folder.empty_spill)
        self.pool = WorkerPool(query_shape(self.settings), self._folder.path)
        self.sources = WorkerPool(source_shape(self.settings), self._folder.path)
        for pool in (self.pool, self.sources):
            self._stack.push_async_callback(pool.close)
        await self.pool.start()
        self.documents = DocumentProcesses(self.settings, self._folder.path, self.blobs)
        self._stack.push_async_callback(self.documents.close)
        self.syncs = SyncBoard()
        self._stack.push_async_callback(self.syncs.close)
        self.runs = RunBoard()
        self._stack.push_async_callback(self.runs.close)
        self.registrar = Gatherer()
        self._stack.push_async_callback(self.registrar.close)
        self.jobs = JobRunners(self)
        self.jobs.start()
        self._stack.push_async_callback(self.jobs.close)
        self.schedule = RefreshSchedule(self.db, self.jobs.wake)
        self.schedule.start()
        self._stack.push_async_callback(self.schedule.close)
        webhooks = WebhookSender(self.settings, self.db, self.keyring)
        webhooks.start()
        self._stack.push_async_callback(webhooks.close)
        housekeeping = Housekeeping(self.settings, self.db, self.blobs)
        housekeeping.start()
        self._stack.push_async_callback(housekeeping.close)

    async def _recover(self) -> None:
        """Settle what a crash of this instance left behind."""
        runs = await self.db.write(run_store.fail_orphans, self.owner)
        results = await self.db.write(result_store.fail_orphans, self.owner)
        await self.db.write(job_store.requeue_owned, self.owner)
        await self.db.write(upload_store.release_all_claims)
        await self.db.write(sync_store.release_owned, self.owner)
        if self.db.changes is not None:  # nobody else may be receiving them
            await self.db.write(entry_store.forget_uploading, datetime.now(UTC))
        if runs or results:
            log.warning("engine.recovered", runs_failed=runs, results_failed=results)


def _identity_cache() -> TimedCache[K, V]:
    return TimedCache(keep_s=IDENTITY_CACHE_S, entries_max=_CACHE_ENTRIES_MAX)

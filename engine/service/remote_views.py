"""The part of ``information_schema`` that lists remote tables, as files that queries share.

A workspace may have tens of thousands of remote tables. Their rows are written to Parquet when they have
changed, and not again for every query that looks: a page then costs the same however many there are.
Whether they have changed is asked of the catalog, so other servers count as well. A file that is
superseded stays until no query can be about to open it.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4
from weakref import WeakValueDictionary

import pyarrow.parquet as pq

from catalog.store import connections as connection_store
from catalog.store import indexes as index_store
from catalog.store import remote_tables as table_store
from catalog.store.remote_tables import ListedTable
from engine.query.type_text import Column, read_columns
from engine.query.views import BASE_TABLE, VIEW_BUILDERS, Entry

if TYPE_CHECKING:
    from engine.service.context import Engine

_FILES_MAX = 64
_KEEP_S = 600.0
_GROUP_ROWS = 65_536
_PAGE_ROWS = 1024

_Generated = Mapping[str, Sequence[tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class _View:
    revision: tuple[int, ...]
    path: Path | None


class RemoteViews:
    """Files by workspace and view in a folder that workers may read; made when needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._views: OrderedDict[tuple[str, str], _View] = OrderedDict()
        self._superseded: deque[tuple[float, Path]] = deque()
        self._making: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def path(self, engine: "Engine", workspace_id: str, view: str) -> Path | None:
        """Return a Parquet file with the remote tables' rows of a view; None when there are none.

        Args:
            engine: open for serving.
            workspace_id: whose tables.
            view: ``tables``, ``columns`` or ``schemata``.
        """
        revision = await engine.db.read(connection_store.read_revision, workspace_id)
        kept = self._kept(workspace_id, view, revision)
        if kept is None:
            async with self._making.setdefault((workspace_id, view), asyncio.Lock()):
                kept = self._kept(workspace_id, view, revision)
                if kept is None:
                    kept = await self._make(engine, workspace_id, view, revision)
        return kept.path

    def _kept(self, workspace_id: str, view: str, revision: tuple[int, ...]) -> _View | None:
        kept = self._views.get((workspace_id, view))
        if kept is None or kept.revision != revision:
            return None
        self._views.move_to_end((workspace_id, view))
        return kept

    async def _make(
        self, engine: "Engine", workspace_id: str, view: str, revision: tuple[int, ...]
    ) -> _View:
        path = None
        if revision[0]:
            listed = await engine.db.read(table_store.list_named, workspace_id)
            generated = await engine.db.read(index_store.list_generated, workspace_id)
            if listed:
                path = self._folder / f"{view}-{uuid4().hex}.parquet"
                await asyncio.to_thread(_write, view, listed, generated, path)
        self._supersede((workspace_id, view))
        made = self._views[workspace_id, view] = _View(revision, path)
        if len(self._views) > _FILES_MAX:
            self._supersede(next(iter(self._views)))
        await asyncio.to_thread(_remove, self._take_old())
        return made

    def _supersede(self, key: tuple[str, str]) -> None:
        old = self._views.pop(key, None)
        if old is not None and old.path is not None:
            self._superseded.append((time.monotonic(), old.path))

    def _take_old(self) -> list[Path]:
        old = []
        while self._superseded and self._superseded[0][0] < time.monotonic() - _KEEP_S:
            old.append(self._superseded.popleft()[1])
        return old


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _write(view: str, listed: Sequence[ListedTable], generated: _Generated, path: Path) -> None:
    entries = [_entry_of(each) for each in listed]
    if view == "columns":
        entries = [
            replace(entry, columns=_columns_of(each, generated))
            for entry, each in zip(entries, listed, strict=True)
        ]
    rows = VIEW_BUILDERS[view](entries)
    # Small pages: who looks at a few rows should not decode thousands.
    pq.write_table(rows, path, compression="lz4", write_page_index=True, max_rows_per_page=1024)


def _entry_of(listed: ListedTable) -> Entry:
    table = listed.table
    return Entry(listed.connection, table.schema_name, table.table_name, BASE_TABLE, ())


def _columns_of(listed: ListedTable, generated: _Generated) -> tuple[Column, ...]:
    return read_columns(listed.table.read_schema_ipc, generated.get(listed.table.id, ()))

"""Makes one version of a dataset: the source's bytes become published Parquet files.

Nothing here writes the catalog: what is published counts only once somebody commits the returned
version. The trap: published files are not deleted when that commit fails, because a failed commit
may have happened after all (a lost answer); garbage collection finds the ones no row names.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from catalog.ids import IdKind, new_id
from catalog.model import DatasetVersion, StoredFile, Upload
from connectors.egress import EgressPolicy, fetch_to_file
from engine.datasets.compression import InputStream
from engine.datasets.load import guess_format
from engine.datasets.sources import InlineSource, UploadSource, UrlSource
from engine.service.context import Caller, Engine
from engine.service.queries import materialize
from engine.service.scratch import scratch_file, scratch_folder
from engine.workers.execution import Limits
from engine.workers.tasks import LoadTask

_HEAD_BYTES = 64

Report = Callable[[Mapping[str, int]], None]


@dataclass(frozen=True, slots=True)
class InputFile:
    """A local file to convert; ``columns`` is the source's explicit definition, if any."""

    path: Path
    format: str
    columns: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class UploadInput:
    """A claimed upload, and how the source wants it read."""

    upload: Upload
    source: UploadSource


@dataclass(frozen=True, slots=True)
class QueryInput:
    """The SQL text whose rows become the version."""

    sql: str


BuildInput = UploadInput | InlineSource | UrlSource | QueryInput


async def build_version(
    engine: Engine,
    caller: Caller,
    given: BuildInput,
    *,
    dataset_id: str,
    source_type: str,
    report: Report,
) -> DatasetVersion:
    """Convert the input and publish its files.

    Returns:
        The version to commit; its number is a placeholder, the catalog gives the real one.

    Raises:
        DataInvalid: the input is no table; further errors of the pool, the query or the egress door.
    """
    version_id = new_id(IdKind.DATASET_VERSION)
    async with (
        _opened(engine, caller, given, report) as file,
        scratch_folder(engine.blobs.stage()) as folder,
    ):
        loaded = await _convert(engine, caller, file, folder, report)
        files = [
            await _publish(engine, folder, part, f"datasets/{dataset_id}/{version_id}")
            for part in loaded["files"]
        ]
    return DatasetVersion(
        id=version_id,
        dataset_id=dataset_id,
        workspace_id=caller.workspace_id,
        version=1,
        source_type=source_type,
        files=tuple(files),
        schema_ipc=base64.b64decode(loaded["schema_ipc"]),
        sort_columns=tuple(loaded["sort_columns"]),
        row_count=loaded["row_count"],
        created_at=datetime.now(UTC),
    )


async def _convert(
    engine: Engine, caller: Caller, file: InputFile, folder: Path, report: Report
) -> dict[str, Any]:
    settings = engine.settings
    task = LoadTask(
        path=str(file.path),
        format=file.format,
        columns=file.columns,
        output_folder=str(folder),
        memory_limit_bytes=settings.load_memory_bytes,
    )
    return await engine.pool.run_task(
        caller.workspace_id,
        task,
        limits=Limits(settings.load_timeout_s, settings.load_memory_bytes),
        on_progress=report,
    )


async def _publish(
    engine: Engine, folder: Path, part: Mapping[str, Any], prefix: str
) -> StoredFile:
    key = f"{prefix}/{part['name']}"
    size_bytes = await engine.blobs.publish(folder / part["name"], key)
    return StoredFile(key, size_bytes, part["row_count"])


@asynccontextmanager
async def _opened(
    engine: Engine, caller: Caller, given: BuildInput, report: Report
) -> AsyncIterator[InputFile]:
    """Have the input as a local file; a file made for the purpose is removed afterwards."""
    if isinstance(given, UploadInput):
        yield await _uploaded(engine, given)
    elif isinstance(given, QueryInput):
        async with scratch_file(await materialize(engine, caller, given.sql)) as path:
            yield InputFile(path, "parquet", None)
    else:
        async with scratch_file(engine.blobs.stage()) as path:
            if isinstance(given, InlineSource):
                await asyncio.to_thread(path.write_text, given.content, "utf-8")
                yield InputFile(path, given.format.lower(), given.columns)
            else:
                yield await _fetched(engine, given, path, report)


async def _uploaded(engine: Engine, given: UploadInput) -> InputFile:
    path = await engine.blobs.local_path(given.upload.blob_key)
    source = given.source
    chosen = source.format or await _guess(path, given.upload.content_type, None)
    return InputFile(path, chosen.lower(), source.columns)


async def _fetched(engine: Engine, source: UrlSource, path: Path, report: Report) -> InputFile:
    settings = engine.settings
    policy = EgressPolicy(
        allow_private=settings.egress_allow_private,
        size_max_bytes=settings.egress_size_max_bytes,
        timeout_s=settings.egress_timeout_s,
        redirects_max=settings.egress_redirects_max,
    )

    def on_progress(size_bytes: int, total_bytes: int | None) -> None:
        known = {} if total_bytes is None else {"bytes_total": total_bytes}
        report({"bytes": size_bytes, **known})

    fetched = await fetch_to_file(source.url, path, policy, on_progress=on_progress)
    chosen = source.format or await _guess(path, fetched.content_type, fetched.final_name)
    return InputFile(path, chosen.lower(), source.columns)


async def _guess(path: Path, content_type: str | None, name: str | None) -> str:
    head = await asyncio.to_thread(_read_head, path)
    return guess_format(content_type, name, head)


def _read_head(path: Path) -> bytes:
    with InputStream(str(path)) as stream:
        return stream.read(_HEAD_BYTES)

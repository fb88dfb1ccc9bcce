"""What steps leave for one another: folders of files, kept in the blob store and laid out again."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from catalog.document_model import Entry
from engine.service.context import Engine
from engine.service.documents.stored import StoredBytes, store_made

Artifacts: TypeAlias = Mapping[str, str]
"""A kept folder: the blobs of its files by their names."""


async def keep_folder(
    engine: Engine, organization_id: str, entry: Entry, folder: Path
) -> tuple[StoredBytes, ...]:
    """Store the files of a folder by their names; they are gone from it afterwards."""
    paths = await asyncio.to_thread(_list, folder)
    return tuple([await store_made(engine, organization_id, entry, path) for path in paths])


def artifacts_of(kept: Iterable[StoredBytes]) -> Artifacts:
    """Return what another step needs to know of a kept folder."""
    return {each.file_name: each.blob_key for each in kept}


async def lay_out(engine: Engine, artifacts: Artifacts, folder: Path) -> None:
    """Make a folder with the kept files under their names; they must not be changed."""
    paths = await engine.blobs.local_paths(list(artifacts.values()))
    await asyncio.to_thread(_link, folder, dict(zip(artifacts, paths, strict=True)))


def _list(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.exists() else []


def _link(folder: Path, paths: Mapping[str, Path]) -> None:
    folder.mkdir()
    for name, path in paths.items():
        (folder / name).symlink_to(path)

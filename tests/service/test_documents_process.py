"""The process of one document: the same from task to task, a new one after a failure."""

import asyncio
import hashlib
import os
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from engine.documents.component_table import FETCH
from engine.documents.tasks import Document, StageTask
from engine.errors import DocumentInvalid, ResourceExhausted
from engine.service.context import Engine
from engine.service.documents.processes import DocumentProcess
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

_BYTES = b"# Tides\n\nSpring tides follow the full moon.\n"


@pytest.fixture
def document(engine: Engine) -> Document:
    path = engine.blobs.stage()
    path.write_bytes(_BYTES)
    return Document(str(path), "tides.md", "", hashlib.sha256(_BYTES).hexdigest())


def task_of(document: Document) -> StageTask:
    return StageTask(FETCH, {}, str(Path(document.path).parent), document)


async def sniff(
    process: DocumentProcess, document: Document, *, timeout_s: float = PATIENCE_S
) -> str:
    task = task_of(document)
    done = await process.run(task, timeout_s=timeout_s, report=lambda _progress: None)
    return str(done["media_type"])


async def test_a_process_is_kept_until_it_is_let_go(engine: Engine, document: Document) -> None:
    pool = await engine.documents.pool()
    async with engine.documents.process("w") as process:
        assert pool.counts["busy"] == 0
        for _ in range(2):
            assert await sniff(process, document) == "text/markdown"
            assert pool.counts["busy"] == 1
        await process.let_go()
        assert pool.counts["busy"] == 0
        assert await sniff(process, document) == "text/markdown"
    assert pool.counts["busy"] == 0


async def test_after_a_failure_there_is_a_new_process(engine: Engine, document: Document) -> None:
    other = Document(document.path, document.file_name, "", "0" * 64)
    endless = engine.blobs.stage()
    os.mkfifo(endless)  # whoever reads it waits for a writer, and nobody writes
    pool = await engine.documents.pool()
    async with engine.documents.process("w") as process:
        with pytest.raises(DocumentInvalid, match="SHA-256"):
            await sniff(process, other)
        assert pool.counts["busy"] == 0
        with pytest.raises(ResourceExhausted, match="longer than its limit"):
            await sniff(process, replace(document, path=str(endless)), timeout_s=0.5)
        endless.unlink()
        assert await sniff(process, document) == "text/markdown"


async def test_documents_that_are_read_leave_a_place_for_uploads(
    engine: Engine, document: Document
) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(engine.settings.document_processes):
            await sniff(await stack.enter_async_context(engine.documents.process("w")), document)
        async with asyncio.timeout(PATIENCE_S):
            done = await engine.documents.run(
                "w", task_of(document), timeout_s=PATIENCE_S, report=lambda _progress: None
            )
    assert done["media_type"] == "text/markdown"

"""The document process's main loop: take a task, do it, say END, until the parent hangs up.

It is a fresh fork for every document: one that harms its process harms nothing else. Whatever a task
raises becomes one FAILED frame.
"""

import importlib
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.abc import MetaPathFinder

from typing_extensions import override

from engine.documents.scans import ocr
from engine.documents.stages import run_stage
from engine.documents.tasks import StageTask, load_stage_task
from engine.embeddings import wordllama_local
from engine.errors import DocumentInvalid, EngineError, ResourceExhausted
from engine.workers.channel import Channel, ParentGone
from engine.workers.failures import dump_failure
from engine.workers.frames import Kind

_REPORT_S = 0.2
# Imported once, before the forks; what starts threads is opened by the task.
_READERS = (
    "figures.linking",
    "jats.extract",
    "jats.meca",
    "markup.plain",
    "markup.web_page",
    "pdf.extract",
    "scans.images",
    "word.extract",
)


class _WithoutPandas(MetaPathFinder):
    """pyarrow looks for pandas at the first array of a process, which takes a third of a second."""

    @override
    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


sys.meta_path.insert(0, _WithoutPandas())
for _name in _READERS:
    importlib.import_module(f"engine.documents.{_name}")
wordllama_local.load()
ocr.load("eng")


def serve(sock: socket.socket) -> None:
    """Answer tasks until the parent hangs up."""
    channel = Channel(sock)
    with suppress(ParentGone):
        channel.send(Kind.READY)
        channel.flush()
        while True:
            _, body = channel.receive()
            _answer(load_stage_task(body), channel)
            channel.send(Kind.END)
            channel.flush()


def _answer(task: StageTask, channel: Channel) -> None:
    try:
        channel.send_json(Kind.DONE, run_stage(task, _reporter(channel)))
    except ParentGone:
        raise
    except BaseException as error:  # noqa: BLE001 - also of native code; the parent hears of all
        channel.send_json(Kind.FAILED, dump_failure(_as_engine_error(error)))


def _as_engine_error(error: BaseException) -> EngineError:
    if isinstance(error, EngineError):
        return error
    if isinstance(error, MemoryError):
        return ResourceExhausted("The document needs more memory than its limit allows.")
    # A library's own text may hold anything of the file or of the machine.
    return DocumentInvalid(
        f"The document cannot be read ({type(error).__name__}): it may be damaged"
    )


def _reporter(channel: Channel) -> Callable[[int, int], None]:
    """Make what tells the parent how far it is, now and then."""
    told_at = 0.0

    def report(done: int, total: int) -> None:
        nonlocal told_at
        now = time.monotonic()
        if now - told_at > _REPORT_S:
            told_at = now
            channel.send_json(Kind.PROGRESS, {"done": done, "total": total})
            channel.flush()

    return report

"""The process that reads documents.

It is a fresh fork for every document: one that harms its process harms nothing else.
"""

import importlib
import socket

from engine.documents.scans import ocr
from engine.documents.stages import run_stage
from engine.documents.tasks import StageTask, load_stage_task
from engine.embeddings import wordllama_local
from engine.errors import DocumentInvalid, EngineError, ResourceExhausted
from engine.workers.channel import Channel
from engine.workers.frames import Kind
from engine.workers.task_loop import serve_tasks, sparse_report

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


for _name in _READERS:
    importlib.import_module(f"engine.documents.{_name}")
wordllama_local.load()
ocr.load("eng")


def serve(sock: socket.socket) -> None:
    """Do tasks until the parent hangs up."""
    channel = Channel(sock)

    def do(task: StageTask) -> None:
        report = sparse_report(channel)
        outcome = run_stage(task, lambda done, total: report(done=done, total=total))
        channel.send_json(Kind.DONE, outcome)

    serve_tasks(channel, load=load_stage_task, do=do, as_engine_error=_as_engine_error)


def _as_engine_error(error: BaseException) -> EngineError:
    if isinstance(error, EngineError):
        return error
    if isinstance(error, MemoryError):
        return ResourceExhausted("The document needs more memory than its limit allows.")
    # A library's own text may hold anything of the file or of the machine.
    return DocumentInvalid(
        f"The document cannot be read ({type(error).__name__}): it may be damaged"
    )

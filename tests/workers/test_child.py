"""The end of a worker that cannot even say why."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

from engine.workers.frames import Kind, frame
from engine.workers.tasks import QueryTask, ScanMode, dump_task
from tests.patience import PATIENCE_S

# A worker in which nothing can be sent any more once a task has begun.
_POOR = """
import socket, sys
from engine.workers import child
from engine.workers.channel import Channel

def refuse(*_):
    raise MemoryError

child._do = Channel.send_json = refuse
child.serve(socket.socket(fileno=int(sys.argv[1])))
"""


def test_a_worker_without_memory_for_its_last_words_aborts(tmp_path: Path) -> None:
    task = QueryTask(
        sql="SELECT 1",
        tables=(),
        default_catalog="datasets",
        default_schema="main",
        encoding="json",
        memory_bytes=1 << 28,
        spill_bytes=1 << 28,
        scan=ScanMode.SINGLE,
        persist_path=None,
        inline_bytes_max=0,
        rows_max=1,
        result_bytes_max=1,
        terms_max=None,
    )
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker = subprocess.Popen(
            [sys.executable, "-c", _POOR, str(theirs.fileno()), str(tmp_path)],
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        ours.settimeout(PATIENCE_S)
        assert ours.recv(5)[0] == Kind.READY
        ours.sendall(frame(Kind.TASK, dump_task(task)))
        assert worker.wait(PATIENCE_S) == -signal.SIGABRT

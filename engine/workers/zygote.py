"""The process that forks workers: everything they need imported once, nothing started yet.

A fork of it is warm in milliseconds, where a fresh interpreter needs most of a second. It must
stay single-threaded and must never touch DataFusion itself: the Tokio runtime does not survive a
fork. It confines itself before the first third-party import, so every worker is born confined.

Control socket (SEQPACKET): the server sends a request number with one file descriptor; the zygote
answers ``{"request", "pid"}``, and later ``{"pid", "status"}`` when that worker ended. End of stream means the
server is gone: the zygote exits and the kernel kills the workers.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from engine.workers import sandbox

# Planning recurses on the thread that plans: 10,000 terms kill an 8 MiB stack.
_STACK_BYTES = 256 * 1024 * 1024
_CHILDREN = {
    "query": "engine.workers.child",
    "source": "engine.sources.child",
    "document": "engine.documents.child",
}
# Names, certificates and services, and the sockets of local servers.
_OF_DRIVERS = ("/etc", "/usr/share", "/run", "/var/run", "/proc", "/sys", "/dev")


class _Without:
    """Finds no module that libraries import only when it is there: they take as long as all the others."""

    _names = frozenset({"pandas", "polars", "rich"})

    def find_spec(self, fullname: str, _path: object, _target: object = None, /) -> None:
        if fullname in self._names:
            raise ModuleNotFoundError(fullname)


def main() -> None:
    """Run: ``python -m engine.workers.zygote CONTROL_FD DATA_FOLDER query|source|document [READABLE…]``.

    A query worker has no sockets; of the data folder it reads what is stored. So does a document worker. A
    source worker has sockets, and of the data folder nothing but where it writes.
    """
    control = socket.socket(fileno=int(sys.argv[1]))
    data_folder, kind, readable = Path(sys.argv[2]), sys.argv[3], map(Path, sys.argv[4:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sandbox.die_with_parent()
    # Not the whole data folder: the catalog, the keys and the first API token lie there too.
    if kind == "source":
        stored = [*map(Path, _OF_DRIVERS), *readable]
    else:
        stored = [data_folder / "blobs", data_folder / "cache"]
    written = [data_folder / "staging"]
    if kind == "query":
        written.append(data_folder / "spill")
    if kind == "query":  # what looks at the machine when it is opened, and dies where it may not
        importlib.import_module("engine.pg_catalog.instance").open_instance()
    walls = sandbox.confine(
        readable=[*_interpreter_files(), *stored],
        writable=[*written, Path("/dev/null")],
        sockets=kind == "source",
    )
    child = import_child(kind)  # inside the walls, on purpose
    gc.collect()
    gc.freeze()  # pages shared with the workers stay shared
    control.send(json.dumps({"walls": walls}).encode())
    _serve(control, child.serve)


def import_child(kind: str) -> ModuleType:
    """Import what workers of a kind do, with all it needs."""
    sys.meta_path.insert(0, _Without())
    return importlib.import_module(_CHILDREN[kind])


def _interpreter_files() -> list[Path]:
    package_root = Path(__file__).resolve().parents[2]
    return [
        package_root / "engine",
        package_root / "catalog",
        package_root / "connectors",
        *(Path(entry) for entry in sys.path if entry and Path(entry) != package_root),
        *([package_root] if package_root.name in ("site-packages", "dist-packages") else []),
        Path(sys.prefix),
        Path(sys.base_prefix),
        *map(Path, ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib")),
        *map(Path, ("/usr/share/zoneinfo", "/etc/localtime", "/etc/ld.so.cache")),
        *map(Path, ("/dev/null", "/dev/urandom", "/proc/meminfo", "/proc/cpuinfo")),
        *map(Path, ("/proc/sys/vm/overcommit_memory", "/sys/devices/system/cpu")),
    ]


def _serve(control: socket.socket, work: Callable[[socket.socket], None]) -> None:
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(wake_write)
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(wake_read, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is control:
                    try:
                        message, descriptors, _, _ = socket.recv_fds(control, 16, 1)
                    except ConnectionError:
                        return
                    if not message:
                        return
                    pid = _fork(control, descriptors[0], work)
                    _tell(control, {"request": int(message), "pid": pid})
                else:
                    os.read(wake_read, 4096)
                    _report_ended(control)


def _fork(
    control: socket.socket, descriptor: int, work: Callable[[socket.socket], None]
) -> int | None:
    try:
        pid = os.fork()
    except OSError:  # no memory or no process ids; the workers there are go on
        os.close(descriptor)
        return None
    if pid:
        os.close(descriptor)
        return pid
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        sandbox.die_with_parent()
        control.close()
        threading.stack_size(_STACK_BYTES)
        thread = threading.Thread(target=work, args=(socket.socket(fileno=descriptor),))
        thread.start()
        threading.stack_size(0)  # of the one that plans only: each stack counts as private memory
        thread.join()
        status = 0
    finally:
        os._exit(status)


def _report_ended(control: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        code = os.waitstatus_to_exitcode(status)
        _tell(control, {"pid": pid, "status": code})


def _tell(control: socket.socket, event: dict[str, int | None]) -> None:
    with contextlib.suppress(OSError):  # the server is gone: the next read says so
        control.send(json.dumps(event).encode())


if __name__ == "__main__":
    main()

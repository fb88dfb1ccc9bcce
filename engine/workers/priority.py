"""Short queries go first: a worker that has run for a while gives way to the others.

Priorities belong to threads, and a new thread inherits its maker's. Raising a priority again needs
a privilege that the server may not have; then the worker is replaced instead of used again.
"""

import os
from pathlib import Path

_LOWERED = 10


def lower(pid: int) -> None:
    """Make every thread of a process give way to processes of normal priority."""
    _set(pid, _LOWERED)


def restore(pid: int) -> bool:
    """Give every thread of a process its normal priority back; False when that is not allowed."""
    return _set(pid, 0)


def _set(pid: int, niceness: int) -> bool:
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(thread.name), niceness)
    except (PermissionError, FileNotFoundError, ProcessLookupError):
        return False
    return True

"""Short queries go first: a worker that has run for a while gives way to the others.

Priorities belong to threads, and a new thread inherits its maker's. Raising a priority again needs
a privilege that the server may not have; then the worker is replaced instead of used again.
"""

import os
import resource
from contextlib import suppress
from functools import cache
from pathlib import Path

_LOWERED = 10
_NORMAL_LIMIT = 20  # of RLIMIT_NICE: niceness 0 and above
_CAP_SYS_NICE = 23


def lower(pid: int) -> None:
    """Make every thread of a process give way to processes of normal priority."""
    _set(pid, _LOWERED)


def restore(pid: int) -> bool:
    """Give every thread of a process its normal priority back; False when that is not allowed."""
    return _set(pid, 0)


@cache
def is_reversible() -> bool:
    """Tell whether this process may give a lowered worker its normal priority back."""
    most, _ = resource.getrlimit(resource.RLIMIT_NICE)
    if most == resource.RLIM_INFINITY or most >= _NORMAL_LIMIT:
        return True
    status = Path("/proc/self/status").read_text()
    (effective,) = (line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> _CAP_SYS_NICE & 1)


def _set(pid: int, niceness: int) -> bool:
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.setpriority(os.PRIO_PROCESS, int(thread.name), niceness)
    except (PermissionError, FileNotFoundError, ProcessLookupError):
        return False
    return True

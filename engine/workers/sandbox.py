"""Takes away from a worker what it never needs: sockets, other people's files, core dumps.

The SQL surface already refuses files and URLs. This is the wall behind it, for the bug nobody has
found yet. Resource limits always apply; seccomp and Landlock apply where the kernel has them, and
:func:`confine` returns what was applied so that the server can say so.

Call before the process starts a second thread: Landlock and seccomp bind a thread and what it
starts.
"""

import ctypes
import os
import platform
import resource
import signal
import struct
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2

# linux/seccomp.h and linux/bpf_common.h
_BPF_LD_W_ABS = 0x20
_BPF_JEQ_K = 0x15
_BPF_RET_K = 0x06
_SECCOMP_RET_ALLOW = 0x7FFF0000
_SECCOMP_RET_EPERM = 0x00050001

# machine -> (AUDIT_ARCH, __NR_socket)
_SOCKET_CALL = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}

# linux/landlock.h; the call numbers are the same on every architecture
_NR_LANDLOCK_CREATE_RULESET = 444
_NR_LANDLOCK_ADD_RULE = 445
_NR_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_RULE_PATH_BENEATH = 1
_ACCESS_EXECUTE = 1 << 0
_ACCESS_READ = (1 << 2) | (1 << 3)
_ACCESS_ALL_V1 = (1 << 13) - 1
_ACCESS_FILE_ONLY = (1 << 0) | (1 << 1) | (1 << 2)

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the one that forked it is gone."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def confine(
    *, readable: Sequence[Path], writable: Sequence[Path], sockets: bool = False
) -> list[str]:
    """Shut this process in.

    Args:
        readable: folders whose files may be read.
        writable: folders in which files may also be made, written and removed.
        sockets: whether new sockets may be made.

    Returns:
        Names of the walls that stand: always ``rlimit``, then ``seccomp`` and ``landlock`` where
        the kernel has them.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    walls = ["rlimit"]
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if _restrict_files(readable, writable):
        walls.append("landlock")
    if not sockets and _refuse_sockets():
        walls.append("seccomp")
    return walls


def _refuse_sockets() -> bool:
    """Make ``socket(2)`` fail with EPERM; open sockets go on working."""
    call = _SOCKET_CALL.get(platform.machine())
    if call is None:
        return False
    arch, number = call
    # seccomp_data: nr at 0, arch at 4. Another architecture's calls are refused too.
    program = [
        (_BPF_LD_W_ABS, 0, 0, 4),
        (_BPF_JEQ_K, 0, 3, arch),
        (_BPF_LD_W_ABS, 0, 0, 0),
        (_BPF_JEQ_K, 1, 0, number),
        (_BPF_RET_K, 0, 0, _SECCOMP_RET_ALLOW),
        (_BPF_RET_K, 0, 0, _SECCOMP_RET_EPERM),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    return bool(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) == 0)


def _restrict_files(readable: Sequence[Path], writable: Sequence[Path]) -> bool:
    attributes = struct.pack("Q", _ACCESS_ALL_V1)
    ruleset = _libc.syscall(_NR_LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return False
    try:
        for path in readable:
            _allow(ruleset, path, _ACCESS_READ | _ACCESS_EXECUTE)
        for path in writable:
            _allow(ruleset, path, _ACCESS_ALL_V1)
        return bool(_libc.syscall(_NR_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, access: int) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        access &= _ACCESS_FILE_ONLY
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", access, descriptor)
        _libc.syscall(_NR_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)

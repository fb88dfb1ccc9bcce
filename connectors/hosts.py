"""The door out for database drivers: which address a host may be connected at.

Drivers that can be told an address are given a judged one. Python drivers that resolve names
themselves are watched by :func:`guard_sockets`, for the life of the process, which is why sources
have processes of their own.
"""

import ipaddress
import socket
import sys
from pathlib import Path
from typing import Any

from connectors.addresses import may_connect
from connectors.errors import EgressRefused, SourceUnreachable

_REFUSAL = (
    "The host may not be reached from here: private addresses need TIDEMILL_EGRESS_ALLOW_PRIVATE"
)


def resolve_host(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Resolve a host to addresses that may be connected to, best first.

    Raises:
        EgressRefused: one of its addresses is forbidden.
        SourceUnreachable: the name does not resolve.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceUnreachable("The host name cannot be resolved") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not all(may_connect(address, allow_private=allow_private) for address in addresses):
        raise EgressRefused(_REFUSAL)
    return addresses


def check_socket_folder(folder: str, *, allow_private: bool) -> Path:
    """Return the folder of a Unix socket, which is as private as an address can be.

    Raises:
        EgressRefused: private addresses are not allowed.
        SourceUnreachable: there is no such folder.
    """
    if not allow_private:
        raise EgressRefused(_REFUSAL)
    path = Path(folder)
    if not path.is_dir():
        raise SourceUnreachable("There is no such socket folder")
    return path


def guard_sockets(*, allow_private: bool) -> None:
    """Judge every connection that Python code of this process makes from now on.

    There is no way back: call it in a process that is for one source. What a native library
    connects is not seen; its connector gives it a judged address.
    """

    def judge(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "socket.connect":
            return
        sock, address = arguments
        if sock.family not in {socket.AF_INET, socket.AF_INET6}:
            return
        try:
            ipaddress.ip_address(str(address[0]).partition("%")[0])
        except ValueError:
            raise EgressRefused(_REFUSAL) from None
        if not may_connect(str(address[0]), allow_private=allow_private):
            raise EgressRefused(_REFUSAL)

    sys.addaudithook(judge)

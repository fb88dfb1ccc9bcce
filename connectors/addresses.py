"""Which network addresses the service may connect to.

The invariant: an address is judged after resolution, in the form it will be connected to,
together with every IPv4 address embedded in it. So it does not matter how a host was spelled:
decimal, octal, hexadecimal, a name, a mapped form.
"""

import ipaddress
from typing import Final

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")

_NEVER: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # "this network": connects to the host itself
        "169.254.0.0/16",  # link-local, and the metadata service of most clouds
        "fe80::/10",
        "fec0::/10",  # site-local, deprecated
        "100.100.100.200/32",  # metadata: Alibaba
        "168.63.129.16/32",  # metadata: Azure, in public space
        "192.0.0.192/32",  # metadata: Oracle
        "fd00:ec2::254/128",  # metadata: AWS over IPv6
        "fd20:ce::254/128",  # metadata: Google over IPv6
        "192.88.99.0/24",  # 6to4 relays, deprecated
        "64:ff9b:1::/48",  # NAT64 for local use
        "100::/64",  # discard
        "::/128",
    )
)
"""Refused even where private addresses are allowed."""


def may_connect(address: str, *, allow_private: bool) -> bool:
    """Return whether an IP address may be connected to.

    Args:
        address: as a resolver gives it; an IPv6 scope is ignored.
        allow_private: private, loopback and carrier addresses are fine; link-local, metadata,
            multicast and reserved ones never are.

    >>> may_connect("10.0.0.1", allow_private=False), may_connect("10.0.0.1", allow_private=True)
    (False, True)
    >>> may_connect("169.254.169.254", allow_private=True)
    False
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    return all(_allowed(each, allow_private=allow_private) for each in _judged(ip))


def _judged(ip: IpAddress) -> tuple[IpAddress, ...]:
    """The addresses that decide: this one, or the IPv4 address that a gateway takes out of it."""
    if isinstance(ip, ipaddress.IPv4Address):
        return (ip,)
    if ip.ipv4_mapped is not None:
        return (ip.ipv4_mapped,)
    if ip in _NAT64:
        return (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF),)
    inside = (ip.sixtofour, *(ip.teredo or ()))
    return (ip, *(each for each in inside if each is not None))


def _allowed(ip: IpAddress, *, allow_private: bool) -> bool:
    if any(ip.version == network.version and ip in network for network in _NEVER):
        return False
    if ip.is_multicast or ip.is_unspecified or (ip.is_reserved and not ip.is_loopback):
        # ::1 lies in ::/8, which is reserved as a whole.
        return False
    return allow_private or ip.is_global

"""Which addresses and names stay on this machine. Pure."""

import ipaddress
from collections.abc import Iterable
from typing import Final

#: How Python's ``getaddrinfo`` is asked for a wildcard address: as "", or as None in words.
_WILDCARDS: Final = frozenset({"", "None"})
#: Names that resolve to this machine without asking anybody, in small letters.
NAMES: Final = ("localhost", "ip6-localhost", "ip6-loopback")
#: What the names end with that RFC 6761 section 6.3 keeps for loopback.
SUFFIXES: Final = (".localhost",)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def stays_here(host: str, own: Iterable[str] = ()) -> bool:
    """Whether a host (a name, or an address without its port) is this machine; ``own``: its further names."""
    if host in _WILDCARDS:
        return True
    address = _address(host)
    if address is not None:
        mapped = getattr(address, "ipv4_mapped", None) or address
        return bool(mapped.is_loopback or mapped.is_unspecified)
    name = host.lower().rstrip(".")
    return name in NAMES or name.endswith(SUFFIXES) or name in map(str.lower, own)


def asks_elsewhere(name: str, own: Iterable[str] = ()) -> bool:
    """Whether a look-up may ask another machine: nobody is asked for what is an address already."""
    return _address(name) is None and not stays_here(name, own)


def leaves_here(where: str, own: Iterable[str] = ()) -> bool:
    """Whether a connect went to another machine; ``where`` is "host:port", or the quoted path of a socket."""
    host = _host_of(where)
    return host is not None and not stays_here(host, own)


def is_port_here(where: str) -> bool:
    """Whether a connect went to a port of this machine."""
    host = _host_of(where)
    return host is not None and stays_here(host)


def _host_of(where: str) -> str | None:
    """The host of "host:port"; None for a socket of this machine's file system."""
    host, colon, port = where.rpartition(":")
    return host if colon and port.isdecimal() else None


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None

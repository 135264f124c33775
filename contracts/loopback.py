"""Which addresses and names stay on this machine. Pure."""

import ipaddress
from collections.abc import Iterable

#: Names that resolve to this machine without asking anybody; "None" and "" are how a wildcard is asked for.
_OWN_NAMES = frozenset({"", "None", "localhost", "ip6-localhost", "ip6-loopback"})


def stays_here(host: str, own: Iterable[str] = ()) -> bool:
    """Whether a host (a name, or an address without its port) is this machine; ``own``: its further names."""
    bare = host.strip("[]").partition("%")[0]
    if bare in _OWN_NAMES or bare in own or bare.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


def leaves_here(where: str, own: Iterable[str] = ()) -> bool:
    """Whether a connect went to another machine; ``where`` is "host:port", or the quoted path of a socket."""
    host, colon, port = where.rpartition(":")
    if not colon or not port.isdecimal():
        return False  # a socket of this machine's file system
    return not stays_here(host, own)

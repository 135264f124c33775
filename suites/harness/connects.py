"""Where the processes of a run connect to and which names they look up (clause REAL-01).

The backend's process is watched by its host, and its census tells. Over the process that runs the suites
there is the same watch here: an audit hook, which cannot be taken out again, so there is one, and it keeps
each address once.
"""

import socket
import sys
from typing import Final

from tgi_conformance.backends.driver.driver import Census
from tgi_conformance.contracts.verdict import Finding
from tgi_conformance.suites.harness.oracles import left_this_machine

_connects: Final[dict[str, None]] = {}
_lookups: Final[dict[str, None]] = {}
_hooked: Final[list[bool]] = []


def watch() -> None:
    """Begin to watch; a second call changes nothing."""
    if not _hooked:
        sys.addaudithook(_note)
        _hooked.append(True)


def watched() -> bool:
    """Whether the watch is on."""
    return bool(_hooked)


def connects() -> tuple[str, ...]:
    """Addresses connected to since the watch began, each once: "host:port", or a socket's quoted path."""
    return tuple(_connects)


def lookups() -> tuple[str, ...]:
    """Names looked up since the watch began, each once."""
    return tuple(_lookups)


def _note(event: str, args: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = args[1]
        _connects[f"{address[0]}:{address[1]}" if isinstance(address, tuple) else repr(address)] = None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = args[0]
        _lookups[host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)] = None


def own_names() -> tuple[str, ...]:
    """Names of this machine beside localhost."""
    return (socket.gethostname(),)


def of_process(census: Census) -> list[Finding]:
    """What the census of a backend's process says for REAL-01; nothing where the host cannot tell."""
    if census.connects is None:
        return []
    return left_this_machine(census.connects, census.lookups or (), own_names())

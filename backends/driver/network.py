"""Where a backend may go, as the driver tells its host."""

import socket
from functools import cache
from pathlib import Path
from typing import Final

from tgi_conformance.contracts.loopback import NAMES, SUFFIXES

#: The names that this machine resolves without asking anybody (hosts(5)).
_HOSTS: Final = Path("/etc/hosts")


@cache
def own_names(hosts: Path = _HOSTS) -> tuple[str, ...]:
    """Names of this machine beside localhost: its host name, and what the file of hosts calls it too."""
    name = socket.gethostname()
    try:
        lines = hosts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not every system has one
        lines = []
    entries = [line.partition("#")[0].split()[1:] for line in lines]
    aliases = [alias for names in entries if {name, "localhost"} & set(names) for alias in names]
    return tuple(dict.fromkeys((name, *aliases)))


def network_for(*, open_to_all: bool) -> dict[str, object]:
    """The member ``network`` of a hello: what is this machine, and whether a backend may leave it."""
    return {"open": open_to_all, "names": [*NAMES, *own_names()], "suffixes": list(SUFFIXES)}

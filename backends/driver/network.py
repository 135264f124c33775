"""Where a backend may go, as the driver tells its host."""

import socket

from tgi_conformance.contracts.loopback import NAMES, SUFFIXES


def own_names() -> tuple[str, ...]:
    """Names of this machine beside localhost."""
    return (socket.gethostname(),)


def network_for(*, open_to_all: bool) -> dict[str, object]:
    """The member ``network`` of a hello: what is this machine, and whether a backend may leave it."""
    return {"open": open_to_all, "names": [*NAMES, *own_names()], "suffixes": list(SUFFIXES)}

"""A port that takes no further connection and answers nothing, as behind a firewall that drops packets."""

import contextlib
import errno
import socket
from collections.abc import Iterator

from tgi_conformance.suites.harness.rulings import NotHere

#: Connections that fill the backlog of a listener of length 0, with some to spare.
_FILLERS = 16
#: How long to wait for a sign that the backlog has room after all (seconds).
_PEEK = 0.2


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """Give the base URL of a port whose backlog is full; further connections wait for ever.

    Raises :class:`NotHere` where the system refuses or takes them instead.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(_FILLERS):
            _fill(stack, address)
        if _takes(address):
            raise NotHere("this system takes connections beyond a full backlog")
        yield f"http://127.0.0.1:{address[1]}"


def _fill(stack: contextlib.ExitStack, address: tuple[str, int]) -> None:
    filler = stack.enter_context(socket.socket())
    filler.setblocking(False)  # noqa: FBT003 - the socket's own API
    if filler.connect_ex(address) not in (0, errno.EINPROGRESS):
        raise NotHere("this system refuses connections beyond a full backlog")


def _takes(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        probe.settimeout(_PEEK)
        try:
            probe.connect(address)
        except TimeoutError:
            return False
        except OSError as error:
            raise NotHere(f"this system refuses connections beyond a full backlog: {error}") from None
        return True

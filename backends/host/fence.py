"""The fence: what the backend's process reaches for beyond this machine is booked and refused at once.

It is an audit hook (PEP 578): it sees the look-ups, connects and datagrams of everything that goes through
Python's own socket module, in any thread and below any library. Native code with sockets of its own (uvloop,
pycares, pycurl, grpc) and processes that the backend starts are not seen.
"""

from __future__ import annotations

import _socket
import errno
import functools
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from .protocol import RECORDS_LIMIT, Message, now
from .watch import Records

WHY = "the conformance kit keeps a backend on loopback (--allow-network lets it out)"
_INTERNET = (socket.AF_INET, socket.AF_INET6)
#: An IPv4 address inside an IPv6 one (RFC 4291 section 2.5.5.2).
_MAPPED = bytes(10) + b"\xff\xff"


class Here:
    """What stays on this machine: loopback by its addresses, and the names that the driver tells."""

    def __init__(self, names: Iterable[str] = (), suffixes: Iterable[str] = ()) -> None:
        self._names = frozenset(name.lower() for name in names)
        self._suffixes = tuple(suffixes)

    def has(self, host: str) -> bool:
        """Whether a host, by name or address, is this machine."""
        packed = packed_address(host)
        if packed is not None:
            return _is_loopback(packed)
        name = host.lower().rstrip(".")
        return not name or name in self._names or name.endswith(self._suffixes)


def packed_address(host: str) -> bytes | None:
    """The bytes of an address; None for a name."""
    bare = host.strip("[]").partition("%")[0]
    for family in _INTERNET:
        try:
            return socket.inet_pton(family, bare)
        except (OSError, ValueError):
            continue
    return None


def _is_loopback(packed: bytes) -> bool:
    packed = packed.removeprefix(_MAPPED)
    if len(packed) == 4:
        return packed[0] == 127 or not any(packed)
    return not any(packed[:-1]) and packed[-1] <= 1


class Outside:
    """Attempts to reach beyond this machine, counted by what was tried and where to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], list[float]] = {}

    def add(self, what: str, where: str, *, times: int = 1, seconds: float = 0.0) -> None:
        """Count an attempt, or the seconds that one took."""
        with self._lock:
            if len(self._counts) < RECORDS_LIMIT or (what, where) in self._counts:
                count = self._counts.setdefault((what, where), [0, 0.0])
                count[0] += times
                count[1] += seconds

    def take(self, *, refused: bool) -> list[dict[str, Any]]:
        """Return what was counted, and start anew."""
        with self._lock:
            counts, self._counts = self._counts, {}
        return [
            {
                "what": what,
                "where": where,
                "times": int(times),
                "seconds": round(seconds, 6),
                "refused": refused,
            }
            for (what, where), (times, seconds) in counts.items()
        ]


class Fence:
    """Watches where this process goes, and refuses what is beyond this machine unless the driver opens it.

    An audit hook cannot be taken out again, so there is one for the whole process; it asks ``standing``.
    """

    standing: Fence | None = None
    hooked = False

    def __init__(self) -> None:
        self.connects = Records(distinct=True)
        self.lookups = Records(distinct=True)
        self.refuses = False
        self._here = Here()
        self._outside = Outside()
        self._replaced: list[tuple[Any, str, Any]] = []

    def stand(self, network: Message | None) -> None:
        """Begin, as the driver's hello says; nothing is refused where it says nothing."""
        network = network or {"open": True}
        self._here = Here(network.get("names", ()), network.get("suffixes", ()))
        self.refuses = not network["open"]
        Fence.standing = self
        if not Fence.hooked:
            sys.addaudithook(_audit)
            Fence.hooked = True
        self._replace(socket.socket, "connect", _named_first)
        self._replace(socket.socket, "sendto", _named_first)
        self._replace(socket.socket, "connect_ex", _errno_of_refusal)
        if not self.refuses:  # what is refused takes no time
            self._replace(_socket, "getaddrinfo", _timed)
            self._replace(socket, "gethostbyname", _timed)
            self._replace(socket, "gethostbyname_ex", _timed)

    def fall(self) -> None:
        """Let this process go where it likes, unwatched."""
        if Fence.standing is self:
            Fence.standing = None
        while self._replaced:
            owner, name, own = self._replaced.pop()
            if own is None:
                delattr(owner, name)
            else:
                setattr(owner, name, own)

    @property
    def kind(self) -> str:
        """Which fence stands, in the protocol's words."""
        return "audit-hook" if self.refuses else "none"

    def outside(self) -> list[dict[str, Any]]:
        """Return the attempts to reach beyond this machine since the last time."""
        return self._outside.take(refused=self.refuses)

    def look_up(self, host: Any) -> None:
        """Book a look-up; raises ``socket.gaierror`` where another machine would be asked."""
        name = _text(host)
        self.lookups.add(name)
        if packed_address(name) is None and host is not None and not self._here.has(name):
            self._refuse_question(name)

    def look_up_name_of(self, host: Any) -> None:
        """Book a look-up of an address's name, or of a name and its aliases."""
        address = _text(host)
        if packed_address(address) is None:
            self.look_up(host)
        elif not self._here.has(address):
            self.lookups.add(f"name of {address}")
            self._refuse_question(f"name of {address}")

    def go(self, sock: socket.socket, address: Any) -> None:
        """Book a connect or a datagram; raises OSError where it goes to another machine."""
        if address is None:  # along a connection
            return
        if sock.family not in _INTERNET or not isinstance(address, tuple):
            self.connects.add(repr(address))
            return
        host = _text(address[0])
        where = f"{host}:{address[1]}"
        self.connects.add(where)
        if not self._here.has(host):
            self._outside.add("connect", where)
            if self.refuses:
                raise OSError(errno.ENETUNREACH, f"Network is unreachable: {WHY}")

    def resolve_first(self, sock: socket.socket, address: Any) -> None:
        """Book the look-up that a socket makes itself: the interpreter resolves before it audits."""
        if sock.family in _INTERNET and isinstance(address, tuple) and address:
            name = _text(address[0])
            if packed_address(name) is None:
                self.look_up(name)

    def spend(self, host: Any, seconds: float) -> None:
        """Add the seconds that a look-up took, if another machine may have been asked."""
        name = _text(host)
        if packed_address(name) is None and host is not None and not self._here.has(name):
            self._outside.add("lookup", name, times=0, seconds=seconds)

    def _refuse_question(self, name: str) -> None:
        self._outside.add("lookup", name)
        if self.refuses:
            raise socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {WHY}")

    def _replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        self._replaced.append((owner, name, vars(owner).get(name)))
        setattr(owner, name, make(getattr(owner, name)))


def _text(host: Any) -> str:
    return bytes(host).decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else str(host)


#: Audit event -> what is done with its arguments (https://docs.python.org/3/library/audit_events.html).
_EVENTS: dict[str, Callable[[Fence, Any], None]] = {
    "socket.connect": lambda fence, args: fence.go(args[0], args[1]),
    "socket.sendto": lambda fence, args: fence.go(args[0], args[1]),
    "socket.sendmsg": lambda fence, args: fence.go(args[0], args[1]),
    "socket.getaddrinfo": lambda fence, args: fence.look_up(args[0]),
    "socket.gethostbyname": lambda fence, args: fence.look_up(args[0]),
    "socket.gethostbyaddr": lambda fence, args: fence.look_up_name_of(args[0]),
    "socket.getnameinfo": lambda fence, args: fence.look_up_name_of(args[0][0]),
}


def _audit(event: str, args: tuple[Any, ...]) -> None:
    # Called for each import, open file and the like: one look-up in a table decides.
    handle = _EVENTS.get(event)
    if handle is not None and Fence.standing is not None:
        handle(Fence.standing, args)


def _named_first(plain: Any) -> Any:
    """``connect`` or ``sendto`` that has a name looked at before the interpreter resolves it."""

    @functools.wraps(plain)
    def method(self: socket.socket, *args: Any) -> Any:
        if Fence.standing is not None and args:
            Fence.standing.resolve_first(self, args[-1])
        return plain(self, *args)

    return method


def _errno_of_refusal(plain: Any) -> Any:
    """``connect_ex`` that gives the refusal as a number: an audit hook can only raise."""
    named = _named_first(plain)

    @functools.wraps(plain)
    def method(self: socket.socket, *args: Any) -> Any:
        try:
            return named(self, *args)
        except OSError as error:
            if error.errno == errno.ENETUNREACH:
                return error.errno
            raise

    return method


def _timed(plain: Any) -> Any:
    """A look-up whose seconds are counted."""

    @functools.wraps(plain)
    def look_up(host: Any, *args: Any, **more: Any) -> Any:
        began = now()
        try:
            return plain(host, *args, **more)
        finally:
            if Fence.standing is not None:
                Fence.standing.spend(host, now() - began)

    return look_up

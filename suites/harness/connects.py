"""Where the processes of a run connect to and which names they look up (clause REAL-01).

The backend's process is watched by its host, and each census tells. Over the process that runs the suites
there is the same watch here: an audit hook, which cannot be taken out again, so there is one, and it keeps
each address once.
"""

import sys
from typing import Final

from tgi_conformance.backends.driver.driver import Driver, Went
from tgi_conformance.backends.driver.network import own_names
from tgi_conformance.contracts.verdict import Finding
from tgi_conformance.suites.harness.oracles import left_this_machine
from tgi_conformance.suites.harness.session import CaseRecord

#: What REAL-01 says of a host that does not tell where the backend goes.
NOT_WATCHED: Final = "the host does not watch {}, so nobody knows whether the backend left this machine"
OPENED: Final = "--allow-network was given, so the backend may leave this machine"

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


def note_where_it_went(driver: Driver, record: CaseRecord) -> None:
    """Put into a case's record what the censuses of a backend's process say for REAL-01."""
    went = driver.went()
    record.outside += [attempt for each in went for attempt in each.outside]
    if driver.spec.allow_network:
        record.findings.append(_undecided(OPENED))
    elif went:
        record.findings += _judged(went)


def _judged(went: list[Went]) -> list[Finding]:
    unwatched = [
        what
        for what, seen in (
            ("connects", any(each.connects is not None for each in went)),
            ("look-ups", any(each.lookups is not None for each in went)),
        )
        if not seen
    ]
    findings = left_this_machine(
        dict.fromkeys(where for each in went for where in each.connects or ()),
        dict.fromkeys(name for each in went for name in each.lookups or ()),
        own_names(),
    )
    if unwatched and not any(finding.breach for finding in findings):
        return [_undecided(NOT_WATCHED.format(" and ".join(unwatched)))]
    return findings


def _undecided(why: str) -> Finding:
    return Finding(clause="REAL-01", message=why, breach=False, looked=False)

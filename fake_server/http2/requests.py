"""A request from the field list of an HTTP/2 stream, without I/O.

What is malformed is the h2 crate's judgement (RFC 9113, section 8.2 and 8.3): it ends the stream, not the
connection. The library's own checks end the connection, so they are turned off.
"""

import re
from collections.abc import Sequence
from typing import Final

from tgi_conformance.fake_server.http.parsing import Request

VERSION: Final = "2"
MAX_HEADER_LIST: Final = 16_384
"""hyper's SETTINGS_MAX_HEADER_LIST_SIZE: names and values, and 32 bytes for each field."""

_FIELD_OVERHEAD: Final = 32
_NAME: Final = re.compile(rb":?[!#$%&'*+.^_`|~0-9a-z-]+")
_BAD_VALUE: Final = re.compile(rb"[\x00\r\n]")
_PSEUDO: Final = frozenset({b":method", b":scheme", b":path", b":authority", b":protocol"})
_FORBIDDEN: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)

Fields = Sequence[tuple[bytes, bytes]]


def list_size(fields: Fields) -> int:
    """The size of a field list as SETTINGS_MAX_HEADER_LIST_SIZE counts it."""
    return sum(len(name) + len(value) + _FIELD_OVERHEAD for name, value in fields)


def malformed(fields: Fields) -> str | None:
    """What makes a field list no request; None where it is one."""
    seen: set[bytes] = set()
    regular = False
    for name, value in fields:
        problem = _bad_field(name, value)
        if problem is not None:
            return problem
        if name.startswith(b":"):
            if regular or name in seen:
                return f"{name!r} comes twice or after other fields"
            seen.add(name)
        else:
            regular = True
    return _bad_pseudo(seen, dict(fields))


def _bad_field(name: bytes, value: bytes) -> str | None:
    if not _NAME.fullmatch(name):
        return f"{name[:100]!r} is no field name"
    if _BAD_VALUE.search(value):
        return f"the value of {name!r} holds a line end or a null"
    if name.startswith(b":") and name not in _PSEUDO:
        return f"{name!r} is no pseudo-header of a request"
    if name in _FORBIDDEN or (name == b"te" and value != b"trailers"):
        return f"{name!r} has no place in HTTP/2"
    return None


def _bad_pseudo(seen: set[bytes], first: dict[bytes, bytes]) -> str | None:
    wanted = {b":method"} if first.get(b":method") == b"CONNECT" else {b":method", b":scheme", b":path"}
    missing = wanted - seen
    if missing:
        return f"without {b', '.join(sorted(missing)).decode()}"
    if not re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+", first[b":method"]):
        return f"{first[b':method'][:100]!r} is no method"
    if b":path" in seen and not first[b":path"]:
        return "an empty :path"
    return None


def request_from(fields: Fields, at: float) -> Request:
    """The request of a well-formed field list that came at monotonic time ``at``; its body is to follow.

    ``head`` is the list as it was received, a line a field, pseudo-headers first; ``headers`` are the other
    fields, with a ``host`` made of ``:authority`` where there is none (RFC 9113, section 8.3.1).
    """
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]
    head = "".join(f"{name}: {value}\r\n" for name, value in pairs) + "\r\n"
    pseudo = {name: value for name, value in pairs if name.startswith(":")}
    headers = [(name, value) for name, value in pairs if not name.startswith(":")]
    if ":authority" in pseudo and all(name != "host" for name, _ in headers):
        headers.insert(0, ("host", pseudo[":authority"]))
    first: dict[str, str] = {}
    for name, value in headers:
        first.setdefault(name, value)
    return Request(
        method=pseudo[":method"],
        target=pseudo.get(":path", pseudo.get(":authority", "")),
        version=VERSION,
        headers=tuple(headers),
        head=head.encode("latin-1"),
        first_byte_at=at,
        first=first,
    )

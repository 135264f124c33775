"""Headers that the caller gives: checked, and laid over the client's own. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from tgi_conformance.backends.reference.errors import InvalidArgumentError

#: Headers that this client sets by itself or that frame the message: a second word on them is refused.
_RESERVED: Final = frozenset(
    {
        "accept-encoding",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-request-id",
    }
)
#: RFC 9110, 5.6.2 (a token) and 5.5 (visible ASCII, with blanks and tabs between).
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"(?:[!-~](?:[ -~\t]*[!-~])?)?")


def checked_headers(given: Mapping[str, str] | None) -> dict[str, str]:
    """Return a copy of the caller's headers; raises ``InvalidArgumentError`` for what cannot be sent.

    The message names the header and never shows its value, which may be a credential.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidArgumentError("headers must be a mapping of names to values")
    for name, value in given.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidArgumentError(f"{name!r:.60} is no name of a header")
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise InvalidArgumentError(
                f"the header {name} has a value with line ends, control characters or blanks at its ends"
            )
        if name.lower() in _RESERVED:
            raise InvalidArgumentError(f"the header {name} is set by this client")
    if len({name.lower() for name in given}) != len(given):
        raise InvalidArgumentError("headers name one header twice, in other case")
    return dict(given)


def merged(own: Mapping[str, str], *given: Mapping[str, str]) -> dict[str, str]:
    """Return the client's own headers with the caller's; the last word on a name counts, in any case."""
    found = dict(own)
    for headers in given:
        told = {name.lower() for name in headers}
        found = {name: value for name, value in found.items() if name.lower() not in told} | dict(headers)
    return found

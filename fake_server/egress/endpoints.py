"""The real endpoints of a run, as the egress is told of them: addresses, keys, further headers, bounds."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tgi_conformance.fake_server.egress.budget import MAX_REQUESTS, MAX_TOKENS, TOKENS_A_REQUEST


@dataclass(frozen=True, slots=True, kw_only=True)
class RealEndpoint:
    """One endpoint; ``key`` is empty where there is none."""

    url: str
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What an egress is to do: the line of JSON that it is started with."""

    token: str = field(repr=False)
    endpoints: tuple[RealEndpoint, ...]
    #: Further headers of each request, for a gateway before the endpoint.
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    cacert: Path | None = None
    max_requests: int = MAX_REQUESTS
    max_tokens: int = MAX_TOKENS
    tokens_a_request: int = TOKENS_A_REQUEST
    #: Exchanges at a time.
    concurrency: int = 4
    #: Nothing is sent: what would be is counted.
    dry_run: bool = False

    @property
    def secrets(self) -> Mapping[str, str]:
        """Alias -> each value that must not come back: keys, and the values of the further headers."""
        keys = {
            alias_of(number): endpoint.key for number, endpoint in enumerate(self.endpoints) if endpoint.key
        }
        return keys | {f"header:{name}": value for name, value in self.headers if len(value) > _LEAST}

    def to_line(self) -> str:
        """The line."""
        value = {
            "token": self.token,
            "endpoints": [{"url": each.url, "key": each.key} for each in self.endpoints],
            "headers": [list(pair) for pair in self.headers],
            "cacert": None if self.cacert is None else str(self.cacert),
            "max_requests": self.max_requests,
            "max_tokens": self.max_tokens,
            "tokens_a_request": self.tokens_a_request,
            "concurrency": self.concurrency,
            "dry_run": self.dry_run,
        }
        return json.dumps(value)


#: A shorter value is no secret, and would be found where it stands by chance.
_LEAST = 6
#: Name of a header (RFC 9110).
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def alias_of(number: int) -> str:
    """The alias of the endpoint with that number, counted from 0."""
    return chr(ord("A") + number)


def number_of(alias: str, count: int) -> int | None:
    """Which of ``count`` endpoints an alias stands for: they are taken in turn; None: it is no alias."""
    if len(alias) != 1 or not "A" <= alias <= "Z":
        return None
    return (ord(alias) - ord("A")) % count


def header_of(text: str) -> tuple[str, str]:
    """Name and value of a header that an option gives; raises ValueError, which shows no value."""
    name, colon, value = text.partition(":")
    if not colon or _TOKEN.fullmatch(name.strip()) is None or {"\r", "\n", "\0"} & set(value):
        raise ValueError("--header: NAME: VALUE is needed, as --header 'x-gateway-token: …'")
    return name.strip(), value.strip()


def orders_of(line: str) -> Orders:
    """Read the line; raises ValueError, which shows nothing of it."""
    try:
        value = json.loads(line)
        cacert = value.pop("cacert")
        endpoints = tuple(RealEndpoint(**each) for each in value.pop("endpoints"))
        headers = tuple((str(name), str(text)) for name, text in value.pop("headers"))
        made = Orders(
            endpoints=endpoints, headers=headers, cacert=Path(cacert) if cacert is not None else None, **value
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError("egress: a line of JSON with its orders is needed on standard input") from None
    if not made.endpoints:
        raise ValueError("egress: no endpoint is named")
    return made

"""The settings of one endpoint: checked once, frozen, with the key masked."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

import httpx

from tgi_conformance.backends.reference.errors import InvalidArgumentError
from tgi_conformance.backends.reference.own_headers import checked_headers

CONNECT_TIMEOUT: Final = 10.0
READ_TIMEOUT: Final = 120.0
"""Seconds of silence: TGI sends a comment every 15 s on a stream, and nothing while it works on
a whole answer."""
TOTAL_TIMEOUT: Final = 600.0
"""Seconds for a whole answer, however it drips; a stream has no total unless a deadline is set."""
SPARE_CONNECTIONS: Final = 2

NativeRoute = Literal["/generate", "/"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """What ``create_endpoint`` takes. Times are seconds.

    ``base_url`` may carry a path prefix, a trailing slash and a ``/v1`` at its end.
    ``timeout`` bounds connecting, silence and sending, each. ``pool_size`` bounds the open
    connections; if it is smaller than ``max_concurrent_requests`` it is the cap.
    With ``queue_enabled=False`` a call over the cap is refused instead of waiting.
    ``max_retry_delay`` caps the client's own waits, ``max_retry_after`` says how long a wait that
    the server asks for is obeyed before the call gives up instead.
    After ``breaker_failures`` failed calls in a row (0: never) calls are held back for
    ``breaker_delay``, then one is let through as a probe.
    ``headers`` go out with every request; like the key, their values are not shown.
    """

    base_url: str
    api_key: str | None = field(default=None, repr=False)
    model: str | None = None
    max_concurrent_requests: int = 16
    queue_size: int = 1000
    queue_enabled: bool = True
    max_retries: int = 3
    initial_retry_delay: float = 0.5
    backoff_factor: float = 2.0
    max_retry_delay: float = 60.0
    max_retry_after: float = 120.0
    timeout: float | None = None
    pool_size: int | None = None
    breaker_failures: int = 0
    breaker_delay: float = 30.0
    native_route: NativeRoute = "/generate"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        _check_whole("max_concurrent_requests", self.max_concurrent_requests, least=1)
        _check_whole("queue_size", self.queue_size, least=0)
        _check_whole("max_retries", self.max_retries, least=0)
        _check_number("initial_retry_delay", self.initial_retry_delay, least=0.0)
        _check_number("backoff_factor", self.backoff_factor, least=1.0)
        _check_number("max_retry_delay", self.max_retry_delay, least=0.0)
        _check_number("max_retry_after", self.max_retry_after, least=0.0)
        _check_whole("breaker_failures", self.breaker_failures, least=0)
        _check_number("breaker_delay", self.breaker_delay, least=0.0)
        if self.pool_size is not None:
            _check_whole("pool_size", self.pool_size, least=1)
        if self.timeout is not None:
            check_seconds("timeout", self.timeout)
        if not isinstance(self.queue_enabled, bool):
            raise InvalidArgumentError("queue_enabled must be true or false")
        if self.model is not None and (not isinstance(self.model, str) or not self.model):
            raise InvalidArgumentError("model must be a name, or None")
        if self.native_route not in ("/generate", "/"):
            raise InvalidArgumentError("native_route must be '/generate' or '/'")
        # An empty variable in an environment means "no key", not "the empty key".
        key = None if self.api_key is None or not self.api_key.strip(" ") else self.api_key
        if key is not None and not _is_token(key):
            raise InvalidArgumentError(
                "api_key must be visible ASCII without blanks, line ends or control characters"
            )
        object.__setattr__(self, "api_key", key)
        object.__setattr__(self, "headers", MappingProxyType(checked_headers(self.headers)))
        object.__setattr__(self, "base_url", _server_root(self.base_url))

    @property
    def cap(self) -> int:
        """How many requests may be on the wire at one time."""
        if self.pool_size is None:
            return self.max_concurrent_requests
        return min(self.max_concurrent_requests, self.pool_size)

    @property
    def connections(self) -> int:
        """How many connections may be open."""
        return self.pool_size or self.max_concurrent_requests + SPARE_CONNECTIONS

    @property
    def waiting_room(self) -> int:
        """How many calls may wait for a slot."""
        return self.queue_size if self.queue_enabled else 0

    def url(self, route: str) -> str:
        """Return the URL of ``route``, which begins with a slash."""
        return self.base_url + route

    def redact(self, text: str) -> str:
        """Return ``text`` with the key, which a server may echo, taken out."""
        return text.replace(self.api_key, "***") if self.api_key else text


def _server_root(base_url: str) -> str:
    """Return the URL without trailing slashes and without the ``/v1`` that some callers add."""
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError) as error:
        raise InvalidArgumentError(f"base_url is not a URL: {error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidArgumentError("base_url must begin with http:// or https:// and a host")
    if url.userinfo:
        raise InvalidArgumentError("base_url must hold no credentials: pass api_key instead")
    if url.query or url.fragment:
        raise InvalidArgumentError("base_url must hold no query and no fragment")
    root = str(url).rstrip("/")
    return root.removesuffix("/v1").rstrip("/")


def _is_token(text: str) -> bool:
    return all("!" <= character <= "~" for character in text)


def _check_whole(name: str, value: int, *, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InvalidArgumentError(f"{name} must be a whole number, {least} or more: {value!r}")


def _check_number(name: str, value: float, *, least: float) -> None:
    if not _is_number(value) or value < least:
        raise InvalidArgumentError(f"{name} must be a finite number, {least:g} or more: {value!r}")


def check_seconds(name: str, value: float) -> None:
    """Refuse what is not a finite number of seconds above 0."""
    if not _is_number(value) or value <= 0:
        raise InvalidArgumentError(f"{name} must be a finite number of seconds above 0: {value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)

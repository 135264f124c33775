"""A circuit breaker of one endpoint: closed, open, half-open with one probe. Pure; times are given.

It is off unless ``breaker_failures`` is set. So many failed calls in a row open it; calls are then refused at
once for ``breaker_delay`` seconds. After that one call is let through as a probe: it closes the breaker by an
answer of the server, or opens it again by a failure. What blames the caller is such an answer.
"""

from dataclasses import dataclass
from typing import Literal

from tgi_conformance.backends.reference.errors import (
    CircuitOpenError,
    RateLimitError,
    RequestTimeoutError,
    StatusError,
    TGIError,
    TransportError,
)
from tgi_conformance.backends.reference.settings import EndpointSettings

_SERVER_ERRORS = 500

Pass = Literal["off", "closed", "probe"]
"""How a call got past the breaker."""


@dataclass(slots=True)
class Breaker:
    """The state of one endpoint's breaker."""

    _failures: int = 0
    _opened_at: float | None = None
    _probing: bool = False

    def enter(self, settings: EndpointSettings, now: float) -> Pass:
        """Let a call pass, or raise ``CircuitOpenError``; each pass is ended by :meth:`leave`."""
        if settings.breaker_failures == 0:
            return "off"
        if self._opened_at is None:
            return "closed"
        left = self._opened_at + settings.breaker_delay - now
        if left > 0 or self._probing:
            told = f"for {left:.1f} s more" if left > 0 else "until its probe has ended"
            raise CircuitOpenError(f"the endpoint failed {self._failures} times in a row; held back {told}")
        self._probing = True
        return "probe"

    def leave(self, how: Pass, error: BaseException | None, settings: EndpointSettings, now: float) -> None:
        """Note how a call ended that was let pass; ``error``: None where it succeeded."""
        if how == "off":
            return
        if how == "probe":
            self._probing = False
        if error is not None and blames_server(error):
            self._failures += 1
            if how == "probe" or self._failures >= settings.breaker_failures:
                self._opened_at = now
        elif error is None or isinstance(error, StatusError):
            self._failures, self._opened_at = 0, None


def blames_server(error: BaseException) -> bool:
    """Whether a failure says that the server is ill: 429, 5xx, silence, a broken connection."""
    if isinstance(error, RequestTimeoutError):
        return error.phase != "total"  # that one is the caller's own
    if isinstance(error, RateLimitError | TransportError):
        return True
    status = error.status if isinstance(error, TGIError) else None
    return isinstance(error, StatusError) and status is not None and status >= _SERVER_ERRORS

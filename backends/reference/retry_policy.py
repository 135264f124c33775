"""Which failures are worth another attempt, and how long to wait before it. Pure.

Two tables and one formula. Wait k (k = 0 before the second attempt) is drawn evenly from
``JITTER`` times ``min(cap, initial * factor**k)``, and never goes above the cap. A Retry-After
is a lower bound on top of that; one that is too long ends the call instead of being cut short.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tgi_conformance.backends.reference.errors import (
    OverloadedError,
    StatusError,
    TGIError,
    TransportError,
    TransportFault,
)
from tgi_conformance.backends.reference.settings import EndpointSettings

RETRYABLE_STATUSES: Final = frozenset({429, 502, 503, 504})
"""Refusals and gateway troubles that pass. Not 424 and 500: there the model itself failed, and
the same prompt may well fail it again."""

RETRYABLE_FAULTS: Final[frozenset[TransportFault]] = frozenset({"refused", "reset", "closed"})
"""Connections that broke before any answer. Not a timeout: the model may be at work still."""

JITTER: Final = (0.75, 1.25)

Draw = Callable[[float, float], float]
"""Draws a number between two bounds, as ``random.uniform`` does."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """The waits of one endpoint's settings. Delays are seconds."""

    initial: float
    factor: float
    cap: float

    @classmethod
    def of(cls, settings: EndpointSettings) -> "Backoff":
        """Return the backoff that ``settings`` ask for."""
        return cls(settings.initial_retry_delay, settings.backoff_factor, settings.max_retry_delay)

    def step(self, k: int) -> float:
        """Return ``min(cap, initial * factor**k)`` without overflow."""
        if self.initial == 0:
            return 0.0
        try:
            return min(self.cap, self.initial * self.factor**k)
        except OverflowError:
            return self.cap

    def bounds(self, k: int) -> tuple[float, float]:
        """Return the shortest and the longest wait k."""
        step = self.step(k)
        return JITTER[0] * step, min(JITTER[1] * step, self.cap)


def is_retryable(error: TGIError) -> bool:
    """Tell whether another attempt can help, provided that no output was handed out."""
    if isinstance(error, OverloadedError):
        return True
    if isinstance(error, StatusError):
        return error.status in RETRYABLE_STATUSES
    return isinstance(error, TransportError) and error.fault in RETRYABLE_FAULTS


def wait_before_retry(
    error: TGIError,
    *,
    failures: int,
    settings: EndpointSettings,
    remaining: float,
    draw: Draw,
) -> float | None:
    """Return the seconds to wait before the next attempt, or ``None`` to give up.

    ``failures`` counts the failed attempts of this call, 1 or more; ``remaining`` is the time to
    the deadline (``inf``: none). A wait that would reach past the deadline is not begun.
    """
    if failures > settings.max_retries or not is_retryable(error):
        return None
    backoff = Backoff.of(settings)
    low, high = backoff.bounds(failures - 1)
    wait = draw(low, high)
    if error.retry_after is not None:
        if error.retry_after > settings.max_retry_after:
            return None
        # Clients that were told the same figure must not come back in the same instant.
        spread = (JITTER[1] - 1) * backoff.step(failures - 1)
        wait = max(wait, error.retry_after + draw(0.0, spread))
    elif error.estimated_time is not None and math.isfinite(error.estimated_time):
        wait = max(wait, min(error.estimated_time, settings.max_retry_delay))
    return wait if wait < remaining else None


def key_block(error: TGIError) -> float | None:
    """Return for how many seconds a refusal speaks against using its key, if it says so."""
    return error.retry_after if isinstance(error, StatusError) and is_retryable(error) else None

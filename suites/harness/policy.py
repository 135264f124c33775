"""The expected retry behaviour, computed from what the adapter declares. Pure.

A field that is not declared binds nothing beyond the rules that need no policy (design, section 4).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tgi_conformance.contracts.adapter import Breaker, Description, RetryPolicy

#: Statuses that the same request meets again: never retried (RETRY-03).
PERMANENT: Final = (400, 401, 402, 403, 404, 405, 406, 410, 411, 413, 414, 415, 417, 422, 431, 451)
#: With nothing declared no call may make more attempts than this.
ATTEMPTS_UNDECLARED: Final = 10
#: How far above its nominal length a wait may be where the jitter is not declared.
JITTER_UNDECLARED: Final = 1.5
#: How early an attempt may come against the clock (seconds): timer grain and scheduling.
EARLY: Final = 0.005


def in_seconds(gaps: Iterable[float]) -> str:
    """Waits between attempts, in words."""
    return "waits of " + ", ".join(f"{gap:.3f}" for gap in gaps) + " s"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySettings:
    """The retry settings of one endpoint as given to ``create_endpoint``; None: not given. Seconds."""

    max_retries: int | None = None
    initial_retry_delay: float | None = None
    backoff_factor: float | None = None
    max_retry_delay: float | None = None


def effective(description: Description, given: RetrySettings) -> RetryPolicy:
    """The policy of an endpoint: what was given where the backend takes it, else what it declares."""
    declared = description.retry or RetryPolicy()
    takes = description.settings

    def pick(name: str, value: object, default: object) -> object:
        return value if value is not None and name in takes else default

    return RetryPolicy(
        statuses=declared.statuses,
        faults=declared.faults,
        max_retries=pick("max_retries", given.max_retries, declared.max_retries),  # type: ignore[arg-type]
        initial_delay=pick("initial_retry_delay", given.initial_retry_delay, declared.initial_delay),  # type: ignore[arg-type]
        factor=pick("backoff_factor", given.backoff_factor, declared.factor),  # type: ignore[arg-type]
        max_delay=pick("max_retry_delay", given.max_retry_delay, declared.max_delay),  # type: ignore[arg-type]
        jitter=declared.jitter,
        max_retry_after=declared.max_retry_after,
        keeps_slot=declared.keeps_slot,
    )


def effective_breaker(description: Description, failures: int, delay: float) -> Breaker:
    """The circuit breaker of an endpoint: as set where the backend takes the settings, else as declared."""
    declared = description.breaker or Breaker()
    takes = description.settings
    return Breaker(
        failures=failures if "breaker_failures" in takes else declared.failures,
        delay=delay if "breaker_delay" in takes else declared.delay,
    )


def shut_out(description: Description, calls: Iterable[tuple[bool, bool]]) -> str:
    """Why a call says nothing: a breaker that no setting reaches had opened; empty: none had.

    ``calls``: of each call of a case in turn, whether it failed, and whether a request of it was seen.
    """
    declared = description.breaker or Breaker()
    if not declared.failures or "breaker_failures" in description.settings:
        return ""
    in_a_row = 0
    for failed, seen in calls:
        if failed and not seen and in_a_row >= declared.failures:
            return f"its circuit breaker, which no setting reaches, had opened after {in_a_row} failed calls"
        in_a_row = in_a_row + 1 if failed else 0
    return ""


def most_attempts(policy: RetryPolicy) -> int:
    """The number of attempts that one call may make."""
    return ATTEMPTS_UNDECLARED if policy.max_retries is None else 1 + policy.max_retries


def retried_statuses(description: Description) -> tuple[int, ...]:
    """The statuses that the backend retries, 429 and 503 first; undeclared: 429 alone (RETRY-02)."""
    declared = description.retry.statuses if description.retry is not None else None
    if declared is None:
        return (429,)
    return tuple(sorted(declared - set(PERMANENT), key=lambda code: (code != 429, code != 503, code)))


def known_retries(policy: RetryPolicy) -> int:
    """How many failures a call is known to outlast; one where the limit is not declared."""
    return 1 if policy.max_retries is None else policy.max_retries


def longest_waits(policy: RetryPolicy, failures: int, *, asked: float = 0.0) -> float:
    """The seconds that a call may sleep for so many failures which ask for that wait each, as declared."""
    bands = [wait_band(policy, k) or (0.0, policy.initial_delay or 0.0) for k in range(failures)]
    return sum(max(asked, high) for _, high in bands)


def wait_band(policy: RetryPolicy, k: int) -> tuple[float, float] | None:
    """The declared bounds of wait k in seconds; None where the policy leaves them open."""
    if policy.initial_delay is None or policy.factor is None or policy.jitter is None:
        return None
    low, high = policy.jitter
    nominal = policy.initial_delay * policy.factor**k
    if policy.max_delay is not None:
        nominal = min(nominal, policy.max_delay)
    top = (
        nominal * high if policy.max_delay is None else min(nominal * high, policy.max_delay * max(1.0, high))
    )
    return nominal * low, top

"""Fates: what the attempts of a call are answered with, and what a client's policy makes of that. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from tgi_conformance.contracts.adapter import RetryPolicy
from tgi_conformance.suites.harness.policy import PERMANENT, most_attempts

OK: Final = 200
RATE_LIMITED: Final = 429
#: A Retry-After that says no wait.
NO_WAIT: Final = "soon"
#: ``reset`` and ``closed`` cut the connection before any output; ``cut`` and ``error-event`` end a stream
#: that has given some.
FateKind = Literal["good", "status", "cut", "error-event", "reset", "closed"]
#: What follows a failed attempt: another one; perhaps another (not declared); none.
Sequel = Literal["again", "perhaps", "end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What one attempt is answered with, once it is let go."""

    kind: FateKind = "good"
    status: int = OK
    #: The value of a Retry-After header; None: no such header.
    retry_after: str | None = None
    #: Prompt and completion tokens that a good plain answer states.
    usage: tuple[int, int] = (7, 3)

    @property
    def opens(self) -> bool:
        """Whether a stream that meets it gives pieces first."""
        return self.kind in ("good", "cut", "error-event")

    @property
    def breaks(self) -> bool:
        """Whether it ends the connection in the middle of the exchange."""
        return self.kind in ("cut", "reset", "closed")

    @property
    def asked(self) -> float:
        """The seconds that its Retry-After asks for."""
        return 0.0 if self.retry_after in (None, NO_WAIT) else float(self.retry_after)

    def __str__(self) -> str:
        if self.kind == "status":
            wait = "" if self.retry_after is None else f" retry-after {self.retry_after}"
            return f"{self.status}{wait}"
        return self.kind


def sequel(policy: RetryPolicy, fate: Fate, attempts: int) -> Sequel:
    """What a client of this policy does after so many attempts, the last of which met this fate."""
    if fate.kind not in ("status", "reset", "closed") or attempts >= most_attempts(policy):
        return "end"
    if fate.status in PERMANENT:
        return "end"
    retried = _declared(policy, fate)
    if retried is False:
        return "end"
    # What is asked for beyond the longest wait that is declared ends the call, or is waited out (RETRY-07).
    too_long = policy.max_retry_after is not None and fate.asked > policy.max_retry_after
    sure = retried and policy.max_retries is not None and not too_long
    return "again" if sure else "perhaps"


def _declared(policy: RetryPolicy, fate: Fate) -> bool | None:
    """Whether the policy retries such an end of an attempt; None: it does not say."""
    if fate.kind == "status":
        return None if policy.statuses is None else fate.status in policy.statuses
    # Whether an end of the connection arrives as a close or as a reset is the kernel's choice in the end.
    declared = None if policy.faults is None else {"reset", "closed"} & policy.faults
    return None if declared is None or len(declared) == 1 else bool(declared)


def cover(policy: RetryPolicy, fates: Sequence[Fate]) -> tuple[Fate, ...]:
    """A fate for each attempt that the policy allows: behind those that are given come good ones.

    What the policy never comes to is left out.
    """
    covered: list[Fate] = []
    for number in range(most_attempts(policy)):
        covered.append(fates[number] if number < len(fates) else Fate())
        if sequel(policy, covered[-1], number + 1) == "end":
            break
    return tuple(covered)


def as_declared(policy: RetryPolicy, fate: Fate) -> Fate | None:
    """A passing failure in the form that the policy retries; None: it retries nothing of the kind.

    A policy that says nothing is given the failure as it is.
    """
    if _declared(policy, fate) is not False:
        return fate
    if fate.kind != "status" or not policy.statuses:
        return None
    choices = sorted(policy.statuses)
    # Only with a 429 does a Retry-After say when the client is let in again (RFC 6585 section 4).
    return replace(fate, status=choices[fate.status % len(choices)], retry_after=None)

"""What turns a client away so that it tries again: statuses that it declares retryable, and nothing else."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

from tgi_conformance.contracts.adapter import RetryPolicy
from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.script import Reply, overloaded, status, tgi_error
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import ClauseFailed
from tgi_conformance.suites.harness.policy import known_retries, longest_waits, retried_statuses
from tgi_conformance.suites.harness.rulings import Advice, NotApplicable
from tgi_conformance.suites.shapes.calls import Shape

#: Short delays for cases that are not about them (seconds).
QUICK: Final[Mapping[str, Any]] = MappingProxyType(
    {"initial_retry_delay": 0.02, "backoff_factor": 1.0, "max_retry_delay": 0.05}
)
#: Kinds of a 429, which are one to a caller: come back later.
RATE_LIMITS: Final = (ErrorKind.RATE_LIMITED, ErrorKind.OVERLOADED)
#: Seconds that a case may spend in the waits of one call.
LONGEST: Final = 6.0


def refusal(code: int, *headers: tuple[str, str]) -> Reply:
    """An answer with that status, in the form that TGI or a gateway gives it."""
    if code == 429:
        return overloaded(*headers)
    if code == 401:
        return status(401, *headers)
    if code in (500, 422, 424):
        return tgi_error(
            code, f"refused with {code}", "validation" if code == 422 else "generation", *headers
        )
    return status(code, *headers, html=f"<html><body>{code}</body></html>")


#: Forms in which a status may come: TGI's or a gateway's own, a proxy's page, and one without a body.
FORMS: Final[Mapping[str, Callable[[int], Reply]]] = MappingProxyType(
    {
        "tgi": refusal,
        "html": lambda code: status(code, html="<html><body>Too Many Requests</body></html>"),
        "empty": status,
    }
)


def retries(case: Case, code: int) -> bool:
    """Whether the backend retries that status, as far as it says so."""
    return code in retried_statuses(case.description)


def needs_retry_of(case: Case, code: int) -> None:
    """End the case as not applicable unless the backend retries that status."""
    case.needs("retry")
    if not retries(case, code):
        raise NotApplicable(f"the status {code} is not declared retryable")


def retried_status(case: Case) -> int:
    """A status that the backend retries: 429, else 503, else any other; none: not applicable."""
    case.needs("retry")
    codes = retried_statuses(case.description)
    if not codes:
        raise NotApplicable("no status is declared retryable")
    return codes[0]


@contextmanager
def retry_after_weighed(case: Case) -> Iterator[None]:
    """Let a failed assertion about Retry-After be advice where the backend does not retry 429.

    With a 429 the header says when the limit lets the client in again (RFC 6585 section 4), with a 503 for
    how long the server expects to be away (RFC 9110 section 10.2.3; REAL-03 is a SHOULD).
    """
    try:
        yield
    except ClauseFailed as failure:
        if retries(case, 429):
            raise
        told = f"Retry-After on {retried_status(case)}: expected {failure.expected}"
        raise Advice(f"{told}; observed {failure.observed}") from failure


def retrying(case: Case, failures: int, *, asked: float = 0.0, **settings: object) -> str:
    """An endpoint whose calls outlast so many failures; each may ask for a wait of ``asked`` seconds.

    Not applicable where its policy makes fewer attempts, or waits longer than a case can.
    """
    endpoint = case.endpoint(**({"max_retries": failures, **QUICK} | settings))
    needs_retries(case.policy(endpoint), failures, asked=asked)
    return endpoint


def needs_retries(policy: RetryPolicy, failures: int, *, asked: float = 0.0) -> None:
    """End the case as not applicable unless a call outlasts so many failures within a case's time."""
    most = known_retries(policy)
    if most < failures:
        raise NotApplicable(f"{failures} retries of a call are needed, and {most} declared")
    if policy.max_retry_after is not None and policy.max_retry_after < asked:
        raise NotApplicable(f"a Retry-After of {asked:g} s is longer than it waits, as declared")
    if (waits := longest_waits(policy, failures, asked=asked)) > LONGEST:
        raise NotApplicable(f"its waits may take {waits:.1f} s, and no setting shortens them")


def takes_deadline(case: Case, shape: Shape) -> bool:
    """Whether calls of that shape take a ``deadline``."""
    return case.claims("timeout") and "deadline" in case.description.parameters.get(shape.method, frozenset())


def needs_deadline(case: Case, shape: Shape) -> None:
    """End the case as not applicable unless calls of that shape take a ``deadline``."""
    case.needs("timeout")
    case.needs_parameter(shape, "deadline")

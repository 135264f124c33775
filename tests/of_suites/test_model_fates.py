"""What a declared policy makes of the fates of a call: how many replies it has, and which failures pass."""

import pytest

from tgi_conformance.contracts.adapter import RetryPolicy
from tgi_conformance.suites.harness.policy import ATTEMPTS_UNDECLARED
from tgi_conformance.suites.model.fates import Fate, as_declared, cover, sequel

GOOD = Fate()


def _status(code: int, retry_after: str | None = None) -> Fate:
    return Fate(kind="status", status=code, retry_after=retry_after)


def _policy(**fields: object) -> RetryPolicy:
    declared: dict[str, object] = {
        "statuses": frozenset({429, 500}),
        "faults": frozenset({"reset", "closed"}),
        "max_retries": 2,
    }
    return RetryPolicy(**declared | fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fate", "fields", "expected"),
    [
        (_status(500), {}, "again"),
        (_status(503), {}, "end"),
        (_status(400), {"statuses": frozenset({400})}, "end"),
        (_status(500), {"statuses": None}, "perhaps"),
        (_status(500), {"max_retries": None}, "perhaps"),
        (_status(500), {"max_retries": 0}, "end"),
        (_status(429), {"statuses": frozenset({503})}, "end"),
        (_status(429, "30"), {"max_retry_after": 30.0}, "again"),
        (_status(429, "30"), {"max_retry_after": 29.0}, "perhaps"),
        (Fate(kind="reset"), {}, "again"),
        (Fate(kind="closed"), {"faults": frozenset()}, "end"),
        # A close may arrive as a reset.
        (Fate(kind="closed"), {"faults": frozenset({"closed"})}, "perhaps"),
        (Fate(kind="cut"), {}, "end"),
        (GOOD, {}, "end"),
    ],
)
def test_what_follows_an_attempt_is_what_is_declared(
    fate: Fate, fields: dict[str, object], expected: str
) -> None:
    assert sequel(_policy(**fields), fate, attempts=1) == expected


def test_the_last_attempt_that_is_allowed_ends_the_call() -> None:
    assert [sequel(_policy(), _status(500), attempts=number) for number in (2, 3)] == ["again", "end"]


@pytest.mark.parametrize(
    ("fates", "fields", "covered"),
    [
        ([_status(500)], {}, [_status(500), GOOD]),
        ([_status(500)], {"max_retries": 0}, [_status(500)]),
        ([_status(422)], {}, [_status(422)]),
        ([GOOD], {}, [GOOD]),
        ([_status(429)] * 5, {}, [_status(429)] * 3),
        ([_status(500)], {"statuses": None, "max_retries": None}, [_status(500), GOOD]),
    ],
)
def test_a_call_has_as_many_fates_as_its_policy_may_come_to(
    fates: list[Fate], fields: dict[str, object], covered: list[Fate]
) -> None:
    assert list(cover(_policy(**fields), fates)) == covered


def test_without_a_limit_as_many_fates_as_any_call_may_have_attempts() -> None:
    assert len(cover(_policy(max_retries=None), [_status(429)] * 20)) == ATTEMPTS_UNDECLARED


@pytest.mark.parametrize(
    ("fate", "fields", "expected"),
    [
        (_status(503), {}, [429, 500]),
        (_status(429, "30"), {"statuses": frozenset({503})}, [503]),
        (_status(429), {"statuses": frozenset()}, None),
        (_status(429), {"statuses": None}, [429]),
        (Fate(kind="reset"), {"faults": frozenset()}, None),
    ],
)
def test_a_passing_failure_takes_a_form_that_is_retried(
    fate: Fate, fields: dict[str, object], expected: list[int] | None
) -> None:
    found = as_declared(_policy(**fields), fate)
    assert (found is None) == (expected is None)
    assert found is None or found.status in (expected or ())


def test_a_retry_after_stays_with_the_rate_limit() -> None:
    limited = _status(429, "30")
    assert as_declared(_policy(), limited) == limited
    assert as_declared(_policy(statuses=frozenset({503})), limited) == _status(503)

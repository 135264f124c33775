"""What is declared is what binds: the statuses, the number of retries and the waits of a policy."""

import pytest

from tgi_conformance.contracts.adapter import Description, RetryPolicy
from tgi_conformance.suites.areas.refusals import needs_retries
from tgi_conformance.suites.harness.policy import known_retries, longest_waits, retried_statuses
from tgi_conformance.suites.harness.rulings import NotApplicable


def _retried(policy: RetryPolicy | None) -> tuple[int, ...]:
    return retried_statuses(Description(name="x", retry=policy))


@pytest.mark.parametrize(
    ("declared", "retried"),
    [
        ({503, 429, 408}, (429, 503, 408)),
        ({504, 503}, (503, 504)),
        ({502, 500}, (500, 502)),
        ({400, 401, 502}, (502,)),
        (set(), ()),
    ],
)
def test_a_rate_limit_comes_first_then_503_then_whatever_is_declared(
    declared: set[int], retried: tuple[int, ...]
) -> None:
    assert _retried(RetryPolicy(statuses=frozenset(declared))) == retried


@pytest.mark.parametrize("policy", [None, RetryPolicy(), RetryPolicy(max_retries=3)])
def test_where_nothing_is_declared_a_rate_limit_is_what_is_retried(policy: RetryPolicy | None) -> None:
    assert _retried(policy) == (429,)


def test_one_retry_is_known_where_their_number_is_not_declared() -> None:
    assert [known_retries(RetryPolicy(max_retries=most)) for most in (None, 0, 3)] == [1, 0, 3]


def test_the_longest_waits_are_those_of_the_band_or_what_the_server_asks_for() -> None:
    policy = RetryPolicy(initial_delay=0.5, factor=2.0, jitter=(0.0, 2.0), max_delay=1.0)
    assert longest_waits(policy, 3) == pytest.approx(1.0 + 2.0 + 2.0)
    assert longest_waits(policy, 3, asked=1.5) == pytest.approx(1.5 + 2.0 + 2.0)
    assert longest_waits(RetryPolicy(initial_delay=0.5), 2) == pytest.approx(1.0)
    assert longest_waits(RetryPolicy(), 2) == 0.0


@pytest.mark.parametrize(
    ("policy", "failures", "asked", "why"),
    [
        (RetryPolicy(max_retries=1), 2, 0.0, "2 retries of a call are needed, and 1 declared"),
        (RetryPolicy(max_retries=3, max_retry_after=0.5), 1, 1.0, "a Retry-After of 1 s is longer"),
        (RetryPolicy(max_retries=3, initial_delay=30.0), 1, 0.0, "its waits may take 30.0 s"),
    ],
)
def test_what_the_policy_leaves_no_room_for_is_not_applicable(
    policy: RetryPolicy, failures: int, asked: float, why: str
) -> None:
    with pytest.raises(NotApplicable, match=why):
        needs_retries(policy, failures, asked=asked)


def test_a_policy_that_outlasts_the_failures_is_tried() -> None:
    needs_retries(RetryPolicy(max_retries=2, initial_delay=0.1, max_retry_after=1.0), 2, asked=1.0)

"""The reference client's circuit breaker: closed, open, half-open; each transition by its cause."""

import asyncio

import pytest

from tgi_conformance.backends.reference import errors
from tgi_conformance.backends.reference.breaker import Breaker, blames_server
from tgi_conformance.backends.reference.settings import EndpointSettings

SETTINGS = EndpointSettings(base_url="http://localhost", breaker_failures=2, breaker_delay=10.0)
DOWN = errors.ServerError("down", status=503)
BAD_PROMPT = errors.ValidationError("too long", status=422)


def opened() -> Breaker:
    breaker = Breaker()
    for now in (0.0, 1.0):
        breaker.leave(breaker.enter(SETTINGS, now), DOWN, SETTINGS, now)
    return breaker


def test_it_is_off_unless_a_number_of_failures_is_set() -> None:
    breaker, off = Breaker(), EndpointSettings(base_url="http://localhost")
    for now in range(50):
        breaker.leave(breaker.enter(off, now), DOWN, off, now)
    assert breaker.enter(off, 50) == "off"


def test_failures_in_a_row_open_it_and_calls_are_held_back_until_its_delay_is_over() -> None:
    breaker = opened()
    with pytest.raises(errors.CircuitOpenError, match=r"failed 2 times in a row; held back for 1\.0 s more"):
        breaker.enter(SETTINGS, 10.0)
    assert breaker.enter(SETTINGS, 11.0) == "probe"


def test_a_success_between_failures_and_a_callers_error_keep_it_closed() -> None:
    breaker = Breaker()
    for error in (DOWN, None, DOWN, BAD_PROMPT, DOWN):
        breaker.leave(breaker.enter(SETTINGS, 0.0), error, SETTINGS, 0.0)
    assert breaker.enter(SETTINGS, 0.0) == "closed"


def test_half_open_one_probe_is_let_through_at_a_time() -> None:
    breaker = opened()
    probe = breaker.enter(SETTINGS, 20.0)
    with pytest.raises(errors.CircuitOpenError, match="until its probe has ended"):
        breaker.enter(SETTINGS, 20.0)
    breaker.leave(probe, None, SETTINGS, 20.0)
    assert breaker.enter(SETTINGS, 20.0) == "closed"


def test_a_probe_that_fails_opens_it_anew_and_one_that_is_cancelled_makes_room_for_the_next() -> None:
    breaker = opened()
    breaker.leave(breaker.enter(SETTINGS, 20.0), DOWN, SETTINGS, 20.0)
    with pytest.raises(errors.CircuitOpenError):
        breaker.enter(SETTINGS, 29.0)
    breaker.leave(breaker.enter(SETTINGS, 31.0), asyncio.CancelledError(), SETTINGS, 31.0)
    assert breaker.enter(SETTINGS, 31.0) == "probe"


@pytest.mark.parametrize(
    ("error", "blamed"),
    [
        (DOWN, True),
        (errors.OverloadedError("overloaded", status=429), True),
        (errors.TransportError("reset", "reset"), True),
        (errors.RequestTimeoutError("silent", "read"), True),
        (errors.RequestTimeoutError("the caller's own deadline", "total"), False),
        (BAD_PROMPT, False),
        (errors.AuthenticationError("no", status=401), False),
        (errors.ClosedError("closed"), False),
        (KeyboardInterrupt(), False),
    ],
    ids=repr,
)
def test_what_blames_the_server(error: BaseException, *, blamed: bool) -> None:
    assert blames_server(error) is blamed

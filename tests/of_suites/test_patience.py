"""Patience follows what was measured of the client, within bounds. Pure."""

from collections.abc import Sequence

import pytest

from tgi_conformance.contracts.adapter import Answer
from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.suites.harness.patience import (
    LONGEST,
    Ended,
    Pace,
    Patience,
    pace_of,
    pace_of_calls,
    pace_of_creation,
)

#: A client as quick as the reference, and one that takes 1.2 s before it sends.
QUICK = Pace(creates=(0.001,), sends=(0.005, 0.004, 0.006), ends=(0.001, 0.001, 0.001))
SLOW = Pace(creates=(0.001,), sends=(1.2, 1.21, 1.2), ends=(0.001, 0.001, 0.001))


def outcome(entered: float, ended: float) -> Outcome:
    return Outcome(ending="answer", answer=Answer(text="ready"), entered_at=entered, ended_at=ended)


def exchange(received: float, replied: float, body: str = "") -> Exchange:
    return Exchange(
        id=0,
        connection=0,
        method="POST",
        target="/v1/chat/completions",
        body=body.encode(),
        first_byte_at=received,
        received_at=received,
        replied_at=replied,
    )


def test_a_quick_client_gets_what_the_suites_grant_anyway() -> None:
    patience = Patience(pace=QUICK)

    assert patience.soon() == pytest.approx(1.0, abs=0.05)
    assert patience.absent(0.1) == 0.1
    assert patience.limit(0.3) == 0.3
    assert patience.hang(10.0, attempts=4) == 10.0
    assert patience.apart(0.025) == pytest.approx(0.025, abs=0.01)
    assert patience.late() == 0.25
    assert patience.beyond(5.0) == 5.0


def test_a_slow_client_is_waited_for() -> None:
    patience = Patience(pace=SLOW)

    assert patience.soon() > 1.2 * 2
    assert patience.absent(0.1) > 1.2 + 0.1
    assert patience.limit(0.3) > 1.2 + 0.3
    assert patience.hang(10.0, attempts=4) > 10.0 + 4 * 1.2
    assert patience.late() > 0.25 + 1.2
    assert patience.beyond(2.0) > patience.soon()
    # It always takes as long, so calls arrive in the order in which they were made.
    assert patience.apart(0.025) < 0.05


def test_a_client_of_whole_seconds_gets_the_next_whole_one() -> None:
    assert Patience(pace=QUICK, whole=True).limit(0.3) == 1.0
    assert Patience(pace=QUICK, whole=True).limit(2.0) == 2.0
    assert Patience(pace=SLOW, whole=True).limit(0.3) >= Patience(pace=SLOW).limit(0.3)


def test_what_a_client_takes_after_its_answer_is_granted_too() -> None:
    patience = Patience(pace=Pace(sends=(0.01,), ends=(1.2,)))

    assert patience.soon() > 1.2 * 2
    assert patience.after > 1.2
    assert patience.absent(0.1) == 0.1


def test_calls_of_a_client_whose_time_varies_are_made_further_apart() -> None:
    assert Patience(pace=Pace(sends=(0.1, 0.5, 0.9))).apart(0.025) > 0.4


@pytest.mark.parametrize("seconds", [20.0, 1e9])
def test_patience_has_an_end(seconds: float) -> None:
    patience = Patience(pace=Pace(sends=(seconds,) * 3, ends=(seconds,) * 3))

    assert patience.soon() == 1.0 + LONGEST
    assert patience.absent(0.1) < 10.0
    assert patience.limit(0.3) < 10.0
    assert patience.hang(10.0, attempts=10**6) < 30.0


def test_a_first_call_that_loads_and_connects_makes_no_slow_client() -> None:
    warming = Patience(pace=Pace(sends=(0.4, 0.005), ends=(0.0, 0.0)))

    assert warming.absent(0.1) == 0.1
    assert warming.apart(0.025) == 0.025


def test_the_lag_of_the_server_counts_ten_times() -> None:
    assert Patience(lag=0.2).soon() == 3.0


def test_a_client_is_measured_again_only_where_it_seems_slow() -> None:
    assert Pace(sends=(1.2,), ends=(0.0,)).unsure
    assert Pace(sends=(0.0, 0.0), ends=(1.2, 1.2)).unsure
    assert not SLOW.unsure
    assert not Pace(sends=(0.01,), ends=(0.01,)).unsure
    assert not Pace().unsure


def test_the_pace_is_read_from_the_calls_ends_and_the_servers_clock() -> None:
    seen = pace_of(outcome(10.0, 13.0), exchange(11.0, 12.5)) + pace_of_creation(outcome(9.0, 9.25))

    assert seen == Pace(creates=(0.25,), sends=(1.0,), ends=(0.5,))
    assert seen.whole == 1.75


@pytest.mark.parametrize(
    ("times", "exchanges"),
    [
        ([(0.0, 9.0), (1.0, 9.0)], [exchange(8.0, 8.5, "one"), exchange(8.0, 8.5, "two")]),
        ([(0.0, 9.0)], [exchange(1.0, 2.0, "one"), exchange(8.0, 8.5, "one")]),
        ([(0.0, 9.0)], []),
    ],
    ids=["beside-another", "two-attempts", "none"],
)
def test_calls_that_may_have_waited_for_something_tell_no_pace(
    times: Sequence[tuple[float, float]], exchanges: Sequence[Exchange]
) -> None:
    calls = [Ended(prompt=p, outcome=outcome(*t)) for p, t in zip(("one", "two"), times, strict=False)]

    assert pace_of_calls(calls, Journal(exchanges=tuple(exchanges))) == Pace()


def test_calls_one_after_the_other_tell_their_pace() -> None:
    calls = [
        Ended(prompt="one", outcome=outcome(0.0, 2.0)),
        Ended(prompt="two", outcome=outcome(2.5, 6.0)),
    ]
    journal = Journal(exchanges=(exchange(1.5, 1.75, "one"), exchange(5.0, 5.5, "two")))

    assert pace_of_calls(calls, journal) == Pace(sends=(1.5, 2.5), ends=(0.25, 0.5))

"""The model of the stateful suite by itself: what it lets pass, and the clause it names otherwise."""

from dataclasses import replace
from typing import Any

import pytest

from tgi_conformance.contracts.adapter import RetryPolicy
from tgi_conformance.suites.model.fates import Fate
from tgi_conformance.suites.model.state import Breach, CallState, EndpointState, Phase, why_missing
from tgi_conformance.suites.model.statistics import aggregate_problem, counters, problem

GOOD = Fate()
LIMITED = Fate(kind="status", status=429)
POLICY = RetryPolicy(
    statuses=frozenset({429, 503}),
    max_retries=2,
    initial_delay=0.02,
    factor=2.0,
    max_delay=0.05,
    jitter=(0.75, 1.25),
    keeps_slot=False,
)


def _endpoint(cap: int | None = 1, room: int | None = 2, **fields: Any) -> EndpointState:
    return EndpointState(name="e0", key="A", cap=cap, room=room, **fields)


def _call(endpoint: EndpointState, *fates: Fate, **fields: Any) -> CallState:
    call = CallState(
        name=f"c{len(endpoint.calls)}",
        endpoint=endpoint,
        key=fields.pop("key", endpoint.key),
        fates=fates or (GOOD,),
        **fields,
    )
    endpoint.calls.append(call)
    return call


def _send(call: CallState, at: float = 1.0, **seen: Any) -> None:
    call.endpoint.starts(call, at=at, key=seen.get("key", call.key), body=seen.get("body", b"{}"))


def _sent(endpoint: EndpointState, *fates: Fate, **fields: Any) -> CallState:
    call = _call(endpoint, *fates, **fields)
    _send(call)
    return call


def _clause(caught: "pytest.ExceptionInfo[Breach]") -> str:
    return caught.value.clause


# --- slots and queue --------------------------------------------------------------------------------------


def test_a_call_starts_where_a_slot_is_free_and_waits_where_none_is() -> None:
    endpoint = _endpoint(cap=2)
    _call(endpoint)
    assert endpoint.must_start(now=1.0) == 1
    _send(endpoint.calls[0])
    _sent(endpoint)
    _call(endpoint)
    assert (endpoint.must_start(now=1.0), endpoint.sent) == (0, 2)


def test_a_slot_is_free_again_once_the_answer_is_out() -> None:
    endpoint = _endpoint()
    first = _sent(endpoint)
    _call(endpoint)
    endpoint.answered(first, at=2.0)
    assert (first.phase, first.ending, endpoint.must_start(now=2.0)) == (Phase.OVER, "good", 1)


@pytest.mark.parametrize(
    ("opened", "failed", "clause"),
    [(False, False, "QUEUE-01"), (True, False, "QUEUE-02"), (False, True, "QUEUE-05")],
)
def test_a_request_over_the_cap_is_blamed_on_a_stream_that_runs_or_a_call_that_failed(
    *, opened: bool, failed: bool, clause: str
) -> None:
    endpoint = _endpoint()
    if failed:
        endpoint.answered(_sent(endpoint, Fate(kind="status", status=422)), at=1.0)
    _sent(endpoint, streaming=opened, opened=opened)
    with pytest.raises(Breach) as caught:
        _send(_call(endpoint))
    assert _clause(caught) == clause


def test_a_call_that_overtakes_an_older_one_is_out_of_order() -> None:
    endpoint = _endpoint()
    _call(endpoint)
    younger = _sent(endpoint)
    with pytest.raises(Breach) as caught:
        endpoint.in_order([younger])
    assert _clause(caught) == "QUEUE-03"


def test_requests_that_two_free_slots_let_through_may_pass_each_other_on_their_way() -> None:
    endpoint = _endpoint(cap=2)
    first, second = _sent(endpoint), _sent(endpoint)
    older = _call(endpoint)
    for call in (first, second):
        endpoint.answered(call, at=2.0)
    younger = _sent(endpoint)
    endpoint.in_order([younger])
    _send(older)
    endpoint.in_order([older])
    assert (older.phase, younger.phase) == (Phase.SENT, Phase.SENT)


def test_a_call_that_takes_the_last_of_several_slots_from_an_older_one_is_out_of_order() -> None:
    endpoint = _endpoint(cap=2)
    first, _ = _sent(endpoint), _sent(endpoint)
    _call(endpoint)
    endpoint.answered(first, at=2.0)
    younger = _sent(endpoint)
    with pytest.raises(Breach) as caught:
        endpoint.in_order([younger])
    assert _clause(caught) == "QUEUE-03"


def test_an_attempt_after_backoff_may_overtake_calls_that_wait() -> None:
    endpoint = _endpoint(policy=POLICY)
    call = _sent(endpoint, LIMITED, GOOD)
    endpoint.answered(call, at=1.0)
    _call(endpoint)
    _send(call, at=1.03)
    endpoint.in_order([call])
    assert call.attempts == 2


@pytest.mark.parametrize(
    ("waiting", "asleep", "full", "has_room"),
    [(1, 0, False, True), (2, 0, True, False), (1, 1, False, False), (0, 2, False, False)],
)
def test_calls_in_backoff_leave_open_whether_one_more_is_taken(
    *, waiting: int, asleep: int, full: bool, has_room: bool
) -> None:
    endpoint = _endpoint(cap=1, room=2)
    _sent(endpoint)
    for _ in range(waiting):
        _call(endpoint)
    for _ in range(asleep):
        _call(endpoint, phase=Phase.ASLEEP)
    assert (endpoint.full, endpoint.has_room) == (full, has_room)


@pytest.mark.parametrize(
    ("ended", "clause"),
    [
        ("QUEUE-04", "QUEUE-04"),
        ("QUEUE-08", "QUEUE-08"),
        ("RETRY-13", "RETRY-13"),
    ],
)
def test_a_request_of_a_call_that_is_over_breaks_the_clause_that_ended_it(ended: str, clause: str) -> None:
    endpoint = _endpoint()
    call = _call(endpoint)
    call.end("free", forbidden=ended)
    with pytest.raises(Breach) as caught:
        _send(call)
    assert _clause(caught) == clause


# --- attempts and waits -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fate", "clause"),
    [
        (Fate(kind="status", status=422), "RETRY-03"),
        (Fate(kind="cut"), "RETRY-11"),
        (Fate(kind="status", status=500), "RETRY-01"),
        (GOOD, "REQ-15"),
    ],
)
def test_what_is_final_is_not_sent_again(fate: Fate, clause: str) -> None:
    endpoint = _endpoint(policy=POLICY)
    call = _sent(endpoint, fate)
    endpoint.answered(call, at=1.0)
    assert call.phase is Phase.OVER
    with pytest.raises(Breach) as caught:
        _send(call, at=9.0)
    assert _clause(caught) == clause


def test_a_rate_limit_is_slept_out_within_the_declared_band() -> None:
    endpoint = _endpoint(policy=POLICY)
    call = _sent(endpoint, LIMITED, LIMITED, GOOD)
    endpoint.answered(call, at=1.0)
    assert (call.phase, call.not_before, call.latest) == (Phase.ASLEEP, 1.015, 1.025)
    with pytest.raises(Breach) as caught:
        _send(call, at=1.005)
    assert _clause(caught) == "RETRY-08"
    _send(call, at=1.02)
    endpoint.answered(call, at=2.0)
    assert (call.not_before, call.latest) == (2.03, 2.05)
    with pytest.raises(Breach) as caught:
        _send(call, at=2.02)
    assert _clause(caught) == "RETRY-09"


def test_retry_after_is_a_lower_bound_and_leaves_the_upper_open() -> None:
    endpoint = _endpoint(policy=POLICY)
    call = _sent(endpoint, Fate(kind="status", status=429, retry_after="30"), GOOD)
    endpoint.answered(call, at=1.0)
    assert (call.not_before, call.long_asleep, endpoint.must_start(now=99.0)) == (31.0, True, 0)
    with pytest.raises(Breach) as caught:
        _send(call, at=2.0)
    assert _clause(caught) == "RETRY-04"


def test_attempts_end_with_the_last_retry() -> None:
    endpoint = _endpoint(policy=POLICY)
    call = _sent(endpoint, LIMITED, LIMITED, LIMITED)
    for at in (1.0, 2.0, 3.0):
        endpoint.answered(call, at=at)
        if call.live:
            _send(call, at=at + 0.5)
    assert (call.attempts, call.phase, call.forbidden) == (3, Phase.OVER, "RETRY-01")


@pytest.mark.parametrize(("keeps", "starts"), [(True, 0), (False, 1), (None, 0)])
def test_a_call_asleep_holds_its_slot_if_that_is_declared_or_not_known(
    *, keeps: bool | None, starts: int
) -> None:
    policy = RetryPolicy(max_retries=1, keeps_slot=keeps)
    endpoint = _endpoint(cap=1, policy=policy)
    call = _sent(endpoint, Fate(kind="status", status=429, retry_after="30"), GOOD)
    endpoint.answered(call, at=1.0)
    _call(endpoint)
    assert endpoint.must_start(now=2.0) == starts


@pytest.mark.parametrize(
    ("keeps", "asked", "served"),
    [(True, "30", False), (None, "30", False), (False, "30", True), (True, None, True)],
)
def test_a_call_behind_one_that_sleeps_for_long_is_served_only_if_the_slot_is_given_up(
    *, keeps: bool | None, asked: str | None, served: bool
) -> None:
    endpoint = _endpoint(cap=1, policy=replace(POLICY, keeps_slot=keeps, max_retry_after=30.0))
    call = _sent(endpoint, Fate(kind="status", status=429, retry_after=asked), GOOD)
    endpoint.answered(call, at=1.0)
    _call(endpoint)
    assert endpoint.serves_the_waiting is served


def test_a_call_whose_further_attempts_are_not_declared_may_come_back_and_need_not() -> None:
    endpoint = _endpoint(policy=replace(POLICY, statuses=None))
    call = _sent(endpoint, Fate(kind="status", status=500), GOOD)
    endpoint.answered(call, at=1.0)
    assert (call.phase, call.may_end, endpoint.must_start(now=99.0)) == (Phase.ASLEEP, True, 0)
    _send(call, at=2.0)
    assert call.attempts == 2


def test_an_unknown_band_lets_an_attempt_come_at_any_time() -> None:
    endpoint = _endpoint(policy=RetryPolicy(max_retries=1))
    call = _sent(endpoint, LIMITED, GOOD)
    endpoint.answered(call, at=1.0)
    assert endpoint.must_start(now=99.0) == 0
    _send(call, at=1.0)
    assert call.phase is Phase.SENT


@pytest.mark.parametrize(("cancelled_at", "crossed"), [(1.001, False), (1.016, True)])
def test_a_request_may_cross_a_cancellation_only_where_its_wait_was_over(
    *, cancelled_at: float, crossed: bool
) -> None:
    endpoint = _endpoint(policy=POLICY)
    call = _sent(endpoint, LIMITED, GOOD)
    endpoint.answered(call, at=1.0)
    call.cancelled_at = cancelled_at
    call.end("free", forbidden="RETRY-13")
    if crossed:
        _send(call, at=cancelled_at + 0.004)
        assert not call.live
        return
    with pytest.raises(Breach) as caught:
        _send(call, at=1.02)
    assert _clause(caught) == "RETRY-13"


@pytest.mark.parametrize(
    ("attempts", "own_key", "clause"), [(0, "A", "MUX-01"), (0, "D", "MUX-04"), (1, "A", "MUX-04")]
)
def test_another_key_is_a_mixture_at_first_and_a_change_later(
    attempts: int, own_key: str, clause: str
) -> None:
    endpoint = _endpoint()
    call = _call(endpoint, attempts=attempts, key=own_key)
    with pytest.raises(Breach) as caught:
        _send(call, key="B")
    assert _clause(caught) == clause


def test_attempts_have_the_same_body() -> None:
    endpoint = _endpoint(policy=POLICY)
    call = _sent(endpoint, LIMITED, GOOD)
    endpoint.answered(call, at=1.0)
    with pytest.raises(Breach) as caught:
        _send(call, at=1.02, body=b'{"other": 1}')
    assert _clause(caught) == "RETRY-16"


# --- what is missing --------------------------------------------------------------------------------------


def test_a_missing_request_is_blamed_on_what_stands_in_its_way() -> None:
    fresh, asleep, ended, waited = (_endpoint() for _ in range(4))
    _call(fresh)
    _call(asleep, phase=Phase.ASLEEP)
    _call(asleep)
    for each in (ended, waited):
        _call(each, phase=Phase.OVER)
    _call(ended)
    _call(waited, queued=True)
    found = {}
    for name, endpoint, others in [
        ("never used", fresh, []),
        ("beside one asleep elsewhere", fresh, [asleep]),
        ("beside one asleep", asleep, []),
        ("after an ended one", ended, []),
        ("that waited for an ended one", waited, []),
    ]:
        with pytest.raises(Breach) as caught:
            why_missing(endpoint, others, 1.0)
        found[name] = _clause(caught)
    assert found == {
        "never used": "QUEUE-14",
        "beside one asleep elsewhere": "MUX-05",
        "beside one asleep": "QUEUE-10",
        "after an ended one": "QUEUE-05",
        "that waited for an ended one": "QUEUE-07",
    }


# --- the counters -----------------------------------------------------------------------------------------


def _shown(total: int, good: int, failed: int, **more: int) -> dict[str, object]:
    return {"total_requests": total, "successful_requests": good, "failed_requests": failed, **more}


def _used_endpoint() -> EndpointState:
    """One good, one failed, one cancelled call, and one under way."""
    endpoint = _endpoint(cap=4)
    endpoint.answered(_sent(endpoint), at=1.0)
    endpoint.answered(_sent(endpoint, Fate(kind="status", status=422)), at=1.0)
    _sent(endpoint).end("free", forbidden="RES-02")
    _sent(endpoint)
    return endpoint


def test_the_counters_have_bounds_where_the_catalogue_leaves_them_open() -> None:
    assert {name: str(bounds) for name, bounds in counters(_used_endpoint()).items()} == {
        "total_requests": "2 to 4",
        "successful_requests": "1",
        "failed_requests": "1 to 2",
    }


@pytest.mark.parametrize(
    ("shown", "clause"),
    [
        (_shown(4, 1, 2), None),
        (_shown(3, 1, 1), None),
        (_shown(4, 1, 0), "STAT-01"),
        (_shown(9, 1, 1), "STAT-08"),
        (_shown(4, 1, 1, current_requests=2), "QUEUE-05"),
        (_shown(4, 1, 1, current_requests=1, input_tokens=9), "STAT-03"),
    ],
)
def test_wrong_counters_are_blamed_on_their_clause(shown: dict[str, object], clause: str | None) -> None:
    found = problem(_used_endpoint(), shown)
    assert (found is None, getattr(found, "clause", None)) == (clause is None, clause)


def test_a_broken_stream_counted_as_good_is_stat_02_and_attempts_counted_are_stat_09() -> None:
    streams = _endpoint(cap=4)
    streams.answered(_sent(streams, Fate(kind="cut"), streaming=True), at=1.0)
    retried = _endpoint(policy=POLICY)
    call = _sent(retried, LIMITED, GOOD)
    retried.answered(call, at=1.0)
    _send(call, at=2.0)
    retried.answered(call, at=2.0)
    found = [problem(streams, _shown(1, 1, 0)), problem(retried, _shown(2, 1, 0))]
    assert [getattr(each, "clause", None) for each in found] == ["STAT-02", "STAT-09"]


def test_a_reset_elsewhere_that_empties_these_counters_is_stat_10() -> None:
    endpoint = _used_endpoint()
    endpoint.reset_elsewhere = True
    found = problem(endpoint, _shown(0, 0, 0))
    assert getattr(found, "clause", None) == "STAT-10"


def test_the_aggregate_grows_by_what_the_endpoints_did() -> None:
    endpoint = _used_endpoint()
    assert aggregate_problem([endpoint], {"total_requests": 10}, {"total_requests": 13}) is None
    found = aggregate_problem([endpoint], {"total_requests": 10}, {"total_requests": 10})
    assert getattr(found, "clause", None) == "STAT-08"

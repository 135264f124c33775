from tgi_conformance.contracts.adapter import ErrorInfo
from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Reply, Response, Script
from tgi_conformance.contracts.script.delivery import Delivery, Fault
from tgi_conformance.suites.harness.scripted_waits import add_waits, in_words, limits_of, total, waits_of

SLOW = Reply(name="slow", response=Response(status=200), delivery=Delivery(delay_ms=50))
SILENT = Reply(response=Response(status=200), delivery=Delivery(fault=Fault(ending="stall", at="head")))
QUICK = Reply(response=Response(status=200))


def exchange(
    at: float, end: float, *, reply: str = "0", status: int = 200, body: bytes = b"{}", **more: object
) -> Exchange:
    return Exchange(
        id=0,
        connection=0,
        method="POST",
        target="/generate",
        body=body,
        key="A",
        reply=reply,
        status=status,
        ending="complete",
        first_byte_at=at,
        received_at=at,
        replied_at=end,
        **more,  # type: ignore[arg-type]
    )


def journal(*exchanges: Exchange) -> Journal:
    return Journal(exchanges=exchanges, now=100.0)


def test_side_by_side_counts_once() -> None:
    assert total([(0.0, 1.0), (0.5, 2.0), (4.0, 5.0), (4.2, 4.4)]) == 3.0
    assert total([]) == 0.0


def test_a_reply_that_asks_for_a_delay_or_silence_is_waited_for_and_another_is_not() -> None:
    script = Script(replies=(SLOW, SILENT, QUICK))
    seen = journal(exchange(1, 2, reply="slow"), exchange(3, 5, reply="1"), exchange(6, 9, reply="2"))
    assert waits_of(script, seen)["server"] == [(1, 2), (3, 5)]


def test_the_time_from_a_failed_attempt_to_the_same_request_again_is_a_retry() -> None:
    failed, again = exchange(1, 2, status=429), exchange(4, 5)
    other = exchange(2.5, 3, body=b"[]")
    assert waits_of(Script(), journal(failed, other, again))["retry"] == [(2, 4)]


def test_equal_requests_that_were_answered_well_are_no_retries() -> None:
    assert waits_of(Script(), journal(exchange(1, 2), exchange(4, 5)))["retry"] == []


def test_a_call_that_a_time_limit_ended_has_waited_for_it() -> None:
    late = Outcome(ending="error", error=ErrorInfo(kind=ErrorKind.TIMEOUT), entered_at=1.0, ended_at=1.5)
    refused = Outcome(ending="error", error=ErrorInfo(kind=ErrorKind.REFUSED), entered_at=1.0, ended_at=1.5)
    assert limits_of([late, refused, Outcome(ending="hang", entered_at=2.0)]) == [(1.0, 1.5)]


def test_the_longest_kind_comes_first_and_a_trifle_is_not_told() -> None:
    gathered: dict = {}
    add_waits(gathered, {"server": [(0.0, 0.25)], "limit": [(0.0, 0.001)]})
    add_waits(gathered, {"retry": [(0.0, 1.0)], "server": [(1.0, 1.25)]})
    assert in_words(gathered) == "retry 1.00 s, server 0.50 s"

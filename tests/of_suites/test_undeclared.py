"""Retries that a backend does not declare: asked for once, and held against no case that they decide."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from kill_runs import run_quick

from tgi_conformance.contracts.adapter import Breaker, Description, RetryPolicy
from tgi_conformance.contracts.journal import Exchange, Journal, ReplyEnding
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.suites.harness.expect import ClauseFailed, WrongCount
from tgi_conformance.suites.harness.oracles import CallMade
from tgi_conformance.suites.harness.policy import shut_out
from tgi_conformance.suites.harness.undeclared import Repeat, asked_for, is_silent, repeats, retry_excuse

UNTOLD = f"{Path(__file__).parents[1] / 'adapters' / 'small_clients.py'}:Untold"
FAILED = ClauseFailed("an error", "an answer")
COUNTED = WrongCount("1 request", "2")
CALL = CallMade(prompt="p1", most_attempts=10)
ERROR = Outcome(ending="error")
ANSWER = Outcome(ending="answer")


def exchange(number: int, status: int | None, reply: str = "0", ending: ReplyEnding = "complete") -> Exchange:
    return Exchange(
        id=number,
        connection=number,
        method="POST",
        target="/generate",
        body=b'{"inputs": "p1"}',
        reply=reply,
        status=status,
        ending=ending,
    )


def seen(*exchanges: Exchange, outcome: Outcome | None = ERROR) -> list[Repeat]:
    return list(repeats(Journal(exchanges=exchanges), [(CALL, outcome)]))


def test_a_failure_that_passes_and_another_attempt_are_a_repeat() -> None:
    (repeat,) = seen(exchange(0, 503), exchange(1, None, ending="fault"), exchange(2, 429))
    assert repeat == Repeat(after=(503, None), attempts=3, moved=False, believed=False)


@pytest.mark.parametrize("status", [200, 400, 401, 422])
def test_an_attempt_after_what_does_not_pass_is_no_repeat(status: int) -> None:
    assert seen(exchange(0, status), exchange(1, 200)) == []


def test_two_calls_of_one_prompt_cannot_be_told_apart() -> None:
    journal = Journal(exchanges=(exchange(0, 503), exchange(1, 503)))
    assert list(repeats(journal, [(CALL, ERROR), (CALL, ERROR)])) == []


def test_a_case_is_excused_where_another_reply_was_met_or_requests_were_counted() -> None:
    moved = seen(exchange(0, 503), exchange(1, 200, reply="1"), outcome=ANSWER)
    stayed = seen(exchange(0, 503), exchange(1, 503))
    told = "made a second attempt after 503 and declares no retry policy"
    assert retry_excuse(FAILED, moved) == told
    assert retry_excuse(COUNTED, stayed) == told
    assert retry_excuse(FAILED, stayed) == ""
    assert retry_excuse(COUNTED, []) == ""


def test_an_answer_for_an_error_that_lasted_is_never_excused() -> None:
    believed = seen(exchange(0, 503), exchange(1, 503, reply="1"), outcome=ANSWER)
    assert believed[0].believed
    assert retry_excuse(FAILED, believed) == retry_excuse(COUNTED, believed) == ""


def test_the_declaration_is_asked_for_as_it_would_have_to_read() -> None:
    (finding,) = asked_for([*seen(exchange(0, 503), exchange(1, None, ending="fault"), exchange(2, 429))])
    assert (finding.clause, finding.breach, finding.advisory) == ("DECL-01", True, True)
    assert '"retry": {"statuses": [503], "faults": ["reset", "closed"], "max_retries": 2}' in finding.message
    assert asked_for([]) == []


def test_only_who_says_nothing_of_retries_is_excused() -> None:
    silent = Description(name="x")
    assert is_silent(silent)
    assert not is_silent(replace(silent, retry=RetryPolicy()))
    assert not is_silent(replace(silent, capabilities=frozenset({"core", "retry"})))


FAILED_CALL, ANSWERED, REFUSED = (True, True), (False, True), (True, False)


@pytest.mark.parametrize(
    ("calls", "after"),
    [
        ([FAILED_CALL, FAILED_CALL, REFUSED], 2),
        ([FAILED_CALL, ANSWERED, FAILED_CALL, FAILED_CALL, REFUSED], 2),
        ([FAILED_CALL, REFUSED], 0),
        ([FAILED_CALL, ANSWERED, FAILED_CALL, REFUSED], 0),
        ([FAILED_CALL, FAILED_CALL, FAILED_CALL], 0),
        ([], 0),
    ],
)
def test_what_an_open_breaker_refuses_is_known_by_the_failures_before(
    calls: list[tuple[bool, bool]], after: int
) -> None:
    declared = Description(name="x", breaker=Breaker(failures=2, delay=30.0))
    told = f"its circuit breaker, which no setting reaches, had opened after {after} failed calls"
    assert shut_out(declared, calls) == (told if after else "")
    assert shut_out(replace(declared, settings=frozenset({"breaker_failures"})), calls) == ""
    assert shut_out(Description(name="x"), calls) == ""


def test_a_client_that_retries_untold_is_asked_once_and_has_no_red_case(tmp_path: Path) -> None:
    patterns = ("ERR-01/chat-*", "ERR-03/chat-*", "ERR-06/status-*", "SEC-02")
    chosen = [part for pattern in patterns for part in ("--case", pattern)]
    told = run_quick(UNTOLD, tmp_path / "results", *chosen)
    assert told.code == 0, told.out
    lines = (tmp_path / "results" / "narrowed" / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    verdicts = [value for value in map(json.loads, lines) if value.get("ruling") == "advisory"]
    asked = [value for value in verdicts if "no retry policy is declared" in value["reason"]]
    assert [(value["case"], value["ruling"]) for value in asked] == [("DECL-01/run-wide", "advisory")]

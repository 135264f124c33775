"""Clients with one great mistake: it is told once, and what it keeps from being examined is blocked by it."""

from pathlib import Path

import pytest
from kill_runs import run_quick

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.suites.harness.oracles import CallMade
from tgi_conformance.suites.harness.runaway import MOST, MOST_AGAIN, Runaways

CLIENTS = Path(__file__).parents[1] / "adapters" / "small_clients.py"


def test_a_shape_that_never_answers_is_one_failure_and_blocks_its_cases(tmp_path: Path) -> None:
    words = ["--case", "RESP-02/chat-*", "--case", "GEN-02"]
    told = run_quick(f"{CLIENTS}:Mute", tmp_path / "results", *words, narrowed=True)
    assert told.code == 1, told.out
    failed = [v["case"] for v in told.verdicts if v["ruling"] == "failed"]
    assert failed == ["DECL-01/healthy-chat", "DECL-01/healthy-native"]
    blocked = [v for v in told.verdicts if v["ruling"] == "blocked"]
    assert {v["clause"] for v in blocked} == {"RESP-02"}
    # It offers no parameters, so there is nothing that GEN-02 could generate.
    assert {v["ruling"] for v in told.verdicts if v["clause"] == "GEN-02"} == {"not applicable"}
    assert {v["blocked_by"] for v in blocked} == {"DECL-01/healthy-chat"}
    assert f"{len(blocked)} cases blocked by 1 dead shape (chat)" in told.out


def test_a_call_that_never_stops_is_one_failure_with_its_number_of_requests(tmp_path: Path) -> None:
    words = ["--case", "REAL-03/bounded", "--case", "RESP-02/chat-astral"]
    told = run_quick(f"{CLIENTS}:Forever", tmp_path / "results", *words, narrowed=True)
    assert told.code == 1, told.out
    rulings = {str(v["case"]): v for v in told.verdicts}
    assert rulings["RESP-02/chat-astral"]["ruling"] == "passed"
    assert rulings["REAL-03/bounded"]["ruling"] == "blocked"
    assert rulings["REAL-03/bounded"]["blocked_by"] == "RETRY-01/run-wide"
    assert " requests for 1 call that may make " in str(rulings["RETRY-01/run-wide"]["reason"])
    assert told.red == ("RETRY-01",)


@pytest.mark.parametrize("client", ["Keyless", "Masked"])
def test_a_key_that_is_never_sent_is_no_injection(client: str, tmp_path: Path) -> None:
    words = ["--case", "MUX-01", "--case", "SEC-03", "--case", "SEC-06/key-*"]
    told = run_quick(
        f"{CLIENTS}:{client}", tmp_path / "results", *words, "--profile", "default", narrowed=True
    )
    assert set(told.red) == {"MUX-01", "SEC-03"}
    assert {v["ruling"] for v in told.verdicts if v["clause"] == "SEC-06"} == {"not applicable"}


CALL = CallMade(prompt="once", most_attempts=3)


def _journal(requests: int, prompt: str = "once", status: int = 503) -> Journal:
    body = f'{{"inputs": "{prompt}"}}'.encode()
    return Journal(
        exchanges=tuple(
            Exchange(id=n, connection=1, method="POST", target="/generate", body=body, status=status)
            for n in range(requests)
        )
    )


def test_a_call_has_run_away_once_it_sent_far_more_than_its_policy_allows() -> None:
    runaways = Runaways()
    assert runaways.judge([_journal(3 + MOST)], [CALL]) == ""
    assert runaways.last is None
    told = runaways.judge([_journal(MOST), _journal(4)], [CALL])
    assert told == f"{MOST + 4} requests where 3 are allowed, and no end; the call was ended"


def test_after_the_first_the_next_is_seen_sooner() -> None:
    runaways = Runaways()
    before = runaways.look
    runaways.judge([_journal(500)], [CALL])
    assert runaways.look < before
    assert runaways.judge([_journal(3 + MOST_AGAIN)], [CALL]) == ""
    assert runaways.judge([_journal(4 + MOST_AGAIN)], [CALL])


def test_a_call_that_hung_has_run_away_if_it_sent_more_than_it_may() -> None:
    runaways = Runaways()
    assert runaways.judge([_journal(3)], [CALL], 0) == ""
    assert runaways.judge([_journal(4)], [CALL], 0).startswith("4 requests where 3 are allowed")
    assert runaways.seen == 1


def test_the_clause_that_forbids_it_is_named_and_where_no_oracle_can_tell_retry_01() -> None:
    runaways = Runaways()
    runaways.judge([_journal(500, status=400)], [CALL])
    assert runaways.last is not None
    assert (runaways.last.case, runaways.last.size, runaways.untold) == ("RETRY-03/run-wide", 500, False)
    runaways.judge([_journal(400, prompt="another")], [CALL])
    assert (runaways.last.case, runaways.last.size, runaways.untold) == ("RETRY-01/run-wide", 400, True)

"""What a space of a case says beyond its script: failures last, and nothing unscripted is answered well."""

from pathlib import Path

import pytest
from kill_runs import run_quick

from tgi_conformance.contracts.script import Reply, answer, failing, overloaded, raw, silence, status, stream
from tgi_conformance.suites.harness.lasting import is_failure, lasting
from tgi_conformance.suites.harness.oracles import in_band_fault

RETRIES_ALL = Path(__file__).parents[1] / "adapters" / "retries_all.py"
_503 = status(503)
_GOOD = answer("good")


@pytest.mark.parametrize(
    "reply",
    [
        _503,
        status(204),
        status(302, ("location", "/x")),
        overloaded(),
        failing("shard died"),
        silence("rst"),
        silence("fin", at="accept"),
        raw(b"HTTP/1.1 abc\r\n\r\n"),
        answer("never").cut("stall", at="head"),
        in_band_fault(status(200, text="{")),
    ],
)
def test_a_failure_lasts_for_as_long_as_the_client_comes(reply: Reply) -> None:
    assert is_failure(reply)
    (played,) = lasting([reply])
    assert played == reply.times(1, None)


@pytest.mark.parametrize("reply", [_GOOD, status(200, json={}), stream()])
def test_an_answer_is_given_as_often_as_scripted(reply: Reply) -> None:
    assert not is_failure(reply)
    assert list(lasting([reply])) == [reply]


def test_a_failure_before_an_answer_to_the_same_request_comes_as_often_as_scripted() -> None:
    assert list(lasting([_503.times(2), _GOOD])) == [_503.times(2), _GOOD]
    assert list(lasting([_503.where(contains="x"), _GOOD])) == [_503.where(contains="x"), _GOOD]


@pytest.mark.parametrize(
    "later",
    [
        _GOOD.where(key="B"),
        _GOOD.where(contains="y", key="A"),
        _GOOD.where(path="/info", method="GET"),
        _GOOD.where(path="/elsewhere", method="POST"),
    ],
)
def test_a_failure_lasts_beside_an_answer_to_other_requests(later: Reply) -> None:
    failure = _503.where(key="A", contains="x")
    assert next(lasting([failure, later])) == failure.times(1, None)


def test_no_error_case_is_red_for_a_client_that_retries_whatever_passes(tmp_path: Path) -> None:
    # It declares so, and has no setting to switch that off.
    patterns = (
        "ERR-0[1-6]/*",
        "ERR-09",
        "STREAM-24",
        "REAL-04",
        "STAT-01",
        "SEC-02",
        "QUEUE-05/reset",
        "REQ-11",
    )
    chosen = [part for pattern in patterns for part in ("--case", pattern)]
    told = run_quick(f"{RETRIES_ALL}:Adapter", tmp_path / "results", *chosen)
    assert told.code == 0, told.out

"""Cases that are started before their turn: in a thread, on a process of their own, with the same outcome."""

from pathlib import Path

import pytest
from mini_backend import run_pytest

OWN = """
import os
import threading

import pytest

from tgi_conformance.suites.harness.expect import ClauseFailed
from tgi_conformance.suites.harness.rulings import NotApplicable, Untestable

OVER = []
ENOUGH = threading.Event()
if EXPECTED == 0:
    ENOUGH.set()
RAN = []


def passes(case):
    assert threading.current_thread() is not threading.main_thread() or "at-its-turn" in case.record.case


def fails(case):
    raise ClauseFailed("a pass", "none")


def cannot_tell(case):
    raise Untestable("the twin failed")


def does_not_apply(case):
    raise NotApplicable("no such capability")


def spoils_the_end(case):
    case._outcomes.append("no pair")


DEEDS = [passes, fails, cannot_tell, does_not_apply, spoils_the_end]


def do(case, deed):
    try:
        deed(case)
    finally:
        OVER.append(deed)
        with open("played.txt", "a") as played:
            worker, thread = os.environ.get("PYTEST_XDIST_WORKER"), threading.current_thread().name
            played.write(f"{worker} {thread} {deed.__name__}\\n")
        if len(OVER) >= EXPECTED:
            ENOUGH.set()


@pytest.mark.clause("RETRY-03", case="ahead")
@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.ahead
def test_ahead(case, deed):
    do(case, deed)


@pytest.mark.clause("RETRY-03", case="at-its-turn")
@pytest.mark.parametrize("deed", DEEDS)
def test_at_its_turn(case, deed):
    deed(case)


@pytest.mark.clause("RETRY-03", case="needs-more")
@pytest.mark.ahead
def test_that_needs_a_fixture_of_its_own(case, tmp_path):
    assert threading.current_thread() is threading.main_thread()


@pytest.mark.clause("RETRY-03", case="needs-the-server")
@pytest.mark.ahead
def test_that_needs_what_the_case_is_built_on(case, tgi_server):
    assert threading.current_thread() is threading.main_thread()


@pytest.mark.clause("RETRY-03", case="skipped")
@pytest.mark.ahead
@pytest.mark.skip(reason="not today")
def test_that_is_not_to_be_run(case):
    do(case, passes)


@pytest.mark.clause("RETRY-03", case="plain")
@pytest.mark.parametrize("number", range(120))
def test_plain(case, number):
    RAN.append(number)
    # The thread begins behind the first case; what it plays is over before the turn comes.
    assert len(RAN) == 1 or ENOUGH.wait(20)
"""


def verdicts(project: Path, expected: int, *words: str) -> dict[str, dict[str, object]]:
    (project / "pytest.ini").write_text("[pytest]\n")
    (project / "test_own.py").write_text(OWN.replace("EXPECTED", str(expected)))
    done = run_pytest(project, "-q", *words)
    assert done.code == 11, done.out  # one deed is a kit fault
    return {str(verdict["case"]): verdict for verdict in done.verdicts(narrowed=True)}


def test_what_is_begun_ahead_ends_as_it_would_at_its_turn(tmp_path: Path) -> None:
    seen = verdicts(tmp_path, 5)
    ahead = {name: verdict for name, verdict in seen.items() if verdict.get("ahead")}
    assert sorted(ahead) == [f"RETRY-03/ahead-{deed}" for deed in sorted(RULINGS)]
    for deed, ruling in RULINGS.items():
        begun, plain = ahead[f"RETRY-03/ahead-{deed}"], seen[f"RETRY-03/at-its-turn-{deed}"]
        assert begun["ruling"] == plain["ruling"] == ruling
        assert begun.get("reason") == plain.get("reason")
        assert begun.get("observed") == plain.get("observed")
    assert {seen[f"RETRY-03/{name}"]["ruling"] for name in ("needs-more", "needs-the-server")} == {"passed"}
    assert len((tmp_path / "played.txt").read_text().splitlines()) == 5, "what is skipped is not played"


def test_each_worker_begins_the_cases_of_its_share(tmp_path: Path) -> None:
    verdicts(tmp_path, 1, "-n2", "--dist=worksteal", "--tgi-seed=5")
    # Not by the verdicts: at its turn another worker may have taken the case over.
    played = [line.split() for line in (tmp_path / "played.txt").read_text().splitlines()]
    begun = [(worker, deed) for worker, thread, deed in played if thread.startswith("tgi-ahead")]
    assert {worker for worker, _ in begun} == {"gw0", "gw1"}
    assert len({deed for _, deed in begun}) == len(begun), "a case is of one share only"


@pytest.mark.parametrize(
    "words",
    [
        ("--tgi-profile=quick",),
        ("--tgi-inproc",),
        ("-k", "not plain"),
        ("-n2", "--dist=load", "--tgi-seed=5"),
    ],
)
def test_short_runs_one_process_and_shares_that_are_not_known_begin_nothing(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    seen = verdicts(tmp_path, 0, *words)
    assert not [name for name, verdict in seen.items() if verdict.get("ahead")]


ENDLESS = """
import threading

import pytest

BEGUN = threading.Event()


class Backend:
    def describe(self):
        return {"name": "endless", "capabilities": ["core", "chat"]}

    def create_endpoint(self, **settings):
        return "e"

    def chat(self, messages, **parameters):
        threading.Event().wait()


@pytest.mark.clause("RESP-02", case="ahead")
@pytest.mark.ahead
def test_ahead(case):
    call = case.driver.call("chat", {"messages": []})
    BEGUN.set()
    with open("outcome.txt", "w") as out:
        out.write(call.wait(30.0).ending)


@pytest.mark.clause("RESP-02", case="plain")
@pytest.mark.parametrize("number", range(60))
def test_plain(case, number):
    if number:
        assert BEGUN.wait(20)
        pytest.exit("enough")
"""


def test_a_run_that_is_broken_off_does_not_wait_for_what_was_begun(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_own.py").write_text(ENDLESS)
    done = run_pytest(tmp_path, "-q", "--tgi-backend=test_own.py:Backend")
    assert "enough" in done.out
    assert (tmp_path / "outcome.txt").read_text() == "crash", "not a hang, for which it would have to wait"


RULINGS = {
    "passes": "passed",
    "fails": "failed",
    "cannot_tell": "untestable",
    "does_not_apply": "not applicable",
    "spoils_the_end": "kit fault",
}

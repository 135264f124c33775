"""A case played to its end: held to its script, a failure confirmed, closed and looked over."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pytest

from tgi_conformance.backends.driver.driver import BackendGoneError, BackendStartError, Driver
from tgi_conformance.suites.harness import connects, oracles
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import ClauseFailed
from tgi_conformance.suites.harness.probes import ProbeFailed, Probes
from tgi_conformance.suites.harness.replay import confirm
from tgi_conformance.suites.harness.rulings import Blocked, NotHere, Untestable
from tgi_conformance.suites.harness.session import CaseRecord
from tgi_conformance.suites.real.replies import SAID, is_used_up, lost, trouble

Play = Callable[[Case], None]
#: How often a case is tried again whose real server did not answer as it was to.
FURTHER_TRIES: Final = 2


@dataclass(slots=True, kw_only=True)
class Begun:
    """A case that was played before its turn, on a backend process of its own, and what came of it.

    At its turn the run takes this over: the record, and what the test and the case's end raised.
    """

    case: Case
    #: What the test raised: to be raised again in the test's place.
    error: BaseException | None = None
    #: What the end of the case raised.
    end_error: BaseException | None = None


BEGUN: Final = pytest.StashKey[Begun]()


def play_ahead(case: Case, play: Play) -> Begun:
    """Play a case whose turn has not come; nothing is raised, all is kept."""
    begun = Begun(case=case)
    mark = case.driver.mark_output()
    try:
        with judged(case, play):
            play(case)
    except BaseException as error:  # noqa: BLE001 - pytest's skips too; raised again at the case's turn
        begun.error = error
    take_findings(case.probes, case.record)
    try:
        case.finish()
        look_at_process(case.driver, case.record, mark)
    except BaseException as error:  # noqa: BLE001 - likewise
        begun.end_error = error
    return begun


@contextmanager
def judged(case: Case, play: Play) -> Iterator[None]:
    """Hold every scripted reply to the requests it expected, and confirm a failure of the block by replay.

    ``play`` plays the case again, with another :class:`Case`. Where a call sent without end, the clause that
    forbids that tells of it, and any other is blocked.
    """
    case.probes.runaways.last = None
    try:
        with fit_to_decide(case, play):
            yield
            case.check_script()
    except ClauseFailed as failure:
        case.check_server()
        case.record.keep_answers = True
        if isinstance(failure, ProbeFailed):
            raise
        if (runaway := case.probes.runaways.last) is not None:
            if case.probes.runaways.untold:
                case.record.findings.append(runaway)
            if runaway.clause != case.record.clause:
                raise Blocked(f"a call did not stop: {runaway.message}", runaway.case) from None
        case.excuse(failure)
        # Before the replays: an untestable case shows both sides too.
        case.record.expected, case.record.observed = failure.expected, failure.observed
        if confirm(case, failure, play):
            raise
        case.record.expected = case.record.observed = ""


@contextmanager
def fit_to_decide(case: Case, play: Play) -> Iterator[None]:
    """Let no answer of a real server decide that was not what the case needs: it is tried twice more.

    Raises ``NotHere`` where the server never gave it.
    """
    problem: BaseException | None = None
    try:
        yield
    except (ClauseFailed, Untestable) as error:
        problem = error
    said = trouble(case.journals()) if case.forwards else ""
    for _ in range(FURTHER_TRIES if said and not is_used_up(said) else 0):
        again, problem = case.again(), None
        try:
            play(again)
            again.check_script()
        except (ClauseFailed, Untestable) as error:
            problem = error
        said = trouble(again.journals())
        again.finish()
        if not said:
            break
    if said:
        case.record.real_lost = lost(said)
        raise NotHere(f"{SAID}{said}") from None
    if problem is not None:
        raise problem


def take_findings(probes: Probes, record: CaseRecord) -> None:
    """Let the verdict of a case tell what the probes showed that were made while it ran."""
    record.findings += probes.findings()


def look_at_process(driver: Driver, record: CaseRecord, mark: int) -> None:
    """Let the oracles look at what the backend's process printed, logged and connected to since the mark."""
    record.output = driver.output_since(mark)
    try:
        # What was said and connected to is asked for, not what is left: garbage may wait.
        census = driver.census(collect=False)
    except (BackendGoneError, BackendStartError):
        # The process died of the case's own call, whose outcome says so.
        connects.note_where_it_went(driver, record)
        record.findings += oracles.leaks_in_output(record.output, (), record.keys)
        return
    records = [(log.level, log.logger, log.text) for log in census.logs or ()]
    record.findings += oracles.leaks_in_output(record.output, records, record.keys)
    connects.note_where_it_went(driver, record)

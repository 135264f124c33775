"""A failure that does not come again is untestable; one that does is failed, and says how steady it is."""

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from tgi_conformance.contracts.adapter import ErrorInfo
from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.journal import Journal, ReplyUse
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Script
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import CameLate, ClauseFailed
from tgi_conformance.suites.harness.judged import judged
from tgi_conformance.suites.harness.probes import ProbeFailed
from tgi_conformance.suites.harness.replay import REPLAYS, confirm
from tgi_conformance.suites.harness.rulings import Untestable
from tgi_conformance.suites.harness.runaway import Runaways
from tgi_conformance.suites.harness.session import CaseRecord, Settings


@dataclass
class FakeCase:
    record: CaseRecord = field(default_factory=lambda: CaseRecord(case="X-01/a", clause="X-01", backend="b"))
    replayable: bool = True
    forwards: bool = False
    made: list["FakeCase"] = field(default_factory=list)
    finished: int = 0
    within: bool = False
    #: Of each replay, whether it was played alone.
    were_alone: list[bool] = field(default_factory=list)
    probes: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(runaways=Runaways()))

    @contextmanager
    def alone(self):
        self.within = True
        yield
        self.within = False

    def again(self):
        self.made.append(FakeCase(record=self.record))
        self.were_alone.append(self.within)
        return self.made[-1]

    def check_script(self):
        pass

    def check_server(self):
        pass

    def excuse(self, failure):
        pass

    def finish(self):
        self.finished += 1


FAILURE = ClauseFailed("a pass", "a failure")


def failing_on(*numbers):
    """A test that fails when it is played for the given times, counted from 1."""
    played = []

    def play(case):
        played.append(case)
        if len(played) in numbers:
            raise ClauseFailed("a pass", "again a failure")

    play.played = played
    return play


@pytest.mark.parametrize(("numbers", "played", "mark"), [((1,), 1, ""), ((2,), 2, "1/2"), ((3,), 3, "1/3")])
def test_a_failure_that_comes_again_stands(numbers, played, mark):
    case, play = FakeCase(), failing_on(*numbers)
    confirm(case, FAILURE, play)
    assert len(play.played) == played
    assert case.record.unsteady == mark


@pytest.mark.parametrize(
    ("numbers", "played", "counts", "mark"),
    [
        ((), 1, False, "late 1/2"),
        ((1,), 2, False, "late 2/3"),
        ((2,), 1, False, "late 1/2"),
        ((1, 2), 2, True, ""),
    ],
)
def test_what_came_late_counts_if_it_is_late_each_time(numbers, played, counts, mark):
    case, play = FakeCase(), failing_on(*numbers)
    assert confirm(case, CameLate("by then", "later"), play) is counts
    assert len(play.played) == played
    assert case.record.unsteady == mark


def test_a_failure_that_never_comes_again_is_untestable():
    case, play = FakeCase(), failing_on()
    with pytest.raises(Untestable, match="observed a failure"):
        confirm(case, FAILURE, play)
    assert len(play.played) == REPLAYS


@pytest.mark.parametrize(
    ("failure", "numbers", "alone"),
    [
        (FAILURE, (1,), [False]),
        (FAILURE, (3,), [False, True, True]),
        (CameLate("by then", "later"), (1, 2), [True, True]),
    ],
)
def test_what_is_in_doubt_is_played_with_nothing_beside_it(failure, numbers, alone):
    case = FakeCase()
    confirm(case, failure, failing_on(*numbers))
    assert case.were_alone == alone


@pytest.mark.parametrize(
    ("failure", "numbers", "raised", "sides"),
    [
        (FAILURE, (1,), ClauseFailed, (FAILURE.expected, FAILURE.observed)),
        (FAILURE, (), Untestable, (FAILURE.expected, FAILURE.observed)),
        (CameLate("by then", "later"), (), None, ("", "")),
    ],
)
def test_both_sides_are_recorded_of_whatever_did_not_pass(failure, numbers, raised, sides):
    case = FakeCase()
    with pytest.raises(raised) if raised else nullcontext(), judged(case, failing_on(*numbers)):
        raise failure
    assert (case.record.expected, case.record.observed) == sides


def test_every_replay_is_closed():
    case = FakeCase()
    confirm(case, FAILURE, failing_on(2))
    assert [made.finished for made in case.made] == [1, 1]


@pytest.mark.parametrize("case", [FakeCase(replayable=False)])
def test_what_would_cost_a_deadline_is_not_replayed(case):
    play = failing_on()
    confirm(case, FAILURE, play)
    assert play.played == []


def test_a_backend_that_does_not_answer_is_not_replayed():
    play = failing_on()
    confirm(FakeCase(), ProbeFailed("it works", "it does not answer", "DECL-01/healthy-chat"), play)
    assert play.played == []


@dataclass
class FakeSpace:
    """A space whose scripted reply nobody asked for."""

    id: str = "s-1"

    def journal(self):
        return Journal(replies=(ReplyUse(reply="0", requests=0, at_least=1, at_most=1),))


@dataclass
class FakeRunning:
    kind: ErrorKind
    over: bool = True

    def wait(self, _deadline):
        return Outcome(ending="error", error=ErrorInfo(kind=self.kind))


@pytest.mark.parametrize(("kind", "late"), [(ErrorKind.TIMEOUT, True), (ErrorKind.TRANSPORT, False)])
def test_a_request_that_a_time_limit_cut_off_was_late(kind, late):
    record = CaseRecord(case="X-01/a", clause="X-01", backend="b")
    case = Case(None, None, None, record, Settings(backends=()))
    case._spaces, case._scripts, case._running = [FakeSpace()], [Script()], [FakeRunning(kind)]

    with pytest.raises(ClauseFailed) as failed:
        case.check_script()

    assert isinstance(failed.value, CameLate) is late

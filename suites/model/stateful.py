"""Stateful properties at work: state machines of Hypothesis, run as :mod:`harness.properties` runs any.

A breach is ruled under the clause whose assertion failed, not under the case that came upon it: the run-wide
rulings say it (``QUEUE-03/run-wide``), with the case and its program as evidence. A breach of the case's own
clause fails the case.
"""

import contextlib
import functools
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, TypeVar

import hypothesis
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from hypothesis.strategies import SearchStrategy

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.journal import Journal
from tgi_conformance.contracts.verdict import Finding
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.example_storage import no_constants_of_modules
from tgi_conformance.suites.harness.expect import ClauseFailed
from tgi_conformance.suites.harness.patience import PROMPTLY, Patience
from tgi_conformance.suites.harness.probes import ProbeFailed
from tgi_conformance.suites.harness.properties import (
    FATAL,
    SHRINKING,
    _endings,
    _EndOfExamples,
    _Failure,
    _Run,
    check_property,
    seed_of,
)
from tgi_conformance.suites.harness.replay import LATE_REPLAYS, REPLAYS
from tgi_conformance.suites.harness.rulings import NotHere, Untestable
from tgi_conformance.suites.harness.session import CaseRecord
from tgi_conformance.suites.model.extent import Extent, extent_of
from tgi_conformance.suites.model.program_run import Arrivals
from tgi_conformance.suites.model.state import Breach

T = TypeVar("T")
Step = TypeVar("Step", bound=Callable[..., Any])
#: A rule by name, and what it was given.
Action = tuple[str, tuple[object, ...], dict[str, object]]

#: Seconds that what must happen may take while a program is shrunken, beside lag and the client's own time.
_SHRINKING: Final = 0.3


class _Program(str):
    """The steps of a program; shown as they are."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(slots=True)
class MachineRun(_Run[_Program]):
    """The programs of one stateful property."""

    extent: Extent = field(kw_only=True)
    looked: set[str] = field(default_factory=set)
    #: The rules of the failed program that is kept, with what they were given.
    actions: tuple[Action, ...] = ()
    replaying: bool = False
    #: What ended the examples before their number was reached.
    ended: _EndOfExamples | None = None
    arrivals: Arrivals = field(default_factory=Arrivals)

    def begin(self) -> Case:
        """A case for the next program; ends the examples where shrinking has had its time."""
        late = self.failure is not None and time.monotonic() - self._since > SHRINKING
        if late and not self.replaying:
            self._end_examples()
        record = CaseRecord(
            case=self.case.record.case,
            clause=self.case.record.clause,
            backend=self.case.record.backend,
            keys=self.case.record.keys,
        )
        return Case(self.case.server, self.case.driver, self.case.probes, record, self.case.settings)

    def patience(self, journal: Journal) -> float:
        """Seconds that what must happen may take."""
        waited = Patience(pace=self.case.probes.pace, lag=journal.lag)
        return waited.soon(PROMPTLY if self.failure is None else _SHRINKING)

    def end(
        self, inner: Case, error: BaseException | None, steps: list[str], actions: Sequence[Action]
    ) -> None:
        """Close a program's case; keep its failure. Raises what ends the examples at once."""
        inner.finish()
        if error is None:
            self._merge(inner.record)
        elif isinstance(error, ProbeFailed):
            self._end_examples(error)
        elif isinstance(error, ClauseFailed):
            self._keep(inner.record, error, _Program("\n  ".join(["", *steps])))
            if self.failure is not None and self.failure.assertion is error:
                self.actions = tuple(actions)
            if _endings(inner.record) & FATAL:
                self._end_examples()
        elif isinstance(error, Exception):
            self._end_examples(error)

    def _end_examples(self, fault: Exception | None = None) -> NoReturn:
        self.ended = _EndOfExamples(fault)
        raise self.ended from None


class CaseMachine(RuleBasedStateMachine):
    """A machine of which each example has a case of its own."""

    def __init__(self, run: MachineRun) -> None:
        super().__init__()
        self.run = run
        self.steps: list[str] = []
        self.actions: list[Action] = []
        self.error: BaseException | None = None
        self.case = run.begin()

    def complete(self) -> None:
        """Bring the program to its end; raises :class:`ClauseFailed`."""

    def summarize(self) -> None:
        """Add to the evidence what only the machine knows; called once the program is over."""

    def teardown(self) -> None:
        """End the program, and add what it showed to the run."""
        late: Exception | None = None
        broken_off = sys.exc_info()[1] is not None
        if self.error is None and not broken_off:
            try:
                self.complete()
                self.case.check_script()
            except Exception as error:  # noqa: BLE001 - raised below, once the case is closed
                late = self.error = error
                self.steps.append(f"at the end: {_first_line(error)}")
        self.summarize()
        self.run.end(self.case, self.error, self.steps, self.actions)
        if late is not None:
            raise late


def step(function: Step) -> Step:
    """Note the error that ends a program in a rule; a rule says what it does by appending to ``steps``."""

    @functools.wraps(function)
    def noted(machine: CaseMachine, *arguments: object, **named: object) -> object:
        machine.actions.append((function.__name__, arguments, named))
        try:
            return function(machine, *arguments, **named)
        except Exception as error:
            machine.error = error
            machine.steps.append(f"  here: {_first_line(error)}")
            raise

    return noted  # type: ignore[return-value]


def check_machine(case: Case, machine: Callable[[MachineRun], CaseMachine], *, shared: int = 1) -> None:
    """Run the programs of a state machine; ``shared`` is among how many cases the profile's are shared out.

    Raises :class:`ClauseFailed` for a breach of the case's own clause; one of another clause is left in the
    case's findings, and the case is not decided.
    """
    extent = extent_of(case.settings.profile, case.patience().pace, shared=shared)
    run = MachineRun(case, lambda *_: None, extent=extent)

    def program() -> CaseMachine:
        return machine(run)

    settings = hypothesis.settings(
        max_examples=run.extent.programs,
        stateful_step_count=run.extent.steps,
        derandomize=False,
        database=None,
        print_blob=True,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.seed(seed_of(case))(program)
    fault: Exception | None = None
    try:
        with no_constants_of_modules():
            run_state_machine_as_test(program, settings=settings)  # type: ignore[arg-type]
    except _EndOfExamples as end:
        fault = end.fault
    except Flaky as unsteady:
        # Hypothesis says so too where the examples were ended in the middle of one that it knew.
        fault = _unsteady(run, program, unsteady) if run.ended is None else run.ended.fault
    except ClauseFailed as assertion:
        fault = None if run.failure is not None else assertion
    if fault is None and run.failure is not None and getattr(run.failure.assertion, "late", False):
        fault = _if_late_again(run, program)
    if fault is not None:
        raise fault
    _conclude(run)


def check_examples(
    case: Case, examples: SearchStrategy[T], check: Callable[[Case, T], None], *, shared: int = 1
) -> None:
    """Check a property whose assertions belong to several clauses: each counts for its own (see above)."""
    breaches: dict[tuple[str, str], Breach] = {}

    def noted(inner: Case, example: T) -> None:
        try:
            check(inner, example)
        except Breach as breach:
            breaches[breach.expected, breach.observed] = breach
            raise

    try:
        check_property(case, examples, noted, shared=shared)
    except ClauseFailed as failed:
        breach = breaches.get((failed.expected, failed.observed))
        if breach is None or breach.clause == case.record.clause or not _binds(breach.clause, case):
            raise
        _leave_to(breach.clause, case, failed)


def clause_of(assertion: ClauseFailed, case: Case) -> str:
    """The clause that a failed assertion decides."""
    return assertion.clause if isinstance(assertion, Breach) else case.record.clause


def _unsteady(run: MachineRun, machine: Callable[[], CaseMachine], unsteady: Exception) -> Exception | None:
    """A failure that did not come again at once is replayed alone, a few times; never again: untestable."""
    failure, actions = run.failure, run.actions
    if failure is None:
        return unsteady
    with run.case.alone():
        for number in range(1, REPLAYS + 1):
            if (fault := _replay(run, machine, actions)) is not None:
                return fault
            # Whatever it breaks now is what is told: a broken program may break several clauses by turns.
            if run.failure is not None:
                run.case.record.unsteady = f"1/{number}"
                return None
    run.failure = failure
    _note_program(run, failure)
    return Untestable(f"failed once and not again: {_first_line(failure.assertion)}")


def _if_late_again(run: MachineRun, machine: Callable[[], CaseMachine]) -> Exception | None:
    """Play a program in which something came too late alone: the failure stays if it comes again.

    Once is enough, since what a program meets may depend on the clock, and nothing delays the client now.
    """
    actions = run.actions
    with run.case.alone():
        for number in range(1, LATE_REPLAYS + 1):
            if (fault := _replay(run, machine, actions)) is not None:
                return fault
            if run.failure is not None:
                run.case.record.unsteady = "" if number == 1 else f"late 2/{number + 1}"
                return None
    run.case.record.unsteady = f"late 1/{LATE_REPLAYS + 1}"
    return None


def _replay(
    run: MachineRun, machine: Callable[[], CaseMachine], actions: Sequence[Action]
) -> Exception | None:
    """Play a program on fresh spaces; its failure is kept in the run. Gives what went wrong beside that."""
    run.failure, run.replaying = None, True
    try:
        _play(machine(), actions)
    except _EndOfExamples as end:
        return end.fault
    return None


def _play(machine: CaseMachine, actions: Sequence[Action]) -> None:
    """Play a program once more, step by step; its failure is kept as any other."""
    with contextlib.suppress(ClauseFailed):
        for name, arguments, named in actions:
            getattr(machine, name)(*arguments, **named)
    with contextlib.suppress(ClauseFailed):
        machine.teardown()


def _note_program(run: MachineRun, failure: _Failure) -> None:
    program = failure.example.strip().split("\n  ")
    run.case.note({**_tried(run), "program": program})


def _tried(run: MachineRun) -> dict[str, object]:
    """How many programs were run, of which seed, and why no more."""
    tried: dict[str, object] = {"seed": run.case.settings.seed, "programs": run._done}
    return tried | {"fewer": run.extent.why} if run.extent.why else tried


def _conclude(run: MachineRun) -> None:
    case = run.case
    if run.failure is None:
        # Told, not ruled: what the programs meet depends on the clock (whether a call still sleeps when it is
        # taken back), and a ruling that comes and goes with the machine's speed is none.
        right = [clause for clause in sorted(run.looked) if _binds(clause, case)]
        case.note({**_tried(run), "found_right": right})
        return
    clause = clause_of(run.failure.assertion, case)
    if clause == case.record.clause or not _binds(clause, case):
        run.fail(run.failure)
    _note_program(run, run.failure)
    told = run.failure.assertion
    message = f"expected {told.expected}; observed {told.observed}\nprogram:{run.failure.example}"
    _leave_to(clause, case, message)


def _binds(clause: str, case: Case) -> bool:
    """Whether the backend claims what a clause is about; only then is it ruled, either way."""
    return case.claims(*load_catalogue()[clause].capabilities)


def _leave_to(clause: str, case: Case, told: object) -> NoReturn:
    """Have the run-wide ruling of a clause say what was seen; the case itself is not decided."""
    case.record.keep_evidence = True
    case.record.findings.append(Finding(clause=clause, message=str(told)))
    raise NotHere(f"stopped by a breach of {clause}, which is ruled as {clause}/run-wide")


def _first_line(error: BaseException) -> str:
    if isinstance(error, ClauseFailed):
        clause = f"{error.clause}: " if isinstance(error, Breach) else ""
        return f"{clause}expected {error.expected}; observed {error.observed}"
    return f"{type(error).__name__}: {error}".splitlines()[0]

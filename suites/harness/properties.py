"""Properties at work: Hypothesis examples, each in a space of its own, with a run seed and bounded shrinking.

A case that is a property of the catalogue's invariants has a slug that begins with its number:
``RETRY-05/property-p12``. Its assertions are those of its own clause; where one invariant decides several
clauses, each has a case with the generator in common, and the examples are shared out among them.

A failure of a clause shrinks for at most ten seconds; a hang, a crash and a fault of the kit end the examples
at once. What is raised in the end is one :class:`ClauseFailed` that shows the smallest script seen to fail.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, NoReturn, TypeVar

import hypothesis
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Ending
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.example_storage import no_constants_of_modules
from tgi_conformance.suites.harness.expect import CameLate, ClauseFailed
from tgi_conformance.suites.harness.probes import ProbeFailed
from tgi_conformance.suites.harness.replay import REPLAYS, late_each_time
from tgi_conformance.suites.harness.rulings import Untestable
from tgi_conformance.suites.harness.scripted_waits import add_waits
from tgi_conformance.suites.harness.session import CaseRecord, Profile

T = TypeVar("T")
Cost = Literal["split", "io", "rows", "restarts", "waits", "whole"]

#: Examples by profile: "split" re-cuts the bytes of a stream, "io" is any other exchange with the backend,
#: "rows" plays several calls of short waits at once, "restarts" needs a new process for each, "waits" sits
#: out a wait of a second or more, "whole" does so once for all there is to try (see :func:`whole_of`).
EXAMPLES: Final[dict[Profile, dict[Cost, int]]] = {
    "default": {"split": 60, "io": 25, "rows": 4, "restarts": 3, "waits": 2, "whole": 1},
    "tgi-guide": {"split": 60, "io": 25, "rows": 4, "restarts": 3, "waits": 2, "whole": 1},
    "thorough": {"split": 600, "io": 250, "rows": 40, "restarts": 30, "waits": 20, "whole": 10},
    "quick": {"split": 15, "io": 8, "rows": 2, "restarts": 1, "waits": 1, "whole": 1},
}
#: The fewest examples that a case keeps where an invariant's are shared out, by profile.
_LEAST: Final[dict[Profile, int]] = {"default": 8, "tgi-guide": 8, "thorough": 80, "quick": 3}
#: Seconds from the first failure to the end of shrinking.
SHRINKING: Final = 10.0
#: Endings after which the same example would cost its deadline, or a process, again.
FATAL: Final[frozenset[Ending]] = frozenset({"hang", "crash", "violation"})
_SHOWN: Final = 6000
#: Characters of a script that are printed; one that was shrunken is far shorter.
_SCRIPT_SHOWN: Final = 60_000


def check_property(
    case: Case,
    examples: SearchStrategy[T],
    check: Callable[[Case, T], None],
    *,
    cost: Cost = "io",
    shared: int = 1,
) -> None:
    """Check a property: ``check(example_case, example)`` raises :class:`ClauseFailed` where it does not hold.

    ``example_case`` is a case of its own; its script is checked, and its endpoints and spaces closed, after
    each example. ``shared`` is among how many cases the examples of the invariant are shared out.
    """
    run = _Run(case, check)
    settings = hypothesis.settings(
        max_examples=budget(case.settings.profile, cost, shared),
        derandomize=False,
        database=None,
        print_blob=True,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=[
            hypothesis.HealthCheck.too_slow,
            hypothesis.HealthCheck.data_too_large,
            hypothesis.HealthCheck.filter_too_much,
            hypothesis.HealthCheck.large_base_example,
            hypothesis.HealthCheck.function_scoped_fixture,
        ],
    )

    def example(value: T) -> None:
        run.example(value)

    seeded = hypothesis.seed(seed_of(case))(settings(hypothesis.given(examples)(example)))
    fault: Exception | None = None
    try:
        with no_constants_of_modules():
            seeded()
    except _EndOfExamples as end:
        fault = end.fault
    except Flaky as unsteady:
        fault = run.not_again(unsteady)
    except ClauseFailed as assertion:
        fault = None if run.failure is not None else assertion
    if fault is not None:
        raise fault
    if run.failure is not None:
        run.fail(run.failure)


def whole_of(rows: Sequence[T]) -> SearchStrategy[list[T]]:
    """Rows that are played at once: all of them in the first example, then with some left out."""
    last = len(rows) - 1
    left_out = st.sets(st.integers(0, last), max_size=last)
    return left_out.map(lambda out: [row for number, row in enumerate(rows) if number not in out])


def budget(profile: Profile, cost: Cost, shared: int = 1) -> int:
    """How many examples one case may try."""
    whole = EXAMPLES[profile][cost]
    return min(whole, max(_LEAST[profile], whole // shared))


def seed_of(case: Case) -> int:
    """The seed of one case's examples: the run's seed and the case's id, the same in every worker."""
    text = f"{case.settings.seed}:{case.record.case}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


class _EndOfExamples(BaseException):
    """Ends the examples without shrinking: Hypothesis lets a BaseException pass."""

    def __init__(self, fault: Exception | None = None) -> None:
        super().__init__()
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """A failed example: the assertion, and the scripts that made it fail."""

    value: object
    assertion: ClauseFailed
    scripts: list[JSON]
    example: str

    @property
    def size(self) -> int:
        """Characters of the scripts; the smallest is shown."""
        return len(json.dumps(self.scripts))


@dataclass(slots=True)
class _Run(Generic[T]):
    """The examples of one property."""

    case: Case
    check: Callable[[Case, T], None]
    failure: _Failure | None = None
    _done: int = 0
    _since: float = field(default=0.0)

    def example(self, value: T) -> None:
        """Run one example; raises :class:`ClauseFailed` or :class:`_EndOfExamples`."""
        try:
            self._play(value)
        except ClauseFailed:
            raise
        except Exception as fault:  # noqa: BLE001 - handed on whole: the kit is at fault
            raise _EndOfExamples(fault) from None

    def _play(self, value: T) -> None:
        if self.failure is not None and time.monotonic() - self._since > SHRINKING:
            raise _EndOfExamples
        record = CaseRecord(
            case=self.case.record.case,
            clause=self.case.record.clause,
            backend=self.case.record.backend,
            keys=self.case.record.keys,
        )
        inner = Case(self.case.server, self.case.driver, self.case.probes, record, self.case.settings)
        try:
            try:
                self.check(inner, value)
                inner.check_script()
            except ClauseFailed as assertion:
                inner.excuse(assertion)
                raise
            finally:
                inner.finish()
        except ProbeFailed as silent:
            raise _EndOfExamples(silent) from None
        except ClauseFailed as assertion:
            if isinstance(assertion, CameLate) and not late_each_time(
                self.case, lambda again: self.check(again, value)
            ):
                self._merge(record)
                return
            self._keep(record, assertion, value)
            if _endings(record) & FATAL:
                raise _EndOfExamples from None
            raise
        self._merge(record)

    def not_again(self, unsteady: Exception) -> Exception | None:
        """Play an example that failed and then did not alone; None: it fails, and the failure is kept."""
        failure = self.failure
        if failure is None:
            return unsteady
        with self.case.alone():
            for number in range(1, REPLAYS + 1):
                self.failure = None
                try:
                    self._play(failure.value)  # type: ignore[arg-type]
                except _EndOfExamples as end:
                    if end.fault is not None:
                        return end.fault
                except ClauseFailed:
                    pass
                if self.failure is not None:
                    self.case.record.unsteady = f"1/{number}"
                    return None
        self.failure = failure
        told = failure.assertion
        return Untestable(f"failed once and not again: expected {told.expected}; observed {told.observed}")

    def _keep(self, record: CaseRecord, assertion: ClauseFailed, value: T) -> None:
        """Keep the failure if it is the smallest, with its evidence."""
        if self.failure is None:
            self._since = time.monotonic()
        scripts = [to_json(space.script) for space in record.spaces]
        failure = _Failure(value=value, assertion=assertion, scripts=scripts, example=repr(value))
        if self.failure is None or failure.size <= self.failure.size:
            self.failure = failure
            # Asked for now: by the end of the examples the server has forgotten the first of them.
            self.case.record.spaces[:] = [seen.with_answers() for seen in record.spaces]
            self.case.record.calls[:] = record.calls
        self._merge(record)

    def _merge(self, record: CaseRecord) -> None:
        """Take over what the run-wide oracles found; what is not a breach is told once."""
        self._done += 1
        add_waits(self.case.record.waits, record.waits)
        first = self._done == 1
        self.case.record.findings += [f for f in record.findings if first or f.breach or f.advisory]
        self.case.record.outside += record.outside
        if first and self.failure is None:
            self.case.record.spaces += record.spaces
            self.case.record.calls += record.calls

    def fail(self, failure: _Failure) -> NoReturn:
        """Raise the smallest failure with its script as JSON, which the fake server can replay."""
        self.case.note({"seed": self.case.settings.seed, "examples": self._done})
        raise ClauseFailed(
            failure.assertion.expected,
            failure.assertion.observed,
            f"example: {failure.example[:_SHOWN]}\n"
            f"seed: {self.case.settings.seed}, {self._done} examples tried\n"
            f"{_printed(failure.scripts)}",
        )


def _printed(scripts: list[JSON]) -> str:
    """The scripts, a line each, as ``tgi-conformance serve --script -`` takes them."""
    told = [f"script, for `tgi-conformance serve --script -`{'' if len(scripts) == 1 else ' (each)'}:"]
    for script in scripts:
        text = json.dumps(script)
        whole = len(text) <= _SCRIPT_SHOWN
        told.append(text if whole else f"({len(text)} characters: see spaces in the case's evidence)")
    return "\n".join(told)


def _endings(record: CaseRecord) -> set[Ending]:
    """How the calls of an example ended."""
    return {call.outcome.ending for call in record.calls}

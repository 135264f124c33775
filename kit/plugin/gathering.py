"""The controller's part: gather the verdicts, rule on the run, write its files, set the exit code."""

import os
import platform
import shlex
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.verdict import Ruling, Verdict
from tgi_conformance.fake_server.egress.budget import USED_UP
from tgi_conformance.fake_server.forwarding.reaching import UNREACHABLE
from tgi_conformance.plugin.backends_seen import backends_down, backends_seen
from tgi_conformance.plugin.collected import Collected, CollectedCase
from tgi_conformance.plugin.collection import DURATIONS, OWN_TESTS, read_durations
from tgi_conformance.plugin.cpu_time import children_seconds, cores, own_seconds, workers_seconds
from tgi_conformance.plugin.guide_profile import rule_guide_profile
from tgi_conformance.plugin.ids import find_clause
from tgi_conformance.plugin.judging import VERDICT_ATTRIBUTE
from tgi_conformance.plugin.options import cases_named, is_distributed, reports_asked
from tgi_conformance.plugin.quick.choice import WHY
from tgi_conformance.plugin.real.running import REAL_RUN
from tgi_conformance.plugin.run_wide import merged, rule_run_wide
from tgi_conformance.reports.atomic import write_json
from tgi_conformance.reports.gate import Gate, judge
from tgi_conformance.reports.run import BackendInfo, RealInfo, Run, RunInfo
from tgi_conformance.reports.run_folder import Written, prepare, write_all
from tgi_conformance.reports.verdict_lines import parse_line
from tgi_conformance.reports.writing.guard import attempt
from tgi_conformance.suites.harness.session import SETTINGS
from tgi_conformance.suites.real.replies import SAID

_SHOWN_PATTERNS: Final = 3
EXPECTED_RESULTS: Final = "expected_results"
_VERSIONED: Final = ("tgi-conformance", "pytest", "pytest-xdist", "hypothesis")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A run that is over."""

    run: Run
    gate: Gate
    #: What was written, and what was not; None where no report was wanted.
    written: Written | None
    remarks: tuple[str, ...] = ()


#: The command line that repeats the run, where it did not start as pytest's own.
COMMAND: Final = pytest.StashKey[str]()
FINISHED: Final = pytest.StashKey[Finished]()


class Gathering:
    """One a run, in the process that controls it."""

    def __init__(self, config: pytest.Config, scratch: Path, tell_cases: Callable[[Collected], None]) -> None:
        self.config = config
        self.settings = config.stash[SETTINGS]
        self.scratch = scratch
        self._tell_cases = tell_cases
        self.writes = config.option.tgi_report != "none"
        self.enforced = config.option.tgi_enforce == "should"
        self.verdicts: list[Verdict] = []
        self.remarks: list[str] = []
        self._lost: dict[str, str] = {}
        self._collected: Collected | None = None
        self._started = datetime.now(UTC)
        self._clock = time.monotonic()

    # --- gathering -----------------------------------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        """Lay out the folder once the first worker has collected, before any gets a case."""
        if self._collected is None:
            self.begin(Collected.read(self.scratch))

    def begin(self, collected: Collected) -> None:
        """Lay out the folder for the cases that were collected here; with workers, collection is theirs.

        Raises ``pytest.UsageError`` where a case was asked for that does not exist, or the folder cannot be
        made: then nothing was begun, and nothing is written.
        """
        if collected.unknown:
            raise pytest.UsageError("\n".join(collected.unknown))
        if self.writes and collected.cases and not self.config.option.collectonly:
            try:
                prepare(self.settings.folder, narrowed=collected.narrowed)
            except OSError as error:
                raise pytest.UsageError(f"the folder for the results cannot be made: {error}") from error
        self._collected = collected
        self._tell_cases(collected)
        self.remarks += collected.remarks

    def begin_late(self, scratch: Path) -> None:
        """Begin in the middle of a run: the workers have written to that folder, and evidence, already."""
        self.scratch = scratch
        self._collected = replace(Collected.read(scratch), narrowed=True)
        self._tell_cases(self._collected)
        self.remarks += self._collected.remarks

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the verdict off the report that carries it."""
        line = getattr(report, VERDICT_ATTRIBUTE, None)
        if isinstance(line, str):
            self.verdicts.append(parse_line(line))

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str) -> None:
        """Note the case that a worker died in."""
        self._lost[crashitem] = "the worker died while it ran"

    # --- the end -------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int | pytest.ExitCode) -> None:
        """Rule on the run, write its files, set the exit code; also after Ctrl-C."""
        collected = self._collected or Collected()
        if self.config.option.collectonly or not (collected.cases or self.verdicts):
            shutil.rmtree(self.scratch, ignore_errors=True)
            return
        run = Run(self._info(collected), tuple(self._all_verdicts(collected, int(exitstatus))))
        gate = judge(
            run,
            pytest_code=int(exitstatus),
            enforce="should" if self.enforced else "must",
            backends_down=(*backends_down(self.scratch), *self._same_names()),
            endpoint_unusable=endpoint_unusable(run),
        )
        written = self._write(run, gate) if self.writes and run.verdicts else None
        gate = gate.without(written.unwritten if written else ())
        session.exitstatus = gate.code
        self.config.stash[FINISHED] = Finished(
            run=run, gate=gate, written=written, remarks=tuple(dict.fromkeys(self.remarks))
        )
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _same_names(self) -> Iterable[str]:
        """Two faces under one name would share files and verdicts: the run cannot be read."""
        labels: dict[str, list[str]] = {}
        for label, info in backends_seen(self.scratch).items():
            labels.setdefault(info.name, []).append(label)
        for name, same in labels.items():
            if len(same) > 1:
                yield f"{' and '.join(same)} both describe themselves as {name!r}: give each its own name"

    def _all_verdicts(self, collected: Collected, exitstatus: int) -> Iterable[Verdict]:
        names = {label: info.name for label, info in backends_seen(self.scratch).items()}
        verdicts = [_renamed(verdict, names) for verdict in self.verdicts]
        judged = {(verdict.backend, verdict.case) for verdict in verdicts}
        why = (
            "the run was interrupted"
            if exitstatus == pytest.ExitCode.INTERRUPTED
            else "the run ended before its turn"
        )
        missing = [
            self._undecided(case, names, Ruling.NOT_RUN, self._lost.get(case.nodeid, why))
            for case in collected.cases
            if (names.get(case.backend, case.backend), case.case) not in judged
        ]
        run_wide = rule_run_wide(verdicts, enforced=self.enforced, seed=self.settings.seed)
        left_out = [self._undecided(case, names, Ruling.NOT_HERE, WHY) for case in collected.left_out]
        everything = merged([*verdicts, *missing, *left_out], run_wide)
        if self.settings.profile == "tgi-guide" and not collected.narrowed:
            everything += rule_guide_profile(everything, self._backends(), seed=self.settings.seed)
        return sorted(everything, key=_report_order)

    def _undecided(
        self, case: CollectedCase, names: Mapping[str, str], ruling: Ruling, reason: str
    ) -> Verdict:
        clause = find_clause(case.clause)
        return Verdict(
            case=case.case,
            clause=case.clause,
            ruling=ruling,
            backend=names.get(case.backend, case.backend),
            level=str(clause.level) if clause else "MUST",
            results_key=clause.results_key if clause else "",
            area=clause.area if clause else case.clause.partition("-")[0],
            reason=reason,
            nodeid=case.nodeid,
            seed=self.settings.seed,
        )

    def _info(self, collected: Collected) -> RunInfo:
        # The workers are children too, but not waited for yet.
        others = workers_seconds(self.scratch) if is_distributed(self.config) else children_seconds()
        return RunInfo(
            started=self._started.isoformat(timespec="milliseconds"),
            ended=datetime.now(UTC).isoformat(timespec="milliseconds"),
            seed=self.settings.seed,
            profile=self.settings.profile,
            backends=tuple(self._backends()),
            versions={name.replace("-", "_"): version(name) for name in _VERSIONED}
            | {"python": platform.python_version()},
            workers=len(getattr(self.config.option, "tx", None) or ()) if is_distributed(self.config) else 0,
            narrowed=collected.narrowed,
            selection=self._selection(),
            wall_seconds=round(time.monotonic() - self._clock, 3),
            cpu_seconds=round(own_seconds() + others, 3),
            cores=cores(),
            longest_wait_seconds=round(_longest_wait(self.verdicts), 3),
            command=self.config.stash.get(COMMAND, "")
            or shlex.join(["pytest", *map(str, self.config.invocation_params.args)]),
            real=self._real(),
        )

    def _real(self) -> RealInfo | None:
        run = self.config.stash.get(REAL_RUN, None)
        return None if run is None else run.told()

    def _backends(self) -> Iterable[BackendInfo]:
        seen = backends_seen(self.scratch)
        ran = {verdict.backend for verdict in self.verdicts}
        for spec in self.settings.backends:
            if ran != {OWN_TESTS}:
                yield seen.get(spec.label, BackendInfo(name=spec.label, spec=spec.label))
        if OWN_TESTS in ran:
            yield BackendInfo(name=OWN_TESTS)

    def _selection(self) -> str:
        option = self.config.option
        patterns = cases_named(self.config)
        words = [f"--case {pattern}" for pattern in patterns[:_SHOWN_PATTERNS]]
        if len(patterns) > _SHOWN_PATTERNS:
            words.append(f"and {len(patterns) - _SHOWN_PATTERNS} more")
        if getattr(option, "keyword", ""):
            words.append(f"-k {shlex.quote(option.keyword)}")
        if getattr(option, "markexpr", ""):
            words.append(f"-m {shlex.quote(option.markexpr)}")
        return " ".join(words)

    def _write(self, run: Run, gate: Gate) -> Written:
        folder = self.settings.folder
        expected = Path(self.config.invocation_params.dir) / EXPECTED_RESULTS
        written = write_all(
            run,
            folder,
            expected if expected.is_dir() else None,
            gate=gate,
            asked=reports_asked(self.config),
            environment=os.environ,
        )
        took = {verdict.case: verdict.duration for verdict in run.verdicts if verdict.duration}
        durations = folder / DURATIONS
        faults = attempt(durations, lambda: write_json(durations, dict(read_durations(folder)) | took))
        return replace(written, unwritten=(*written.unwritten, *faults))


def endpoint_unusable(run: Run) -> tuple[str, ...]:
    """Why the real endpoint did not decide all that it was to: it died, or the budget ended first."""
    not_here = [v for v in run.verdicts if v.ruling is Ruling.NOT_HERE and v.real and v.level == "MUST"]
    for sign in (UNREACHABLE, USED_UP):
        left = [verdict for verdict in not_here if sign in verdict.reason]
        if left:
            why = left[0].reason.partition(SAID)[2] or left[0].reason
            return (f"{why}: {len(left)} MUST cases left, the first {left[0].case}",)
    return ()


def _renamed(verdict: Verdict, names: Mapping[str, str]) -> Verdict:
    """A verdict under the name that the backend gave itself, also where its worker never learned it."""
    name = names.get(verdict.backend, verdict.backend)
    return verdict if name == verdict.backend else replace(verdict, backend=name)


def _report_order(verdict: Verdict) -> tuple[str, int, str]:
    order = {clause.id: number for number, clause in enumerate(load_catalogue())}
    return verdict.backend, order.get(verdict.clause, len(order)), verdict.case


def _longest_wait(verdicts: Iterable[Verdict]) -> float:
    """Seconds of the longest chain: what a worker plays one after the other, and its cases started early."""
    waits: defaultdict[tuple[str, bool], float] = defaultdict(float)
    for verdict in verdicts:
        waits[verdict.worker, verdict.ahead] += verdict.waited
    return max(waits.values(), default=0.0)

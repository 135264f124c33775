"""The controller's part: gather the verdicts, rule on the run, write its files, set the exit code."""

import os
import shlex
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from tgi_conformance.contracts.verdict import NO_TURN, Ruling, Verdict
from tgi_conformance.plugin.backends_seen import backends_down, backends_seen
from tgi_conformance.plugin.collected import Collected, CollectedCase
from tgi_conformance.plugin.collection import DURATIONS, OWN_TESTS, read_durations
from tgi_conformance.plugin.cpu_time import children_seconds, cores, own_seconds, workers_seconds
from tgi_conformance.plugin.ending.budget import is_used_up
from tgi_conformance.plugin.ending.repeated import (
    of_the_backend,
    of_the_endpoint,
    of_the_gate,
    of_the_run,
    versions_here,
)
from tgi_conformance.plugin.ending.ruling import requirements_of, ruled_over_all
from tgi_conformance.plugin.gate.given import GATE
from tgi_conformance.plugin.ids import find_clause
from tgi_conformance.plugin.judging import VERDICT_ATTRIBUTE
from tgi_conformance.plugin.options import cases_named, is_distributed, reports_asked
from tgi_conformance.plugin.quick.choice import WHY
from tgi_conformance.plugin.real.running import REAL_RUN
from tgi_conformance.plugin.shards.dealing import parse_shard
from tgi_conformance.reports.atomic import write_json
from tgi_conformance.reports.gate import Gate, judge
from tgi_conformance.reports.requirements import outside_in_words
from tgi_conformance.reports.run import BackendInfo, RealInfo, Run, RunInfo, ShardInfo
from tgi_conformance.reports.run_folder import FolderProblem, RunFolder, Written, open_folder, write_all
from tgi_conformance.reports.shards.selection import digest_of
from tgi_conformance.reports.verdict_lines import parse_line
from tgi_conformance.reports.writing.guard import ADVICE, Unwritten, attempt
from tgi_conformance.reports.writing.renewing import renew_map
from tgi_conformance.suites.harness.session import SETTINGS
from tgi_conformance.suites.real.replies import SAID

_SHOWN_PATTERNS: Final = 3
INTERRUPTED: Final = "the run was interrupted"
#: pytest's codes of a run whose workers are still at work when it ends.
_BROKEN_OFF: Final = (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
EXPECTED_RESULTS: Final = "expected_results"


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
        self.gate = config.stash[GATE]
        self.verdicts: list[Verdict] = []
        self.remarks: list[str] = []
        self._lost: dict[str, str] = {}
        #: How often each test failed, as pytest counts, and the tests whose verdict is red.
        self._failed: Counter[str] = Counter()
        self._red: set[str] = set()
        self._collected: Collected | None = None
        self._folder: RunFolder | None = None
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
            self._open_folder()
        self._collected = collected
        self._tell_cases(collected)
        self.remarks += collected.remarks

    def _open_folder(self) -> None:
        try:
            self._folder = open_folder(self.settings.folder)
        except FolderProblem as problem:
            raise pytest.UsageError(str(problem)) from problem
        self.config.add_cleanup(self._folder.close)
        self.remarks += self._folder.remarks

    def begin_late(self, scratch: Path) -> None:
        """Begin in the middle of a run: the workers have written to that folder, and evidence, already."""
        self.scratch = scratch
        self._collected = replace(Collected.read(scratch), narrowed=True)
        self._tell_cases(self._collected)
        self.remarks += self._collected.remarks

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the verdict off the report that carries it."""
        if report.failed and not hasattr(report, "wasxfail"):
            self._failed[report.nodeid] += 1
        line = getattr(report, VERDICT_ATTRIBUTE, None)
        if isinstance(line, str):
            self.verdicts.append(parse_line(line))
            if self.verdicts[-1].red:
                self._red.add(report.nodeid)
            if self._folder is not None:
                self._folder.stream.add(self.verdicts[-1])

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str) -> None:
        """Note the case that a worker died in."""
        self._lost[crashitem] = "the worker died while it ran"

    # --- the end -------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(
        self, session: pytest.Session, exitstatus: int | pytest.ExitCode
    ) -> Generator[None, object, object]:
        """Rule on the run, write its files, set the exit code; also after Ctrl-C.

        Of a run that was broken off the workers are still at work, and end when the other hooks are called.
        """
        broken_off = int(exitstatus) in _BROKEN_OFF
        if not broken_off:
            self._finish(session, int(exitstatus))
        try:
            return (yield)
        finally:
            if broken_off:
                self._finish(session, int(exitstatus))

    def _finish(self, session: pytest.Session, exitstatus: int) -> None:
        collected = self._collected or Collected()
        if self.config.option.collectonly or not (collected.cases or self.verdicts):
            shutil.rmtree(self.scratch, ignore_errors=True)
            return
        held = self.gate.held(self._run(collected, exitstatus), self._started.date())
        run = held.run
        self.remarks += held.remarks
        gate = judge(
            run,
            pytest_code=self._pytest_code(session, exitstatus),
            enforce=self.gate.enforce,
            backends_down=(*backends_down(self.scratch), *self._same_names()),
            endpoint_unusable=endpoint_unusable(run),
            baseline=held.problems,
            scope=self.gate.scope,
        ).without(self._lost_on_the_way(run))
        written = self._write(run, gate) if self.writes and run.verdicts else None
        if written is not None and self.config.option.tgi_renew:
            written = replace(written, unwritten=(*written.unwritten, *self._renew(run)))
        gate = gate.without(written.unwritten if written else ())
        session.exitstatus = gate.code
        self.config.stash[FINISHED] = Finished(
            run=run, gate=gate, written=written, remarks=tuple(dict.fromkeys(self.remarks))
        )
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _run(self, collected: Collected, exitstatus: int) -> Run:
        """What the run came to. One that did not come to all its cases is narrowed, whatever it was to be."""
        judged = {(verdict.backend, verdict.case) for verdict in self._renamed()}
        names = self._names()
        missing = [c for c in collected.cases if (names.get(c.backend, c.backend), c.case) not in judged]
        stopped = (
            "" if all(case.nodeid in self._lost for case in missing) else "the run ended before its turn"
        )
        if stopped and is_used_up(self.scratch):
            stopped = f"{NO_TURN}, {self.config.option.tgi_budget_seconds:g} s"
        if exitstatus == pytest.ExitCode.INTERRUPTED:
            stopped = INTERRUPTED
        ended = ""
        if stopped:
            collected = replace(collected, narrowed=True)
            word = "interrupted" if stopped is INTERRUPTED else "broken off"
            count = len(collected.cases)
            ended = f"{word} after {count - len(missing)} of {count} cases"
        info = self._info(collected, ended)
        return Run(info, tuple(self._all_verdicts(info, collected, missing, stopped)))

    def _pytest_code(self, session: pytest.Session, exitstatus: int) -> int:
        """The code that pytest gave; where all that failed are red verdicts, these decide in its place."""
        judged = self._red | self._lost.keys()
        ours = sum(count for nodeid, count in self._failed.items() if nodeid in judged)
        only_ours = exitstatus == pytest.ExitCode.TESTS_FAILED and session.testsfailed <= ours
        return int(pytest.ExitCode.OK) if only_ours else exitstatus

    def _same_names(self) -> Iterable[str]:
        """Two faces under one name would share files and verdicts: the run cannot be read."""
        labels: dict[str, list[str]] = {}
        for label, info in backends_seen(self.scratch).items():
            labels.setdefault(info.name, []).append(label)
        for name, same in labels.items():
            if len(same) > 1:
                yield f"{' and '.join(same)} both describe themselves as {name!r}: give each its own name"

    def _names(self) -> Mapping[str, str]:
        """What each backend calls itself, by its label."""
        return {label: info.name for label, info in backends_seen(self.scratch).items()}

    def _renamed(self) -> list[Verdict]:
        """The verdicts under the names that the backends gave themselves, also where no worker learned it."""
        names = self._names()
        return [
            replace(verdict, backend=names.get(verdict.backend, verdict.backend)) for verdict in self.verdicts
        ]

    def _all_verdicts(
        self, info: RunInfo, collected: Collected, missing: Iterable[CollectedCase], stopped: str
    ) -> Iterable[Verdict]:
        names, verdicts = self._names(), self._renamed()
        not_run = [
            self._undecided(case, names, Ruling.NOT_RUN, self._lost.get(case.nodeid, stopped))
            for case in missing
        ]
        left_out = [self._undecided(case, names, Ruling.NOT_HERE, WHY) for case in collected.left_out]
        everything = ruled_over_all(
            info, verdicts, [*not_run, *left_out], enforced=self.gate.enforce == "should"
        )
        self.remarks += outside_in_words(everything, requirements_of(info))
        return everything

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

    def _info(self, collected: Collected, ended: str) -> RunInfo:
        # The workers are children too, but not waited for yet.
        others = workers_seconds(self.scratch) if is_distributed(self.config) else children_seconds()
        real = self._real()
        return RunInfo(
            started=self._started.isoformat(timespec="milliseconds"),
            ended=datetime.now(UTC).isoformat(timespec="milliseconds"),
            seed=self.settings.seed,
            profile=self.settings.profile,
            server=self.settings.server,
            requirements=self.settings.requirements,
            backends=tuple(self._backends()),
            versions=versions_here(),
            workers=len(getattr(self.config.option, "tx", None) or ()) if is_distributed(self.config) else 0,
            narrowed=collected.narrowed or bool(self.settings.shard),
            selection=", ".join(filter(None, (self._selection(), self._shard_in_words(), ended))),
            selected=self._selected(collected),
            shard=self._shard(collected),
            wall_seconds=round(time.monotonic() - self._clock, 3),
            cpu_seconds=round(own_seconds() + others, 3),
            cores=cores(),
            longest_wait_seconds=round(_longest_wait(self.verdicts), 3),
            command=self.config.stash.get(COMMAND, "")
            or shlex.join(["pytest", *map(str, self.config.invocation_params.args)]),
            by_pytest=COMMAND not in self.config.stash,
            options=of_the_run(self.config),
            gate=of_the_gate(self.config),
            real_options=of_the_endpoint(self.config, real.url) if real is not None else (),
            real=real,
        )

    def _selected(self, collected: Collected) -> str:
        names = self._names()
        selected = (*collected.cases, *collected.left_out, *collected.elsewhere)
        return digest_of((names.get(case.backend, case.backend), case.case) for case in selected)

    def _shard(self, collected: Collected) -> ShardInfo | None:
        if not self.settings.shard:
            return None
        shard = parse_shard(self.settings.shard)
        return ShardInfo(number=shard.number, count=shard.count, narrowed=collected.narrowed)

    def _shard_in_words(self) -> str:
        return f"--shard {self.settings.shard}" if self.settings.shard else ""

    def _real(self) -> RealInfo | None:
        run = self.config.stash.get(REAL_RUN, None)
        return None if run is None else run.told()

    def _backends(self) -> Iterable[BackendInfo]:
        seen = backends_seen(self.scratch)
        ran = {verdict.backend for verdict in self.verdicts}
        for spec in self.settings.backends:
            if ran != {OWN_TESTS}:
                info = seen.get(spec.label, BackendInfo(name=spec.label, spec=spec.label))
                yield replace(info, options=of_the_backend(spec, self.settings))
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

    def _renew(self, run: Run) -> tuple[Unwritten, ...]:
        """Bring the map of the whole run up to date; what came of it is a remark."""
        folder = self.settings.folder
        return attempt("the renewed results map", lambda: self.remarks.extend(renew_map(folder, run)))

    def _lost_on_the_way(self, run: Run) -> Iterable[Unwritten]:
        """What could not be written while the cases were run."""
        yield from _lost_evidence(run.verdicts)
        if self._folder is not None:
            yield from self._folder.stream.unwritten


def endpoint_unusable(run: Run) -> tuple[str, ...]:
    """Why the real endpoint did not decide all that it was to: it died, or the budget ended first."""
    musts = [v for v in run.verdicts if v.ruling is Ruling.NOT_HERE and v.level == "MUST"]
    for lost in ("unreachable", "used up"):
        left = [verdict for verdict in musts if verdict.real_lost == lost]
        if left:
            why = left[0].reason.partition(SAID)[2] or left[0].reason
            return (f"{why}: {len(left)} MUST cases left, the first {left[0].case}",)
    return ()


def _lost_evidence(verdicts: Sequence[Verdict]) -> Iterable[Unwritten]:
    lost = [verdict for verdict in verdicts if verdict.evidence_lost]
    if lost:
        count = f"{len(lost)} case{'' if len(lost) == 1 else 's'}"
        what = f"the evidence of {count}, the first {lost[0].case},"
        yield Unwritten(what=what, why=lost[0].evidence_lost, advice=ADVICE)


def _longest_wait(verdicts: Iterable[Verdict]) -> float:
    """Seconds of the longest chain: what a worker plays one after the other, and its cases started early."""
    waits: defaultdict[tuple[str, bool], float] = defaultdict(float)
    for verdict in verdicts:
        waits[verdict.worker, verdict.ahead] += verdict.waited
    return max(waits.values(), default=0.0)

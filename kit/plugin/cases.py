"""The plugin's hooks around each case: its record, its lock, its phases, its verdict."""

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Final, Literal, cast

import pytest

from tgi_conformance import late_imports
from tgi_conformance.backends.driver.driver import BackendStartError, Driver
from tgi_conformance.backends.driver.session import MACHINE
from tgi_conformance.contracts.catalogue.clauses import Clause, Level
from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.redaction import redact_verdict
from tgi_conformance.contracts.verdict import RED, Evidence, Ruling, Verdict
from tgi_conformance.plugin.ahead import Ahead
from tgi_conformance.plugin.backends_seen import note_backend, note_down
from tgi_conformance.plugin.collected import Collected
from tgi_conformance.plugin.collection import BACKEND, PROBLEM, SUITES, new_record, read_durations
from tgi_conformance.plugin.ending.budget import Budget
from tgi_conformance.plugin.ids import find_clause
from tgi_conformance.plugin.judging import (
    ERROR_ATTRIBUTE,
    VERDICT_ATTRIBUTE,
    Phase,
    Ruled,
    at_level,
    is_soft,
    rule_exception,
    with_place,
)
from tgi_conformance.plugin.locks import LOCK_FILE, PRESENCE_FILE, held, present, share_of
from tgi_conformance.plugin.options import cases_named
from tgi_conformance.plugin.preflight import in_one_line
from tgi_conformance.plugin.selection import names_clause
from tgi_conformance.plugin.shards.durations import usual_durations
from tgi_conformance.plugin.signs.filling import sign_of
from tgi_conformance.reports.evidence_files import write_evidence
from tgi_conformance.reports.writing.guard import attempt
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.judged import BEGUN
from tgi_conformance.suites.harness.rulings import NotApplicable, NotHere
from tgi_conformance.suites.harness.scripted_waits import in_words, total
from tgi_conformance.suites.harness.session import ALONE, CASE_ID, FORWARDED, RECORD, SETTINGS, CaseRecord
from tgi_conformance.suites.harness.time_budget import Candidate, TimeBudget
from tgi_conformance.suites.personas.not_here import why_not_here
from tgi_conformance.suites.real.table import Where, where

_WORST_FIRST: Final = (Ruling.KIT_FAULT, Ruling.FAILED, Ruling.BLOCKED, Ruling.UNTESTABLE)
#: Rulings whose evidence is kept. What was blocked has none: it was not examined.
_TOLD: Final = (RED | {Ruling.ADVISORY}) - {Ruling.BLOCKED}
_AS_ERROR: Final = frozenset({Ruling.BLOCKED, Ruling.UNTESTABLE, Ruling.KIT_FAULT})


class KitFault(Exception):
    """Something is wrong with a test's marker or id."""

    ruling = Ruling.KIT_FAULT


@dataclass(slots=True)
class _Phases:
    """What is known of a case while it runs."""

    rulings: list[Ruled] = field(default_factory=list)
    longrepr: list[str] = field(default_factory=list)
    duration: float = 0.0
    failed: bool = False


_PHASES: Final = pytest.StashKey[_Phases]()


class Cases:
    """One a process that runs tests."""

    def __init__(self, config: pytest.Config, scratch: Path, ahead: Ahead, limit: Budget | None) -> None:
        self.ahead = ahead
        self._limit = limit
        self._config = config
        self.settings = config.stash[SETTINGS]
        self.scratch = scratch
        self.enforced = config.option.tgi_enforce == "should"
        self.keep_all = config.option.tgi_evidence == "all"
        self.writes = config.option.tgi_report != "none"
        self.worker = str(getattr(config, "workerinput", {}).get("workerid", ""))
        self.label = _label(config)
        self._budget: TimeBudget | None = None
        self._seen_backends: set[str] = set()

    def told(self, collected: Collected) -> None:
        """Learn what was collected."""
        self._budget = _budget(self._config, collected)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Hold the run-wide locks from setup to teardown; a case that was started early has held them."""
        if self._limit is not None and self._limit.is_over(item):
            return (yield)
        begun = self.ahead.take(item)
        if begun is not None:
            item.stash[BEGUN] = begun
        if CASE_ID not in item.stash or begun is not None:
            return (yield)
        with held(self.scratch / LOCK_FILE, share_of(item)), present(self.scratch / PRESENCE_FILE) as alone:
            item.stash[ALONE] = alone
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        """Lay out the record before the fixtures; after them, refuse what the backend does not claim."""
        if CASE_ID in item.stash:
            item.stash[FORWARDED] = self._real(item) == "forwarded"
            item.stash[RECORD] = item.stash[BEGUN].case.record if BEGUN in item.stash else new_record(item)
            item.stash[RECORD].keep_answers |= self.keep_all
            if problem := item.stash.get(PROBLEM, ""):
                raise KitFault(problem)
        yield
        driver = getattr(item, "funcargs", {}).get("tgi_backend")
        if CASE_ID in item.stash and driver is not None:
            self._meet(item, driver)

    def _real(self, item: pytest.Item) -> Literal["", "forwarded", "embedded"]:
        """Where a case gets its answers from in a run against a real endpoint; empty in any other."""
        if self.settings.real is None:
            return ""
        return "forwarded" if where(item.stash[CASE_ID].text) is Where.FORWARDED else "embedded"

    def _meet(self, item: pytest.Item, driver: Driver) -> None:
        """Take note of what the backend says of itself, and of what it does not claim."""
        backend = item.stash[BACKEND]
        if backend not in self._seen_backends:
            note_backend(self.scratch, backend, driver)
            self._seen_backends.add(backend)
        item.stash[RECORD].backend = driver.description.name
        clause = _clause(item)
        missing = sorted(set(clause.capabilities) - driver.description.capabilities) if clause else []
        if missing:
            noun, verb = ("capability", "is") if len(missing) == 1 else ("capabilities", "are")
            raise NotApplicable(f"{noun} {', '.join(missing)} {verb} not claimed")
        if why := why_not_here(self.settings.server, item.stash[CASE_ID].text):
            raise NotHere(why)
        real = self.settings.real
        if item.stash[FORWARDED] and real is not None and clause and clause.area == "MUX" and real.count < 2:
            raise NotHere("it needs two keys, and one was given: set HF_API_KEY_1 too")
        made = getattr(item, "funcargs", {}).get("case")
        if self._budget is not None and isinstance(made, Case):
            claimed = driver.description.capabilities
            why = self._budget.reason(backend, item.stash[CASE_ID].text, claimed, made.measured())
            if why:
                raise NotHere(why)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Rule on the phase; after the last one, attach the verdict."""
        report = yield
        if CASE_ID not in item.stash:
            return report
        phases = item.stash.setdefault(_PHASES, _Phases())
        self._phase(item, call, report, phases)
        if report.when == "teardown":
            self._conclude(item, report, phases)
        return report

    def _phase(
        self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport, phases: _Phases
    ) -> None:
        phases.duration += report.duration
        if call.excinfo is None and not report.failed:
            return
        ruled = self._rule(item, call, report)
        phases.rulings.append(ruled)
        if ruled.ruling in _TOLD and RECORD in item.stash:
            item.stash[RECORD].keep_answers = True
        if report.longrepr is not None:
            phases.longrepr.append(report.longreprtext)
        if is_soft(ruled, _level(item), enforced=self.enforced):
            report.outcome = "skipped"
            report.wasxfail = f"{ruled.ruling}: {ruled.reason}"
        elif ruled.ruling in _AS_ERROR and report.failed:
            setattr(report, ERROR_ATTRIBUTE, True)
        phases.failed |= report.failed

    def _rule(self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> Ruled:
        if hasattr(report, "wasxfail"):
            return Ruled(ruling=Ruling.EXPECTED, reason=f"marked xfail: {report.wasxfail}")
        if call.excinfo is None:  # a strict xfail that passed
            return Ruled(ruling=Ruling.KIT_FAULT, reason=report.longreprtext)
        error = call.excinfo.value
        if isinstance(error, BackendStartError):
            return self._down(item, error)
        ruled = rule_exception(error, cast("Phase", call.when))
        record = item.stash.get(RECORD, None)
        if record is not None and record.forced:
            ruled = replace(ruled, ruling=Ruling(record.forced))
        return at_level(ruled, _level(item), enforced=self.enforced)

    def _down(self, item: pytest.Item, error: BackendStartError) -> Ruled:
        reason = in_one_line(error)
        if error.stage == MACHINE:
            return Ruled(ruling=Ruling.KIT_FAULT, reason=reason)
        note_down(self.scratch, item.stash[BACKEND], reason)
        return Ruled(ruling=Ruling.FAILED, reason=reason)

    def _conclude(self, item: pytest.Item, report: pytest.TestReport, phases: _Phases) -> None:
        record = item.stash.get(RECORD, None) or new_record(item)
        ruled = with_place(self._final(item, record, phases), (seen.outcome for seen in record.calls))
        keys = record.keys | {given.alias: given.key for given in self.settings.endpoints}
        verdict = self._verdict(item, record, ruled, phases)
        if self._wants_evidence(record, ruled):
            verdict = self._with_evidence(verdict, record, phases, keys)
        verdict = redact_verdict(verdict, keys)
        if self.label is not None:
            self.label(verdict)
        setattr(report, VERDICT_ATTRIBUTE, json.dumps(to_json(verdict)))
        soft = is_soft(ruled, _level(item), enforced=self.enforced)
        if ruled.ruling in RED and not phases.failed and not soft:
            report.outcome, report.longrepr = "failed", f"{ruled.ruling}: {ruled.reason}"

    def _final(self, item: pytest.Item, record: CaseRecord, phases: _Phases) -> Ruled:
        for ruling in _WORST_FIRST:
            if found := next((ruled for ruled in phases.rulings if ruled.ruling is ruling), None):
                return found
        if phases.rulings:
            return phases.rulings[0]
        if record.forced:
            ruled = Ruled(ruling=Ruling(record.forced), reason=record.reason)
        else:
            ruled = Ruled(ruling=Ruling.PASSED)
        return at_level(ruled, _level(item), enforced=self.enforced)

    def _wants_evidence(self, record: CaseRecord, ruled: Ruled) -> bool:
        told = ruled.ruling in _TOLD or any(finding.breach for finding in record.findings)
        return self.writes and (self.keep_all or record.keep_evidence or told)

    def _with_evidence(
        self, verdict: Verdict, record: CaseRecord, phases: _Phases, keys: dict[str, str]
    ) -> Verdict:
        """The verdict with the place of its evidence; it stands also where that cannot be written."""
        evidence = Evidence(
            case=record.case,
            backend=record.backend,
            spaces=tuple(seen.with_answers().evidence for seen in record.spaces),
            calls=tuple(map(to_json, record.calls)),
            longrepr="\n\n".join(phases.longrepr),
            output=record.output,
        )
        written: list[str] = []
        lost = attempt(
            "the evidence", lambda: written.append(write_evidence(self.settings.folder, evidence, keys))
        )
        return replace(verdict, evidence="".join(written), evidence_lost="".join(each.why for each in lost))

    def _verdict(self, item: pytest.Item, record: CaseRecord, ruled: Ruled, phases: _Phases) -> Verdict:
        clause = _clause(item)
        return Verdict(
            case=record.case,
            clause=record.clause,
            ruling=ruled.ruling,
            backend=record.backend,
            level=str(_level(item)),
            results_key=clause.results_key if clause else "",
            area=clause.area if clause else record.clause.partition("-")[0],
            reason=ruled.reason or record.reason,
            expected=ruled.expected or record.expected,
            observed=ruled.observed or record.observed,
            nodeid=item.nodeid,
            duration=round(phases.duration + record.seconds_ahead, 4),
            ahead=BEGUN in item.stash,
            waited=round(total(chain.from_iterable(record.waits.values())), 4),
            waited_for=in_words(record.waits),
            worker=self.worker,
            seed=self.settings.seed,
            unsteady=record.unsteady,
            record=record.record,
            blocked_by=ruled.blocked_by,
            findings=tuple(record.findings),
            sign=sign_of(ruled, clause, record.spaces, record.calls),
            real=self._real(item),
            real_lost=record.real_lost,
            outside=tuple(record.outside),
        )


def play(config: pytest.Config, scratch: Path) -> Cases:
    """Register what a process that runs tests does."""
    ahead = Ahead(config, scratch)
    limit = _limit(config, scratch)
    cases = Cases(config, scratch, ahead, limit)
    if limit is not None:
        config.pluginmanager.register(limit, "tgi-budget")
    config.pluginmanager.register(ahead, "tgi-ahead")
    config.pluginmanager.register(cases, "tgi-cases")
    config.pluginmanager.import_plugin(f"{SUITES}._fixtures")
    return cases


def _label(config: pytest.Config) -> Callable[[Verdict], None] | None:
    """What labels verdicts for Allure; None, and nothing imported, where Allure is not asked for."""
    if not getattr(config.option, "allure_report_dir", None):
        return None
    module = import_module(late_imports.ALLURE)
    module.guard(config)
    return cast("Callable[[Verdict], None]", module.label)


def _limit(config: pytest.Config, scratch: Path) -> Budget | None:
    """The time limit of the run, by how long its cases took before: here, else with the reference."""
    settings = config.stash[SETTINGS]
    if settings.ends_at is None:
        return None
    return Budget(settings.ends_at, {**usual_durations(), **read_durations(settings.folder)}, scratch)


def _budget(config: pytest.Config, collected: Collected) -> TimeBudget | None:
    """The time budget of profile quick; none where cases were named."""
    if config.stash[SETTINGS].profile != "quick" or cases_named(config):
        return None
    focus: list[str] = config.option.tgi_focus or []
    cases: dict[str, list[Candidate]] = {}
    for each in collected.cases:
        cases.setdefault(each.backend, []).append(Candidate(case=each.case, clause=each.clause))
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    return TimeBudget(cases, workers, lambda clause: any(names_clause(word, clause) for word in focus))


def _clause(item: pytest.Item) -> Clause | None:
    return find_clause(item.stash[CASE_ID].clause)


def _level(item: pytest.Item) -> Level:
    clause = _clause(item)
    return clause.level if clause else Level.MUST

"""Reads what a run is to be judged by, before anything is started: a mistake in it must not cost a run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

import pytest

from tgi_conformance.contracts.catalogue.clauses import Level
from tgi_conformance.contracts.catalogue.levels import ConformanceLevel, load_levels
from tgi_conformance.plugin.collection import OWN_TESTS
from tgi_conformance.plugin.ending.repeated import of_the_gate, of_the_run
from tgi_conformance.plugin.gate.earlier_run import EarlierRun, last_run, named_run
from tgi_conformance.plugin.options import BASELINE_NONE
from tgi_conformance.reports.baseline.entry import FILE, Baseline, BaselineError
from tgi_conformance.reports.baseline.judging import Judged, hold_against
from tgi_conformance.reports.baseline.reading import read_baseline
from tgi_conformance.reports.gate import EVERYTHING, Enforce
from tgi_conformance.reports.gating.scope import Scope
from tgi_conformance.reports.run import Option, Run
from tgi_conformance.suites.harness.session import Settings

_PERCENT: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class GateGiven:
    """What the user asked for."""

    scope: Scope = EVERYTHING
    baseline: Baseline | None = None
    earlier: EarlierRun | None = None
    enforce: Enforce = "must"

    def held(self, run: Run, today: date) -> Judged:
        """The run as its baseline leaves it, with what is to be said of the run that it is compared with."""
        remarks = () if self.earlier is None else tuple(self.earlier.remarks(run.info))
        if self.baseline is None:
            return Judged(run=run, remarks=remarks)
        judged = hold_against(self.baseline, run, today)
        only_own = {backend.name for backend in run.backends} <= {OWN_TESTS}
        told = () if only_own else judged.remarks  # the user's own tests need none
        return Judged(run=judged.run, problems=judged.problems, remarks=(*remarks, *told))


GATE: Final = pytest.StashKey[GateGiven]()


def read_gate(config: pytest.Config, settings: Settings) -> None:
    """Read options and files. Raises ``pytest.UsageError`` that says what is wrong and what to write.

    A shard sees a part of the cases, and a baseline speaks of the whole run: it is read, so that a mistake in
    it is told before all shards have run, and held against the run by ``merge``.
    """
    given = gate_of(
        (*of_the_run(config), *of_the_gate(config)),
        Path(config.invocation_params.dir),
        results=settings.folder,
        quick=settings.profile == "quick",
    )
    config.stash[GATE] = replace(given, baseline=None) if settings.shard else given


def gate_of(options: Sequence[Option], folder: Path, *, results: Path, quick: bool) -> GateGiven:
    """What options of the run and of its gate ask for, with files looked up from ``folder``.

    ``results`` is where the last run stands. Raises ``pytest.UsageError``.
    """
    asked = dict(options)
    level = _level(asked.get("--tgi-level"), enforces_should=asked.get("--tgi-enforce") == "should")
    earlier = _earlier(asked.get("--tgi-fail-on"), asked.get("--tgi-against"), folder, results, quick=quick)
    return GateGiven(
        scope=Scope(
            level=level,
            earlier=None if earlier is None else earlier.earlier,
            floor=_floor(asked.get("--tgi-floor")),
        ),
        baseline=_baseline(asked.get("--tgi-baseline"), folder),
        earlier=earlier,
        enforce="should" if asked.get("--tgi-enforce") == "should" else "must",
    )


def _level(name: str | None, *, enforces_should: bool) -> ConformanceLevel | None:
    if name is None:
        return None
    levels = load_levels()
    if name not in levels:
        raise pytest.UsageError(f"--level {name}: one of {', '.join(levels)}")
    level = levels[name]
    if enforces_should and Level.SHOULD not in level.strengths:
        raise pytest.UsageError(
            f"--level {name} judges MUST clauses only, so --enforce should cannot go with it; "
            "--level exemplary judges both"
        )
    return level


def _earlier(
    fail_on: str | None, against: str | None, folder: Path, results: Path, *, quick: bool
) -> EarlierRun | None:
    if fail_on != "new":
        if against is not None:
            raise pytest.UsageError(f"--against {against} goes with --fail-on new")
        return None
    if against is None:
        return last_run(results, quick=quick)
    return named_run(folder / against, against)


def _floor(given: str | None) -> float | None:
    if given is None:
        return None
    percent = float(given)
    if not 0 < percent <= _PERCENT:
        raise pytest.UsageError(f"--floor {percent:g}: give a percentage above 0, 100 at most")
    return percent / _PERCENT


def _baseline(given: str | None, folder: Path) -> Baseline | None:
    """The file that was named, else the one in the working folder: there and in CI a run judges alike."""
    if given == BASELINE_NONE or (given is None and not (folder / FILE).is_file()):
        return None
    name = given or FILE
    try:
        return read_baseline((folder / name).read_text(encoding="utf-8"), name)
    except (OSError, UnicodeDecodeError) as problem:
        raise pytest.UsageError(f"--baseline {name} cannot be read: {problem}") from problem
    except BaselineError as problem:
        raise pytest.UsageError(str(problem)) from problem

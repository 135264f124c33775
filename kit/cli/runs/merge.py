"""``tgi-conformance merge DIR...``: the shards of one run put together to one report."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import click
import pytest
from rich.console import Console

from tgi_conformance.cli.run import real_console
from tgi_conformance.contracts.requirements.sets import UnknownSetError
from tgi_conformance.plugin.ending.ruling import requirements_of, ruled_over_all
from tgi_conformance.plugin.gate.given import GateGiven, gate_of
from tgi_conformance.plugin.gathering import EXPECTED_RESULTS, Finished
from tgi_conformance.plugin.options import DEFAULT_RESULTS
from tgi_conformance.plugin.summary import summary_lines
from tgi_conformance.reports.baseline.judging import Judged
from tgi_conformance.reports.comparing.recorded import RecordedRun, RecordedRunError, read_recorded
from tgi_conformance.reports.evidence_files import evidence_in
from tgi_conformance.reports.formats.names import UnknownFormatError, formats_in
from tgi_conformance.reports.gate import Exit, Gate, judge
from tgi_conformance.reports.requirements import outside_in_words
from tgi_conformance.reports.run import Run
from tgi_conformance.reports.run_file import RunEnd, read_run_end
from tgi_conformance.reports.run_folder import FolderProblem, layout_of, open_folder, write_all
from tgi_conformance.reports.shards.merging import ShardRun, merged_info, problems
from tgi_conformance.reports.terminal.lines import safe

#: What is wrong with a shard, with the options here, or with a file that the run is to be judged by.
_UNREADABLE: Final = (RecordedRunError, UnknownFormatError, UnknownSetError, pytest.UsageError)
#: Codes that say how a shard ended, and that no verdict shows.
_CUT_SHORT: Final = (Exit.INTERRUPTED, Exit.INTERNAL_ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A shard where it was found, and how it ended."""

    recorded: RecordedRun
    end: RunEnd
    shard: ShardRun


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whole:
    """The run that the shards are, as it is judged."""

    given: GateGiven
    held: Judged


def merge(folders: Sequence[str], *, results: str | None, reports: str | None) -> int:
    """Merge the shards, show the summary of the whole run, and return its exit code."""
    try:
        asked = formats_in(reports or "")
        found = [_found(Path(folder)) for folder in folders]
        told = problems([each.shard for each in found])
        folder = Path(results or DEFAULT_RESULTS).absolute()
        whole = _merged(found, folder) if not told else None
    except (
        RecordedRunError,
        UnknownFormatError,
        UnknownSetError,
        pytest.UsageError,
        OSError,
        ValueError,
    ) as p:
        told, whole = (str(p),), None
    if whole is None:
        for sentence in told:
            click.echo(f"merge: {sentence}", err=True)
        return Exit.USAGE
    try:
        finished = _written(whole, found, folder, asked)
    except (FolderProblem, OSError) as problem:
        click.echo(f"merge: {problem}", err=True)
        return Exit.USAGE
    _show(real_console(), finished)
    return finished.gate.code


def _found(place: Path) -> _Found:
    """The shard of a results folder, which stands there as a narrowed run; else whatever run is there."""
    bases = [base for base in (place / "narrowed", place) if (base / "run.json").is_file()]
    if not bases:
        raise RecordedRunError(f"{place}: no run is there; give the results folder of each shard")
    runs = [read_recorded(base) for base in bases]
    recorded = next((each for each in runs if each.run.info.shard is not None), runs[0])
    end = read_run_end(recorded.base / "run.json")
    return _Found(recorded=recorded, end=end, shard=ShardRun(place=str(place), run=recorded.run))


def _merged(found: Sequence[_Found], folder: Path) -> _Whole:
    """The shards as one run, ruled over all its cases and held against its baseline.

    Raises ``pytest.UsageError`` where a file that the run is to be judged by cannot be read.
    """
    info = merged_info([each.shard for each in found])
    given = gate_of((*info.options, *info.gate), Path.cwd(), results=folder, quick=info.profile == "quick")
    cases = [verdict for each in found for verdict in each.shard.cases]
    run = Run(info, tuple(ruled_over_all(info, cases, enforced=given.enforce == "should")))
    return _Whole(given=given, held=given.held(run, datetime.fromisoformat(info.started).date()))


def _written(whole: _Whole, found: Sequence[_Found], folder: Path, asked: Sequence[str]) -> Finished:
    run = whole.held.run
    place = open_folder(folder)
    try:
        target = layout_of(run.info, folder).base
        for each in found:
            _copy_evidence(each.recorded.base, target)
        gate = _gate(whole, [each.end for each in found])
        expected = Path(EXPECTED_RESULTS).absolute()
        written = write_all(
            run,
            folder,
            expected if expected.is_dir() else None,
            gate=gate,
            asked=dict.fromkeys(asked, "yes"),
            environment=os.environ,
        )
    finally:
        place.close()
    outside = outside_in_words(run.verdicts, requirements_of(run.info))
    return Finished(
        run=run,
        gate=gate.without(written.unwritten),
        written=written,
        remarks=(*place.remarks, *whole.held.remarks, *outside),
    )


def _copy_evidence(base: Path, target: Path) -> None:
    for path in evidence_in(base):
        place = target / path.relative_to(base)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)


def _gate(whole: _Whole, ends: Sequence[RunEnd]) -> Gate:
    """Judged over all verdicts; what no verdict shows is taken from how the shards ended."""
    down = [reason for end in ends if end.code == Exit.BACKEND_DOWN for reason in end.reasons[:1]]
    unwritten = [reason for end in ends if end.code == Exit.REPORT for reason in end.reasons]
    return judge(
        whole.held.run,
        pytest_code=next((end.code for end in ends if end.code in _CUT_SHORT), Exit.OK),
        enforce=whole.given.enforce,
        backends_down=tuple(dict.fromkeys(down)),
        baseline=whole.held.problems,
        scope=whole.given.scope,
    ).without(unwritten)


def _show(console: Console, finished: Finished) -> None:
    for line in summary_lines(finished, console.width if console.is_terminal else None):
        console.print(safe(line), highlight=False, soft_wrap=True)

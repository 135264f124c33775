"""The run that ``--fail-on new`` compares with: the last one in the results folder, or one that is named."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tgi_conformance.reports.changes import were_red
from tgi_conformance.reports.gating.scope import Earlier
from tgi_conformance.reports.layout import RENEWED, Layout
from tgi_conformance.reports.renewal import differing
from tgi_conformance.reports.run import RunInfo
from tgi_conformance.reports.run_file import read_run_info
from tgi_conformance.reports.verdict_lines import VerdictLinesError, read_verdicts

_LAST: Final = "the last run"


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierRun:
    """What was red in it, and how it was made as far as that is known."""

    earlier: Earlier
    info: RunInfo | None = None
    #: There was none: all that is red is new.
    missing: bool = False

    def remarks(self, now: RunInfo) -> Iterator[str]:
        """What a reader must know who sees only what is new."""
        if self.missing:
            yield f"--fail-on new: {self.earlier.name} is not there, so all that is red counts as new"
        elif self.info is not None and (why := differing(self.info, now)):
            yield f"--fail-on new: {self.earlier.name} was made in another way: {why}"


def last_run(folder: Path, *, quick: bool) -> EarlierRun:
    """The last run of all cases in a folder of results; raises ``pytest.UsageError`` if it cannot be read."""
    file = Layout(folder, quick=quick).verdicts
    if not file.is_file():
        return EarlierRun(earlier=Earlier(name=_LAST), missing=True)
    return _read(file, _LAST)


def named_run(path: Path, name: str) -> EarlierRun:
    """A run that was kept: its folder, or its ``verdicts.jsonl``. Raises ``pytest.UsageError``."""
    file = Layout(path).verdicts if path.is_dir() else path
    if not file.is_file():
        raise pytest.UsageError(f"--against {name}: there is no run; give the folder of its verdicts.jsonl")
    return _read(file, name)


def _read(file: Path, name: str) -> EarlierRun:
    """The run with what runs of its red cases have decided since."""
    since = file.with_name(RENEWED)
    try:
        files = (file, since) if since.is_file() else (file,)
        verdicts = {(v.backend, v.case): v for each in files for v in read_verdicts(each).verdicts}
    except (OSError, VerdictLinesError) as problem:
        raise pytest.UsageError(f"--fail-on new: {name} cannot be read: {problem}") from problem
    return EarlierRun(earlier=Earlier(name=name, red=were_red(verdicts.values())), info=_info(file))


def _info(file: Path) -> RunInfo | None:
    """How it was made; that of another version of the kit may lack something, and is only told of."""
    try:
        return read_run_info(file.with_name("run.json"))
    except (OSError, ValueError):
        return None

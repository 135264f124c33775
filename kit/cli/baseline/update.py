"""``tgi-conformance baseline update``: writes what fails in the last run into the baseline, and asks why."""

from datetime import UTC, datetime
from pathlib import Path

import click

from tgi_conformance.plugin.options import DEFAULT_RESULTS
from tgi_conformance.reports.atomic import write_text
from tgi_conformance.reports.baseline.entry import FILE, BaselineError
from tgi_conformance.reports.baseline.updating import Accepted, Updated, updated
from tgi_conformance.reports.gate import Exit
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.run import Run
from tgi_conformance.reports.run_file import read_run_info
from tgi_conformance.reports.verdict_lines import read_verdicts


def update(*, baseline: str | None, results: str | None, reason: str = "", link: str = "") -> int:
    """Bring the baseline up to date with the last run of all cases; 4 where that cannot be."""
    name = baseline or FILE
    path = Path(name)
    layout = Layout(Path(results or DEFAULT_RESULTS))
    if not (layout.run.is_file() and layout.verdicts.is_file()):
        click.echo(
            f"baseline update: there is no run of all cases in {layout.root}: run them first", err=True
        )
        return Exit.USAGE
    try:
        run = Run(read_run_info(layout.run), read_verdicts(layout.verdicts).verdicts)
        before = path.read_text(encoding="utf-8") if path.exists() else None
        accepted = Accepted(reason=reason, link=link)
        done = updated(before, name, run, datetime.now(UTC).date(), accepted)
    except BaselineError as problem:
        click.echo(str(problem), err=True)
        return Exit.USAGE
    except (OSError, ValueError) as problem:
        click.echo(f"baseline update: {problem}", err=True)
        return Exit.USAGE
    if done.text != before:
        write_text(path, done.text)
    for line in told(name, done):
        click.echo(line)
    return Exit.OK


def told(name: str, done: Updated) -> list[str]:
    """What was done, and what is left for the user to do."""
    changes = f"{_entries(done.added)} added, {done.narrowed} changed, {done.removed} removed"
    lines = [f"{name}: {changes}"]
    lines += [f"{name}:{line}: write the reason and the link" for line in done.drafts]
    if done.unexpectable:
        cases = "1 red case" if done.unexpectable == 1 else f"{done.unexpectable} red cases"
        lines.append(f"{cases} could not be decided and cannot be expected")
    return lines


def _entries(count: int) -> str:
    return f"{count} {'entry' if count == 1 else 'entries'}"

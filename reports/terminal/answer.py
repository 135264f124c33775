"""What a run came to, in its last lines: how many cases and causes, the worst, and what to do next."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text

from tgi_conformance.contracts.verdict import DECIDED
from tgi_conformance.reports.causes.by_case import CausesByCase
from tgi_conformance.reports.gate import Exit, Gate
from tgi_conformance.reports.repro import run_words
from tgi_conformance.reports.run import Run, RunInfo
from tgi_conformance.reports.run_folder import Written
from tgi_conformance.reports.terminal.lines import command, counted, hanging

#: Words of a run's command that choose its cases, or what it shows; those with a value and those without.
_CHOOSE: Final = frozenset({"--case", "-k", "--focus", "--durations"})
_SWITCHES: Final = frozenset({"--last-failed", "-v", "--verbose"})


def answer(run: Run, gate: Gate, written: Written, *, width: int | None) -> Iterator[Text]:
    """The last lines of a run."""
    causes = [cause for _, cause in sorted(CausesByCase(run), key=lambda found: found[1].severity.rank)]
    if gate.code == Exit.OK and gate.aside:
        text = "; ".join(gate.aside)
    elif causes:
        cases = counted(sum(len(cause.verdicts) for cause in causes), "case")
        worst = f"{causes[0].sentence} ({causes[0].example.case})"
        text = f"{cases}, {counted(len(causes), 'cause')}; worst: {worst}"
    else:
        decided = sum(verdict.ruling in DECIDED for verdict in run.verdicts)
        text = gate.meaning if gate.code else f"{counted(decided, 'case')} decided, none of them red"
    head, style = ("PASSED", "bold green") if gate.code == Exit.OK else ("FAILED", "bold red")
    yield from hanging(Text(f"{head}: ", style), text, width=width, indent=2)
    yield from (Text(f"  report: {path}") for path in written.paths if path.name == "report.html")
    if gate.code != Exit.OK and (causes or gate.code in (Exit.FAILED, Exit.UNCLEAR)):
        yield command(Text("  again: "), again(run.info))


def again(info: RunInfo) -> str:
    """The command that runs the red cases of a run again, in one piece: it is to be copied."""
    return shlex.join([*_words(info), "--last-failed"])


def _words(info: RunInfo) -> Sequence[str]:
    """The words of the run's own command, without those that chose its cases.

    A run that was begun as pytest's own is done again with the kit's command line: only that one has
    ``--last-failed``.
    """
    try:
        words = shlex.split(info.command)
    except ValueError:
        words = []
    if info.by_pytest or words[:2] != ["tgi-conformance", "run"]:
        options = [option for backend in info.backends for option in backend.options]
        return run_words([*options, *info.options])
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in _CHOOSE:
            next(rest, None)
        elif word not in _SWITCHES and word.partition("=")[0] not in _CHOOSE:
            kept.append(word)
    return kept

"""The causes behind the red cases of a backend, worst first, as lines."""

from collections.abc import Iterator
from typing import Final

from rich.text import Text

from tgi_conformance.reports.causes.cause import Cause, Symptom
from tgi_conformance.reports.causes.grouping import causes_of
from tgi_conformance.reports.repro import repro_command
from tgi_conformance.reports.run import Run
from tgi_conformance.reports.terminal.lines import command, counted, hanging, paragraph

#: Causes that a terminal tells in full; of the others it says what and how often. A plain log tells all.
IN_FULL: Final = 5
_INDENT: Final = 7
#: Clauses of one cause that a terminal names.
_MOST_CLAUSES: Final = 6


def cause_lines(run: Run, backend: str, *, width: int | None) -> Iterator[Text]:
    """The headline, then each symptom with its causes: where, how often, what to do, how to see it again."""
    causes = causes_of(run, backend)
    if not len(causes):
        return
    yield Text()
    yield from paragraph(f"{causes.headline}; the worst first:", width=width, indent=2, style="bold")
    number = 0
    for symptom in causes.symptoms:
        head = Text.assemble("  ", (f"{symptom.severity}: ", "bold red"))
        yield from hanging(head, symptom.sentence, width=width, indent=4)
        for cause in symptom.causes:
            number += 1
            in_full = width is None or number <= IN_FULL
            yield from _cause(run, symptom, cause, number, width, in_full=in_full)


def _cause(
    run: Run, symptom: Symptom, cause: Cause, number: int, width: int | None, *, in_full: bool
) -> Iterator[Text]:
    extent, more = _extent(cause, width), _beyond(symptom, cause)
    said = f"{more}: {extent}" if more else extent
    yield from hanging(Text(f"  {number:>3}. ", "bold"), said, width=width, indent=_INDENT)
    if not in_full:
        return
    rows = (
        ("at ", ", ".join(cause.places)),
        ("such as ", f"{cause.example.case}: {cause.example.reason or cause.example.observed}"),
        ("to do: ", cause.advice),
    )
    for word, text in rows:
        if text:
            yield from hanging(Text(" " * _INDENT + word), text, width=width, indent=_INDENT + 2)
    yield command(Text(" " * _INDENT + "again: "), repro_command(run.info, cause.example))


def _beyond(symptom: Symptom, cause: Cause) -> str:
    """What a cause's sentence says beyond that of the symptom, which stands above it."""
    plain = symptom.sentence.removesuffix(".")
    if cause.sentence.startswith(plain):
        return cause.sentence.removeprefix(plain).strip(" (.)")
    return cause.sentence.removesuffix(f"{symptom.sentence[:1].lower()}{symptom.sentence[1:]}").rstrip(", .")


def _extent(cause: Cause, width: int | None) -> str:
    clauses = cause.clauses
    most = len(clauses) if width is None else _MOST_CLAUSES
    more = f" and {len(clauses) - most} more" if len(clauses) > most else ""
    blocked = f", and {counted(len(cause.blocked), 'case')} blocked" if cause.blocked else ""
    return f"{counted(len(cause.verdicts), 'case')} of {', '.join(clauses[:most])}{more}{blocked}"

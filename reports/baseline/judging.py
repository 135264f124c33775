"""A run held against its baseline: what is expected is marked so, and what differs is said. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from tgi_conformance.contracts.verdict import Ruling, Verdict
from tgi_conformance.reports.baseline.differences import Seen, differences
from tgi_conformance.reports.baseline.entry import Baseline, Entry
from tgi_conformance.reports.baseline.matching import FAILING, cause_names, fits, taken
from tgi_conformance.reports.run import Debt, Run

#: How the reason of a case begins that a baseline expects.
KNOWN: Final = "known failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A run as its baseline leaves it."""

    run: Run
    #: What differs from the baseline, each with its line; any of them makes the exit code 10.
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def hold_against(baseline: Baseline, run: Run, today: date) -> Judged:
    """Mark the failures that the baseline expects, and say what differs from it.

    It speaks of the backends that are in its claims. An entry that has expired expects nothing: its cases
    stay red. A case that is blocked by an expected failure is expected with it.
    """
    bound = tuple(backend for backend in run.backends if backend.name in baseline.claims)
    if not bound:
        return Judged(run=run, remarks=(_of_others(baseline, run),))
    names = {backend.name for backend in bound}
    seen = _look(baseline, run, names, today)
    expected = {(v.backend, v.case): each.entry for each in reversed(seen) for v in each.held}
    verdicts = tuple(_marked(verdict, expected, baseline) for verdict in run.verdicts)
    marked = [verdict for verdict in verdicts if is_known(verdict)]
    debt = _debt(baseline, [each.entry for each in seen if each.held], marked, today)
    complete = not run.info.narrowed and run.info.profile != "quick" and names == baseline.claims.keys()
    said = (*_smaller_claims(baseline, run), *_expired(baseline, names, today))
    return Judged(
        run=Run(replace(run.info, debt=debt), verdicts),
        problems=(*said, *differences(baseline, seen, complete=complete)),
    )


def is_known(verdict: Verdict) -> bool:
    """Whether a baseline expected this failure, and not a mark in a test."""
    return verdict.ruling is Ruling.EXPECTED and verdict.reason.startswith(KNOWN)


def _look(baseline: Baseline, run: Run, names: set[str], today: date) -> list[Seen]:
    """What each entry that holds still speaks of."""
    causes = cause_names(run) if any(entry.cause for entry in baseline.entries) else {}
    verdicts = [verdict for verdict in run.verdicts if verdict.backend in names]
    live = [e for e in baseline.entries if e.expires >= today and (not e.backend or e.backend in names)]
    found = [(entry, taken(entry, verdicts, causes)) for entry in live]
    held = {
        (verdict.backend, verdict.case)
        for entry, spoken_of in found
        for verdict in spoken_of
        if verdict.ruling in FAILING and fits(entry, verdict)
    }
    return [
        Seen(
            entry=entry,
            verdicts=spoken_of,
            held=tuple(v for v in spoken_of if v.ruling in FAILING and fits(entry, v)),
            # Another entry may expect what this one does not.
            otherwise=tuple(v for v in spoken_of if v.ruling in FAILING and (v.backend, v.case) not in held),
        )
        for entry, spoken_of in found
    ]


def _marked(verdict: Verdict, expected: dict[tuple[str, str], Entry], baseline: Baseline) -> Verdict:
    case = verdict.blocked_by if verdict.ruling is Ruling.BLOCKED else verdict.case
    entry = expected.get((verdict.backend, case))
    if entry is None:
        return verdict
    why = f"{entry.reason} ({entry.link}), until {entry.expires}"
    reason = f"{KNOWN} ({baseline.where(entry.line)}): {why}: {verdict.reason}"
    return replace(verdict, ruling=Ruling.EXPECTED, reason=reason)


def _of_others(baseline: Baseline, run: Run) -> str:
    own = ", ".join(baseline.claims) or "no backend"
    others = ", ".join(backend.name for backend in run.backends) or "none"
    return f"{baseline.file} is not applied: it speaks of {own}, and the run is of {others}"


def _smaller_claims(baseline: Baseline, run: Run) -> Iterator[str]:
    """What is not claimed is not judged: it must not go unnoticed. A backend that is down claims nothing."""
    for backend in run.backends:
        written = baseline.claims.get(backend.name)
        if written is None or not backend.claimed:
            continue
        if lost := [each for each in written.capabilities if each not in backend.claimed]:
            yield (
                f"{baseline.where(written.line)}: {backend.name} claims no {', '.join(lost)} any more, "
                "and what is not claimed is not judged: claim it again, or take it out here"
            )


def _expired(baseline: Baseline, names: set[str], today: date) -> Iterator[str]:
    for entry in baseline.entries:
        if entry.expires < today and (not entry.backend or entry.backend in names):
            yield (
                f"{baseline.where(entry.line)}: expired on {entry.expires}: "
                "mend the failure, or give it a new date with a reason"
            )


def _debt(baseline: Baseline, entries: list[Entry], marked: list[Verdict], today: date) -> Debt:
    since = [entry.since.isoformat() for entry in entries if entry.since is not None]
    return Debt(
        file=baseline.file,
        entries=len(entries),
        cases=len(marked),
        oldest=min(since, default=""),
        next_expiry=min((entry.expires.isoformat() for entry in entries), default=""),
        day=today.isoformat(),
    )

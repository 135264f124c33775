"""Brings a baseline up to date with a run: what fails is added, what is mended goes, the rest stays. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from tgi_conformance.contracts.causes.outcomes import OutcomeClass
from tgi_conformance.contracts.verdict import Ruling, Verdict
from tgi_conformance.reports.baseline.blocks import Block, blocks_of
from tgi_conformance.reports.baseline.differences import WIDEST
from tgi_conformance.reports.baseline.entry import CLAIMS, EXPECTED, Baseline, Entry
from tgi_conformance.reports.baseline.judging import is_known
from tgi_conformance.reports.baseline.matching import (
    FAILING,
    PASSING,
    CauseNames,
    cause_names,
    fits,
    named,
    taken,
)
from tgi_conformance.reports.baseline.reading import read_baseline
from tgi_conformance.reports.baseline.writing import HEADING, claims_text, comment_line, entry_text
from tgi_conformance.reports.causes.cause import Cause
from tgi_conformance.reports.causes.grouping import causes_of
from tgi_conformance.reports.run import Run

#: How long a new entry holds: long enough for a release, short enough that somebody looks at it again.
HOLDS: Final = timedelta(days=90)
#: Numbers differ from run to run.
_NUMBER: Final = re.compile(r"\d+")
#: Characters of what was observed that tell a failure.
_ROOM: Final = 80
_EMPTY: Final = f"{HEADING}\n[{CLAIMS}]\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """The new text of a baseline, and what was done to it."""

    text: str
    added: int = 0
    #: Entries of which cases were taken out, and entries that were taken out.
    narrowed: int = 0
    removed: int = 0
    #: Entries whose reason or link is still to be written, by the line of the new text.
    drafts: tuple[int, ...] = ()
    #: Red cases that no baseline can expect: they could not be examined, or nobody knows what blocks them.
    unexpectable: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Why failures are accepted for now and where that is tracked, for all entries that do not say it yet."""

    reason: str = ""
    link: str = ""

    def filled(self, entry: Entry) -> Entry:
        """The entry with these words where it has none of its own."""
        return replace(entry, reason=entry.reason or self.reason, link=entry.link or self.link)


NOTHING_SAID: Final = Accepted()


def updated(text: str | None, file: str, run: Run, today: date, accepted: Accepted = NOTHING_SAID) -> Updated:
    """The baseline of a whole run; ``text`` is what stands in the file so far, None: there is none.

    Entries keep their text, comments, reasons and dates. One of which a part is mended is written anew with
    the cases that are left. Entries of backends that the run is not of stay as they are. Raises
    ``BaselineError`` for a text that is no baseline.
    """
    run = _as_it_failed(run)
    text = _EMPTY if text is None else text
    baseline, blocks = read_baseline(text, file, drafts=True), blocks_of(text)
    causes = cause_names(run)
    entries = iter(baseline.entries)
    kept: list[tuple[Block, Entry, Entry | None]] = []
    for block in blocks:
        if block.name == EXPECTED:
            entry = next(entries)
            now = _left_of(entry, baseline, run, causes)
            kept.append((block, entry, accepted.filled(now) if now is not None else None))
    left = [entry for _, _, entry in kept if entry is not None]
    new = list(_new_entries(run, left, causes, baseline, today))
    pieces = [
        *(_claims(block, baseline, run) for block in blocks if block.name != EXPECTED),
        *(_piece(block, before, after) for block, before, after in kept if after is not None),
        *(entry_text(accepted.filled(entry), comment) for comment, entry in new),
    ]
    whole = "\n\n".join(piece.strip("\n") for piece in pieces if piece.strip()) + "\n"
    return Updated(
        text=whole,
        added=len(new),
        narrowed=sum(after is not None and after != before for _, before, after in kept),
        removed=sum(after is None for _, _, after in kept),
        drafts=tuple(
            entry.line
            for entry in read_baseline(whole, file, drafts=True).entries
            if not (entry.reason and entry.link)
        ),
        unexpectable=sum(
            v.ruling is Ruling.UNTESTABLE or (v.ruling is Ruling.BLOCKED and not _blocker_fails(run, v))
            for v in run.verdicts
        ),
    )


def _as_it_failed(run: Run) -> Run:
    """The run without the mark of the baseline that it was held against."""
    verdicts = (
        replace(v, ruling=Ruling.BLOCKED if v.blocked_by else Ruling.FAILED) if is_known(v) else v
        for v in run.verdicts
    )
    return Run(run.info, tuple(verdicts))


def _blocker_fails(run: Run, blocked: Verdict) -> bool:
    return any(
        v.case == blocked.blocked_by and v.backend == blocked.backend and v.ruling in FAILING
        for v in run.verdicts
    )


def _left_of(entry: Entry, baseline: Baseline, run: Run, causes: CauseNames) -> Entry | None:
    """What an entry is to say from now on; None: nothing."""
    present = {backend.name for backend in run.backends}
    about = {entry.backend} if entry.backend else set(baseline.claims)
    if not about <= present:
        return entry  # the run does not show what it speaks of
    spoken_of = taken(entry, (v for v in run.verdicts if v.backend in about), causes)
    held = [verdict for verdict in spoken_of if verdict.ruling in FAILING and fits(entry, verdict)]
    if not held:
        undecided = [v for v in spoken_of if v.ruling not in FAILING | PASSING | {Ruling.NOT_APPLICABLE}]
        return entry if undecided else None
    if entry.cause:
        return entry if entry.count == len(held) else replace(entry, count=len(held))
    gone = [name for name in entry.cases if not any(named(name, verdict) for verdict in spoken_of)]
    if not gone and not any(
        v.ruling in PASSING or (v.ruling in FAILING and v not in held) for v in spoken_of
    ):
        return entry
    return replace(entry, cases=tuple(dict.fromkeys(verdict.case for verdict in held)))


def _claims(block: Block, baseline: Baseline, run: Run) -> str:
    """A table as it stands; that of the claims as the run has them, if they have changed."""
    if block.name != CLAIMS:
        return block.text
    before = {name: claims.capabilities for name, claims in baseline.claims.items()}
    now = before | {backend.name: backend.claimed for backend in run.backends if backend.claimed}
    if now.keys() == before.keys() and all(set(now[name]) == set(before[name]) for name in now):
        return block.text
    comment = f"{block.comment}\n" if block.comment else ""
    return comment + claims_text(now)


def _piece(block: Block, before: Entry, after: Entry) -> str:
    return block.text if after == before else entry_text(after, block.comment)


def _new_entries(
    run: Run, left: Sequence[Entry], causes: CauseNames, baseline: Baseline, today: date
) -> Iterator[tuple[str, Entry]]:
    """Comment and entry for each failure that no entry expects, cause by cause, the worst first."""
    several = len(run.backends) > 1 or bool(baseline.claims.keys() - {each.name for each in run.backends})
    for backend in run.backends:
        verdicts = run.of(backend.name)
        covered = {v.case for e in left for v in taken(e, verdicts, causes) if fits(e, v)}
        for cause in causes_of(run, backend.name):
            open_still = [v for v in cause.verdicts if v.ruling in FAILING and v.case not in covered]
            comment = comment_line(f"{cause.sentence} (cause {cause.id})")
            for entry in _of_cause(cause, open_still, today):
                yield comment, replace(entry, backend=backend.name if several else "")


def _of_cause(cause: Cause, verdicts: Sequence[Verdict], today: date) -> Iterator[Entry]:
    """One entry where the cases fail alike, or are too many to be named; else one for each way to fail."""
    until = today + HOLDS
    if len(verdicts) > WIDEST and len(verdicts) == len(cause.verdicts):
        yield Entry(line=0, cause=cause.id, count=len(verdicts), expires=until, since=today)
        return
    for word, cases in _by_word(verdicts).items():
        yield Entry(line=0, cases=cases, failure=word, expires=until, since=today)


def _by_word(verdicts: Iterable[Verdict]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for verdict in verdicts:
        word = word_of(verdict)
        found[word] = (*found.get(word, ()), verdict.case)
    return found


def word_of(verdict: Verdict) -> str:
    """What tells a failure and is the same in the next run: its exception or class, or what was observed."""
    sign = verdict.sign
    if sign.exception:
        return sign.exception
    if sign.outcome and sign.outcome != OutcomeClass.OTHER:
        return sign.outcome
    seen = (verdict.observed or verdict.reason).strip().partition("\n")[0][:_ROOM]
    return max(_NUMBER.split(seen), key=len).strip() or sign.outcome or str(verdict.ruling)

"""What the board is made of: one backend of one run, as its files tell of it. Pure."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Final

from tgi_conformance.contracts.script.whole import NATIVE_PERSONA
from tgi_conformance.contracts.verdict import Verdict
from tgi_conformance.reports.comparing.conditions import kit_version
from tgi_conformance.reports.run import BackendInfo, Run, RunInfo

#: The server that a run is made under where ``run.json`` names none.
USUAL_SERVER: Final = NATIVE_PERSONA
_QUICK: Final = "quick"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardInput:
    """A run that was read; ``place`` is for messages, and in no page."""

    run: Run
    server: str
    place: str
    #: The names of its evidence files, as its verdicts have them.
    evidence: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One backend of one run: a row of the board."""

    #: The run with this backend and its verdicts alone.
    run: Run
    server: str
    #: Which of the inputs it is of.
    number: int
    #: Of all that the board reads of it: what is told apart by nothing else is by this.
    digest: str
    evidence: frozenset[str] = frozenset()

    @property
    def info(self) -> RunInfo:
        """How its run was made."""
        return self.run.info

    @property
    def backend(self) -> BackendInfo:
        """As it described itself."""
        return self.run.backends[0]

    @property
    def name(self) -> str:
        """What it calls itself."""
        return self.backend.name

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """All on it."""
        return self.run.verdicts

    @property
    def kit(self) -> str:
        """The version of the kit."""
        return kit_version(self.info)

    @property
    def day(self) -> date:
        """The day of the run, in UTC."""
        return _moment(self.info.started).date()

    @property
    def partly(self) -> str:
        """Why it did not try all cases, in words; empty: it did."""
        if self.info.narrowed:
            return f"only a part of the cases ({self.info.selection or 'the run was broken off'})"
        return "only one case of each clause (profile quick)" if self.info.profile == _QUICK else ""

    @property
    def order(self) -> tuple[str, str, bool, str, str, str, str]:
        """By name, server, version and time, whatever the order of the inputs."""
        unusual = self.server != USUAL_SERVER
        version = self.backend.version
        started = _moment(self.info.started).isoformat()
        return self.name.casefold(), self.name, unusual, self.server, version, started, self.digest


def entries_of(inputs: Iterable[BoardInput]) -> tuple[Entry, ...]:
    """Every backend of every run, in the order of the board; a run that is given twice is there once."""
    found: dict[str, Entry] = {}
    for number, each in enumerate(inputs):
        for entry in _entries(number, each):
            found.setdefault(entry.digest, entry)
    return tuple(sorted(found.values(), key=lambda entry: entry.order))


def _entries(number: int, given: BoardInput) -> Iterator[Entry]:
    for backend in given.run.backends:
        info = replace(given.run.info, backends=(backend,))
        run = Run(info, given.run.of(backend.name))
        told = (given.server, info.started, info.ended, str(info.seed), backend.name, backend.version)
        yield Entry(
            run=run,
            server=given.server,
            number=number,
            digest=_digest(told, run.verdicts),
            evidence=given.evidence,
        )


def _digest(told: Sequence[str], verdicts: Iterable[Verdict]) -> str:
    """Of how a run was made and what it showed, whether or not all that was seen is still there."""
    shown = ((v.case, v.ruling, v.reason, v.expected, v.observed) for v in verdicts)
    text = json.dumps([told, *shown])
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _moment(text: str) -> datetime:
    """Raises ``ValueError`` for what is no time; a time without a zone is taken for UTC."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)

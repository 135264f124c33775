"""The evidence of one case in the results of the last runs, found by the name of the case or its clause."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.verdict import Evidence, Verdict
from tgi_conformance.reports.evidence_files import read_evidence
from tgi_conformance.reports.verdict_lines import read_verdicts


class NotKeptError(ValueError):
    """There is no such case, or nothing was kept of it: why, and what to do."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A case with what was kept of it."""

    verdict: Verdict
    evidence: Evidence
    #: What the run's own file says of the run; nothing where that cannot be read.
    run: Mapping[str, JSON]

    @property
    def backend(self) -> str:
        """The backend with its version."""
        return f"{self.verdict.backend} {_told_of(self.run, self.verdict.backend).get('version', '')}".strip()

    def said(self, name: str) -> str:
        """A text that the run's file has under this name."""
        value = self.run.get(name)
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class _Row:
    folder: Path
    verdict: Verdict


def kept_case(folder: Path, name: str, backend: str | None = None) -> Kept:
    """The latest evidence of a case; of a clause, the first red case of it; of a run-wide ruling, its worst.

    ``backend``: a backend's name, or what ``--backend`` was given. Raises :class:`NotKeptError`,
    ``EvidenceError``, ``VerdictLinesError`` or ``OSError``.
    """
    rows = [row for row in _rows(folder) if backend is None or _is_of(row, backend)]
    if not rows:
        whose = f" of {backend}" if backend else ""
        raise NotKeptError(
            f"{folder} has no verdicts{whose}; run the case first, or name the folder with --results"
        )
    row = _chosen(rows, name)
    evidence = read_evidence(row.folder / row.verdict.evidence)
    return Kept(row.verdict, evidence, _run(row))


def _rows(folder: Path) -> Iterator[_Row]:
    """The verdicts of the folder and of those in it, the latest run first."""
    files = [*folder.glob("verdicts.jsonl"), *folder.glob("*/verdicts.jsonl")]
    for file in sorted(files, key=lambda path: -path.stat().st_mtime_ns):
        yield from (_Row(file.parent, verdict) for verdict in read_verdicts(file).verdicts)


def _chosen(rows: Sequence[_Row], name: str) -> _Row:
    wanted = name.lower()
    named = [row for row in rows if wanted in {row.verdict.case.lower(), row.verdict.clause.lower()}]
    if not named:
        near = difflib.get_close_matches(name.upper(), {row.verdict.case.upper() for row in rows}, n=1)
        hint = f"did you mean {near[0]}?" if near else "`tgi-conformance list --cases` lists the cases"
        raise NotKeptError(f"the last runs have no verdict on it; {hint}")
    kept = [row for row in named if row.verdict.evidence] or list(_seen_in(rows, named[0].verdict))
    if not kept:
        again = f"`tgi-conformance run --case '{named[0].verdict.case}' --evidence all` keeps it"
        raise NotKeptError(f"it was ruled {named[0].verdict.ruling}, and its evidence was not kept; {again}")
    return next((row for row in kept if row.verdict.red), kept[0])


def _seen_in(rows: Sequence[_Row], ruled: Verdict) -> Iterator[_Row]:
    """Of a ruling over the whole run: the cases that showed it, the worst first."""
    shown = [
        (finding.size, row)
        for row in rows
        for finding in row.verdict.findings
        if finding.breach and finding.case == ruled.case and row.verdict.evidence
    ]
    return (row for _, row in sorted(shown, key=lambda pair: -pair[0]))


def _is_of(row: _Row, backend: str) -> bool:
    if backend == row.verdict.backend:
        return True
    spec = _told_of(_run(row), row.verdict.backend).get("spec", "")
    module, colon, name = backend.partition(":")
    as_file = f"{module if module.endswith('.py') else module.replace('.', '/') + '.py'}{colon}{name}"
    return bool(spec) and (backend == spec or f"/{spec}".endswith(f"/{as_file.lstrip('./')}"))


def _run(row: _Row) -> Mapping[str, JSON]:
    try:
        run = json.loads((row.folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # what is told of the run is no reason to show nothing of the case
        return {}
    return run if isinstance(run, dict) else {}


def _told_of(run: Mapping[str, JSON], backend: str) -> Mapping[str, str]:
    """What the run's file says of a backend."""
    backends = run.get("backends")
    told = [info for info in backends if isinstance(info, dict)] if isinstance(backends, list) else []
    found = next((info for info in told if info.get("name") == backend), {})
    return {name: value for name, value in found.items() if isinstance(value, str)}

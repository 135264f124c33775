"""The verdicts of a run on disk while they come: what was decided outlives a run that is killed."""

from pathlib import Path

from tgi_conformance.contracts.redaction import redact_verdict
from tgi_conformance.contracts.verdict import Verdict
from tgi_conformance.reports.verdict_lines import line
from tgi_conformance.reports.writing.guard import Unwritten, attempt


class VerdictStream:
    """Appends each verdict to a file; where that fails once, the run goes on without it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.unwritten: tuple[Unwritten, ...] = ()

    def add(self, verdict: Verdict) -> None:
        """Append a verdict, in one write: a reader sees whole lines, but for the last of a full disk."""
        if not self.unwritten:
            row = f"{line(redact_verdict(verdict, {}))}\n".encode("ascii")
            self.unwritten = attempt(self._path, lambda: self._append(row))

    def _append(self, row: bytes) -> None:
        with self._path.open("ab", buffering=0) as file:
            if file.write(row) != len(row):
                raise OSError(f"the file took only a part of a line of {len(row)} bytes")

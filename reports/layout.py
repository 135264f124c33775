"""Where the files of a run stand.

::

    collected_results/
        <backend>_test_results.json     the guide's map, nothing else in it
        <backend>_more_results.json     new keys, keys left out, claims
        verdicts.jsonl  junit.xml  report.html  report.md  run.json
        evidence/<backend>/<case, "/" as "__">.json
        narrowed/                       the same without maps, for a run of some cases only
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._=+,@-]+")
#: Leaves room for an ending and a temporary name within the 255 bytes that file systems allow.
_LONGEST: Final = 120


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one run's files; evidence paths in verdicts are relative to ``base``."""

    root: Path
    narrowed: bool = False

    @property
    def base(self) -> Path:
        """The folder of everything but the maps."""
        return self.root / "narrowed" if self.narrowed else self.root

    @property
    def verdicts(self) -> Path:
        """One verdict a line."""
        return self.base / "verdicts.jsonl"

    @property
    def junit(self) -> Path:
        """JUnit XML."""
        return self.base / "junit.xml"

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.base / "report.html"

    @property
    def markdown(self) -> Path:
        """The causes of what is red, for a colleague or a language model."""
        return self.base / "report.md"

    @property
    def run(self) -> Path:
        """How the run was made and how it ended."""
        return self.base / "run.json"

    @property
    def evidence(self) -> Path:
        """The folder of evidence, a folder a backend in it."""
        return self.base / "evidence"

    def results_map(self, backend: str) -> Path:
        """The guide's map; only whole runs write it."""
        return self.root / f"{file_name(backend)}_test_results.json"

    def more_results(self, backend: str) -> Path:
        """What stands beside the map; only whole runs write it."""
        return self.root / f"{file_name(backend)}_more_results.json"

    def evidence_file(self, backend: str, case: str) -> Path:
        """The evidence of one case."""
        return self.evidence / file_name(backend) / f"{file_name(case)}.json"

    def relative(self, path: Path) -> str:
        """The path as a verdict names it."""
        return path.relative_to(self.base).as_posix()


def file_name(text: str) -> str:
    """A file name for any text, different for different texts, the same on every file system.

    ``STREAM-12/fin-after-event-3`` is ``STREAM-12__fin-after-event-3``. What a name cannot hold becomes
    ``_``, and then a piece of the text's digest keeps two such texts apart.
    """
    joined = text.replace("/", "__")
    safe = _UNSAFE.sub("_", joined).lstrip(".") or "_"
    if safe == joined and len(safe) <= _LONGEST:
        return safe
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{safe[:_LONGEST]}-{digest}"

"""Where the files of a run stand.

::

    collected_results/
        <backend>_test_results.json     the guide's map, nothing else in it
        <backend>_more_results.json     what the map rests on, new keys, keys left out, claims
        verdicts.jsonl  junit.xml  report.html  report.md  run.json
        renewed.jsonl                   what --last-failed has decided since
        evidence/<backend>/<case, "/" as "__">.json
        previous/                       the same of the whole run before
        quick/                          the same for runs in profile quick
        narrowed/                       the same without maps, for a run of some cases only, or broken off
        unfinished/                     verdicts and evidence of a run that goes on, or that was killed
"""

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._=+,@-]+")
#: Leaves room for an ending and a temporary name within the 255 bytes that file systems allow.
_LONGEST: Final = 120
#: Names of the files that a run writes into its folder; a further format adds its own.
FILES: Final = frozenset(
    {"verdicts.jsonl", "junit.xml", "report.html", "report.md", "run.json"}
    | {"github-summary.md", "gl-code-quality-report.json", "results.sarif"}
)
#: What is decided after a whole run; it goes with its files.
RENEWED: Final = "renewed.jsonl"
#: How files end that a run writes for each backend: the map, and what stands beside it.
_MAPS: Final = ("_test_results.json", "_more_results.json", "_badge.svg", "_badge.json")


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one run's files; evidence paths in verdicts are relative to ``base``."""

    root: Path
    narrowed: bool = False
    quick: bool = False
    #: The run goes on: its files stand apart, and those of the run before are where they were.
    unfinished: bool = False

    @property
    def base(self) -> Path:
        """The folder of all files of the run."""
        if self.unfinished:
            return self.root / "unfinished"
        if self.narrowed:
            return self.root / "narrowed"
        return self.root / "quick" if self.quick else self.root

    @property
    def settled(self) -> "Layout":
        """Where the files stand once the run is over."""
        return replace(self, unfinished=False)

    @property
    def verdicts(self) -> Path:
        """One verdict a line."""
        return self.base / "verdicts.jsonl"

    @property
    def previous(self) -> Path:
        """The folder of the run before this one in the same place."""
        return self.settled.base / "previous"

    @property
    def previous_verdicts(self) -> Path:
        """The verdicts of the run before; while this one goes on they have not changed places yet."""
        return self.settled.verdicts if self.unfinished else self.previous / "verdicts.jsonl"

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
    def renewed(self) -> Path:
        """What runs of red cases have decided since this whole run; not written by the run itself."""
        return self.base / RENEWED

    @property
    def evidence(self) -> Path:
        """The folder of evidence, a folder a backend in it."""
        return self.base / "evidence"

    def results_map(self, backend: str) -> Path:
        """The guide's map; narrowed runs write none."""
        return self.base / f"{file_name(backend)}_test_results.json"

    def more_results(self, backend: str) -> Path:
        """What stands beside the map; narrowed runs write none."""
        return self.base / f"{file_name(backend)}_more_results.json"

    def badge(self, backend: str, kind: str) -> Path:
        """A badge of the map, as ``svg`` or ``json``."""
        return self.base / f"{file_name(backend)}_badge.{kind}"

    def evidence_file(self, backend: str, case: str) -> Path:
        """The evidence of one case."""
        return self.evidence / file_name(backend) / f"{file_name(case)}.json"

    def relative(self, path: Path) -> str:
        """The path as a verdict names it."""
        return path.relative_to(self.base).as_posix()


def is_map(name: str) -> bool:
    """Whether a file of this name is a map, or stands beside one: there may be some of other backends."""
    return name.endswith(_MAPS)


def beside(name: str) -> frozenset[str]:
    """The names of all files of the backend that a map is of, whether or not a run has written each."""
    ending = next(ending for ending in _MAPS if name.endswith(ending))
    return frozenset(f"{name.removesuffix(ending)}{each}" for each in _MAPS)


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

"""GitLab's code quality report: one entry a cause, for ``artifacts:reports:codequality``. Pure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.reports.causes.by_case import CausesByCase
from tgi_conformance.reports.causes.cause import Severity
from tgi_conformance.reports.formats.place import place_of
from tgi_conformance.reports.formats.telling import one_line, told
from tgi_conformance.reports.run import Run

#: GitLab knows info, minor, major, critical and blocker.
SEVERITIES: Final[Mapping[Severity, str]] = {
    Severity.SECRET_LEAKED: "blocker",
    Severity.OUTPUT_WRONG: "critical",
    Severity.WORK_DOUBLED: "critical",
    Severity.HANG: "critical",
    Severity.UNUSABLE_ERROR: "major",
    Severity.OTHER: "major",
}


def code_quality(run: Run, root: Path) -> list[JSON]:
    """The report; ``root`` is the root of the repository. The same defect has the same fingerprint again."""
    entries: list[JSON] = []
    for backend, cause in CausesByCase(run):
        place = place_of(cause, run.info.backend(backend).spec, root)
        entries.append(
            {
                "description": told(cause),
                "check_name": cause.example.clause,
                "fingerprint": one_line(f"{backend}/{cause.id}"),
                "severity": SEVERITIES[cause.severity],
                "location": {"path": one_line(place.file), "lines": {"begin": place.line}},
            }
        )
    return entries

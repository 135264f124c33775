"""Verdicts as JUnit XML: a suite a backend, a test case a case.

Only what the schema of Jenkins' xUnit plugin (junit-10.xsd) allows is written. It has no place for causes:
they are the first properties of a suite, and the ``type`` of a failure is the id of its cause.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from typing import Final

from tgi_conformance.contracts.verdict import Ruling, Verdict
from tgi_conformance.reports.causes.by_case import CausesByCase
from tgi_conformance.reports.causes.cause import Cause
from tgi_conformance.reports.formats.telling import one_line, ruling_told, shown_by, told
from tgi_conformance.reports.run import BackendInfo, Run

#: JUnit knows failure, error and skipped; a case with none of them passed.
ELEMENTS: Final = {
    Ruling.FAILED: "failure",
    Ruling.BLOCKED: "error",
    Ruling.UNTESTABLE: "error",
    Ruling.NOT_RUN: "error",
    Ruling.KIT_FAULT: "error",
    Ruling.ADVISORY: "skipped",
    Ruling.EXPECTED: "skipped",
    Ruling.NOT_APPLICABLE: "skipped",
    Ruling.NOT_HERE: "skipped",
}

#: What XML 1.0 cannot hold, not even escaped (section 2.2, Char).
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(run: Run) -> str:
    """The XML text of a run; characters that XML cannot hold are shown as backslash escapes."""
    total = _counts(run.verdicts)
    del total["skipped"]  # the schema knows it on a suite only
    suites = ET.Element("testsuites", {"name": "tgi-conformance", **total})
    causes = CausesByCase(run)
    for backend in run.backends:
        suites.append(_suite(run, backend, causes))
    ET.indent(suites)
    body = ET.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def xml_text(text: str) -> str:
    """The text with each character that XML cannot hold as an escape, as ``\\x00``."""
    return _NOT_XML.sub(lambda found: _escape(ord(found[0])), text)


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _suite(run: Run, backend: BackendInfo, causes: CausesByCase) -> ET.Element:
    verdicts = run.of(backend.name)
    suite = ET.Element(
        "testsuite",
        {"name": xml_text(backend.name), "timestamp": xml_text(run.info.started), **_counts(verdicts)},
    )
    properties = ET.SubElement(suite, "properties")
    rows = (*_causes(causes.of_backend(backend.name)), *_properties(run, backend))
    for name, value in rows:
        ET.SubElement(properties, "property", {"name": xml_text(name), "value": xml_text(value)})
    for verdict in verdicts:
        suite.append(_case(run, verdict, causes.of(verdict)))
    return suite


def _causes(causes: Sequence[Cause]) -> Iterable[tuple[str, str]]:
    """The causes, worst first, each under a name that keeps the order where names are sorted."""
    for number, cause in enumerate(causes, 1):
        where = f" At {cause.place}." if cause.place else ""
        yield f"cause {number:03}", one_line(f"{cause.id}: {cause.severity}: {told(cause)}{where}")


def _properties(run: Run, backend: BackendInfo) -> Iterable[tuple[str, str]]:
    yield "seed", str(run.info.seed)
    yield "profile", run.info.profile
    yield "backend", backend.spec or backend.name
    yield "backend version", backend.version
    yield "claims", backend.claims
    if backend.fence:
        yield "fence", backend.fence
    if run.info.selection:
        yield "selection", run.info.selection
    for name, version in run.info.versions.items():
        yield f"version of {name}", version


def _case(run: Run, verdict: Verdict, cause: Cause | None) -> ET.Element:
    case = ET.Element(
        "testcase",
        {
            "classname": xml_text(verdict.area or verdict.clause.partition("-")[0]),
            "name": xml_text(verdict.case),
            "time": f"{verdict.duration:.3f}",
        },
    )
    if kind := ELEMENTS.get(verdict.ruling):
        attributes = {"message": xml_text(ruling_told(verdict))}
        if kind != "skipped":
            attributes["type"] = cause.id if cause else str(verdict.ruling)
        element = ET.SubElement(case, kind, attributes)
        element.text = xml_text(_details(run, verdict, cause)) or None
    return case


def _details(run: Run, verdict: Verdict, cause: Cause | None) -> str:
    rows = (
        ("clause", f"{verdict.clause} ({verdict.level})"),
        ("cause", f"{cause.id}: {cause.sentence}" if cause else ""),
        ("evidence", verdict.evidence),
        *shown_by(run.info, verdict, cause),
    )
    return "\n".join(f"{name}: {value}" for name, value in rows if value)


def _counts(verdicts: tuple[Verdict, ...]) -> dict[str, str]:
    kinds = [ELEMENTS.get(verdict.ruling) for verdict in verdicts]
    return {
        "tests": str(len(verdicts)),
        "failures": str(kinds.count("failure")),
        "errors": str(kinds.count("error")),
        "skipped": str(kinds.count("skipped")),
        "time": f"{sum(verdict.duration for verdict in verdicts):.3f}",
    }

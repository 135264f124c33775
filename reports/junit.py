"""Verdicts as JUnit XML: a suite a backend, a test case a case."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from typing import Final

from tgi_conformance.contracts.verdict import Ruling, Verdict
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
    suites = ET.Element("testsuites", {"name": "tgi-conformance", **_counts(run.verdicts)})
    for backend in run.backends:
        suites.append(_suite(run, backend))
    ET.indent(suites)
    body = ET.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def xml_text(text: str) -> str:
    """The text with each character that XML cannot hold as an escape, as ``\\x00``."""
    return _NOT_XML.sub(lambda found: _escape(ord(found[0])), text)


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _suite(run: Run, backend: BackendInfo) -> ET.Element:
    verdicts = run.of(backend.name)
    suite = ET.Element(
        "testsuite",
        {"name": xml_text(backend.name), "timestamp": xml_text(run.info.started), **_counts(verdicts)},
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(run, backend):
        ET.SubElement(properties, "property", {"name": xml_text(name), "value": xml_text(value)})
    for verdict in verdicts:
        suite.append(_case(verdict))
    return suite


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


def _case(verdict: Verdict) -> ET.Element:
    case = ET.Element(
        "testcase",
        {
            "classname": xml_text(verdict.area or verdict.clause.partition("-")[0]),
            "name": xml_text(verdict.case),
            "time": f"{verdict.duration:.3f}",
        },
    )
    if kind := ELEMENTS.get(verdict.ruling):
        attributes = {"message": xml_text(_message(verdict))}
        if kind != "skipped":
            attributes["type"] = str(verdict.ruling)
        element = ET.SubElement(case, kind, attributes)
        element.text = xml_text(_details(verdict)) or None
    return case


def _message(verdict: Verdict) -> str:
    reason = verdict.reason or verdict.observed
    return f"{verdict.ruling}: {reason}" if reason else str(verdict.ruling)


def _details(verdict: Verdict) -> str:
    rows = (
        ("clause", f"{verdict.clause} ({verdict.level})"),
        ("expected", verdict.expected),
        ("observed", verdict.observed),
        ("blocked by", verdict.blocked_by),
        ("unsteady", verdict.unsteady),
        ("evidence", verdict.evidence),
        ("test", verdict.nodeid),
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

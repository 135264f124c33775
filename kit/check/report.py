"""What a check came to, for a terminal, as JSON and as JUnit. Pure."""

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Final
from xml.etree import ElementTree as ET

from tgi_conformance.check.asked import Finding
from tgi_conformance.check.running import Checked
from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Forward, Reply, Script, When

_SHOWN: Final = 3


def lines(checked: Checked) -> Iterator[str]:
    """A paragraph for each route and rule, with the command that shows it."""
    ordered = sorted(checked.findings, key=lambda finding: (finding.route, finding.rule))
    for (route, rule), found in groupby(ordered, key=lambda finding: (finding.route, finding.rule)):
        several = list(found)
        yield f"{route}  {rule}: {_count(len(several), 'finding')}"
        for finding in several[:_SHOWN]:
            yield f"  {finding.asked.name}: expected {finding.expected}; observed {finding.observed}"
            yield f"    {finding.asked.curl(checked.url)}"
        if len(several) > _SHOWN:
            yield f"  and {len(several) - _SHOWN} more"
    for reason, left in groupby(checked.undecided, key=lambda pair: pair[1]):
        yield f"undecided: {_count(len(list(left)), 'request')}: {reason}"
    rules = len({(finding.route, finding.rule) for finding in checked.findings})
    yield (
        f"{_count(checked.asked, 'request')} to {_count(len(checked.routes), 'route')}: "
        f"{_count(len(checked.findings), 'finding')} of {_count(rules, 'rule')}, "
        f"{len(checked.undecided)} undecided"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def as_json(checked: Checked) -> str:
    """The whole as JSON; each finding with its command and a script that replays the request's route."""
    value: JSON = {
        "url": checked.url,
        "asked": checked.asked,
        "routes": list(checked.routes),
        "findings": [_finding(finding, checked.url) for finding in checked.findings],
        "undecided": [{"request": asked.name, "why": why} for asked, why in checked.undecided],
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def _finding(finding: Finding, url: str) -> JSON:
    return {
        "route": finding.route,
        "rule": finding.rule,
        "request": finding.asked.name,
        "expected": finding.expected,
        "observed": finding.observed,
        "curl": finding.asked.curl(url),
        "script": to_json(Script(replies=(Reply(when=When(path=finding.asked.path), forward=Forward()),))),
    }


def as_junit(checked: Checked) -> str:
    """A test suite a route, a test case a rule that is broken, and one for all that is well."""
    suites = ET.Element("testsuites", name="tgi-conformance check-server")
    for route in checked.routes:
        found = [finding for finding in checked.findings if finding.route == route]
        counts = {"tests": str(len(found) or 1), "failures": str(len(found))}
        suite = ET.SubElement(suites, "testsuite", {"name": route, **counts})
        if not found:
            ET.SubElement(suite, "testcase", classname=route, name="every rule")
        for finding in found:
            name = f"{finding.rule}: {finding.asked.name}"
            case = ET.SubElement(suite, "testcase", classname=route, name=name)
            failure = ET.SubElement(case, "failure", message=f"expected {finding.expected}"[:300])
            failure.text = f"observed {finding.observed}\n{finding.asked.curl(checked.url)}"
    return ET.tostring(suites, encoding="unicode")

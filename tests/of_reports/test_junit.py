"""JUnit XML against the rules of Jenkins' schema (junit-10.xsd of the xUnit plugin), here as a table."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hostile import HOSTILE, many_cases
from verdict_builder import run_of, verdict

from tgi_conformance.contracts.verdict import Ruling, Sign
from tgi_conformance.reports.causes.grouping import causes_of
from tgi_conformance.reports.formats.telling import told
from tgi_conformance.reports.junit import render_junit
from tgi_conformance.reports.run import Run


@dataclass(frozen=True)
class Rule:
    """What an element may and must have."""

    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    children: frozenset[str] = frozenset()
    text: bool = False
    patterns: Mapping[str, str] = field(default_factory=dict)


#: Seconds as Surefire writes them.
TIME = {"time": r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]{0,3})?"}
SHOWN = Rule(optional=frozenset({"type", "message"}), text=True)
RULES = {
    "testsuites": Rule(
        optional=frozenset({"name", "time", "tests", "failures", "errors"}),
        children=frozenset({"testsuite"}),
        patterns=TIME,
    ),
    "testsuite": Rule(
        required=frozenset({"name", "tests", "failures", "errors"}),
        optional=frozenset({"time", "skipped", "timestamp", "hostname", "id", "package", "version"}),
        children=frozenset({"properties", "testcase", "system-out", "system-err"}),
        patterns=TIME,
    ),
    "properties": Rule(children=frozenset({"property"})),
    "property": Rule(required=frozenset({"name", "value"})),
    "testcase": Rule(
        required=frozenset({"name"}),
        optional=frozenset({"time", "classname", "group"}),
        children=frozenset({"skipped", "error", "failure", "system-out", "system-err"}),
    ),
    "failure": SHOWN,
    "error": SHOWN,
    "skipped": SHOWN,
}


def breaches(element: ET.Element) -> list[str]:
    """Where an element and what is in it break the rules."""
    rule = RULES[element.tag]
    given = set(element.attrib)
    found = [f"{element.tag} lacks {name}" for name in rule.required - given]
    found += [f"{element.tag} has {name}" for name in given - rule.required - rule.optional]
    found += [
        f"{element.tag} {name}={element.get(name)}"
        for name, pattern in rule.patterns.items()
        if name in given and not re.fullmatch(pattern, element.attrib[name])
    ]
    if not rule.text and (element.text or "").strip():
        found.append(f"text in {element.tag}")
    for child in element:
        if child.tag not in rule.children:
            found.append(f"{child.tag} in {element.tag}")
        found += breaches(child) if child.tag in RULES else []
    return found


def parsed(run: Run) -> ET.Element:
    return ET.fromstring(render_junit(run))  # noqa: S314 - our own text


def test_whatever_the_rulings_and_texts_it_is_valid() -> None:
    verdicts = [
        verdict(f"STREAM-12/{n}", ruling, reason=HOSTILE, observed=HOSTILE, duration=1234.5678, worker="gw0")
        for n, ruling in enumerate(Ruling)
    ]
    root = parsed(run_of(*verdicts, verdict("STREAM-12/a", backend=f"b{HOSTILE}"), selection=HOSTILE))
    assert breaches(root) == []
    assert [suite.get("skipped") for suite in root] == ["4", "0"]
    assert breaches(parsed(run_of())) == []


def test_the_table_refuses_what_the_schema_refuses() -> None:
    text = '<testsuites skipped="1"><testsuite name="a" time="x"><b/></testsuite></testsuites>'
    wrong = ET.fromstring(text)  # noqa: S314 - our own text
    assert sorted(breaches(wrong)) == [
        "b in testsuite",
        "testsuite lacks errors",
        "testsuite lacks failures",
        "testsuite lacks tests",
        "testsuite time=x",
        "testsuites has skipped",
    ]


def test_causes_come_first_and_type_the_failures() -> None:
    hang = Sign(outcome="hang", stimulus="stall")
    run = run_of(
        verdict("GEN-01/a", Ruling.BLOCKED, reason="no healthy call", blocked_by="STREAM-12/a"),
        *(verdict(f"STREAM-12/{n}", Ruling.FAILED, reason="no end came", sign=hang) for n in "ab"),
    )
    (suite,) = parsed(run)
    first = next(suite.iter("property"))
    identity = str(first.get("value")).partition(":")[0]
    assert first.get("name") == "cause 001"
    (cause,) = causes_of(run, "alpha")
    assert told(cause) in str(first.get("value"))
    types = {case.get("name"): case[0].get("type") for case in suite.iter("testcase")}
    assert types == {"GEN-01/a": identity, "STREAM-12/a": identity, "STREAM-12/b": identity}


@pytest.mark.parametrize("count", [10_000])
def test_ten_thousand_hostile_cases_are_one_valid_file(count: int) -> None:
    root = parsed(many_cases(count))
    assert breaches(root) == []
    assert root.get("tests") == str(count)

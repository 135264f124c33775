"""What one cause blocks: told once, with the number of cases, wherever a run is told of."""

import xml.etree.ElementTree as ET
from pathlib import Path

from verdict_builder import run_of, verdict

from tgi_conformance.contracts.verdict import Ruling, Verdict
from tgi_conformance.reports.blocked import blocked_in_words
from tgi_conformance.reports.gate import Exit, judge
from tgi_conformance.reports.junit import render_junit
from tgi_conformance.reports.run_folder import Written, write_all
from tgi_conformance.reports.terminal.lines import to_strings
from tgi_conformance.reports.terminal.summary import summary

SHAPE = "DECL-01/healthy-chat-stream"
WORDS = "3 cases blocked by 1 dead shape (chat stream)"


def blocked(number: int, cause: str = SHAPE) -> Verdict:
    return verdict(f"STREAM-12/{number}", Ruling.BLOCKED, reason="does not answer", blocked_by=cause)


RUN = run_of(verdict(SHAPE, Ruling.FAILED, reason="does not answer"), *map(blocked, range(3)))


def test_shapes_are_counted_together_and_any_other_cause_by_its_case() -> None:
    verdicts = [
        *map(blocked, range(3)),
        blocked(4, "DECL-01/healthy-native"),
        blocked(5, "RETRY-01/run-wide"),
    ]
    assert blocked_in_words(verdicts) == [
        "4 cases blocked by 2 dead shapes (chat stream, native)",
        "1 case blocked by RETRY-01/run-wide",
    ]
    assert blocked_in_words([verdict("GEN-01/a")]) == []


def test_the_gate_names_the_cause_once_beside_the_failure_that_it_is() -> None:
    gate = judge(RUN, pytest_code=1)
    assert gate.code == Exit.FAILED
    assert gate.reasons[:2] == ("1 case failed in 1 clause", WORDS)


def test_terminal_page_and_junit_tell_it(tmp_path: Path) -> None:
    lines = "\n".join(to_strings(summary(RUN, judge(RUN), Written(()), width=100), colour=False))
    assert lines.count(WORDS) == 3  # of the backend, with the reason, and of the exit code
    assert f"    {SHAPE}: does not answer" in lines
    assert "STREAM-12 MUST" not in lines
    write_all(RUN, tmp_path)
    assert WORDS in (tmp_path / "report.html").read_text(encoding="utf-8")
    junit = render_junit(RUN)
    (suite,) = ET.fromstring(junit).findall("testsuite")  # noqa: S314 - our own text
    assert (suite.get("failures"), suite.get("errors")) == ("1", "3")
    assert f"blocked by: {SHAPE}" in junit


def test_what_blocks_others_is_told_first() -> None:
    cause = "RETRY-01/run-wide"
    run = run_of(
        verdict("GEN-01/a", Ruling.FAILED, reason="another matter"),
        verdict(cause, Ruling.FAILED, reason="2462 requests for 1 call"),
        blocked(1, cause),
    )
    lines = "\n".join(to_strings(summary(run, judge(run), Written(()), width=100), colour=False))
    assert lines.index("RETRY-01 MUST") < lines.index("GEN-01 MUST")

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_page import texts, unfolded
from verdict_builder import CANARY, evidence, run_of, verdict

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.outcome import ExceptionLink, Frame, Outcome
from tgi_conformance.contracts.verdict import FOR_TIME, Evidence, Finding, Ruling, Verdict
from tgi_conformance.reports.allure.labels import allure_labels
from tgi_conformance.reports.comparison import Comparison, Difference
from tgi_conformance.reports.gate import judge
from tgi_conformance.reports.html.evidence import MOST_EXCHANGES, evidence_view
from tgi_conformance.reports.html.inline_markdown import inline_markdown
from tgi_conformance.reports.junit import ELEMENTS, render_junit
from tgi_conformance.reports.readable import LONGEST, clip, pretty_bytes
from tgi_conformance.reports.repro import repro_command
from tgi_conformance.reports.results_map import roll_up
from tgi_conformance.reports.ruling_marks import MARKS, in_words
from tgi_conformance.reports.run import Run
from tgi_conformance.reports.run_folder import Written, write_all, write_evidence
from tgi_conformance.reports.terminal.clauses import MOST_REASONS, reasons
from tgi_conformance.reports.terminal.lines import to_strings
from tgi_conformance.reports.terminal.summary import summary

#: What XML and HTML must survive: markup, controls, surrogates, non-characters, right-to-left.
NASTY = (
    "]]></failure><script>alert(1)</script>\" ' & \x00\x1b[31m\x7f\ud800\ufffe\u2028 \u202e é 🙂 {{ 7*7 }}"
)
ALL = tuple(verdict(f"STREAM-12/{number}", ruling, reason=NASTY) for number, ruling in enumerate(Ruling))


# --- JUnit ---


def test_junit_parses_whatever_the_texts_and_counts_each_ruling_once() -> None:
    beta = verdict("MUX-01/x", Ruling.FAILED, backend="beta", expected="one", observed=NASTY)
    root = ET.fromstring(render_junit(run_of(*ALL, beta)))  # noqa: S314 - our own text
    alpha, other = root.findall("testsuite")
    assert (alpha.get("name"), other.get("name")) == ("alpha", "beta")
    counted = [alpha.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counted == [str(len(Ruling)), "1", "4", "4"]
    assert [len(case) for case in alpha.findall("testcase")] == [int(r in ELEMENTS) for r in Ruling]
    (case,) = other.findall("testcase")
    assert (case.get("classname"), case.get("name")) == ("MUX", "MUX-01/x")
    failure = case.find("failure")
    assert failure is not None
    assert "expected: one" in str(failure.text)
    assert "\\x00\\x1b[31m" in str(failure.text)
    properties = {p.get("name"): p.get("value") for p in alpha.iter("property")}
    assert properties["seed"] == "7"


# --- page ---


class _Page(HTMLParser):
    """Collects what a browser would load, the nesting, and the ids."""

    VOID = frozenset({"meta", "br", "input", "wbr", "link", "img", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "srcset", "data", "poster", "action") or (name == "href" and tag != "a"):
                self.loads.append(f"{tag} {name}={value}")
            if name == "href" and tag == "a":
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        self.text += data


def page(run: Run, folder: Path) -> str:
    write_all(run, folder)
    return unfolded((folder / "report.html").read_text(encoding="utf-8"))


def explained(folder: Path, **fields: object) -> Verdict:
    name = write_evidence(folder, evidence("STREAM-12/cut", text="said"), {"A": CANARY})
    return verdict("STREAM-12/cut", Ruling.FAILED, evidence=name, **fields)


def test_the_page_loads_nothing_is_well_formed_and_its_links_lead_somewhere(tmp_path: Path) -> None:
    beta = verdict(
        "STREAM-12/b", Ruling.ADVISORY, backend="b:eta", findings=(Finding(clause="SEC-01", message="x"),)
    )
    text = page(run_of(*ALL, explained(tmp_path, expected=NASTY, observed=NASTY), beta), tmp_path)
    found = _Page(text)
    assert found.loads == []
    assert found.open == []
    assert not re.search(r"@import|url\(|<base|<iframe|http-equiv=.refresh", text)
    assert found.tags.count("script") == 1
    assert len(set(found.ids)) == len(found.ids)
    inner = [link[1:] for link in found.links if link.startswith("#")]
    assert {link for link in inner if not link.startswith("q=")} <= set(found.ids)
    assert {link.split(":")[0] for link in inner if link.startswith("q=")} == {"q=key", "q=cause"}
    files = [link for link in found.links if not link.startswith(("#", "https://"))]
    assert files
    assert all((tmp_path / link).exists() for link in files)


def test_the_page_shows_hostile_text_as_text(tmp_path: Path) -> None:
    text = page(run_of(*ALL), tmp_path)
    assert "<script>alert" not in text
    assert "\x00" not in text
    assert "\x1b" not in text
    assert "{{ 7*7 }}" in text
    assert "\\x00\\x1b[31m" in text


def test_a_failure_has_its_whole_story_on_the_page(tmp_path: Path) -> None:
    failed = explained(tmp_path, expected="an error", observed="an answer", reason="no error came")
    text = _Page(page(run_of(failed), tmp_path)).text
    clause = load_catalogue()["STREAM-12"]
    for part in (
        *("Does not conform", "1 of 1 case decided failed, in 1 clause"),
        *("no error came", "an error", "an answer"),
        *(source.text for source in clause.sources),
        "tgi-conformance run --backend alpha.adapter:A --case STREAM-12/cut --seed 7",
        *("POST /generate", "key:A", "authorization: Bearer key:A", '"inputs": "said"', "complete", "429"),
        *("Model is overloaded", "first: 1 request, wanted at least 2", "ValueError"),
        "backend  my_client/core.py:7 in send",
    ):
        assert part in text, part


def test_a_clause_counts_what_went_wrong_first_whatever_ran_first(tmp_path: Path) -> None:
    rulings = (Ruling.NOT_HERE, Ruling.PASSED, Ruling.NOT_HERE, Ruling.FAILED)
    text = page(run_of(*(verdict(f"STREAM-12/{n}", ruling) for n, ruling in enumerate(rulings))), tmp_path)
    tally = re.sub(r"<[^>]+>", " ", text[text.index('<span class="tally">') :])
    assert tally.split()[:9] == ["MUST", "✗", "1", "failed", "✓", "1", "passed", "○", "2"]


def test_every_key_stands_in_the_grid_with_its_result_in_words(tmp_path: Path) -> None:
    text = page(run_of(verdict("STREAM-12/a"), verdict("MUX-01/a", Ruling.FAILED)), tmp_path)
    grid = re.sub(r"<[^>]+>", " ", text[text.index('<ul class="grid">') :]).replace("_ ", "_")
    assert re.search(r"streaming\s+✓\s+Success", grid)
    assert re.search(r"multiplexing_endpoint_creation\s+✗\s+Failed", grid)
    assert re.search(r"image_processing\s+-\s+left out", grid)


def test_a_run_without_verdicts_and_a_clause_that_is_not_in_the_catalogue_have_a_page(tmp_path: Path) -> None:
    assert "Nothing judged" in page(run_of(), tmp_path)
    own = Verdict(case="MINE-01/a", clause="MINE-01", ruling=Ruling.FAILED, backend="alpha")
    assert "MINE-01" in _Page(page(run_of(own), tmp_path)).text


def test_inline_markdown_escapes_all_but_code_strong_and_web_links() -> None:
    assert inline_markdown("a `<b>` **x** <i>") == "a <code>&lt;b&gt;</code> <strong>x</strong> &lt;i&gt;"
    assert inline_markdown("[t](https://x.org/?a=1&b)") == (
        '<a href="https://x.org/?a=1&amp;b" rel="noopener noreferrer">t</a>'
    )
    assert "<a" not in inline_markdown("[t](javascript:alert)")


def test_the_page_says_what_changed_since_the_last_run_in_the_folder(tmp_path: Path) -> None:
    first = page(run_of(verdict("GEN-01/a", Ruling.FAILED), verdict("GEN-01/b")), tmp_path)
    assert "Since the last run" not in first
    second = page(run_of(verdict("GEN-01/a"), verdict("GEN-01/b", Ruling.FAILED)), tmp_path)
    assert "Since the last run: 1 new red, 1 fixed, 0 still red" in second
    (tmp_path / "verdicts.jsonl").write_text("no verdicts\n", encoding="utf-8")
    assert "Since the last run" not in page(run_of(verdict("GEN-01/a")), tmp_path)


def test_the_text_that_the_page_copies_is_that_of_report_md(tmp_path: Path) -> None:
    run = run_of(explained(tmp_path), verdict("GEN-01/b", Ruling.FAILED, reason="no text"))
    write_all(run, tmp_path)
    known = texts((tmp_path / "report.html").read_text(encoding="utf-8"))
    told = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert len(known) == 2
    assert all(text in told for text in known.values())


# --- evidence ---


def test_evidence_of_an_unknown_form_is_shown_as_json() -> None:
    view = evidence_view(
        Evidence(case="a", backend="b", spaces=("text", {"journal": {"x": 1}}), calls=(3, {}))
    )
    assert [space.other is not None for space in view.spaces] == [True, True]
    assert [call.other is not None for call in view.calls] == [True, True]


def test_long_values_are_cut_and_say_by_how_much() -> None:
    assert clip("x" * (LONGEST + 5)).cut == 5
    assert pretty_bytes(b'{"a":[1]}').text == '{\n  "a": [\n    1\n  ]\n}'
    assert pretty_bytes(b'{"a":\xff').text == '{"a":\\xff'
    space = {"journal": {"exchanges": [{"id": 1, "connection": 1, "method": "GET", "target": "/"}] * 99}}
    view = evidence_view(Evidence(case="a", backend="b", spaces=(space,)))
    assert len(view.spaces[0].exchanges) == MOST_EXCHANGES
    assert view.spaces[0].more_exchanges == 99 - MOST_EXCHANGES


# --- terminal ---


def shown(run: Run, **given: object) -> list[str]:
    maps = tuple(roll_up(run.verdicts, backend.name) for backend in run.backends)
    written = Written((Path("out/report.html"),), maps=maps, **given)  # type: ignore[arg-type]
    return to_strings(summary(run, judge(run), written, width=90), colour=False)


def test_the_summary_is_plain_or_coloured_and_no_line_is_too_long() -> None:
    run = run_of(*ALL, verdict("MUX-01/a", Ruling.FAILED, reason="r " * 250))
    lines = shown(run)
    assert all(row.isprintable() for row in lines)
    # A command stays in one piece, to be copied.
    assert all(len(row) <= 90 or row.lstrip().startswith("again: ") for row in lines)
    text = "\n".join(lines)
    assert "exit code 11" in text
    assert "results map: 0 Success, 2 Failed, 20 left out" in text
    assert "✗ streaming" in text
    coloured = to_strings(summary(run, judge(run), Written(()), width=90), colour=True)
    assert any("\x1b[" in row for row in coloured)


def test_the_summary_says_what_the_run_could_not_take_less_than() -> None:
    run = run_of(*ALL)
    info = replace(run.info, wall_seconds=30.0, cpu_seconds=40.0, cores=2)
    worked = shown(replace(run, info=info))
    line = "  waits 0.0 s, CPU 40.0 s on 2 cores; the run took 1.50 times the longer of these two"
    assert line in worked
    waited = shown(replace(run, info=replace(info, longest_wait_seconds=25.0)))
    assert any("waits 25.0 s" in row and "took 1.20 times" in row for row in waited)


def test_the_summary_names_the_place_in_the_adapter_where_most_began() -> None:
    chat, other = (f"KeyError: 'x' at a.py:{line} in chat (the adapter's)" for line in (3, 9))
    cases = [
        verdict("ERR-05/a", Ruling.FAILED, observed=chat),
        verdict("ERR-05/b", Ruling.FAILED, observed=f"{chat}; {chat}; {other}"),
        verdict("ERR-05/c", Ruling.PASSED, observed=other),
        verdict("ERR-05/d", Ruling.FAILED, observed="an answer"),
    ]
    said = "  in 2 cases an exception began in the adapter itself: a.py:3 in chat and 1 more place"
    assert said in shown(run_of(*cases))
    assert not [row for row in shown(run_of(*cases[2:])) if "adapter itself" in row]


def test_an_exception_is_shown_with_its_frames_and_their_owners() -> None:
    frames = (
        Frame(file="my_adapter.py", line=42, function="chat", owner="adapter"),
        Frame(file="lib/<b>.py", line=7, function="run"),
    )
    link = ExceptionLink(type="KeyError", message="'x'", frames=frames, began="failed", fault="adapter")
    (call,) = evidence_view(
        Evidence(
            case="A-01/x",
            backend="alpha",
            calls=({"call": "c", "outcome": to_json(Outcome(ending="error", exception=(link,)))},),
        )
    ).calls
    (seen,) = call.exceptions
    assert seen.whose == "the adapter's"
    assert seen.frames is not None
    assert seen.frames.text == "adapter  my_adapter.py:42 in chat\nlibrary  lib/<b>.py:7 in run"


def test_the_reasons_fit_on_a_screen_must_first_and_say_what_is_left_out() -> None:
    many = [
        verdict(f"{clause.id}/{number}", Ruling.FAILED, reason=f"reason {number % 5}")
        for clause in load_catalogue()
        for number in range(10)
    ]
    lines = to_strings(reasons(many), colour=False)
    assert len(lines) <= MOST_REASONS
    shown_clauses = [row.split()[0] for row in lines if re.match(r"  [A-Z]+-\d\d ", row)]
    left = len(load_catalogue()) - len(shown_clauses)
    assert lines[-1] == f"  +{left} more clauses with {left * 10} cases: see report.html"
    assert all(load_catalogue()[name].level == "MUST" for name in shown_clauses)


@pytest.mark.parametrize("clauses", range(1, 24))
def test_no_clause_is_lost_from_the_reasons(clauses: int) -> None:
    musts = [clause.id for clause in load_catalogue() if clause.level == "MUST"][:clauses]
    lines = to_strings(reasons([verdict(f"{name}/a", Ruling.FAILED) for name in musts]), colour=False)
    named = sum(row.startswith("  ") and row[2].isupper() for row in lines)
    more = re.search(r"\+(\d+) more clause", lines[-1])
    assert named + int(more[1] if more else 0) == clauses
    assert len(lines) <= MOST_REASONS
    assert bool(more) is (clauses > MOST_REASONS // 2)


def test_differences_from_the_expected_map_are_listed() -> None:
    difference = Difference("streaming", "Success", "Failed")
    comparison = Comparison(backend="alpha", file=Path("e.json"), differences=(difference,))
    lines = shown(run_of(verdict("STREAM-12/a", Ruling.FAILED)), comparison=(comparison,))
    assert "    streaming: expected Success, found Failed" in lines


@pytest.mark.parametrize(
    ("rulings", "title"),
    [
        ((Ruling.PASSED, Ruling.ADVISORY, Ruling.NOT_APPLICABLE), "Conforms"),
        ((Ruling.PASSED, Ruling.FAILED, Ruling.KIT_FAULT), "Does not conform"),
        ((Ruling.PASSED, Ruling.UNTESTABLE), "Not settled"),
        ((Ruling.PASSED, Ruling.BLOCKED), "Not settled"),
        ((Ruling.PASSED, Ruling.EXPECTED), "Known failures"),
        ((Ruling.EXPECTED, Ruling.FAILED), "Does not conform"),
        ((Ruling.NOT_HERE,), "Nothing judged"),
    ],
)
def test_the_verdict_on_a_backend_in_words(rulings: tuple[Ruling, ...], title: str) -> None:
    verdicts = tuple(verdict(f"GEN-01/{number}", ruling) for number, ruling in enumerate(rulings))
    words = in_words(verdicts, "claims 1 of 22 capabilities")
    assert words.title == title
    assert words.detail.endswith("; it claims 1 of 22 capabilities.") is (title != "Nothing judged")


def test_the_verdict_counts_what_was_left_out_for_time() -> None:
    verdicts = (
        verdict("GEN-01/one", Ruling.PASSED),
        verdict("GEN-02/one", Ruling.NOT_HERE, reason=f"{FOR_TIME}: the backend takes 1.2 s before it sends"),
        verdict("GEN-03/one", Ruling.NOT_HERE, reason="left out by profile quick"),
    )
    assert "; 1 case left out for time; it claims" in in_words(verdicts, "claims 1 of 22 capabilities").detail


def test_every_ruling_has_a_mark_of_its_own() -> None:
    assert set(MARKS) == set(Ruling)
    assert len({mark.sign for mark in MARKS.values()}) == len(MARKS)


def test_the_repro_command_is_quoted_for_a_shell() -> None:
    run = run_of(verdict("GEN-01/it's"), profile="thorough")
    command = repro_command(run.info, run.verdicts[0])
    assert command == (
        "tgi-conformance run --backend alpha.adapter:A --profile thorough --case 'GEN-01/it'\"'\"'s' --seed 7"
    )


# --- Allure ---


def test_allure_labels_follow_backend_area_and_clause() -> None:
    labels = allure_labels(verdict("STREAM-01/x", Ruling.FAILED, reason="why", seed=3))
    clause = load_catalogue()["STREAM-01"]
    assert (labels.epic, labels.feature, labels.severity) == ("alpha", "STREAM: streaming", "critical")
    assert labels.story == f"STREAM-01: {clause.statement}"
    assert [link.url for link in labels.links] == [s.url for s in clause.sources if s.url]
    assert labels.links[0].kind == "issue"
    assert "failed: why" in labels.description
    own = allure_labels(Verdict(case="MINE-01/a", clause="MINE-01", ruling=Ruling.PASSED, backend="b"))
    assert (own.feature, own.story, own.links) == ("MINE", "MINE-01", ())

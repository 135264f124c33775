"""``report.md``: short, complete for a reader who knows nothing, and safe whatever a backend says."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from markdown_it import MarkdownIt
from verdict_builder import CANARY, evidence, run_of, verdict

from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.journal import AnswerPart, Exchange, Journal, KeptAnswer
from tgi_conformance.contracts.outcome import ExceptionLink, Frame, Outcome
from tgi_conformance.contracts.redaction import redact_verdict
from tgi_conformance.contracts.script import Script
from tgi_conformance.contracts.verdict import Evidence, Ruling, Sign, Verdict
from tgi_conformance.reports.causes.cause import Cause, Severity
from tgi_conformance.reports.evidence_files import read_evidence
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.markdown.cause_text import CHARACTERS_PER_TOKEN, MOST_TOKENS, cause_markdown
from tgi_conformance.reports.markdown.plain_text import code, fenced, inline, wire_text, without_places
from tgi_conformance.reports.run_folder import write_all, write_evidence

CASE = "STREAM-12/a"
HOSTILE = (
    "```\n# heading\n</pre><script>alert(1)</script>\n[link](http://x) ~~~~ `` "
    "\x1b[31m\u2028\u202e\ud800 ````` "
)
COMMANDS = ("tgi-conformance run --case STREAM-12/a", "tgi-conformance reproduce STREAM-12/a > repro.py")


def answered(number: int, at: float, *parts: bytes, **fields: object) -> Exchange:
    given: dict[str, object] = {"target": "/generate", "body": b'{"inputs":"hi"}', "status": 200}
    kept = KeptAnswer(
        status=200,
        reason="OK",
        headers=(("content-type", "text/event-stream"),),
        parts=tuple(AnswerPart(content=part, at=at) for part in parts),
        ended="rst",
    )
    times = {"first_byte_at": at, "received_at": at, "reply_at": at}
    return Exchange(id=number, connection=1, method="POST", answer=kept, **times, **given | fields)  # type: ignore[arg-type]


def told(*exchanges: Exchange, call: str = "generate('hi')", **outcome: object) -> Evidence:
    given: dict[str, object] = {"ending": "error", "entered_at": 9.0, "ended_at": 99.0}
    return Evidence(
        case=CASE,
        backend="alpha",
        spaces=({"script": to_json(Script()), "journal": to_json(Journal(exchanges=exchanges))},),
        calls=({"call": call, "outcome": to_json(Outcome(**given | outcome))},),  # type: ignore[arg-type]
    )


def cause(*verdicts: Verdict, **fields: object) -> Cause:
    ruled = verdicts or (verdict(CASE, Ruling.FAILED, expected="an error", observed="text"),)
    given: dict[str, object] = {
        "id": "stream-12-abc",
        "severity": Severity.OUTPUT_WRONG,
        "sentence": "The end of a stream is lost.",
        "sign": Sign(exception="KeyError", place="my_client/core.py:7 in send"),
        "verdicts": ruled,
        "example": ruled[0],
    }
    return Cause(**given | fields)  # type: ignore[arg-type]


def kinds(text: str) -> Iterator[str]:
    """The kinds of all tokens that a reader of Markdown makes of a text."""
    for token in MarkdownIt("commonmark").parse(text):
        yield token.type
        yield from (child.type for child in token.children or [])


def test_a_cause_has_all_that_is_needed_to_mend_the_client() -> None:
    raised = ExceptionLink(
        type="KeyError",
        message="'choices'",
        frames=(Frame(file="my_client/core.py", line=7, owner="backend"),),
    )
    shown = told(answered(0, 10.0, b'data: {"a":1}\n\n'), exception=(raised,))
    text = cause_markdown(cause(advice="Look for the end mark."), shown, COMMANDS)
    for part in (
        "## 1. The end of a stream is lost.",
        "- severity: output lost or wrong",
        "`my_client/core.py:7 in send`",
        "Look for the end mark.",
        "### The rule: STREAM-12 (MUST)",
        "EOF with no terminal mark",
        "RFC 9112",
        "The call: `generate('hi')`",
        'POST /generate HTTP/1.1\n\n{"inputs":"hi"}',
        'HTTP/1.1 200 OK\ncontent-type: text/event-stream\n\ndata: {"a":1}␊\n␊',
        "Then it reset the connection (RST).",
        "KeyError: 'choices'\n    at my_client/core.py:7 in ? (backend)",
        "Seen: text",
        "Expected: an error",
        *COMMANDS,
    ):
        assert part in text


def test_waits_and_writes_in_the_middle_of_a_line_are_seen() -> None:
    parts = (AnswerPart(content=b"da", at=10.0), AnswerPart(content=b"ta: x\r", at=10.0))
    kept = KeptAnswer(status=200, parts=(*parts, AnswerPart(content=b"\ndata: \xff", at=10.25)))
    text = cause_markdown(cause(), told(replace(answered(0, 10.0), answer=kept)), COMMANDS)
    assert "da‖ta: x␍\n[0.250 s later]\n␊\ndata: \\xff" in text


def test_every_request_of_a_call_that_makes_several_is_listed_in_order() -> None:
    text = cause_markdown(cause(), told(answered(1, 12.5), answered(0, 10.0, status=429)), COMMANDS)
    assert "- 0.000 s: `POST /generate`, got 429\n- 2.500 s: `POST /generate`, got 200" in text


def test_what_was_the_same_again_is_shown_once() -> None:
    text = cause_markdown(cause(), told(answered(0, 10.0, b"a"), answered(1, 11.0, b"a")), COMMANDS)
    assert text.count("POST /generate HTTP/1.1") == 1
    assert "The last request and its answer were the same." in text
    text = cause_markdown(cause(), told(answered(0, 10.0, b"a"), answered(1, 11.0, b"b")), COMMANDS)
    assert text.count("POST /generate HTTP/1.1") == 1
    assert "The server's last answer:" in text


def test_the_call_is_the_one_that_the_verdict_speaks_of() -> None:
    both = ("generate('good [STREAM-12/a:1]')", "generate('bad [STREAM-12/a:2]')")
    sent = [answered(n, 10.0, body=f'{{"inputs":"{call[10:-2]}"}}'.encode()) for n, call in enumerate(both)]
    outcomes = [{"call": call, "outcome": to_json(Outcome(ending="end", entered_at=9.0))} for call in both]
    shown = replace(told(*sent), calls=tuple(reversed(outcomes)))
    for label, other in (("good", "bad"), ("bad", "good")):
        text = cause_markdown(cause(verdict(CASE, Ruling.FAILED, observed=f"{label}: no")), shown, COMMANDS)
        assert f'"{label} [' in text
        assert f"{other} [" not in text


def test_without_evidence_the_rest_is_told() -> None:
    text = cause_markdown(cause(), None, COMMANDS)
    assert "No evidence of it was kept." in text
    assert "The rule: STREAM-12" in text


@pytest.mark.parametrize("size", [1, 40, 20_000])
def test_a_cause_stays_short_and_its_text_stays_text_whatever_is_in_it(size: int) -> None:
    long = HOSTILE * size
    ruled = tuple(
        verdict(f"STREAM-12/{n}", Ruling.FAILED, expected=long, observed=long, reason=long) for n in range(30)
    )
    raised = ExceptionLink(type=long, message=long, frames=(Frame(file=long[:99], function=long[:99]),) * 9)
    content = long.encode("utf-8", "surrogatepass")
    headers = tuple((f"x-{n}", long) for n in range(9))
    exchanges = [
        answered(n, 10.0 + n, content, target=f"/{long}", headers=headers, body=content) for n in range(20)
    ]
    shown = told(*exchanges, call=long, exception=(raised,) * 5)
    text = cause_markdown(
        cause(*ruled, sentence=long, advice=long, sign=Sign(place=long, exception=long)), shown, COMMANDS
    )
    assert len(text) <= MOST_TOKENS * CHARACTERS_PER_TOKEN
    found = set(kinds(text))
    assert not found & {"html_block", "html_inline", "image"}
    assert text.count("alert(1)") >= 3
    assert [kind for kind in kinds(text) if kind == "heading_open"] == ["heading_open"] * 4
    assert not {"\x1b", "\u2028", "\u202e", "\ud800"} & set(text)


def test_the_report_of_a_run_has_no_key_and_no_path_of_the_machine(tmp_path: Path) -> None:
    place = "/home/somebody/secret-project/client.py"
    encoded = base64.b64encode(CANARY.encode()).decode()
    message = f'File "{place}", line 3; {CANARY} {quote(CANARY, safe="")} {encoded}'
    shown = evidence(CASE, text=message)
    name = write_evidence(tmp_path, shown, {"A": CANARY})
    ruled = verdict(CASE, Ruling.FAILED, evidence=name, observed=message, reason=message)
    written = write_all(run_of(redact_verdict(ruled, {"A": CANARY})), tmp_path)
    file = Layout(tmp_path).markdown
    assert file in written.paths
    text = file.read_text(encoding="utf-8")
    assert "1 cause explains 1 failure" in text
    assert "secret-project" not in text
    assert "…/client.py" in text
    for form in (CANARY, CANARY[3:], encoded[:40]):
        assert form not in text


def test_a_green_run_says_so(tmp_path: Path) -> None:
    write_all(run_of(verdict(CASE)), tmp_path)
    assert "Nothing is red" in Layout(tmp_path).markdown.read_text(encoding="utf-8")


def test_evidence_that_cannot_be_read_costs_the_example_only(tmp_path: Path) -> None:
    write_all(run_of(verdict(CASE, Ruling.FAILED, evidence="evidence/alpha/gone.json")), tmp_path)
    text = Layout(tmp_path).markdown.read_text(encoding="utf-8")
    assert "could not be read" in text
    assert "The rule: STREAM-12" in text


def test_a_fence_is_longer_than_any_in_its_text() -> None:
    assert fenced("a ```` b", 99).startswith("`````text\n")
    assert code("a `` b") == "```a `` b```"
    assert code("`") == "`` ` ``"
    assert inline("<b> [x](y) *z*\n# q") == "\\<b\\> \\[x\\](y) \\*z\\* \\# q"
    assert fenced("abc", 2) == "```text\nab\n[… cut here: the evidence has all of it]\n```"


def test_line_ends_are_told_apart() -> None:
    assert wire_text(b"a\r\nb\rc\nd\xe2\x80\xa8e\x00\xff") == "a␍␊\nb␍\nc␊\nd\\u2028e\\x00\\xff"


def test_paths_of_urls_stay() -> None:
    assert (
        without_places("POST /v1/chat /generate http://h/home/x") == "POST /v1/chat /generate http://h/home/x"
    )
    assert without_places("in /root/a/b.py:3") == "in …/b.py:3"


def test_what_was_read_back_is_the_same_evidence(tmp_path: Path) -> None:
    shown = told(answered(0, 10.0, b"x"))
    file = Layout(tmp_path, unfinished=True).base / write_evidence(tmp_path, shown, {})
    assert read_evidence(file) == shown

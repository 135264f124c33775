"""The summary: it ends with the answer, causes come first, a pipe gets all of it, a terminal what fits."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hostile import HOSTILE, many_cases
from verdict_builder import run_of, verdict

from tgi_conformance.contracts.verdict import Ruling, Sign
from tgi_conformance.reports.causes.grouping import causes_of
from tgi_conformance.reports.gate import judge
from tgi_conformance.reports.readable import visible
from tgi_conformance.reports.results_map import roll_up
from tgi_conformance.reports.run import Run
from tgi_conformance.reports.run_folder import Written
from tgi_conformance.reports.terminal.answer import again
from tgi_conformance.reports.terminal.causes import IN_FULL
from tgi_conformance.reports.terminal.lines import to_strings
from tgi_conformance.reports.terminal.summary import summary

LONG = "a word and another " * 300 + "the last"
HANG = Sign(outcome="hang", stimulus="stall")
KEY = Sign(exception="KeyError", place="my_client/core.py:41 in chat")
RED = run_of(
    *(verdict(f"STREAM-12/{n}", Ruling.FAILED, reason=f"no end came, case {n}", sign=HANG) for n in range(9)),
    verdict("ERR-05/a", Ruling.FAILED, reason=LONG, sign=KEY),
    verdict("RESP-01/a"),
    command="tgi-conformance run --backend alpha.adapter:A -n 2",
)


def shown(run: Run, width: int | None, **given: object) -> list[str]:
    maps = tuple(roll_up(run.verdicts, backend.name) for backend in run.backends)
    written = Written((Path("out/verdicts.jsonl"), Path("out/report.html")), maps=maps)
    return to_strings(summary(run, judge(run), written, width=width, **given), colour=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [40, 80, None])
def test_it_ends_with_the_answer(width: int | None) -> None:
    lines = shown(RED, width, remarks=("one of the remarks",))
    at = next(number for number, line in enumerate(lines) if line.startswith("FAILED: 10 cases, 2 causes;"))
    worst = next(iter(causes_of(RED, "alpha")))
    end = " ".join(" ".join(lines[at:]).split())
    assert end.startswith(
        f"FAILED: 10 cases, 2 causes; worst: {worst.sentence} ({worst.example.case}) report: out/report.html"
    )
    assert lines[-1] == "  again: tgi-conformance run --backend alpha.adapter:A -n 2 --last-failed"


def test_a_green_run_ends_with_it_too() -> None:
    lines = shown(run_of(verdict("RESP-01/a")), 80)
    assert lines[-2:] == ["PASSED: 1 case decided, none of them red", "  report: out/report.html"]


@pytest.mark.parametrize("width", [80, None])
def test_causes_come_before_clauses_and_tables(width: int | None) -> None:
    text = "\n".join(shown(RED, width))
    order = [
        "2 causes explain 10 failures",
        "my_client/core.py:41 in chat",
        "by clause:",
        "  area ",
        "results map:",
    ]
    assert [text.index(word) for word in order] == sorted(text.index(word) for word in order)


def test_a_pipe_gets_all_of_it() -> None:
    lines = shown(RED, None)
    text = "\n".join(lines)
    assert "…" not in text
    assert LONG in text
    assert all(f"no end came, case {n}" in text for n in range(9))
    assert "more case" not in text
    many = "\n".join(shown(many_cases(10_000), None))
    assert all(f"case-{number}" in many for number in range(0, 10_000, 3))


def test_a_terminal_gets_a_screen_of_it_and_is_told_of_the_rest() -> None:
    lines = shown(many_cases(10_000), 80)
    assert len(lines) < 200
    assert sum("again: " in line for line in lines) == IN_FULL + 1
    assert sum(bool(re.match(r" +\d+\. ", line)) for line in lines) == 40


@pytest.mark.parametrize("width", [40, 80, 120])
def test_on_a_terminal_texts_wrap_and_no_word_is_lost(width: int) -> None:
    case = verdict(
        "ERR-05/a", Ruling.FAILED, reason="the server's words were: " + "lorem ipsum " * 60, sign=KEY
    )
    lines = shown(run_of(case, *(verdict(f"RESP-01/{n}", ruling) for n, ruling in enumerate(Ruling))), width)
    for line in lines:
        assert len(line) <= width or line.lstrip().startswith("again: ") or " " not in line.strip(), line
    joined = " ".join(" ".join(lines).split())
    assert f"the server's words were: {'lorem ipsum ' * 59}lorem ipsum" in joined
    for ruling in Ruling:
        assert str(ruling) in joined


@pytest.mark.parametrize("width", [40, None])
def test_no_control_character_of_a_backend_reaches_the_terminal(width: int | None) -> None:
    cases = [
        verdict(
            f"STREAM-12/{n}", ruling, reason=HOSTILE, observed=HOSTILE, expected=HOSTILE, blocked_by=HOSTILE
        )
        for n, ruling in enumerate(Ruling)
    ]
    odd = Sign(exception=HOSTILE, place=HOSTILE)
    cases.append(verdict("ERR-05/a", Ruling.FAILED, backend=HOSTILE, reason=HOSTILE, sign=odd))
    run = run_of(*cases, selection=HOSTILE, narrowed=True, command=HOSTILE)
    for colour in (False, True):
        maps = tuple(roll_up(run.verdicts, backend.name) for backend in run.backends)
        lines = summary(run, judge(run), Written((), maps=maps), width=width, remarks=(HOSTILE,))
        for line in to_strings(lines, colour=colour):
            plain = re.sub(r"\x1b\[[0-9;]*m", "", line) if colour else line
            assert plain == visible(plain)
            assert "\n" not in plain


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "tgi-conformance run --backend 'a b.py:C' --case RETRY-01 -k x --case=SEC-02 --seed 3",
            "tgi-conformance run --backend 'a b.py:C' --seed 3 --last-failed",
        ),
        ("tgi-conformance run --last-failed -v", "tgi-conformance run --last-failed"),
        ("pytest --pyargs x", "tgi-conformance run --backend alpha.adapter:A --last-failed"),
        ("no 'end of a quote", "tgi-conformance run --backend alpha.adapter:A --last-failed"),
    ],
)
def test_the_command_for_the_red_cases_is_the_runs_own(command: str, words: str) -> None:
    info = run_of(verdict("RESP-01/a"), command=command).info
    backend = replace(info.backends[0], options=(("--tgi-backend", "alpha.adapter:A"),))
    assert again(replace(info, backends=(backend,))) == words

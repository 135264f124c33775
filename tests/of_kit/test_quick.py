"""Profile quick: which cases run, and what becomes of the rest."""

from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from mini_backend import MINI, Done, run_cli, run_pytest

from tgi_conformance.cli.case_listing import list_cases
from tgi_conformance.plugin.quick.choice import Candidate, chosen
from tgi_conformance.plugin.quick.likely import FIRST
from tgi_conformance.reports.gate import Exit
from tgi_conformance.suites.harness.session import CaseId
from tgi_conformance.suites.ways.words import EVERY_WAY, WAY_BY_NAME


def _candidate(
    case: str, *, backend: str = "a", load: bool = False, ways: tuple[str, ...] = (), applies: bool = True
) -> Candidate:
    clause, _, slug = case.partition("/")
    return Candidate(
        case=CaseId(clause=clause, slug=slug),
        backend=backend,
        load=load,
        ways=frozenset(WAY_BY_NAME[way] for way in ways),
        applies=lambda: applies,
    )


def _run(*candidates: Candidate, focus: tuple[str, ...] = ()) -> list[str]:
    runs = chosen(candidates, focus)
    return [candidate.case.text for candidate, run in zip(candidates, runs, strict=True) if run]


def test_the_first_case_that_is_no_property_stands_for_its_clause() -> None:
    cases = ("REQ-01/property-chat", "REQ-01/one", "REQ-01/two", "REQ-02/property", "REQ-02/property-more")
    assert _run(*map(_candidate, cases)) == ["REQ-01/one", "REQ-02/property"]


def test_a_case_of_another_server_generation_stands_only_before_a_property() -> None:
    cases = ("REQ-01/persona-tgi-2", "REQ-01/one", "REQ-02/property", "REQ-02/persona-tgi-1.4")
    assert _run(*map(_candidate, cases)) == ["REQ-01/one", "REQ-02/persona-tgi-1.4"]


def test_the_case_that_finds_most_stands_before_the_first() -> None:
    cases = ("STREAM-04/chat-FF", "STREAM-04/chat-U+2028", "STREAM-04/property-p01")
    assert _run(*map(_candidate, cases)) == ["STREAM-04/chat-U+2028"]


def test_a_case_that_tries_all_forms_stands_before_each_of_them() -> None:
    cases = ("ERR-04/plain-502-html", "ERR-04/every-form-native-plain", "ERR-04/property-p09")
    assert _run(*map(_candidate, cases)) == ["ERR-04/every-form-native-plain"]


def test_a_property_may_be_the_case_that_finds_most() -> None:
    cases = ("GEN-01/alone-chat-seed", "GEN-01/property-p05-chat")
    assert _run(*map(_candidate, cases)) == ["GEN-01/property-p05-chat"]


def test_a_case_that_does_not_apply_stands_only_where_none_does() -> None:
    first, second = (_candidate(f"REQ-08/{slug}", applies=False) for slug in ("chat", "native"))
    assert _run(first, second) == ["REQ-08/chat"]
    assert _run(first, _candidate("REQ-08/property")) == ["REQ-08/property"]


def test_chat_comes_first_and_a_stream_unless_other_clauses_judge_streams() -> None:
    def cases(clause: str) -> list[Candidate]:
        return [_candidate(f"{clause}/{way}".replace(" ", "-"), ways=(way,)) for way in EVERY_WAY]

    assert _run(*cases("REQ-08"), *cases("ERR-02")) == ["REQ-08/chat-stream", "ERR-02/chat"]


def test_the_table_names_clauses_and_cases_that_exist() -> None:
    cases = [listed.case for listed in list_cases()]
    for clause, first in FIRST.items():
        slugs = [case.partition("/")[2] for case in cases if case.startswith(f"{clause}/")]
        unused = [each for each in first.slugs if not any(fnmatchcase(slug, each) for slug in slugs)]
        assert not unused, f"{clause}: no case is called {unused}"


def test_what_a_case_needs_is_asked_before_it_runs(tmp_path: Path) -> None:
    """Of MINI, a chat client without parameters, no case stands that it claims nothing for."""
    (tmp_path / "mini.py").write_text(MINI)
    words = ["--backend", "mini:Mini", "--profile", "quick", "-n", "2", "-k", "test_req_bodies or test_gen"]
    rulings = run_cli(tmp_path, "run", *words).rulings()
    judged = {case.partition("/")[0] for case, ruling in rulings.items() if ruling in ("passed", "advisory")}
    assert {"REQ-01", "REQ-05", "GEN-07"} <= judged


def test_a_load_case_never_stands_for_a_clause() -> None:
    cases = (_candidate("STAT-07/only", load=True), _candidate("STAT-08/heavy", load=True))
    assert _run(*cases, _candidate("STAT-08/light")) == ["STAT-08/light"]


def test_each_backend_has_its_own_standing_case() -> None:
    runs = chosen([_candidate("REQ-01/x", backend=name) for name in "aab"])
    assert runs == [True, False, True]


def test_focus_runs_all_cases_of_a_clause_load_and_properties_too() -> None:
    cases = (_candidate("STAT-07/x", load=True), _candidate("STAT-07/property"), _candidate("REQ-01/x"))
    assert _run(*cases, focus=("STAT-*",)) == ["STAT-07/x", "STAT-07/property", "REQ-01/x"]


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Done:
    project = tmp_path_factory.mktemp("quick")
    (project / "mini.py").write_text(MINI)
    words = ["run", "--backend", "mini:Mini", "--profile", "quick", "-n", "2", "-k", "test_init or test_decl"]
    return run_cli(project, *words, "--focus", "INIT-02", "--focus", "STREAM-12")


def test_what_quick_leaves_out_is_listed_as_not_here(quick: Done) -> None:
    verdicts = [v for v in quick.verdicts(narrowed=True) if not str(v["case"]).endswith("/run-wide")]
    left = {str(v["reason"]) for v in verdicts if v["ruling"] == "not here"}
    assert left == {"left out by profile quick"}
    ran: dict[str, int] = {}
    for verdict in verdicts:
        if verdict["ruling"] != "not here" and "/healthy-" not in str(verdict["case"]):
            ran[str(verdict["clause"])] = ran.get(str(verdict["clause"]), 0) + 1
    assert ran["INIT-05"] == ran["DECL-01"] == 1
    assert ran["INIT-02"] > 1
    assert {str(v["backend"]) for v in verdicts} == {"mini"}
    assert "--tgi-focus STREAM-12: no clause of that name has a case" in quick.out


def test_cases_named_by_the_user_are_all_run(tmp_path: Path) -> None:
    (tmp_path / "mini.py").write_text(MINI)
    words = ["--backend", "mini:Mini", "--profile", "quick", "-n", "0", "--case", "INIT-02/*"]
    assert "not here" not in run_cli(tmp_path, "run", *words).rulings().values()


def test_focus_without_quick_is_refused(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "--tgi-focus=REQ-01")
    assert done.code == 4
    assert "a focus goes with quick" in done.out


def test_a_slow_backend_is_told_what_was_left_out_for_time(tmp_path: Path) -> None:
    slow = MINI.replace("import json\n", "import json\nimport time\n", 1).replace(
        "        base_url, key =", "        time.sleep(0.2)\n        base_url, key ="
    )
    (tmp_path / "slow.py").write_text(slow)
    plugin = "from tgi_conformance.suites.harness import time_budget\n\ntime_budget.ROOM = 1.0\n"
    (tmp_path / "no_room.py").write_text(plugin)
    words = [
        "-p",
        "no_room",
        "--pyargs",
        "tgi_conformance.suites",
        "--tgi-backend=slow:Mini",
        "--tgi-profile=quick",
        "-k=test_init",
    ]

    done = run_pytest(tmp_path, *words, COLUMNS="120")

    rulings = done.verdicts(narrowed=True)
    left = [v for v in rulings if str(v.get("reason", "")).startswith("left out for time")]
    decided = [v for v in rulings if v["ruling"] == "passed" and not str(v["case"]).endswith("/run-wide")]
    assert decided
    assert left
    assert {str(v["ruling"]) for v in left} == {"not here"}
    assert f"{len(left)} case" in done.out
    assert "left out for time" in done.out
    assert done.code != Exit.UNCLEAR

"""The kill matrix's own parts: what a mutant changes, which cases it is run on, what the table says."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path

import pytest
from changed import changed_functions, face_of
from forked_cli import ForkedCli
from kill_matrix import cases_of, longest_first, red_clauses, selection
from kill_runs import PROBE, SHOWS_IN, Mutant, Told, mutants, with_bytecode
from kill_table import Row, known, summary, table
from reach import Reach, known_reach

from tgi_conformance.plugin.quick.choice import Candidate
from tgi_conformance.suites.harness.session import CaseId

MUTANTS = {mutant.id: mutant for mutant in mutants()}
STOP = "request_bodies.py:_with_stop_list"


@pytest.fixture(scope="module")
def changed() -> dict[str, frozenset[str]]:
    return changed_functions(tuple(MUTANTS.values()))


def _row(name: str = "a:B", breaks: str = "REQ-06", red: tuple[str, ...] = ("REQ-06",)) -> Row:
    return Row(name, breaks, "MUST", "", "", selected=True, cases=5, red=red, untestable=(), seconds=2.0)


@pytest.mark.parametrize(
    ("mutant", "function"),
    [
        ("req:BareStop", "request_bodies.py:_with_stop_list"),  # a function exchanged in its module
        ("queues:CountsTheWaiting", "adapter.py:ReferenceAdapter.get_stats"),  # a method overridden
        ("stream:TakesAnyEndForTheEnd", "stream_reader.py:StreamReader.end"),  # a collaborator's method
        ("queues:ChecksThenActs", "admission.py:Admission._take"),
        ("req:NamesAModel", "request_bodies.py:_openai_body"),  # a constant: whoever reads it
        ("req:ProxyForAll", "transport.py:Transport._opened"),  # a class of the HTTP library
    ],
)
def test_what_a_mutant_changes_is_seen_by_making_it(
    changed: dict[str, frozenset[str]], mutant: str, function: str
) -> None:
    assert function in changed[mutant]


def test_a_changed_description_may_change_any_case(changed: dict[str, frozenset[str]]) -> None:
    assert changed["retry:RetriesWhatItDoesNotDeclare"] == frozenset()


def test_each_mutant_can_be_made_and_changes_what_it_changes_alone(
    changed: dict[str, frozenset[str]],
) -> None:
    assert changed.keys() == MUTANTS.keys()
    assert changed["req:BareStop"] == {STOP}


def test_faces_are_told_apart() -> None:
    assert face_of(MUTANTS["loops:SleepsInBackoff"]) == "AsyncReferenceAdapter"
    assert face_of(MUTANTS["req:BareStop"]) == "ReferenceAdapter"


#: Cases that reach something else.
OTHERWISE = {"REQ-06/one": "x.py:y", "GEN-01/one": "x.py:y"}


def _reach_of(reached: dict[str, str]) -> Reach:
    cases = ("REQ-06/one", "REQ-06/two", "REQ-07/one", "REQ-07/two", "GEN-01/one")
    split = (case.split("/") for case in cases)
    candidates = tuple(Candidate(case=CaseId(clause=c, slug=s), backend="") for c, s in split)
    return Reach(candidates, {case: frozenset({name}) for case, name in reached.items()})


def test_only_cases_that_reach_the_change_are_run() -> None:
    reached = {"REQ-06/two": STOP, "REQ-07/one": STOP, "REQ-07/two": STOP} | OTHERWISE
    reach = _reach_of(reached)
    assert selection(MUTANTS["req:BareStop"], reach, frozenset({STOP})) == ("REQ-06/two", "REQ-07/one")


def test_a_case_of_its_own_clause_that_was_not_applicable_before_the_mistake_is_run() -> None:
    reach = _reach_of({"REQ-06/two": STOP, "REQ-07/one": STOP, "GEN-01/one": "x.py:y"})
    mutant = replace(MUTANTS["req:BareStop"], shows_in=("streams",))
    assert selection(mutant, reach, frozenset({STOP})) == ("REQ-06/one",)


def test_only_cases_that_do_what_the_mistake_shows_in_are_run() -> None:
    mutant = replace(MUTANTS["req:BareStop"], shows_in=("streams",))
    reached = {"REQ-06/two": {STOP, SHOWS_IN["streams"]}, "REQ-06/one": {STOP}, "REQ-07/one": {STOP}}
    reach = Reach(_reach_of({}).candidates, {case: frozenset(names) for case, names in reached.items()})
    assert selection(mutant, reach, frozenset({STOP})) == ("REQ-06/two",)


def test_a_case_that_starts_the_client_anew_is_run_for_its_own_clause_and_for_mistakes_made_there() -> None:
    anew = "adapter.py:ReferenceAdapter.__init__"
    reached = {"REQ-06/two": {STOP, anew}, "REQ-07/one": {STOP, anew}, "GEN-01/one": {STOP}}
    reached["REQ-06/one"] = {"x.py:y"}
    reach = Reach(_reach_of({}).candidates, {case: frozenset(names) for case, names in reached.items()})
    mutant = MUTANTS["req:BareStop"]
    assert selection(mutant, reach, frozenset({STOP})) == ("REQ-06/two", "GEN-01/one")
    assert "REQ-07/one" in selection(mutant, reach, frozenset({STOP, anew}))


def test_what_a_mistake_shows_in_is_a_function_of_the_client() -> None:
    for entered in SHOWS_IN.values():
        module, _, qualname = entered.partition(":")
        found: object = import_module(f"tgi_conformance.backends.reference.{module.removesuffix('.py')}")
        for name in qualname.split("."):
            found = getattr(found, name)
        assert callable(found)
    assert {word for mutant in MUTANTS.values() for word in mutant.shows_in} == set(SHOWS_IN)


def test_a_clause_that_never_reaches_the_change_is_run_in_full_all_the_same() -> None:
    assert selection(MUTANTS["req:BareStop"], _reach_of({}), frozenset({STOP})) == (
        "REQ-06/one",
        "REQ-06/two",
    )


def test_the_longest_are_begun_first_by_what_they_took_or_by_how_many_cases_they_have() -> None:
    short, slow, long = (MUTANTS[name] for name in ("req:BareStop", "req:NamesAModel", "req:ProxyForAll"))
    rows = {slow.id: replace(_row(slow.id), seconds=300.0)}
    cases = {short.id: ["REQ-06/one"], slow.id: ["REQ-06/one"], long.id: ["REQ-06/one"] * 100}
    assert longest_first([short, long, slow], rows, cases) == [slow, long, short]


def test_few_mutants_of_a_face_are_run_on_all_cases_for_want_of_a_clean_run(tmp_path: Path) -> None:
    assert cases_of([MUTANTS["req:BareStop"]], tmp_path, kit="any") == {}
    assert not list(tmp_path.iterdir())


def test_the_last_row_of_a_mutant_counts_and_one_of_another_form_is_not_read(tmp_path: Path) -> None:
    rows = [_row("a:B", red=()), _row("a:B")]
    lines = [*(json.dumps(asdict(row)) for row in rows), json.dumps({"variant": "a:B", "red": []})]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert known(tmp_path / "rows.jsonl") == {"a:B": rows[1]}
    assert known(tmp_path / "none.jsonl") == {}


@pytest.fixture
def runs() -> Iterator[ForkedCli]:
    made = ForkedCli(with_bytecode())
    yield made
    made.close()


def test_a_forked_run_prints_and_ends_as_the_command_does_and_another_follows_it(
    runs: ForkedCli, tmp_path: Path
) -> None:
    for words in (["explain", "REQ-06"], ["explain", "REQ-99"], ["list", "--area", "RES"]):
        code, _ = runs.run(words, tmp_path, tmp_path / "out.txt", 60)
        start = "import sys; from tgi_conformance.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", start, *words]
        plain = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        assert (code, (tmp_path / "out.txt").read_text()) == (plain.returncode, plain.stdout + plain.stderr)


def test_a_forked_run_without_an_end_is_killed_and_another_follows_it(
    runs: ForkedCli, tmp_path: Path
) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        runs.run(["serve"], tmp_path, tmp_path / "out.txt", 2)
    assert runs.run(["explain", "REQ-06"], tmp_path, tmp_path / "out.txt", 60)[0] == 0


def test_survivors_fail_the_matrix() -> None:
    lines, sharp = summary([_row(), _row("a:C", red=())])
    assert not sharp
    assert "survivors: a:C" in lines
    assert lines[0].startswith("killed 1 of 2, 1 of them by the clause they were written for (100.0 %)")


@pytest.mark.parametrize(
    ("red", "sharp"),
    [
        (("REQ-06",), True),
        (("REQ-06", "A", "B", "C"), True),
        (("REQ-06", "A", "B", "C", "D"), False),  # too wide
        (("A",), False),  # by another clause
    ],
)
def test_the_matrix_is_sharp_where_its_bounds_hold(red: tuple[str, ...], *, sharp: bool) -> None:
    assert summary([_row(red=red)])[1] is sharp


def test_the_table_says_who_killed_and_how_many_others_fell() -> None:
    (line,) = table([_row(red=("GEN-01", "REQ-06"))])[1:]
    assert line.split() == ["a:B", "REQ-06", "yes", "1", "5", "2.0", "GEN-01", "REQ-06"]
    assert "SURVIVED" in table([_row(red=())])[1]


def test_a_mutant_is_mute_in_the_clauses_that_a_failed_probe_keeps_from_being_tried() -> None:
    mute = {"clause": "GEN-03", "ruling": "blocked", "reason": f"{PROBE} native call): x"}
    seen = {"clause": "GEN-04", "ruling": "failed", "reason": "expected 1; observed 2"}
    assert tuple(Told(1, "", (mute, seen, mute), {}).mute) == ("GEN-03",)


def test_a_mutant_whose_mistake_shows_in_the_healthy_call_is_killed_by_its_clause() -> None:
    blocked = {"clause": "RESP-01", "ruling": "blocked", "reason": f"{PROBE} native call): x"}
    failed = {"clause": "DECL-01", "ruling": "failed", "reason": "expected a healthy native call works"}
    told = Told(1, "", (failed, blocked), {})
    assert red_clauses(told, Mutant("resp", "KnowsNoList", "RESP-01", "")) == ("DECL-01", "RESP-01")
    assert red_clauses(told, Mutant("resp", "Other", "RESP-02", "")) == ("DECL-01",)


def test_a_case_that_works_much_longer_than_most_is_run_for_its_own_clause_only(tmp_path: Path) -> None:
    seconds = {"REQ-06/one": 9.0, "REQ-06/two": 1.0, "REQ-07/one": 11.0, "REQ-07/two": 1.0, "GEN-01/one": 1.0}
    value = {
        "sources": "any",
        "cases": [[*case.split("/"), False, []] for case in seconds],
        "functions": {case: [STOP] for case in seconds},
        "seconds": seconds,
    }
    (tmp_path / "reach-ReferenceAdapter.json").write_text(json.dumps(value), encoding="utf-8")
    reach = known_reach("ReferenceAdapter", tmp_path, "any")
    assert reach is not None
    kept = ("REQ-06/one", "REQ-06/two", "REQ-07/two", "GEN-01/one")
    assert selection(MUTANTS["req:BareStop"], reach, frozenset({STOP})) == kept

"""Two runs beside each other: how they were made first, then what broke and what else changed."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from verdict_builder import run_of, verdict

from tgi_conformance.cli import cli
from tgi_conformance.contracts.verdict import Ruling, Verdict
from tgi_conformance.reports.comparing.conditions import conditions, versions_changed
from tgi_conformance.reports.comparing.difference import (
    BackendCompared,
    Pair,
    RunsCompared,
    Slowness,
    compare_runs,
)
from tgi_conformance.reports.comparing.recorded import RecordedRunError, read_recorded
from tgi_conformance.reports.comparing.telling import in_json, in_text
from tgi_conformance.reports.run import Run
from tgi_conformance.reports.run_folder import write_all

GREEN, RED = verdict("STREAM-12/a"), verdict("STREAM-12/a", Ruling.FAILED, reason="it hangs")


def compared(before: Run, after: Run, **slowness: float) -> RunsCompared:
    return compare_runs(before, after, Slowness(**slowness))


def of_cases(before: list[Verdict], after: list[Verdict], **slowness: float) -> BackendCompared:
    (backend,) = compared(run_of(*before), run_of(*after), **slowness).backends
    return backend


def cases(pairs: tuple[Pair, ...]) -> list[str]:
    return [pair.case for pair in pairs]


def test_a_case_that_was_green_and_is_red_broke() -> None:
    found = of_cases([GREEN], [RED])
    assert cases(found.broken) == ["STREAM-12/a"]
    assert not (found.new)
    assert not (found.fixed)
    assert not (found.gone)


def test_a_case_that_was_red_and_is_green_is_fixed() -> None:
    found = of_cases([RED], [GREEN])
    assert cases(found.fixed) == ["STREAM-12/a"]
    assert not found.broken


@pytest.mark.parametrize("ruling", [Ruling.NOT_APPLICABLE, Ruling.NOT_HERE, Ruling.NOT_RUN])
def test_what_was_not_judged_before_is_new_and_what_is_not_judged_now_is_gone(ruling: Ruling) -> None:
    unjudged = verdict("STREAM-12/a", ruling)
    assert cases(of_cases([unjudged], [RED]).new) == ["STREAM-12/a"]
    assert cases(of_cases([unjudged], [RED]).new_red) == ["STREAM-12/a"]
    assert cases(of_cases([RED], [unjudged]).gone) == ["STREAM-12/a"]
    assert not of_cases([unjudged], [RED]).broken


def test_a_case_that_one_run_does_not_have_is_new_or_gone() -> None:
    other = verdict("MUX-01/a")
    assert cases(of_cases([GREEN], [GREEN, other]).new) == ["MUX-01/a"]
    assert cases(of_cases([GREEN, other], [GREEN]).gone) == ["MUX-01/a"]


@pytest.mark.parametrize(
    ("before", "after", "slower"),
    [(1.0, 2.0, True), (1.0, 1.9, False), (0.1, 0.5, False), (0.1, 0.6, True), (0.0, 0.5, True)],
)
def test_slower_is_by_a_factor_and_by_seconds(before: float, after: float, *, slower: bool) -> None:
    found = of_cases([replace(GREEN, duration=before)], [replace(GREEN, duration=after)])
    assert bool(found.slower) is slower


def test_how_long_a_red_case_took_says_nothing() -> None:
    assert not of_cases([replace(GREEN, duration=0.1)], [replace(RED, duration=10.0)]).slower


def test_how_the_runs_were_made_is_told_first() -> None:
    before = run_of(GREEN, versions={"tgi_conformance": "1.0", "python": "3.11"}, requirements="2026-11")
    after = run_of(RED, versions={"tgi_conformance": "1.1", "python": "3.11"}, seed=8)
    backend = replace(after.info.backends[0], claimed=("core", "tools"), version="2.0")
    after = replace(after, info=replace(after.info, backends=(backend,)))
    assert in_text(compared(before, after)) == (
        "the runs were made differently:",
        "  version of the kit: 1.0 before, 1.1 now",
        "  seed: 7 before, 8 now",
        "  requirement set: 2026-11 before, none now",
        "  version of alpha: 1.2 before, 2.0 now",
        "  claims of alpha that differ: stream before, tools now",
        "alpha: 1 broken, 0 fixed, 0 new, 0 gone, 0 slower, 0 still red",
        "  broken  STREAM-12/a: it hangs",
    )


def test_runs_that_were_made_alike_say_nothing_of_it() -> None:
    run = run_of(GREEN)
    assert conditions(run.info, run.info) == versions_changed(run.info, run.info) == ()


def test_many_new_cases_do_not_hide_the_red_one() -> None:
    many = [verdict(f"STREAM-12/{number}") for number in range(30)]
    lines = in_text(compared(run_of(GREEN), run_of(GREEN, *many, verdict("MUX-01/a", Ruling.FAILED))))
    assert lines[0].startswith("alpha: 0 broken, 0 fixed, 31 new (1 of them red)")
    assert lines[1] == "  new     MUX-01/a (failed)"
    assert lines[-1] == "  new     and 11 more; --json has all"


def test_one_backend_under_another_name_is_compared_and_told() -> None:
    after = run_of(verdict("STREAM-12/a", Ruling.FAILED, backend="beta"))
    found = compared(run_of(GREEN), after)
    assert found.broken
    assert found.conditions[0].in_words == "backend: alpha before, beta now"


def test_of_several_backends_one_that_a_run_lacks_is_told() -> None:
    both = run_of(GREEN, verdict("STREAM-12/a", backend="beta"))
    assert compared(both, run_of(GREEN)).alone == ("beta is in the first run only",)


def test_json_has_all_cases() -> None:
    value = in_json(compared(run_of(GREEN), run_of(RED)))
    assert isinstance(value, dict)
    assert value["broken"] is True
    assert value["backends"] == [
        {
            "before": "alpha",
            "after": "alpha",
            "broken": [
                {
                    "case": "STREAM-12/a",
                    "before": "passed",
                    "after": "failed",
                    "reason": "it hangs",
                    "seconds_before": 0.0,
                    "seconds_after": 0.0,
                }
            ],
            **{key: [] for key in ("fixed", "new", "gone", "slower", "still_red")},
        }
    ]


def test_a_run_is_read_from_its_folder_its_run_file_or_its_verdicts(tmp_path: Path) -> None:
    write_all(run_of(GREEN), tmp_path)
    whole = read_recorded(tmp_path)
    assert whole.run.verdicts == (GREEN,)
    assert whole.warnings == ()
    assert read_recorded(tmp_path / "run.json") == read_recorded(tmp_path / "verdicts.jsonl") == whole
    (tmp_path / "run.json").unlink()
    assert "are not compared" in read_recorded(tmp_path).warnings[0]


def test_a_folder_with_a_narrowed_run_only_is_that_run(tmp_path: Path) -> None:
    write_all(run_of(RED, narrowed=True), tmp_path)
    assert read_recorded(tmp_path).base == tmp_path / "narrowed"


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordedRunError, match="no run is there"):
        read_recorded(tmp_path)
    (tmp_path / "verdicts.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(RecordedRunError, match="cannot be read"):
        read_recorded(tmp_path)


@pytest.mark.parametrize(("after", "code"), [(RED, 1), (GREEN, 0)])
def test_the_command_ends_with_1_where_something_broke(tmp_path: Path, after: Verdict, code: int) -> None:
    write_all(run_of(GREEN), tmp_path / "a")
    write_all(run_of(after), tmp_path / "b")
    result = CliRunner().invoke(
        cli, ["compare", str(tmp_path / "a"), str(tmp_path / "b")], standalone_mode=False
    )
    assert result.return_value == code
    assert ("broken  STREAM-12/a" in result.output) is bool(code)


def test_the_command_ends_with_4_where_there_is_no_run(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["compare", str(tmp_path), str(tmp_path)], standalone_mode=False)
    assert result.return_value == 4

"""What a run is to be judged by is read before anything is started, and each mistake says what to write."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
from verdict_builder import run_of, verdict

from tgi_conformance.contracts.catalogue.levels import NAMES
from tgi_conformance.contracts.verdict import Ruling
from tgi_conformance.plugin.gate.given import GATE, GateGiven, read_gate
from tgi_conformance.plugin.options import OPTIONS
from tgi_conformance.reports.atomic import write_json
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.run import Run
from tgi_conformance.reports.verdict_lines import write_verdicts

GIVEN = dict.fromkeys(("tgi_level", "tgi_enforce", "tgi_fail_on", "tgi_against", "tgi_floor", "tgi_baseline"))
BASELINE = """[claims]
alpha = ["core"]

[[expected]]
cases = "STREAM-12/a"
failure = "hang"
reason = "known"
link = "https://example.org/1"
expires = 2027-03-31
"""
FAILED = verdict("STREAM-12/a", Ruling.FAILED, observed="hang: silence")


def read(folder: Path, *, shard: str = "", **options: object) -> GateGiven:
    config = SimpleNamespace(
        option=SimpleNamespace(**GIVEN | {f"tgi_{name}": value for name, value in options.items()}),
        invocation_params=SimpleNamespace(dir=folder),
        stash=pytest.Stash(),
    )
    settings = SimpleNamespace(folder=folder / "collected_results", profile="default", shard=shard)
    read_gate(config, settings)  # type: ignore[arg-type]
    return config.stash[GATE]


def keep(layout: Layout, run: Run) -> None:
    write_verdicts(layout.verdicts, run.verdicts)
    write_json(layout.run, {"started": run.info.started, "ended": run.info.ended, "seed": run.info.seed})


def test_the_options_name_the_levels_that_there_are() -> None:
    assert OPTIONS["--tgi-level"]["choices"] == NAMES


def test_without_options_and_files_all_that_is_red_counts(tmp_path: Path) -> None:
    given = read(tmp_path)
    assert given == GateGiven()
    assert given.scope.holds(FAILED)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"level": "great"}, "--level great: one of safe, sound, exemplary"),
        ({"level": "safe", "enforce": "should"}, "--level exemplary judges both"),
        ({"level": "sound", "enforce": "should"}, "--level exemplary judges both"),
        ({"floor": 0.0}, "--floor 0: give a percentage above 0, 100 at most"),
        ({"floor": 101.0}, "--floor 101: give a percentage"),
        ({"floor": float("nan")}, "--floor nan: give a percentage"),
        ({"against": "old"}, "--against old goes with --fail-on new"),
        ({"fail_on": "red", "against": "old"}, "--against old goes with --fail-on new"),
        ({"fail_on": "new", "against": "old"}, "--against old: there is no run"),
        ({"baseline": "gone.toml"}, "--baseline gone.toml cannot be read"),
    ],
)
def test_a_mistake_says_what_to_write(options: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(pytest.UsageError) as caught:
        read(tmp_path, **options)
    assert said in str(caught.value)


def test_exemplary_and_should_go_together(tmp_path: Path) -> None:
    assert read(tmp_path, level="exemplary", enforce="should").scope.enforces_should
    assert not read(tmp_path, level="sound").scope.enforces_should


def test_the_floor_is_a_percentage(tmp_path: Path) -> None:
    assert read(tmp_path, floor=90.0).scope.floor == pytest.approx(0.9)


def test_the_baseline_of_the_working_folder_is_taken_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "expected_failures.toml").write_text(BASELINE)
    (tmp_path / "other.toml").write_text(BASELINE.replace("hang", "crash"))
    assert read(tmp_path, baseline="none").baseline is None
    files = [read(tmp_path, baseline=name).baseline for name in (None, "other.toml")]
    assert [(file.file, file.entries[0].failure) for file in files if file] == [
        ("expected_failures.toml", "hang"),
        ("other.toml", "crash"),
    ]


def test_a_shard_leaves_the_baseline_to_merge_but_tells_a_mistake_in_it(tmp_path: Path) -> None:
    file = tmp_path / "expected_failures.toml"
    file.write_text(BASELINE, encoding="utf-8")
    assert read(tmp_path, shard="1/2").baseline is None
    file.write_text("[claims", encoding="utf-8")
    with pytest.raises(pytest.UsageError, match=file.name):
        read(tmp_path, shard="1/2")


def test_a_baseline_that_cannot_be_used_says_every_problem(tmp_path: Path) -> None:
    (tmp_path / "expected_failures.toml").write_text(BASELINE.replace('"known"', '""'))
    with pytest.raises(pytest.UsageError, match=r"expected_failures.toml:7: reason is missing"):
        read(tmp_path)
    (tmp_path / "expected_failures.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(pytest.UsageError, match="cannot be read"):
        read(tmp_path)


def test_a_run_is_held_against_the_baseline(tmp_path: Path) -> None:
    (tmp_path / "expected_failures.toml").write_text(BASELINE)
    held = read(tmp_path).held(run_of(FAILED), date(2026, 12, 1))
    assert [v.ruling for v in held.run.verdicts] == [Ruling.EXPECTED]
    assert held.problems == ()


def test_own_tests_are_not_told_that_a_baseline_is_of_a_backend(tmp_path: Path) -> None:
    (tmp_path / "expected_failures.toml").write_text(BASELINE)
    given = read(tmp_path)
    own = run_of(replace(FAILED, backend="own-tests"))
    assert given.held(own, date(2026, 12, 1)).remarks == ()
    other = run_of(replace(FAILED, backend="beta"))
    assert "is not applied" in given.held(other, date(2026, 12, 1)).remarks[0]


# --- the earlier run ---


def test_the_last_run_of_all_cases_is_compared_with(tmp_path: Path) -> None:
    keep(Layout(tmp_path / "collected_results"), run_of(FAILED))
    given = read(tmp_path, fail_on="new")
    assert not given.scope.holds(FAILED)
    assert given.scope.holds(verdict("STREAM-12/b", Ruling.FAILED))


def test_what_was_mended_since_the_last_run_is_red_anew(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "collected_results")
    keep(layout, run_of(FAILED))
    write_verdicts(layout.renewed, [verdict("STREAM-12/a")])
    assert read(tmp_path, fail_on="new").scope.holds(FAILED)


def test_without_a_last_run_all_that_is_red_is_new_and_that_is_said(tmp_path: Path) -> None:
    given = read(tmp_path, fail_on="new")
    assert given.scope.holds(FAILED)
    (remark,) = given.held(run_of(FAILED), date(2026, 12, 1)).remarks
    assert remark == "--fail-on new: the last run is not there, so all that is red counts as new"


@pytest.mark.parametrize("name", ["kept", "kept/verdicts.jsonl"])
def test_a_named_run_is_a_folder_or_its_verdicts(name: str, tmp_path: Path) -> None:
    keep(Layout(tmp_path / "kept"), run_of(FAILED))
    given = read(tmp_path, fail_on="new", against=name)
    assert not given.scope.holds(FAILED)
    (aside,) = given.scope.left_aside([FAILED])
    assert aside == f"not judged: 1 red case that {name} had red too, the first STREAM-12/a"


def test_a_run_that_was_made_in_another_way_is_told(tmp_path: Path) -> None:
    keep(Layout(tmp_path / "kept"), run_of(FAILED, seed=8))
    given = read(tmp_path, fail_on="new", against="kept")
    (remark,) = given.held(run_of(FAILED), date(2026, 12, 1)).remarks
    assert remark == "--fail-on new: kept was made in another way: another seed (8 then, 7 now)"


def test_verdicts_that_cannot_be_read_end_the_run_before_it_begins(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "verdicts.jsonl").write_text("no JSON\n")
    with pytest.raises(pytest.UsageError, match=r"--fail-on new: kept cannot be read: .*line 1"):
        read(tmp_path, fail_on="new", against="kept")

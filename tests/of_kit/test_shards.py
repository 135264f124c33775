"""Shards: dealt alike everywhere and about as long as each other, and merged only if they are one run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from verdict_builder import evidence, run_of, verdict

from tgi_conformance.cli import cli
from tgi_conformance.contracts.requirements.sets import read_set
from tgi_conformance.contracts.verdict import Finding, Ruling, Verdict
from tgi_conformance.plugin.collection import BACKEND, Collection
from tgi_conformance.plugin.ending.ruling import ruled_over_all
from tgi_conformance.plugin.shards.dealing import Shard, ShardProblem, dealt, parse_shard
from tgi_conformance.plugin.shards.durations import LEAST_SECONDS, usual_durations
from tgi_conformance.plugin.shards.refusals import refuse, remote_workers
from tgi_conformance.reports.comparing.recorded import read_recorded
from tgi_conformance.reports.run import Run, ShardInfo
from tgi_conformance.reports.run_folder import open_folder, write_all, write_evidence
from tgi_conformance.reports.shards.merging import ShardRun, merged_info, problems, without_shard
from tgi_conformance.reports.shards.selection import digest_of
from tgi_conformance.suites.harness.session import CASE_ID, SETTINGS, CaseId, Settings

CASES = sorted(read_set("2026-12").cases)
A, B, C = (verdict(f"STREAM-12/{slug}", nodeid=f"test_stream.py::{slug}") for slug in "abc")
#: Each of two shards, by the verdicts of its cases.
SELECTED = digest_of((each.backend, each.case) for each in (A, B, C))


def shard(number: int, *verdicts: Verdict, count: int = 2, **given: object) -> ShardRun:
    selection = {"selected": SELECTED, "selection": f"--shard {number}/{count}", "narrowed": True, **given}
    run = run_of(*verdicts, shard=ShardInfo(number=number, count=count), **selection)
    return ShardRun(place=f"s{number}", run=run)


ONE, TWO = shard(1, A, B), shard(2, C)


def test_a_shard_is_a_number_of_how_many() -> None:
    assert parse_shard("2/4") == Shard(number=2, count=4)
    assert str(parse_shard("2/4")) == "2/4"


@pytest.mark.parametrize("word", ["", "2", "0/4", "5/4", "1/0", "-1/4", "2/4/8", "a/b", "1/99999"])
def test_what_is_no_shard_is_refused_with_what_one_is(word: str) -> None:
    with pytest.raises(ShardProblem, match="from 1/4 to 4/4"):
        parse_shard(word)


@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_every_case_is_in_one_shard_whatever_the_order(count: int) -> None:
    numbers = dealt(CASES, count, usual_durations())
    assert numbers.keys() == set(CASES)
    assert set(numbers.values()) == set(range(1, count + 1))
    assert dealt(reversed(CASES), count, usual_durations()) == numbers


@pytest.mark.parametrize("count", [2, 4])
def test_the_shards_are_about_as_long(count: int) -> None:
    numbers = dealt(CASES, count, usual_durations())
    loads: Counter[int] = Counter()
    sizes = Counter(numbers.values())
    for case, number in numbers.items():
        loads[number] += usual_durations().get(case, 0.0)  # type: ignore[assignment]
    assert max(loads.values()) - min(loads.values()) <= 0.1
    assert max(sizes.values()) <= 1.2 * min(sizes.values())


def test_a_new_short_case_moves_no_other() -> None:
    before = dealt(CASES, 4, usual_durations())
    after = dealt([*CASES, "STREAM-12/brand-new"], 4, usual_durations())
    assert {case: number for case, number in after.items() if case in before} == before


def test_the_table_has_the_cases_that_take_long() -> None:
    assert min(usual_durations().values()) >= LEAST_SECONDS
    assert len(usual_durations().keys() & set(CASES)) > 200


def test_two_shards_of_one_run_are_a_run() -> None:
    assert problems([ONE, TWO]) == problems([TWO, ONE]) == ()


@pytest.mark.parametrize(
    ("shards", "said"),
    [
        ([], "there is no shard"),
        ([ONE], "shard 2/2 is missing"),
        ([ONE, TWO, replace(TWO, place="again")], "shard 2/2 is given 2 times: s2, again"),
        ([ONE, shard(2)], "s2 is empty: it has no verdict"),
        ([ONE, shard(2, C, count=3)], "the shards are of different runs: s1 is one of 2, s2 is one of 3"),
        (
            [ONE, shard(2, C, seed=8)],
            "s1 and s2 are of different runs: seed is 7 in the first and 8 in the second",
        ),
        (
            [ONE, shard(2, C, requirements="2026-12")],
            "s1 and s2 are of different runs: requirement set is none in the first and 2026-12 in the second",
        ),
        (
            [ONE, shard(2, C, gate=(("--tgi-level", "safe"),))],
            "s1 and s2 are of different runs: gate is none in the first and --tgi-level safe in the second",
        ),
        ([ONE, shard(2, C, selected="other")], "s1 and s2 are of different runs: other cases were selected"),
        ([ONE, shard(2, B)], "STREAM-12/b of alpha is in both s1 and s2"),
        (
            [shard(1, A), TWO],
            "the cases of the shards are not those that were selected: verdicts were lost, or put in",
        ),
    ],
    ids=[
        *("none", "missing", "doubled", "empty", "count", "seed", "set", "gate", "selection"),
        *("case twice", "lost"),
    ],
)
def test_what_is_not_one_run_is_named(shards: Sequence[ShardRun], said: str) -> None:
    assert problems(shards) == (said,)


def test_a_run_that_is_no_shard_is_named() -> None:
    whole = ShardRun(place="w", run=run_of(A, B, C))
    assert problems([ONE, whole]) == ("w is no shard: it was run without --shard",)


def test_other_claims_are_another_run() -> None:
    backend = replace(TWO.run.info.backends[0], claimed=("core",))
    other = replace(TWO, run=Run(replace(TWO.run.info, backends=(backend,)), TWO.run.verdicts))
    (said,) = problems([ONE, other])
    assert "claims of alpha that differ is stream in the first and none in the second" in said


def test_the_merged_run_is_as_one_would_have_been() -> None:
    one = shard(1, A, B, wall_seconds=9.0, cpu_seconds=4.0, workers=2, command="x run --shard 1/2 -n 2")
    two = shard(2, C, wall_seconds=7.0, cpu_seconds=3.0, workers=2, ended="2026-01-02T03:04:30+00:00")
    info = merged_info([one, two])
    assert (info.wall_seconds, info.cpu_seconds, info.workers) == (9.0, 7.0, 4)
    assert (info.narrowed, info.shard, info.selection) == (False, None, "")
    assert (info.ended, info.command) == ("2026-01-02T03:04:30+00:00", "x run -n 2")


def test_shards_of_some_cases_are_a_run_of_some_cases() -> None:
    part = shard(1, A, B, selection="-k stream, --shard 1/2")
    info = replace(part.run.info, shard=ShardInfo(number=1, count=2, narrowed=True))
    merged = merged_info([replace(part, run=Run(info, part.run.verdicts)), TWO])
    assert (merged.narrowed, merged.selection) == (True, "-k stream")


@pytest.mark.parametrize("form", ["--shard 1/2", "--shard=1/2", "--tgi-shard=1/2"])
def test_the_command_of_a_shard_without_its_shard_runs_all(form: str) -> None:
    assert without_shard(f"tgi-conformance run {form} --case 'A B'") == "tgi-conformance run --case 'A B'"


def test_a_run_wide_ruling_is_ruled_anew_over_all_shards() -> None:
    """Each shard alone saw one breach; one shard saw none, and its ruling must not stand beside the other."""
    leak = Finding(clause="SEC-01", message="key:A in an exception")
    clean = Finding(clause="SEC-01", message="no key seen", breach=False)
    info = run_of(A).info
    first = ruled_over_all(info, [replace(A, findings=(leak,))], enforced=False)
    second = ruled_over_all(info, [replace(B, findings=(clean,))], enforced=False)
    cases = [v for v in (*first, *second) if v.nodeid]
    (ruled,) = [v for v in ruled_over_all(info, cases, enforced=False) if v.case == "SEC-01/run-wide"]
    assert ruled.ruling is Ruling.FAILED
    assert "1 case" in ruled.reason


def test_a_healthy_call_that_another_worker_saw_fail_stays_a_case_of_its_shard() -> None:
    """Else the merged run would lack one of the cases that were selected."""
    case = verdict("DECL-01/healthy-chat", nodeid="test_decl.py::healthy")
    broken = Finding(clause="DECL-01", slug="healthy-chat", message="no answer")
    ruled = ruled_over_all(run_of(A).info, [case, replace(A, findings=(broken,))], enforced=False)
    (healthy,) = [each for each in ruled if each.case == case.case]
    assert (healthy.ruling, healthy.nodeid) == (Ruling.FAILED, case.nodeid)


def config(**given: object) -> pytest.Config:
    option = SimpleNamespace(**{"tgi_shard": None, "tgi_budget_seconds": None, "tx": [], **given})
    return SimpleNamespace(option=option)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("given", "real", "said"),
    [
        ({"tgi_shard": "1/2"}, True, "--shard and TGI_ENDPOINT exclude each other"),
        ({"tx": ["2*popen", "ssh=build2//chdir=/tmp"]}, True, "--tx ssh=build2//chdir=/tmp and TGI_ENDPOINT"),
        (
            {"tx": ["3*ssh=build2"], "tgi_budget_seconds": 60.0},
            False,
            "--tx 3.ssh=build2 and --budget-seconds",
        ),
    ],
)
def test_what_cannot_go_together_is_refused(given: dict[str, object], said: str, *, real: bool) -> None:
    with pytest.raises(pytest.UsageError, match=said):
        refuse(config(**given), real=real)


def test_all_else_may_go_together() -> None:
    refuse(config(tgi_shard="1/2", tx=["popen"], tgi_budget_seconds=60.0), real=False)
    refuse(config(tx=["2*popen"]), real=True)
    refuse(config(tx=["ssh=build2"]), real=False)
    assert remote_workers(config(tx=["popen", "2*popen//python=python3"])) == []


def test_a_process_keeps_its_part_and_tells_the_other_as_elsewhere(tmp_path: Path) -> None:
    items = [FakeItem(case) for case in CASES[:40]]
    others = FakeItem("")  # a test that is no case runs everywhere
    numbers = dealt(CASES[:40], 2, usual_durations())
    left: list[object] = []
    stash = pytest.Stash()
    stash[SETTINGS] = Settings(backends=(), shard="2/2")

    def left_out(*, items: Sequence[object]) -> None:
        left.extend(items)

    hook = SimpleNamespace(pytest_deselected=left_out)
    given = SimpleNamespace(stash=stash, hook=hook)
    collection = Collection(given, tmp_path, lambda _: None)  # type: ignore[arg-type]
    kept = [others, *items]
    collection._keep_shard(given, kept)  # type: ignore[arg-type]
    assert kept == [others, *(item for item, case in zip(items, CASES, strict=False) if numbers[case] == 2)]
    assert left == collection._elsewhere == [item for item in items if item not in kept]
    collection.pytest_deselected(collection._elsewhere)
    assert collection._deselected == 0


class FakeItem:
    """What the collection asks of a test that is a case."""

    def __init__(self, case: str) -> None:
        clause, _, slug = case.partition("/")
        self.stash = pytest.Stash()
        self.nodeid = case
        if case:
            self.stash[CASE_ID] = CaseId(clause=clause, slug=slug)
            self.stash[BACKEND] = "alpha"

    def get_closest_marker(self, _: str) -> bool:
        return True


def written(place: Path, found: ShardRun) -> str:
    """The shard in a results folder of its own, with the evidence of its first case."""
    first = found.run.verdicts[0]
    folder = open_folder(place)
    write_evidence(place, evidence(first.case), {})
    folder.close()
    write_all(found.run, place)
    return str(place)


def merge(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["merge", *words], standalone_mode=False)
    assert result.exception is None, result.output
    return result.return_value, result.output


def test_merge_makes_one_report_of_two_shards(tmp_path: Path) -> None:
    red = shard(2, replace(C, ruling=Ruling.FAILED, reason="it hangs"))
    places = [written(tmp_path / "1", ONE), written(tmp_path / "2", red)]
    code, _ = merge(*places, "--results", str(tmp_path / "all"))
    assert code == 1
    whole = read_recorded(tmp_path / "all")
    assert [each.case for each in whole.run.verdicts] == ["STREAM-12/a", "STREAM-12/b", "STREAM-12/c"]
    assert whole.run.info.shard is None
    assert (tmp_path / "all" / "alpha_test_results.json").is_file()
    names = {path.name for path in (tmp_path / "all" / "evidence" / "alpha").iterdir()}
    assert names == {"STREAM-12__a.json", "STREAM-12__c.json"}


KNOWN = """[claims]
alpha = []

[[expected]]
cases = ["STREAM-12/b", "STREAM-12/c"]
failure = "it hangs"
reason = "known"
link = "https://example.org/1"
expires = 2099-12-31
"""


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("expected_failures.toml", 0, "2 known failures (1 entry of expected_failures.toml)"),
        ("known.toml", 0, "2 known failures (1 entry of known.toml)"),
        ("none", 1, "2 cases failed"),
    ],
)
def test_merge_holds_the_whole_run_against_the_baseline_that_the_shards_were_given(
    name: str, code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each shard has a part of the entry's cases, so that none of them could judge by it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(KNOWN, encoding="utf-8")
    hangs = [replace(each, ruling=Ruling.FAILED, reason="it hangs") for each in (B, C)]
    given = () if name == "expected_failures.toml" else (("--tgi-baseline", name),)
    shards = shard(1, A, hangs[0], gate=given), shard(2, hangs[1], gate=given)
    places = [written(tmp_path / str(number), each) for number, each in enumerate(shards)]
    found, out = merge(*places, "--results", "all")
    assert (found, said in out) == (code, True), out


def test_merge_tells_what_differs_from_the_baseline_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "expected_failures.toml").write_text(KNOWN, encoding="utf-8")
    red = shard(2, replace(C, ruling=Ruling.FAILED, reason="it hangs"))
    code, out = merge(written(tmp_path / "1", ONE), written(tmp_path / "2", red), "--results", "all")
    assert code == 10
    assert "expected_failures.toml:4: only a part still fails, 1 of 2 cases" in out


def test_merge_judges_by_the_level_that_the_shards_were_given(tmp_path: Path) -> None:
    level = (("--tgi-level", "safe"),)
    tools = verdict("TOOL-01/c", nodeid="test_tool.py::c", ruling=Ruling.FAILED, reason="no call")
    selected = digest_of((each.backend, each.case) for each in (A, tools))
    shards = shard(1, A, gate=level, selected=selected), shard(2, tools, gate=level, selected=selected)
    places = [written(tmp_path / str(number), each) for number, each in enumerate(shards)]
    code, out = merge(*places, "--results", str(tmp_path / "all"))
    assert code == 0, out
    assert "not judged: 1 red case outside of level safe, the first TOOL-01/c" in out


def test_merge_writes_nothing_where_the_baseline_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "expected_failures.toml").write_text("[claims", encoding="utf-8")
    code, out = merge(written(tmp_path / "1", ONE), written(tmp_path / "2", TWO), "--results", "all")
    assert code == 4
    assert "expected_failures.toml" in out
    assert not (tmp_path / "all").exists()


def test_merge_writes_nothing_of_shards_that_are_not_one_run(tmp_path: Path) -> None:
    code, said = merge(written(tmp_path / "1", ONE), "--results", str(tmp_path / "all"))
    assert (code, said) == (4, "merge: shard 2/2 is missing\n")
    assert not (tmp_path / "all").exists()


def test_merge_names_a_folder_without_a_run(tmp_path: Path) -> None:
    code, said = merge(str(tmp_path))
    assert code == 4
    assert "no run is there" in said

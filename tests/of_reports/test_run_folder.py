"""The folder of a run: locked, filled apart, and changed as a whole; no whole run is lost on the way."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from failing_calls import Failing, failing_here, happened
from verdict_builder import CANARY, evidence, run_of, verdict

from tgi_conformance.contracts.verdict import Ruling, Verdict
from tgi_conformance.reports import atomic
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.run_folder import FolderProblem, open_folder, write_all, write_evidence
from tgi_conformance.reports.verdict_lines import line, read_verdicts
from tgi_conformance.reports.writing.exchange import forget, settle

KEYS = {"A": CANARY}
UNFINISHED = "unfinished/verdicts.jsonl"


def files(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def failed(case: str, folder: Path) -> Verdict:
    return verdict(case, Ruling.FAILED, evidence=write_evidence(folder, evidence(case), KEYS))


def whole_run(folder: Path, *cases: str) -> None:
    write_all(run_of(*(failed(case, folder) for case in cases)), folder)


# --- changing places ---


def test_a_run_that_goes_on_leaves_the_files_of_the_last_one_where_they_are(tmp_path: Path) -> None:
    whole_run(tmp_path, "STREAM-12/a")
    before = files(tmp_path)
    opened = open_folder(tmp_path)
    opened.stream.add(failed("STREAM-12/b", tmp_path))
    after = files(tmp_path)
    opened.close()
    assert {name: after[name] for name in before} == before
    assert sorted(set(after) - set(before)) == ["unfinished/evidence/alpha/STREAM-12__b.json", UNFINISHED]


def test_a_whole_run_becomes_previous_when_the_next_one_is_whole(tmp_path: Path) -> None:
    whole_run(tmp_path, "STREAM-12/a")
    first = files(tmp_path)
    whole_run(tmp_path, "STREAM-12/b")
    now = files(tmp_path)
    assert {
        name.removeprefix("previous/"): text for name, text in now.items() if "previous/" in name
    } == first
    layout = Layout(tmp_path)
    assert [v.case for v in read_verdicts(layout.verdicts).verdicts] == ["STREAM-12/b"]
    assert [v.case for v in read_verdicts(layout.previous_verdicts).verdicts] == ["STREAM-12/a"]
    assert "evidence/alpha/STREAM-12__a.json" not in now
    assert not (tmp_path / "unfinished").exists()
    whole_run(tmp_path, "STREAM-12/c")
    assert [v.case for v in read_verdicts(layout.previous_verdicts).verdicts] == ["STREAM-12/b"]
    assert not [name for name in files(tmp_path) if "STREAM-12__a" in name]


def test_while_the_reports_are_written_the_run_before_still_has_its_place(tmp_path: Path) -> None:
    whole_run(tmp_path, "STREAM-12/a")
    layout = Layout(tmp_path, unfinished=True)
    assert layout.previous_verdicts == tmp_path / "verdicts.jsonl"


def test_a_narrowed_run_leaves_the_whole_one_and_what_was_before_it(tmp_path: Path) -> None:
    whole_run(tmp_path, "STREAM-12/a")
    whole_run(tmp_path, "STREAM-12/b")
    before = files(tmp_path)
    write_all(run_of(failed("STREAM-12/a", tmp_path), narrowed=True), tmp_path)
    after = files(tmp_path)
    assert {name: after[name] for name in before} == before
    assert "narrowed/evidence/alpha/STREAM-12__a.json" in after


def test_what_is_not_ours_stays_where_it_is(tmp_path: Path) -> None:
    foreign = {
        "evidence/notes.txt": "mine",
        "evidence/alpha/notes.json": "{}",
        "evidence/alpha/STREAM-01__mine.json": '{"no": "mark"}',
        "evidence/beta/STREAM-01__a.txt": "text",
        "other.json": "{}",
        "beta_test_results.json": '{"streaming": "Success"}',
        "unfinished/mine.txt": "mine",
        "previous/mine.txt": "mine",
    }
    for name, text in foreign.items():
        atomic.write_text(tmp_path / name, text)
    outside = atomic.write_text(tmp_path / "outside" / "STREAM-01__x.json", '{"$schema":"urn:x"}')
    (tmp_path / "evidence" / "linked").symlink_to(outside.parent)
    for case in ("STREAM-12/a", "STREAM-12/b", "STREAM-12/c"):
        open_folder(tmp_path).close()
        whole_run(tmp_path, case)
    assert {name: text.decode() for name, text in files(tmp_path).items() if name in foreign} == foreign
    assert outside.exists()


def test_a_report_that_was_not_written_leaves_no_older_one_in_its_place(tmp_path: Path) -> None:
    whole_run(tmp_path, "STREAM-12/a")
    layout = Layout(tmp_path, unfinished=True)
    verdicts = atomic.write_text(layout.verdicts, line(verdict("STREAM-12/b")) + "\n")
    settle(layout, [verdicts])
    assert sorted(name for name in files(tmp_path) if "/" not in name) == [
        "alpha_more_results.json",
        "alpha_test_results.json",
        "verdicts.jsonl",
    ]
    assert (tmp_path / "previous" / "report.html").exists()


def rename(source: str, target: str) -> Failing:
    return Failing(event="os.rename", words=f"{source} .*{target}", errno=errno.ENOSPC)


BESIDE = r"/\.alpha_{}_results\.json[^/]*\.tmp"
POINTS = {
    "map open": Failing(event="open", words=BESIDE.format("test"), errno=errno.ENOSPC),
    "map move": rename(BESIDE.format("test"), ""),
    "what stands beside the map, open": Failing(
        event="open", words=BESIDE.format("more"), errno=errno.ENOSPC
    ),
    "what stands beside the map, move": rename(BESIDE.format("more"), ""),
    "folder of the previous run": Failing(event="os.mkdir", words="/previous ", errno=errno.ENOSPC),
    "first file to the previous run": rename(r"/junit\.xml", "/previous/"),
    "verdicts to the previous run": rename(r"/verdicts\.jsonl", "/previous/"),
    "map to the previous run": rename(r"/alpha_test_results\.json", "/previous/"),
    "evidence to the previous run": rename(r"/evidence/\S*", "/previous/"),
    "new evidence to its place": rename(r"/unfinished/evidence/\S*", "/results/evidence/"),
    "new verdicts to their place": rename(r"/unfinished/verdicts\.jsonl", "/results/verdicts"),
    "new map to its place": rename(r"/unfinished/alpha_test_results\.json", "/results/alpha"),
}


@pytest.mark.parametrize("name", POINTS)
def test_where_the_change_of_places_fails_both_runs_are_there_and_no_folder_mixes_them(
    name: str, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    whole_run(results, "STREAM-12/old")
    with failing_here(POINTS[name], tmp_path / "failing"):
        written = write_all(run_of(failed("STREAM-12/new", results)), results)
    assert happened(POINTS[name], tmp_path / "failing")
    assert len(written.unwritten) == 1
    assert "No space left" in str(written.unwritten[0])
    places = {}
    for folder in (results, results / "previous", results / "unfinished"):
        # The page names cases of the run before: it says what has changed.
        files = [p for p in folder.glob("*.*") if "_results" not in p.name and p.name != "report.html"]
        texts = [p.read_text(encoding="utf-8") for p in files]
        texts += [p.read_text(encoding="utf-8") for p in folder.glob("evidence/*/*.json")]
        seen = {run for run in ("old", "new") if any(f"STREAM-12/{run}" in text for text in texts)}
        if (folder / "verdicts.jsonl").is_file():
            assert len(seen) == 1, (folder, seen)
            places[seen.pop()] = read_verdicts(folder / "verdicts.jsonl").verdicts[0].case
    assert places == {"old": "STREAM-12/old", "new": "STREAM-12/new"}
    open_folder(results).close()


# --- a run that was cut short ---


def test_what_a_killed_run_had_decided_is_kept_as_a_narrowed_run(tmp_path: Path) -> None:
    whole_run(tmp_path, "STREAM-12/a")
    before = files(tmp_path)
    killed = open_folder(tmp_path)
    killed.stream.add(failed("STREAM-12/b", tmp_path))
    killed.close()
    with (tmp_path / UNFINISHED).open("a") as file:
        file.write(line(verdict("STREAM-12/c"))[:40])  # the kernel wrote no more of it
    (tmp_path / "unfinished" / ".junit.xml.12-0123abcd.tmp").write_text("<half")
    opened = open_folder(tmp_path)
    opened.close()
    read = read_verdicts(tmp_path / "narrowed" / "verdicts.jsonl")
    assert [v.case for v in read.verdicts] == ["STREAM-12/b"]
    assert "cut off" in read.warning
    assert (tmp_path / "narrowed" / read.verdicts[0].evidence).exists()
    assert len(opened.remarks) == 1
    assert "cut short" in opened.remarks[0]
    assert {name: text for name, text in files(tmp_path).items() if name in before} == before
    forget(Layout(tmp_path, unfinished=True).base)
    assert not (tmp_path / "unfinished").exists()


def test_the_verdicts_so_far_can_be_read_while_the_run_goes_on(tmp_path: Path) -> None:
    opened = open_folder(tmp_path)
    for number in range(3):
        opened.stream.add(verdict(f"STREAM-12/{number}", observed=CANARY))
        assert len(read_verdicts(tmp_path / UNFINISHED).verdicts) == number + 1
    opened.close()
    assert CANARY.encode() not in (tmp_path / UNFINISHED).read_bytes()


# --- the lock ---

HOLD = """
import sys
from pathlib import Path
from tgi_conformance.reports.run_folder import open_folder

opened = open_folder(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_second_run_is_told_who_has_the_folder_and_a_dead_one_holds_nobody_up(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(FolderProblem) as refused:
            open_folder(tmp_path)
        since = json.loads((tmp_path / ".lock").read_text())["since"]
        assert str(refused.value) == (
            f"{tmp_path} is in use by another run (process {holder.pid}, since {since}); "
            "wait until it has ended, or choose another folder with --results"
        )
        holder.kill()
        holder.wait()
    open_folder(tmp_path).close()
    open_folder(tmp_path).close()


# --- folders that cannot be used ---


@pytest.mark.parametrize("below", ["", "deeper", "deeper/still"])
def test_a_file_in_the_way_is_named(below: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    folder = tmp_path / "file" / below
    with pytest.raises(FolderProblem, match=f"{tmp_path}/file is a file; choose another folder"):
        open_folder(folder)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_folder_that_takes_no_file_is_refused_at_the_start(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(FolderProblem, match=f"cannot hold the results: {os.strerror(code)}; choose another"):
        open_folder(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused_at_the_start(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(FolderProblem, match="Permission denied"):
        open_folder(tmp_path)


def test_a_verdict_that_cannot_be_streamed_ends_nothing_and_is_told_once(tmp_path: Path) -> None:
    opened = open_folder(tmp_path)
    (tmp_path / "unfinished").rmdir()
    for _ in range(3):
        opened.stream.add(verdict("STREAM-12/a"))
    opened.close()
    assert [fault.why for fault in opened.stream.unwritten] == ["No such file or directory"]

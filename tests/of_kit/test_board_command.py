"""``tgi-conformance board``: results folders and archives in, a folder of pages out; wrong input is told."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from board_runs import CASES, failed, whole, written

from tgi_conformance.cli import board as command
from tgi_conformance.cli import main
from tgi_conformance.cli.case_listing import Listed
from tgi_conformance.contracts.schema.registry import problems

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _suite_of_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suites are collected by other tests; here they are the cases of the runs."""
    listed = [Listed(case=case, clause=case.partition("/")[0], nodeid="", doc="") for case in CASES]
    monkeypatch.setattr(command, "list_cases", lambda: listed)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Results folders of two clients, made once and only read."""
    folder = tmp_path_factory.mktemp("results")
    written(whole("alpha", failed("IMG-01/a", evidence="evidence/alpha/IMG-01__a.json")), folder / "alpha")
    written(whole("beta"), folder / "beta", "tgi-2")
    evidence = folder / "alpha" / "evidence" / "alpha" / "IMG-01__a.json"
    evidence.parent.mkdir(parents=True, exist_ok=True)
    evidence.write_text('{"$schema":"urn:tgi-conformance:schema:evidence","case":"IMG-01/a"}')
    return lambda name: folder / name


def files_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_pages_are_written_the_same_each_time(
    made: Callable[[str], Path], tmp_path: Path, capsys: Capture
) -> None:
    places = [str(made("alpha")), str(made("beta"))]
    assert main(["board", *places, "--out", str(tmp_path / "site")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'site' / 'index.html'}: 2 rows, from 2 runs\n"
    assert main(["board", *reversed(places), "--out", str(tmp_path / "again")]) == 0
    files = files_of(tmp_path / "site")
    assert files == files_of(tmp_path / "again")
    assert sorted(files) == [
        "badges/alpha.json",
        "badges/alpha.svg",
        "badges/beta.tgi-2.json",
        "badges/beta.tgi-2.svg",
        "board.json",
        "clients/alpha.html",
        "clients/alpha.json",
        "clients/beta.tgi-2.html",
        "clients/beta.tgi-2.json",
        "evidence/alpha/IMG-01__a.json",
        "index.html",
    ]
    assert problems("board", json.loads(files["board.json"])) == []
    assert files["evidence/alpha/IMG-01__a.json"].startswith(b'{"$schema"')


def test_a_board_takes_the_place_of_the_one_before(made: Callable[[str], Path], tmp_path: Path) -> None:
    out = tmp_path / "site"
    assert main(["board", str(made("alpha")), str(made("beta")), "--out", str(out)]) == 0
    (out / "CNAME").write_text("board.example")
    assert main(["board", str(made("beta")), "--out", str(out)]) == 0
    left = set(files_of(out))
    assert not [name for name in left if "alpha" in name]
    assert "CNAME" in left, "a file that no board writes stays"


@pytest.mark.parametrize("kind", ["other files", "another board.json", "a file"])
def test_a_folder_of_something_else_is_left_alone(
    made: Callable[[str], Path], tmp_path: Path, capsys: Capture, kind: str
) -> None:
    out = tmp_path / "site"
    if kind == "a file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / ("index.html" if kind == "other files" else "board.json")).write_text("mine")
    before = files_of(tmp_path)
    assert main(["board", str(made("alpha")), "--out", str(out)]) == 4
    said = capsys.readouterr().err
    assert said.startswith(f"board: {out} ")
    assert "with --out" in said
    assert files_of(tmp_path) == before


def test_nothing_is_written_where_one_input_is_bad(
    made: Callable[[str], Path], tmp_path: Path, capsys: Capture
) -> None:
    bad = tmp_path / "bad"
    shutil.copytree(made("alpha"), bad)
    (bad / "verdicts.jsonl").write_text("{}\n")
    assert main(["board", str(made("beta")), str(bad), "--out", str(tmp_path / "site")]) == 4
    said = capsys.readouterr().err
    assert said.startswith(f"board: {bad}: verdicts.jsonl: line 1: ")
    assert not (tmp_path / "site").exists()


def test_what_is_given_twice_and_what_is_cut_off_is_told(
    made: Callable[[str], Path], tmp_path: Path, capsys: Capture
) -> None:
    cut = tmp_path / "cut"
    shutil.copytree(made("beta"), cut)
    file = cut / "verdicts.jsonl"
    file.write_bytes(file.read_bytes()[:-30])
    alpha = str(made("alpha"))
    assert main(["board", alpha, alpha, str(cut), "--out", str(tmp_path / "site")]) == 0
    told = capsys.readouterr()
    assert "1 of the runs were given twice" in told.err
    assert f"{cut}: verdicts.jsonl: line" in told.err
    assert ": 2 rows, from 3 runs" in told.out


def test_without_results_or_a_folder_the_use_is_told(capsys: Capture) -> None:
    assert main(["board", "--out", "site"]) == 4
    assert main(["board", "results"]) == 4
    assert "Missing option '--out'" in capsys.readouterr().err

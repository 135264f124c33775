"""What a board is made of is read from folders and archives; what cannot be read is told with its place."""

import gzip
import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from board_runs import failed, whole, written

from tgi_conformance.reports.board import reading
from tgi_conformance.reports.board.reading import BoardInputError, BoardSource, read_sources

Spoil = Callable[[Path], Path]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder that is only read."""
    return written(whole("alpha", failed("IMG-01/a")), tmp_path_factory.mktemp("first"), "tgi-2")


@pytest.fixture
def results(first: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first, tmp_path / "collected_results"))


def only(place: Path) -> BoardSource:
    (source,) = read_sources(place)
    return source


def tar_of(folder: Path, place: Path, mode: str = "w:xz", inside: str = "") -> Path:
    with tarfile.open(place, mode) as archive:  # type: ignore[call-overload]
        archive.add(folder, inside or ".")
    return place


def zip_of(folder: Path, place: Path) -> Path:
    with zipfile.ZipFile(place, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder.parent))
    return place


def test_a_folder_its_files_and_its_archives_are_one_run(results: Path, tmp_path: Path) -> None:
    places = [
        results,
        results / "run.json",
        results / "verdicts.jsonl",
        tar_of(results, tmp_path / "a.tar.xz"),
        tar_of(results, tmp_path / "a.tar.gz", "w:gz", "some/folder"),
        tar_of(results, tmp_path / "a.tar.bz2", "w:bz2"),
        tar_of(results, tmp_path / "a.tar", "w"),
        zip_of(results, tmp_path / "a.zip"),
    ]
    found = [only(place).given for place in places]
    assert all((each.run, each.server) == (found[0].run, "tgi-2") for each in found)
    assert len(found[0].run.verdicts) > 400


def test_a_run_that_names_no_server_was_under_the_usual_one(tmp_path: Path) -> None:
    assert only(written(whole(), tmp_path)).given.server == "tgi-3.3"


def test_the_whole_run_is_taken_then_the_quick_one_then_the_narrowed_one(tmp_path: Path) -> None:
    for how, seed in (({"narrowed": True}, 3), ({"profile": "quick"}, 2), ({}, 1)):
        written(whole(seed=seed, **how), tmp_path / "r")
        assert only(tmp_path / "r").given.run.info.seed == seed
        assert only(tar_of(tmp_path / "r", tmp_path / "a.tar.xz")).given.run.info.seed == seed


def test_the_run_before_is_no_run_of_its_own(tmp_path: Path) -> None:
    for seed in (1, 2):
        written(whole(seed=seed), tmp_path / "r")
    assert (tmp_path / "r" / "previous" / "run.json").is_file()
    assert only(tar_of(tmp_path / "r", tmp_path / "a.tar.xz")).given.run.info.seed == 2


def test_a_folder_of_runs_and_archives_is_all_of_them_by_name(results: Path, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    shutil.copytree(results, folder / "b")
    tar_of(written(whole("gamma"), tmp_path / "g"), folder / "c.tar.xz")
    (folder / "README.md").write_text("what these are")
    (folder / "empty").mkdir()
    assert [source.given.run.backends[0].name for source in read_sources(folder)] == ["alpha", "gamma"]


def test_an_archive_of_several_results_folders_is_all_of_them(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results, tmp_path / "ci" / "one")
    written(whole("gamma"), tmp_path / "ci" / "two")
    names = [
        source.given.run.backends[0].name
        for source in read_sources(zip_of(tmp_path / "ci", tmp_path / "a.zip"))
    ]
    assert names == ["alpha", "gamma"]


def test_evidence_is_read_from_both_and_a_large_one_stays_behind(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "evidence/alpha/IMG-01__a.json"
    content = b'{"$schema":"urn:tgi-conformance:schema:evidence","case":"IMG-01/a"}'
    (results / "evidence" / "alpha").mkdir(parents=True)
    (results / name).write_bytes(content)
    for place in (results, tar_of(results, tmp_path / "a.tar.xz"), zip_of(results, tmp_path / "a.zip")):
        source = only(place)
        assert source.given.evidence == {name}
        assert source.read(name) == content
    monkeypatch.setattr(reading, "MOST_EVIDENCE", len(content) - 1)
    assert only(results).given.evidence == only(tmp_path / "a.tar.xz").given.evidence == set()


def test_a_last_line_that_is_cut_off_is_told(results: Path) -> None:
    file = results / "verdicts.jsonl"
    file.write_bytes(file.read_bytes()[:-40])
    (warning,) = only(results).warnings
    assert "is cut off after" in warning


def edited(name: str, change: Callable[[str], str]) -> Spoil:
    def spoil(folder: Path) -> Path:
        file = folder / name
        file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
        return folder

    return spoil


def member(name: str, value: object) -> Spoil:
    return edited("run.json", lambda text: json.dumps({**json.loads(text), name: value}))


def without(name: str) -> Spoil:
    def spoil(folder: Path) -> Path:
        (folder / name).unlink()
        return folder

    return spoil


def beside(name: str, content: bytes) -> Spoil:
    def spoil(folder: Path) -> Path:
        place = folder.parent / name
        place.write_bytes(content)
        return place

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: folder / "nowhere", "there is no such file or folder"),
        (lambda folder: folder.parent, "no run is there, with run.json and verdicts.jsonl"),
        (without("run.json"), "run.json is not there: it says what was run"),
        (without("verdicts.jsonl"), "no run is there"),
        (edited("run.json", lambda _: "{"), "run.json cannot be read: Expecting"),
        (edited("run.json", lambda _: "[]"), "run.json: not a JSON object"),
        (member("started", "yesterday"), "run.json cannot be read: Invalid isoformat string: 'yesterday'"),
        (member("seed", "x"), "run.json cannot be read: /seed: a string where int is needed"),
        (member("server", 2), "run.json cannot be read: /server: a number where str is needed"),
        (edited("verdicts.jsonl", lambda text: f"x\n{text}"), "verdicts.jsonl: line 1: not JSON"),
        (
            edited("verdicts.jsonl", lambda text: text.replace('"passed"', '"green"', 1)),
            "verdicts.jsonl: line 1: /ruling: 'green' is not one of",
        ),
        (beside("a.tar.xz", b""), "is no archive that can be read"),
        (beside("a.tar.xz", b"\xfd7zXZ\x00 and no more"), "is no archive that can be read (LZMAError"),
        (beside("a.tar.gz", gzip.compress(b"x" * 600)[:-9]), "is no archive that can be read (EOFError"),
        (beside("a.zip", b"PK\x03\x04 and no more"), "is no archive that can be read (BadZipFile"),
        (beside("notes.txt", b"a text " * 200), "is no archive that can be read"),
    ],
)
def test_what_cannot_be_read_is_told_with_place_and_what_to_give(
    results: Path, spoil: Spoil, said: str
) -> None:
    inside = results.parent / "deep" / "results"
    shutil.copytree(results, inside)
    shutil.rmtree(results)
    place = spoil(inside)
    if place == inside.parent:
        shutil.rmtree(inside)
    with pytest.raises(BoardInputError) as found:
        list(read_sources(place))
    text = str(found.value)
    assert text.startswith(str(place))
    assert said in text
    assert text.endswith("give the folder of a run's results, or a tar or zip archive of one")


def test_an_archive_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 1_000_000)
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "verdicts.jsonl").write_bytes(b"\n" * 1_200_000)
    for place in (tar_of(tmp_path / "r", tmp_path / "a.tar.xz"), zip_of(tmp_path / "r", tmp_path / "a.zip")):
        assert place.stat().st_size < 10_000 or place.suffix == ".zip"
        with pytest.raises(BoardInputError, match="it holds more than 1,000,000 bytes"):
            list(read_sources(place))


def test_links_and_paths_out_of_an_archive_lead_nowhere(tmp_path: Path) -> None:
    """Nothing is unpacked, so a member is never more than a name."""
    (tmp_path / "secret").write_text("secret")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("run.json", "evidence/alpha/IMG-01__a.json"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
            archive.addfile(link)
        lines = tarfile.TarInfo("verdicts.jsonl")
        archive.addfile(lines, io.BytesIO(b""))
    with pytest.raises(BoardInputError, match=r"run\.json is not there"):
        list(read_sources(tmp_path / "a.tar"))

"""docs/board/ holds runs that the kit of today makes the board of, the same each time."""

import io
import json
import re
import tarfile
from pathlib import Path

import pytest
from board import INPUTS, ROOT, faces, keep, made, main, parser_of_options
from board_inputs import NotPackable, archive, packed
from board_runs import SUITE, failed, inputs_to_look_at, whole, written
from published_runs import words_of

from tgi_conformance.backends.published.faces import published_clients
from tgi_conformance.contracts.schema.registry import problems
from tgi_conformance.reports.board.reading import read_sources
from tgi_conformance.reports.board.site import site_of
from tgi_conformance.reports.layout import file_name

FILES = sorted(INPUTS.glob("*.tar.xz"))
#: Bytes of all of them.
MOST = 1_500_000


def test_the_inputs_are_small_and_there_are_some_of_each_client() -> None:
    assert sum(file.stat().st_size for file in FILES) <= MOST
    labels = {face.label for face in faces()}
    assert any(file.name.startswith("reference.") for file in FILES)
    kept = {label for label in labels if any(file.name.startswith(f"{label}.") for file in FILES)}
    assert {"reference", "node"} <= kept
    assert [path.name for path in sorted(INPUTS.iterdir())] == ["README.md", *(file.name for file in FILES)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.removesuffix(".tar.xz"))
def test_an_input_is_a_whole_run_of_no_machine(file: Path) -> None:
    (source,) = read_sources(file)
    given = source.given
    info = given.run.info
    assert not info.narrowed
    assert source.warnings == ()
    assert file.name.endswith(f".{file_name(given.server)}.{info.started[:10]}.tar.xz")
    with tarfile.open(file) as held:
        members = held.getmembers()
        texts = {member.name: held.extractfile(member).read().decode() for member in members}  # type: ignore[union-attr]
    assert sorted(texts) == ["run.json", "verdicts.jsonl"]
    assert {(member.mtime, member.uid, member.uname, member.mode) for member in members} == {
        (0, 0, "", 0o644)
    }
    assert problems("run", json.loads(texts["run.json"])) == []
    for text in texts.values():
        assert not re.search(r"/(tmp|home|root|work)/", text)


def test_the_board_is_the_same_when_it_is_made_again(tmp_path: Path) -> None:
    made(tmp_path / "site")
    index = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert index.count("<tr><th") >= len(FILES)


def test_what_is_kept_of_a_run_shows_what_the_run_shows(tmp_path: Path) -> None:
    """But for evidence, which is not kept: the pages of the results are those of the archive."""
    runs = [given.run for given in inputs_to_look_at()[:2]]
    raw = [written(run, tmp_path / f"{number}") for number, run in enumerate(runs)]
    kept = tmp_path / "kept"
    for number, folder in enumerate(raw):
        keep(folder, f"alpha-{number}", kept)
    first = site_of([source.given for place in raw for source in read_sources(place)], SUITE, "0")
    again = site_of([source.given for source in read_sources(kept)], SUITE, "0")
    assert first.files == again.files


def test_an_archive_is_the_same_each_time_and_says_nothing_of_its_maker() -> None:
    files = {"run.json": "{}", "verdicts.jsonl": "é\n"}
    assert archive(files) == archive(dict(reversed(files.items())))
    with tarfile.open(fileobj=io.BytesIO(archive(files))) as held:
        assert held.getnames() == ["run.json", "verdicts.jsonl"]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"profile": "quick"}, "no whole run in it"),
        ({"narrowed": True}, "no whole run in it"),
        ({"by_pytest": True}, "whole runs of the command line only"),
    ],
)
def test_a_part_of_a_run_is_not_kept(tmp_path: Path, how: dict[str, object], why: str) -> None:
    with pytest.raises(NotPackable, match=why):
        packed(written(whole("alpha", **how), tmp_path))


def test_a_path_of_this_machine_is_not_kept(tmp_path: Path) -> None:
    folder = written(whole("alpha", failed("IMG-01/a", reason=f"no {ROOT}/there")), tmp_path)
    with pytest.raises(NotPackable, match="which is of this machine"):
        packed(folder)


def test_each_face_of_the_published_clients_can_be_run_alone(capsys: pytest.CaptureFixture[str]) -> None:
    every = faces()
    assert [face.name for face in every[:2]] == ["reference", "node"]
    named = [f"{face.name}:{face.face}" for face in every[2:]]
    assert named == [f"{client.name}:{face}" for client in published_clients() for face in client.faces]
    assert len({face.label for face in every}) == len(every)
    with pytest.raises(SystemExit):
        main(["--run", "--only", "nobody"])
    assert f"--only nobody: there is reference, node, {named[0]}" in capsys.readouterr().err


def test_the_page_on_the_board_shows_options_that_there_are_and_faces_that_are_known() -> None:
    text = (ROOT / "docs" / "board.md").read_text(encoding="utf-8")
    shown = re.findall(r"^tox -e board -- ([^#\n]+)", text, re.MULTILINE)
    assert len(shown) == 5
    for words in map(str.split, shown):
        given = parser_of_options().parse_args(words)
        assert given.run or given.pack
        assert all(any(face.is_named(word) for face in faces()) for word in given.only or ())


def test_the_words_of_a_face_name_its_environment_or_its_file() -> None:
    for client in published_clients():
        words = words_of(client, client.faces[0], Path("place"))
        if client.language == "python":
            assert words == [
                "--backend",
                client.backend(client.faces[0]),
                "--backend-python",
                "place/bin/python",
            ]
        else:
            assert words == ["--backend-command", f"node place/{client.faces[0]}"]
            assert (ROOT / "backends" / "published" / client.adapter / client.faces[0]).is_file()

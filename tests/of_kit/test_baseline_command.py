"""``baseline update`` as a command: it writes the file, says what is left to do, and refuses the rest."""

from pathlib import Path

import pytest
from verdict_builder import run_of, verdict

from tgi_conformance.cli.baseline.update import update
from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.verdict import Ruling, Sign
from tgi_conformance.reports.atomic import write_json
from tgi_conformance.reports.gate import Exit
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.verdict_lines import write_verdicts

FILE = "expected_failures.toml"
FAILED = verdict("STREAM-12/a", Ruling.FAILED, observed="hang: silence", sign=Sign(outcome="hang"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a whole run in which one case fails and one could not be decided."""
    monkeypatch.chdir(tmp_path)
    layout = Layout(tmp_path / "collected_results")
    run = run_of(FAILED, verdict("STREAM-01/a", Ruling.UNTESTABLE))
    write_verdicts(layout.verdicts, run.verdicts)
    write_json(layout.run, to_json(run.info))
    return tmp_path


def test_it_writes_the_file_and_asks_for_reasons(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert update(baseline=None, results=None) == Exit.OK
    text = (folder / FILE).read_text(encoding="utf-8")
    assert 'cases = ["STREAM-12/a"]' in text
    line = text.splitlines().index("[[expected]]") + 1
    assert capsys.readouterr().out.splitlines() == [
        f"{FILE}: 1 entry added, 0 changed, 0 removed",
        f"{FILE}:{line}: write the reason and the link",
        "1 red case could not be decided and cannot be expected",
    ]


def test_one_reason_and_link_are_written_where_there_are_none(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    update(baseline=None, results=None)
    file = folder / FILE
    file.write_text(
        file.read_text(encoding="utf-8").replace('reason = ""', 'reason = "my own"'), encoding="utf-8"
    )
    capsys.readouterr()
    assert update(baseline=None, results=None, reason="all of them", link="https://example.org/1") == Exit.OK
    text = file.read_text(encoding="utf-8")
    assert 'reason = "my own"' in text
    assert 'link = "https://example.org/1"' in text
    assert "write the reason" not in capsys.readouterr().out


def test_a_second_time_it_leaves_the_file_as_it_is(folder: Path) -> None:
    update(baseline="known.toml", results="collected_results")
    first = (folder / "known.toml").stat()
    assert update(baseline="known.toml", results="collected_results") == Exit.OK
    assert (folder / "known.toml").stat().st_ino == first.st_ino


def test_a_file_that_is_no_baseline_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / FILE).write_text("[claims\n")
    assert update(baseline=None, results=None) == Exit.USAGE
    assert capsys.readouterr().err.startswith(f"{FILE}: not TOML: ")
    assert (folder / FILE).read_text() == "[claims\n"


def test_without_a_run_of_all_cases_it_says_what_to_do(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert update(baseline=None, results="elsewhere") == Exit.USAGE
    assert "there is no run of all cases in elsewhere: run them first" in capsys.readouterr().err
    assert not (folder / FILE).exists()

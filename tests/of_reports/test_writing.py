"""No format can end or redden a run: what one raises is told in a line, and the others are written."""

import errno
from pathlib import Path

import pytest
from verdict_builder import run_of, verdict

from tgi_conformance.contracts.verdict import Ruling
from tgi_conformance.reports import run_folder
from tgi_conformance.reports.finished import FinishedRun
from tgi_conformance.reports.formats.names import ON_REQUEST
from tgi_conformance.reports.gate import Exit, Gate, judge
from tgi_conformance.reports.run_folder import Written, write_all
from tgi_conformance.reports.writing.format import Format
from tgi_conformance.reports.writing.formats import FORMATS

PASSED = verdict("STREAM-12/a")
FAILED = verdict("STREAM-12/b", Ruling.FAILED, reason="it ended")
NAMES = [row.name for row in FORMATS]


def asked(folder: Path) -> dict[str, str]:
    """Every format that must be asked for."""
    return {"allure": str(folder / "allure"), **dict.fromkeys(ON_REQUEST, "yes")}


def _with_broken(
    name: str, error: Exception, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Written, Gate]:
    """A run that is written while one format raises."""

    def broken(_: FinishedRun) -> None:
        raise error

    rows = tuple(
        Format(name=row.name, files=row.files, write=broken, wanted=row.wanted) if row.name == name else row
        for row in FORMATS
    )
    monkeypatch.setattr(run_folder, "FORMATS", rows)
    run = run_of(PASSED)
    written = write_all(run, folder, asked=asked(folder))
    return written, judge(run).without(written.unwritten)


@pytest.mark.parametrize("name", NAMES)
def test_a_format_that_raises_costs_itself_only(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    surrogate = UnicodeEncodeError("utf-8", "\ud83e", 0, 1, "surrogates not allowed")
    written, gate = _with_broken(name, surrogate, tmp_path, monkeypatch)
    (fault,) = written.unwritten
    assert "UnicodeEncodeError" in str(fault)
    assert "test_writing.py:" in str(fault)
    assert "report it" in str(fault)
    assert len(str(fault).splitlines()) == 1
    assert gate.code == Exit.REPORT
    assert str(fault) in gate.reasons
    monkeypatch.undo()
    whole = write_all(run_of(PASSED), tmp_path / "whole", asked=asked(tmp_path)).paths
    lost = {path.name for path in whole} - {path.name for path in written.paths}
    assert lost == set(fault.what.split(", "))


def test_a_full_disk_is_told_in_words_and_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    written, _ = _with_broken("junit", full, tmp_path, monkeypatch)
    (fault,) = written.unwritten
    assert str(fault) == (
        "junit.xml could not be written: No space left on device; "
        "make room or give permission there, or choose another folder for the results"
    )


def test_the_page_and_the_data_show_the_exit_code_that_a_lost_format_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_broken("junit", ValueError("x"), tmp_path, monkeypatch)
    assert '"exit_code": 15' in (tmp_path / "run.json").read_text(encoding="utf-8")
    assert "junit.xml could not be written" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_nothing_is_raised_where_not_even_the_data_can_be_made_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no redaction")

    monkeypatch.setattr(run_folder, "redact_verdict", broken)
    written = write_all(run_of(PASSED), tmp_path)
    assert written.paths == ()
    assert "no redaction" in str(written.unwritten[0])
    assert list(tmp_path.iterdir()) == []


def test_what_is_worse_than_a_lost_report_stays_the_exit_code() -> None:
    lost = ("report.html could not be written",)
    assert judge(run_of(PASSED)).without(lost).code == Exit.REPORT
    assert judge(run_of(PASSED)).without(()).code == Exit.OK
    red = judge(run_of(PASSED, FAILED)).without(lost)
    assert red.code == Exit.FAILED
    assert red.reasons[-1] == lost[0]

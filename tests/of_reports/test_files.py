import json
import stat
from pathlib import Path

import pytest
from report_page import unfolded
from verdict_builder import CANARY, evidence, run_of, verdict

from tgi_conformance.contracts.catalogue.results_keys import RESULTS_KEYS
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.verdict import Ruling
from tgi_conformance.reports import atomic
from tgi_conformance.reports.evidence_files import EvidenceError, read_evidence
from tgi_conformance.reports.formats.names import ON_REQUEST
from tgi_conformance.reports.layout import FILES, Layout, file_name, is_map
from tgi_conformance.reports.run_folder import write_all, write_evidence
from tgi_conformance.reports.verdict_lines import VerdictLinesError, line, read_verdicts, write_verdicts

PASSED = verdict("STREAM-12/a")
FAILED = verdict("STREAM-12/b", Ruling.FAILED, reason="it ended")


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- atomic ---


@pytest.mark.parametrize("failing", ["write", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = atomic.write_text(tmp_path / "map.json", "old")
    real_open = Path.open

    class FullDisk:
        def __init__(self, file: object) -> None:
            self.file = file

        def __enter__(self) -> "FullDisk":
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()  # type: ignore[attr-defined]

        def write(self, content: bytes) -> int:
            self.file.write(content[:1])  # type: ignore[attr-defined]
            raise OSError(28, "No space left on device")

    def refuse(*_: object) -> Path:
        raise OSError(13, "Permission denied")

    if failing == "write":
        monkeypatch.setattr(Path, "open", lambda p, mode: FullDisk(real_open(p, mode)))
    else:
        monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match=r"No space|Permission"):
        atomic.write_text(path, "new")
    monkeypatch.undo()
    assert files(tmp_path) == {"map.json": b"old"}


def test_written_files_have_the_usual_permissions_and_hold_what_utf8_and_json_lack(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    path = atomic.write_json(tmp_path / "deep" / "x.json", {"f": float("nan"), "s": "\ud800"})
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    assert json.loads(path.read_text(encoding="utf-8")) == {"f": {"$float": "nan"}, "s": "\ud800"}
    assert atomic.write_text(tmp_path / "t", "\ud800").read_text(encoding="utf-8") == "\\ud800"


# --- layout ---


def test_file_names_are_safe_and_different_for_different_texts() -> None:
    assert file_name("STREAM-12/fin-after-event-3") == "STREAM-12__fin-after-event-3"
    names = ["a b", "a_b", "a:b", "../x", "..", "", "é", "x" * 300, "x" * 301]
    made = [file_name(name) for name in names]
    assert len(set(made)) == len(names)
    assert all(not name.startswith(".") and "/" not in name and len(name) < 140 for name in made)


# --- run folder ---


def test_a_whole_run_writes_the_guides_map_strictly_and_everything_else_beside_it(tmp_path: Path) -> None:
    written = write_all(run_of(PASSED, FAILED, verdict("DECL-01/a")), tmp_path)
    assert sorted(files(tmp_path)) == sorted(
        [
            *("alpha_test_results.json", "alpha_more_results.json", "verdicts.jsonl"),
            *("junit.xml", "report.html", "report.md", "run.json"),
        ]
    )
    assert {str(path.relative_to(tmp_path)) for path in written.paths} == set(files(tmp_path))
    assert json.loads((tmp_path / "alpha_test_results.json").read_bytes()) == {"streaming": "Failed"}
    more = json.loads((tmp_path / "alpha_more_results.json").read_bytes())
    assert more["results"] == {"new:declarations": "Success"}
    assert more["claims"] == "claims 1 of 24 capabilities"
    assert more["level"] == ""
    assert set(more["left_out"]) >= set(RESULTS_KEYS) - {"streaming"}
    assert json.loads((tmp_path / "run.json").read_bytes())["exit_code"] == 1


def test_a_narrowed_run_touches_no_map_and_writes_into_a_folder_of_its_own(tmp_path: Path) -> None:
    write_all(run_of(PASSED), tmp_path)
    before = files(tmp_path)
    name = write_evidence(tmp_path, evidence("STREAM-12/b"), {"A": CANARY})
    failed = verdict("STREAM-12/b", Ruling.FAILED, evidence=name)
    written = write_all(run_of(failed, narrowed=True), tmp_path, tmp_path)
    after = files(tmp_path)
    assert {name: after[name] for name in before} == before
    assert sorted(set(after) - set(before)) == [
        "narrowed/evidence/alpha/STREAM-12__b.json",
        "narrowed/junit.xml",
        "narrowed/report.html",
        "narrowed/report.md",
        "narrowed/run.json",
        "narrowed/verdicts.jsonl",
    ]
    assert written.comparison == ()
    assert written.maps[0].values == {"streaming": "Failed"}


def test_profile_quick_has_a_folder_of_its_own_with_maps(tmp_path: Path) -> None:
    write_all(run_of(FAILED), tmp_path)
    before = files(tmp_path)
    written = write_all(run_of(PASSED, profile="quick"), tmp_path)
    assert {path.parent for path in written.paths} == {tmp_path / "quick"}
    assert {name: text for name, text in files(tmp_path).items() if not name.startswith("quick/")} == before
    assert json.loads((tmp_path / "quick" / "alpha_test_results.json").read_bytes()) == {
        "streaming": "Success"
    }


def test_evidence_is_read_back_as_it_was_written_but_for_the_keys(tmp_path: Path) -> None:
    name = write_evidence(tmp_path, evidence("STREAM-12/a", text="say \x00 é"), {"A": CANARY})
    back = read_evidence(Layout(tmp_path, unfinished=True).base / name)
    assert back == evidence("STREAM-12/a", text="say \x00 é", key="key:A")


def test_a_broken_evidence_file_says_where_and_what_to_do(tmp_path: Path) -> None:
    path = atomic.write_text(tmp_path / "x.json", '{"case": 3, "backend": "a"}')
    with pytest.raises(EvidenceError, match=r"x\.json: /case: .*run the case again"):
        read_evidence(path)


def test_no_key_is_left_in_any_file_of_a_run(tmp_path: Path) -> None:
    name = write_evidence(tmp_path, evidence("SEC-01/a", text=f"x{CANARY}y"), {"A": CANARY})
    # A verdict that a worker forgot to redact, and a description that holds a key.
    leaky = verdict(
        "SEC-01/a", Ruling.FAILED, reason=CANARY, observed=f"k={CANARY}", record=[CANARY], evidence=name
    )
    run = run_of(leaky, command=f"HF_API_KEY={CANARY} tgi-conformance run", selection=CANARY)
    write_all(run, tmp_path)
    page = unfolded((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "key:A" in page
    assert "key:?" in page
    assert CANARY[3:] not in page
    for path, content in files(tmp_path).items():
        assert CANARY.encode() not in content, path
        assert CANARY[3:].encode() not in content, path


def test_a_case_whose_evidence_is_gone_is_reported_all_the_same(tmp_path: Path) -> None:
    write_all(run_of(verdict("SEC-01/a", Ruling.FAILED, evidence="evidence/alpha/gone.json")), tmp_path)
    page = unfolded((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "The evidence could not be read" in page


@pytest.mark.parametrize(
    ("expected", "differences", "problem"),
    [
        ('{"streaming": "Failed"}', [], False),
        ('{"streaming": "Success"}', [("streaming", "Success", "Failed")], False),
        (
            '{"chat_method": "Success"}',
            [("streaming", None, "Failed"), ("chat_method", "Success", None)],
            False,
        ),
        ("[]", [], True),
        ('{"streaming": true}', [], True),
        ("{", [], True),
    ],
)
def test_a_map_is_compared_with_the_expected_one_of_its_name(
    expected: str, differences: list[JSON], *, problem: bool, tmp_path: Path
) -> None:
    atomic.write_text(tmp_path / "expected" / "alpha_test_results.json", expected)
    beta = verdict("STREAM-12/b", backend="beta")
    written = write_all(run_of(FAILED, beta), tmp_path / "out", tmp_path / "expected")
    (comparison,) = written.comparison  # none for beta, which has no expected map
    assert [(d.key, d.expected, d.found) for d in comparison.differences] == differences
    assert bool(comparison.problem) is problem
    assert comparison.same is (not differences and not problem)


def test_a_key_that_an_untestable_case_left_open_differs_and_says_why(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "expected" / "alpha_test_results.json", '{"streaming": "Success"}')
    unclear = verdict("STREAM-12/b", Ruling.UNTESTABLE, reason="failed once")
    written = write_all(run_of(unclear), tmp_path / "out", tmp_path / "expected")
    (difference,) = written.comparison[0].differences
    told = "streaming: expected Success, found no entry (untestable: STREAM-12/b: failed once)"
    assert str(difference) == told


# --- verdict lines ---


def test_verdicts_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    verdicts = (PASSED, verdict("MUX-01/a", Ruling.RECORDED, record={"n": [1, None]}, reason="\u2028\ud800é"))
    path = write_verdicts(tmp_path / "v.jsonl", verdicts)
    assert path.read_bytes().count(b"\n") == 2
    assert read_verdicts(path).verdicts == verdicts
    assert read_verdicts(path).warning == ""


def test_a_last_line_cut_anywhere_is_left_out_with_a_warning(tmp_path: Path) -> None:
    first, second = line(PASSED), line(FAILED)
    for cut in range(1, len(second)):
        path = atomic.write_text(tmp_path / "v.jsonl", f"{first}\n{second[:cut]}")
        read = read_verdicts(path)
        assert read.verdicts == (PASSED,), cut
        assert "line 2 is cut off" in read.warning
    whole = read_verdicts(atomic.write_text(tmp_path / "v.jsonl", f"{first}\n{second}"))
    assert (whole.verdicts, whole.warning) == ((PASSED, FAILED), "")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", r"line 2: not JSON"),
        ('{"case": "a"}', r"line 2"),
        ('{"x": 1}', r"line 2: /x"),
        ('{"version": 2}', r"line 2: /version: 2; this kit reads version 1"),
    ],
)
def test_another_bad_line_is_an_error_that_names_its_place(row: str, message: str, tmp_path: Path) -> None:
    path = atomic.write_text(tmp_path / "v.jsonl", f"{line(PASSED)}\n{row}\n{line(PASSED)}\n")
    with pytest.raises(VerdictLinesError, match=message):
        read_verdicts(path)


def test_every_file_of_a_run_is_known_by_name_so_that_it_changes_places(tmp_path: Path) -> None:
    written = write_all(run_of(PASSED, FAILED), tmp_path, asked=dict.fromkeys(ON_REQUEST, "yes"))
    assert {path.name for path in written.paths if not is_map(path.name)} == FILES


def test_the_layout_names_evidence_relative_to_its_base(tmp_path: Path) -> None:
    layout = Layout(tmp_path, narrowed=True)
    assert layout.relative(layout.evidence_file("alpha", "GEN-01/x")) == "evidence/alpha/GEN-01__x.json"

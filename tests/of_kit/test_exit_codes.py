"""What fails a run, from a shell: baseline, level, what is new, the floor, each with its exit code."""

from pathlib import Path

import pytest
from mini_backend import Done, run_cli, run_pytest

from tgi_conformance.reports.verdict_lines import read_verdicts

HEAD = """
import pytest
from tgi_conformance.suites.harness.rulings import Untestable
"""
TEST = """
@pytest.mark.clause("{clause}", case="{slug}")
def test_{name}():
    {body}
"""
PASSES = "pass"
FAILS = 'assert False, "expected: one\\\\nobserved: two"'
HANGS = 'assert False, "expected: one\\\\nobserved: hang: silence"'
UNTESTABLE = 'raise Untestable("failed once")'
BASELINE = """[claims]
own-tests = []

[[expected]]
cases = {cases}
failure = "observed: two"
reason = "known"
link = "https://example.org/1"
expires = {expires}
"""
#: The reference, claiming little, so that a run of all cases is short; and the same with a bug.
LITTLE = """
from dataclasses import replace

from tgi_conformance.backends.reference.adapter import ReferenceAdapter


class Little(ReferenceAdapter):
    def describe(self):
        name = type(self).__name__.lower()
        return replace(super().describe(), name=name, capabilities=["core", "native"])


class Strips(Little):
    def generate(self, prompt, **given):
        return super().generate(prompt.strip(), **given)
"""


def own(folder: Path, **bodies: str) -> Path:
    """A project of a user with a case for each body: ``GEN_01_a=FAILS``."""
    tests = []
    for name, body in bodies.items():
        area, number, slug = name.split("_")
        tests.append(TEST.format(clause=f"{area}-{number}", slug=slug, name=name.lower(), body=body))
    (folder / "test_own.py").write_text(HEAD + "".join(tests), encoding="utf-8")
    return folder


def expecting(folder: Path, cases: str, *, expires: str = "2099-12-31") -> Path:
    text = BASELINE.format(cases=cases, expires=expires)
    (folder / "expected_failures.toml").write_text(text, encoding="utf-8")
    return folder


def code(done: Done, expected: int) -> Done:
    assert done.code == expected, done.out
    return done


# --- a level, what is new, the floor ---


@pytest.mark.parametrize(
    ("bodies", "words", "expected"),
    [
        ({"GEN_01_a": PASSES}, (), 0),
        ({"GEN_01_a": FAILS}, (), 1),
        ({"GEN_01_a": FAILS}, ("--tgi-level=safe",), 0),
        ({"GEN_01_a": FAILS}, ("--tgi-level=sound",), 1),
        ({"SEC_01_a": FAILS}, ("--tgi-level=safe",), 1),
        ({"GEN_07_a": FAILS}, (), 0),
        ({"GEN_07_a": FAILS}, ("--tgi-enforce=should",), 1),
        ({"GEN_07_a": FAILS}, ("--tgi-level=sound",), 0),
        ({"GEN_07_a": FAILS}, ("--tgi-level=exemplary",), 1),
        ({"GEN_07_a": FAILS}, ("--tgi-level=exemplary", "--tgi-enforce=should"), 1),
        ({"GEN_07_a": FAILS}, ("--tgi-level=sound", "--tgi-enforce=should"), 4),
        ({"GEN_01_a": UNTESTABLE}, (), 13),
        ({"GEN_01_a": UNTESTABLE}, ("--tgi-level=safe",), 0),
        ({"GEN_01_a": UNTESTABLE, "GEN_01_b": PASSES}, ("--tgi-floor=50",), 0),
        ({"GEN_01_a": UNTESTABLE, "GEN_01_b": PASSES}, ("--tgi-floor=51",), 13),
        ({"GEN_01_a": PASSES}, ("--tgi-floor=0",), 4),
        ({"GEN_01_a": PASSES}, ("--tgi-against=old",), 4),
        ({"GEN_01_a": PASSES}, ("--tgi-fail-on=new", "--tgi-against=old"), 4),
        ({"GEN_01_a": FAILS}, ("--tgi-fail-on=new",), 1),
    ],
)
def test_the_exit_code(bodies: dict[str, str], words: tuple[str, ...], expected: int, tmp_path: Path) -> None:
    code(run_pytest(own(tmp_path, **bodies), *words), expected)


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_only_what_is_new_fails_also_with_workers(workers: tuple[str, ...], tmp_path: Path) -> None:
    own(tmp_path, GEN_01_a=FAILS, GEN_01_b=PASSES)
    code(run_pytest(tmp_path, "--tgi-results=first", *workers), 1)
    words = (*workers, "--tgi-fail-on=new", "--tgi-against=first/narrowed")
    again = code(run_pytest(tmp_path, *words), 0)
    assert "not judged: 1 red case that first/narrowed had red too, the first GEN-01/a" in again.out
    own(tmp_path, GEN_01_a=FAILS, GEN_01_b=FAILS)
    code(run_pytest(tmp_path, *words), 1)


def test_a_failure_that_is_no_verdict_fails_the_session_whatever_the_level(tmp_path: Path) -> None:
    own(tmp_path, GEN_01_a=FAILS)
    (tmp_path / "test_plain.py").write_text("def test_plain():\n    assert False\n", encoding="utf-8")
    code(run_pytest(tmp_path, "--tgi-level=safe"), 1)


# --- the baseline ---


@pytest.mark.parametrize(
    ("bodies", "cases", "expires", "said"),
    [
        ({"GEN_01_a": PASSES}, '"GEN-01/a"', "2099-12-31", "unexpected pass: GEN-01/a passes"),
        (
            {"GEN_01_a": FAILS, "GEN_01_b": PASSES},
            '"GEN-01/*"',
            "2099-12-31",
            "only a part still fails, 1 of 2 cases",
        ),
        ({"GEN_01_a": HANGS}, '"GEN-01/a"', "2099-12-31", "another failure than the expected one: GEN-01/a"),
        ({"GEN_01_a": FAILS}, '"GEN-01/a"', "2020-01-31", "expired on 2020-01-31"),
        (
            {f"GEN_01_n{n}": FAILS for n in range(21)},
            '"GEN-*"',
            "2099-12-31",
            "too wide: its patterns name 21",
        ),
    ],
)
def test_what_differs_from_the_baseline_is_ten_with_its_line(
    bodies: dict[str, str], cases: str, expires: str, said: str, tmp_path: Path
) -> None:
    expecting(own(tmp_path, **bodies), cases, expires=expires)
    done = code(run_pytest(tmp_path, "--tgi-seed=1"), 10)
    assert f"expected_failures.toml:4: {said}" in done.out


def test_expected_failures_fail_nothing_and_the_debt_is_told(tmp_path: Path) -> None:
    expecting(own(tmp_path, GEN_01_a=FAILS), '"GEN-01/a"')
    done = code(run_pytest(tmp_path, "--tgi-seed=1"), 0)
    assert done.rulings() == {"GEN-01/a": "expected"}
    assert "1 known failure (1 entry of expected_failures.toml)" in done.out
    code(run_pytest(tmp_path, "--tgi-baseline=none"), 1)


def test_an_entry_without_a_reason_is_refused_before_anything_is_run(tmp_path: Path) -> None:
    expecting(own(tmp_path, GEN_01_a=FAILS), '"GEN-01/a"')
    file = tmp_path / "expected_failures.toml"
    file.write_text(file.read_text().replace('"known"', '""'))
    done = code(run_pytest(tmp_path, "--tgi-seed=1"), 4)
    assert "expected_failures.toml:7: reason is missing" in done.out
    assert not (tmp_path / "collected_results").exists()


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_a_broken_baseline_is_wrong_use_also_where_no_option_names_the_kit(
    workers: tuple[str, ...], tmp_path: Path
) -> None:
    own(tmp_path, GEN_01_a=PASSES)
    (tmp_path / "expected_failures.toml").write_text("[claims", encoding="utf-8")
    done = code(run_pytest(tmp_path, *workers), 4)
    assert "expected_failures.toml: not TOML" in done.out
    assert "ERRORS" not in done.out


def test_the_guides_profile_fails_for_each_key_that_nothing_decides(tmp_path: Path) -> None:
    (tmp_path / "little.py").write_text(LITTLE, encoding="utf-8")
    done = code(
        run_cli(tmp_path, "run", "--backend", "little.py:Little", "--profile", "tgi-guide", "-n", "2"), 1
    )
    failed = {case for case, ruling in done.rulings(narrowed=False).items() if ruling == "failed"}
    assert "DECL-01/demanded-streaming" in failed
    assert all(case.startswith("DECL-01/") for case in failed)


def test_a_baseline_from_the_first_red_run_to_the_next_defect(tmp_path: Path) -> None:
    """A client that is red today: what it breaks is written down, and a change is told with its line."""
    (tmp_path / "little.py").write_text(LITTLE, encoding="utf-8")
    run = ("run", "--backend", "little.py:Strips", "-n", "2")
    code(run_cli(tmp_path, *run), 1)
    asked = code(run_cli(tmp_path, "baseline", "update"), 0)
    assert "expected_failures.toml:8: write the reason and the link" in asked.out
    code(run_cli(tmp_path, *run), 4)

    known_before = code(run_cli(tmp_path, *run, "--baseline", "none", "--fail-on", "new"), 0)
    assert "not judged: 5 red cases that the last run had red too" in known_before.out

    file = tmp_path / "expected_failures.toml"
    text = file.read_text(encoding="utf-8").replace('reason = ""', 'reason = "it strips prompts"')
    file.write_text(text.replace('link = ""', 'link = "https://example.org/1"'), encoding="utf-8")
    known = code(run_cli(tmp_path, *run), 0)
    assert "5 known failures (1 entry of expected_failures.toml)" in known.out
    assert not [v for v in read_verdicts(tmp_path / "collected_results" / "verdicts.jsonl").verdicts if v.red]
    assert "0 entries added, 0 changed, 0 removed" in run_cli(tmp_path, "baseline", "update").out

    more = file.read_text(encoding="utf-8").replace('"core", "native"', '"core", "native", "chat"')
    file.write_text(more, encoding="utf-8")
    differs = code(run_cli(tmp_path, *run, "--case", "REQ-02"), 10)
    assert "expected_failures.toml:5: strips claims no chat any more" in differs.out

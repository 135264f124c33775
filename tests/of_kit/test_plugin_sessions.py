"""The plugin in pytest sessions of another project, each in a process of its own."""

import json
from pathlib import Path

import pytest
from mini_backend import MINI, Done, run_pytest

OWN = """
import pytest
from tgi_conformance.contracts.verdict import Finding
from tgi_conformance.suites.harness.rulings import NotHere, Untestable
from tgi_conformance.suites.harness.session import RECORD

clause = pytest.mark.clause


@clause("RETRY-03")
@pytest.mark.parametrize("code", [400, 401])
def test_sent_once(code):
    assert code == 400, "expected: one POST\\nobserved: two"


@clause("INIT-09")
def test_should():
    assert False, "dropped in silence"


@clause("STREAM-28")
def test_may():
    assert False, "does so"


@clause("INIT-01", case="twin")
def test_twin():
    raise Untestable("the twin failed")


@clause("INIT-02")
def test_elsewhere():
    raise NotHere("real endpoints only")


@clause("INIT-05")
def test_findings(request):
    record = request.node.stash[RECORD]
    record.keys["A"] = "hf_" + "K" * 34
    record.findings.append(Finding(clause="SEC-01", message="seen " + record.keys["A"]))


def test_plain():
    pass
"""
RULINGS = {
    "INIT-01/twin": "untestable",
    "INIT-02/elsewhere": "not here",
    "INIT-05/findings": "passed",
    "INIT-09/should": "advisory",
    "RETRY-03/400": "passed",
    "RETRY-03/401": "failed",
    "SEC-01/run-wide": "failed",
    "STREAM-28/may": "recorded",
}
OWN_PROPERTY = """
import pytest
from hypothesis import given, strategies as st


@pytest.mark.clause("RETRY-03")
def test_of_the_kit():
    pass


@given(st.text())
def test_own(text):
    assert len(text) < 3
"""
PASSES = """
import pytest

@pytest.mark.clause("RETRY-03")
def test_fine():
    pass
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "mini.py").write_text(MINI)
    return tmp_path


def _write(project: Path, **files: str) -> None:
    for name, text in files.items():
        (project / f"{name}.py").write_text(text)


def test_each_outcome_becomes_its_ruling_and_gates(project: Path) -> None:
    _write(project, test_own=OWN)
    done = run_pytest(project, "-q", "--tgi-seed=5")
    assert done.rulings() == RULINGS
    assert done.code == 1, done.out
    assert "1 failed, 3 passed, 1 skipped, 2 xfailed, 1 error" in done.out
    by_case = {v["case"]: v for v in done.verdicts(narrowed=True)}
    failed = by_case["RETRY-03/401"]
    assert (failed["expected"], failed["observed"], failed["seed"]) == ("one POST", "two", 5)
    assert failed["results_key"] == "error_handling_400"
    base = project / "collected_results" / "narrowed"
    assert json.loads((base / str(failed["evidence"])).read_text())["longrepr"]
    assert "KKKK" not in "".join(file.read_text() for file in base.rglob("*") if file.is_file())


def test_hypothesis_leaves_nothing_in_the_users_folder(project: Path) -> None:
    words = ["--pyargs", "tgi_conformance.suites", "--tgi-backend=mini:Mini", "-n1", "-q"]
    done = run_pytest(project, *words, "--tgi-profile=quick", "--tgi-case=RESP-02/property*")
    assert "passed" in done.out, done.out
    assert not (project / ".hypothesis").exists()


def test_hypothesis_keeps_the_examples_of_a_users_own_properties_where_it_always_did(project: Path) -> None:
    _write(project, test_own=OWN_PROPERTY)
    done = run_pytest(project, "-q", "-p", "_hypothesis_pytestplugin", "--tgi-backend=mini:Mini")
    assert done.code == 1, done.out
    assert (project / ".hypothesis" / "examples").is_dir()


def test_workers_reach_the_same_rulings_without_any_option(project: Path) -> None:
    _write(project, test_own=OWN)
    done = run_pytest(project, "-q", "-n2")
    assert done.rulings() == RULINGS
    assert done.code == 1, done.out
    assert {v.get("worker", "") for v in done.verdicts(narrowed=True) if v["case"] != "SEC-01/run-wide"} <= {
        "gw0",
        "gw1",
    }
    assert [path for path in (project / "tmp").iterdir() if path.name.startswith("tgi-conformance")] == []


def test_enforcing_should_turns_advisory_to_failed(project: Path) -> None:
    _write(project, test_own=OWN)
    done = run_pytest(project, "-q", "--tgi-enforce=should", "--tgi-case=INIT-09")
    assert done.rulings() == {"INIT-09/should": "failed"}
    assert done.code == 1


def test_a_run_wide_breach_alone_fails_the_run(project: Path) -> None:
    _write(project, test_own=OWN)
    done = run_pytest(project, "-q", "--tgi-case=INIT-05/*")
    assert done.rulings() == {"INIT-05/findings": "passed", "SEC-01/run-wide": "failed"}
    assert done.code == 1
    assert "passed" in done.out


def test_patterns_leave_out_the_rest_and_say_so_if_they_name_nothing(project: Path) -> None:
    _write(project, test_own=OWN)
    done = run_pytest(project, "-q", "--tgi-case=RETRY-03/400", "--tgi-case=GEN-*", "--tgi-enforce=must")
    assert done.rulings() == {"RETRY-03/400": "passed"}
    assert "--tgi-case GEN-*: no case that was collected has that name" in done.out
    assert done.code == 0, done.out


def test_a_dead_worker_costs_its_case_only(project: Path) -> None:
    dying = PASSES + "\n@pytest.mark.clause('RETRY-01')\ndef test_dies():\n    import os\n    os._exit(3)\n"
    _write(project, test_own=dying)
    done = run_pytest(project, "-q", "-n1", "--tgi-seed=1")
    assert done.rulings() == {"RETRY-01/dies": "not run", "RETRY-03/fine": "passed"}
    assert done.code == 1, done.out


def test_an_interrupted_run_lists_what_was_not_run(project: Path) -> None:
    stopped = "import pytest\n@pytest.mark.clause('INIT-01')\ndef test_a():\n    raise KeyboardInterrupt\n"
    _write(project, test_a=stopped, test_b=PASSES)
    done = run_pytest(project, "-q", "--tgi-seed=1")
    assert done.rulings() == {"INIT-01/a": "not run", "RETRY-03/fine": "not run"}
    assert done.code == 2, done.out


def test_doubled_ids_are_a_kit_fault_that_names_both(project: Path) -> None:
    _write(project, test_a=PASSES, test_b=PASSES)
    done = run_pytest(project, "-q", "--tgi-seed=1")
    assert done.code == 11, done.out
    assert "test_a.py::test_fine and test_b.py::test_fine" in done.out


@pytest.mark.parametrize("mark", ["'RETRY-99'", "'RETRY-03', case='a b'"])
def test_a_marker_that_says_nothing_usable_is_a_kit_fault(project: Path, mark: str) -> None:
    _write(project, test_a=f"import pytest\n@pytest.mark.clause({mark})\ndef test_x():\n    pass\n")
    done = run_pytest(project, "-q", "--tgi-seed=1")
    assert done.rulings() == {"KIT/test-x": "kit fault"}
    assert done.code == 11, done.out


def test_a_project_without_clauses_is_left_alone(project: Path) -> None:
    _write(project, test_a="def test_x():\n    pass\n")
    done = run_pytest(project, "-q", "-n1")
    assert done.code == 0, done.out
    assert "TGI" not in done.out
    assert not (project / "collected_results").exists()


def test_bad_options_are_wrong_use(project: Path) -> None:
    _write(project, test_a=PASSES)
    for words, said in (
        (["--tgi-seed=x"], "whole number"),
        (["--tgi-deadline=-1"], "above 0"),
        (["--tgi-backend=nonsense"], "mypkg.adapter:MyAdapter"),
    ):
        done = run_pytest(project, "-q", *words)
        assert done.code == 4, done.out
        assert said in done.out


BACKEND = """
import pytest

@pytest.mark.clause("REQ-01")
@pytest.mark.load
def test_endpoint(tgi_backend):
    made = tgi_backend.run("create_endpoint", {"base_url": "http://127.0.0.1:9", "api_key": "k"})
    assert made.returned

@pytest.mark.clause("STREAM-01")
def test_streams(tgi_backend):
    pass
"""


def test_several_backends_get_the_same_cases_and_a_map_each(project: Path) -> None:
    _write(project, test_own=BACKEND)
    done = run_pytest(project, "-q", "--tgi-backend=mini.py:Mini", "--tgi-backend=mini.py:Twin", "-n2")
    assert done.code == 0, done.out
    found = {(v["backend"], v["case"], v["ruling"]) for v in done.verdicts(narrowed=True)}
    assert found == {
        (backend, case, ruling)
        for backend in ("mini", "twin")
        for case, ruling in (("REQ-01/endpoint", "passed"), ("STREAM-01/streams", "not applicable"))
    }
    reasons = {v.get("reason", "") for v in done.verdicts(narrowed=True)} - {""}
    assert reasons == {"capability stream is not claimed"}


def test_a_backend_that_does_not_start_ends_with_12(project: Path) -> None:
    _write(project, test_own=BACKEND)
    done = run_pytest(project, "-q", "--tgi-backend=mini.py:Broken")
    assert done.code == 12, done.out
    assert "no licence" in done.out
    assert "-> the class is made without arguments" in done.out


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_nothing_is_overwritten_where_no_backend_starts(project: Path, workers: str) -> None:
    _write(project, test_own=BACKEND)
    old = project / "collected_results" / "mini_test_results.json"
    old.parent.mkdir()
    old.write_text("{}")
    done = run_pytest(project, "-q", "--tgi-backend=mini.py:Broken", workers)
    assert done.code == 12, done.out
    assert "no case was run" in done.out
    assert [path.name for path in old.parent.rglob("*")] == [old.name]


def test_where_one_backend_does_not_start_the_others_are_run(project: Path) -> None:
    _write(project, test_own=BACKEND)
    done = run_pytest(project, "-q", "--tgi-backend=mini.py:Broken", "--tgi-backend=mini.py:Twin", "-n2")
    assert done.code == 12, done.out
    assert done.out.count("the backend did not start (create): RuntimeError: no licence (backend: ") == 2
    assert {v["backend"] for v in done.verdicts(narrowed=True)} == {"twin"}


def test_a_session_that_needs_no_backend_starts_none(project: Path) -> None:
    _write(project, test_own="def test_plain(tgi_server):\n    assert tgi_server.base_url\n")
    assert run_pytest(project, "-q").code == 0
    assert run_pytest(project, "-q", "--collect-only", "--tgi-backend=mini.py:Broken").code == 0


def test_suites_run_in_a_project_that_calls_its_tests_otherwise(project: Path) -> None:
    (project / "pytest.ini").write_text("[pytest]\npython_files = check_*.py\n")
    _write(project, conftest="import pytest\n@pytest.fixture(autouse=True)\ndef meddling():\n    yield\n")
    done = _suites(project)
    assert set(done.rulings().values()) <= {"passed", "not applicable"}
    assert "passed" in done.rulings().values()
    assert done.code == 0, done.out
    assert "fixture 'meddling' of conftest touches" in done.out


def _suites(project: Path) -> Done:
    return run_pytest(
        project,
        *("-q", "-n2", "--pyargs", "tgi_conformance.suites", "--tgi-backend=mini.py:Mini"),
        "--tgi-case=INIT-05",
    )

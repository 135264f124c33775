"""The commands that a report prints are run in a shell, and show what the report shows."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from mini_backend import MINI, Done, environment_in, run_cli
from verdict_builder import run_of, verdict

from tgi_conformance.backends.driver.spec import HOST, parse_backend
from tgi_conformance.contracts.codec import from_json
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.verdict import Breach, Ruling
from tgi_conformance.plugin.ending.repeated import _naming
from tgi_conformance.reports.repro import repro_command
from tgi_conformance.reports.run import BackendInfo, RunInfo
from tgi_conformance.reports.verdict_lines import read_verdicts

#: Looks a name up and answers in another way where a variable says so that the run hands on.
ODD = f"""{MINI}

class Odd(Mini):
    NAME = "odd"

    def generate(self, prompt, **options):
        import os, socket
        if os.environ.get("ODD") != 'a "b" $c':
            return super().generate(prompt, **options)
        try:
            socket.getaddrinfo("telemetry.example.com", 443)
        except OSError:
            pass
        return super().generate(prompt, **options) + "!"
"""
WORDS = ["-n", "0", "--seed", "7", "--backend-env", 'ODD=a "b" $c', "--profile", "thorough"]
CASES = ["--case", "RESP-01", "--case", "INIT-01/journal-native"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "my client"
    folder.mkdir()
    (folder / "odd.py").write_text(ODD)
    # Another path of this interpreter: the kit takes it for one of the client's own.
    (tmp_path / "client's python").symlink_to(sys.executable)
    return tmp_path


def _info(done: Done) -> RunInfo:
    value: dict[str, JSON] = json.loads((done.folder / "collected_results/narrowed/run.json").read_text())
    known = RunInfo.__dataclass_fields__
    return from_json(RunInfo, {name: field for name, field in value.items() if name in known})


@pytest.mark.parametrize(
    "named",
    [
        ["--backend", "my client/odd.py:Odd", "--backend-python", "client's python"],
        [
            "--backend",
            "my client/odd.py:Odd",
            "--backend-command",
            shlex.join([sys.executable, "-u", str(HOST)]),
        ],
    ],
    ids=["python", "command"],
)
def test_every_printed_command_of_a_red_run_shows_the_same_case_red(named: list[str], project: Path) -> None:
    done = run_cli(project, "run", *named, *WORDS, *CASES)
    assert done.code == 1, done.out
    verdicts = read_verdicts(project / "collected_results" / "narrowed" / "verdicts.jsonl").verdicts
    red = [verdict for verdict in verdicts if verdict.red]
    assert {verdict.case for verdict in red} > {"REAL-01/run-wide"}
    info = _info(done)
    environment = environment_in(project)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    for seen in red:
        command = repro_command(info, seen)
        again = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=project,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert again.returncode == 1, f"{command}\n{again.stdout}{again.stderr}"
        assert Done(1, "", project).rulings()[seen.case] == "failed", command


def test_a_run_wide_ruling_links_all_it_rests_on_and_can_be_named(project: Path) -> None:
    words = ["--backend", "my client/odd.py:Odd", *WORDS]
    done = run_cli(project, "run", *words, "--case", "INIT-01/journal-native", "--case", "INIT-05")
    assert done.code == 1, done.out
    base = project / "collected_results" / "narrowed"
    verdicts = {v.case: v for v in read_verdicts(base / "verdicts.jsonl").verdicts}
    ruling = verdicts["REAL-01/run-wide"]
    assert ruling.breaches
    for breach in ruling.breaches:
        assert (base / breach.evidence).is_file(), breach
        assert verdicts[breach.case].evidence == breach.evidence
    again = run_cli(project, "run", *words, "--case", "real-01/run-wide")
    assert again.code == 1, again.out
    seen = {breach.case for breach in ruling.breaches}
    count = f"{len(seen)} case{'' if len(seen) == 1 else 's'}"
    assert f"running the {count} that it was last seen in" in again.out
    assert seen <= again.rulings().keys()
    assert again.rulings()["REAL-01/run-wide"] == "failed"


# --- the command alone ---


def test_a_backend_is_named_as_the_user_named_it(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(sys.executable)
    named = "tgi_conformance.backends.published.huggingface_hub_adapter:Adapter"
    spec = parse_backend(named, python=str(tmp_path / "python"))
    assert spec.adapter.endswith("huggingface_hub_adapter.py:Adapter")  # what the other interpreter is told
    assert dict(_naming(spec, inproc=False))["--tgi-backend"] == named


def test_a_run_wide_ruling_is_shown_by_a_few_of_its_cases() -> None:
    breaches = tuple(Breach(case=f"GEN-0{number}/a", message="m") for number in (3, 1, 1, 4, 5))
    run = run_of(verdict("SEC-01/run-wide", Ruling.FAILED, breaches=breaches))
    assert repro_command(run.info, run.verdicts[0]) == (
        "tgi-conformance run --backend alpha.adapter:A "
        "--case GEN-03/a --case GEN-01/a --case GEN-04/a --seed 7"
    )


def test_a_test_of_the_users_own_is_run_again_by_pytest() -> None:
    backend = BackendInfo(name="alpha", options=(("--tgi-backend", "alpha.adapter:A"),))
    run = run_of(
        verdict("RETRY-03/own", Ruling.FAILED, nodeid="test_own.py::test_a[x y]"),
        backends=(backend,),
        by_pytest=True,
        options=(("--tgi-backend-env", "-X"), ("--tgi-inproc", "")),
    )
    assert repro_command(run.info, run.verdicts[0]) == (
        "pytest 'test_own.py::test_a[x y]' --tgi-backend alpha.adapter:A --tgi-backend-env=-X "
        "--tgi-inproc --tgi-seed 7"
    )
    suites = verdict("RETRY-03/x", Ruling.FAILED, nodeid="venv/tgi_conformance/suites/test_retry.py::test_x")
    assert repro_command(run.info, suites).startswith("tgi-conformance run --backend alpha.adapter:A ")


def test_only_a_forwarded_case_needs_the_real_endpoint() -> None:
    run = run_of(real_options=(("--tgi-endpoint", "https://tgi.example.org"),))
    forwarded = repro_command(run.info, verdict("RESP-01/a", Ruling.FAILED, real="forwarded"))
    assert "--tgi-endpoint https://tgi.example.org --case RESP-01/a" in forwarded
    embedded = repro_command(run.info, verdict("RESP-01/a", Ruling.FAILED, real="embedded"))
    assert "endpoint" not in embedded

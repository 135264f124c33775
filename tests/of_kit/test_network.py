"""What a run says of a backend that reaches beyond this machine, and what it hands on to a backend."""

import json
from pathlib import Path

import pytest
from mini_backend import MINI, run_cli, run_pytest

from tgi_conformance.backends.driver.environment import handed_on
from tgi_conformance.backends.driver.spec import BackendSpecError
from tgi_conformance.contracts.outside import Outside
from tgi_conformance.contracts.verdict import Finding, Ruling, Verdict
from tgi_conformance.plugin.run_wide import rule_run_wide
from tgi_conformance.reports.network import network_of
from tgi_conformance.reports.run import BackendInfo

LOOKS_UP = f"""{MINI}

class LooksUp(Mini):
    '''Looks a name up before each call, as clients with telemetry do.'''

    NAME = "looks-up"

    def generate(self, prompt, **options):
        import os, socket
        try:
            socket.getaddrinfo("telemetry.example.com", 443)
        except OSError:
            pass
        if "SHOWN" in os.environ:
            print("shown:", os.environ["SHOWN"])
        return super().generate(prompt, **options)
"""
#: Calls of one shape, a process of its own, and REAL-01's own cases.
CASES = ("--case", "INIT-01", "--case", "REAL-01", "--case", "INIT-05")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "looks.py").write_text(LOOKS_UP)
    return tmp_path


def test_look_ups_elsewhere_are_one_red_and_told_with_their_number(project: Path) -> None:
    done = run_cli(project, "run", "--backend", "looks:LooksUp", "-n", "0", *CASES)
    assert done.code == 1, done.out
    assert [case for case, ruling in done.rulings().items() if ruling == "failed"] == ["REAL-01/run-wide"]
    assert "network: loopback only, by an audit hook in the backend's process" in done.out
    assert (
        " attempts to leave this machine, refused, 0.0 s in all: look-up telemetry.example.com (" in done.out
    )
    narrowed = project / "collected_results" / "narrowed"
    (backend,) = json.loads((narrowed / "run.json").read_text())["backends"]
    assert backend["fence"] == "audit-hook"
    assert "attempts to leave this machine, refused" in (narrowed / "report.html").read_text()
    assert '<property name="fence" value="audit-hook"' in (narrowed / "junit.xml").read_text()


def test_an_opened_network_is_not_judged_but_told(project: Path) -> None:
    words = ["--backend", "looks:LooksUp", "-n", "0", "--case", "INIT-01/journal*", "--allow-network"]
    done = run_cli(project, "run", *words)
    assert done.code == 0, done.out
    assert done.rulings()["REAL-01/run-wide"] == "not applicable"
    assert "network: open (--allow-network)" in done.out
    assert "to leave this machine, let through, " in done.out


def test_doctor_tells_the_fence_and_what_was_tried_beyond_it(project: Path) -> None:
    done = run_cli(project, "doctor", "--backend", "looks:LooksUp")
    assert done.code == 0, done.out
    assert "ok    network: loopback only" in done.out
    # A healthy call, and one that is refused.
    assert "note  2 attempts to leave this machine, refused" in done.out


def test_variables_are_handed_on_by_run_doctor_and_plugin(project: Path) -> None:
    words = ["--backend", "looks:LooksUp", "-n", "0", "--case", "INIT-01/journal*", "--evidence", "all"]
    done = run_cli(project, "run", *words, "--backend-env", "SHOWN", SHOWN="here")
    assert done.code == 1, done.out  # it looks up
    evidence = "".join(
        file.read_text(encoding="utf-8")
        for file in (project / "collected_results").rglob("*INIT-01*")
        if file.is_file()
    )
    assert "shown: here" in evidence
    done = run_cli(project, "doctor", "--backend", "looks:LooksUp", "--backend-env", "SHOWN=1")
    assert done.code == 0, done.out
    suites = ["--pyargs", "tgi_conformance.suites", "--tgi-backend", "looks:LooksUp", "--tgi-report", "none"]
    done = run_pytest(project, *suites, "--tgi-case", "INIT-01/journal*", "--tgi-backend-env", "HF_TOKEN=x")
    assert done.code == 4, done.out
    assert "never handed on" in done.out


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_keys_are_never_handed_on(project: Path, command: str) -> None:
    done = run_cli(
        project, command, "--backend", "looks:LooksUp", "--backend-env", "HF_API_KEY_2", HF_API_KEY_2="x"
    )
    assert done.code == 4, done.out
    assert "--backend-env HF_API_KEY_2: a backend gets canary keys and the fake server only" in done.out


def test_what_is_handed_on_is_read_from_the_word_or_from_here() -> None:
    told = handed_on(["A=1", "B", "C=", "D=x=y", "A=2"], {"B": "b", "A": "0"})
    assert told == (("A", "2"), ("B", "b"), ("C", ""), ("D", "x=y"))


@pytest.mark.parametrize(
    "word",
    [
        "HF_TOKEN",
        "hf_token=1",
        "HF_TOKEN_PATH=/x",
        "HUGGING_FACE_HUB_TOKEN=1",
        "HF_API_KEY=1",
        "TGI_ENDPOINT=1",
    ],
)
def test_a_key_is_refused_however_it_is_given(word: str) -> None:
    with pytest.raises(BackendSpecError, match="never handed on"):
        handed_on([word], {word: "x"})


@pytest.mark.parametrize(
    ("word", "said"), [("NOT_SET", "not set here"), ("=1", "NAME=VALUE"), ("A B=1", "NAME=VALUE")]
)
def test_a_word_that_cannot_be_followed_is_refused(word: str, said: str) -> None:
    with pytest.raises(BackendSpecError, match=said):
        handed_on([word], {})


def judged(*findings: Finding) -> Verdict:
    return Verdict(case="A-01/a", clause="A-01", ruling=Ruling.PASSED, backend="b", findings=findings)


def test_what_was_not_looked_at_is_not_passed() -> None:
    unseen = Finding(clause="REAL-01", message="nobody watched", breach=False, looked=False)
    (ruled,) = rule_run_wide([judged(unseen)], enforced=False, seed=1)
    assert (ruled.ruling, ruled.reason) == (Ruling.NOT_APPLICABLE, "nobody watched")
    told = network_of(BackendInfo(name="b", fence="none"), [ruled])
    assert told == (
        "network: no fence, since this host does not keep the backend on loopback; nobody watched",
    )


def test_attempts_are_summed_up_and_the_commonest_are_named() -> None:
    hosts = {"a.example": 1, "b.example": 7, "c.example": 2, "d.example": 3}
    attempts = tuple(
        Outside(what="lookup", where=where, times=times, seconds=0.25, refused=True)
        for where, times in hosts.items()
    )
    verdict = Verdict(case="A-01/a", clause="A-01", ruling=Ruling.PASSED, backend="b", outside=attempts)
    _, line = network_of(BackendInfo(name="b", fence="hooks"), [verdict, verdict])
    assert line == (
        "26 attempts to leave this machine, refused, 2.0 s in all: "
        "look-up b.example (14), look-up d.example (6), look-up c.example (4) and 1 more"
    )


def test_a_backend_that_never_started_has_no_line_of_the_network() -> None:
    assert network_of(BackendInfo(name="b"), []) == ()

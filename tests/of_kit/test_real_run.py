"""Runs against a real endpoint, which a second fake server plays: verdicts, budget, keys, exit codes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mini_backend import MINI, Done, run_cli, run_pytest

from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.contracts.script import Reply, Script, always, answer, status
from tgi_conformance.fake_server.client import FakeServer, Space

KEY = "hf_" + "RealKeyOfTheUser" * 2
#: A forwarded case of the backend, which speaks the native route alone, and a clause that is embedded.
FORWARDED = "RESP-02/whatever-comes-native-plain"
EMBEDDED = "INIT-05"
RUN = ("run", "--backend", "mini:Mini")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "mini.py").write_text(MINI)
    return tmp_path


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    with FakeServer.start() as server:
        yield server


def real(fake: FakeServer, reply: Reply) -> Space:
    """An endpoint that answers each generation so."""
    return fake.space(Script(mount="/deep", replies=(always(reply, at_least=0),)), keys={"R": KEY})


def posts(endpoint: Space) -> list[Exchange]:
    """What was asked to generate; the mount hides from the journal that these are generation routes."""
    return [exchange for exchange in endpoint.journal() if exchange.method == "POST"]


def verdict(done: Done, case: str) -> dict[str, object]:
    return next(each for each in done.verdicts(narrowed=True) if each["case"] == case)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_forwarded_case_is_decided_by_real_answers_under_the_real_key(
    project: Path, fake: FakeServer, workers: str
) -> None:
    with real(fake, answer("really")) as endpoint:
        words = [*RUN, "-n", workers, "--case", FORWARDED, "--case", EMBEDDED, "--evidence", "all"]
        done = run_cli(project, *words, TGI_ENDPOINT=endpoint.base_url, HF_API_KEY=KEY)
        asked = posts(endpoint)
    assert done.code == 0, done.out
    assert (verdict(done, FORWARDED)["ruling"], verdict(done, FORWARDED)["real"]) == ("passed", "forwarded")
    others = [each for each in done.verdicts(narrowed=True) if each["clause"] == EMBEDDED]
    assert {each["real"] for each in others} == {"embedded"}
    assert [(exchange.key, exchange.path) for exchange in asked] == [("R", "/deep/generate")]
    assert f"real endpoint {endpoint.base_url}" in done.out
    assert "1 cases were decided by its answers" in done.out
    page = (project / "collected_results" / "narrowed" / "report.html").read_text(encoding="utf-8")
    assert f"real endpoint {endpoint.base_url}" in page
    written = [path for path in project.rglob("*") if path.is_file()]
    assert len(written) > 5
    assert not [path for path in written if KEY.encode() in path.read_bytes()]
    assert KEY not in done.out


def test_a_failure_of_the_endpoint_reddens_nobody_and_is_tried_twice_more(
    project: Path, fake: FakeServer
) -> None:
    with real(fake, status(500, json={"error": "the GPU is on fire"})) as endpoint:
        done = run_cli(
            project, *RUN, "-n", "0", "--case", FORWARDED, TGI_ENDPOINT=endpoint.base_url, HF_API_KEY=KEY
        )
        asked = posts(endpoint)
    assert verdict(done, FORWARDED)["ruling"] == "not here"
    assert "the real endpoint said: 500" in str(verdict(done, FORWARDED)["reason"])
    assert "the GPU is on fire" in str(verdict(done, FORWARDED)["reason"])
    assert len(asked) == 3
    assert "failed" not in done.rulings().values(), done.out


def test_a_wrong_client_is_red_against_a_real_endpoint_too(project: Path, fake: FakeServer) -> None:
    once = "        with urllib.request.urlopen(request, timeout=5) as response:"
    twice = MINI.replace(once, f"        urllib.request.urlopen(request).close()\n{once}")
    (project / "mini.py").write_text(twice)
    with real(fake, answer("really")) as endpoint:
        done = run_cli(
            project, *RUN, "-n", "0", "--case", FORWARDED, TGI_ENDPOINT=endpoint.base_url, HF_API_KEY=KEY
        )
    assert done.code == 1, done.out
    assert (verdict(done, FORWARDED)["ruling"], verdict(done, FORWARDED)["real"]) == ("failed", "forwarded")


def test_a_budget_that_ends_before_the_cases_is_14_and_says_which(project: Path, fake: FakeServer) -> None:
    with real(fake, answer("really")) as endpoint:
        words = [*RUN, "-n", "0", "--case", FORWARDED, "--max-requests", "2"]
        done = run_cli(project, *words, TGI_ENDPOINT=endpoint.base_url, HF_API_KEY=KEY)
        assert posts(endpoint) == []
    assert done.code == 14, done.out
    assert "the budget of 2 requests is used up (--max-requests)" in done.out
    assert verdict(done, FORWARDED)["ruling"] == "not here"


def test_a_dry_run_asks_nothing_of_the_endpoint(project: Path, fake: FakeServer) -> None:
    with real(fake, answer("really")) as endpoint:
        words = [*RUN, "-n", "0", "--case", FORWARDED, "--dry-run"]
        done = run_cli(project, *words, TGI_ENDPOINT=endpoint.base_url, HF_API_KEY=KEY)
        assert endpoint.journal().exchanges == ()
    assert "would have been sent, none was (--dry-run)" in done.out
    assert "cases that would be sent, by clause: RESP-02 1" in done.out


@pytest.mark.parametrize("of_the_plugin", [False, True])
def test_an_endpoint_that_cannot_be_used_is_14_and_leaves_earlier_results_alone(
    project: Path, fake: FakeServer, *, of_the_plugin: bool
) -> None:
    results = project / "collected_results"
    results.mkdir()
    (results / "mini_test_results.json").write_text("{}")
    with fake.space(Script(origins=("a", "refused:b"))) as space:
        nobody = space.url("refused:b")
    if of_the_plugin:
        words = ["-q", "--pyargs", "tgi_conformance.suites", "--tgi-backend=mini:Mini"]
        done = run_pytest(project, *words, TGI_ENDPOINT=nobody, HF_API_KEY=KEY)
    else:
        done = run_cli(project, *RUN, "-n", "0", "--tgi-endpoint", nobody, HF_API_KEY=KEY)
    assert done.code == 14, done.out
    assert f"{nobody}: {nobody.removeprefix('http://')} cannot be reached: nobody listens there" in done.out
    assert [path.name for path in results.iterdir()] == ["mini_test_results.json"]
    assert KEY not in done.out


def test_a_url_with_a_password_is_wrong_use_and_is_not_shown(project: Path) -> None:
    done = run_cli(project, *RUN, "-n", "0", TGI_ENDPOINT=f"https://user:{KEY}@example.invalid")
    assert done.code == 4, done.out
    assert "a URL with user or password is refused" in done.out
    assert KEY not in done.out


def test_a_key_that_comes_back_is_taken_out_and_remarked_upon(project: Path, fake: FakeServer) -> None:
    with real(fake, answer(f"your key is {KEY}")) as endpoint:
        done = run_cli(
            project,
            *RUN,
            *("-n", "0", "--case", FORWARDED, "--evidence", "all"),
            TGI_ENDPOINT=endpoint.base_url,
            HF_API_KEY=KEY,
        )
    assert done.code == 0, done.out
    assert "a real key came back in an answer; it was taken out" in done.out
    assert not [path for path in project.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


#: Writes down where each Python process of a run connects to, and what it starts.
HOOK = """
import os, sys

def note(event, given):
    if event in ("socket.connect", "socket.sendto"):
        line = f"connect {given[1]!r}"
    elif event == "subprocess.Popen":
        line = "start " + " ".join(map(str, given[1]))
    else:
        return
    file = os.open(os.environ["SEEN"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode() + b"\\n")
    os.close(file)

if "SEEN" in os.environ:
    sys.addaudithook(note)
"""


def test_without_an_endpoint_nothing_leaves_this_machine_and_no_egress_is_started(project: Path) -> None:
    (project / "hooks").mkdir()
    (project / "hooks" / "sitecustomize.py").write_text(HOOK)
    seen = project / "seen.txt"
    words = [*RUN, "-n", "2", "--case", FORWARDED]
    done = run_cli(project, *words, PYTHONPATH=str(project / "hooks"), SEEN=str(seen), HF_API_KEY=KEY)
    assert done.code == 0, done.out
    lines = seen.read_text(encoding="utf-8").splitlines()
    connects = [line for line in lines if line.startswith("connect ")]
    assert connects
    assert [line for line in connects if "'127.0.0.1'" not in line and "'::1'" not in line] == []
    starts = [line for line in lines if line.startswith("start ")]
    assert any("fake_server" in line for line in starts)
    assert not any("egress" in line for line in starts)

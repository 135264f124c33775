"""A reproducer shows what its case showed: to the client that is wrong and to the one that is right."""

import ast
import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from mini_backend import Done, run_cli
from one_call import KEY, Asked, one_call
from raw_http import Wire

from tgi_conformance.contracts.codec import from_json
from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.verdict import Evidence
from tgi_conformance.plugin.options import DEFAULT_SEED
from tgi_conformance.reports.evidence_files import read_evidence
from tgi_conformance.reports.layout import Layout
from tgi_conformance.suites.harness.keys import canary

MUTANTS = Path(__file__).parents[1] / "mutants"
RIGHT = "tgi_conformance.backends.reference.adapter:ReferenceAdapter"
#: A case of each area that one call shows, with a client that has the mistake.
SAMPLES = {
    "INIT-04/chat": "init.py:LosesMount",
    "REQ-03/multi-turn": "req.py:OwnSystemMessage",
    "RESP-08/chat-choices-empty": "resp.py:EmptyForGarbage",
    "STREAM-04/chat-U+2028": "stream.py:SplitsLinesLikePython",
    "STREAM-12/chat-fin": "stream.py:TakesAnyEndForTheEnd",
    "GEN-09/chat-middle-stop_sequence": "gen.py:CutsAtStop",
    "RETRY-02/html-1": "retry.py:KnowsTgisRateLimitOnly",
    "ERR-05/422-detail-list": "err.py:IndexesError",
    "IMG-04/a-ready-made-data-url-passes-once": "img.py:WrapsAgain",
    "TOOL-04/nested-object": "tool.py:DecodesTextOnly",
    "SEC-03/call-chat-plain": "sec.py:KeyInQuery",
}
#: Cases of the other areas that have a server: they take more than one call.
MORE = (
    "MUX-01/chat-plain",
    "QUEUE-05/bad-request",
    "STAT-01/at-rest-the-total-is-what-succeeded-and-failed",
    "RES-01/close",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a backend did and said: the last request, the last call, and how many requests there were."""

    request: Exchange
    requests: int
    said: tuple[object, ...]


def case_of(results: Path, case: str) -> Evidence:
    """The evidence of a case in a narrowed run of the reference client, or of a broken one."""
    return read_evidence(Layout(results, narrowed=True).evidence_file("reference", case))


def told(evidence: Evidence) -> Seen:
    journals = [from_json(Journal, space["journal"]) for space in evidence.spaces]  # type: ignore[index, call-overload]
    assert all(exchange.answer is not None for journal in journals for exchange in journal)
    exchanges = next(j.exchanges for j in reversed(journals) if j.exchanges)
    calls = [call for call in evidence.calls if "(" in call["call"]]  # type: ignore[index, call-overload]
    outcome = from_json(Outcome, calls[-1]["outcome"])  # type: ignore[index, call-overload]
    return Seen(exchanges[-1], len(exchanges), said(outcome))


def said(outcome: Outcome) -> tuple[object, ...]:
    """What of an outcome is the same whenever the same thing happens."""
    kind = None if outcome.error is None else outcome.error.kind
    return outcome.ending, outcome.text, [link.type for link in outcome.exception], kind


@contextmanager
def playing(script: Path, python: str = sys.executable) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Run a reproducer; gives its URL."""
    command = [python, "-I", "-u", str(script)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.terminate()


def printed(process: "subprocess.Popen[str]") -> list[str]:
    """The requests that a reproducer has printed, each from its request line on; it is ended."""
    process.terminate()
    assert process.stdout is not None
    return re.split(r"^--- request .*\n", process.stdout.read(), flags=re.MULTILINE)[1:]


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sampled cases as the reference client met them."""
    folder = tmp_path_factory.mktemp("right")
    cases = [word for case in (*SAMPLES, *MORE) for word in ("--case", case)]
    done = run_cli(folder, "run", "-n", "0", "--backend", RIGHT, "--evidence", "all", *cases)
    assert done.code == 0, done.out
    return folder / "collected_results"


def reproducer(folder: Path, case: str, *words: str) -> Path:
    done = run_cli(folder, "reproduce", case, *words)
    assert done.code == 0, done.out
    script = folder / "repro.py"
    script.write_text(done.out, encoding="utf-8")
    return script


@pytest.mark.parametrize("case", SAMPLES)
def test_a_case_is_played_again_to_a_wrong_client_and_to_a_right_one(
    case: str, right: Path, tmp_path: Path
) -> None:
    spec = f"{MUTANTS / SAMPLES[case]}"
    done = run_cli(tmp_path, "run", "-n", "0", "--backend", spec, "--case", case, "--enforce", "should")
    assert done.code == 1, done.out
    script = reproducer(tmp_path, case)
    assert script.read_text(encoding="utf-8").count("\n") <= 60
    wanted = {spec: told(case_of(tmp_path / "collected_results", case)), RIGHT: told(case_of(right, case))}
    asked = Asked.by(wanted[RIGHT].request)
    for backend, seen in wanted.items():
        with playing(script) as (url, process):
            retries = wanted[RIGHT].requests - 1 if case.startswith("RETRY") else 0
            outcome = one_call(backend, url, asked, retries=retries)
            requests = printed(process)
        assert said(outcome) == seen.said, backend
        line, _, rest = requests[-1].partition("\n")
        assert re.sub(r"hf_\w+", "KEY", line) == f"{seen.request.method} {target(seen)} HTTP/1.1", backend
        if seen.request.body_complete:  # else the server had answered before it was read
            assert json.loads(rest.partition("\n\n")[2]) == seen.request.json(), backend
        if retries:
            assert len(requests) == seen.requests
    assert KEY not in script.read_text(encoding="utf-8")


def target(seen: Seen) -> str:
    return re.sub(r"key:\S", "KEY", seen.request.target)


@pytest.mark.parametrize("case", [*SAMPLES, *MORE])
def test_the_same_requests_get_the_same_bytes(case: str, right: Path, tmp_path: Path) -> None:
    script = reproducer(tmp_path, case, "--results", str(right))
    journals = [from_json(Journal, space["journal"]) for space in case_of(right, case).spaces]  # type: ignore[index, call-overload]
    exchanges = next(j.exchanges for j in reversed(journals) if j.connections)
    with playing(script) as (url, _):
        for exchange in exchanges:
            assert exchange.answer is not None
            # What a client that left was not sent waits for this one to leave.
            wire = b"".join(step.data for step in exchange.answer.wire if step.at is not None)
            with Wire(url) as connection:
                connection.send(exchange.head + exchange.body)
                assert connection.read(len(wire)) == wire
                if exchange.answer.ended in ("fin", "rst", "close") and exchange.ending != "client":
                    rest, how = connection.read_to_end()
                    assert rest == b""
                    assert (how == "rst") is (exchange.answer.ended == "rst")


def test_the_script_prints_its_url_then_the_rule_and_keeps_to_the_python_that_it_names(
    right: Path, tmp_path: Path
) -> None:
    done = run_cli(tmp_path, "reproduce", "STREAM-12/chat-fin", "--results", str(right))
    script = tmp_path / "repro.py"
    script.write_text(done.out, encoding="utf-8")
    ast.parse(done.out, feature_version=(3, 9))
    with playing(script) as (url, process):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        lines = [process.stdout.readline() for _ in range(2)] if process.stdout else []
    assert lines[0].startswith("STREAM-12 (MUST): ")
    assert lines[1].startswith("Expected: ")


def forms(key: str) -> Iterator[bytes]:
    """The ways in which a key may be written: as it is, percent-encoded, in base64 at any offset."""
    yield key[3:].encode()
    yield "".join(f"%{ord(character):02X}" for character in key).encode()
    for offset in range(3):
        yield base64.b64encode(b"\0" * offset + key.encode())[4:-4]


def test_no_key_of_the_user_and_none_of_the_case_is_in_anything_that_is_written(tmp_path: Path) -> None:
    real = "hf_" + "Rq" * 17
    spec = f"{MUTANTS / 'sec.py'}:KeyInErrors"
    words = ("-n", "0", "--backend", spec, "--case", "ERR-06", "--evidence", "all")
    assert run_cli(tmp_path, "run", *words, HF_API_KEY=real).code in (0, 1)
    results = tmp_path / "collected_results"
    script = reproducer(tmp_path, "ERR-06")
    har = tmp_path / "case.har"
    assert run_cli(tmp_path, "reproduce", "ERR-06", "--har", str(har)).code == 0
    assert run_cli(tmp_path, "reproduce", "ERR-06", "--har", "-").out == har.read_text(encoding="utf-8")
    entries = json.loads(har.read_text(encoding="utf-8"))["log"]["entries"]
    assert entries
    assert all(entry["response"]["status"] for entry in entries)
    files = [script, har, *(path for path in results.rglob("*") if path.is_file())]
    texts = {path: path.read_bytes() for path in files}
    assert any(b"key:" in text for text in texts.values())
    cases = {path.stem.replace("__", "/") for path in results.rglob("evidence/*/*.json")}
    keys = [real, *(canary(DEFAULT_SEED, name, alias) for name in cases for alias in "AB")]
    for key in keys:
        for form in forms(key):
            assert [path.name for path, text in texts.items() if form in text] == []


def problem_of(done: Done) -> str:
    assert done.code == 4, done.out
    (line,) = done.out.strip().splitlines()
    return line


def test_what_cannot_be_played_is_said_in_a_line(tmp_path: Path) -> None:
    cases = {
        "SEC-07/ways-chat-plain": "TLS",
        "SEC-04/elsewhere-302": "an address of that run",
        "INIT-06/retries-negative": "the client sent nothing",
    }
    words = [word for case in cases for word in ("--case", case)]
    done = run_cli(tmp_path, "run", "-n", "0", "--backend", RIGHT, "--evidence", "all", *words)
    assert done.code == 0, done.out
    for case, why in cases.items():
        assert why in problem_of(run_cli(tmp_path, "reproduce", case))
    assert "did you mean SEC-07/" in problem_of(run_cli(tmp_path, "reproduce", "SEC-07/ways-chat-plan"))


def test_a_folder_without_a_run_is_said_so(tmp_path: Path) -> None:
    assert "has no verdicts" in problem_of(run_cli(tmp_path, "reproduce", "RETRY-02"))

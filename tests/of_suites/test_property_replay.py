"""A failed property prints the script that made it fail, and ``serve --script -`` plays that script again."""

import contextlib
import http.client
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mini_backend import run_cli

from tgi_conformance.contracts.script.loading import load_script

MUTANTS = Path(__file__).parents[1] / "mutants"
HINT = "tgi-conformance serve --script -"
#: Properties that these backends fail, and what the served script must answer.
FAILED = {
    "STREAM-06/property-p01-blanks": ("stream.py:WantsABlankAfterTheColon", b"data:{"),
    "RESP-10/property-p11-chat": ("resp.py:TakesTornBodies", b'{"'),
}


def _evidence(case: str, folder: Path) -> dict[str, Any]:
    """Run one property on its mutant; the evidence that the report keeps of its failure."""
    spec, _ = FAILED[case]
    done = run_cli(folder, "run", "--backend", f"{MUTANTS}/{spec}", "--case", case, "-n", "0")
    assert done.code == 1, done.out
    (verdict,) = [row for row in done.verdicts(narrowed=True) if row.get("case") == case]
    assert verdict["ruling"] == "failed"
    file = folder / "collected_results" / "narrowed" / str(verdict["evidence"])
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _printed(evidence: dict[str, Any]) -> list[str]:
    """The scripts that the failure prints: the lines behind its hint."""
    lines = [line.removeprefix("E").strip() for line in evidence["longrepr"].splitlines()]
    at = next(number for number, line in enumerate(lines) if HINT in line)
    return [line for line in lines[at + 1 :] if line.startswith("{")]


@contextlib.contextmanager
def _served(script: str) -> Iterator[str]:
    """The fake server with that script on its standard input; gives its URL."""
    start = "import sys; from tgi_conformance.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "serve", "--port", "0", "--script", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(script.encode())
            process.stdin.close()
            yield str(json.loads(process.stdout.readline())["base_url"])
        finally:
            process.terminate()


def _asked(url: str, prompt: str) -> bytes:
    """The body that a chat call with that prompt gets, as far as it comes."""
    body = json.dumps({"messages": [{"role": "user", "content": prompt}]}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/chat/completions", body, headers)  # noqa: S310 - http
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return bytes(answer.read(100_000))
    except http.client.IncompleteRead as cut:
        return cut.partial


@pytest.mark.parametrize("case", sorted(FAILED))
def test_the_printed_script_is_kept_and_can_be_served(case: str, tmp_path: Path) -> None:
    evidence = _evidence(case, tmp_path)
    printed = _printed(evidence)
    assert [json.loads(script) for script in printed] == [space["script"] for space in evidence["spaces"]]

    culprit = load_script(json.loads(printed[0])).replies[-1]
    with _served(printed[0]) as url:
        assert _asked(url, culprit.when.contains or "hello").startswith(FAILED[case][1])

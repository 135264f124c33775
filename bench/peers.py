"""The peers: how each is installed from its registry by the ordinary client, started, and what it is.

Everything goes into the cache folder; what is there already is not fetched again. A peer that cannot be
installed or started raises :class:`NotMeasured`, and the table says why.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from servers import NotMeasured, Process, free_port
from workload import COMPLETION, PIECE, ROUTE, TEXT, WORDS, events

ASSETS: Final = Path(__file__).resolve().parent / "assets"
INSTALL_SECONDS: Final = 1800
#: Which version of each peer is installed.
VERSIONS: Final = {
    "pytest-httpserver": "1.2.0",
    "llmock": "0.2.2",
    "aimock": "1.43.0",
    "wiremock": "3.13.2",
    "vidaimock": "0.3.1",
    "llm-d-inference-sim": "latest",
}


@dataclass(slots=True)
class Running:
    """A server that is asked: where, and by which process."""

    name: str
    version: str
    port: int
    process: Process
    path: str = ROUTE
    #: Headers that it is asked with besides the usual.
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer by name: where it comes from, and what starts it in a cache folder."""

    name: str
    source: str
    start: Callable[[Path], Running]


def _need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            raise NotMeasured(f"{program} is not installed")


def _install(command: list[str], cwd: Path) -> None:
    """Run an installer; raises :class:`NotMeasured` with the last line that it said."""
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NotMeasured(f"{command[0]} did not end within {INSTALL_SECONDS} s") from error
    if done.returncode:
        said = [line.strip() for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
        program = next(word for word in command if word != "env" and "=" not in word)
        last = _without_hosts(said[-1] if said else f"exit status {done.returncode}")
        raise NotMeasured(f"{Path(program).name} could not install it: {last[:160]}")


def _without_hosts(text: str) -> str:
    """The words of an installer without addresses: they are this machine's affair."""
    return " ".join(word for word in text.split() if "://" not in word)


def _folder(cache: Path, name: str) -> Path:
    folder = cache / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _python(cache: Path, name: str) -> Path:
    """The interpreter of an environment of its own that holds a package from PyPI."""
    version = VERSIONS[name]
    folder = _folder(cache, f"{name}-{version}")
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        _install([sys.executable, "-m", "venv", str(folder)], cache)
        _install([str(python), "-m", "pip", "install", "-q", f"{name}=={version}"], cache)
        (folder / "installed").touch()
    return python


def _running(name: str, command: list[str], port: int, cache: Path, *, cwd: Path | None = None) -> Running:
    process = Process(command, cache / f"{name}.log", cwd=cwd)
    process.wait_for(port)
    return Running(name, VERSIONS[name], port, process)


def _pytest_httpserver(cache: Path) -> Running:
    python, port = _python(cache, "pytest-httpserver"), free_port()
    answers = cache / "answers.json"
    frames = [frame.decode() for frame in events()]
    answers.write_text(json.dumps({"route": ROUTE, "plain": COMPLETION, "events": frames}), encoding="utf-8")
    command = [str(python), str(ASSETS / "httpserver_app.py"), str(port), str(answers)]
    return _running("pytest-httpserver", command, port, cache)


def _llmock(cache: Path) -> Running:
    python, port = _python(cache, "llmock"), free_port()
    command = [str(python.parent / "llmock"), "serve", "--host", "127.0.0.1", "--port", str(port)]
    return _running(
        "llmock", [*command, "--response-style", "echo", "--log-level", "warning"], port, cache, cwd=cache
    )


def _aimock(cache: Path) -> Running:
    _need("node", "npm")
    folder, port = _folder(cache, f"aimock-{VERSIONS['aimock']}"), free_port()
    if not (folder / "installed").exists():
        package = f"@copilotkit/aimock@{VERSIONS['aimock']}"
        _install(
            ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(folder), package],
            folder,
        )
        (folder / "installed").touch()
    fixtures = folder / "fixtures.json"
    match = {"match": {"userMessage": WORDS[-1]}, "response": {"content": TEXT}}
    fixtures.write_text(json.dumps({"fixtures": [match]}), encoding="utf-8")
    script = folder / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
    options = [
        "--fixtures",
        str(fixtures),
        "--chunk-size",
        str(PIECE),
        "--log-level",
        "silent",
        "--latency",
        "0",
    ]
    return _running("aimock", ["node", str(script), "--port", str(port), *options], port, cache)


def _wiremock(cache: Path) -> Running:
    _need("java", "mvn")
    version = VERSIONS["wiremock"]
    folder, port = _folder(cache, f"wiremock-{version}"), free_port()
    jar = folder / f"wiremock-standalone-{version}.jar"
    if not jar.exists():
        artifact = f"-Dartifact=org.wiremock:wiremock-standalone:{version}"
        _install(["mvn", "-q", "-B", "dependency:copy", artifact, f"-DoutputDirectory={folder}"], folder)
    mappings = _folder(folder, "mappings")
    for stream in (False, True):
        content = b"".join(events()).decode() if stream else json.dumps(COMPLETION)
        response = {
            "status": 200,
            "body": content,
            "headers": {"content-type": "text/event-stream" if stream else "application/json"},
        }
        asked = {"matchesJsonPath": f"$[?(@.stream == {str(stream).lower()})]"}
        mapping = {
            "request": {"method": "POST", "urlPath": ROUTE, "bodyPatterns": [asked]},
            "response": response,
        }
        (mappings / f"stream-{stream}.json").write_text(json.dumps(mapping), encoding="utf-8")
    options = ["--no-request-journal", "--disable-banner", "--async-response-enabled", "true"]
    command = ["java", "-jar", str(jar), "--port", str(port), "--root-dir", str(folder), *options]
    return _running("wiremock", command, port, cache)


def _vidaimock(cache: Path) -> Running:
    _need("cargo")
    version = VERSIONS["vidaimock"]
    folder, port = _folder(cache, f"vidaimock-{version}"), free_port()
    program = folder / "bin" / "vidaimock"
    if not program.exists():
        options = ["--root", str(folder), "--target-dir", str(cache / "vidaimock-build")]
        _install(["cargo", "install", "-q", "vidaimock", "--version", version, *options], folder)
    templates = _folder(folder, "config/templates/openai")
    (templates / "chat.json.j2").write_text(json.dumps(COMPLETION), encoding="utf-8")
    options = ["--host", "127.0.0.1", "--port", str(port), "--config-dir", str(folder / "config")]
    command = [str(program), *options, "--mode", "benchmark", "--latency", "0", "--workers", "1"]
    running = _running("vidaimock", command, port, cache, cwd=folder)
    # It waits 20 ms before each event unless told otherwise, and a millisecond is the least it can be told.
    running.headers = (("x-vidai-chaos-trickle", "1"),)
    return running


def _llm_d(cache: Path) -> Running:
    _need("go")
    folder, port = _folder(cache, "llm-d-inference-sim"), free_port()
    program = folder / "llm-d-inference-sim"
    if not program.exists():
        module = "github.com/llm-d/llm-d-inference-sim"
        _install(
            ["env", f"GOBIN={folder}", "go", "install", f"{module}/cmd/llm-d-inference-sim@latest"], folder
        )
    options = ["--port", str(port), "--model", "tgi", "--mode", "echo"]
    return _running("llm-d-inference-sim", [str(program), *options], port, cache)


PEERS: Final = (
    Peer("pytest-httpserver", "PyPI", _pytest_httpserver),
    Peer("llmock", "PyPI", _llmock),
    Peer("aimock", "npm (@copilotkit/aimock)", _aimock),
    Peer("wiremock", "Maven Central (org.wiremock:wiremock-standalone)", _wiremock),
    Peer("llm-d-inference-sim", "Go module", _llm_d),
    Peer("vidaimock", "Rust crate", _vidaimock),
)

"""The host is one file that runs under interpreters that hold nothing of this project."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.backends.driver.spec import HOST, parse_backend

ECHO = Path(__file__).parents[1] / "adapters" / "echo.py"
OLDEST = (3, 9)


def test_host_is_written_in_the_oldest_grammar() -> None:
    ast.parse(HOST.read_text(encoding="utf-8"), feature_version=OLDEST)


def test_host_imports_the_standard_library_alone() -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(HOST.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert imported <= sys.stdlib_module_names


def interpreter(version: str) -> str:
    """Return the executable of another version; skip where this machine has none."""
    found = shutil.which(f"python{version}")
    if found is None:
        pytest.skip(f"no python{version} on PATH")
    ask = [found, "-c", "import sys; print(sys.executable)"]
    asked = subprocess.run(ask, capture_output=True, text=True, timeout=10, check=False)
    if asked.returncode:
        pytest.skip(f"python{version} on PATH does not run")
    return asked.stdout.strip()


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.12", "3.13"])
def test_host_runs_under_another_version(version: str) -> None:
    with Driver.start(parse_backend(f"{ECHO}:Echo", python=interpreter(version))) as driver:
        assert driver.language.startswith(f"Python {version}.")
        assert driver.run("generate", {"prompt": "plain"}).text == "plain"
        assert driver.run("generate", {"prompt": "abc"}, stream=True).text == "abc"
        assert driver.run("chat", {"messages": [{"content": "async"}]}).text == "async"
        call = driver.call("completions", {"prompt": "abc"})
        call.read(1, 5)
        assert call.leave("drop").ending == "left"
        assert driver.run("chat", {"messages": [], "act": "raise"}).exception[0].type == "echo.EchoError"
        cancelled = driver.call("chat", {"messages": [], "act": "sleep"})
        cancelled.cancel()
        assert cancelled.wait(5).exception[0].type.endswith("CancelledError")
        census = driver.census()
        assert (census.threads, census.tasks, census.sockets, census.open_calls) == ((), (), 0, 0)
        assert not driver.close().killed
        assert driver.output() == ""

"""The host is a folder that runs under interpreters that hold nothing of this project."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from interpreters import interpreter

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.backends.driver.spec import HOST, parse_backend

ECHO = Path(__file__).parents[1] / "adapters" / "echo.py"
OLDEST = (3, 9)


MODULES = sorted(HOST.glob("*.py"))
modules = pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)


@modules
def test_host_is_written_in_the_oldest_grammar(module: Path) -> None:
    ast.parse(module.read_text(encoding="utf-8"), feature_version=OLDEST)


@modules
def test_host_imports_the_standard_library_and_its_own_modules_alone(module: Path) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            assert (HOST / f"{node.module}.py").is_file()
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert imported <= sys.stdlib_module_names


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


_SHADOWED = """
import importlib, sys
NAMES = {names!r}
OWN = {{name: importlib.import_module(name).WHOSE for name in NAMES}}


class Adapter:
    def describe(self):
        return {{"name": "shadowed", "capabilities": ["core"]}}

    def create_endpoint(self, **settings):
        return "e"

    def generate(self, prompt, **settings):
        path = [entry for entry in sys.path if entry == {host!r}]
        return f"{{OWN}} {{path}}"
"""


@pytest.mark.parametrize("version", ["", "3.9"])
def test_an_adapters_own_modules_are_never_hidden_by_the_hosts(version: str, tmp_path: Path) -> None:
    names = [module.stem for module in MODULES if not module.stem.startswith("__")] + ["queues"]
    for name in names:
        (tmp_path / f"{name}.py").write_text('WHOSE = "the adapter\'s"\n', encoding="utf-8")
    adapter = tmp_path / "shadowed_adapter.py"
    adapter.write_text(_SHADOWED.format(names=names, host=str(HOST)), encoding="utf-8")
    python = interpreter(version) if version else sys.executable
    with Driver.start(parse_backend(f"{adapter}:Adapter", python=python)) as driver:
        expected = dict.fromkeys(names, "the adapter's")
        assert driver.run("generate", {"prompt": "x"}).text == f"{expected} []"


def test_the_host_writes_nothing_beside_itself(tmp_path: Path) -> None:
    copy = tmp_path / "host"
    shutil.copytree(HOST, copy, ignore=shutil.ignore_patterns("__pycache__"))
    before = sorted(copy.rglob("*"))
    command = [sys.executable, str(copy / "__main__.py")]
    # As where nobody has told Python to keep nothing.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, input=b"", capture_output=True, check=False, timeout=20, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert sorted(copy.rglob("*")) == before

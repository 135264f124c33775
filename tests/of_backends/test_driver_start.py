"""Starting a backend: what the options name, and what is said when it cannot be used."""

import sys
from pathlib import Path

import pytest

from tgi_conformance.backends.driver.driver import BackendStartError, Driver
from tgi_conformance.backends.driver.spec import BackendSpecError, parse_backend
from tgi_conformance.backends.host import protocol

ADAPTERS = Path(__file__).parents[1] / "adapters"
FAULTY = ADAPTERS / "faulty.py"


def started(adapter: str, deadline: float = 10.0) -> BackendStartError:
    with pytest.raises(BackendStartError) as caught:
        Driver.start(parse_backend(adapter), deadline=deadline)
    return caught.value


@pytest.mark.parametrize(
    ("adapter", "stage", "words"),
    [
        (f"{ADAPTERS / 'raises_at_import.py'}:X", "import", "no such dependency: install it"),
        (f"{ADAPTERS / 'absent.py'}:X", "import", "there is no file"),
        ("no.such.module:X", "import", "No module named 'no'"),
        (f"{FAULTY}:Absent", "import", "has no Absent; its classes: Base, Dies, "),
        (f"{FAULTY}:ConstructorRaises", "create", "no configuration"),
        (f"{FAULTY}:NoEndpoint", "create", "has no method create_endpoint"),
        (f"{FAULTY}:NotAMapping", "describe", "describe() gave a list; a Description or a mapping is needed"),
        (f"{FAULTY}:Misspelt", "describe", "did you mean 'stream'?"),
        (f"{FAULTY}:WrongField", "describe", "/retry/max_retries: a string where int is needed"),
    ],
)
def test_adapter_that_cannot_be_used_says_stage_and_reason(adapter: str, stage: str, words: str) -> None:
    error = started(adapter)
    assert error.stage == stage
    assert words in str(error)
    assert adapter.rpartition("/")[2] in str(error)


def test_exit_at_import_is_told_with_the_last_output() -> None:
    error = started(f"{ADAPTERS / 'exits_at_import.py'}:X")
    assert (error.stage, error.output) == ("hello", "leaving\n")
    assert "ended with status 4" in error.text


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("silent", "no reply within 0.2 s"),
        ("leaves", "ended with status 1"),
        ("protocol 2", "/protocol: 1 was expected"),
        ("no name", "'name' is a required property"),
        ("unknown method", "'generate_stream' is not one of"),
    ],
)
def test_host_of_another_make_that_breaks_the_hello(fault: str, words: str) -> None:
    spec = parse_backend(command=f"{sys.executable} {ADAPTERS / 'bare_host.py'} '{fault}'")
    with pytest.raises(BackendStartError) as caught:
        Driver.start(spec, deadline=0.2 if fault == "silent" else 10.0)
    assert caught.value.stage == "hello"
    assert words in str(caught.value)


def test_host_of_another_make_speaks_on_plain_standard_output() -> None:
    with Driver.start(parse_backend(command=f"{sys.executable} {ADAPTERS / 'bare_host.py'} right")) as driver:
        outcome = driver.run("generate", {"prompt": "hello"})
        assert (outcome.ending, outcome.text, outcome.truthy) == ("answer", "hello", None)
        assert driver.language == "by hand"
        assert driver.output() == "a print between two messages\n"
        assert driver.run("chat", {"messages": []}).ending == "missing"


def test_program_that_is_not_there_is_said_so() -> None:
    with pytest.raises(BackendStartError, match="no program 'no-such-program-here'") as caught:
        Driver.start(parse_backend(command="no-such-program-here adapter.mjs"))
    assert caught.value.stage == "spawn"


@pytest.mark.parametrize(
    "adapter", ["", "module", "module:", ":Class", "my-pkg.mod:Class", "mod:Cl-ass", "a..b:C"]
)
def test_adapter_of_another_form_is_refused_with_the_right_form(adapter: str) -> None:
    with pytest.raises(BackendSpecError, match=r"package\.module:Class or folder/file\.py:Class"):
        parse_backend(adapter)


def test_options_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(BackendSpecError, match="exclude each other"):
        parse_backend("m:C", python=sys.executable, command="node x")
    with pytest.raises(BackendSpecError, match="is empty"):
        parse_backend(command=" ")
    with pytest.raises(BackendSpecError, match="no such file"):
        parse_backend("m:C", python="/no/such/python")


def test_file_is_named_from_the_working_folder(tmp_path: Path) -> None:
    spec = parse_backend("sub/adapter.py:A", folder=tmp_path)
    assert spec.adapter == f"{tmp_path.resolve()}/sub/adapter.py:A"
    assert spec.path == (str(tmp_path.resolve()),)


def test_kits_own_adapter_is_named_by_its_file_for_another_interpreter(tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.touch()
    spec = parse_backend("tgi_conformance.backends.host.protocol:X", python=str(other))
    assert spec.adapter == f"{protocol.__file__}:X"
    assert spec.foreign
    same = "tgi_conformance.backends.host.protocol:X"
    assert parse_backend(same).adapter == same


def test_module_in_the_working_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "my_adapter.py").write_text((ADAPTERS / "echo.py").read_text())
    with Driver.start(parse_backend("my_adapter:Echo", folder=tmp_path)) as driver:
        assert driver.run("generate", {"prompt": "x"}).text == "x"


def test_an_adapter_named_like_a_standard_module_does_not_hide_it(tmp_path):
    lines = ["import queue", "class A:"]
    lines += ["    def describe(self): return {'name': 'q'}"]
    lines += ["    def create_endpoint(self, **given): return queue.Queue.__module__"]
    (tmp_path / "queue.py").write_text("\n".join(lines), encoding="utf-8")
    with Driver.start(parse_backend(f"{tmp_path}/queue.py:A")) as driver:
        assert driver.run("create_endpoint", {}).value == "queue"

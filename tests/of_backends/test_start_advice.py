"""What is said of an adapter that does not start: what is wrong, where, and what to do."""

from pathlib import Path

import pytest

from tgi_conformance.backends.driver.driver import BackendStartError, Driver
from tgi_conformance.backends.driver.spec import parse_backend
from tgi_conformance.backends.driver.start_advice import advice_for

ADAPTERS = """
class Fine:
    def describe(self):
        return {"name": "fine"}

    def create_endpoint(self, *, base_url, api_key):
        return "1"


class GivesList(Fine):
    def describe(self):
        return ["chat"]


class GivesNoName(Fine):
    def describe(self):
        return {"capabilities": ["chat"]}


class Misspelt(Fine):
    def describe(self):
        return {"name": "x", "capabilities": ["chats"]}


class Raises(Fine):
    def describe(self):
        return {}["name"]


class NoDescribe:
    def create_endpoint(self, *, base_url, api_key):
        return "1"


class Takes(Fine):
    def __init__(self, url):
        pass
"""


def started(folder: Path, adapter: str) -> tuple[str, str]:
    """What is wrong, and what to do."""
    (folder / "adapters.py").write_text(ADAPTERS)
    (folder / "raises.py").write_text("raise RuntimeError('no licence')\n")
    (folder / "needs.py").write_text("import no_such_client\n")
    (folder / "wrong.py").write_text("class A(:\n")
    spec = parse_backend(adapter, folder=folder)
    with pytest.raises(BackendStartError) as caught:
        Driver.start(spec)
    return str(caught.value), advice_for(caught.value, spec)


@pytest.mark.parametrize(
    ("adapter", "wrong", "advice"),
    [
        ("nofile.py:A", "there is no file", "correct the path; it is taken from"),
        ("nomodule.sub:A", "No module named 'nomodule'", "for a file write path/to/file.py:Class"),
        ("needs.py:A", 'needs.py", line 1', "does not have 'no_such_client': install it there"),
        ("needs:A", 'needs.py", line 1', "does not have 'no_such_client': install it there"),
        ("raises.py:A", 'raises.py", line 1', "must import without an error"),
        ("wrong.py:A", "class A(:", "must import without an error"),
        ("adapters.py:Fien", "did you mean Fine?", "the adapter's class behind the colon"),
        ("adapters.py:Zzz", "its classes: Fine, GivesList, ", "the adapter's class behind the colon"),
        ("adapters.py:NoDescribe", "has no method describe", "every adapter has describe()"),
        ("adapters.py:Takes", "missing 1 required positional argument: 'url'", "made without arguments"),
        ("adapters.py:GivesList", "describe() gave a list", 'return a mapping such as {"name": '),
        ("adapters.py:GivesNoName", "describe() gave no name", 'return a mapping such as {"name": '),
        ("adapters.py:Misspelt", "did you mean 'chat'?", "correct that field of the description"),
        ("adapters.py:Raises", "KeyError: 'name'", "must not raise"),
    ],
)
def test_what_does_not_start_is_told_with_what_to_do(
    tmp_path: Path, adapter: str, wrong: str, advice: str
) -> None:
    said, help_ = started(tmp_path, adapter)
    assert wrong in said
    assert advice in help_
    assert "backends/host" not in said
    assert "importlib" not in said


@pytest.mark.parametrize(
    ("command", "wrong", "advice"),
    [
        ("no-such-program x", "there is no program 'no-such-program' on PATH", "correct --backend-command"),
        ("true", "ended with status 0", "run the command by hand"),
    ],
)
def test_a_command_that_does_not_serve_is_told_with_what_to_do(
    tmp_path: Path, command: str, wrong: str, advice: str
) -> None:
    spec = parse_backend(command=command, folder=tmp_path)
    with pytest.raises(BackendStartError) as caught:
        Driver.start(spec)
    assert wrong in str(caught.value)
    assert advice in advice_for(caught.value, spec)


def test_output_is_shown_once(tmp_path: Path) -> None:
    spec = parse_backend(command="sh -c 'echo wrong machine >&2; exit 3'", folder=tmp_path)
    with pytest.raises(BackendStartError) as caught:
        Driver.start(spec)
    assert str(caught.value).count("\nwrong machine") == 1

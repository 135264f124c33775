"""The CI files that others copy: each is valid, and each command in it is one that the kit has."""

import ast
import configparser
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from documented_commands import commands_in, problem_with

from tgi_conformance.reports.gate import Exit

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "docs" / "examples" / "ci").iterdir())
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
INSTALL, RUN, KEEP = ACTION["runs"]["steps"]


def strings(value: object) -> Iterator[str]:
    """All texts in a value of YAML."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


def lines_of(file: Path) -> list[str]:
    """The command lines of a CI file, read as its own tool reads it."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".ini":
        reader = configparser.ConfigParser(interpolation=None)
        reader.read_string(text)
        return [line for name in reader.sections() for line in reader[name]["commands"].splitlines()]
    if file.suffix == ".py":
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        words = [[arg.value for arg in call.args if isinstance(arg, ast.Constant)] for call in calls]
        return [" ".join(map(str, each)) for each in words]
    return [line for text in strings(yaml.safe_load(text)) for line in text.splitlines()]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_each_command_of_an_example_is_one_of_the_kit(file: Path) -> None:
    lines = lines_of(file)
    commands = [tuple(word for word in words if word != "{posargs}") for words in commands_in(lines)]
    assert commands or any("OWNER/tgi-conformance@" in line for line in lines)
    assert [problem_with(words) for words in commands] == ["" for _ in commands]


def test_the_example_for_github_gives_what_the_action_takes() -> None:
    workflow = yaml.safe_load((ROOT / "docs" / "examples" / "ci" / "github.yml").read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    step = job["steps"][-1]
    assert step["uses"].partition("@")[0].endswith("/tgi-conformance")
    assert set(step["with"]) <= set(ACTION["inputs"])


def test_no_input_of_the_action_is_pasted_into_a_script() -> None:
    assert [step["name"] for step in (INSTALL, RUN) if "${{" in step["run"]] == []
    given = {text for step in (INSTALL, RUN, KEEP) for text in strings(step) if "${{" in text}
    for name in ACTION["inputs"]:
        assert any(f"inputs.{name} " in text for text in given), name


def played(tmp_path: Path, code: int = 0, **variables: str) -> tuple[int, list[str]]:
    """Play the action's step in bash with a stand-in for the kit: its exit code, and the words it got."""
    program = tmp_path / "tgi-conformance" / "bin" / "tgi-conformance"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/words\nexit {code}\n')
    program.chmod(0o755)
    usual = {
        "BACKEND": "",
        "BACKEND_COMMAND": "",
        "BACKEND_PYTHON": "sh",
        "PROFILE": "quick",
        "ARGUMENTS": "",
    }
    environment = {"PATH": os.defpath, "RUNNER_TEMP": str(tmp_path), **usual, **variables}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", RUN["run"]],
        env=environment,
        cwd=tmp_path,
        timeout=20,
        check=False,
    )
    return done.returncode, (tmp_path / "words").read_text().splitlines()


def test_the_action_judges_an_adapter_under_its_own_interpreter(tmp_path: Path) -> None:
    code, words = played(tmp_path, BACKEND="a:B", ARGUMENTS="--enforce should")
    assert code == 0
    assert words[:5] == ["run", "--profile", "quick", "--backend", "a:B"]
    assert words[5] == "--backend-python"
    assert words[6].endswith("/sh")
    assert words[7:] == ["--enforce", "should"]
    assert problem_with(tuple(words)) == ""


def test_the_action_judges_a_host_in_another_language(tmp_path: Path) -> None:
    code, words = played(tmp_path, BACKEND_COMMAND="node 'a b.mjs'; exit 1")
    assert code == 0
    assert words == ["run", "--profile", "quick", "--backend-command", "node 'a b.mjs'; exit 1"]


def test_the_action_is_red_where_the_run_is(tmp_path: Path) -> None:
    assert played(tmp_path, int(Exit.FAILED), BACKEND="a:B")[0] == Exit.FAILED


def test_a_command_that_the_kit_does_not_have_is_found() -> None:
    assert problem_with(("run", "--no-such-option")) != ""
    assert problem_with(("no-such-command",)) != ""
    assert list(
        commands_in(["$ tgi-conformance list --real | head  # x", "pip install tgi-conformance"])
    ) == [("list", "--real")]

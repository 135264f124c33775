"""What README shows an author of an adapter to do works, from an empty folder, with a client of his own."""

import re
import shlex
from pathlib import Path

import pytest
from mini_backend import run_cli

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTION = README[README.index("## Test your own backend") : README.index("## What comes out")]
#: The client that README leaves to its reader.
CLIENT = """
import http.client
import json
from urllib.parse import urlsplit


class ApiError(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Client:
    def __init__(self, url, key):
        self.url, self.key = urlsplit(url), key

    def chat(self, messages, **parameters):
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=10)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"}
        body = json.dumps({"messages": messages, **parameters})
        try:
            connection.request("POST", "/v1/chat/completions", body, headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status != 200:
            raise ApiError(response.status, text)
        return json.loads(text)["choices"][0]["message"]["content"]
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)


def commands() -> list[list[str]]:
    """The words of each command of the kit, without comments."""
    lines = "".join(blocks("bash")).splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("tgi-conformance ")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_client.py").write_text(CLIENT)
    (tmp_path / "my_adapter.py").write_text(blocks("python")[0])
    return tmp_path


def test_the_first_steps_are_doctor_then_quick_then_all() -> None:
    first = commands()[:3]
    assert [words[0] for words in first] == ["doctor", "run", "run"]
    assert first[1][-2:] == ["--profile", "quick"]


def test_doctor_has_nothing_to_say_against_the_adapter_of_readme(folder: Path) -> None:
    done = run_cli(folder, *commands()[0])
    assert done.code == 0, done.out
    assert "0 problems" in done.out


@pytest.mark.parametrize("words", commands()[3:], ids=lambda words: words[0])
def test_a_clause_is_explained_and_run_again(folder: Path, words: list[str]) -> None:
    extra = ["-n", "0"] if words[0] == "run" else []
    done = run_cli(folder, *words, *extra)
    assert done.code in (0, 1), done.out
    assert "RESP-08" in done.out


def test_no_line_of_the_section_is_too_long() -> None:
    assert max(map(len, SECTION.splitlines())) <= 130

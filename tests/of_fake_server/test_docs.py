"""The guide to the fake server is true: every example gives what is said of it; its tables are whole."""

import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from raw_http import Wire, request

from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.schema.registry import problems, schema
from tgi_conformance.contracts.script import Script
from tgi_conformance.contracts.script.loading import load_script
from tgi_conformance.contracts.tgi.info import ROUTES
from tgi_conformance.contracts.tgi.personas import PERSONAS
from tgi_conformance.fake_server.client import FakeServer, Space

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "fake-server.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- gives: (.*?) -->\n```json\n(.*?)```", GUIDE, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
KEYS = {"A": "hf_" + "a" * 34}
#: More than any answer of the guide that ends.
MUCH = 100_000


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    """One with an upstream server, for the examples that forward."""
    with FakeServer.start() as real, FakeServer.start(extra_args=["--upstream", real.base_url]) as server:
        yield server


class Endless(Exception):
    """More came than any answer has that ends."""


class Counted:
    """A socket that counts what is read."""

    def __init__(self, inner: socket.socket) -> None:
        self.inner = inner
        self.seen = 0

    def recv(self, size: int) -> bytes:
        data = self.inner.recv(size)
        self.seen += len(data)
        if self.seen > MUCH:
            raise Endless
        return data

    def sendall(self, data: bytes) -> None:
        self.inner.sendall(data)

    def close(self) -> None:
        self.inner.close()


def result(space: Space) -> str:
    """Status and ending of one request: "200", "200:fin", ":rst", ":silence", "broken"."""
    with Wire(space.base_url, timeout=0.4) as wire:
        if space.certificate:
            context = ssl.create_default_context(cadata=space.certificate)
            wire.socket = context.wrap_socket(wire.socket, server_hostname="127.0.0.1")
        wire.socket = cast("socket.socket", Counted(wire.socket))
        wire.send(request(body={"inputs": "Hi there"}, headers={"authorization": f"Bearer {KEYS['A']}"}))
        try:
            while (answered := wire.response()).status < 200:
                pass
        except ValueError:
            return "broken"
        except AssertionError:
            return f"{status_of(wire)}:fin"
        except ConnectionResetError:
            return f"{status_of(wire)}:rst"
        except TimeoutError:
            return f"{status_of(wire)}:silence"
        except Endless:
            return f"{status_of(wire)}:endless"
        return str(answered.status)


def status_of(wire: Wire) -> str:
    return "200" if wire.had_head else ""


def test_the_guide_has_examples() -> None:
    assert len(EXAMPLES) == GUIDE.count("```json\n")
    assert len(EXAMPLES) > 15
    assert len(PYTHON) >= 4


@pytest.mark.parametrize(("gives", "text"), EXAMPLES, ids=[text[:40].split("\n")[0] for _, text in EXAMPLES])
def test_every_script_of_the_guide_gives_what_is_said_of_it(fake: FakeServer, gives: str, text: str) -> None:
    value = json.loads(text)
    assert problems("script", value) == []
    load_script(value)
    with fake.space_from_json({"script": value, "keys": KEYS}) as space:
        got = [result(space) for _ in gives.split()]
    for wanted, given in zip(gives.split(), got, strict=True):
        assert wanted in {given, "any"}, got


def test_the_python_of_the_guide_runs(tmp_path: Path) -> None:
    plain = [code for code in PYTHON if "def test_" not in code]
    for number, code in enumerate(code for code in PYTHON if "def test_" in code):
        (tmp_path / f"test_guide_{number}.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    tests = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert f"{sum(code.count('def test_') for code in PYTHON)} passed" in tests.stdout
    for code in plain:
        ran = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
        )
        assert ran.returncode == 0, ran.stderr
        assert "['/generate']" in ran.stdout


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_javascript_example_drives_the_control_api(fake: FakeServer) -> None:
    script = DOCS / "examples" / "control-api.mjs"
    ran = subprocess.run(
        ["node", str(script), fake.control_url, fake.token],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {"first": 429, "text": "Hello.", "served": ["A:busy:429", "A:held:200"]}


def test_the_table_of_the_control_api_names_calls_that_exist(fake: FakeServer) -> None:
    calls = re.findall(r"^\| `(GET|POST|DELETE) (/\S*)` \|", GUIDE, re.MULTILINE)
    assert len(calls) == 8
    space = fake.space(Script())
    for method, path in calls:
        with Wire(fake.control_url) as wire:
            line = f"{method} {path.replace('ID', space.id)} HTTP/1.1\r\n"
            wire.send(f"{line}authorization: Bearer {fake.token}\r\n\r\n".encode())
            assert wire.response().status in {200, 201, 400}, (method, path)


def test_the_guide_names_every_word_of_a_script() -> None:
    document = schema("script")
    words = {word for part in (document, *document["$defs"].values()) for word in part["properties"]}
    left_to_the_launcher = set(document["$defs"]["Server"]["properties"])
    missing = {word for word in words - left_to_the_launcher if f"`{word}`" not in GUIDE}
    assert missing == set()


def test_the_guide_names_every_flag_of_its_own() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tgi_conformance.fake_server", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    own = ran.stdout.partition("beyond TGI's launcher:")[2].partition("\n\n")[0]
    flags = set(re.findall(r"^  (--[a-z-]+)", own, re.MULTILINE))
    assert len(flags) >= 9
    assert {flag for flag in flags if flag not in GUIDE} == set()


def test_the_table_of_contents_is_whole_and_leads_to_headings() -> None:
    text = re.sub(r"```.*?```", "", GUIDE, flags=re.DOTALL)
    headings = re.findall(r"^##+ (.*)$", text, re.MULTILINE)
    contents = re.findall(r"^ *- \[(.*)\]\(#(.*)\)$", text, re.MULTILINE)
    assert [title for title, _ in contents] == headings
    for title, anchor in contents:
        assert anchor == re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_the_tables_of_routes_and_personas_are_whole() -> None:
    table = GUIDE.partition("## Routes\n")[2].partition("## ")[0]
    named: dict[str, str] = {}
    for cells, methods in re.findall(r"^\| (`.*?`) \| ([A-Z, ]+) \|", table, re.MULTILINE):
        named.update(dict.fromkeys(re.findall(r"`(/\S*)`", cells), methods))
    assert named == {
        path: ", ".join(name for name in ("POST", "GET") if route.serves(name))
        for path, route in ROUTES.items()
    }
    personas = GUIDE.partition("### Personas\n")[2].partition("### ")[0]
    assert re.findall(r"^\| `(\S+)` \|", personas, re.MULTILINE) == list(PERSONAS)


def test_a_script_written_in_python_is_the_same_in_json() -> None:
    for _, text in EXAMPLES:
        script = load_script(json.loads(text))
        assert load_script(to_json(script)) == script

"""``init``: what it finds out, which files it writes for that, and that a skeleton passes ``doctor``."""

import ast
import json
import shutil
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from documented_commands import commands_in, problem_with
from mini_backend import run_cli

from tgi_conformance.cli.init.choosing import (
    KINDS,
    ChoiceError,
    Chosen,
    choose,
    choose_ci,
    known_clients,
)
from tgi_conformance.cli.init.looking import Found, LookingError, look, python_sources
from tgi_conformance.cli.init.python_adapter import calls_of, constructor, python_values
from tgi_conformance.cli.init.rendering import HOST_FILES, CiPlan, NewFile, render
from tgi_conformance.cli.init.surface import (
    ClientClass,
    Method,
    Surface,
    javascript_surface_of,
    surface_of,
)
from tgi_conformance.cli.init.writing import write_new

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "kit" / "cli" / "init" / "templates"
CLIENT = """
class Sink:
    def close(self): ...

class ApiError(Exception):
    def __init__(self, text, http_status):
        super().__init__(text)
        self.http_status = http_status

class Client:
    def __init__(self, url, token=None, *, timeout=10, max_retries=0): ...
    def generate(self, prompt, *, max_new_tokens=20, flavour=None): ...
    def generate_stream(self, prompt, *, max_new_tokens=20): ...
    def chat(self, messages, *, stream=False, **parameters): ...
    def close(self): ...

class AsyncClient(Client):
    async def generate(self, prompt): ...
"""
OPENAI = Chosen(kind="openai", module="openai", name="openai", because="")
NODE = Chosen(kind="javascript", module="openai", name="openai", because="")
OWN_NODE = Chosen(kind="javascript", module="./src/index.mjs", name="mine", because="")
OWN = Chosen(kind="native", module="mine", name="mine", because="")
GITHUB = CiPlan(ci="github", install=("pip install .",), requirement="tgi-conformance==0")
SURFACES = {
    "read": surface_of({"mine": CLIENT}),
    "nothing": Surface(),
    "chat-only": Surface(client=ClientClass(name="C", methods={"chat": Method(name="chat")})),
    "by-headers": Surface(client=ClientClass(name="C", made_with=("base_url", "headers"))),
}


def text_of(files: tuple[NewFile, ...], path: str) -> str:
    (text,) = (file.text for file in files if file.path == path)
    return text


# What a client's source says.


def test_the_class_that_has_the_methods_of_a_client_is_taken() -> None:
    found = surface_of({"mine": "from mine.core import *", "mine.core": CLIENT})
    assert found.client is not None
    assert (found.client.module, found.client.name) == ("mine.core", "Client")
    assert found.status == "http_status"


def test_a_class_that_the_package_names_is_imported_from_the_package() -> None:
    found = surface_of({"mine": "from mine.core import Client", "mine.core": CLIENT})
    assert found.client is not None
    assert found.client.module == "mine"


@pytest.mark.parametrize("source", ["", "class Tokens: ...", "class Broken(:", "x = '\0'"])
def test_a_source_without_a_client_says_nothing(source: str) -> None:
    assert surface_of({"mine": source}).client is None


def test_streams_come_from_a_method_of_their_own_or_from_an_argument() -> None:
    assert SURFACES["read"].client is not None
    calls = {call.wanted: call for call in calls_of(SURFACES["read"].client)}
    assert (calls["generate"].method, calls["generate"].stream) == ("generate", "generate_stream")
    assert (calls["chat"].method, calls["chat"].stream) == ("chat", "chat")


def test_only_what_the_client_has_is_claimed() -> None:
    values = python_values(SURFACES["read"], "mine")
    claimed = ("native", "chat", "stream", "keys", "retry", "timeout", "close")
    assert values["capabilities"] == claimed
    assert values["settings"] == ("max_retries", "timeout")
    assert SURFACES["read"].client is not None
    by_method = {call.wanted: call.parameters for call in calls_of(SURFACES["read"].client)}
    assert by_method == {"generate": ("max_new_tokens",), "chat": ("max_tokens", "temperature")}
    assert python_values(SURFACES["chat-only"], "mine")["capabilities"] == ("chat", "keys")


@pytest.mark.parametrize(
    ("made_with", "passed"),
    [
        ((), ("base_url", "api_key")),
        (("url", "token"), ("url=base_url", "token=api_key")),
        (("base_url", "headers"), ("base_url=base_url", "headers=headers")),
        (("base_url",), ("base_url=base_url",)),
        (("where", "api_key"), ("base_url", "api_key=api_key")),
    ],
)
def test_a_client_is_made_with_the_names_of_its_constructor(
    made_with: tuple[str, ...], passed: tuple[str, ...]
) -> None:
    assert constructor(ClientClass(name="C", made_with=made_with), passes_settings=False) == passed


def test_a_module_in_javascript_is_read_by_its_look() -> None:
    source = (
        "export class Tgi {\n  async chat(messages) {\n  }\n}\nclass E { constructor() { this.code = 1; } }\n"
    )
    found = javascript_surface_of(source)
    assert found.client is not None
    assert (found.client.name, set(found.client.methods) >= {"chat"}) == ("Tgi", True)
    assert found.status == "code"


# What is chosen.


@pytest.mark.parametrize(
    ("found", "kind", "module"),
    [
        (Found(own=("mine",)), "native", "mine"),
        (Found(own=("mine",), installed=frozenset({"openai"})), "native", "mine"),
        (Found(declared=frozenset({"openai"})), "openai", "openai"),
        (Found(installed=frozenset({"text-generation"})), "native", "text_generation"),
        (Found(package_json={"dependencies": {"openai": "^5"}}), "javascript", "openai"),
        (Found(package_json={"name": "js", "main": "./lib/a.mjs"}), "javascript", "./lib/a.mjs"),
    ],
)
def test_what_is_found_decides(found: Found, kind: str, module: str) -> None:
    chosen = choose(found, kind=None, client=None)
    assert (chosen.kind, chosen.module) == (kind, module)
    assert chosen.because


def test_what_is_given_goes_before_what_is_found() -> None:
    found = Found(own=("mine",), declared=frozenset({"openai"}))
    assert choose(found, kind=None, client="openai").kind == "openai"
    assert choose(found, kind=None, client="other-client").module == "other_client"
    assert choose(found, kind="openai", client="other").kind == "openai"


def test_nothing_found_and_nothing_given_says_what_to_give() -> None:
    with pytest.raises(ChoiceError, match="--client"):
        choose(Found(), kind=None, client=None)
    for kind in KINDS:
        assert choose(Found(), kind=kind, client=None).kind == kind


def test_a_name_that_is_no_module_is_refused() -> None:
    with pytest.raises(ChoiceError, match="no name of a Python module"):
        choose(Found(), kind=None, client="no module")


@pytest.mark.parametrize(
    ("found", "ci"),
    [
        (Found(files=frozenset({".gitlab-ci.yml"}), remotes=("git@github.example:x",)), "gitlab"),
        (Found(files=frozenset({".github", ".gitlab-ci.yml"})), "github"),
        (Found(remotes=("git@gitlab.example:x",)), "gitlab"),
        (Found(), "github"),
    ],
)
def test_the_ci_in_use_is_written_for(found: Found, ci: str) -> None:
    assert choose_ci(found)[0] == ci


def test_known_clients_have_a_kind_that_there_is() -> None:
    kinds = {row.kind for rows in known_clients().values() for row in rows.values()}
    assert kinds <= set(KINDS)


def test_a_folder_is_looked_at_without_importing_anything(tmp_path: Path) -> None:
    (tmp_path / "src" / "mine").mkdir(parents=True)
    (tmp_path / "src" / "mine" / "__init__.py").write_text(f"{CLIENT}\nraise RuntimeError\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "__init__.py").touch()
    (tmp_path / "conformance_adapter.py").touch()
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["Open_AI>=1 ; x", "httpx[http2]"]\n')
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text('[remote "origin"]\n\turl = git@gitlab.example:a/b%c.git\n')
    found = look(tmp_path)
    assert found.own == ("mine",)
    assert found.declared == {"open-ai", "httpx"}
    assert choose_ci(found)[0] == "gitlab"
    assert surface_of(python_sources(tmp_path, "mine")).client is not None


@pytest.mark.parametrize(
    ("name", "text"), [("package.json", "{"), ("package.json", "[]"), ("pyproject.toml", "=")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(LookingError, match=name):
        look(tmp_path)


# What is written.


@pytest.mark.parametrize("surface", SURFACES.values(), ids=SURFACES)
def test_a_native_adapter_is_python(surface: Surface) -> None:
    text = text_of(render(OWN, surface, GITHUB), "conformance_adapter.py")
    compile(text, "conformance_adapter.py", "exec")
    assert max(map(len, text.splitlines())) <= 130
    assert "\n\n\n\n" not in text


def test_an_adapter_for_openai_is_python() -> None:
    text = text_of(render(OPENAI, Surface(), GITHUB), "conformance_adapter.py")
    names = {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
    assert names >= {"describe", "create_endpoint", "chat", "classify", "close"}


@pytest.mark.parametrize("chosen", [NODE, OWN_NODE], ids=lambda chosen: chosen.name)
def test_an_adapter_in_javascript_is_javascript(tmp_path: Path, chosen: Chosen) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on PATH")
    for file in render(chosen, javascript_surface_of(""), GITHUB)[:4]:
        place = tmp_path / Path(file.path).name
        place.write_text(file.text)
        done = subprocess.run([node, "--check", str(place)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_host_in_javascript_is_that_of_the_example() -> None:
    for name in HOST_FILES:
        example = (ROOT / "docs" / "examples" / "node" / name).read_text(encoding="utf-8")
        assert (TEMPLATES / "node" / name).read_text(encoding="utf-8") == example


@pytest.mark.parametrize(
    "chosen", [OWN, OPENAI, NODE, replace(OWN, name="@scope/client")], ids=lambda c: c.name
)
def test_the_baseline_has_the_claims_of_the_adapter_and_no_entry(chosen: Chosen) -> None:
    files = render(chosen, SURFACES["read"], GITHUB)
    (claims,) = tomllib.loads(text_of(files, "expected_failures.toml")).values()
    assert claims[chosen.name][0] == "core"
    assert json.dumps(claims[chosen.name][1:])[1:-1] in files[0].text


@pytest.mark.parametrize("chosen", [OWN, NODE], ids=lambda chosen: chosen.kind)
def test_a_command_that_is_written_is_one_of_the_kit(chosen: Chosen) -> None:
    for ci in ("github", "gitlab"):
        files = render(chosen, Surface(), replace(GITHUB, ci=ci))
        commands = [words for file in (files[0], files[-1]) for words in commands_in(file.text.splitlines())]
        assert commands
        assert {problem_with(words) for words in commands} == {""}


def test_github_gets_a_workflow() -> None:
    text = text_of(render(OWN, Surface(), GITHUB), ".github/workflows/conformance.yml")
    (job,) = yaml.safe_load(text)["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands == [
        "pip install .",
        "pip install tgi-conformance==0",
        "tgi-conformance run --backend conformance_adapter:Adapter",
    ]


@pytest.mark.parametrize(
    ("has_pipeline", "path"), [(True, ".gitlab/conformance.yml"), (False, ".gitlab-ci.yml")]
)
def test_gitlab_gets_a_job_beside_a_pipeline_that_is_there(path: str, *, has_pipeline: bool) -> None:
    plan = CiPlan(ci="gitlab", install=("npm ci",), requirement="kit", has_pipeline=has_pipeline)
    files = render(NODE, Surface(), plan)
    (job,) = yaml.safe_load(text_of(files, path)).values()
    assert job["script"][-1].endswith('--backend-command "node conformance/adapter.mjs" --reports gitlab')
    assert bool(files[-1].then) == has_pipeline


def test_no_file_is_replaced(tmp_path: Path) -> None:
    files = render(OWN, Surface(), GITHUB)
    (tmp_path / files[0].path).write_text("mine")
    first = {written.file.path: written.fate for written in write_new(tmp_path, files)}
    assert first == {files[0].path: "kept"} | {file.path: "written" for file in files[1:]}
    assert (tmp_path / files[0].path).read_text() == "mine"
    assert {written.fate for written in write_new(tmp_path, files)} == {"kept", "same"}


# The whole command, in a folder with a client of its own. Stand-ins have the interface of the packages only.

_POST = """
import http.client
import json
from urllib.parse import urlsplit


class ApiError(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


def post(url, route, key, body):
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    connection.request("POST", place.path.rstrip("/") + route, json.dumps(body), headers)
    response = connection.getresponse()
    if response.status != 200:
        raise ApiError(response.status, response.read().decode())
    return response


def events(response):
    for line in response:
        if line.startswith(b"data:") and b"[DONE]" not in line:
            yield json.loads(line[5:])
"""
NATIVE_CLIENT = f"""{_POST}

class Client:
    def __init__(self, url, token):
        self.url, self.token = url, token

    def generate(self, prompt, *, max_new_tokens=20):
        body = {{"inputs": prompt, "parameters": {{"max_new_tokens": max_new_tokens}}}}
        return json.load(post(self.url, "/generate", self.token, body))["generated_text"]

    def generate_stream(self, prompt, *, max_new_tokens=20):
        body = {{"inputs": prompt, "parameters": {{"max_new_tokens": max_new_tokens}}}}
        for event in events(post(self.url, "/generate_stream", self.token, body)):
            yield event["token"]["text"]
"""
OPENAI_CLIENT = f"""{_POST}
from types import SimpleNamespace


class APIConnectionError(Exception): ...
class APITimeoutError(APIConnectionError): ...
class APIStatusError(Exception):
    def __init__(self, text, status_code):
        super().__init__(text)
        self.status_code = status_code


def objects(value):
    return json.loads(json.dumps(value), object_hook=lambda item: SimpleNamespace(**item))


class OpenAI:
    def __init__(self, *, base_url, api_key, max_retries=0, timeout=10):
        self.base_url, self.api_key = base_url, api_key
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self.create))

    def create(self, **body):
        try:
            response = post(self.base_url, "/chat/completions", self.api_key, body)
        except ApiError as error:
            raise APIStatusError(str(error), error.status) from error
        return map(objects, events(response)) if body.get("stream") else objects(json.load(response))

    def close(self): ...
"""
OPENAI_NODE = """
class APIError extends Error { constructor(status, text) { super(text); this.status = status; } }
export default class OpenAI {
  static APIConnectionError = class extends Error {};
  static APIConnectionTimeoutError = class extends Error {};
  constructor({ baseURL, apiKey }) {
    const create = async (body) => {
      const headers = { "Content-Type": "application/json", Authorization: `Bearer ${apiKey}` };
      const asked = { method: "POST", headers, body: JSON.stringify(body) };
      const answer = await fetch(`${baseURL}/chat/completions`, asked);
      if (answer.status !== 200) throw new APIError(answer.status, await answer.text());
      return body.stream ? chunks(answer.body) : answer.json();
    };
    this.chat = { completions: { create } };
  }
}
async function* chunks(body) {
  let text = "";
  for await (const part of body.pipeThrough(new TextDecoderStream())) {
    text += part;
    const lines = text.split("\\n");
    text = lines.pop();
    const told = lines.filter((line) => line.startsWith("data:") && !line.includes("[DONE]"));
    for (const line of told) yield JSON.parse(line.slice(5));
  }
}
"""


def test_the_adapter_of_an_own_client_passes_doctor(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NATIVE_CLIENT)
    done = run_cli(tmp_path, "init")
    assert done.code == 0, done.out
    assert "0 problems" in done.out
    assert "a healthy native stream is answered" in done.out
    again = run_cli(tmp_path, "init")
    assert again.code == 0, again.out
    assert "wrote" not in again.out


def test_the_adapter_for_openai_passes_doctor(tmp_path: Path) -> None:
    (tmp_path / "openai.py").write_text(OPENAI_CLIENT)
    done = run_cli(tmp_path, "init", "--client", "openai")
    assert done.code == 0, done.out
    assert "0 problems" in done.out
    assert "a healthy chat stream is answered" in done.out


def test_the_adapter_in_javascript_passes_doctor(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("no node on PATH")
    package = tmp_path / "node_modules" / "openai"
    package.mkdir(parents=True)
    (package / "package.json").write_text(
        json.dumps({"name": "openai", "type": "module", "main": "index.js"})
    )
    (package / "index.js").write_text(OPENAI_NODE)
    (tmp_path / "package.json").write_text(json.dumps({"dependencies": {"openai": "*"}}))
    done = run_cli(tmp_path, "init")
    assert done.code == 0, done.out
    assert "0 problems" in done.out


def test_a_folder_without_a_client_is_told_what_to_give(tmp_path: Path) -> None:
    # An installed client would be found, so the kind is that of a file of this folder.
    (tmp_path / "package.json").write_text("[]")
    done = run_cli(tmp_path, "init", "--kind", "javascript")
    assert done.code == 4, done.out
    assert "package.json" in done.out

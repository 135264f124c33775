"""``init``: what it finds out and which files it writes for that."""

import ast
import json
import runpy
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from documented_commands import commands_in, problem_with

from tgi_conformance.cli.doctor_description import PARAMETERS, description_remarks
from tgi_conformance.cli.init import command
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
from tgi_conformance.contracts.adapter import Description
from tgi_conformance.contracts.codec import from_json
from tgi_conformance.reports.gate import Exit

ROOT = Path(__file__).parents[2]
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


def test_a_property_is_no_method() -> None:
    source = (
        "class A:\n @property\n def chat(self): ...\n def chat_completion(self, messages, *, stream): ..."
    )
    found = surface_of({"mine": source}).client
    assert found is not None
    assert [(call.method, call.stream) for call in calls_of(found)] == [
        ("chat_completion", "chat_completion")
    ]


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
        (Found(own=("script",), package_json={"name": "js", "main": "a.mjs"}), "javascript", "./a.mjs"),
        (Found(own=("mine",), package_json={}, files=frozenset({"pyproject.toml"})), "native", "mine"),
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


def test_the_host_in_javascript_is_the_kits_one_and_whole() -> None:
    given = {file.path: file.text for file in render(NODE, javascript_surface_of(""), GITHUB)}
    for name in HOST_FILES:
        (place,) = (file for room in ("kit", "backends", "docs") for file in (ROOT / room).rglob(name))
        assert given[f"conformance/{name}"] == place.read_text(encoding="utf-8")
    assert {file.name for file in place.parent.iterdir()} == set(HOST_FILES)


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


# What an adapter says and does, with a client that only notes what it is asked.


class Noting:
    """Answers any call with what it was called with."""

    def __init__(self, *given: object, **named: object) -> None:
        self.made = (given, named)

    def generate(self, prompt: str, **parameters: object) -> str:
        return f"{prompt} {sorted(parameters)}"

    def generate_stream(self, prompt: str, **parameters: object) -> list[SimpleNamespace]:
        return [SimpleNamespace(token=SimpleNamespace(text=f"{prompt} {sorted(parameters)}"))]

    def chat(self, messages: str, **parameters: object) -> SimpleNamespace:
        message = SimpleNamespace(content=f"{messages} {sorted(parameters)}")
        return SimpleNamespace(choices=[SimpleNamespace(message=message, finish_reason="stop")])


@dataclass(frozen=True)
class Rendering:
    """Makes adapters whose client's module has :class:`Noting` under every name that they may ask for."""

    monkeypatch: pytest.MonkeyPatch
    folder: Path

    def __call__(self, chosen: Chosen, surface: Surface) -> Any:
        names: dict[str, object] = dict.fromkeys(("Client", "C", "OpenAI"), Noting)
        names |= {"APITimeoutError": OSError, "APIConnectionError": OSError, "APIStatusError": StatusError}
        names |= {"APIError": ClientError}
        module = cast("ModuleType", SimpleNamespace(**names))
        self.monkeypatch.setitem(sys.modules, chosen.module, module)
        file = self.folder / "conformance_adapter.py"
        file.write_text(text_of(render(chosen, surface, GITHUB), file.name))
        return runpy.run_path(str(file))["Adapter"]()


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Rendering:
    return Rendering(monkeypatch, tmp_path)


class ClientError(Exception):
    """What all errors of a client like OpenAI's are."""


class StatusError(ClientError):
    http_status = status_code = 422
    response = SimpleNamespace(text="no")


@pytest.mark.parametrize(
    ("chosen", "surface"), [*((OWN, each) for each in SURFACES.values()), (OPENAI, Surface())]
)
def test_nothing_is_wrong_with_a_description(adapter: Rendering, chosen: Chosen, surface: Surface) -> None:
    about = from_json(Description, adapter(chosen, surface).describe())
    assert [remark.text for remark in description_remarks(about) if remark.tone == "bad"] == []


def test_an_adapter_hands_on_what_it_gets(adapter: Rendering) -> None:
    made = adapter(OWN, SURFACES["read"])
    first, second = (made.create_endpoint(base_url="u", api_key=key, timeout=3) for key in ("k", None))
    assert first != second
    assert made.clients[first].made == ((), {"url": "u", "token": "k", "timeout": 3})
    assert made.generate("Hi", endpoint_id=first, max_new_tokens=1) == "Hi ['max_new_tokens']"
    assert list(made.generate("Hi", endpoint_id=first, stream=True)) == ["Hi []"]
    assert made.chat("Hi", endpoint_id=second, seed=1) == "Hi ['seed']"


def test_an_adapter_without_a_parameter_for_a_key_sends_it_as_a_header(adapter: Rendering) -> None:
    made = adapter(OWN, SURFACES["by-headers"])
    ends = [made.create_endpoint(base_url="u", api_key=key) for key in ("k", None)]
    assert [made.clients[end].made[1]["headers"] for end in ends] == [{"Authorization": "Bearer k"}, None]


@pytest.mark.parametrize(("chosen", "surface"), [(OWN, SURFACES["read"]), (OPENAI, Surface())])
def test_an_error_is_classified_by_its_status(adapter: Rendering, chosen: Chosen, surface: Surface) -> None:
    made = adapter(chosen, surface)
    assert made.classify(StatusError("no")) == {"kind": "validation", "status": 422, "message": "no"}
    assert made.classify(ValueError("no")) is None


def test_an_error_of_a_stream_is_the_servers_and_the_text_of_a_status_is_what_it_said(
    adapter: Rendering,
) -> None:
    made = adapter(OPENAI, Surface())
    said = StatusError("Error code: 422")
    assert made.classify(said) == {"kind": "validation", "status": 422, "message": "no"}
    assert made.classify(ClientError("shard died")) == {"kind": "remote_error", "message": "shard died"}


def test_an_adapter_for_openai_keeps_slash_and_query_and_hands_on_what_is_no_answer(
    adapter: Rendering,
) -> None:
    made = adapter(OPENAI, Surface())
    urls = {"http://h": "http://h/v1", "http://h/": "http://h/v1/", "http://h/gw?a=1": "http://h/gw/v1?a=1"}
    ends = [made.create_endpoint(base_url=url, api_key="k") for url in urls]
    assert [made.clients[end].made[1]["base_url"] for end in ends] == list(urls.values())
    answer_of = made.chat.__func__.__globals__["answer_of"]
    nothing = {"text": None, "finish_reason": None}
    assert [answer_of(given) for given in ("<html>", SimpleNamespace(choices=None))] == [nothing, nothing]
    assert made.classify(json.JSONDecodeError("no", "", 0))["kind"] == "protocol"


def test_a_status_is_looked_for_in_the_response_where_no_error_has_one(adapter: Rendering) -> None:
    error = ValueError("no")
    error.response = SimpleNamespace(status_code=503)  # type: ignore[attr-defined]
    made = adapter(OWN, SURFACES["chat-only"])
    assert made.classify(error) == {"kind": "overloaded", "status": 503, "message": "no"}


def test_a_long_list_of_parameters_is_broken_into_lines() -> None:
    names = tuple(sorted(PARAMETERS["generate"]))
    method = Method(name="generate", parameters=names)
    many = Surface(client=ClientClass(name="C", methods={"generate": method}))
    text = text_of(render(OWN, many, GITHUB), "conformance_adapter.py")
    assert max(map(len, text.splitlines())) <= 130
    assert all(json.dumps(name) in text for name in names)


# The command without the calls of doctor.


def test_the_command_says_what_it_wrote_and_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(CLIENT)
    for code, said in ((Exit.OK, "run --backend"), (Exit.FAILED, "doctor --backend")):
        monkeypatch.setattr(command, "examine", lambda *_, code=code, **__: code)
        assert command.init(str(tmp_path), kind=None, client=None, ci="gitlab") == code
        out = capsys.readouterr().out
        assert f"tgi-conformance {said}" in out.splitlines()[-1]
    assert "expected_failures.toml: has this text already" in out
    assert sorted(item.name for item in tmp_path.iterdir()) == [
        ".gitlab-ci.yml",
        "conformance_adapter.py",
        "expected_failures.toml",
        "mine.py",
    ]


def test_the_command_names_what_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "package.json").write_text("[]")
    assert command.init(str(tmp_path), kind="javascript", client=None, ci=None) == Exit.USAGE
    assert "package.json: it holds no object" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "installed"),
    [
        ({"pyproject.toml", "requirements.txt"}, ("pip install .",)),
        ({"requirements.txt"}, ("pip install -r requirements.txt",)),
        (set(), ("pip install other",)),
    ],
)
def test_ci_installs_the_client_as_its_project_says(files: set[str], installed: tuple[str, ...]) -> None:
    other = replace(OWN, module="other", name="other")
    assert command.ci_plan(Found(files=frozenset(files)), other, "github").install == installed
    assert command.ci_plan(Found(own=("other",)), other, "github").install == ()
    assert command.ci_plan(Found(files=frozenset({"package-lock.json"})), NODE, "github").install == (
        "npm ci",
    )

"""The adapters for published clients: small, free of behaviour, runnable under a foreign interpreter.

Nothing here needs the clients to be installed.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from stand_in_clients import OPENAI_NODE

from tgi_conformance.backends import published
from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.backends.driver.spec import parse_backend
from tgi_conformance.backends.published.faces import Client, lay_out, published_clients

FOLDER = Path(published.__path__[0])
CLIENTS = [client for client in published_clients() if client.language == "python"]
NODE_CLIENTS = [client for client in published_clients() if client.language == "node"]
HOST = FOLDER.parent / "host" / "node"
MOST_LINES = 80
MOST_LINES_OF_A_FILE = 130
PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+]+")
#: Calls that would be a behaviour of the adapter's own.
BEHAVIOUR = {"sleep", "wait_for", "timeout", "retry", "loads", "strip", "lstrip", "rstrip", "replace"}
NODE_BEHAVIOUR = BEHAVIOUR | {"setTimeout", "setInterval", "setImmediate", "parse", "fetch", "catch"}
NODE_BEHAVIOUR |= {"trim", "trimStart", "trimEnd", "replaceAll"}
#: Whatever imports: statements, and calls, which adapters have no use for.
IMPORTED = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']""")
LOADED = re.compile(r"\bimport\s*\(|\brequire\b")
CALLED = re.compile(r"\b([A-Za-z]\w*)\s*\(")
CLOSERS = re.compile(r"[\s\])};,]+")
#: What the adapter of ``openai`` reads of its package at once, beside what the stand-in has.
MORE_OF_OPENAI = """
OpenAI.OpenAIError = class extends Error {};
Object.assign(OpenAI, { APIError, APIUserAbortError: class extends APIError {} });
"""

client = pytest.mark.parametrize("client", CLIENTS, ids=[client.name for client in CLIENTS])
faces = pytest.mark.parametrize(
    ("client", "face"),
    [(client, face) for client in CLIENTS for face in client.faces],
    ids=[f"{client.name}-{face}" for client in CLIENTS for face in client.faces],
)

node_client = pytest.mark.parametrize("client", NODE_CLIENTS, ids=[client.name for client in NODE_CLIENTS])
node_faces = pytest.mark.parametrize(
    ("client", "face"),
    [(client, face) for client in NODE_CLIENTS for face in client.faces],
    ids=[f"{client.name}-{face}" for client in NODE_CLIENTS for face in client.faces],
)
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not on the PATH")


def source(client: Client) -> str:
    return (FOLDER / f"{client.adapter}.py").read_text(encoding="utf-8")


def lines_of_code(text: str, *, without: str) -> int:
    """Count the lines that hold code: no blanks, comments and docstrings, nor the class named."""
    tree = ast.parse(text)
    spans = [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(tree)
        if (isinstance(node, ast.ClassDef) and node.name == without)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    skipped = {line for span in spans for line in span}
    return sum(
        1
        for number, line in enumerate(text.splitlines(), 1)
        if number not in skipped and line.strip() and not line.lstrip().startswith("#")
    )


@client
def test_a_face_takes_eighty_lines_at_most(client: Client) -> None:
    sync = lines_of_code(source(client), without="AsyncAdapter")
    both = lines_of_code(source(client), without="")
    assert len(source(client).splitlines()) <= MOST_LINES_OF_A_FILE
    assert sync <= MOST_LINES
    assert both - sync <= MOST_LINES


@client
def test_adapters_compile_and_have_their_faces(client: Client) -> None:
    tree = ast.parse(source(client))
    compile(tree, client.name, "exec")
    assert set(client.faces) <= {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


@client
def test_adapters_import_the_client_and_no_part_of_the_kit(client: Client) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(source(client))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert set(client.modules or {client.package.replace("-", "_")}) <= imported
    assert "tgi_conformance" not in imported
    pinned = {line.partition("==")[0].lower().replace("-", "_") for line in lock(client)}
    assert client.package.lower().replace("-", "_") in pinned
    assert imported - sys.stdlib_module_names - set(client.modules) <= pinned


@client
def test_adapters_do_nothing_that_a_client_should_do(client: Client) -> None:
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(ast.parse(source(client)))
        if isinstance(node, ast.Call)
    }
    assert not called & BEHAVIOUR


def lock(client: Client) -> list[str]:
    return (FOLDER / client.lock).read_text(encoding="utf-8").splitlines()


@client
def test_locks_pin_every_package_and_hold_no_url(client: Client) -> None:
    pins = lock(client)
    assert pins
    assert [pin for pin in pins if not PIN.fullmatch(pin)] == []


@faces
def test_a_foreign_interpreter_gets_the_adapter_as_a_file(client: Client, face: str, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.symlink_to(sys.executable)

    spec = parse_backend(client.backend(face), python=str(python), folder=tmp_path)

    file, _, attribute = spec.adapter.rpartition(":")
    assert spec.foreign
    assert Path(file) == FOLDER / f"{client.adapter}.py"
    assert attribute == face
    assert spec.argv[0] == str(python)


def code_of(client: Client, face: str) -> str:
    """A module of Node without comments and blank lines."""
    text = (FOLDER / client.adapter / face).read_text(encoding="utf-8")
    lines = (re.sub(r"(^|\s)//.*", "", line) for line in text.splitlines())
    return "\n".join(line for line in lines if line.strip())


def package_lock(client: Client) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((FOLDER / client.lock).read_text(encoding="utf-8"))
    return told


def package_of(specifier: str) -> str:
    return "/".join(specifier.split("/")[: 2 if specifier.startswith("@") else 1])


@node_faces
def test_a_face_of_node_takes_as_many_lines_at_most(client: Client, face: str) -> None:
    whole = (FOLDER / client.adapter / face).read_text(encoding="utf-8").splitlines()
    assert len(whole) <= MOST_LINES_OF_A_FILE
    code = [line for line in code_of(client, face).splitlines() if not CLOSERS.fullmatch(line)]
    assert len(code) <= MOST_LINES


@node_faces
def test_adapters_of_node_import_the_client_the_host_and_nothing_else(client: Client, face: str) -> None:
    code = code_of(client, face)
    imported = IMPORTED.findall(code)
    paths = [name for name in imported if name.startswith(".")]
    packages = {package_of(name) for name in imported if not name.startswith((".", "node:"))}
    assert imported[0] == paths[0], "the host comes first: it watches from its import on"
    assert {(FOLDER / client.adapter / path).resolve() for path in paths} == {(HOST / "host.mjs").resolve()}
    assert client.package in packages
    assert packages <= set(package_lock(client)["packages"][""]["dependencies"])
    assert LOADED.findall(code) == []


@node_faces
def test_adapters_of_node_do_nothing_that_a_client_should_do(client: Client, face: str) -> None:
    assert not set(CALLED.findall(code_of(client, face))) & NODE_BEHAVIOUR


@node_client
def test_locks_of_node_pin_every_package_by_its_content_and_hold_no_address(client: Client) -> None:
    lock = package_lock(client)
    packages = lock["packages"]
    asked = json.loads((FOLDER / client.adapter / "package.json").read_text(encoding="utf-8"))
    assert asked["dependencies"] == packages[""]["dependencies"] == {client.package: client.version}
    assert packages[f"node_modules/{client.package}"]["version"] == client.version
    pinned = [package for path, package in packages.items() if path]
    assert [
        package for package in pinned if not re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package["integrity"])
    ] == []
    assert "://" not in (FOLDER / client.lock).read_text(encoding="utf-8")
    assert "resolved" not in {name for package in pinned for name in package}


@needs_node
@node_faces
def test_a_face_of_node_starts_from_a_copy_that_has_the_host(
    client: Client, face: str, tmp_path: Path
) -> None:
    environment = lay_out(client, tmp_path)
    package = environment / "node_modules" / client.package
    package.mkdir(parents=True)
    exports = {".": "./index.js", "./version": "./version.js"}
    (package / "package.json").write_text(json.dumps({"type": "module", "exports": exports}))
    (package / "index.js").write_text(OPENAI_NODE + MORE_OF_OPENAI)
    (package / "version.js").write_text(f'export const VERSION = "{client.version}";')

    with Driver.start(parse_backend(command=client.command(face, environment))) as driver:
        assert driver.description.version == client.version
        assert driver.fence == "hooks"
        outcome = driver.run("create_endpoint", {"base_url": "http://127.0.0.1:9", "api_key": "key"})
    assert outcome.value == "endpoint-1"
    with pytest.raises(FileExistsError):
        lay_out(client, tmp_path)


@needs_node
@node_faces
def test_a_face_of_node_is_a_module_that_parses(client: Client, face: str) -> None:
    done = subprocess.run(
        ["node", "--check", FOLDER / client.adapter / face], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

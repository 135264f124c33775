"""The adapters for published clients: small, free of behaviour, runnable under a foreign interpreter.

Nothing here needs the clients to be installed.
"""

import ast
import re
import sys
from pathlib import Path

import pytest

from tgi_conformance.backends import published
from tgi_conformance.backends.driver.spec import parse_backend
from tgi_conformance.backends.published.faces import Client, published_clients

FOLDER = Path(published.__path__[0])
CLIENTS = [client for client in published_clients() if client.language == "python"]
MOST_LINES = 80
PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+]+")
#: Calls that would be a behaviour of the adapter's own.
BEHAVIOUR = {"sleep", "wait_for", "timeout", "retry", "loads", "strip", "lstrip", "rstrip", "replace"}

client = pytest.mark.parametrize("client", CLIENTS, ids=[client.name for client in CLIENTS])
faces = pytest.mark.parametrize(
    ("client", "face"),
    [(client, face) for client in CLIENTS for face in client.faces],
    ids=[f"{client.name}-{face}" for client in CLIENTS for face in client.faces],
)


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

"""The adapter of the guide's backend: as small and as free of behaviour as those of published clients.

It is none of them: its client is in no index, and is found on the path.
"""

import ast
import re
from pathlib import Path

from tgi_conformance.backends import published

FOLDER = Path(published.__path__[0])
SOURCE = (FOLDER / "hf_tgi_adapter.py").read_text(encoding="utf-8")
TREE = ast.parse(SOURCE)
MOST_LINES, MOST_LINES_OF_A_FILE = 80, 130
PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+]+")
#: Calls that would be a behaviour of the adapter's own.
BEHAVIOUR = {"sleep", "wait_for", "timeout", "retry", "loads", "strip", "lstrip", "rstrip", "replace"}
FACES = ("Adapter", "EndpointsAdapter", "ChatAdapter", "AsyncAdapter")


def lines_of(node: ast.AST) -> set[int]:
    """Lines of code of a class: no blanks and no docstrings."""
    spoken = {
        line
        for each in ast.walk(node)
        if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
        for line in range(each.lineno, (each.end_lineno or each.lineno) + 1)
    }
    first, last = getattr(node, "lineno", 1), getattr(node, "end_lineno", None) or len(SOURCE.splitlines())
    return {n for n in range(first, last + 1) if n not in spoken and SOURCE.splitlines()[n - 1].strip()}


def test_the_file_and_each_face_are_short() -> None:
    classes = {node.name: lines_of(node) for node in TREE.body if isinstance(node, ast.ClassDef)}
    whole = lines_of(TREE)
    assert len(SOURCE.splitlines()) <= MOST_LINES_OF_A_FILE
    further = set().union(*(classes[name] for name in FACES if name != "Adapter"))
    assert len(whole - further) <= MOST_LINES
    assert len(further) <= MOST_LINES


def test_it_does_nothing_that_a_client_should_do() -> None:
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(TREE)
        if isinstance(node, ast.Call)
    }
    caught = [
        ast.unparse(node.type) for node in ast.walk(TREE) if isinstance(node, ast.ExceptHandler) and node.type
    ]
    assert not called & BEHAVIOUR
    assert caught == ["ImportError"]


def test_what_it_changes_of_the_client_is_the_host_alone() -> None:
    (moved,) = [node for node in TREE.body if isinstance(node, ast.ClassDef) and node.name == "Moved"]
    assert [node.name for node in moved.body if isinstance(node, ast.FunctionDef)] == [
        "make_post_request_hf_tgi"
    ]
    assert re.search(r"host\.geturl\(\) \+ urlsplit\(endpoint_url\)\.path", ast.unparse(moved))


def test_its_lock_pins_what_it_and_the_backend_import() -> None:
    pins = (FOLDER / "hf_tgi.lock.txt").read_text(encoding="utf-8").splitlines()
    assert [pin for pin in pins if not PIN.fullmatch(pin)] == []
    assert {"requests", "python-dotenv"} <= {pin.partition("==")[0] for pin in pins}

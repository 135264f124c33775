"""Where an exception was raised, as the Python host tells it, and whose fault the driver makes of it."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from interpreters import interpreter

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.backends.driver.spec import parse_backend
from tgi_conformance.backends.host.adapter_code import code_of
from tgi_conformance.backends.host.frames import relative
from tgi_conformance.contracts.fault import where_it_began
from tgi_conformance.suites.harness.expect import describe

ADAPTERS = Path(__file__).parents[1] / "adapters"
MINE = {
    "missing_key": " at two_files.py:{} in do_missing_key (the adapter's)",
    "bad_number": " at two_files.py:{} in do_bad_number (the adapter's)",
    "wrong_argument": " at two_files.py:{} in do_wrong_argument (the adapter's)",
    "own_raise": " at two_files.py:{} in do_own_raise (the adapter's own raise)",
    "wrap_own_mistake": ", from KeyError at two_files.py:{} in do_wrap_own_mistake (the adapter's)",
    "mistake_while_handling": " at two_files.py:{} in do_mistake_while_handling (the adapter's)",
    "stream": " at two_files.py:{} in piece (the adapter's)",
}
NOT_MINE = (
    "backend",
    "library",
    "wrap",
    "wrap_in_context",
    "wrap_and_hide",
    "backend_after_a_look",
    "backends_type",
)
LAST_LINES = {
    "missing_key": 'Client().answer()["choices"]',
    "bad_number": "int(Client()",
    "wrong_argument": "nonsense=1",
    "own_raise": 'ValueError("no such',
    "wrap_own_mistake": 'Client().answer()["choices"]',
    "mistake_while_handling": "error.nonsense",
    "stream": "said.text",
}


@pytest.fixture(scope="module")
def two() -> Iterator[Driver]:
    with Driver.start(parse_backend(f"{ADAPTERS / 'two_files.py'}:TwoFiles")) as driver:
        yield driver


def line_of(how: str) -> int:
    """The line in which it fails, below the method that does it."""
    lines = (ADAPTERS / "two_files.py").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if f"def do_{how}(" in line)
    return 1 + next(number for number in range(start, len(lines)) if LAST_LINES[how] in lines[number])


@pytest.mark.parametrize("how", MINE)
def test_a_mistake_of_the_adapter_is_said_to_be_its_own_with_the_line(two: Driver, how: str) -> None:
    outcome = two.run("generate", {"prompt": how}, stream=how == "stream")
    assert where_it_began(outcome.exception) == MINE[how].format(line_of(how))
    assert MINE[how].format(line_of(how)) in describe(outcome)


@pytest.mark.parametrize("how", NOT_MINE)
def test_what_a_backend_raises_is_not_the_adapters_however_it_is_wrapped(two: Driver, how: str) -> None:
    outcome = two.run("generate", {"prompt": how})
    assert outcome.ending == "error"
    assert where_it_began(outcome.exception) == ""


def test_a_method_that_cannot_be_called_as_the_contract_calls_it_is_the_adapters(two: Driver) -> None:
    outcome = two.run("completions", {"prompt": "x", "endpoint_id": "e1"})
    said = where_it_began(outcome.exception)
    assert "'endpoint_id'" in outcome.exception[0].message
    assert said.endswith(" in completions (the adapter's)")
    head = int(said.partition(":")[2].split()[0])
    lines = (ADAPTERS / "two_files.py").read_text(encoding="utf-8").splitlines()
    assert "def completions" in lines[head - 1]


def test_an_exception_that_came_to_a_waiting_coroutine_is_not_the_adapters(two: Driver) -> None:
    outcome = two.run("chat", {"messages": []})
    assert outcome.exception[0].began == "delivered"
    assert where_it_began(outcome.exception) == ""


def test_a_mistake_of_the_backend_has_its_place_and_no_word_on_the_adapter(two: Driver) -> None:
    outcome = two.run("generate", {"prompt": "backend_slip"})
    assert where_it_began(outcome.exception).startswith(" at two_files_client.py:")
    assert "adapter" not in describe(outcome)


def test_frames_go_from_the_innermost_out_each_with_its_owner(two: Driver) -> None:
    (library,) = two.run("generate", {"prompt": "library"}).exception
    frames = [(frame.file, frame.function, frame.owner) for frame in library.frames]
    assert frames[0][0].startswith("lib/json/")
    assert frames[-2:] == [("two_files.py", "do_library", "adapter"), ("two_files.py", "generate", "adapter")]
    (backend,) = two.run("generate", {"prompt": "backend"}).exception
    assert (backend.frames[0].file, backend.frames[0].owner) == ("two_files_client.py", "backend")


def test_the_innermost_twenty_are_kept(two: Driver) -> None:
    (deep,) = two.run("generate", {"prompt": "deep"}).exception
    assert {frame.function for frame in deep.frames} == {"do_deeper"}
    assert len(deep.frames) == 20


def test_no_path_of_the_machine_is_in_the_frames(two: Driver) -> None:
    for how in (*MINE, *NOT_MINE, "deep"):
        for link in two.run("generate", {"prompt": how}, stream=how == "stream").exception:
            assert not [
                frame for frame in link.frames if str(Path.cwd()) in frame.file or frame.file[0] == "/"
            ]


def test_a_failing_classify_is_told_with_its_place(two: Driver) -> None:
    assert "classify() raised KeyError('kind') at two_files.py:" in describe(
        two.run("generate", {"prompt": "unclassified"})
    )


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.12", "3.13"])
def test_another_version_of_python_says_the_same(version: str, tmp_path: Path) -> None:
    for name in ("two_files.py", "two_files_client.py"):
        text = (ADAPTERS / name).read_text(encoding="utf-8")
        text = text.replace("from tgi_conformance.adapter import ErrorInfo", "")
        (tmp_path / name).write_text(text.replace('ErrorInfo(kind="unmapped")', "None"), encoding="utf-8")
    spec = parse_backend(f"{tmp_path / 'two_files.py'}:TwoFiles", python=interpreter(version))
    with Driver.start(spec) as driver:
        for how, said in MINE.items():
            outcome = driver.run("generate", {"prompt": how}, stream=how == "stream")
            assert where_it_began(outcome.exception) == said.format(line_of(how)), how
        for how in NOT_MINE:
            assert where_it_began(driver.run("generate", {"prompt": how}).exception) == "", how
        assert where_it_began(driver.run("chat", {"messages": []}).exception) == ""


# --- what is said of the adapter's code ---


def loaded(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, **files: str) -> ModuleType:
    for file, text in files.items():
        path = folder / f"{file.replace('__in__', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, file.replace("__in__", "."), raising=False)
    monkeypatch.syspath_prepend(folder)
    return importlib.import_module(name)


DESCRIBES = "class A:\n    def describe(self): ...\n"


@pytest.mark.parametrize(
    ("text", "imports", "routes"),
    [
        ("import json, os.path\n", [], False),
        ("from tgi_conformance.adapter import Answer\nfrom tgi_conformance import adapter\n", [], False),
        ("import click.core\nfrom rich import text\n", ["click", "rich"], False),
        ("def late():\n    import click\n", ["click"], False),
        ("from tgi_conformance.backends.reference import client\n", ["tgi_conformance"], False),
        ("import click\nPATH = '/v1/chat/completions'\n", ["click"], True),
        ("import click\ndef url(base): return f'{base}/generate'\n", ["click"], True),
        (
            "import click\ndef route(stream): return 'generate_stream' if stream else 'generate'\n",
            ["click"],
            True,
        ),
        ("import click\nNAMES = ['generate', 'completions', 'chat']\n", ["click"], False),
        ("import click\n'''It speaks with POST /generate and /v1/completions.'''\n", ["click"], False),
    ],
)
def test_imports_and_routes_of_an_adapter_are_read_from_its_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, imports: list[str], *, routes: bool
) -> None:
    code = code_of(loaded(monkeypatch, tmp_path, "one_adapter", one_adapter=text + DESCRIBES).A())
    assert code == {"files": ["one_adapter.py"], "imports": imports, "native": [], "routes": routes}


def test_an_adapter_inside_its_clients_package_imports_that_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = loaded(
        monkeypatch,
        tmp_path,
        "some_pkg.adapter",
        some_pkg__in____init__="",
        some_pkg__in__client="",
        some_pkg__in__base=f"from . import client\n{DESCRIBES}",
        some_pkg__in__adapter="from .base import A as Base\nclass A(Base): ...\n",
    )
    code = code_of(module.A())
    assert code["files"] == ["some_pkg/adapter.py", "some_pkg/base.py"]
    assert code["imports"] == ["some_pkg"]


def test_a_base_class_of_ones_own_is_no_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    child = "from a_base import A as Base\nclass A(Base): ...\n"
    module = loaded(monkeypatch, tmp_path, "a_child", a_base=DESCRIBES, a_child=child)
    assert code_of(module.A()) == {
        "files": ["a_base.py", "a_child.py"],
        "imports": [],
        "native": [],
        "routes": False,
    }


def test_an_adapter_without_source_says_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = loaded(monkeypatch, tmp_path, "gone_adapter", gone_adapter=f"import click\n{DESCRIBES}")
    (tmp_path / "gone_adapter.py").unlink()
    assert code_of(module.A())["imports"] == []


@pytest.mark.parametrize(
    ("path", "module", "shown"),
    [
        (json.__file__, "json", "lib/json/__init__.py"),
        ("<frozen importlib._bootstrap>", "importlib._bootstrap", "lib/<frozen importlib._bootstrap>"),
        ("/home/me/src/pkg/core.py", "pkg.core", "pkg/core.py"),
        ("/home/me/src/pkg/__init__.py", "pkg", "pkg/__init__.py"),
        ("/home/me/queue.py", "adapter_queue", "queue.py"),
        ("<string>", "pkg.core", "pkg/<string>"),
        ("/home/me/x.py", None, "x.py"),
    ],
)
def test_a_file_is_named_by_its_module(path: str, module: str | None, shown: str) -> None:
    assert relative(path, module) == shown

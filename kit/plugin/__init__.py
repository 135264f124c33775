"""The pytest plugin: options, the collection of suite files, and the gate that wakes the rest.

It is registered in every pytest process of the environment, so it imports next to nothing and does nothing
until a ``--tgi-*`` option, the suites, or a test with the ``clause`` marker or a ``tgi_*`` fixture turns up.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

import pytest

from tgi_conformance import late_imports
from tgi_conformance.plugin.options import add_options, any_given, names_suites

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController  # type: ignore[import-untyped]

SUITES: Final = "tgi_conformance.suites"
#: Name under which the first of the other hooks is registered.
AWAKE: Final = "tgi-collection"
_REFUSED: Final = "tgi-refused"
FIXTURES: Final = frozenset({"tgi_server", "tgi_space", "tgi_backend", "backend_spec"})
MARKERS: Final = (
    'clause(id, *, case=None, ways=()): the test decides this clause, as "RETRY-03"; its verdict is reported',
    "timing: the verdict rests on waits; never runs beside a load case",
    "load: the test loads the machine; it runs alone",
    "ahead: the test mostly waits; a long run starts it early, in a thread beside other tests",
)

pytest.register_assert_rewrite(SUITES)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers; wake where the command line asks for it."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if any_given(config) or names_suites(config.args) or "tgi_settings" in getattr(config, "workerinput", {}):
        _wake(config)
    elif not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Sleeping(config), "tgi-sleeping")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: "WorkerController") -> None:
    """Send the settings to a worker, where there are any yet."""
    if node.config.pluginmanager.has_plugin(AWAKE):
        import_module(late_imports.ACTIVATION).send_to_worker(node.config, node.workerinput)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Collect a suite file under its import name, whatever the user's settings say of modules."""
    if (name := _dotted(module_path)) is None:
        return None
    _wake_late(parent.config)
    return _SuiteModule.from_parent(parent, path=module_path, dotted=name)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Collect ``test_*.py`` of the suites also where ``python_files`` says otherwise."""
    if _dotted(file_path) is None or not file_path.match("test_*.py"):
        return None
    matched = any(file_path.match(pattern) for pattern in parent.config.getini("python_files"))
    if matched or parent.session.isinitpath(file_path):
        return None  # pytest's own collector does it
    return pytest_pycollect_makemodule(file_path, parent)


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a folder of the suites as a folder, not as a package: its modules have their own names."""
    return pytest.Dir.from_parent(parent, path=path) if _dotted(path) else None


def pytest_pycollect_makeitem(collector: pytest.Collector, obj: object) -> None:
    """Wake for a user's own test that has the marker or asks for a fixture of the kit."""
    if _uses_kit(obj):
        _wake_late(collector.config)


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Wake for a user's own fixture in a ``conftest.py`` that is built on one of the kit."""
    if isinstance(plugin, ModuleType) and plugin.__name__.rpartition(".")[2] == "conftest":
        session = manager.get_plugin("session")
        if session is not None and any(_uses_kit(value) for value in vars(plugin).values()):
            _wake_late(session.config)


class _SuiteModule(pytest.Module):
    """A suite file: imported as part of the package, never by its path."""

    def __init__(self, dotted: str, **others: object) -> None:
        super().__init__(**others)  # type: ignore[arg-type]
        self._dotted = dotted

    def _getobj(self) -> ModuleType:
        return import_module(self._dotted)


def _dotted(path: Path) -> str | None:
    """Import name of a file or folder of the suites, else None."""
    for root in _roots():
        if path.is_relative_to(root):
            return ".".join((SUITES, *path.relative_to(root).parts)).removesuffix(".py")
    return None


def _roots() -> tuple[Path, ...]:
    if not _ROOTS:
        spec = find_spec(SUITES)
        if spec is None or spec.origin is None:
            raise pytest.UsageError(f"{SUITES} cannot be found: install tgi-conformance again")
        folder = Path(spec.origin).parent
        _ROOTS.extend(dict.fromkeys((folder, folder.resolve())))
    return tuple(_ROOTS)


_ROOTS: list[Path] = []


def _uses_kit(value: object) -> bool:
    """Whether a test or fixture has the ``clause`` marker or takes a fixture of the kit."""
    function = getattr(value, "_get_wrapped_function", lambda: value)()
    marks = getattr(function, "pytestmark", ())
    if isinstance(marks, list) and any(getattr(mark, "name", "") == "clause" for mark in marks):
        return True
    code = getattr(function, "__code__", None)
    return code is not None and not FIXTURES.isdisjoint(code.co_varnames[: code.co_argcount])


def _wake(config: pytest.Config) -> None:
    if not config.pluginmanager.has_plugin(AWAKE):
        import_module(late_imports.ACTIVATION).activate(config)


def _wake_late(config: pytest.Config) -> None:
    """Wake while files are collected, where a raised error would be told as one of the file at hand."""
    if config.pluginmanager.has_plugin(_REFUSED):
        return
    try:
        _wake(config)
    except pytest.UsageError as problem:
        config.pluginmanager.register(_Refused(problem), _REFUSED)


class _Refused:
    """Ends a session that could not wake, once its files are collected."""

    def __init__(self, problem: pytest.UsageError) -> None:
        self._problem = problem

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self) -> None:
        raise self._problem


class _Sleeping:
    """Wakes a controller whose workers met a case that nothing on the command line spoke of."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if hasattr(report, "tgi_verdict") and not self._config.pluginmanager.has_plugin(AWAKE):
            import_module(late_imports.ACTIVATION).activate_late(self._config, report)

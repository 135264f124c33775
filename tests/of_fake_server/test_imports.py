"""What the fake server and the sleeping plugin import: both are started often and must start quickly."""

import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

#: Libraries of the suites, the reports and the commands, which have nothing to do with serving.
OF_OTHERS = frozenset({"hypothesis", "allure", "allure_commons", "pytest", "rich", "jinja2", "httpx"})


def brought_by(module: str, *, after: str = "sys") -> set[str]:
    """The modules that an import adds in a fresh interpreter that has imported ``after``."""
    code = (
        f"import sys, {after}; known = set(sys.modules); import {module}; print(*(set(sys.modules) - known))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(ran.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "tgi_conformance.fake_server.service.process",  # what `tgi-conformance serve` runs
        "tgi_conformance.fake_server.__main__",
        "tgi_conformance.fake_server.client",
    ],
)
def test_the_fake_server_imports_one_library_and_no_other_room(module: str) -> None:
    names = brought_by(module)
    libraries = {name.partition(".")[0] for name in names} & packages_distributions().keys()
    assert not libraries & OF_OTHERS
    assert libraries - {"tgi_conformance"} == {"httptools"}
    rooms = {name.split(".")[1] for name in names if name.startswith("tgi_conformance.")}
    assert rooms == {"contracts", "fake_server"}


def test_the_plugin_imports_its_options_and_nothing_else_beyond_pytest() -> None:
    assert brought_by("tgi_conformance.plugin", after="pytest") == {
        "tgi_conformance",
        "tgi_conformance.late_imports",  # names of modules, imports nothing
        "tgi_conformance.plugin",
        "tgi_conformance.plugin.options",
    }


def test_what_is_imported_is_seen() -> None:
    assert "httpx" in brought_by("tgi_conformance.backends.reference")

"""What the fake server does not import: it starts in each worker, and is used without the suites."""

import subprocess
import sys

import pytest

#: Heavy, and none of the server's business.
FOREIGN = (
    "allure_commons",
    "allure_pytest",
    "h2",
    "httpx",
    "hypothesis",
    "jinja2",
    "jsonschema",
    "pytest",
    "rich",
)
MODULES = ("tgi_conformance.fake_server.service.process", "tgi_conformance.fake_server.client")


def imported_by(module: str) -> set[str]:
    code = f"import sys, {module}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", MODULES)
def test_the_server_and_its_client_import_nothing_heavy(module: str) -> None:
    assert imported_by(module).isdisjoint(FOREIGN)


def test_the_plugin_brings_nothing_to_a_pytest_that_does_not_use_it() -> None:
    assert imported_by("tgi_conformance.plugin").isdisjoint({*FOREIGN} - {"pytest"})


def test_what_is_imported_is_seen() -> None:
    assert "httpx" in imported_by("tgi_conformance.backends.reference")

"""Imports that are written as strings stand in one place, and each names a module that is there."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tgi_conformance import late_imports

KIT = Path(late_imports.__file__).parent
NAMED = {name: value for name, value in vars(late_imports).items() if name.isupper()}


@pytest.mark.parametrize("name", sorted(NAMED))
def test_the_module_is_there_and_somebody_imports_it(name: str) -> None:
    assert find_spec(NAMED[name]) is not None
    users = [
        file for file in KIT.rglob("*.py") if re.search(rf"late_imports\.{name}\b", file.read_text("utf-8"))
    ]
    assert users


def test_no_module_is_imported_by_a_string_elsewhere() -> None:
    asked = re.compile(r"import_module\((?!late_imports\.[A-Z_]+\)|self\._dotted\))[^)]*\)")
    found = {
        f"{file.relative_to(KIT)}: {call}"
        for file in KIT.rglob("*.py")
        for call in asked.findall(file.read_text(encoding="utf-8"))
    }
    assert found == set()

"""What can be found out about a folder without asking: packages, dependencies, installations, CI in use."""

import configparser
import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

_NO_PACKAGES: Final = frozenset(
    {
        "tests",
        "test",
        "docs",
        "examples",
        "build",
        "dist",
        "setup",
        "noxfile",
        "conftest",
        "conformance_adapter",
    }
)
_NAME: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
#: Where GitLab looks for a pipeline.
PIPELINE: Final = ".gitlab-ci.yml"
#: Modules of a package that are read at most; a client has fewer.
_MOST_MODULES: Final = 200


class LookingError(Exception):
    """A file that says what this project is cannot be read: which, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found; empty where nothing was."""

    #: Import names of the Python packages and modules that this folder holds.
    own: tuple[str, ...] = ()
    #: Python distributions that the project declares to need, and those installed beside the kit; normalised.
    declared: frozenset[str] = frozenset()
    installed: frozenset[str] = frozenset()
    #: ``package.json`` as it was read.
    package_json: Mapping[str, Any] | None = None
    #: Text of ``.gitlab-ci.yml``.
    pipeline: str = ""
    #: Files at the top of the folder, and the remote addresses of its repository.
    files: frozenset[str] = frozenset()
    remotes: tuple[str, ...] = field(default=(), repr=False)


def look(folder: Path) -> Found:
    """Look at a folder; raises :class:`LookingError`."""
    return Found(
        own=tuple(_own(folder)),
        declared=frozenset(_declared(folder)),
        installed=frozenset(normalised(each.name) for each in distributions() if each.name),
        package_json=_package_json(folder),
        pipeline=_text(folder / PIPELINE) if (folder / PIPELINE).is_file() else "",
        files=frozenset(item.name for item in folder.iterdir()) if folder.is_dir() else frozenset(),
        remotes=tuple(_remotes(folder)),
    )


def normalised(name: str) -> str:
    """The name of a distribution as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def python_sources(folder: Path, module: str) -> dict[str, str]:
    """Sources of a top-level module or package, the package's own first; none: it is not there, or no Python.

    It is looked for where an adapter in ``folder`` would find it, and is not imported.
    """
    spec = PathFinder.find_spec(module, [str(folder), str(folder / "src"), *sys.path])
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return {}
    first = Path(spec.origin)
    if spec.submodule_search_locations is None:
        return {module: _text(first)}
    files = [
        file for file in sorted(first.parent.rglob("*.py")) if file != first and not _of_tests(file, first)
    ]
    named = {
        ".".join([module, *file.relative_to(first.parent).with_suffix("").parts]): file for file in files
    }
    return (
        {name: _text(file) for name, file in {module: first, **named}.items()}
        if len(named) <= _MOST_MODULES
        else {module: _text(first)}
    )


def javascript_source(folder: Path, main: str) -> str:
    """The source of a package's main module; empty where there is none (it may have to be built first)."""
    return _text(folder / main) if (folder / main).is_file() else ""


def _of_tests(file: Path, first: Path) -> bool:
    return bool({"tests", "test"} & set(file.relative_to(first.parent).parts))


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def _own(folder: Path) -> Iterator[str]:
    for place in (folder / "src", folder):
        for item in sorted(place.iterdir()) if place.is_dir() else ():
            name = item.stem if item.suffix == ".py" else item.name
            is_module = item.suffix == ".py" or (item / "__init__.py").is_file()
            if (
                is_module
                and name.isidentifier()
                and name not in _NO_PACKAGES
                and not name.startswith("test_")
            ):
                yield name


def _declared(folder: Path) -> Iterator[str]:
    project = _read(folder / "pyproject.toml", tomllib.loads, {}).get("project", {})
    optional = project.get("optional-dependencies", {}).values()
    lines = [*project.get("dependencies", []), *(line for group in optional for line in group)]
    requirements = folder / "requirements.txt"
    if requirements.is_file():
        lines += _text(requirements).splitlines()
    yield from (normalised(found[1]) for line in lines if (found := _NAME.match(line)))


def _package_json(folder: Path) -> Mapping[str, Any] | None:
    given = _read(folder / "package.json", json.loads, None)
    if given is not None and not isinstance(given, dict):
        raise LookingError(f"{folder / 'package.json'}: it holds no object")
    return given


def _remotes(folder: Path) -> Iterator[str]:
    reader = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        reader.read(folder / ".git" / "config", encoding="utf-8")
    except configparser.Error:  # not for us to say: git itself will
        return
    yield from (reader[name]["url"] for name in reader.sections() if "url" in reader[name])


def _read(file: Path, load: Any, default: Any) -> Any:
    if not file.is_file():
        return default
    try:
        return load(_text(file))
    except ValueError as error:  # tomllib's and json's own are ValueErrors
        raise LookingError(f"{file}: {error}") from error

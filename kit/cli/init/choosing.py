"""Which adapter fits what was found, and for which CI: rules in order, the first that applies. Pure."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, Literal

from tgi_conformance.cli.init.looking import PIPELINE, Found, normalised

Kind = Literal["native", "openai", "javascript"]
Ci = Literal["github", "gitlab"]
KINDS: Final[tuple[Kind, ...]] = ("native", "openai", "javascript")
#: The client that a kind takes where none is named or found.
_USUAL: Final[Mapping[Kind, str]] = {"native": "my_client", "openai": "openai", "javascript": "openai"}
#: Files that say that a folder is a Python project.
_PYTHON_FILES: Final = frozenset({"pyproject.toml", "setup.py", "setup.cfg", "requirements.txt"})
#: A file or folder at the top -> the CI that is in use.
_CI_FILES: Final[Mapping[str, Ci]] = {".github": "github", PIPELINE: "gitlab"}


class ChoiceError(Exception):
    """Nothing says what the adapter is for: what to give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A package whose interface is known by its name."""

    module: str
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The client that the adapter is for."""

    kind: Kind
    #: What is imported: a Python module, a package of npm, or a file of this folder as ``./index.mjs``.
    module: str
    #: Its name in reports.
    name: str
    #: How it was found, in words.
    because: str


def choose(found: Found, *, kind: Kind | None, client: str | None) -> Chosen:
    """Choose; raises :class:`ChoiceError`. What was given on the command line goes before what was found."""
    if client is not None:
        return _named(found, kind or _kind_of(found, client), client)
    for candidate in (_own_python(found, kind), _own_javascript(found, kind), *_known(found, kind)):
        if candidate is not None:
            return candidate
    if kind is None:
        raise ChoiceError(
            "found no client here: name its module with --client, or the kind of adapter with --kind"
        )
    usual = _USUAL[kind]
    return Chosen(
        kind=kind, module=usual, name=usual, because=f"nothing was found; {usual!r} stands for your client"
    )


def choose_ci(found: Found) -> tuple[Ci, str]:
    """The CI to write for, and why."""
    for name, ci in _CI_FILES.items():
        if name in found.files:
            return ci, f"there is {name}"
    for ci in ("github", "gitlab"):
        if any(ci in remote for remote in found.remotes):
            return ci, "the repository's remote is there"
    return "github", "nothing says which CI you use"


@cache
def known_clients() -> Mapping[str, Mapping[str, Known]]:
    """``clients.toml``: language -> name of a package -> what is known of it."""
    text = resources.files("tgi_conformance.cli.init").joinpath("clients.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    return {language: {name: Known(**row) for name, row in rows.items()} for language, rows in tables.items()}


def _kind_of(found: Found, client: str) -> Kind:
    row = known_clients()["python"].get(normalised(client))
    if row is not None and not _only_javascript(found):
        return row.kind
    return "javascript" if _only_javascript(found) else "native"


def _named(found: Found, kind: Kind, client: str) -> Chosen:
    language = "javascript" if kind == "javascript" else "python"
    row = known_clients()[language].get(client if kind == "javascript" else normalised(client))
    module = row.module if row is not None else client if kind == "javascript" else client.replace("-", "_")
    own = _own_javascript(found, kind)
    if own is not None and client == own.name:
        module = own.module
    if kind != "javascript" and not all(part.isidentifier() for part in module.split(".")):
        raise ChoiceError(f"--client {client}: this is no name of a Python module")
    return Chosen(kind=kind, module=module, name=client, because="given with --client")


def _only_javascript(found: Found) -> bool:
    """A script in Python beside a ``package.json`` makes no Python project."""
    return found.package_json is not None and not found.files & _PYTHON_FILES


def _own_python(found: Found, kind: Kind | None) -> Chosen | None:
    if kind == "javascript" or not found.own or (kind is None and _only_javascript(found)):
        return None
    name = found.own[0]
    others = f" (also here: {', '.join(found.own[1:])}; --client NAME takes another)" if found.own[1:] else ""
    return Chosen(kind=kind or "native", module=name, name=name, because=f"{name} is in this folder{others}")


def _own_javascript(found: Found, kind: Kind | None) -> Chosen | None:
    given = found.package_json
    if given is None or kind not in (None, "javascript"):
        return None
    main = given.get("module") or given.get("main")
    name = given.get("name")
    if not isinstance(main, str) or not isinstance(name, str):
        return None
    # Its folder is given too: an import in the adapter's folder goes through the folder above.
    path = re.sub(r"^\./", "", main)
    return Chosen(
        kind="javascript", module=f"./{path}", name=name, because=f"package.json: {name} begins in {path}"
    )


def _known(found: Found, kind: Kind | None) -> list[Chosen]:
    """Known clients that are declared, then those that are installed."""
    tables, given = known_clients(), found.package_json or {}
    needed = {name for field in ("dependencies", "devDependencies") for name in given.get(field) or ()}
    places = (
        ("javascript", needed, "package.json needs it"),
        ("python", found.declared, "this project declares it as a dependency"),
        ("python", found.installed, "it is installed beside the kit"),
    )
    return [
        Chosen(kind=row.kind, module=row.module, name=name, because=f"{name}: {because}")
        for language, names, because in places
        for name, row in tables[language].items()
        if name in names and kind in (None, row.kind)
    ]

"""The published clients that the kit has adapters for: ``faces.toml`` as values.

A client of Python has a lock of pip, and a module with an adapter class for each face. One of Node has a
folder with ``package-lock.json``, and a module for each face. Node looks for packages beside the module that
imports them, so such a client is run from a copy of its folder (:func:`lay_out`).
"""

import shlex
import shutil
import tomllib
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal

_PACKAGE = "tgi_conformance.backends.published"
_BACKENDS = "tgi_conformance.backends"
_PUBLISHED = "published"
#: Below the folder of backends: the kit's host for Node, which adapters import from beside theirs.
_HOST = "host/node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A package in one version, and how it is run.

    ``name`` is unique; ``package`` is what its index calls it. ``lock`` and ``adapter`` are beside
    ``faces.toml``: the file of pins, and the name of a module; under Node the folder of the lock is the
    environment, and the faces are files in it. ``notes`` is the page about its failures, below the root.
    ``modules`` is what its users import, where that is not called as the package is.
    """

    name: str
    package: str
    version: str
    lock: str
    adapter: str
    faces: tuple[str, ...]
    notes: str
    language: Literal["python", "node"] = "python"
    modules: tuple[str, ...] = ()

    def backend(self, face: str) -> str:
        """What ``--backend`` takes for a face of Python."""
        return f"{_PACKAGE}.{self.adapter}:{face}"

    def command(self, face: str, environment: Path) -> str:
        """What ``--backend-command`` takes for a face of Node; the environment is what was laid out."""
        return shlex.join(["node", str(environment / face)])


def lay_out(client: Client, folder: Path) -> Path:
    """Copy a client of Node to below a folder; returns the environment, where ``npm ci`` is to be run.

    The kit's host for Node comes with it, since ``../../host/node`` is where the adapter imports it from.
    Raises :class:`FileExistsError` where there is one already.
    """
    environment = folder / _PUBLISHED / client.adapter
    with as_file(files(_BACKENDS)) as backends:
        _copy(backends / _HOST, folder / _HOST)
        _copy(backends / _PUBLISHED / client.adapter, environment)
    return environment


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("node_modules"))


def published_clients() -> tuple[Client, ...]:
    """All of them, in the order of the file."""
    text = (files(_PACKAGE) / "faces.toml").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = tomllib.loads(text)["client"]
    lists = ("faces", "modules")
    return tuple(Client(**{**row, **{name: tuple(row.get(name, ())) for name in lists}}) for row in rows)

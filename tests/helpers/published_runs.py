"""The published clients in environments of their own, made from their locks, and how a face of one is run.

This needs the package index of each client's language.
"""

import shutil
import subprocess
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from suite_runs import ROOT

from tgi_conformance.backends.published.faces import Client, published_clients

FOLDER: Final = ROOT / "backends" / "published"


def client_named(name: str) -> Client:
    """The client of that name in ``faces.toml``."""
    return next(client for client in published_clients() if client.name == name)


@contextmanager
def environment(client: Client, folder: Path) -> Iterator[Path]:
    """Install a client from its lock; what runs its faces is below ``folder``, or beside its lock under Node.

    Node looks for packages beside the file that asks for them, so they are put there and removed at the end.
    """
    if client.language == "python":
        venv.create(folder, with_pip=True)
        command = [str(python_of(folder)), "-m", "pip", "install", "--quiet", "--no-deps", "-r"]
        subprocess.run([*command, str(FOLDER / client.lock)], check=True)
        yield folder
        return
    modules = (FOLDER / client.lock).parent / "node_modules"
    there = modules.exists()
    try:
        if not there:
            subprocess.run(["npm", "ci", "--silent"], cwd=modules.parent, check=True)
        yield folder
    finally:
        if not there:
            shutil.rmtree(modules, ignore_errors=True)


def python_of(folder: Path) -> Path:
    """The interpreter of an environment."""
    return folder / "bin" / "python"


def words_of(client: Client, face: str, folder: Path) -> list[str]:
    """What ``run`` takes for a face, from the root of the project on."""
    if client.language == "python":
        return ["--backend", client.backend(face), "--backend-python", str(python_of(folder))]
    file = (FOLDER / client.lock).parent.relative_to(ROOT) / face
    return ["--backend-command", f"node {file.as_posix()}"]

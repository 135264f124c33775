"""The published clients in environments of their own, made from their locks, and how a face of one is run.

This needs the package index of each client's language.
"""

import subprocess
import venv
from pathlib import Path
from typing import Final

from suite_runs import ROOT

from tgi_conformance.backends.published.faces import Client, lay_out, published_clients

FOLDER: Final = ROOT / "backends" / "published"


def client_named(name: str) -> Client:
    """The client of that name in ``faces.toml``."""
    return next(client for client in published_clients() if client.name == name)


def environment(client: Client, folder: Path) -> Path:
    """Install a client from its lock, below a folder; gives the environment that its faces run in."""
    if client.language == "python":
        venv.create(folder, with_pip=True)
        command = [str(python_of(folder)), "-m", "pip", "install", "--quiet", "--no-deps", "-r"]
        subprocess.run([*command, str(FOLDER / client.lock)], check=True)
        return folder
    modules = lay_out(client, folder)
    subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=modules, check=True)
    return modules


def python_of(folder: Path) -> Path:
    """The interpreter of an environment."""
    return folder / "bin" / "python"


def words_of(client: Client, face: str, environment: Path) -> list[str]:
    """What ``run`` takes for a face."""
    if client.language == "python":
        return ["--backend", client.backend(face), "--backend-python", str(python_of(environment))]
    return ["--backend-command", client.command(face, environment)]

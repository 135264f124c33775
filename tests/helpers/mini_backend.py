"""A bare backend and a project around it, for tests that run the plugin and the CLI in a process."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: A client of thirty lines; it knows /generate only.
MINI = """
import json
import urllib.request


class Mini:
    NAME = "mini"

    def __init__(self):
        self.endpoints = {}

    def describe(self):
        return {"name": self.NAME, "version": "1", "capabilities": ["native"]}

    def create_endpoint(self, *, base_url, api_key, **settings):
        self.endpoints[str(len(self.endpoints))] = (base_url.rstrip("/"), api_key)
        return str(len(self.endpoints) - 1)

    def generate(self, prompt, *, endpoint_id=None, **parameters):
        base_url, key = self.endpoints[endpoint_id]
        body = json.dumps({"inputs": prompt, "parameters": parameters}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        request = urllib.request.Request(base_url + "/generate", body, headers)
        with urllib.request.urlopen(request, timeout=5) as response:
            return json.load(response)["generated_text"]

    def classify(self, exception):
        return {"kind": "unmapped"}


class Twin(Mini):
    NAME = "twin"


class Broken:
    def __init__(self):
        raise RuntimeError("no licence")
"""


#: Seconds after which a process hangs: on a busy machine a run of all cases takes one minute.
PATIENCE = 240
#: pytest with xdist and the plugin, as arguments of the interpreter.
PYTEST = ["-m", "pytest", "-p", "xdist.plugin", "-p", "tgi_conformance.plugin", "-p", "no:cacheprovider"]


@dataclass(frozen=True, slots=True)
class Done:
    """What a process left."""

    code: int
    out: str
    folder: Path

    def verdicts(self, *, narrowed: bool) -> list[dict[str, object]]:
        """The verdicts that were written."""
        base = self.folder / "collected_results"
        file = (base / "narrowed" if narrowed else base) / "verdicts.jsonl"
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

    def rulings(self, *, narrowed: bool = True) -> dict[str, str]:
        """Case to ruling."""
        return {str(v["case"]): str(v["ruling"]) for v in self.verdicts(narrowed=narrowed)}


def environment_in(folder: Path, *, autoload: bool = False) -> dict[str, str]:
    """The environment of a command that runs in a folder, and makes its temporary files in ``tmp`` there."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    kept["TMPDIR"] = str(folder / "tmp")
    (folder / "tmp").mkdir(exist_ok=True)
    if not autoload:
        kept["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    return kept


def run(folder: Path, words: Sequence[str], *, autoload: bool = False, **environment: str) -> Done:
    """Run a command of this interpreter in a folder, without what the developer's environment says."""
    kept = environment_in(folder, autoload=autoload)
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=kept | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    return Done(done.returncode, done.stdout, folder)


def run_pytest(folder: Path, *words: str, **environment: str) -> Done:
    """Run pytest with xdist and the plugin, nothing else."""
    return run(folder, [*PYTEST, *words], **environment)


def run_cli(folder: Path, *words: str, **environment: str) -> Done:
    """Run ``tgi-conformance``."""
    start = "import sys; from tgi_conformance.cli import main; sys.exit(main())"
    return run(folder, ["-c", start, *words], **environment)

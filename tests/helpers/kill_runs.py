"""Runs of the mutants (backends broken on purpose): who they are, and what a run says of one."""

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from forked_cli import forked_cli

from tgi_conformance.contracts.catalogue.clauses import Level, load_catalogue
from tgi_conformance.contracts.catalogue.results_keys import RESULTS_KEYS

FOLDER = Path(__file__).parents[1] / "mutants"
#: Seconds after which a run is given up; on a quiet machine one takes fifteen.
PATIENCE = 300
#: What a mutant may say of where its mistake shows -> the function of the client that such a case enters.
SHOWS_IN = {
    "streams": "async_client.py:AsyncClient.stream",
    "chats": "request_bodies.py:chat_body",
    "completions": "request_bodies.py:completions_body",
    "tools": "request_bodies.py:_with_tool_parameters",
}
#: What the reason of a verdict says where a probe failed.
PROBE = "backend does not answer (probe"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A backend that is broken on purpose."""

    file: str
    name: str
    breaks: str
    key: str
    #: What a case must do for the mistake to show, in words of ``SHOWS_IN``; none: it may show anywhere.
    shows_in: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """How tests and tables call it."""
        return f"{self.file}:{self.name}"

    @property
    def spec(self) -> str:
        """What ``--backend`` takes."""
        return f"{FOLDER / self.file}.py:{self.name}"

    @property
    def level(self) -> Level:
        """The level of the clause that it breaks."""
        return load_catalogue()[self.breaks].level


@dataclass(frozen=True, slots=True)
class Told:
    """What a run told of a backend."""

    code: int
    out: str
    verdicts: tuple[dict[str, object], ...]
    #: The results map and the kit's further keys.
    results: dict[str, str]
    #: Seconds, of all its processes.
    cpu: float = 0.0

    @property
    def red(self) -> tuple[str, ...]:
        """Clauses with a failed case, each once."""
        return self.ruled("failed")

    def ruled(self, *rulings: str) -> tuple[str, ...]:
        """Clauses with a case so ruled, each once."""
        return tuple(dict.fromkeys(str(v["clause"]) for v in self.verdicts if v["ruling"] in rulings))

    @property
    def mute(self) -> dict[str, str]:
        """Clauses with a case that was not tried since a healthy call does not work, and what that said."""
        blocked = (
            (str(v["clause"]), str(v.get("reason"))) for v in self.verdicts if v["ruling"] == "blocked"
        )
        return {clause: reason for clause, reason in blocked if PROBE in reason}

    @property
    def failed_keys(self) -> tuple[str, ...]:
        """The guide's keys that are ``Failed``."""
        return tuple(key for key in RESULTS_KEYS if self.results.get(key) == "Failed")


@cache
def mutants() -> tuple[Mutant, ...]:
    """All classes under ``mutants/`` that name a clause they break, in the order of files and lines."""
    sys.path.append(str(FOLDER))
    found = []
    for path in sorted(FOLDER.glob("*.py")):
        module = import_module(path.stem)
        for name, value in vars(module).items():
            if isinstance(value, type) and value.__module__ == path.stem and hasattr(value, "breaks"):
                shows_in = getattr(value, "shows_in", ())
                found.append(Mutant(path.stem, name, value.breaks, getattr(value, "key", ""), shows_in))
    return tuple(found)


def class_of(mutant: Mutant) -> type:
    """The class of a mutant."""
    made: type = getattr(import_module(mutant.file), mutant.name)
    return made


def run_quick(
    spec: str, folder: Path, *words: str, timeout: float = PATIENCE, narrowed: bool = False
) -> Told:
    """Run one backend in profile quick through the command line, its reports in ``folder``.

    ``narrowed``: the words name cases, so that its verdicts are those of a narrowed run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / "out.txt"
    command = ["run", "--backend", spec, "--profile", "quick", "-n", "0", "--results", str(folder.resolve())]
    code, cpu = forked_cli(with_bytecode()).run([*command, *words], folder.parent, out.resolve(), timeout)
    told = folder / ("narrowed" if narrowed else "quick")
    return Told(code, out.read_text(encoding="utf-8"), _verdicts(told), _results(told), cpu)


def with_bytecode() -> dict[str, str]:
    """The environment of this process, less the word that keeps Python from storing what it compiled.

    Each run would compile all modules anew, which takes longer than its cases. What is stored goes to a
    folder of its own.
    """
    environment = dict(os.environ)
    if environment.pop("PYTHONDONTWRITEBYTECODE", ""):
        environment["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "tgi-conformance-bytecode")
    return environment


def run_mutant(mutant: Mutant, folder: Path) -> Told:
    """Run a mutant, all cases of the clause that it breaks among them."""
    words = ["--focus", mutant.breaks]
    if mutant.level is Level.SHOULD:
        words += ["--enforce", "should"]
    return run_quick(mutant.spec, folder, *words)


def _verdicts(folder: Path) -> tuple[dict[str, object], ...]:
    file = folder / "verdicts.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return tuple(value for value in map(json.loads, lines) if "ruling" in value)


def _results(folder: Path) -> dict[str, str]:
    results: dict[str, str] = {}
    for pattern in ("*_test_results.json", "*_more_results.json"):  # the second holds its map under "results"
        for file in folder.glob(pattern):
            value = json.loads(file.read_text(encoding="utf-8"))
            results |= value.get("results", value)
    return results

"""The runs of a soak: which backends, how often, with what seeds and workers."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = "tgi_conformance.backends.reference.adapter"
SMALL = ROOT / "tests" / "adapters" / "small_clients.py"
NODE = ROOT / "docs" / "examples" / "node" / "adapter.mjs"
FULL_RUNS, AREA_RUNS = 10, 50
#: Workers of a run, in turn.
WORKERS = (2, 4)
FIRST_SEED = 1000

Kind = Literal["full", "areas"]


@dataclass(frozen=True, slots=True)
class Backend:
    """One that is right: any red verdict on it is the kit's fault, or the backend's after all."""

    name: str
    #: What names it on the command line, one for each turn.
    faces: tuple[tuple[str, ...], ...]
    #: Its sources, beside the kit's.
    files: tuple[Path, ...] = ()
    #: The program that it needs.
    program: str = ""

    @property
    def missing(self) -> str:
        """What it cannot be run without; empty: nothing."""
        if self.program and shutil.which(self.program) is None:
            return f"there is no program {self.program}"
        return next((f"there is no file {file}" for file in self.files if not file.is_file()), "")


BACKENDS = (
    Backend(
        "reference",
        (
            ("--backend", f"{REFERENCE}:ReferenceAdapter"),
            ("--backend", f"{REFERENCE}:AsyncReferenceAdapter"),
        ),
    ),
    Backend(
        "node",
        (("--backend-command", f"node {NODE}"),),
        (NODE, *(file for file in sorted(NODE.parent.glob("*.mjs")) if file != NODE)),
        "node",
    ),
    Backend("small", (("--backend", f"{SMALL}:Small"), ("--backend", f"{SMALL}:AsksHealth")), (SMALL,)),
)


@dataclass(frozen=True, slots=True)
class Planned:
    """One run that is to be made."""

    backend: str
    kind: Kind
    number: int
    words: tuple[str, ...]
    workers: int
    seed: int

    @property
    def id(self) -> str:
        """How the state file calls it."""
        return f"{self.backend}-{self.kind}-{self.number}"


def plan(backend: Backend, *, full: int = FULL_RUNS, areas: int = AREA_RUNS) -> Iterator[Planned]:
    """The runs of a backend: a full one, then five of the areas, and so on."""
    kinds: list[Kind] = ["full"] * full + ["areas"] * areas
    numbers = [*range(1, full + 1), *range(1, areas + 1)]
    turns = [
        (n / max(1, full if kind == "full" else areas), kind, n)
        for kind, n in zip(kinds, numbers, strict=True)
    ]
    for turn, (_, kind, number) in enumerate(sorted(turns, key=lambda t: (t[0], t[1] == "areas"))):
        yield Planned(
            backend=backend.name,
            kind=kind,
            number=number,
            words=backend.faces[number % len(backend.faces)],
            workers=WORKERS[turn % len(WORKERS)],
            seed=FIRST_SEED + turn,
        )

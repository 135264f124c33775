"""What collection found, as a worker tells it to the controller: a file in the run's scratch folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tgi_conformance.contracts.codec import from_json, to_json

_PATTERN: Final = "collected-*.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedCase:
    """One case that is to be run."""

    nodeid: str
    case: str
    clause: str
    backend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """All cases of a run, and what the user's setup did to the suites."""

    cases: tuple[CollectedCase, ...] = ()
    #: Those that the profile leaves out: ruled "not here" without being run.
    left_out: tuple[CollectedCase, ...] = ()
    #: Those of other shards.
    elsewhere: tuple[CollectedCase, ...] = ()
    #: Whether cases were left out by the user's choice.
    narrowed: bool = False
    #: Sentences for the summary: foreign fixtures that touch suite cases, names of cases that are gone.
    remarks: tuple[str, ...] = ()
    #: A sentence for each name of a case that no case has: the run is not begun.
    unknown: tuple[str, ...] = ()

    def write(self, scratch: Path, worker: str) -> None:
        """Write the file at once or not at all."""
        target = scratch / _PATTERN.replace("*", worker)
        draft = target.with_suffix(".part")
        draft.write_text(json.dumps(to_json(self)), encoding="utf-8")
        draft.replace(target)

    @classmethod
    def read(cls, scratch: Path) -> Self:
        """Read what the first worker wrote (all collect the same); empty where none came that far."""
        for file in sorted(scratch.glob(_PATTERN)):
            return from_json(cls, json.loads(file.read_text(encoding="utf-8")))
        return cls()

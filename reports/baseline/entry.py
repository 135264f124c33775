"""A baseline as values: the failures that are expected, and what was claimed when they were written down."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

#: The file that a run takes where the working folder has one.
FILE: Final = "expected_failures.toml"
#: Tables of the file.
CLAIMS: Final = "claims"
EXPECTED: Final = "expected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row: some cases, how they fail, why that is accepted, and until when."""

    #: Where it begins in the file.
    line: int
    #: Ids of cases or clauses, or patterns of them, as a shell has them. Empty: those of ``cause``.
    cases: tuple[str, ...] = ()
    #: Id or sentence of a cause, as a report shows it.
    cause: str = ""
    #: How many cases of the cause fail.
    count: int = 0
    #: What the text of the failure must hold; empty: see ``pattern``.
    failure: str = ""
    #: A regular expression that must be found in it.
    pattern: str = ""
    #: Why it is accepted, and where it is tracked; a draft has neither yet.
    reason: str = ""
    link: str = ""
    expires: date
    #: When it was written down.
    since: date | None = None
    #: The backend that it is about; empty: each of the file.
    backend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a backend claimed when its failures were written down."""

    line: int
    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A whole file. It speaks of the backends in ``claims`` and of no other."""

    #: As it is named in what is said of it.
    file: str
    claims: Mapping[str, Claims] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()

    def where(self, line: int) -> str:
        """``expected_failures.toml:12``."""
        return f"{self.file}:{line}"


class BaselineError(ValueError):
    """A file that cannot be used: each problem with its line and what to write."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

"""Holds a results map against the one that is expected of the backend."""

import json
from dataclasses import dataclass
from pathlib import Path

from tgi_conformance.reports.results_map import ResultsMap


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that is not as expected; ``None``: the key is not in that map."""

    key: str
    expected: str | None
    found: str | None
    #: Why there is no entry, where an untestable case left the key open.
    why: str = ""

    def __str__(self) -> str:
        found = self.found or (f"no entry ({self.why})" if self.why else "no entry")
        return f"{self.key}: expected {self.expected or 'no entry'}, found {found}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A map against its expectation; ``problem`` says why there was nothing to compare with."""

    backend: str
    file: Path
    differences: tuple[Difference, ...] = ()
    problem: str = ""

    @property
    def same(self) -> bool:
        """Whether the maps were compared and are equal."""
        return not self.differences and not self.problem


def compare(results: ResultsMap, file: Path) -> Comparison | None:
    """Compare with the map in ``file``; None where there is no such file.

    A file that is no results map is reported as ``problem``: it must not keep a run from its own results.
    """
    try:
        expected = _read(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        return Comparison(backend=results.backend, file=file, problem=f"{file}: no results map: {error}")
    keys = dict.fromkeys((*results.values, *expected))
    differences = tuple(
        Difference(
            key,
            expected.get(key),
            results.values.get(key),
            results.left_out[key] if key in results.unclear else "",
        )
        for key in keys
        if expected.get(key) != results.values.get(key)
    )
    return Comparison(backend=results.backend, file=file, differences=differences)


def _read(file: Path) -> dict[str, str]:
    value = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"an object is needed, not {type(value).__name__}")  # noqa: TRY004 - one error for bad files
    wrong = [key for key, result in value.items() if result not in ("Success", "Failed")]
    if wrong:
        raise ValueError(f"{wrong[0]!r} must be 'Success' or 'Failed', not {value[wrong[0]]!r}")
    return value

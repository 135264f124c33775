"""The endpoints that the environment names: HF_API_KEY(_n) and HF_MODEL_ID(_n), as in the guide.

They decide how many endpoints there are and which model each one serves. The keys themselves stay here:
what a backend gets are canaries, made from the run's seed.
"""

import re
import string
from collections.abc import Mapping
from typing import Final

from tgi_conformance.suites.harness.keys import canary
from tgi_conformance.suites.harness.session import EndpointGiven

DEFAULT_MODEL: Final = "google/t5-efficient-tiny"
ALIASES: Final = string.ascii_uppercase
_NUMBERED: Final = re.compile(r"(HF_API_KEY|HF_MODEL_ID)_(.*)")


class EnvironmentProblem(ValueError):
    """A variable that cannot be followed: says which one, and what to do."""


def endpoints_given(environment: Mapping[str, str], seed: int) -> tuple[EndpointGiven, ...]:
    """Return the endpoints of the environment, the first under alias A; always at least one.

    Raises :class:`EnvironmentProblem` for a gap in the numbers, a number that is none, or an empty value.
    """
    keys = _numbered(environment, "HF_API_KEY")
    models = _numbered(environment, "HF_MODEL_ID")
    last = max(keys, default=0)
    for number in range(1, last + 1):
        if number not in keys:
            raise EnvironmentProblem(
                f"HF_API_KEY_{number} is missing although HF_API_KEY_{last} is set: "
                "number the keys without gaps"
            )
    for number in sorted(models):
        if number and number not in keys:
            raise EnvironmentProblem(
                f"HF_MODEL_ID_{number} is set, but HF_API_KEY_{number} is not: set the key too, "
                f"or unset HF_MODEL_ID_{number}"
            )
    if last >= len(ALIASES):
        raise EnvironmentProblem(f"HF_API_KEY_{last}: at most {len(ALIASES)} endpoints can be named")
    default = models.get(0, DEFAULT_MODEL)
    return tuple(
        EndpointGiven(
            alias=ALIASES[number], key=canary(seed, ALIASES[number]), model=models.get(number, default)
        )
        for number in range(last + 1)
    )


def _numbered(environment: Mapping[str, str], name: str) -> dict[int, str]:
    """Return the values of NAME (number 0) and NAME_1, NAME_2, ... by number."""
    found: dict[int, str] = {}
    for variable, value in sorted(environment.items()):
        number = _number(variable, name)
        if number is None:
            continue
        if not value.strip() or value != value.strip():
            raise EnvironmentProblem(f"{variable} is empty or has white space around it: set or unset it")
        found[number] = value
    return found


def _number(variable: str, name: str) -> int | None:
    if variable == name:
        return 0
    match = _NUMBERED.fullmatch(variable)
    if match is None or match[1] != name:
        return None
    if not re.fullmatch(r"[1-9][0-9]*", match[2]):
        raise EnvironmentProblem(
            f"{variable}: number the variables {name}_1, {name}_2, ...; not {match[2]!r}"
        )
    return int(match[2])

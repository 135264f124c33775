"""How many programs of how many steps are run: fewer and shorter ones of a slow client. Pure."""

from dataclasses import dataclass
from typing import Final

from tgi_conformance.suites.harness.patience import Pace
from tgi_conformance.suites.harness.session import Profile

#: Programs by profile, and the most steps of one.
PROGRAMS: Final[dict[Profile, int]] = {"default": 20, "tgi-guide": 20, "thorough": 200, "quick": 5}
STEPS: Final = 30
#: The fewest of both: two programs of ten steps still have calls that wait, are refused and come back.
_LEAST_PROGRAMS: Final = 2
_LEAST_STEPS: Final = 10
#: Seconds of the client's own that the programs of one case may take, by profile.
_BUDGET: Final[dict[Profile, float]] = {"default": 20.0, "tgi-guide": 20.0, "thorough": 200.0, "quick": 5.0}
#: How many steps go to a call, from making it to its end.
_STEPS_A_CALL: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """So many programs of at most so many steps; ``why`` says why there are fewer than usual."""

    programs: int
    steps: int = STEPS
    why: str = ""


def extent_of(profile: Profile, pace: Pace, *, shared: int = 1) -> Extent:
    """The programs of a case; ``shared`` is among how many cases the profile's are shared out."""
    usual = max(_LEAST_PROGRAMS, PROGRAMS[profile] // shared)
    budget, call = _BUDGET[profile], pace.whole
    # From the median of the healthy calls, so that the same client has the same programs each time.
    if usual * _seconds(call, STEPS) <= budget:
        return Extent(programs=usual)
    steps = min(STEPS, max(_LEAST_STEPS, int(STEPS * budget / (usual * _seconds(call, STEPS)))))
    programs = min(usual, max(_LEAST_PROGRAMS, int(budget / _seconds(call, steps))))
    why = f"in place of {usual} of {STEPS} steps: a call of this client takes {call:.1f} s of its own"
    return Extent(programs=programs, steps=steps, why=f"{programs} programs of {steps} steps {why}")


def _seconds(call: float, steps: int) -> float:
    """What a program takes of the client's own time."""
    return call * steps / _STEPS_A_CALL

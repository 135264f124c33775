"""``--budget-seconds``: once the time is used up, no further case gets its turn, and the run is reported.

Each process that runs cases looks at the clock itself: xdist's controller has handed a worker all its cases
long before. The clock is the monotonic one, which is the same in all processes of a machine.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from tgi_conformance.suites.harness.session import CASE_ID

#: Seconds at the end of a run for its reports, or this share of a budget that is small.
ENDING_SECONDS: Final = 5.0
ENDING_SHARE: Final = 0.25
#: Seconds that are assumed of a case of which nothing is known.
_UNKNOWN: Final = 0.1
_MARK: Final = "budget-used-up"


def last_turn(start: float, budget: float) -> float:
    """The moment when the last case must be over, in seconds of the clock that gave ``start``."""
    return start + budget - min(ENDING_SECONDS, budget * ENDING_SHARE)


def is_used_up(scratch: Path) -> bool:
    """Whether a process of the run has left cases without a turn."""
    return (scratch / _MARK).exists()


class Budget:
    """The plugin's hook in a process that runs cases."""

    def __init__(
        self,
        ends_at: float,
        seconds: Mapping[str, float],
        scratch: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ends_at = ends_at
        self._seconds = seconds
        self._scratch = scratch
        self._clock = clock
        self._over = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Take the turn of a case that would end too late, so that nothing is run in it."""
        return True if self.is_over(item) else None

    def is_over(self, item: pytest.Item) -> bool:
        """Whether a case gets no turn: one before it did not, or its end would come too late.

        A shorter one behind it might still fit. But what it is built on was left standing for the one that
        had no turn, so all that follow are left out too.
        """
        if not self._over and CASE_ID in item.stash:
            takes = self._seconds.get(item.stash[CASE_ID].text, _UNKNOWN)
            if self._clock() + takes > self._ends_at:
                self._over = True
                (self._scratch / _MARK).touch()
        return self._over

"""What lives in the backend's process, counted before and after calls."""

import time
from dataclasses import dataclass
from typing import Final

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.suites.harness.expect import expect
from tgi_conformance.suites.harness.patience import Patience

#: What may come and go beside the calls: a thread or socket of an event loop, a resolver, a kept connection.
SPARE: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What lives in the backend's process; None: its host cannot tell."""

    threads: int | None
    tasks: int | None
    descriptors: int | None

    def over(self, before: "Count", pooled: int = 0) -> list[str]:
        """What has grown against an earlier count by more than may come and go, and be kept in a pool."""
        spare = {"descriptors": SPARE + pooled}
        return [
            f"{name}: {was} before, {now} after"
            for name in ("threads", "tasks", "descriptors")
            if (now := getattr(self, name)) is not None
            and (was := getattr(before, name)) is not None
            and now > was + spare.get(name, SPARE)
        ]


def count_of(driver: Driver) -> Count:
    """What lives in the process now."""
    census = driver.census()
    return Count(
        threads=None if census.threads is None else len(census.threads),
        tasks=None if census.tasks is None else len(census.tasks),
        descriptors=census.descriptors,
    )


def grown(driver: Driver, before: Count, patience: Patience, pooled: int = 0) -> list[str]:
    """What is still over the earlier count when it has had a second, and the client's own time, to go."""
    until = time.monotonic() + patience.soon()
    while over := count_of(driver).over(before, pooled):
        if time.monotonic() > until:
            return over
    return []


def expect_back_to(driver: Driver, before: Count, patience: Patience) -> None:
    """Threads, tasks and descriptors come back to the earlier count."""
    over = grown(driver, before, patience)
    expect(
        not over,
        expected="threads, tasks and descriptors as before the calls",
        observed="; ".join(over),
    )

"""CPU time of a run's processes: each worker says at its end what it and its children used."""

import os
import resource
from pathlib import Path
from typing import Final

import pytest

_PATTERN: Final = "cpu-*.seconds"


class WorkerTime:
    """A worker's part: its fake server and backends have ended by then, and count as its children."""

    def __init__(self, scratch: Path, worker: str) -> None:
        self._file = scratch / _PATTERN.replace("*", worker)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Leave the figure where the controller looks for it."""
        if self._file.parent.is_dir():  # a run that was broken off takes its folder with it
            self._file.write_text(f"{own_seconds() + children_seconds():.3f}", encoding="ascii")


def own_seconds() -> float:
    """User and kernel time of this process."""
    return _seconds(resource.RUSAGE_SELF)


def children_seconds() -> float:
    """User and kernel time of the children that this process has waited for."""
    return _seconds(resource.RUSAGE_CHILDREN)


def workers_seconds(scratch: Path) -> float:
    """The sum of what the workers said; one that died said nothing."""
    return sum(float(file.read_text(encoding="ascii")) for file in scratch.glob(_PATTERN))


def cores() -> int:
    """CPU cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _seconds(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime

"""Server processes: started on one core, asked for their CPU time, ended."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
NICENESS: Final = "BENCH_NICENESS"
"""Variable with the niceness of servers and load alike: below 0 where others use the machine too (root)."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class NotMeasured(Exception):
    """A server that cannot be installed or started here; the reason goes into the table."""


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def pinned(core: int) -> list[str]:
    """What to write before a command so that it runs on one core, at the priority that was asked for."""
    niceness = os.environ.get(NICENESS)
    return ["taskset", "-c", str(core), *(["nice", "-n", niceness] if niceness else [])]


class Process:
    """A server process pinned to the servers' core, its output in a file."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self._log = log
        self._out = log.open("wb")
        self._process = subprocess.Popen(
            [*pinned(SERVER_CORE), *command],
            stdin=subprocess.PIPE,
            stdout=self._out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_for(self, port: int, seconds: float = 40.0) -> None:
        """Wait until it listens; raises :class:`NotMeasured` with the end of its output."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        self.end()
        said = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise NotMeasured(f"did not listen on its port: {' / '.join(said[-2:])[:200] or 'it said nothing'}")

    def end(self) -> None:
        """End it, by its id."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._out.close()


def cpu_seconds(pid: int) -> float:
    """CPU time that a process and its living descendants have used, user and kernel."""
    return sum(_own_cpu(each) for each in (pid, *_descendants(pid)))


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def descriptors(pid: int) -> int:
    """How many descriptors a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()


def _own_cpu(pid: int) -> float:
    try:
        fields = _stat(pid)
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parents.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found

"""The child process of a host, or its stand-in inside this process: three descriptors and an end."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from tgi_conformance.backends.driver.spec import BackendSpec
from tgi_conformance.backends.host.host import Host

#: Variables of ours that a backend gets to see; all others, above all proxies and keys, stay away from it.
KEPT_VARIABLES: Final = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TMPDIR",
    "TZ",
    # An interpreter built with shared libraries does not start without them.
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
)
GRACE: Final = 2.0
"""Seconds between TERM and KILL."""


class HostProcess(Protocol):
    """Where a host runs. ``stderr`` is None where there is none to read."""

    stdin: int
    stdout: int
    pid: int

    @property
    def stderr(self) -> int | None:
        """Descriptor of the prints."""

    def poll(self) -> int | None:
        """Return the exit status (negative: the signal), None while it runs."""

    def wait(self, timeout: float) -> int | None:
        """Wait for the end; None after the time-out."""

    def kill(self) -> None:
        """End it: TERM to the process group, then KILL."""

    def release(self) -> None:
        """Close the descriptors; after the end."""


def child_environment(home: str, spec: BackendSpec, given: Mapping[str, str]) -> dict[str, str]:
    """Return the scrubbed environment: a few of ours, an empty home, what the user hands on, the case's."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    if not spec.foreign and "PYTHONPATH" in os.environ:
        kept["PYTHONPATH"] = os.environ["PYTHONPATH"]
    return {**kept, "HOME": home, **dict(spec.environment), **given}


class ChildProcess:
    """A host in a session and process group of its own."""

    def __init__(self, spec: BackendSpec, env: Mapping[str, str]) -> None:
        self._home = tempfile.mkdtemp(prefix="tgi-conformance-home-")
        try:
            self._popen = subprocess.Popen(
                spec.argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=spec.folder,
                env=child_environment(self._home, spec, env),
                start_new_session=True,
            )
        except OSError:
            shutil.rmtree(self._home, ignore_errors=True)
            raise
        pipes = (self._popen.stdin, self._popen.stdout, self._popen.stderr)
        self.stdin, self.stdout, self.stderr = (pipe.fileno() for pipe in pipes if pipe is not None)
        self.pid = self._popen.pid
        self._killing = threading.Lock()
        self._killed = False
        for fd in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(fd, False)

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        return self._popen.poll()

    def wait(self, timeout: float) -> int | None:
        """Wait for the end; None after the time-out."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End the whole group: TERM, two seconds, KILL. Once: the group's number may be given out again."""
        with self._killing:
            if self._killed:
                return
            self._killed = True
            if self.poll() is None:
                self._signal(signal.SIGTERM)
                self.wait(GRACE)
            self._signal(signal.SIGKILL)
            self._popen.wait()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
            os.killpg(self.pid, number)

    def release(self) -> None:
        """Close the pipes and remove the empty home."""
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        shutil.rmtree(self._home, ignore_errors=True)


class InprocHost:
    """The same host in a thread of this process, for a debugger: nothing can be killed, prints are ours."""

    def __init__(self) -> None:
        host_reads, self.stdin = os.pipe()
        self.stdout, self._host_writes = os.pipe()
        self.stderr = None
        self.pid = os.getpid()
        self._host_reads = host_reads
        os.set_blocking(self.stdin, False)
        os.set_blocking(self.stdout, False)
        self._host = Host(host_reads, self._host_writes, own_process=False)
        self._thread = threading.Thread(target=self._serve, name="tgic-inproc-host", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            self._host.serve()
        finally:
            os.close(self._host_writes)

    def poll(self) -> int | None:
        """Return 0 once the host has left."""
        return None if self._thread.is_alive() else 0

    def wait(self, timeout: float) -> int | None:
        """Wait for the host to leave."""
        self._thread.join(timeout)
        return self.poll()

    def kill(self) -> None:
        """Take the host's input away; a call that hangs goes on hanging in its thread."""
        with contextlib.suppress(OSError):
            os.close(self.stdin)
        self.stdin = -1
        self._thread.join(GRACE)

    def release(self) -> None:
        """Close the pipes."""
        for fd in (self.stdin, self.stdout, self._host_reads if self.poll() is not None else -1):
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)


def open_process(spec: BackendSpec, env: Mapping[str, str], *, inproc: bool) -> HostProcess:
    """Start the host of a spec; raises OSError where the program cannot be run."""
    if not inproc:
        return ChildProcess(spec, env)
    os.environ.update({**dict(spec.environment), **env})
    return InprocHost()


def what_is_missing(spec: BackendSpec) -> str:
    """Say why a command could not be run, for an error message."""
    program = spec.argv[0]
    if not Path(spec.folder).is_dir():
        return f"the folder {spec.folder} does not exist"
    if shutil.which(program) is None:
        return f"there is no program {program!r} on PATH"
    return f"{program!r} cannot be run"

"""The command line, run in processes forked off one that has collected the suites already.

Hundreds of short runs would each spend two seconds on importing the same modules. Here a server imports them
once, by listing the cases; each run is a fork of it that calls ``main`` with the words a user would give.
``python forked_cli.py`` is the server: a line of JSON in for each run, two lines out: its process id, and at
its end the exit code and the CPU seconds of all its processes.
"""

import atexit
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NoReturn, TypedDict

from tgi_conformance.cli import main as cli
from tgi_conformance.cli.case_listing import list_cases


class _Run(TypedDict):
    words: list[str]
    folder: str
    out: str


class ForkedCli:
    """A server, and the runs that are asked of it one after the other; not for several threads."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
            encoding="utf-8",
        )

    def run(self, words: Sequence[str], folder: Path, out: Path, timeout: float) -> tuple[int, float]:
        """Run these words in ``folder``, what is printed going to the file ``out``.

        Returns the exit code and the seconds of CPU that it took. After ``timeout`` seconds it is killed,
        which raises :class:`subprocess.TimeoutExpired`.
        """
        asked: _Run = {"words": list(words), "folder": str(folder), "out": str(out)}
        print(json.dumps(asked), file=_there(self._server.stdin), flush=True)
        pid = int(self._answer())
        patience = threading.Timer(timeout, os.kill, (pid, signal.SIGKILL))
        patience.start()
        code, cpu = self._answer().split()
        patience.cancel()
        if int(code) == -signal.SIGKILL:
            raise subprocess.TimeoutExpired(list(words), timeout)
        return int(code), float(cpu)

    def close(self) -> None:
        """End the server."""
        with self._server:  # closes the pipes, at which it ends, and waits for that
            _there(self._server.stdin).close()

    def _answer(self) -> str:
        line = _there(self._server.stdout).readline()
        if not line:
            raise RuntimeError(f"the server of runs ended with {self._server.wait()}; it said why above")
        return line


_of_thread = threading.local()


def forked_cli(env: Mapping[str, str]) -> ForkedCli:
    """The server of this thread, started with the first run; it ends with this process."""
    if not hasattr(_of_thread, "cli"):
        _of_thread.cli = ForkedCli(env)
        atexit.register(_of_thread.cli.close)
    made: ForkedCli = _of_thread.cli
    return made


def _there(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever is printed here is no answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the runs, and with its owner this process
    list_cases()
    gc.freeze()  # what is here already is no garbage; looking through it in each run takes a while
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _be_the_run(json.loads(line))
        print(pid, file=answers, flush=True)
        _, status, used = os.wait4(pid, 0)
        print(os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, file=answers, flush=True)


def _be_the_run(asked: _Run) -> NoReturn:
    code: int | None = None
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(asked["folder"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(asked["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
        os.dup2(1, 2)
        code = cli(asked["words"])
    finally:  # not to come back into the server's loop, whatever was raised
        if code is None:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1 if code is None else code)


if __name__ == "__main__":
    _serve()

"""Lets one call to the operating system fail, in whichever process of a run makes it.

Python's audit events are the seam: ``open`` (for writing), ``os.rename``, ``os.remove``, ``os.mkdir`` and
``subprocess.Popen`` come before the call itself. ``accept``, which has none, is replaced.
"""

import json
import os
import re
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

VARIABLE = "TGI_TEST_FAILING_CALL"
#: What a process of a run imports before anything else, where its folder is on ``PYTHONPATH``.
SITE = "import failing_calls\nfailing_calls.install_from_environment()\n"
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True, kw_only=True)
class Failing:
    """Which call fails: the ``number``-th of an event whose words a pattern is found in."""

    event: str
    words: str
    errno: int
    number: int = 1

    def meets(self, event: str, args: tuple[Any, ...]) -> bool:
        """Whether this is such a call."""
        if event != self.event or (event == "open" and not args[2] & _WRITES):
            return False
        return re.search(self.words, " ".join(map(str, args))) is not None


@dataclass(frozen=True)
class _Armed:
    failing: Failing
    #: Each call that was met leaves a file here, so that all processes count together.
    folder: str

    def check(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.failing.meets(event, args):
            return
        for number in range(1, self.failing.number + 1):
            try:
                os.close(os.open(os.path.join(self.folder, f"met-{number}"), os.O_CREAT | os.O_EXCL))  # noqa: PTH118
            except FileExistsError:
                continue
            if number == self.failing.number:
                raise OSError(self.failing.errno, os.strerror(self.failing.errno))
            return


#: What is to fail now in this process, if anything. An audit hook cannot be taken away again.
_armed: list[_Armed] = []
_hooked: list[bool] = []


def happened(failing: Failing, folder: Path) -> bool:
    """Whether the call came and failed."""
    return (folder / f"met-{failing.number}").exists()


def environment_for(failing: Failing, folder: Path) -> dict[str, str]:
    """Variables of a process in which, or in whose children, the call fails; ``folder`` is for this alone."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(SITE)
    told = json.dumps({"failing": asdict(failing), "folder": str(folder)})
    path = os.pathsep.join((str(folder), str(Path(__file__).parent)))
    return {VARIABLE: told, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def install_from_environment() -> None:
    """Arm what the environment says, if it says anything."""
    if told := os.environ.get(VARIABLE):
        value = json.loads(told)
        _arm(_Armed(Failing(**value["failing"]), value["folder"]))


@contextmanager
def failing_here(failing: Failing, folder: Path) -> Iterator[None]:
    """Let the call fail in this process while the block runs."""
    folder.mkdir(exist_ok=True)
    _arm(_Armed(failing, str(folder)))
    try:
        yield
    finally:
        _armed.clear()


def _arm(armed: _Armed) -> None:
    _armed.append(armed)
    if not _hooked:
        _hooked.append(True)
        sys.addaudithook(_hook)
    if armed.failing.event == "accept":
        _replace_accept(armed)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    for armed in _armed:
        armed.check(event, args)


def _replace_accept(armed: _Armed) -> None:
    accept = socket.socket.accept

    def failing(self: socket.socket) -> Any:
        if select.select([self], [], [], 0)[0]:  # somebody is there: the loop also asks when nobody is
            armed.check("accept", (" ".join(sys.argv),))
        return accept(self)

    socket.socket.accept = failing  # type: ignore[method-assign]

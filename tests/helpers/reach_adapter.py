"""The reference's two faces, noting which of their functions each case enters; run by ``reach.py`` only.

The number of the case that runs now stands in a file of the working folder, which the suites' process writes
and this one maps; what is entered goes to a file of each process, a line for each case and function.
"""

import mmap
import os
import sys
import threading
from pathlib import Path
from types import FrameType

from kill_sources import WATCHED

from tgi_conformance.backends.reference import adapter

NOW = Path("case-now")
ENTERED = "entered-{pid}.txt"

with NOW.open("rb") as _file:
    _now = mmap.mmap(_file.fileno(), 4, prot=mmap.PROT_READ)
_out = os.open(ENTERED.format(pid=os.getpid()), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
_noted: set[tuple[bytes, str, str]] = set()
_watched: dict[str, bool] = {}


def _note(frame: FrameType, event: str, _: object) -> None:
    if event != "call":
        return
    code = frame.f_code
    file = code.co_filename
    if not _watched.setdefault(file, file.startswith(WATCHED)):
        return
    entry = (_now[:4], file, code.co_qualname)
    if entry not in _noted:
        _noted.add(entry)
        number = int.from_bytes(entry[0], sys.byteorder)
        os.write(_out, f"{number}\t{file}\t{code.co_qualname}\n".encode())


threading.setprofile(_note)  # each call has a thread of its own, and the loop starts with the first of them
sys.setprofile(_note)

ReferenceAdapter = adapter.ReferenceAdapter
AsyncReferenceAdapter = adapter.AsyncReferenceAdapter

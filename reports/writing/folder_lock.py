"""The lock on a results folder: two runs in one folder would mix their files.

The kernel holds it, so that of a process that died holds nobody up. What stands in the file is for people.
"""

import fcntl
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

LOCK_FILE: Final = ".lock"


class FolderInUse(Exception):
    """Another run is at work in the folder: says which, since when, and what to do."""


def lock(folder: Path) -> IO[str]:
    """Lock the folder until the file that is returned is closed.

    Raises :class:`FolderInUse`, or ``OSError`` where the file cannot be opened or locked.
    """
    handle = (folder / LOCK_FILE).open("a+", encoding="utf-8")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _write_owner(handle)
    except BlockingIOError:
        with handle:
            raise FolderInUse(
                f"{folder} is in use by another run{_owner(handle)}; wait until it has ended, or choose "
                "another folder with --results"
            ) from None
    except BaseException:
        handle.close()
        raise
    return handle


def _write_owner(handle: IO[str]) -> None:
    handle.seek(0)
    handle.truncate()
    since = datetime.now(UTC).isoformat(timespec="seconds")
    handle.write(json.dumps({"pid": os.getpid(), "since": since}) + "\n")
    handle.flush()


def _owner(handle: IO[str]) -> str:
    """Who holds it, as far as its file says so: it is written a moment after it was locked."""
    handle.seek(0)
    try:
        said = json.loads(handle.read())
        return f" (process {said['pid']}, since {said['since']})"
    except (ValueError, TypeError, KeyError):
        return ""

"""What the host watches in its process: logs, warnings and descriptors."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import os
import stat
import threading
import traceback
import warnings
from typing import Any, Protocol

from .descriptors import open_descriptors
from .protocol import CHAIN_LIMIT, RECORDS_LIMIT, RECORDS_TEXT
from .texts import cut

#: Loggers of libraries below a client. Clause SEC-02 asks at DEBUG for the client's own only, and these say a
#: dozen things a call that nobody looks at.
LIBRARIES = frozenset({"aiohttp", "asyncio", "h11", "httpcore", "httpcore2", "httpx", "httpx2", "urllib3"})


class Records:
    """Bounded list of records between two censuses."""

    def __init__(self, *, distinct: bool = False) -> None:
        self._lock = threading.Lock()
        self._distinct = distinct
        self._items: dict[Any, None] = {}
        self._dropped = 0
        self._room = RECORDS_TEXT

    def add(self, item: Any, size: int = 100) -> None:
        """Add a record of ``size`` characters; over the limits it is counted only."""
        with self._lock:
            if len(self._items) >= RECORDS_LIMIT or size > self._room:
                self._dropped += 1
            else:
                self._room -= size
                self._items[item if self._distinct else (len(self._items), item)] = None

    def take(self) -> tuple[list[Any], int]:
        """Return the records and the number dropped, and start anew."""
        with self._lock:
            items, self._items = self._items, {}
            dropped, self._dropped = self._dropped, 0
            self._room = RECORDS_TEXT
        return (list(items) if self._distinct else [item for _, item in items]), dropped


class LogTap(logging.Handler):
    """Root handler that keeps every record as (level, logger, text)."""

    def __init__(self, records: Records) -> None:
        super().__init__(level=0)
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record; one that cannot be formatted is kept unformatted."""
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 -- foreign arguments; kept raw instead
            text = f"{record.msg!r} % {record.args!r}"
        if record.exc_info and record.exc_info[1] is not None:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info))
        text = cut(text)
        self._records.add((record.levelno, record.name, text), len(text))


class Warned(Protocol):
    """A call as far as a warning has to know it."""

    warnings: list[str]


#: The call whose thread or task runs now.
current_call: contextvars.ContextVar[Warned | None] = contextvars.ContextVar("tgic_call", default=None)


class Watch:
    """Logs, warnings and descriptors of this process."""

    def __init__(self, own_descriptors: set[int]) -> None:
        self.logs = Records()
        self.warnings = Records()
        self._own = own_descriptors
        self._tap = LogTap(self.logs)
        self._before: tuple[Any, ...] = ()
        self._hushed: list[logging.Logger] = []

    def start(self) -> None:
        """Hook in."""
        root = logging.getLogger()
        self._before = (root.level, warnings.showwarning, warnings.filters[:])
        root.addHandler(self._tap)
        root.setLevel(1)
        self._hushed = [one for one in map(logging.getLogger, LIBRARIES) if one.level == logging.NOTSET]
        for library in self._hushed:
            library.setLevel(logging.INFO)
        warnings.simplefilter("always")
        warnings.showwarning = self._show_warning

    def stop(self) -> None:
        """Hook out, so that what is said at exit goes to stderr as usual."""
        level, show, filters = self._before
        root = logging.getLogger()
        root.removeHandler(self._tap)
        root.setLevel(level)
        for library in self._hushed:
            if library.level == logging.INFO:  # else the backend has set it
                library.setLevel(logging.NOTSET)
        warnings.showwarning = show
        warnings.resetwarnings()  # also makes the interpreter forget what it decided by the old filters
        warnings.filters[:] = filters  # type: ignore[index]

    def _show_warning(self, message: Any, category: type[Warning], *_args: Any, **_kwargs: Any) -> None:
        text = cut(f"{category.__name__}: {message}")
        self.warnings.add(text, len(text))
        call = current_call.get()
        if call is not None and len(call.warnings) < CHAIN_LIMIT * 5:
            call.warnings.append(text)

    def descriptors(self) -> tuple[int, int]:
        """Count open descriptors and, among them, sockets; the host's own are left out."""
        foreign = open_descriptors() - self._own
        sockets = 0
        for fd in foreign:
            with contextlib.suppress(OSError):
                sockets += stat.S_ISSOCK(os.fstat(fd).st_mode)
        return len(foreign), sockets

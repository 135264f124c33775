"""The sending side: one event a message, whichever thread sends it."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Callable
from typing import Any

from .encoding import Encoder
from .lines import to_lines
from .protocol import PROTOCOL, now
from .texts import cut


def write_all(fd: int, data: bytes) -> None:
    """Write every byte to a blocking descriptor."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


class Wire:
    """The host's sending side; messages of several threads do not mix."""

    def __init__(self, fd: int, on_refusal: Callable[[Any], object]) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._on_refusal = on_refusal

    def send(self, event: str, **fields: Any) -> bool:
        """Send one event; False where a value in it cannot be sent: ``refused`` goes out instead."""
        sent = True
        try:
            encoder = Encoder()
            body = {key: encoder.encode(value) for key, value in fields.items()}
            lines = to_lines({"tgic": PROTOCOL, "event": event, **body}, next(self._numbers))
        except Exception as error:  # noqa: BLE001 -- a foreign mapping or dataclass may raise anything
            sent = False
            self._on_refusal(fields.get("id"))
            text = cut(f"cannot send this {event}: {error if str(error) else type(error).__name__}")
            refusal = {
                "tgic": PROTOCOL,
                "event": "refused",
                "id": fields.get("id"),
                "text": text,
                "at": now(),
            }
            lines = to_lines(refusal, next(self._numbers))
        with self._lock, contextlib.suppress(BrokenPipeError):  # without a driver nobody listens
            for line in lines:
                write_all(self._fd, line)
        return sent

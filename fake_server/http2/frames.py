"""The frames of one HTTP/2 connection, cut from its bytes and counted, without I/O.

The h2 library takes bytes of any length; it is fed a frame at a time, so that what came before a broken
frame still counts, and so that a peer that sends much and asks for nothing is noticed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_FRAME: Final = 16_384
"""Payload bytes of one frame, hyper's SETTINGS_MAX_FRAME_SIZE."""
MAX_IDLE_FRAMES: Final = 10_000
"""Frames in a row that neither bring a request forward nor make room for an answer."""
MAX_RESETS: Final = 1000
"""Streams that a client resets, or opens in excess, beyond those that were answered."""

DATA: Final = 0x0
HEADERS: Final = 0x1
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
_HEAD: Final = 9


class FrameError(Exception):
    """A frame that ends the connection; ``code`` is HTTP/2's error code."""

    def __init__(self, code: int, problem: str) -> None:
        super().__init__(problem)
        self.code = code


FRAME_SIZE_ERROR: Final = 0x6
ENHANCE_YOUR_CALM: Final = 0xB


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it came."""

    type: int
    stream: int
    raw: bytes


class FrameCutter:
    """Cuts bytes into frames; raises :class:`FrameError` for one that is too long, and for a flood."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._idle = 0
        self._resets = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that the bytes complete, one by one."""
        self._buffer += data
        start = 0
        try:
            while len(self._buffer) - start >= _HEAD:
                size = int.from_bytes(self._buffer[start : start + 3], "big")
                if size > MAX_FRAME:
                    raise FrameError(FRAME_SIZE_ERROR, f"a frame of {size} bytes; at most {MAX_FRAME}")
                end = start + _HEAD + size
                if len(self._buffer) < end:
                    break
                raw = bytes(self._buffer[start:end])
                start = end
                frame = Frame(raw[3], int.from_bytes(raw[5:9], "big") & 0x7FFF_FFFF, raw)
                self._count(frame)
                yield frame
        finally:
            del self._buffer[:start]

    def answered(self) -> None:
        """Count a stream whose answer went out: as many resets more are forgiven."""
        self._resets = max(self._resets - 1, 0)

    def opened_in_vain(self) -> None:
        """Count a stream that came to nothing: reset by the client, or refused as one too many."""
        self._resets += 1
        if self._resets > MAX_RESETS:
            raise FrameError(ENHANCE_YOUR_CALM, f"over {MAX_RESETS} streams opened in vain")

    def _count(self, frame: Frame) -> None:
        useful = frame.type in {HEADERS, WINDOW_UPDATE} or (frame.type == DATA and len(frame.raw) > _HEAD)
        self._idle = 0 if useful else self._idle + 1
        if self._idle > MAX_IDLE_FRAMES:
            raise FrameError(ENHANCE_YOUR_CALM, f"over {MAX_IDLE_FRAMES} frames in a row to no purpose")

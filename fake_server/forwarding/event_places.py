"""Where the events of a stream begin, found in its bytes as they arrive. Pure."""

from typing import Final

_CR: Final = 0x0D
_LF: Final = 0x0A


class EventPlaces:
    """Offsets of events: the first begins at 0, each other one behind a blank line (WHATWG HTML 9.2.6).

    A place is known as soon as the blank line before it is whole. Whether an LF belongs to a CR at the end of
    what has come is not known yet, so that place waits for the next byte.
    """

    def __init__(self) -> None:
        self.starts: list[int] = [0]
        self._known = {0}
        self._at = 0
        #: Whether nothing of the present line has come, and nothing of the present event.
        self._line_empty = True
        self._event_empty = True
        self._after_cr = False
        #: A blank line ended with the last byte, a CR.
        self._waits = False

    def feed(self, data: bytes) -> None:
        """Take the bytes that come next."""
        for byte in data:
            if self._after_cr and byte == _LF:
                self._after_cr = False
                self._at += 1
                if self._waits:
                    self._begin()
                continue
            if self._waits:
                self._begin()
            self._at += 1
            self._after_cr = byte == _CR
            if byte in (_CR, _LF):
                self._end_line(waits=byte == _CR)
            else:
                self._line_empty = self._event_empty = False

    def start_of(self, event: int) -> int | None:
        """The offset at which an event begins (counted from 0), or would; None: not known yet."""
        return self.starts[event] if event < len(self.starts) else None

    def begins_at(self, offset: int) -> bool:
        """Whether an event is known to begin there."""
        return offset in self._known

    def _end_line(self, *, waits: bool) -> None:
        blank, self._line_empty = self._line_empty, True
        if blank and not self._event_empty:
            if waits:
                self._waits = True
            else:
                self._begin()

    def _begin(self) -> None:
        self._waits = False
        self._event_empty = True
        self.starts.append(self._at)
        self._known.add(self._at)

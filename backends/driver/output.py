"""What the backend printed: kept for the secrecy scan and for crash reports, bounded."""

import threading
from collections import deque
from typing import Final

OUTPUT_LIMIT: Final = 1 << 20


class OutputLog:
    """The last MiB of what a child printed; thread-safe. A mark counts the bytes since the start."""

    def __init__(self, limit: int = OUTPUT_LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._chunks: deque[bytes] = deque()
        self._kept = 0
        self._total = 0

    def append(self, data: bytes) -> None:
        """Keep some bytes; the oldest go when there are too many."""
        with self._lock:
            self._chunks.append(data[-self._limit :])
            self._kept += len(self._chunks[-1])
            self._total += len(data)
            while self._kept - len(self._chunks[0]) >= self._limit:
                self._kept -= len(self._chunks.popleft())

    def mark(self) -> int:
        """Return the place where the next byte will stand."""
        with self._lock:
            return self._total

    def since(self, mark: int) -> str:
        """Return the text after a mark; what was dropped is counted at its head."""
        with self._lock:
            kept = b"".join(self._chunks)[-self._limit :]
            wanted = self._total - mark
        dropped = max(0, wanted - len(kept))
        text = kept[max(0, len(kept) - wanted) :].decode("utf-8", "backslashreplace")
        return f"[{dropped} bytes of output dropped]\n{text}" if dropped else text

    def tail(self, size: int = 2000) -> str:
        """Return the last bytes as text, for a crash report."""
        return self.since(max(0, self.mark() - size))

"""Real keys taken out of what a real server sends back, also where a key lies across two parts. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

_FILL: Final = b"*"


class Cleaner:
    """Takes keys out of one answer's body; each is replaced by as many bytes, so that lengths hold."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        """``keys``: alias -> key."""
        self._keys: Sequence[tuple[bytes, bytes]] = sorted(
            ((key.encode(), _in_place_of(key.encode(), alias)) for alias, key in keys.items() if key),
            key=lambda pair: -len(pair[0]),
        )
        self._held = b""
        #: Whether a key was found.
        self.found = False

    def feed(self, data: bytes) -> bytes:
        """The bytes that may go on; what could be the beginning of a key waits for what follows."""
        text = self._without(self._held + data)
        keep = self._begun(text)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def end(self) -> bytes:
        """What waited."""
        held, self._held = self._held, b""
        return held

    def header(self, value: str) -> str:
        """The value of a header without keys."""
        return self._without(value.encode("latin-1", "replace")).decode("latin-1")

    def _without(self, text: bytes) -> bytes:
        for key, fill in self._keys:
            if key in text:
                self.found = True
                text = text.replace(key, fill)
        return text

    def _begun(self, text: bytes) -> int:
        """How many bytes at the end may be the beginning of a key."""
        longest = 0
        for key, _ in self._keys:
            most = min(len(key) - 1, len(text))
            longest = max(
                longest, next((size for size in range(most, 0, -1) if text.endswith(key[:size])), 0)
            )
        return longest


def _in_place_of(key: bytes, alias: str) -> bytes:
    """What stands for a key, as long as it."""
    name = f"key:{alias}".encode()
    return (name + _FILL * len(key))[: len(key)]

"""The protocol in figures and names: its version, its limits, its methods, and how it is broken."""

from __future__ import annotations

import time
from typing import Any

PROTOCOL = 1
PREFIX = b'{"tgic":1,'
#: Longest line, and longest message put together from its parts; bytes of JSON text.
LINE_LIMIT = 1 << 20
VALUE_LIMIT = 64 << 20
#: Characters of JSON text in one part: escaping it again may double it and must stay under LINE_LIMIT.
PART_TEXT = 256 << 10
EXACT_INT = 1 << 53
DEPTH_LIMIT = 200
TAGS = frozenset({"$float", "$int", "$bytes", "$object", "$map"})

#: Longest text of an exception, a log record, an object's repr; characters.
TEXT_LIMIT = 16 << 10
CHAIN_LIMIT = 20
#: Frames of one exception, the innermost ones.
FRAME_LIMIT = 20
#: Of one kind of records between two censuses: their number, and characters of text.
RECORDS_LIMIT = 10_000
RECORDS_TEXT = 8 << 20
OWN_THREAD = "tgic-"

METHODS = (
    "describe",
    "create_endpoint",
    "generate",
    "chat",
    "completions",
    "test_endpoint",
    "get_stats",
    "classify",
    "close_endpoint",
    "close",
    "update_endpoint",
    "reset_stats",
    "submit",
    "public_objects",
)
#: Arguments handed over by position, so that an adapter may name them as it likes.
LEADING = {
    "generate": "prompt",
    "chat": "messages",
    "completions": "prompt",
    "get_stats": "endpoint_id",
    "close_endpoint": "endpoint_id",
    "update_endpoint": "endpoint_id",
    "reset_stats": "endpoint_id",
    "submit": "kind",
}

Message = dict[str, Any]

#: Times are seconds of the machine's monotonic clock.
now = time.monotonic


class UnsendableError(ValueError):
    """A value or message that the protocol cannot carry."""


class WireError(ValueError):
    """A line that is not of the protocol; ``rule`` says what it breaks."""

    def __init__(self, rule: str, line: bytes = b"") -> None:
        super().__init__(rule)
        self.rule = rule
        self.line = line[:200].decode("ascii", "backslashreplace")

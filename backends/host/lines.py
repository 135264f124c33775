"""Messages as lines of bytes, in parts where they are long, and lines as messages."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable
from typing import Any

from .protocol import (
    LINE_LIMIT,
    PART_TEXT,
    PROTOCOL,
    TAGS,
    VALUE_LIMIT,
    Message,
    UnsendableError,
    WireError,
)


def _untag(value: dict[str, Any]) -> Any:
    """Undo the tags; called by the JSON decoder on each object, the innermost first."""
    if len(value) != 1:
        return value
    ((key, item),) = value.items()
    if key not in TAGS or key == "$object":
        return value
    try:
        return _UNTAG[key](item)
    except (ValueError, TypeError, KeyError) as error:
        raise WireError(f"bad tag {key}: {error}") from error


_UNTAG: dict[str, Callable[[Any], Any]] = {
    "$float": {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}.__getitem__,
    "$int": int,
    "$bytes": functools.partial(base64.b64decode, validate=True),
    "$map": dict,
}


def _no_constant(token: str) -> Any:
    raise WireError(f"{token} is not JSON; the tag $float carries it")


def to_lines(message: Message, part_of: int) -> list[bytes]:
    """Write one message (values already encoded) as its lines; ``part_of`` numbers it if it needs parts."""
    text = json.dumps(message, separators=(",", ":"), allow_nan=False)
    if len(text) < LINE_LIMIT:
        return [text.encode("ascii") + b"\n"]
    if len(text) > VALUE_LIMIT:
        raise UnsendableError(f"the message is {len(text)} bytes, over the limit of {VALUE_LIMIT >> 20} MiB")
    count = -(-len(text) // PART_TEXT)
    parts = (
        {"of": part_of, "index": i, "count": count, "text": text[i * PART_TEXT : (i + 1) * PART_TEXT]}
        for i in range(count)
    )
    return [
        json.dumps({"tgic": 1, "part": part}, separators=(",", ":")).encode("ascii") + b"\n" for part in parts
    ]


class Assembler:
    """Protocol lines in, messages out; puts parts together."""

    def __init__(self) -> None:
        self._texts: dict[int, list[str]] = {}

    def feed(self, line: bytes) -> Message | None:
        """Take one line (without its LF); None while a message is incomplete. Raises :class:`WireError`."""
        if len(line) >= LINE_LIMIT:
            raise WireError(f"a line of {len(line)} bytes: the limit is {LINE_LIMIT}", line)
        message = parse(line)
        if "part" not in message:
            return message
        text = self._join(message["part"], line)
        return None if text is None else parse(text.encode("ascii", "replace"))

    def _join(self, part: Any, line: bytes) -> str | None:
        try:
            of, index, count, text = part["of"], part["index"], part["count"], part["text"]
        except (TypeError, KeyError) as error:
            raise WireError("a part needs of, index, count and text", line) from error
        if not (type(of) is type(index) is type(count) is int and isinstance(text, str)):
            raise WireError("of, index and count of a part are integers, text is a string", line)
        texts = self._texts.setdefault(of, [])
        if index != len(texts) or index >= count:
            del self._texts[of]
            raise WireError(f"part {index} of {count} came where part {len(texts)} was due", line)
        texts.append(text)
        if sum(map(len, texts)) > VALUE_LIMIT:
            del self._texts[of]
            raise WireError(f"a message over {VALUE_LIMIT >> 20} MiB", line)
        return "".join(self._texts.pop(of)) if index == count - 1 else None


def parse(text: bytes) -> Message:
    """Parse one message; raises :class:`WireError`."""
    if not text.isascii():
        raise WireError("a protocol line is ASCII only", text)
    try:
        message = json.loads(text, object_hook=_untag, parse_constant=_no_constant)
    except WireError as error:
        raise WireError(error.rule, text) from error
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON: {error}", text) from error
    if not isinstance(message, dict) or message.get("tgic") != PROTOCOL:
        raise WireError('a message is an object with "tgic":1', text)
    return message

"""Kinds of stimuli in an event stream: how its lines are written, what its events say. Pure."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tgi_conformance.contracts.causes.answers import kinds_of_headers
from tgi_conformance.contracts.causes.forms import kinds_of_form
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script.replies import Event, EventStream
from tgi_conformance.contracts.sse import SSEDecoder, SSEError
from tgi_conformance.contracts.unset import UNSET

_BOM: Final = b"\xef\xbb\xbf"
_LINE_END: Final = re.compile("\r\n|\r|\n")
_DONE: Final = "[DONE]"
#: What ``str.splitlines`` ends a line at, beside CR and LF.
_FOREIGN: Final = re.compile("[\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")
_LONG: Final = 65_536
_OK: Final = 200
_FIELDS: Final = frozenset({"data", "event", ""})


def kinds_of_stream(stream: EventStream) -> Iterator[str]:
    """What is unusual in a stream: in its head, its lines and its events."""
    yield from kinds_of_headers(stream.headers, stream.content_type)
    if stream.status != _OK:
        yield f"status-{stream.status}"
    if any(name.lower() == "content-encoding" for name, _ in stream.headers):
        return  # the bytes are compressed
    wire = b"".join(_bytes(event, stream) for event in stream.events)
    yield from _kinds_of_lines(wire.decode("utf-8", "replace"), stream)
    yield from _kinds_of_events(_data(wire), ends=wire.endswith((b"\n", b"\r")) or not wire)


def _bytes(event: Event, stream: EventStream) -> bytes:
    """The event as the fake server writes it, as far as kinds can be told from it."""
    if event.raw is not None:
        return event.raw
    end, blank = stream.encoding.line_end, " " if stream.encoding.blank else ""
    lines = [f"{name}:{blank}{value}" for name, value in event.fields]
    if event.comment is not None:
        lines.append(f":{blank}{event.comment}")
    if event.done:
        lines.append(f"data:{blank}{_DONE}")
    if event.json is not UNSET:
        text = json.dumps(event.json, ensure_ascii=event.ascii, indent=1 if event.multi_line else None)
        lines += [f"data:{blank}{line}" for line in text.split("\n")]
    if event.text is not None:
        lines += [f"data:{blank}{line}" for line in event.text.split("\n")]
    return (end.join(lines) + end + end).encode("utf-8", "surrogatepass")


def _kinds_of_lines(text: str, stream: EventStream) -> Iterator[str]:
    ends = set(_LINE_END.findall(text))
    if stream.encoding.bom or text.startswith("\ufeff"):
        yield "byte-order-mark"
    if "\r" in ends:
        yield "line-end-cr"
    if "\r\n" in ends:
        yield "line-end-crlf"
    if _FOREIGN.search(text):
        yield "foreign-line-ends"
    lines = _LINE_END.split(text.removeprefix("\ufeff"))
    yield from dict.fromkeys(kind for line in lines for kind in _kinds_of_line(line))
    yield from _kinds_of_frames(lines)


def _kinds_of_line(line: str) -> Iterator[str]:
    name, colon, value = line.partition(":")
    if name == "data":
        if not value.strip(" "):
            yield "empty-data"
        elif not value.startswith(" "):
            yield "done-no-blank" if value == _DONE else "no-blank-after-colon"
        if len(line) > _LONG:
            yield "long-line"
    elif name == "event":
        yield "event-error" if value.strip() == "error" else "event-name"
    elif not name and colon:
        yield "comment"
    elif name not in _FIELDS:
        yield "other-fields"


def _kinds_of_frames(lines: Sequence[str]) -> Iterator[str]:
    data = fields = 0
    for line in lines:
        if line:
            data += line.startswith("data")
            fields += not line.startswith(("data", ":"))
            continue
        if data > 1:
            yield "several-data-lines"
        if fields and not data:
            yield "no-data-line"
        data = fields = 0


def _data(wire: bytes) -> list[str]:
    try:
        return [event.data for event in SSEDecoder().feed(wire.removeprefix(_BOM))]
    except SSEError as error:
        return [event.data for event in error.events]


def _kinds_of_events(data: Sequence[str], *, ends: bool) -> Iterator[str]:
    before = data[: data.index(_DONE)] if _DONE in data else data
    values = [_value(text) for text in before if text.strip()]
    tables = [value for value in values if isinstance(value, Mapping)]
    if len(tables) < len(values):
        yield "data-not-json"
    errors = [table for table in tables if table.get("error") is not None]
    if errors:
        yield "error-beside-choices" if any("choices" in table for table in errors) else "error-event"
    if any("error" in table and table["error"] is None for table in tables):
        yield "error-null"
    answers = [table for table in tables if table.get("error") is None]
    if any(table.get("choices") == [] for table in answers):
        yield "choices-empty"
    yield from _kinds_of_end(data, answers, ends=ends and not errors)
    yield from kinds_of_form(answers, whole=_DONE in data)


def _kinds_of_end(data: Sequence[str], answers: Sequence[Mapping[str, JSON]], *, ends: bool) -> Iterator[str]:
    finished = any(_finishes(table) for table in answers)
    native = any("token" in table for table in answers)
    if _DONE not in data and not finished and ends:
        yield "no-end-mark"
    if _DONE not in data and finished and not native:
        yield "no-done"
    if _DONE in data and native:
        yield "done-after-native"
    if _DONE in data and data.index(_DONE) < len(data) - 1:
        yield "after-done"


def _finishes(table: Mapping[str, JSON]) -> bool:
    if isinstance(table.get("generated_text"), str):
        return True
    choices = table.get("choices")
    return any(
        isinstance(choice, Mapping) and bool(choice.get("finish_reason"))
        for choice in (choices if isinstance(choices, list) else ())
    )


def _value(text: str) -> JSON:
    """The data as JSON; as the text itself where it is none."""
    try:
        value: JSON = json.loads(text)
    except ValueError:
        return text
    return value

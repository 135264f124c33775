"""Scripted events as bytes."""

import json

from tgi_conformance.contracts.json_texts import dumps
from tgi_conformance.contracts.script import Encoding, Event
from tgi_conformance.contracts.sse import encode_comment, encode_data
from tgi_conformance.contracts.tgi.answers.bodies import DONE
from tgi_conformance.contracts.unset import UNSET


def encode_event(event: Event, encoding: Encoding) -> bytes:
    """The bytes of one scripted frame."""
    if event.raw is not None:
        return event.raw
    end = encoding.line_end
    if event.comment is not None:
        return encode_comment(event.comment, end)
    separator = ": " if encoding.blank else ":"
    fields = "".join(f"{name}{separator}{value}{end}" for name, value in event.fields)
    return fields.encode("utf-8", "surrogatepass") + encode_data(
        _data(event), line_end=end, blank=encoding.blank
    )


def _data(event: Event) -> str:
    if event.done:
        return DONE
    if event.json is UNSET:
        return event.text or ""
    if event.multi_line:
        return json.dumps(event.json, indent=1, ensure_ascii=event.ascii)
    if event.ascii:
        return json.dumps(event.json, separators=(",", ":"))
    return dumps(event.json)

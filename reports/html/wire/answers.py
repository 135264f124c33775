"""What a server answered in an exchange, as text: as it was kept, or rebuilt from the script."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from tgi_conformance.contracts import sse
from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import (
    Body,
    Event,
    EventStream,
    Fault,
    Generation,
    Reply,
    Response,
    Script,
)
from tgi_conformance.contracts.unset import UNSET

NOT_KEPT: Final = "The answer was not kept."
FROM_SCRIPT: Final = "Rebuilt from the script: the answer itself was not kept."


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerText:
    """Head and body of an answer; ``note`` says where they come from if not from the wire."""

    head: str = ""
    body: bytes = b""
    #: Header fields as far as they are known.
    headers: tuple[tuple[str, str], ...] = ()
    note: str = ""

    def header(self, name: str) -> str | None:
        """The first value of a header, by case-insensitive name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def reply_of(script: Script | None, exchange: Exchange) -> Reply | None:
    """The reply of the script that served an exchange; None where that cannot be said."""
    if script is None:
        return None
    if exchange.reply is None:
        return script.otherwise
    named = next((reply for reply in script.replies if reply.name == exchange.reply), None)
    if named is not None or not exchange.reply.isdecimal():
        return named
    number = int(exchange.reply)
    return script.replies[number] if number < len(script.replies) else None


def answer_of(script: Script | None, exchange: Exchange) -> AnswerText:
    """The answer to an exchange."""
    kept = exchange.answer
    if kept is not None:
        lost = f"{kept.dropped_bytes} more bytes were not kept." if kept.dropped_bytes else ""
        head = _head(kept.status or exchange.status, kept.reason, kept.headers)
        return AnswerText(head=head, body=kept.body, headers=kept.headers, note=kept.problem or lost)
    if exchange.status is None and not exchange.sent_bytes:
        return AnswerText(note="Nothing was answered.")
    reply = reply_of(script, exchange)
    return _rebuilt(reply, exchange.status) if reply is not None else _unknown(exchange)


def fault_of(script: Script | None, exchange: Exchange) -> Fault | None:
    """How the script ended the answer wrongly, if it did."""
    reply = reply_of(script, exchange)
    return reply.delivery.fault if reply is not None and exchange.ending != "complete" else None


def _unknown(exchange: Exchange) -> AnswerText:
    head = _head(exchange.status, "", ()) if exchange.status is not None else ""
    return AnswerText(head=head, note=f"{NOT_KEPT} {exchange.sent_bytes} bytes were sent.")


def _rebuilt(reply: Reply, status: int | None) -> AnswerText:
    # A server's own refusal (a key that is missing, a limit) has another status than the reply.
    if reply.response is not None and status in (None, reply.response.status):
        return _plain(reply.response)
    if reply.stream is not None and status in (None, reply.stream.status):
        return _streamed(reply.stream)
    if reply.raw is not None:
        return AnswerText(body=reply.raw.base64, note=FROM_SCRIPT)
    if reply.tgi is not None and status == HTTPStatus.OK:
        return AnswerText(
            head=_head(status, "", ()), note=f"TGI's own answer, not kept: {_in_words(reply.tgi)}."
        )
    return AnswerText(head=_head(status, "", ()) if status is not None else "", note=NOT_KEPT)


def _plain(response: Response) -> AnswerText:
    headers = (("content-type", _content_type(response.body)), *response.headers)
    headers = tuple((name, value) for name, value in headers if value)
    head = _head(response.status, response.reason or "", headers)
    return AnswerText(head=head, body=_body(response.body), headers=headers, note=FROM_SCRIPT)


def _content_type(body: Body) -> str:
    if body.content_type is not None:
        return body.content_type
    forms = (
        (body.json is not UNSET, "application/json"),
        (body.text is not None, "text/plain; charset=utf-8"),
        (body.html is not None, "text/html"),
        (body.base64 is not None, "application/octet-stream"),
    )
    return next((name for given, name in forms if given), "")


def _body(body: Body) -> bytes:
    if body.base64 is not None:
        return body.base64
    text = body.text if body.text is not None else body.html
    if text is not None:
        return _encodable(text).encode()
    return b"" if body.json is UNSET else _json(body.json)


def _streamed(stream: EventStream) -> AnswerText:
    headers = (("content-type", stream.content_type), *stream.headers)
    named = tuple((name, value) for name, value in headers if value)
    mark = b"\xef\xbb\xbf" if stream.encoding.bom else b""
    return AnswerText(
        head=_head(stream.status, stream.reason or "", named),
        body=mark + b"".join(_frame(event, stream) for event in stream.events),
        headers=named,
        note=FROM_SCRIPT,
    )


def _frame(event: Event, stream: EventStream) -> bytes:
    """A frame of the script; JSON that the script spreads over several data lines stands on one here."""
    end, blank = stream.encoding.line_end, stream.encoding.blank
    if event.raw is not None:
        return event.raw
    if event.comment is not None:
        return sse.encode_comment(_encodable(event.comment), end)
    colon = ": " if blank else ":"
    fields = "".join(f"{name}{colon}{value}{end}" for name, value in event.fields)
    data = "[DONE]" if event.done else event.text
    text = data if data is not None else _json(event.json if event.json is not UNSET else None).decode()
    # What UTF-8 lacks is shown as its escape.
    data_lines = sse.encode_data(_encodable(text), line_end=end, blank=blank)
    return _encodable(fields).encode() + data_lines


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _json(value: JSON) -> bytes:
    return _encodable(json.dumps(value, ensure_ascii=False)).encode()


def _in_words(generation: Generation) -> str:
    if generation.echo:
        return "an echo of the prompt"
    if generation.error is not None:
        return f"an error of type {generation.error.error_type}: {generation.error.message}"
    if generation.tool_calls:
        return f"{len(generation.tool_calls)} tool calls"
    text = generation.text if generation.text is not None else "".join(generation.tokens or ())
    return f"the text {text!r}" if text else "the toy model's text"


def _head(status: int | None, reason: str, headers: Sequence[tuple[str, str]]) -> str:
    if status is None:
        return ""
    known = {int(one): one.phrase for one in HTTPStatus}
    first = f"HTTP/1.1 {status} {reason or known.get(status, '')}".rstrip()
    return "\n".join((first, *(f"{name}: {value}" for name, value in headers)))

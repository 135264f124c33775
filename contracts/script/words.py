"""The words that scripts are written with in Python: ``answer``, ``overloaded``, ``stream`` and the like."""

from typing import Final

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script.delivery import Delivery, Fault
from tgi_conformance.contracts.script.replies import (
    Body,
    Event,
    EventStream,
    Forward,
    Generation,
    Raw,
    Reply,
    Response,
    StreamError,
)

_TEXT: Final = " Deep learning is a subset of machine learning."


def answer(text: str | None = None, **fields: object) -> Reply:
    """A healthy TGI answer of that text, in the form of whatever route is asked; or of tool calls."""
    if text is None and "tool_calls" not in fields:
        text = _TEXT
    return Reply(tgi=Generation(text=text, **fields))  # type: ignore[arg-type]


def tokens(*pieces: str, **fields: object) -> Reply:
    """A healthy TGI answer of those tokens."""
    return Reply(tgi=Generation(tokens=pieces, **fields))  # type: ignore[arg-type]


def echo(**fields: object) -> Reply:
    """A healthy TGI that answers each request with its own prompt."""
    return Reply(tgi=Generation(echo=True, **fields))  # type: ignore[arg-type]


def status(code: int, *headers: tuple[str, str], **body: object) -> Reply:
    """A plain answer: ``status(429, ("retry-after", "1"), json={...})``; no form: an empty body."""
    return Reply(response=Response(status=code, headers=headers, body=Body(**body)))  # type: ignore[arg-type]


def tgi_error(code: int, message: str, error_type: str, *headers: tuple[str, str]) -> Reply:
    """An error as TGI's own handlers give it: ``{"error": message, "error_type": error_type}``."""
    return status(code, *headers, json={"error": message, "error_type": error_type})


def overloaded(*headers: tuple[str, str]) -> Reply:
    """TGI's own 429."""
    return tgi_error(429, "Model is overloaded", "overloaded", *headers)


def stream(*events: Event, **fields: object) -> Reply:
    """An event stream given frame by frame."""
    return Reply(stream=EventStream(events=events, **fields))  # type: ignore[arg-type]


def data(value: JSON, **fields: object) -> Event:
    """A frame of one JSON value."""
    return Event(json=value, **fields)  # type: ignore[arg-type]


def done() -> Event:
    """The frame ``data: [DONE]``."""
    return Event(done=True)


def comment(text: str = "") -> Event:
    """A comment line; TGI's keep-alive is the empty one."""
    return Event(comment=text)


def raw_event(content: bytes) -> Event:
    """Bytes in the stream as they are."""
    return Event(raw=content)


def failing(message: str, error_type: str = "generation", *pieces: str) -> Reply:
    """A generation that fails after these tokens, in TGI's form on each route; for a GET, an error."""
    error = StreamError(message=message, error_type=error_type, at=len(pieces))
    return Reply(tgi=Generation(tokens=(*pieces, ""), error=error))


def raw(content: bytes) -> Reply:
    """Bytes in place of a whole answer."""
    return Reply(raw=Raw(base64=content))


def forwarded() -> Reply:
    """What the upstream server answers."""
    return Reply(forward=Forward())


def silence(ending: str = "stall", at: str = "request") -> Reply:
    """No answer at all: stall, close (fin) or reset (rst) after the request, or at once ("accept")."""
    return Reply(delivery=Delivery(fault=Fault(ending=ending, at=at)))  # type: ignore[arg-type]


def always(reply: Reply, *, at_least: int = 1) -> Reply:
    """The reply for as many requests as come, but at least that many."""
    return reply.times(at_least, None)

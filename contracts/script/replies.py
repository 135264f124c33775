"""Replies: what some requests get, as an answer of TGI's, an answer spelled out, a stream, or raw bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script.delivery import Delivery, Fault, Hold
from tgi_conformance.contracts.unset import UNSET, Unset


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderMatch:
    """A header of the request, by its name in any case.

    It has this ``value``, or this text in its value (any of them where it comes more than once), or is
    ``absent``; with none of these it has to be there.
    """

    name: str
    value: str | None = None
    contains: str | None = None
    absent: bool = False

    def __post_init__(self) -> None:
        """Refuse a condition of two kinds."""
        if (self.value is not None) + (self.contains is not None) + self.absent > 1:
            raise ValueError("a header is matched by one of value, contains, absent")


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """Which requests a reply is for; all given conditions must hold."""

    #: Exact path ("/generate") or paths.
    path: str | tuple[str, ...] | None = None
    method: str | None = None
    #: Alias of the bearer key: "A", "B", ..., "none" or "other".
    key: str | None = None
    #: Text that the request body contains (as decoded UTF-8, JSON escapes undone where it is JSON).
    contains: str | None = None
    origin: str | None = None
    headers: tuple[HeaderMatch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamError:
    """An error of generation or validation, as TGI reports it in its own form on each route."""

    message: str
    error_type: str = "generation"
    #: After how many tokens of a stream it comes.
    at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedToolCall:
    """A tool call that the fake model makes."""

    name: str
    arguments: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """An answer as TGI gives it, in the form of the route that the request came to."""

    #: The text; split into one token a word unless ``tokens`` says how.
    text: str | None = None
    tokens: tuple[str, ...] | None = None
    #: Answer with the request's own prompt (last user message), as "echo: <prompt>".
    echo: bool = False
    finish_reason: Literal["length", "eos_token", "stop_sequence"] = "eos_token"
    prompt_tokens: int | None = None
    #: Generated tokens to report; default: as many as there are.
    completion_tokens: int | None = None
    tool_calls: tuple[ScriptedToolCall, ...] = ()
    error: StreamError | None = None
    #: Answer as the built-in toy model (:mod:`tgi_toy`) does: limits obeyed, tools called.
    toy: bool = False
    #: Cut the text at the request's max_new_tokens and stop sequences, and report that as its finish.
    obeys_limits: bool = False
    #: The text is what the model made of the tools' grammar: TGI parses it as a call, or fails to.
    tool_output: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The body of a plain answer: exactly one of the forms, or none for an empty body."""

    json: JSON | Unset = UNSET
    text: str | None = None
    html: str | None = None
    base64: bytes | None = None
    #: Default by form: application/json, text/plain; charset=utf-8, text/html, octet-stream.
    content_type: str | None = None
    #: On ``POST /`` the JSON goes out as the one item of an array, as TGI answers there (wire fact 25).
    root_array: bool = False

    def __post_init__(self) -> None:
        """Refuse a body of two forms."""
        given = [
            self.json is not UNSET,
            *(f is not None for f in (self.text, self.html, self.base64)),
        ]
        if sum(given) > 1:
            raise ValueError("a body has one form: json, text, html or base64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A plain answer with a status."""

    status: int = 200
    reason: str | None = None
    #: Sent in this order after content-type; names and values go out as given (latin-1), but for
    #: ``{origin:NAME}``: it becomes the scheme, host and port of that origin.
    headers: tuple[tuple[str, str], ...] = ()
    body: Body = field(default_factory=Body)
    framing: Literal["content-length", "chunked", "close"] = "content-length"
    #: Fields after a chunked body, as given; a header `trailer` that announces them is the script's to write.
    trailers: tuple[tuple[str, str], ...] = ()
    #: A content-length that lies; default the true one.
    content_length: int | None = None
    #: Compress the body if the request offers gzip.
    gzip: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One frame of an event stream: exactly one of json, text, done, comment, raw."""

    json: JSON | Unset = UNSET
    #: The data verbatim; each line becomes a data line.
    text: str | None = None
    #: ``[DONE]``.
    done: bool = False
    comment: str | None = None
    #: Bytes that go out as they are, with no blank line added.
    raw: bytes | None = None
    #: Fields before the data, such as ("event", "error"), ("id", "7"), ("retry", "10").
    fields: tuple[tuple[str, str], ...] = ()
    #: Spread JSON over several data lines.
    multi_line: bool = False
    #: Escape non-ASCII characters in JSON as backslash-u.
    ascii: bool = False

    def __post_init__(self) -> None:
        """Refuse a frame of two forms or none."""
        forms = [
            self.json is not UNSET,
            self.text is not None,
            self.done,
            self.comment is not None,
            self.raw is not None,
        ]
        if sum(forms) != 1:
            raise ValueError("an event has exactly one of json, text, done, comment, raw")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How frames become bytes."""

    line_end: Literal["\n", "\r", "\r\n"] = "\n"
    #: A blank after the colon (TGI up to 2.0 sent none).
    blank: bool = True
    bom: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStream:
    """An answer of server-sent events given frame by frame."""

    events: tuple[Event, ...] = ()
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str | None = "text/event-stream"
    encoding: Encoding = field(default_factory=Encoding)
    framing: Literal["chunked", "content-length", "close"] = "chunked"
    reason: str | None = None
    #: As those of a plain answer.
    trailers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """Bytes written in place of a whole answer, head included (malformed HTTP)."""

    base64: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """The request goes on to the upstream server, and what comes back is played.

    The delivery applies to the bytes as they come: places count on the body, and events are found across
    reads. With ``splits`` "events" each part goes out as it came. A fault whose place is never reached leaves
    the answer whole, and a note of the journal says so.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One step of a script: what some requests get.

    ``requests`` is [least, most] expected; a most of null has no bound. The first reply in order whose
    ``when`` holds and whose most is not used up serves a request.
    """

    name: str | None = None
    when: When = field(default_factory=When)
    requests: tuple[int, int | None] = (1, 1)
    #: Exactly one of these, or none where a fault leaves nothing to answer.
    tgi: Generation | None = None
    response: Response | None = None
    stream: EventStream | None = None
    raw: Raw | None = None
    forward: Forward | None = None
    delivery: Delivery = field(default_factory=Delivery)

    def __post_init__(self) -> None:
        """Refuse a reply of two kinds, and a count that cannot be."""
        kinds = [k is not None for k in (self.tgi, self.response, self.stream, self.raw, self.forward)]
        fault = self.delivery.fault
        if sum(kinds) > 1:
            raise ValueError("a reply has one of tgi, response, stream, raw, forward")
        if not any(kinds) and (fault is None or fault.at is None):
            raise ValueError("a reply without tgi, response, stream, raw or forward needs a fault with `at`")
        if self.forward is not None and fault is not None and fault.ending == "endless":
            raise ValueError("what is forwarded cannot be repeated: no ending `endless`")
        least, most = self.requests
        if least < 0 or (most is not None and most < max(least, 1)):
            raise ValueError(f"requests [{least}, {most}] is no range")

    def where(self, **conditions: str) -> Self:
        """The same reply for requests that meet these conditions too (see :class:`When`)."""
        return replace(self, when=replace(self.when, **conditions))  # type: ignore[arg-type]

    def where_header(self, name: str, **condition: object) -> Self:
        """The same reply for requests with such a header too (see :class:`HeaderMatch`)."""
        match = HeaderMatch(name=name, **condition)  # type: ignore[arg-type]
        return replace(self, when=replace(self.when, headers=(*self.when.headers, match)))

    def times(self, least: int, most: int | None = -1) -> Self:
        """The same reply for that many requests; without ``most``, exactly ``least``."""
        return replace(self, requests=(least, least if most == -1 else most))

    def deliver(self, **changes: object) -> Self:
        """The same reply written otherwise (see :class:`Delivery`)."""
        return replace(self, delivery=replace(self.delivery, **changes))  # type: ignore[arg-type]

    def held(self, gate: str, **place: object) -> Self:
        """The same reply held at a gate: before the head, or ``byte=``, ``event=``, ``before="end"``."""
        hold = Hold(gate=gate, **(place or {"before": "head"}))  # type: ignore[arg-type]
        return replace(self, delivery=replace(self.delivery, holds=(*self.delivery.holds, hold)))

    def cut(self, ending: str, **place: object) -> Self:
        """The same reply ended wrongly (see :class:`Fault`)."""
        fault = Fault(ending=ending, **place)  # type: ignore[arg-type]
        return replace(self, delivery=replace(self.delivery, fault=fault))

    def named(self, name: str) -> Self:
        """The same reply under a name that the journal shows."""
        return replace(self, name=name)

"""The script: data that says what the fake server does, reply by reply, byte by byte if need be.

The dataclasses here, their JSON form (:func:`tgi_conformance.contracts.codec.to_json`) and
``schemas/script.schema.json`` are one model. Times are milliseconds, positions are byte offsets into
the *payload* of an answer (the body before chunked framing).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script.delivery import Delivery, Fault, Hold, Interim, Pace, Pause
from tgi_conformance.contracts.unset import UNSET, Unset

__all__ = [
    "Body",
    "Chaos",
    "Concurrency",
    "Delivery",
    "Encoding",
    "Event",
    "EventStream",
    "Fate",
    "Fault",
    "Generation",
    "Hold",
    "Interim",
    "Limits",
    "Pace",
    "Pause",
    "Raw",
    "Reading",
    "Reply",
    "Response",
    "Script",
    "ScriptedToolCall",
    "Server",
    "StreamError",
    "TokenBucket",
    "When",
    "always",
    "answer",
    "comment",
    "data",
    "done",
    "echo",
    "overloaded",
    "raw",
    "raw_event",
    "silence",
    "status",
    "stream",
    "tgi_error",
    "tokens",
]


#: The server generations that :mod:`tgi_conformance.contracts.tgi.personas` describes.
Persona = Literal["tgi-3.3", "tgi-2", "tgi-1.4", "openai-proxy", "hosted-router"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """Bytes written in place of a whole answer, head included (malformed HTTP)."""

    base64: bytes


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
    delivery: Delivery = field(default_factory=Delivery)

    def __post_init__(self) -> None:
        """Refuse a reply of two kinds, and a count that cannot be."""
        kinds = [k is not None for k in (self.tgi, self.response, self.stream, self.raw)]
        if sum(kinds) > 1:
            raise ValueError("a reply has one of tgi, response, stream, raw")
        if not any(kinds) and (self.delivery.fault is None or self.delivery.fault.at is None):
            raise ValueError("a reply without tgi, response, stream or raw needs a fault with `at`")
        least, most = self.requests
        if least < 0 or (most is not None and most < max(least, 1)):
            raise ValueError(f"requests [{least}, {most}] is no range")

    def where(self, **conditions: str) -> Self:
        """The same reply for requests that meet these conditions too (see :class:`When`)."""
        return replace(self, when=replace(self.when, **conditions))

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How the space's server is set up; names are the launcher's."""

    model_id: str = "google/t5-efficient-tiny"
    #: Answer 401 (empty body) to generation routes unless the request carries one of the space's keys.
    check_key: bool = False
    payload_limit: int = 2_000_000
    max_concurrent_requests: int = 128
    max_best_of: int = 2
    max_stop_sequences: int = 4
    max_top_n_tokens: int = 5
    max_client_batch_size: int = 4
    #: Generous, so that no prompt of a case is refused unless the case asks for it.
    max_input_tokens: int = 1_000_000
    max_total_tokens: int = 1_100_000
    #: Decode and validate generation requests that a `tgi` reply serves, as TGI does, with its errors.
    validate: bool = True
    #: Origins that browsers may call from; none: any.
    cors_allow_origin: tuple[str, ...] = ()
    disable_grammar_support: bool = False
    #: Whether the model has a chat template; without one chat is refused.
    chat_template: bool = True
    #: Whether the model takes images; images in a prompt are checked then (never fetched).
    vision: bool = False
    #: Silence after which a TGI stream sends an empty comment.
    keep_alive_ms: float = 15_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBucket:
    """A rate limit on generation requests, as gateways have it: a request takes one token or is refused."""

    #: Tokens that a full bucket holds; it starts full.
    capacity: int
    #: Tokens that come back each second.
    per_second: float
    #: One bucket for each key (alias), or a single one.
    by: Literal["key", "space"] = "key"
    #: What a refused request gets; ``{retry-after}`` in a header value becomes the whole seconds until the
    #: next token. Default: TGI's 429 with a Retry-After.
    reply: Reply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """A limit on generation requests that are open at the same time, whatever answers them."""

    most: int
    by: Literal["key", "space"] = "key"
    #: What a request beyond it gets; default: TGI's 429.
    reply: Reply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What refuses generation requests before any reply is chosen; a refused one uses none up."""

    bucket: TokenBucket | None = None
    concurrency: Concurrency | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """One thing that chaos may do to a generation request.

    Either ``reply`` stands in place of whatever the script has (no reply is used up), or the script's own
    answer comes ``delay_ms`` late (drawn from that range), ends at a payload byte drawn from ``byte``, or
    both.
    A fate with none of them leaves the request alone.
    """

    name: str | None = None
    #: How often, against the weights of the other fates.
    weight: float = 1.0
    reply: Reply | None = None
    cut: Literal["fin", "rst", "stall", "half-close"] | None = None
    #: [least, most] of the byte that a cut comes after.
    byte: tuple[int, int] = (0, 0)
    #: [least, most] milliseconds.
    delay_ms: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        """Refuse a fate that replaces the answer and changes it, and empty ranges."""
        if self.reply is not None and (self.cut is not None or self.delay_ms != (0.0, 0.0)):
            raise ValueError("a fate has a reply of its own or changes the script's, not both")
        if self.byte[0] > self.byte[1] or self.delay_ms[0] > self.delay_ms[1]:
            raise ValueError("a range is [least, most]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chaos:
    """Faults by lot, the same for each call whatever the interleaving.

    The lot is drawn from (seed, key alias, nonce, attempt). The nonce names the call: the first match of
    the pattern in the request's head and body; without a pattern or match, path and body as a whole. The
    attempt counts earlier requests of the space with that key and nonce.
    """

    seed: int = 0
    fates: tuple[Fate, ...]
    #: A regular expression, as ``nonce-[0-9a-z]+`` or ``(?i)x-request-id: *\\S+``.
    nonce: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A slow reader: the server takes at most ``bytes`` at a time from a connection, ``every_ms`` apart.

    After ``stop_after`` bytes of a connection it waits until the gate of that name lets it go on.
    """

    bytes: int = 65_536
    every_ms: float = 0.0
    stop_after: int | None = None
    gate: str | None = None

    def __post_init__(self) -> None:
        """Refuse a stop without its gate."""
        if (self.stop_after is None) != (self.gate is None):
            raise ValueError("stop_after and gate go together")


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What one space does."""

    version: Literal[1] = 1
    #: The server generation that is imitated (:mod:`personas`).
    persona: Persona = "tgi-3.3"
    server: Server = field(default_factory=Server)
    replies: tuple[Reply, ...] = ()
    #: For generation requests that no reply is for; null: a healthy TGI that echoes. Either way they are
    #: booked as unscripted.
    otherwise: Reply | None = None
    #: Names of the listeners; each is an origin of its own. "refused:NAME" is a port where nobody listens.
    origins: tuple[str, ...] = ("a",)
    #: Path before all routes, as "/gw/tgi"; other paths are 404.
    mount: str = ""
    #: Origins that speak TLS, with a certificate that nobody vouches for but the control API.
    tls: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    chaos: Chaos | None = None
    reading: Reading | None = None
    #: Leave Nagle's algorithm on, as TGI does (on a reused connection events come some 40 ms late, at once).
    nagle: bool = False


# --- the words that scripts are written with -----------------------------------------------------------


def answer(text: str = " Deep learning is a subset of machine learning.", **fields: object) -> Reply:
    """A healthy TGI answer of that text, in the form of whatever route is asked."""
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


def silence(ending: str = "stall", at: str = "request") -> Reply:
    """No answer at all: stall, close (fin) or reset (rst) after the request, or at once ("accept")."""
    return Reply(delivery=Delivery(fault=Fault(ending=ending, at=at)))  # type: ignore[arg-type]


def always(reply: Reply, *, at_least: int = 1) -> Reply:
    """The reply for as many requests as come, but at least that many."""
    return reply.times(at_least, None)

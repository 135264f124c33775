"""From a request and its space's state to a plan. Pure: the clock's readings are handed in.

The order of questions is the router's: path, method, key, then what the script says.
"""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from tgi_conformance.contracts import tgi_answers, tgi_headers
from tgi_conformance.contracts.journal import GENERATION_ROUTES
from tgi_conformance.contracts.script import Body, Delivery, EventStream, Generation, Reply, Response, Server
from tgi_conformance.contracts.sse import encode_data
from tgi_conformance.contracts.tgi_answers import Stamp, dumps
from tgi_conformance.contracts.tgi_decoding import BodyError, decode, read_leniently
from tgi_conformance.contracts.tgi_errors import BROKEN_BODY, OVERLOADED, TOO_LARGE, TGIError, handler_error
from tgi_conformance.contracts.tgi_info import ROUTES, info, models, wants_key
from tgi_conformance.contracts.tgi_requests import GenerationRequest, RouteKind, request_of
from tgi_conformance.contracts.tgi_toy import toy_generation, with_forced_call
from tgi_conformance.contracts.tgi_validation import refusal, validate
from tgi_conformance.fake_server.frames import encode_event
from tgi_conformance.fake_server.http_parsing import Request
from tgi_conformance.fake_server.plans import Answer, Exchange, Plan, plan_answer, plan_nothing, plan_raw

HEALTHY: Final = Reply(tgi=Generation(echo=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What of a space decides an answer, at one moment."""

    server: Server
    mount: str = ""
    #: Whether the request carries one of the space's keys.
    known_key: bool = True
    closed: bool = False
    permits_used: int = 0
    #: Seconds since the epoch, and the same as an HTTP date.
    now: int = 0
    date: str = ""


def path_below(target_path: str, mount: str) -> str | None:
    """The path below the mount; None where it is outside."""
    if not mount:
        return target_path
    if target_path == mount:
        return "/"
    return target_path[len(mount) :] if target_path.startswith(mount + "/") else None


def exchange_of(request: Request, state: State) -> Exchange:
    """What the writer has to know of a request."""
    return Exchange(
        date=state.date,
        head_only=request.method == "HEAD",
        close=request.close or request.too_large,
        http_1_0=request.version == "1.0",
    )


def before_script(request: Request, state: State) -> Plan | None:
    """The answer that needs no script and leaves none used: late, outside the mount, no key."""
    exchange = exchange_of(request, state)
    if state.closed:
        return plan_answer(_text(410, "This space of the fake server is closed."), exchange)
    path = path_below(request.path, state.mount)
    if path is None:
        return plan_answer(_empty(404), exchange)
    if request.method == "OPTIONS":
        return plan_answer(_preflight(path), exchange)
    if state.server.check_key and not state.known_key and wants_key(path, request.method):
        return plan_answer(_empty(401), exchange)
    return None


def without_reply(request: Request, state: State, otherwise: Reply | None) -> Plan:
    """The answer where no reply of the script is for the request: what TGI would say."""
    exchange = exchange_of(request, state)
    path = path_below(request.path, state.mount) or "/"
    route = ROUTES.get(path)
    if route is None:
        return plan_answer(_empty(404), exchange)
    kind = route.serves(request.method)
    if kind is None:
        return plan_answer(_empty(405, ("allow", route.allow)), exchange)
    if kind == "info":
        return plan_answer(_json(200, dumps(info(state.server))), exchange)
    if kind == "models":
        return plan_answer(_json(200, dumps(models(state.server))), exchange)
    if kind == "health":
        return plan_answer(_empty(200), exchange)
    return play(otherwise or HEALTHY, request, state)


def takes_permit(reply: Reply, request: Request, state: State) -> bool:
    """Whether the answer holds a permit while it runs: TGI's own answers to generation requests."""
    path = path_below(request.path, state.mount)
    return reply.tgi is not None and request.method == "POST" and path in GENERATION_ROUTES


def play(reply: Reply, request: Request, state: State) -> Plan:
    """The plan of a reply for a request."""
    exchange = exchange_of(request, state)
    delivery = reply.delivery
    fault = delivery.fault
    if fault is not None and fault.at in {"request", "accept"}:
        return plan_nothing(fault, delivery.delay_ms)
    if reply.raw is not None:
        return plan_raw(reply.raw.base64, exchange, delivery)
    if reply.response is not None:
        path = path_below(request.path, state.mount)
        return plan_answer(_response(reply.response, request, path), exchange, delivery)
    if reply.stream is not None:
        return plan_answer(_stream(reply.stream), exchange, delivery)
    return _generate(reply.tgi or Generation(), request, state, exchange, delivery)


def refuse_bytes(status: int, date: str) -> bytes:
    """The answer to bytes that are no request (400, 431), or to a body that broke off (0)."""
    if status == 0:
        plan = plan_answer(_error(BROKEN_BODY), Exchange(date=date))
        return b"".join(step.data for step in plan.steps if hasattr(step, "data"))
    reasons = {400: "Bad Request", 431: "Request Header Fields Too Large"}
    lines = f"HTTP/1.1 {status} {reasons.get(status, '')}\r\nconnection: close\r\ncontent-length: 0\r\n"
    return f"{lines}date: {date}\r\n\r\n".encode("ascii")


# --- TGI's own answers --------------------------------------------------------------------------------


def _generate(
    generation: Generation, request: Request, state: State, exchange: Exchange, delivery: Delivery
) -> Plan:
    server = state.server
    path = path_below(request.path, state.mount) or "/"
    route = ROUTES.get(path)
    kind = route.post if route is not None else None
    if kind not in {"generate", "generate_stream", "compat", "chat", "completions"}:
        kind = "generate"
    if request.too_large or len(request.body) > server.payload_limit:
        return plan_answer(_error(TOO_LARGE), Exchange(date=state.date, close=True), _SILENT_CLOSE)
    try:
        asked = _asked(kind, request, server)
    except BodyError as refused:
        return plan_answer(_error(refused.error), exchange, delivery)
    generation = with_forced_call(generation, asked)
    error = _refused(generation, asked, state)
    if error is not None:
        return plan_answer(_failed(error, asked), exchange, delivery)
    stamp = Stamp(state.now, server.model_id)
    if asked.stream:
        frames = tgi_answers.stream_data(generation, asked, stamp)
        return plan_answer(_frames(frames, asked), exchange, delivery)
    return plan_answer(_plain(generation, asked, stamp), exchange, delivery)


#: 413 closes the connection without a word in the head (measured).
_SILENT_CLOSE: Final = Delivery(close="silent")


def _asked(route: RouteKind, request: Request, server: Server) -> GenerationRequest:
    if not server.validate:
        return request_of(route, read_leniently(request.body))
    value = decode(route, request.body, request.first.get("content-type"))
    return request_of(route, value)


def _refused(generation: Generation, asked: GenerationRequest, state: State) -> TGIError | None:
    """The error that stands before the generation: batch size, permits, then the parameters."""
    if state.server.validate:
        early = refusal(asked, state.server)
        if early is not None:
            return early
    if state.permits_used >= state.server.max_concurrent_requests:
        return OVERLOADED
    found = validate(asked, state.server) if state.server.validate else None
    if found is not None:
        return found
    if generation.error is not None and not asked.stream:
        return handler_error(generation.error.message, generation.error.error_type)
    return None


def _failed(error: TGIError, asked: GenerationRequest) -> Answer:
    if asked.stream and error.in_stream:
        return _frames(tgi_answers.error_data(error, asked), asked)
    return _error(error)


def _plain(generation: Generation, asked: GenerationRequest, stamp: Stamp) -> Answer:
    body = dumps(tgi_answers.plain_answer(generation, asked, stamp)).encode()
    every = [tgi_answers.made(generation, asked, index) for index in range(len(asked.prompts))]
    measured = tgi_headers.Measured(
        characters=sum(map(len, asked.prompts)),
        prompt_tokens=sum(one.prompt_tokens for one in every),
        generated_tokens=sum(one.completion_tokens for one in every),
    )
    headers = tgi_headers.plain(measured, compute_time=asked.route != "completions")
    return Answer(200, headers, (body,))


def _frames(frames: Sequence[str], asked: GenerationRequest) -> Answer:
    parts = tuple(encode_data(frame) for frame in frames)
    headers = tgi_headers.stream(sum(map(len, asked.prompts)))
    return Answer(200, headers, parts, framing="chunked", streamed=True)


def _error(error: TGIError) -> Answer:
    if error.error_type is None:
        return Answer(error.status, tgi_headers.text_error(), (error.message.encode(),))
    return _json(error.status, dumps(error.body()))


def _json(status: int, text: str) -> Answer:
    return Answer(status, tgi_headers.json_error(), (text.encode(),))


def _text(status: int, text: str) -> Answer:
    return Answer(status, tgi_headers.text_error(), (text.encode(),))


def _empty(status: int, *more: tuple[str, str]) -> Answer:
    return Answer(status, (*tgi_headers.CORS, *more))


def _preflight(path: str) -> Answer:
    route = ROUTES.get(path)
    allow = (("allow", route.allow),) if route is not None else ()
    return Answer(200, (*tgi_headers.PREFLIGHT, *allow))


# --- scripted answers ---------------------------------------------------------------------------------


def _response(response: Response, request: Request, path: str | None) -> Answer:
    body = response.body
    if body.root_array and path == "/":
        body = replace(body, json=[body.json])  # type: ignore[list-item]
    content, content_type = body_bytes(body)
    headers = list(response.headers)
    given = {name.lower() for name, _ in headers}
    if content_type is not None and "content-type" not in given:
        headers.insert(0, ("content-type", content_type))
    if response.gzip and "gzip" in request.first.get("accept-encoding", "").lower():
        content = gzip.compress(content, mtime=0)
        headers.append(("content-encoding", "gzip"))
    return Answer(
        response.status,
        tuple(headers),
        (content,) if content else (),
        reason=response.reason,
        framing=response.framing,
        content_length=response.content_length,
    )


def body_bytes(body: Body) -> tuple[bytes, str | None]:
    """The bytes of a scripted body and its content type; no type for an empty body."""
    if body.text is not None:
        return body.text.encode("utf-8", "surrogatepass"), body.content_type or "text/plain; charset=utf-8"
    if body.html is not None:
        return body.html.encode("utf-8", "surrogatepass"), body.content_type or "text/html; charset=utf-8"
    if body.base64 is not None:
        return body.base64, body.content_type or "application/octet-stream"
    if not body.json and type(body.json).__name__ == "Unset":
        return b"", body.content_type
    return dumps(body.json).encode(), body.content_type or "application/json"  # type: ignore[arg-type]


def _stream(stream: EventStream) -> Answer:
    headers = list(stream.headers)
    given = {name.lower() for name, _ in headers}
    if stream.content_type is not None and "content-type" not in given:
        headers.insert(0, ("content-type", stream.content_type))
    parts = [encode_event(event, stream.encoding) for event in stream.events]
    if stream.encoding.bom:
        parts = [b"\xef\xbb\xbf" + parts[0], *parts[1:]] if parts else [b"\xef\xbb\xbf"]
    return Answer(stream.status, tuple(headers), tuple(parts), framing=stream.framing, streamed=True)

"""From a request and its space's state to a plan. Pure: the clock's readings are handed in.

The order of questions is the router's: path, method, key, then what the script says.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tgi_conformance.contracts.json_texts import dumps
from tgi_conformance.contracts.script import (
    Body,
    Delivery,
    EventStream,
    Generation,
    Persona,
    Reply,
    Response,
    Server,
)
from tgi_conformance.contracts.tgi.errors import BROKEN_BODY, CONTENT_TYPE, TOO_LARGE, handler_error
from tgi_conformance.contracts.tgi.info import Route, RouteKind, wants_key
from tgi_conformance.contracts.tgi.personas import PERSONAS
from tgi_conformance.contracts.tgi.requests.decoding import accepts
from tgi_conformance.fake_server.engine import tgi_side
from tgi_conformance.fake_server.engine.answers import Answer, Exchange
from tgi_conformance.fake_server.engine.faults import plan_nothing
from tgi_conformance.fake_server.engine.frames import encode_event
from tgi_conformance.fake_server.engine.layout import lay_out, plan_answer
from tgi_conformance.fake_server.engine.plans import KeepAlive, Plan
from tgi_conformance.fake_server.http.parsing import Request
from tgi_conformance.fake_server.journal.metrics import Seen

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
    persona: Persona = "tgi-3.3"
    #: The text of ``/metrics``.
    metrics: Callable[[], str] = str


@dataclass(frozen=True, slots=True)
class Played:
    """A plan, the permits that it takes while it runs, and what the metrics count."""

    plan: Plan
    permits: int = 0
    seen: Seen | None = None


def path_below(target_path: str, mount: str) -> str | None:
    """The path below the mount; None where it is outside."""
    if not mount:
        return target_path
    if target_path == mount:
        return "/"
    return target_path[len(mount) :] if target_path.startswith(mount + "/") else None


def served_path(target_path: str, state: State) -> str | None:
    """The path below the mount as TGI has it: the hosted router serves ``/`` under the model's name."""
    path = path_below(target_path, state.mount)
    if path == f"/models/{state.server.model_id}" and PERSONAS[state.persona].by_model:
        return "/"
    return path


def _route(path: str, state: State) -> Route | None:
    return tgi_side.route_of(path) if PERSONAS[state.persona].serves(path) else None


def exchange_of(request: Request, state: State) -> Exchange:
    """What the writer has to know of a request."""
    return Exchange(
        date=state.date,
        head_only=request.method == "HEAD",
        close=request.version != "2" and (request.close or request.too_large),
        http_1_0=request.version == "1.0",
        http_2=request.version == "2",
    )


def before_script(request: Request, state: State) -> Plan | None:
    """The answer that needs no script and leaves none used: late, outside the mount, no key."""
    path = served_path(request.path, state)
    if state.closed:
        answer = tgi_side.text_answer(410, "This space of the fake server is closed.")
    elif path is None:
        answer = tgi_side.empty_answer(404)
    elif request.method == "OPTIONS":
        answer = tgi_side.preflight(tgi_side.route_of(path))
    elif state.server.check_key and not state.known_key and wants_key(path, request.method):
        answer = tgi_side.keyless_answer(PERSONAS[state.persona])
    else:
        return None
    return _tgi_plan(answer, request, state)


def before_body(request: Request, size: int, state: State) -> Plan | None:
    """The answer that TGI gives before it has read a body of which ``size`` bytes have come.

    For requests that no reply of the script is for. The connection is closed after it.
    """
    path = served_path(request.path, state) or "/"
    route = _route(path, state)
    if route is None:
        answer = tgi_side.empty_answer(404)
    elif route.serves(request.method) is None:
        answer = tgi_side.empty_answer(405, ("allow", route.allow))
    elif request.method != "POST" or PERSONAS[state.persona].openai:
        return None
    elif state.server.validate and not accepts(request.first.get("content-type")):
        answer = tgi_side.error_answer(CONTENT_TYPE)
    elif size > state.server.payload_limit:
        answer = tgi_side.error_answer(TOO_LARGE)
    else:
        return None
    return _tgi_plan(answer, request, state)


def without_reply(request: Request, state: State, otherwise: Reply | None) -> Played:
    """The answer where no reply of the script is for the request: what TGI would say."""
    path = served_path(request.path, state) or "/"
    route = _route(path, state)
    if route is None:
        return Played(_tgi_plan(tgi_side.empty_answer(404), request, state))
    kind = route.serves(request.method)
    if kind is None:
        answer = tgi_side.empty_answer(405, ("allow", route.allow))
        return Played(_tgi_plan(answer, request, state))
    if request.method != "POST":
        answer = tgi_side.read_only(kind, state.server, state.metrics, PERSONAS[state.persona])
        return Played(_tgi_plan(answer, request, state))
    return play(otherwise or HEALTHY, request, state)


def reads_body(reply: Reply) -> bool:
    """Whether the plan of a reply may depend on the request's body, and not on its head alone."""
    return reply.raw is None and reply.response is None and reply.stream is None


def play(reply: Reply, request: Request, state: State) -> Played:
    """The plan of a reply for a request."""
    exchange = exchange_of(request, state)
    delivery = reply.delivery
    fault = delivery.fault
    if fault is not None and fault.at in {"request", "accept"}:
        plan = plan_nothing(fault, delivery.delay_ms)
    elif reply.raw is not None:
        plan = lay_out(reply.raw.base64, exchange, delivery)
    elif reply.response is not None:
        path = path_below(request.path, state.mount)
        plan = plan_answer(_response(reply.response, request, path), exchange, delivery)
    elif reply.stream is not None:
        plan = plan_answer(_stream(reply.stream), exchange, delivery)
    else:
        return _generate(reply.tgi or Generation(), request, state, delivery)
    return Played(plan)


def refuse_bytes(status: int, date: str) -> bytes:
    """The answer to bytes that are no request (400, 431), or to a body that broke off (0)."""
    if status == 0:
        plan = plan_answer(tgi_side.error_answer(BROKEN_BODY), Exchange(date=date))
        return b"".join(step.data for step in plan.steps if hasattr(step, "data"))
    reasons = {400: "Bad Request", 431: "Request Header Fields Too Large"}
    lines = f"HTTP/1.1 {status} {reasons.get(status, '')}\r\nconnection: close\r\ncontent-length: 0\r\n"
    return f"{lines}date: {date}\r\n\r\n".encode("ascii")


# --- TGI's own answers --------------------------------------------------------------------------------


def _generate(generation: Generation, request: Request, state: State, delivery: Delivery) -> Played:
    path = served_path(request.path, state) or "/"
    route = _route(path, state)
    if request.method != "POST" and route is not None and route.get is not None:
        return Played(_tgi_plan(_read_only(route.get, generation, state), request, state, delivery))
    kind = (route.post if route is not None else None) or "generate"
    moment = tgi_side.Moment(now=state.now, permits_used=state.permits_used, traits=PERSONAS[state.persona])
    reaction = tgi_side.react(kind, generation, request, state.server, moment)
    if reaction.closes and request.version != "2":
        delivery = _SILENT_CLOSE
    plan = _tgi_plan(reaction.answer, request, state, delivery)
    if reaction.answer.streamed:
        comment = COMMENT_CHUNK if request.version == "1.1" else COMMENT
        plan = replace(plan, keep_alive=KeepAlive(state.server.keep_alive_ms / 1000, comment))
    return Played(plan, reaction.permits, reaction.seen)


def _read_only(kind: RouteKind, generation: Generation, state: State) -> Answer:
    """The answer to a GET for which the script has a TGI answer: an error of it, or what TGI says there."""
    if generation.error is not None:
        return tgi_side.told_error(
            handler_error(generation.error.message, generation.error.error_type), PERSONAS[state.persona]
        )
    return tgi_side.read_only(kind, state.server, state.metrics, PERSONAS[state.persona])


#: 413 closes the connection without a word in the head (measured).
_SILENT_CLOSE: Final = Delivery(close="silent")
_AT_ONCE: Final = Delivery()
#: TGI's keep-alive, an empty comment, plain and as a chunk.
COMMENT: Final = b":\n\n"
COMMENT_CHUNK: Final = b"3\r\n:\n\n\r\n"


def _tgi_plan(answer: Answer, request: Request, state: State, delivery: Delivery = _AT_ONCE) -> Plan:
    """An answer of TGI's own as a plan, with the CORS headers that the server's settings ask for."""
    exchange = exchange_of(request, state)
    if delivery is _SILENT_CLOSE:
        exchange = replace(exchange, close=True)
    allowed = tgi_side.with_origin(answer, state.server, request.first.get("origin"))
    return plan_answer(allowed, exchange, delivery)


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

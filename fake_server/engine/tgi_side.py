"""What TGI itself answers on each of its routes: from a request and the server's settings to an answer.

Pure. The order of questions is the router's: content type, size, JSON, types; then suffix, batch, tools
and template; then permits; then the parameters; then the generation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tgi_conformance.contracts.json_texts import dumps
from tgi_conformance.contracts.script import Generation, Server
from tgi_conformance.contracts.sse import encode_comment, encode_data
from tgi_conformance.contracts.tgi import headers as tgi_headers
from tgi_conformance.contracts.tgi.answers.bodies import Stamp, asks_twice, plain_answer
from tgi_conformance.contracts.tgi.answers.generated import Made, made, made_for_all
from tgi_conformance.contracts.tgi.answers.streams import error_data, stream_data
from tgi_conformance.contracts.tgi.answers.tool_output import ToolOutputError
from tgi_conformance.contracts.tgi.answers.toy import toy_generation, with_forced_call
from tgi_conformance.contracts.tgi.errors import OVERLOADED, TOO_LARGE, TGIError, handler_error
from tgi_conformance.contracts.tgi.info import ROUTES, Route, RouteKind, info, models
from tgi_conformance.contracts.tgi.personas import (
    HTML_TYPE,
    PERSONAS,
    ErrorForm,
    Traits,
    error_body,
    error_form,
    info_value,
    no_such_model,
    openai_error,
    plain_value,
    stream_frames,
)
from tgi_conformance.contracts.tgi.requests.asked import GenerationRequest, request_of
from tgi_conformance.contracts.tgi.requests.asked import RouteKind as GenerationKind
from tgi_conformance.contracts.tgi.requests.decoding import BodyError, decode, read_leniently
from tgi_conformance.contracts.tgi.requests.validation import (
    refusal,
    template_problem,
    validate,
    validate_parameters,
)
from tgi_conformance.contracts.tgi.requests.wrappers import (
    VERTEX_EMPTY,
    VERTEX_FAILED,
    chat_tokenize_answer,
    decode_invocation,
    decode_vertex,
    tokenize_answer,
)
from tgi_conformance.contracts.tgi.stopping import SLICE
from tgi_conformance.fake_server.engine.answers import Answer
from tgi_conformance.fake_server.engine.heads import reason_of
from tgi_conformance.fake_server.http.parsing import Request
from tgi_conformance.fake_server.journal.metrics import Seen

TGI_3_3: Final = PERSONAS["tgi-3.3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What an answer depends on besides request and settings."""

    #: Seconds since the epoch.
    now: int = 0
    permits_used: int = 0
    traits: Traits = TGI_3_3


@dataclass(frozen=True, slots=True)
class Reaction:
    """An answer, what it takes while it runs, and what the metrics count."""

    answer: Answer
    permits: int = 0
    seen: Seen | None = None
    #: The connection is closed after it, without a word in the head (413, measured).
    closes: bool = False


_DOCS_PAGE: Final = (
    '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>API of the fake TGI server</title>'
    "</head>\n<body><h1>API of the fake TGI server</h1>"
    '<p>The routes and their schemas: <a href="../api-doc/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>'
    "</body>\n</html>\n"
)


def read_only(
    kind: RouteKind, server: Server, metrics: Callable[[], str], traits: Traits = TGI_3_3
) -> Answer:
    """The answer to a GET or HEAD."""
    if kind == "info":
        return json_answer(200, dumps(info_value(traits, info(server))))
    if kind == "models":
        return json_answer(200, dumps(models(server)))
    if kind == "openapi":
        # Not before it is asked for: the schemas bring jsonschema along, a sixth of the server's start.
        from tgi_conformance.contracts.tgi.openapi import openapi_text  # noqa: PLC0415

        return json_answer(200, openapi_text())
    if kind == "metrics":
        return text_answer(200, metrics())
    if kind == "docs":
        return Answer(303, (("location", "/docs/"), *tgi_headers.CORS))
    if kind == "docs_page":
        headers = (("content-type", "text/html"), *tgi_headers.CORS)
        return Answer(200, headers, (_DOCS_PAGE.encode(),))
    return empty_answer(200)


def react(
    kind: RouteKind, generation: Generation, request: Request, server: Server, moment: Moment
) -> Reaction:
    """TGI's own answer to a POST; ``generation`` is what the model is to say."""
    traits = moment.traits
    if request.too_large or len(request.body) > server.payload_limit:
        return Reaction(told_error(TOO_LARGE, traits), closes=True)
    if traits.openai:
        server = replace(server, validate=False)
    try:
        if kind == "vertex":
            return _vertex(generation, request, server, moment)
        if kind in {"tokenize", "chat_tokenize"}:
            return Reaction(_tokenized(kind, request, server))
        asked = _asked(kind, request, server)
    except BodyError as refused:
        return Reaction(told_error(refused.error, traits))
    if traits.by_model and asked.model not in {None, "tgi", server.model_id}:
        return Reaction(json_answer(404, no_such_model(traits, asked.model or "")))
    return _generate(generation, asked, server, moment)


def _asked(kind: RouteKind, request: Request, server: Server) -> GenerationRequest:
    content_type = request.first.get("content-type")
    if kind == "invocations":
        route, value = decode_invocation(request.body, content_type)
        return request_of(route, value)
    route = _GENERATION_KINDS.get(kind, "generate")
    if not server.validate:
        return request_of(route, read_leniently(request.body))
    return request_of(route, decode(route, request.body, content_type))


_GENERATION_KINDS: Final[dict[RouteKind, GenerationKind]] = {
    "generate": "generate",
    "generate_stream": "generate_stream",
    "compat": "compat",
    "chat": "chat",
    "completions": "completions",
}


def _tokenized(kind: RouteKind, request: Request, server: Server) -> Answer:
    content_type = request.first.get("content-type")
    if kind == "tokenize":
        value = decode("generate", request.body, content_type)
        inputs = value["inputs"]
        return json_answer(200, tokenize_answer(inputs if isinstance(inputs, str) else ""))
    asked = request_of("chat", decode("chat", request.body, content_type))
    problem = template_problem(asked.roles, server)
    if problem is not None:
        return error_answer(problem)
    return json_answer(200, chat_tokenize_answer(asked.prompts[0]))


def _generate(generation: Generation, asked: GenerationRequest, server: Server, moment: Moment) -> Reaction:
    generation = said(generation, asked)
    stamp = Stamp(moment.now, server.model_id)
    error = refused(generation, asked, server, moment)
    if error is not None:
        # What fails had its permits, never more than there are; what is refused before it had none.
        permits = 0 if error is OVERLOADED else min(asked.permits, server.max_concurrent_requests)
        return Reaction(_failed(error, asked, moment.traits), permits, Seen(error.error_type or ""))
    every = made_for_all(generation, asked)
    seen = _seen(generation, asked, server, every)
    if asked.stream:
        frames = stream_data(generation, asked, stamp, every)
        tokens = every[0].texts if moment.traits.single_tool_call else ()
        return Reaction(_frames(frames, asked, moment.traits, tokens), asked.permits, seen)
    try:
        answer = _plain(generation, asked, stamp, moment.traits, every)
    except ToolOutputError as problem:
        return Reaction(told_error(problem.error, moment.traits), asked.permits, seen)
    return Reaction(answer, asked.permits, seen)


def said(generation: Generation, asked: GenerationRequest) -> Generation:
    """What the model says to this request: a script's words, or the toy's own."""
    if generation.toy:
        return toy_generation(generation, asked)
    return with_forced_call(generation, asked)


def refused(
    generation: Generation, asked: GenerationRequest, server: Server, moment: Moment
) -> TGIError | None:
    """The error that stands before the generation, or in its place."""
    if server.validate:
        early = refusal(asked, server)
        if early is not None:
            return early
    overload = _overload(asked, server, moment)
    if overload is not None:
        return overload
    found = validate(asked, server) if server.validate else None
    if found is not None:
        return found
    failed = generation.error
    if failed is None:
        return None
    # What stands before TGI says its errors before a stream begins.
    before = failed.at == 0 and failed.error_type in moment.traits.errors
    return handler_error(failed.message, failed.error_type) if before or not asked.stream else None


def _overload(asked: GenerationRequest, server: Server, moment: Moment) -> TGIError | None:
    """Too few permits. With one to be had, a bad parameter is found before a second is asked for."""
    free = server.max_concurrent_requests - moment.permits_used
    if free < 1:
        return OVERLOADED
    if asked.permits <= free:
        return None
    found = validate_parameters(asked, server) if server.validate else None
    return OVERLOADED if found is None else found


def _seen(generation: Generation, asked: GenerationRequest, server: Server, every: Sequence[Made]) -> Seen:
    prompt = sum(one.prompt_tokens for one in every)
    room = min(max(server.max_total_tokens - prompt, 0), SLICE)
    wanted = asked.parameters.max_new_tokens
    error = generation.error
    return Seen(
        error_type=None if error is None else error.error_type,
        prompt_tokens=prompt,
        generated_tokens=sum(one.completion_tokens for one in every),
        max_new_tokens=room if wanted is None else wanted,
    )


def _failed(error: TGIError, asked: GenerationRequest, traits: Traits) -> Answer:
    if asked.stream and error.in_stream and not traits.openai and error.error_type not in traits.errors:
        return _frames(error_data(error, asked), asked, traits)
    return told_error(error, traits)


def _plain(
    generation: Generation, asked: GenerationRequest, stamp: Stamp, traits: Traits, every: Sequence[Made]
) -> Answer:
    value = plain_answer(generation, asked, stamp, every)
    if traits is not TGI_3_3:
        value = plain_value(traits, asked.route, value, every[0].finish_reason)
    body = dumps(value).encode()
    if asks_twice(generation, asked):
        # What the headers tell is the second generation's.
        asked = asked.without_tools()
        every = made_for_all(generation, asked)
    measured = tgi_headers.Measured(
        characters=sum(map(len, asked.prompts)),
        prompt_tokens=sum(one.prompt_tokens for one in every),
        generated_tokens=sum(one.completion_tokens for one in every),
    )
    if not traits.compute_headers:
        return Answer(200, tgi_headers.json_error(), (body,))
    headers = tgi_headers.plain(measured, compute_time=asked.route != "completions")
    return Answer(200, headers, (body,))


def _frames(
    frames: Sequence[str], asked: GenerationRequest, traits: Traits, tokens: Sequence[str] = ()
) -> Answer:
    if traits is not TGI_3_3:
        frames = stream_frames(traits, asked.route, frames, tokens)
    parts = tuple(encode_data(frame, blank=traits.blank) for frame in frames)
    if traits.comment is not None:
        parts = (encode_comment(traits.comment, "\n"), *parts)
    headers = tgi_headers.stream(sum(map(len, asked.prompts)))
    if not traits.compute_headers:
        headers = tuple(pair for pair in headers if not pair[0].startswith("x-"))
    return Answer(200, headers, parts, framing="chunked", streamed=True)


def told_error(error: TGIError, traits: Traits) -> Answer:
    """An error as a persona tells it."""
    if traits.openai and error.error_type is None:
        status = 400 if error.status == 422 else error.status
        return json_answer(status, dumps({"error": openai_error(error.message, ErrorForm(status))}))
    if not traits.openai and error.error_type not in traits.errors:
        return error_answer(error)
    form = error_form(traits, error)
    kind = ("content-type", HTML_TYPE) if form.html else tgi_headers.JSON_TYPE
    body = error_body(traits, error, reason_of(form.status)).encode()
    return Answer(form.status, (kind, *form.headers, *tgi_headers.CORS), (body,))


def _vertex(generation: Generation, request: Request, server: Server, moment: Moment) -> Reaction:
    """Predictions in the order of the instances; whatever fails, all fail."""
    every = decode_vertex(request.body, request.first.get("content-type"))
    if not every:
        return Reaction(error_answer(VERTEX_EMPTY))
    texts = []
    permits = 0
    for asked in every:
        spoken = said(generation, asked)
        held = replace(moment, permits_used=moment.permits_used + permits)
        error = refused(spoken, asked, server, held)
        permits += asked.permits
        if error is not None:
            return Reaction(error_answer(VERTEX_FAILED), permits, Seen(error.error_type or ""))
        texts.append(made(spoken, asked).text)
    body = dumps({"predictions": texts})
    spoken = said(generation, every[0])
    seen = _seen(spoken, every[0], server, made_for_all(spoken, every[0]))
    return Reaction(json_answer(200, body), permits, seen)


# --- answers by form ----------------------------------------------------------------------------------


def error_answer(error: TGIError) -> Answer:
    """An error: JSON where one of TGI's handlers says it, text where the body was refused."""
    if error.error_type is None:
        return Answer(error.status, tgi_headers.text_error(), (error.message.encode(),))
    return json_answer(error.status, dumps(error.body()))


def json_answer(status: int, text: str) -> Answer:
    """JSON without x- headers."""
    return Answer(status, tgi_headers.json_error(), (text.encode(),))


def text_answer(status: int, text: str) -> Answer:
    """Plain text."""
    return Answer(status, tgi_headers.text_error(), (text.encode(),))


def empty_answer(status: int, *more: tuple[str, str]) -> Answer:
    """No body."""
    return Answer(status, (*tgi_headers.CORS, *more))


def keyless_answer(traits: Traits) -> Answer:
    """401: an empty body, or (of OpenAI's form) an error."""
    if not traits.openai:
        return empty_answer(401)
    error = openai_error("The API key is missing or wrong", ErrorForm(401, code="invalid_api_key"))
    return json_answer(401, dumps({"error": error}))


def preflight(route: Route | None) -> Answer:
    """The answer to any OPTIONS."""
    allow = (("allow", route.allow),) if route is not None else ()
    return Answer(200, (*tgi_headers.PREFLIGHT, *allow))


def with_origin(answer: Answer, server: Server, origin: str | None) -> Answer:
    """Tell the origin instead of ``*`` where the server allows some only; nothing to any other."""
    if not server.cors_allow_origin:
        return answer
    name, anyone = tgi_headers.ALLOW_ORIGIN
    allowed = origin if origin in server.cors_allow_origin else None
    headers = tuple(
        (name, allowed) if header == (name, anyone) else header
        for header in answer.headers
        if header != (name, anyone) or allowed is not None
    )
    return replace(answer, headers=headers)  # type: ignore[arg-type]


def route_of(path: str) -> Route | None:
    """The route of a path below the mount."""
    return ROUTES.get(path)

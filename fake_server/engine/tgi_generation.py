"""What TGI answers where the script says what its model is to say: from a request and a state to an outcome.

Pure. The order of questions is the router's: content type, size, JSON, types; then suffix, batch, tools
and template; then permits; then the parameters; then the generation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from tgi_conformance.contracts.json_texts import dumps
from tgi_conformance.contracts.script import Generation, Server
from tgi_conformance.contracts.tgi.answers.bodies import Stamp
from tgi_conformance.contracts.tgi.answers.generated import Made, made, made_for_all
from tgi_conformance.contracts.tgi.answers.streams import stream_data
from tgi_conformance.contracts.tgi.answers.tool_output import ToolOutputError
from tgi_conformance.contracts.tgi.answers.toy import toy_generation, with_forced_call
from tgi_conformance.contracts.tgi.errors import OVERLOADED, TOO_LARGE, TGIError, handler_error
from tgi_conformance.contracts.tgi.info import RouteKind
from tgi_conformance.contracts.tgi.personas import no_such_model
from tgi_conformance.contracts.tgi.requests.asked import GenerationRequest, request_of
from tgi_conformance.contracts.tgi.requests.asked import RouteKind as GenerationKind
from tgi_conformance.contracts.tgi.requests.decoding import BodyError, decode, decode_invocation
from tgi_conformance.contracts.tgi.requests.json_text import read_leniently
from tgi_conformance.contracts.tgi.requests.validation import (
    before_permits,
    prompt_errors,
    refusal,
    validate,
    validate_parameters,
)
from tgi_conformance.contracts.tgi.requests.wrappers import (
    VERTEX_EMPTY,
    VERTEX_FAILED,
    chat_tokenize_answer,
    decode_vertex,
    tokenize_answer,
)
from tgi_conformance.contracts.tgi.stopping import SLICE
from tgi_conformance.fake_server.engine.answers import Answer
from tgi_conformance.fake_server.engine.outcomes import Outcome
from tgi_conformance.fake_server.engine.plans import KeepAlive
from tgi_conformance.fake_server.engine.state import State, served_path, served_route
from tgi_conformance.fake_server.engine.tgi_answers import (
    error_answer,
    failed_answer,
    generated_answer,
    is_told_in_stream,
    json_answer,
    stream_answer,
    told_error,
)
from tgi_conformance.fake_server.engine.tgi_pages import page, with_origin
from tgi_conformance.fake_server.http.parsing import Request
from tgi_conformance.fake_server.journal.metrics import Seen

#: TGI's keep-alive, an empty comment, plain and as a chunk.
COMMENT: Final = b":\n\n"
COMMENT_CHUNK: Final = b"3\r\n:\n\n\r\n"


@dataclass(frozen=True, slots=True)
class Reaction:
    """An answer, what it takes while it runs, and what the metrics count."""

    answer: Answer
    permits: int = 0
    seen: Seen | None = None
    #: The connection is closed after it.
    closes: bool = False


def as_tgi(generation: Generation, request: Request, state: State) -> Outcome:
    """TGI's own answer; ``generation`` is what the model is to say."""
    route = served_route(served_path(request.path, state) or "/", state)
    if request.method != "POST" and route is not None and route.get is not None:
        reaction = Reaction(_read(route.get, generation, state))
    else:
        kind = (route.post if route is not None else None) or "generate"
        reaction = _posted(kind, generation, request, state)
    return Outcome(
        with_origin(reaction.answer, request, state.server),
        reaction.permits,
        reaction.seen,
        reaction.closes,
        _keep_alive(request, state) if reaction.answer.streamed else None,
    )


def _keep_alive(request: Request, state: State) -> KeepAlive:
    comment = COMMENT_CHUNK if request.version == "1.1" else COMMENT
    return KeepAlive(state.server.keep_alive_ms / 1000, comment)


def _read(kind: RouteKind, generation: Generation, state: State) -> Answer:
    """The answer to a GET for which the script has a TGI answer: an error of it, or what TGI says there."""
    if generation.error is not None:
        error = handler_error(generation.error.message, generation.error.error_type)
        return told_error(error, state.traits)
    return page(kind, state.server, state.metrics, state.traits)


def _posted(kind: RouteKind, generation: Generation, request: Request, state: State) -> Reaction:
    """The answer to a POST."""
    traits, server = state.traits, state.server
    if request.too_large or len(request.body) > server.payload_limit:
        return Reaction(told_error(TOO_LARGE, traits), closes=True)
    try:
        if kind == "vertex":
            return _vertex(generation, request, state)
        if kind in {"tokenize", "chat_tokenize"}:
            return Reaction(_tokenized(kind, request, server))
        asked = _asked(kind, request, state)
    except BodyError as refused:
        return Reaction(told_error(refused.error, traits))
    if traits.by_model and asked.model not in {None, "tgi", server.model_id}:
        return Reaction(json_answer(404, no_such_model(traits, asked.model or "")))
    return _generate(generation, asked, state)


def _asked(kind: RouteKind, request: Request, state: State) -> GenerationRequest:
    content_type = request.first.get("content-type")
    if kind == "invocations":
        route, value = decode_invocation(request.body, content_type)
        return request_of(route, value)
    route = _GENERATION_KINDS.get(kind, "generate")
    if not state.validates:
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
    problem = refusal(asked, server)
    if problem is not None:
        return error_answer(problem)
    return json_answer(200, chat_tokenize_answer(asked.prompts[0]))


def _generate(generation: Generation, asked: GenerationRequest, state: State) -> Reaction:
    server = state.server
    generation = said(generation, asked)
    stamp = Stamp(state.now, server.model_id)
    error = refused(generation, asked, state)
    if error is not None and len(asked.prompts) > 1 and is_told_in_stream(error, asked, state.traits):
        refusals = _refusals(asked, state)
        left = sum(refusal is None for refusal in refusals)
        every = made_for_all(generation, asked)
        frames = stream_data(generation, asked, stamp, every, refusals)
        seen = _seen(generation, asked, server, every) if left else Seen(error.error_type or "")
        return Reaction(stream_answer(frames, asked, state.traits), left, seen)
    if error is not None:
        # What fails had its permits, never more than there are; what is refused before it had none.
        permits = 0 if error is OVERLOADED else min(asked.permits, server.max_concurrent_requests)
        return Reaction(failed_answer(error, asked, state.traits), permits, Seen(error.error_type or ""))
    every = made_for_all(generation, asked)
    seen = _seen(generation, asked, server, every)
    if asked.stream:
        frames = stream_data(generation, asked, stamp, every)
        tokens = every[0].texts if state.traits.single_tool_call else ()
        return Reaction(stream_answer(frames, asked, state.traits, tokens), asked.permits, seen)
    try:
        answer = generated_answer(generation, asked, stamp, state.traits, every)
    except ToolOutputError as problem:
        return Reaction(told_error(problem.error, state.traits), asked.permits, seen)
    return Reaction(answer, asked.permits, seen)


def said(generation: Generation, asked: GenerationRequest) -> Generation:
    """What the model says to this request: a script's words, or the toy's own."""
    if generation.toy:
        return toy_generation(generation, asked)
    return with_forced_call(generation, asked)


def refused(generation: Generation, asked: GenerationRequest, state: State) -> TGIError | None:
    """The error that stands before the generation, or in its place."""
    server = state.server
    if state.validates:
        early = refusal(asked, server) or before_permits(asked, server)
        if early is not None:
            return early
    overload = _overload(asked, state)
    if overload is not None:
        return overload
    found = validate(asked, server) if state.validates else None
    if found is not None:
        return found
    failed = generation.error
    if failed is None:
        return None
    # What stands before TGI says its errors before a stream begins.
    before = failed.at == 0 and failed.error_type in state.traits.errors
    return handler_error(failed.message, failed.error_type) if before or not asked.stream else None


def _refusals(asked: GenerationRequest, state: State) -> tuple[TGIError | None, ...]:
    """What each prompt of a streamed array is refused with."""
    free = state.server.max_concurrent_requests - state.permits_used
    if state.validates:
        return prompt_errors(asked, state.server, free)
    return tuple(None if index < free else OVERLOADED for index in range(len(asked.prompts)))


def _overload(asked: GenerationRequest, state: State) -> TGIError | None:
    """Too few permits. With one to be had, a bad parameter is found before a second is asked for."""
    server = state.server
    free = server.max_concurrent_requests - state.permits_used
    if free < 1:
        return OVERLOADED
    if asked.permits <= free:
        return None
    found = validate_parameters(asked, server) if state.validates else None
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


def _vertex(generation: Generation, request: Request, state: State) -> Reaction:
    """Predictions in the order of the instances; whatever fails, all fail."""
    every = decode_vertex(request.body, request.first.get("content-type"))
    if not every:
        return Reaction(error_answer(VERTEX_EMPTY))
    # What a conversation cannot be made a prompt of is told as it is; what fails after that is masked.
    every = tuple(replace(asked, stream=False) for asked in every)
    for asked in every:
        unmade = refusal(asked, state.server)
        if unmade is not None:
            return Reaction(error_answer(unmade), 0, Seen(unmade.error_type or ""))
    texts = []
    permits = 0
    for asked in every:
        spoken = said(generation, asked)
        held = replace(state, permits_used=state.permits_used + permits)
        error = refused(spoken, asked, held)
        permits += asked.permits
        if error is not None:
            return Reaction(error_answer(VERTEX_FAILED), permits, Seen(error.error_type or ""))
        texts.append(made(spoken, asked).text)
    body = dumps({"predictions": texts})
    spoken = said(generation, every[0])
    seen = _seen(spoken, every[0], state.server, made_for_all(spoken, every[0]))
    return Reaction(json_answer(200, body), permits, seen)

"""TGI's rules over the values of a request that decoded, in the router's own order.

Each rule is a row: what to look at, and the message. Source: router 3.3.6-dev0, measured messages.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

from tgi_conformance.contracts.script import Server
from tgi_conformance.contracts.tgi.errors import (
    GRAMMAR_AND_TOOLS,
    OVERLOADED,
    SUFFIX,
    TGIError,
    batch_size,
    handler_error,
    unknown_tool,
    validation_error,
)
from tgi_conformance.contracts.tgi.requests.asked import GenerationRequest, Parameters
from tgi_conformance.contracts.tgi.requests.compiling import compile_problem, tools_schema
from tgi_conformance.contracts.tgi.requests.grammar import NOT_SUPPORTED, grammar_problem
from tgi_conformance.contracts.tgi.requests.images import image_problem
from tgi_conformance.contracts.tgi.stopping import SLICE
from tgi_conformance.contracts.tgi.tokens import count_tokens

#: Roles that the recorded chat template knows.
ROLES: Final = frozenset({"system", "user", "assistant", "tool"})

Rule: TypeAlias = Callable[[Parameters, Server], str | None]


def refusal(request: GenerationRequest, server: Server) -> TGIError | None:
    """The plain 422 that stands before permits and validation: suffix, batch, template, tools."""
    if request.suffix is not None:
        return SUFFIX
    if len(request.prompts) > server.max_client_batch_size:
        return batch_size(server.max_client_batch_size)
    if request.gives_tools and request.parameters.grammar is not None:
        return GRAMMAR_AND_TOOLS
    forced = request.forced_function
    if forced is not None and request.has_tools and forced not in {name for name, _ in request.tools}:
        return unknown_tool(forced)
    if request.route == "chat":
        return template_problem(request.roles, server)
    return None


def template_problem(roles: tuple[str, ...], server: Server) -> TGIError | None:
    """What the chat template says of a conversation's roles, or that there is no template."""
    if not server.chat_template:
        return handler_error("Template error: template not found", "template_error")
    for role in roles:
        if role not in ROLES:
            text = f"Template error: syntax error: Unknown role: {role} (in <string>:1)"
            return handler_error(text, "template_error")
    return None


def before_permits(request: GenerationRequest, server: Server) -> TGIError | None:
    """The validation error that stands before permits: of what is never streamed, and of best_of."""
    message = _stream_rules(request) or (None if request.stream else _best_of_rules(request, server))
    return None if message is None else validation_error(message)


def validate(request: GenerationRequest, server: Server) -> TGIError | None:
    """The first validation error of a request, or None."""
    message = _parameter_rules(request, server)
    for prompt in request.prompts:
        message = message or _early_input_rules(prompt, request, server)
    for prompt in request.prompts:
        message = message or _input_rules(prompt, request, server)
    message = message or _grammar_rules(request, server)
    return None if message is None else validation_error(message)


def validate_parameters(request: GenerationRequest, server: Server) -> TGIError | None:
    """The first error among the rules that need no tokenizer; they are asked before a second permit."""
    message = _parameter_rules(request, server) or _early_input_rules(request.prompts[0], request, server)
    return None if message is None else validation_error(message)


def prompt_errors(request: GenerationRequest, server: Server, free: int) -> tuple[TGIError | None, ...]:
    """What each prompt of a streamed array is refused with, with so many permits to be had.

    They ask one after the other, each for itself; with its permit it waits for the tokenizer.
    """
    found: list[TGIError | None] = []
    for prompt in request.prompts:
        one = replace(request, prompts=(prompt,))
        early = validate_parameters(one, server) if free > 0 else OVERLOADED
        found.append(early or validate(one, server))
        free -= early is None
    return tuple(found)


def _parameter_rules(request: GenerationRequest, server: Server) -> str | None:
    message = _stream_rules(request) or _best_of_rules(request, server)
    for rule in _RULES:
        message = message or rule(request.parameters, server)
    return message


def _stream_rules(request: GenerationRequest) -> str | None:
    if not request.stream:
        return None
    if (1 if request.parameters.best_of is None else request.parameters.best_of) != 1:
        return "`best_of` != 1 is not supported when streaming tokens"
    if request.parameters.decoder_input_details:
        return "`decoder_input_details` == true is not supported when streaming tokens"
    return None


def _best_of_rules(request: GenerationRequest, server: Server) -> str | None:
    best_of = request.parameters.best_of or 1
    if best_of > 1 and server.max_best_of == 1:
        return "`best_of` != 1 is not allowed for this endpoint"
    if best_of > server.max_best_of:
        return f"`best_of` must be > 0 and <= {server.max_best_of}. Given: {best_of}"
    return None


def _given(value: float | None, accept: Callable[[float], bool], message: str) -> str | None:
    return message if value is not None and not accept(value) else None


def _inside_0_1(value: float) -> bool:
    return 0.0 < value < 1.0


def _positive(value: float) -> bool:
    return value > 0


def _best_of_sampling(parameters: Parameters, _: Server) -> str | None:
    if (parameters.best_of or 1) > 1 and not parameters.samples:
        return "you must use sampling when `best_of` is > 1"
    return None


def _stop(parameters: Parameters, server: Server) -> str | None:
    given, most = len(parameters.stop), server.max_stop_sequences
    return f"`stop` supports up to {most} stop sequences. Given: {given}" if given > most else None


def _seed(parameters: Parameters, _: Server) -> str | None:
    if parameters.seed is not None and (parameters.best_of or 1) > 1:
        return "`seed` must not be set when `best_of` > 1"
    return None


def _top_n(parameters: Parameters, server: Server) -> str | None:
    given, most = parameters.top_n_tokens or 0, server.max_top_n_tokens
    return f"`top_n_tokens` must be >= 0 and <= {most}. Given: {given}" if given > most else None


def _penalty_in_range(value: float) -> bool:
    return -2.0 <= value <= 2.0


#: In the order of the router's checks: with several mistakes the first of these is reported.
_RULES: Final[tuple[Rule, ...]] = (
    _best_of_sampling,
    lambda p, _: _given(p.temperature, _positive, "`temperature` must be strictly positive"),
    lambda p, _: _given(p.repetition_penalty, _positive, "`repetition_penalty` must be strictly positive"),
    lambda p, _: _given(
        p.frequency_penalty, _penalty_in_range, "`frequency_penalty` must be >= -2.0 and <= 2.0"
    ),
    lambda p, _: _given(p.top_p, _inside_0_1, "`top_p` must be > 0.0 and < 1.0"),
    lambda p, _: _given(p.typical_p, _inside_0_1, "`typical_p` must be > 0.0 and < 1.0"),
    lambda p, _: _given(p.top_k, _positive, "`top_k` must be strictly positive"),
    lambda p, _: _given(p.max_new_tokens, _positive, "`max_new_tokens` must be strictly positive"),
    _stop,
    _seed,
    _top_n,
)


def _early_input_rules(prompt: str, request: GenerationRequest, server: Server) -> str | None:
    if not prompt:
        return "`inputs` cannot be empty"
    truncate, most = request.parameters.truncate, server.max_input_tokens
    if truncate is not None and not 0 < truncate <= most:
        return f"`truncate` must be strictly positive and less than {most}. Given: {truncate}"
    return None


def _input_rules(prompt: str, request: GenerationRequest, server: Server) -> str | None:
    truncate, most = request.parameters.truncate, server.max_input_tokens
    image = image_problem(prompt) if server.vision else None
    if image is not None:
        return image
    tokens = count_tokens(prompt, special=request.counts_start)
    tokens = min(tokens, truncate) if truncate is not None else tokens
    wanted = request.parameters.max_new_tokens
    room = max(server.max_total_tokens - tokens, 0)
    counted = min(room if wanted is None else wanted, SLICE)
    if tokens + counted > server.max_total_tokens:
        return (
            f"`inputs` tokens + `max_new_tokens` must be <= {server.max_total_tokens}. "
            f"Given: {tokens} `inputs` tokens and {counted} `max_new_tokens`"
        )
    if tokens > most:
        return f"`inputs` must have less than {most} tokens. Given: {tokens}"
    return None


def _grammar_rules(request: GenerationRequest, server: Server) -> str | None:
    """Tools become a grammar, too."""
    grammar = request.parameters.grammar
    if server.disable_grammar_support and (grammar is not None or request.has_tools):
        return NOT_SUPPORTED
    if grammar is not None:
        return grammar_problem(grammar)
    forced = request.forced_function
    tools = request.tools
    if forced is not None:
        tools = tuple(tool for tool in tools if tool[0] == forced)[:1]
    return compile_problem(tools_schema(tools)) if request.has_tools and tools else None

"""TGI's answers as JSON values: key order, nulls, ids and finish reasons of each route.

Measured with router 3.3.6-dev0. The functions take what the model made (:class:`Generation`) and
what was asked (:class:`GenerationRequest`), and return the values of a plain answer or of the
events of a stream. The fake server sends them; the suites read the same functions as an oracle.
"""

import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Generation, ScriptedToolCall
from tgi_conformance.contracts.tgi_errors import TGIError, handler_error
from tgi_conformance.contracts.tgi_info import FINGERPRINT
from tgi_conformance.contracts.tgi_requests import GenerationRequest
from tgi_conformance.contracts.tgi_stopping import Stopped, stopped
from tgi_conformance.contracts.tgi_templates import NO_TOOL
from tgi_conformance.contracts.tgi_tokens import EOS, EOS_ID, START, count_tokens, token_id
from tgi_conformance.contracts.tgi_tool_output import (
    argument_pieces,
    call_text,
    parse_call,
    picks_no_tool,
)

DONE: Final = "[DONE]"
#: Characters of a text that become a token a word.
_EXACT_LENGTH: Final = 32_768
#: How many tokens the rest becomes at most.
_LONG_TOKENS: Final = 2048
#: Longer generations are not kept.
_KEPT_TOKENS: Final = 4096
_WORD: Final = re.compile(r"\s*\S+|\s+")


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token."""

    id: int
    text: str
    logprob: float
    special: bool = False

    def json(self) -> dict[str, JSON]:
        """The native form."""
        return {"id": self.id, "text": self.text, "logprob": self.logprob, "special": self.special}


@dataclass(frozen=True, slots=True)
class Made:
    """What the model made for one prompt."""

    tokens: tuple[Token, ...]
    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int

    @property
    def usage(self) -> JSON:
        """The OpenAI usage object."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every OpenAI answer carries: seconds since the epoch and the served model."""

    created: int
    model: str


def made(generation: Generation, request: GenerationRequest, prompt: int = 0) -> Made:
    """What the model makes of the request's ``prompt``-th prompt."""
    pieces = _pieces(generation, request, prompt)
    ended = Stopped(pieces, generation.finish_reason)
    if generation.obeys_limits:
        ended = stopped(pieces, request.parameters.max_new_tokens, request.parameters.stop)
    tokens = _tokens(ended.pieces, ends=ended.finish_reason == "eos_token")
    counted = count_tokens(request.prompts[prompt], special=request.counts_start)
    truncate = request.parameters.truncate
    counted = min(counted, truncate) if truncate and truncate > 0 else counted
    return Made(
        tokens=tokens,
        text="".join(ended.pieces),
        finish_reason=ended.finish_reason,
        prompt_tokens=counted if generation.prompt_tokens is None else generation.prompt_tokens,
        completion_tokens=len(tokens)
        if generation.completion_tokens is None
        else generation.completion_tokens,
    )


def _tokens(pieces: tuple[str, ...], *, ends: bool) -> tuple[Token, ...]:
    """Pieces as tokens; ``ends`` adds the end token, and a generation has at least one token."""
    return (_kept_tokens if len(pieces) <= _KEPT_TOKENS else _made_tokens)(pieces, ends)


def _made_tokens(pieces: tuple[str, ...], ends: bool) -> tuple[Token, ...]:  # noqa: FBT001
    tokens = [Token(token_id(piece), piece, _logprob(index)) for index, piece in enumerate(pieces)]
    if ends:
        tokens.append(Token(EOS_ID, EOS, _logprob(len(tokens)), special=True))
    return tuple(tokens) or (Token(token_id(""), "", _logprob(0)),)


_kept_tokens: Final = lru_cache(maxsize=512)(_made_tokens)


def split_tokens(text: str) -> tuple[str, ...]:
    """A text as tokens: one a word, with the blanks before it; they join to the text.

    What a text has beyond 32 KiB becomes a few thousand long tokens: an echo of megabytes would stop the
    server for seconds, and fill its memory if it were kept.
    """
    if len(text) <= _EXACT_LENGTH:
        return _split_words(text)
    rest = text[_EXACT_LENGTH:]
    size = -(-len(rest) // _LONG_TOKENS)
    long = (rest[start : start + size] for start in range(0, len(rest), size))
    return (*_WORD.findall(text[:_EXACT_LENGTH]), *long)


@lru_cache(maxsize=512)
def _split_words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text))


def _pieces(generation: Generation, request: GenerationRequest, prompt: int) -> tuple[str, ...]:
    if generation.tool_calls and request.route == "chat":
        call = generation.tool_calls[0]
        return call_text(call.name, call.arguments)
    if generation.echo:
        said = request.said if request.route == "chat" else request.prompts[prompt]
        return split_tokens(f"echo: {said}")
    if generation.tokens is not None:
        return generation.tokens
    return split_tokens(generation.text or "")


def _logprob(index: int) -> float:
    return round(-0.05 - 0.1 * (index % 7), 2)


# --- native -------------------------------------------------------------------------------------------


def native_answer(generation: Generation, request: GenerationRequest) -> JSON:
    """The body of ``/generate``; on ``/`` it stands in an array."""
    one = made(generation, request)
    body: dict[str, JSON] = {"generated_text": _full_text(one, request)}
    if request.details:
        body["details"] = _details(one, request)
    return [body] if request.route == "compat" else body


def _full_text(one: Made, request: GenerationRequest) -> str:
    return (request.prompts[0] if request.return_full_text else "") + one.text


def _details(one: Made, request: GenerationRequest) -> JSON:
    details: dict[str, JSON] = {
        "finish_reason": one.finish_reason,
        "generated_tokens": one.completion_tokens,
        "seed": _seed(request),
        "prefill": _prefill(request) if request.parameters.decoder_input_details else [],
        "tokens": [token.json() for token in one.tokens],
    }
    top = request.parameters.top_n_tokens or 0
    best_of = request.parameters.best_of or 1
    if best_of > 1:
        sequence = {"generated_text": _full_text(one, request), **details}
        if top:
            sequence["top_tokens"] = [_top_tokens(token, top) for token in one.tokens]
        details["best_of_sequences"] = [sequence for _ in range(best_of - 1)]
    if top:
        details["top_tokens"] = [_top_tokens(token, top) for token in one.tokens]
    return details


def _seed(request: GenerationRequest) -> int | None:
    """The seed is told only where it had a say; a random one is made from the prompt."""
    if not request.parameters.samples:
        return None
    if request.parameters.seed is not None:
        return request.parameters.seed
    prompt = request.prompts[0].encode("utf-8", "surrogatepass")
    return zlib.crc32(prompt) << 32 | zlib.adler32(prompt)


def _prefill(request: GenerationRequest) -> JSON:
    texts = [START, *split_tokens(request.prompts[0])]
    truncate = request.parameters.truncate
    if truncate and truncate > 0:
        texts = texts[-truncate:]
    return [
        {"id": token_id(text), "text": text, "logprob": -1.25 - 0.25 * index if index else None}
        for index, text in enumerate(texts)
    ]


def _top_tokens(token: Token, count: int) -> JSON:
    others = (
        Token(token.id + n, f" alt{n}", round(token.logprob - 0.75 * n, 2)).json() for n in range(1, count)
    )
    return [token.json(), *others]


def native_events(generation: Generation, request: GenerationRequest) -> Iterator[JSON]:
    """The events of ``/generate_stream`` and of a stream on ``/``; the last one carries the text."""
    one = made(generation, request)
    top = request.parameters.top_n_tokens or 0
    for index, token in enumerate(one.tokens):
        last = index == len(one.tokens) - 1
        event: dict[str, JSON] = {"index": index + 1, "token": token.json()}
        if top:
            event["top_tokens"] = _top_tokens(token, top)
        event["generated_text"] = _full_text(one, request) if last else None
        event["details"] = _stream_details(one, request) if last and request.details else None
        yield event


def _stream_details(one: Made, request: GenerationRequest) -> JSON:
    return {
        "finish_reason": one.finish_reason,
        "generated_tokens": one.completion_tokens,
        "seed": _seed(request),
        "input_length": one.prompt_tokens,
    }


# --- chat ---------------------------------------------------------------------------------------------


def _openai_reason(finish_reason: str) -> str:
    """Chat and plain completions rename the end token only; a stop string keeps its native name."""
    return "stop" if finish_reason == "eos_token" else finish_reason


def _stamped(kind: str, stamp: Stamp) -> dict[str, JSON]:
    return {
        "object": kind,
        "id": "",
        "created": stamp.created,
        "model": stamp.model,
        "system_fingerprint": FINGERPRINT,
    }


def chat_completion(generation: Generation, request: GenerationRequest, stamp: Stamp) -> JSON:
    """The body of a plain chat completion; raises ``ToolOutputError`` for tool output that is no call."""
    one, calls = made(generation, request), generation.tool_calls
    first = one
    if generation.tool_output and request.has_tools:
        call = parse_call(one.text)
        calls = (ScriptedToolCall(name=call.name, arguments=call.arguments),)
    elif asks_twice(generation, request):
        first = _no_tool_made(generation)
        one = made(generation, request.without_tools())
    message: dict[str, JSON] = {"role": "assistant"}
    if calls:
        message["tool_calls"] = [_tool_call(call, str(n)) for n, call in enumerate(calls)]
    else:
        message["content"] = one.text
    choice: JSON = {
        "index": 0,
        "message": message,
        "logprobs": _logprobs(first.tokens, request) if request.logprobs else None,
        # A call's finish is always reported as "stop".
        "finish_reason": "stop" if calls else _openai_reason(first.finish_reason),
    }
    named = Stamp(stamp.created, request.model or stamp.model)
    usage = Made((), "", "", one.prompt_tokens, first.completion_tokens).usage
    return {**_stamped("chat.completion", named), "choices": [choice], "usage": usage}


def asks_twice(generation: Generation, request: GenerationRequest) -> bool:
    """Whether the model picks no tool, so that TGI asks it again without tools (wire fact 13)."""
    if not request.has_tools or request.tool_choice != "auto" or generation.tool_calls:
        return False
    return not generation.tool_output


def _no_tool_made(generation: Generation) -> Made:
    """What the first of the two generations makes: the choice of no tool.

    A script that says how its own text ended, and how many tokens it had, is believed instead.
    """
    tokens = _tokens(call_text(NO_TOOL, {}), ends=True)
    told = generation.completion_tokens
    reason = generation.finish_reason if not generation.obeys_limits else "eos_token"
    return Made(tokens, "", reason, 0, len(tokens) if told is None else told)


def _tool_call(call: ScriptedToolCall, call_id: str) -> JSON:
    arguments = json.dumps(call.arguments, ensure_ascii=False, separators=(",", ":"))
    function: JSON = {"description": None, "name": call.name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def _logprobs(tokens: tuple[Token, ...], request: GenerationRequest) -> JSON:
    content: list[JSON] = []
    for token in tokens:
        best = _top_tokens(token, request.top_logprobs) if request.top_logprobs else []
        top: list[JSON] = (
            [
                {"token": item["text"], "logprob": item["logprob"]}
                for item in best
                if isinstance(item, Mapping)
            ]
            if isinstance(best, list)
            else []
        )
        content.append({"token": token.text, "logprob": token.logprob, "top_logprobs": top})
    return {"content": content}


def chat_chunks(generation: Generation, request: GenerationRequest, stamp: Stamp) -> Iterator[JSON]:
    """The chunks of a chat stream, without ``[DONE]``."""
    if asks_twice(generation, request):
        request = request.without_tools()
    one = made(generation, request)
    head = _stamped("chat.completion.chunk", Stamp(stamp.created, request.model or stamp.model))
    if generation.tool_calls or (generation.tool_output and request.has_tools):
        yield from _tool_chunks(generation, request, one, head)
    else:
        for index, token in enumerate(one.tokens):
            last = index == len(one.tokens) - 1
            delta: JSON = {"role": "assistant", "content": "" if token.special else token.text}
            reason = _openai_reason(one.finish_reason) if last else None
            yield _chunk(head, delta, _logprobs((token,), request) if request.logprobs else None, reason)
    if request.include_usage:
        yield {**head, "choices": [], "usage": one.usage}


def _chunk(head: dict[str, JSON], delta: JSON, logprobs: JSON, reason: str | None) -> JSON:
    choice: JSON = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
    return {**head, "choices": [choice], "usage": None}


def _tool_chunks(
    generation: Generation, request: GenerationRequest, one: Made, head: dict[str, JSON]
) -> Iterator[JSON]:
    """Chunks of streamed calls: id and type in every one, the name in the first only.

    Where the end is a token of its own no chunk of a call carries a finish_reason (measured); a call
    that a limit cut carries it on its last.
    """
    calls = [call_text(call.name, call.arguments) for call in generation.tool_calls]
    texts: Sequence[Sequence[str]] = calls or [[token.text for token in one.tokens]]
    for index, tokens in enumerate(texts):
        if picks_no_tool(tokens):
            continue
        call_id = ""
        for piece in argument_pieces(tokens):
            call_id = call_id or next_tool_id(request.earlier_tool_ids, index, piece.name or "")
            function: JSON = {"name": piece.name, "arguments": piece.text}
            item: JSON = {"index": index, "id": call_id, "type": "function", "function": function}
            logprobs = (
                _logprobs((one.tokens[piece.token],), request) if request.logprobs and not calls else None
            )
            last = not calls and piece.token == len(one.tokens) - 1
            reason = _openai_reason(one.finish_reason) if last else None
            yield _chunk(head, {"role": "assistant", "tool_calls": [item]}, logprobs, reason)


def next_tool_id(earlier: tuple[str, ...], index: int, name: str) -> str:
    """The id of a streamed call: counted on from earlier turns, or a uuid if they do not count.

    The uuid is made from the name, so that the same request gets the same answer.
    """
    try:
        # `earlier` holds texts; int() takes more than Rust's parse, but no id that TGI itself made.
        following = max((int(call_id) for call_id in earlier), default=-1) + 1
    except ValueError:
        seed = f"{zlib.crc32(name.encode('utf-8', 'surrogatepass')):08x}"
        return f"{seed}-0000-4000-8000-{index:012x}"
    return str(following + index)


# --- completions --------------------------------------------------------------------------------------


def completion(generation: Generation, request: GenerationRequest, stamp: Stamp) -> JSON:
    """The body of a plain completion.

    Several prompts come in the order in which they were done, not in the order asked: here the last
    comes first, which TGI does as readily as any other order.
    """
    every = [made(generation, request, index) for index in range(len(request.prompts))]
    choices = [
        _completion_choice(index, one.text, _openai_reason(one.finish_reason))
        for index, one in enumerate(every)
    ]
    total = Made(
        (), "", "", sum(one.prompt_tokens for one in every), sum(one.completion_tokens for one in every)
    )
    return {**_stamped("text_completion", stamp), "choices": choices[::-1], "usage": total.usage}


def _completion_choice(index: int, text: str, finish_reason: str) -> JSON:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}


def completion_chunks(generation: Generation, request: GenerationRequest, stamp: Stamp) -> Iterator[JSON]:
    """The chunks of a completions stream, without ``[DONE]``; prompts take turns, token by token."""
    every = [made(generation, request, index) for index in range(len(request.prompts))]
    for turn in range(max(len(one.tokens) for one in every)):
        for index, one in enumerate(every):
            if turn >= len(one.tokens):
                continue
            text = one.tokens[turn].text
            if turn == len(one.tokens) - 1:
                choice = _completion_choice(index, text, one.finish_reason)
                yield {**_stamped("text_completion", stamp), "choices": [choice], "usage": one.usage}
            else:
                yield _completion_chunk(_completion_choice(index, text, ""), stamp)


def _completion_chunk(choice: JSON, stamp: Stamp) -> JSON:
    return {
        "object": "text_completion",
        "id": "",
        "created": stamp.created,
        "choices": [choice],
        "model": stamp.model,
        "system_fingerprint": FINGERPRINT,
    }


# --- by route -----------------------------------------------------------------------------------------


def plain_answer(generation: Generation, request: GenerationRequest, stamp: Stamp) -> JSON:
    """The body of the plain 200 of a request's route."""
    if request.route == "chat":
        return chat_completion(generation, request, stamp)
    if request.route == "completions":
        return completion(generation, request, stamp)
    return native_answer(generation, request)


def stream_data(generation: Generation, request: GenerationRequest, stamp: Stamp) -> list[str]:
    """The data of each frame of a request's stream: JSON texts, and ``[DONE]`` where the route has it."""
    makers = {"chat": chat_chunks, "completions": completion_chunks}
    maker = makers.get(request.route)
    values = list(maker(generation, request, stamp) if maker else native_events(generation, request))
    error = generation.error
    if error is not None:
        failed = handler_error(error.message, error.error_type)
        # Each prompt of a completions array fails for itself; they end together.
        prompts = len(request.prompts)
        told = [dumps(value) for value in values[: error.at * prompts]]
        return [*told, *error_data(failed, request)[:1] * (prompts - 1), *error_data(failed, request)]
    return [*(dumps(value) for value in values), *([DONE] if maker else [])]


def error_data(error: TGIError, request: GenerationRequest) -> list[str]:
    """The data of the frames that end a stream with an error."""
    if request.route in {"chat", "completions"}:
        return [dumps(error.openai_event()), DONE]
    return [dumps(error.body())]


def dumps(value: JSON) -> str:
    """JSON as serde writes it: no blanks, characters unescaped.

    A lone surrogate, which serde cannot hold, is escaped together with everything beyond ASCII.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"))
    return text

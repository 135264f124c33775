"""TGI's streams: the data of each frame, as text.

Measured with router 3.3.6-dev0. Most events of a stream differ in one token only: their text is cut once
at the places that change (:func:`between_holes`), and filled in token by token.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from tgi_conformance.contracts.json_texts import HOLE, between_holes, dumps, encodable, quoted
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Generation
from tgi_conformance.contracts.tgi.answers.bodies import (
    DONE,
    Stamp,
    asks_twice,
    completion_choice,
    full_text,
    logprobs,
    openai_reason,
    stamped,
    told_seed,
    top_tokens,
)
from tgi_conformance.contracts.tgi.answers.generated import Made, made, made_for_all, token_text
from tgi_conformance.contracts.tgi.answers.tool_output import argument_pieces, call_text, picks_no_tool
from tgi_conformance.contracts.tgi.errors import TGIError, handler_error
from tgi_conformance.contracts.tgi.info import FINGERPRINT
from tgi_conformance.contracts.tgi.requests.asked import GenerationRequest


def stream_data(
    generation: Generation,
    request: GenerationRequest,
    stamp: Stamp,
    every: Sequence[Made] = (),
    refusals: Sequence[TGIError | None] = (),
) -> list[str]:
    """The data of each frame of a request's stream: JSON texts, and ``[DONE]`` where the route has it.

    ``every``: what was made, if that is known already. ``refusals``: which prompts of a completions array are
    refused, and with what.
    """
    every = every or made_for_all(generation, request)
    error = generation.error
    failed = None if error is None else handler_error(error.message, error.error_type)
    if request.route == "completions":
        queues = [_one_completion_texts(index, one, stamp) for index, one in enumerate(every)]
        if error is not None and failed is not None:
            queues = [[*texts[: error.at], dumps(failed.openai_event())] for texts in queues]
        for index, refusal in enumerate(refusals):
            if refusal is not None:
                queues[index] = [dumps(refusal.openai_event())]
        return [*_in_turns(queues), DONE]
    if request.route == "chat":
        texts = list(_chat_texts(every[0], generation, request, stamp))
    else:
        texts = _native_texts(every[0], request)
    if error is not None and failed is not None:
        return [*texts[: error.at], *error_data(failed, request)]
    return [*texts, DONE] if request.route == "chat" else texts


def error_data(error: TGIError, request: GenerationRequest) -> list[str]:
    """The data of the frames that end a stream with an error; each prompt of an array fails for itself."""
    if request.route in {"chat", "completions"}:
        return [*[dumps(error.openai_event())] * len(request.prompts), DONE]
    return [dumps(error.body())]


# --- native -------------------------------------------------------------------------------------------


def _native_texts(one: Made, request: GenerationRequest) -> list[str]:
    """The events of ``/generate_stream`` and of a stream on ``/``; the last one carries the text."""
    top = request.parameters.top_n_tokens or 0
    texts = one.texts
    if top or not encodable(one.text):
        early = [
            dumps(_native_event(index, token.json(), top_tokens(token, top) if top else None))
            for index, token in enumerate(one.tokens[:-1], 1)
        ]
    else:
        start, middle, end = _NATIVE_EVENT
        early = [
            f"{start}{index + 1}{middle}{token_text(index, text)}{end}"
            for index, text in enumerate(texts[:-1])
        ]
    last = one.last_token
    best = top_tokens(last, top) if top else None
    details = _stream_details(one, request) if request.details else None
    return [*early, dumps(_native_event(len(texts), last.json(), best, full_text(one, request), details))]


def _native_event(
    index: JSON, token: JSON, best: JSON = None, text: str | None = None, details: JSON = None
) -> JSON:
    event: dict[str, JSON] = {"index": index, "token": token}
    if best is not None:
        event["top_tokens"] = best
    return {**event, "generated_text": text, "details": details}


_NATIVE_EVENT: Final = between_holes(_native_event(HOLE, HOLE), 2) or ()


def _stream_details(one: Made, request: GenerationRequest) -> JSON:
    return {
        "finish_reason": one.finish_reason,
        "generated_tokens": one.completion_tokens,
        "seed": told_seed(request),
        "input_length": one.prompt_tokens,
    }


# --- chat ---------------------------------------------------------------------------------------------


def _chat_texts(one: Made, generation: Generation, request: GenerationRequest, stamp: Stamp) -> Iterator[str]:
    """The chunks of a chat stream."""
    if asks_twice(generation, request):
        request = request.without_tools()
        one = made(generation, request)
    named = Stamp(stamp.created, request.model or stamp.model)
    if generation.tool_calls or (generation.tool_output and request.has_tools):
        yield from map(dumps, _tool_chunks(generation, request, one, named))
    elif request.logprobs:
        yield from map(dumps, _talk_chunks(one, request, named))
    else:
        yield from _talk_texts(one, named)
    if request.include_usage:
        yield dumps({**_head(named), "choices": [], "usage": one.usage})


def _head(named: Stamp) -> dict[str, JSON]:
    return stamped("chat.completion.chunk", named)


def _chunk(named: Stamp, delta: JSON, told: JSON, reason: str | None) -> JSON:
    choice: JSON = {"index": 0, "delta": delta, "logprobs": told, "finish_reason": reason}
    return {**_head(named), "choices": [choice], "usage": None}


def _words(content: str) -> JSON:
    return {"role": "assistant", "content": content}


@lru_cache(maxsize=32)
def _chunk_text(named: Stamp, reason: str | None) -> tuple[str, ...] | None:
    return between_holes(_chunk(named, _words(HOLE), None, reason), 1)


def _talk_texts(one: Made, named: Stamp) -> Iterator[str]:
    """One chunk a token; the end token's has no text."""
    *early, last = one.pieces if not one.ends and one.pieces else (*one.pieces, "")
    reason = openai_reason(one.finish_reason)
    frames = _chunk_text(named, None), _chunk_text(named, reason)
    if frames[0] is None or frames[1] is None or not encodable(one.text):
        yield from (dumps(_chunk(named, _words(text), None, None)) for text in early)
        yield dumps(_chunk(named, _words(last), None, reason))
        return
    start, end = frames[0]
    yield from [f"{start}{quoted(text)}{end}" for text in early]
    start, end = frames[1]
    yield f"{start}{quoted(last)}{end}"


def _talk_chunks(one: Made, request: GenerationRequest, named: Stamp) -> Iterator[JSON]:
    """The same with the tokens' logprobs."""
    tokens = one.tokens
    for index, token in enumerate(tokens, 1):
        reason = openai_reason(one.finish_reason) if index == len(tokens) else None
        words = _words("" if token.special else token.text)
        yield _chunk(named, words, logprobs((token,), request), reason)


def _tool_chunks(
    generation: Generation, request: GenerationRequest, one: Made, named: Stamp
) -> Iterator[JSON]:
    """Chunks of streamed calls: id and type in every one, the name in the first only.

    Where the end is a token of its own no chunk of a call carries a finish_reason (measured); a call
    that a limit cut carries it on its last.
    """
    calls = [call_text(call.name, call.arguments) for call in generation.tool_calls]
    made_tokens = one.tokens
    texts: Sequence[Sequence[str]] = calls or [[token.text for token in made_tokens]]
    for index, tokens in enumerate(texts):
        if picks_no_tool(tokens):
            continue
        call_id = ""
        for piece in argument_pieces(tokens):
            call_id = call_id or next_tool_id(request.earlier_tool_ids, index, piece.name or "")
            function: JSON = {"name": piece.name, "arguments": piece.text}
            item: JSON = {"index": index, "id": call_id, "type": "function", "function": function}
            told = request.logprobs and not calls
            token_logprobs = logprobs((made_tokens[piece.token],), request) if told else None
            last = not calls and piece.token == len(made_tokens) - 1
            reason = openai_reason(one.finish_reason) if last else None
            yield _chunk(named, {"role": "assistant", "tool_calls": [item]}, token_logprobs, reason)


def next_tool_id(earlier: tuple[str, ...], index: int, name: str) -> str:
    """The id of a streamed call: counted on from earlier turns, or a uuid if they do not count.

    The uuid is made from the name, so that the same request gets the same answer.
    """
    if not all(map(_COUNTED.fullmatch, earlier)):
        seed = f"{zlib.crc32(name.encode('utf-8', 'surrogatepass')):08x}"
        return f"{seed}-0000-4000-8000-{index:012x}"
    return str(max(map(int, earlier), default=-1) + 1 + index)


#: What Rust reads as an integer of 64 bits without a sign, or a little more.
_COUNTED: Final = re.compile(r"\+?[0-9]{1,19}")


# --- completions --------------------------------------------------------------------------------------


def _in_turns(queues: Sequence[Sequence[str]]) -> Iterator[str]:
    """The chunks of a completions stream; prompts take turns, token by token."""
    for turn in range(max(len(texts) for texts in queues)):
        yield from (texts[turn] for texts in queues if turn < len(texts))


def _one_completion_texts(index: int, one: Made, stamp: Stamp) -> list[str]:
    *early, last = one.texts
    choice = completion_choice(index, last, one.finish_reason)
    whole = dumps({**stamped("text_completion", stamp), "choices": [choice], "usage": one.usage})
    frame = _completion_text(index, stamp)
    if frame is None or not encodable(one.text):
        return [*(dumps(_completion_chunk(index, text, stamp)) for text in early), whole]
    start, end = frame
    return [*(f"{start}{quoted(text)}{end}" for text in early), whole]


@lru_cache(maxsize=32)
def _completion_text(index: int, stamp: Stamp) -> tuple[str, ...] | None:
    return between_holes(_completion_chunk(index, HOLE, stamp), 1)


def _completion_chunk(index: int, text: str, stamp: Stamp) -> JSON:
    return {
        "object": "text_completion",
        "id": "",
        "created": stamp.created,
        "choices": [completion_choice(index, text, "")],
        "model": stamp.model,
        "system_fingerprint": FINGERPRINT,
    }

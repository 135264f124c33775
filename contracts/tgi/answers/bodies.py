"""TGI's plain answers as JSON values: key order, nulls, ids and finish reasons of each route.

Measured with router 3.3.6-dev0. The functions take what the model says (:class:`Generation`), what was
asked (:class:`GenerationRequest`) and what was made of both (:class:`Made`). The fake server sends the
values; the suites read the same functions as an oracle. Streams are :mod:`tgi_streams`.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Generation, ScriptedToolCall
from tgi_conformance.contracts.tgi.answers.generated import (
    Made,
    Token,
    made,
    made_for_all,
    split_tokens,
    usage,
)
from tgi_conformance.contracts.tgi.answers.tool_output import call_text, parse_call
from tgi_conformance.contracts.tgi.info import FINGERPRINT
from tgi_conformance.contracts.tgi.requests.asked import GenerationRequest
from tgi_conformance.contracts.tgi.requests.templates import NO_TOOL
from tgi_conformance.contracts.tgi.tokens import START, token_id

DONE: Final = "[DONE]"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every OpenAI answer carries: seconds since the epoch and the served model."""

    created: int
    model: str


# --- native -------------------------------------------------------------------------------------------


def native_answer(one: Made, request: GenerationRequest) -> JSON:
    """The body of ``/generate``; on ``/`` it stands in an array."""
    body: dict[str, JSON] = {"generated_text": full_text(one, request)}
    if request.details:
        body["details"] = _details(one, request)
    return [body] if request.route == "compat" else body


def full_text(one: Made, request: GenerationRequest) -> str:
    """The text of the answer, after the prompt where that was asked for."""
    return (request.prompts[0] if request.return_full_text else "") + one.text


def _details(one: Made, request: GenerationRequest) -> JSON:
    tokens = one.tokens
    details: dict[str, JSON] = {
        "finish_reason": one.finish_reason,
        "generated_tokens": one.completion_tokens,
        "seed": told_seed(request),
        "prefill": _prefill(request) if request.parameters.decoder_input_details else [],
        "tokens": [token.json() for token in tokens],
    }
    top = request.parameters.top_n_tokens or 0
    best_of = request.parameters.best_of or 1
    if best_of > 1:
        sequence = {"generated_text": full_text(one, request), **details}
        if top:
            sequence["top_tokens"] = [top_tokens(token, top) for token in tokens]
        details["best_of_sequences"] = [sequence for _ in range(best_of - 1)]
    if top:
        details["top_tokens"] = [top_tokens(token, top) for token in tokens]
    return details


def told_seed(request: GenerationRequest) -> int | None:
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


MOST_ALTERNATIVES: Final = 100
"""Alternatives of one token, also where nothing validates how many are asked for."""


def top_tokens(token: Token, count: int) -> JSON:
    """The most likely tokens of a place, the chosen one first."""
    others = (
        Token(token.id + n, f" alt{n}", round(token.logprob - 0.75 * n, 2)).json()
        for n in range(1, min(count, MOST_ALTERNATIVES))
    )
    return [token.json(), *others]


# --- chat ---------------------------------------------------------------------------------------------


def openai_reason(finish_reason: str) -> str:
    """Chat and plain completions rename the end token only; a stop string keeps its native name."""
    return "stop" if finish_reason == "eos_token" else finish_reason


def stamped(kind: str, stamp: Stamp) -> dict[str, JSON]:
    """What every OpenAI answer begins with."""
    return {
        "object": kind,
        "id": "",
        "created": stamp.created,
        "model": stamp.model,
        "system_fingerprint": FINGERPRINT,
    }


def chat_completion(one: Made, generation: Generation, request: GenerationRequest, stamp: Stamp) -> JSON:
    """The body of a plain chat completion; raises ``ToolOutputError`` for tool output that is no call."""
    first, calls = one, generation.tool_calls
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
        "logprobs": logprobs(first.tokens, request) if request.logprobs else None,
        # A call's finish is always reported as "stop".
        "finish_reason": "stop" if calls else openai_reason(first.finish_reason),
    }
    named = Stamp(stamp.created, request.model or stamp.model)
    counts = usage(one.prompt_tokens, first.completion_tokens)
    return {**stamped("chat.completion", named), "choices": [choice], "usage": counts}


def asks_twice(generation: Generation, request: GenerationRequest) -> bool:
    """Whether the model picks no tool, so that TGI asks it again without tools (wire fact 13)."""
    if not request.has_tools or request.tool_choice != "auto" or generation.tool_calls:
        return False
    return not generation.tool_output


def _no_tool_made(generation: Generation) -> Made:
    """What the first of the two generations makes: the choice of no tool.

    A script that says how its own text ended, and how many tokens it had, is believed instead.
    """
    pieces = call_text(NO_TOOL, {})
    told = generation.completion_tokens
    reason = generation.finish_reason if not generation.obeys_limits else "eos_token"
    return Made(
        pieces=pieces,
        ends=True,
        text="",
        finish_reason=reason,
        prompt_tokens=0,
        completion_tokens=len(pieces) + 1 if told is None else told,
    )


def _tool_call(call: ScriptedToolCall, call_id: str) -> JSON:
    arguments = json.dumps(call.arguments, ensure_ascii=False, separators=(",", ":"))
    function: JSON = {"description": None, "name": call.name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def logprobs(tokens: tuple[Token, ...], request: GenerationRequest) -> JSON:
    """The ``logprobs`` of a choice."""
    content: list[JSON] = []
    for token in tokens:
        best = top_tokens(token, request.top_logprobs) if request.top_logprobs else []
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


# --- completions --------------------------------------------------------------------------------------


def completion(every: Sequence[Made], stamp: Stamp) -> JSON:
    """The body of a plain completion.

    Several prompts come in the order in which they were done, not in the order asked: here the last
    comes first, which TGI does as readily as any other order.
    """
    choices = [
        completion_choice(index, one.text, openai_reason(one.finish_reason))
        for index, one in enumerate(every)
    ]
    counts = usage(sum(one.prompt_tokens for one in every), sum(one.completion_tokens for one in every))
    return {**stamped("text_completion", stamp), "choices": choices[::-1], "usage": counts}


def completion_choice(index: int, text: str, finish_reason: str) -> JSON:
    """One choice of a completion."""
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}


# --- by route -----------------------------------------------------------------------------------------


def plain_answer(
    generation: Generation, request: GenerationRequest, stamp: Stamp, every: Sequence[Made] = ()
) -> JSON:
    """The body of the plain 200 of a request's route; ``every``: what was made, if that is known already."""
    every = every or made_for_all(generation, request)
    if request.route == "chat":
        return chat_completion(every[0], generation, request, stamp)
    if request.route == "completions":
        return completion(every, stamp)
    return native_answer(every[0], request)

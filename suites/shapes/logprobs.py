"""Answers and streams with log probabilities, in the forms that TGI's recordings show."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Event, Reply, status
from tgi_conformance.suites.shapes.calls import CHAT, NATIVE, Draft, Shape

#: The routes whose answers carry log probabilities: TGI's completions say ``"logprobs": null`` always.
ROUTES: Final = (CHAT, NATIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Likely:
    """A token, its log probability, and those that were likeliest at its place."""

    token: str
    logprob: float | None
    top: tuple["Likely", ...] = ()


def _among(token: str, logprob: float, other: str, less: float) -> Likely:
    first, second = Likely(token=token, logprob=logprob), Likely(token=other, logprob=less)
    return Likely(token=token, logprob=logprob, top=(first, second))


#: A certain token (a 0 is a number too), one that comes twice, and one of several bytes.
TOKENS: Final = (
    _among(" Deep", -0.25, " Deeper", -1.75),
    _among(" no", 0.0, " yes", -13.75),
    _among(" no", -2.5, " né", -2.5),
    _among(" 中", -0.5, "</s>", -4.125),
)
#: The tokens of a prompt: the first has no log probability.
PROMPT: Final = (
    Likely(token="<s>", logprob=None),
    Likely(token="What", logprob=-1.5),
    Likely(token=" is", logprob=-1.75),
)
TEXTS: Final = tuple(each.token for each in TOKENS)


def reply(shape: Shape, *, streaming: bool, top: bool = False, prompt: Sequence[Likely] = ()) -> Reply:
    """A healthy answer of :data:`TOKENS` with their log probabilities."""
    if streaming:
        events = shape.events(TEXTS)
        for event, token in zip(events, TOKENS, strict=False):
            _into_event(shape, event, token, top=top)
        return shape.frames(*events)
    body = cast("Draft", shape.body("".join(TEXTS)))
    if shape.name == NATIVE.name:
        body["details"] |= {
            "generated_tokens": len(TOKENS),
            "prefill": [{"id": 1, "text": each.token, "logprob": each.logprob} for each in prompt],
            "tokens": [_native(each) for each in TOKENS],
        }
        if top:
            body["details"]["top_tokens"] = [[_native(one) for one in each.top] for each in TOKENS]
    else:
        body["choices"][0]["logprobs"] = {"content": [_chat(each, top=top) for each in TOKENS]}
    return status(200, json=cast("JSON", body), root_array=True)


def _into_event(shape: Shape, event: Event, token: Likely, *, top: bool) -> None:
    frame = cast("Draft", event.json)
    if shape.name == NATIVE.name:
        frame["token"] |= {"logprob": token.logprob}
        if top:
            frame["top_tokens"] = [_native(one) for one in token.top]
    else:
        frame["choices"][0]["logprobs"] = {"content": [_chat(token, top=top)]}


def _native(each: Likely) -> JSON:
    return {"id": 463, "text": each.token, "logprob": each.logprob, "special": False}


def _chat(each: Likely, *, top: bool) -> JSON:
    likeliest: list[JSON] = [{"token": one.token, "logprob": one.logprob} for one in each.top]
    return {"token": each.token, "logprob": each.logprob, "top_logprobs": likeliest if top else []}

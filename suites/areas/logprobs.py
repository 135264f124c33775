"""Answers with log probabilities in the forms of TGI's recordings, and what of them came back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from tgi_conformance.contracts.adapter import TokenLogprob, TopLogprob
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Event, Reply, status
from tgi_conformance.contracts.unset import UNSET, Unset
from tgi_conformance.suites.areas.request_bodies import same_float32
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, NATIVE, Draft, Shape

#: The routes whose answers carry log probabilities: TGI's completions say ``"logprobs": null`` always.
ROUTES: Final = (CHAT, NATIVE)
#: What a call asks with for log probabilities, and for how many of the likeliest tokens.
_ASKED_BY: Final = {"chat": ("logprobs", "top_logprobs"), "generate": ("details", "top_n_tokens")}
_LIKELIEST: Final = 2


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


def asking(case: Case, shape: Shape, *, top: bool = False) -> dict[str, object]:
    """The parameters that ask for log probabilities; not applicable where the call offers none."""
    asks, likeliest = _ASKED_BY[shape.method]
    offered = case.description.parameters.get(shape.method, frozenset())
    always = case.description.defaults.parameters.get(asks) is True
    if asks not in offered and not always:
        raise NotApplicable(f"parameter {asks} of {shape.method} is not offered")
    given: dict[str, object] = {asks: True} if asks in offered else {}
    if top:
        case.needs_parameter(shape, likeliest)
        given[likeliest] = _LIKELIEST
    return given


def reply(shape: Shape, *, streaming: bool, top: bool = False, prompt: Sequence[Likely] = ()) -> Reply:
    """A healthy answer of :data:`TOKENS` with their log probabilities."""
    if streaming:
        events = shape.events(TEXTS)
        for event, token in zip(events, TOKENS, strict=False):
            _into_event(shape, event, token, top=top)
        return shape.frames(*events)
    body = cast("Draft", shape.body("".join(TEXTS)))
    if shape is NATIVE:
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
    if shape is NATIVE:
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


def told(outcome: Outcome) -> tuple[TokenLogprob, ...] | None | Unset:
    """The log probabilities that a call gave, those of its pieces joined; UNSET: it exposes none."""
    if outcome.answer is not None:
        return outcome.answer.logprobs
    given = [piece.logprobs for piece in outcome.pieces if not isinstance(piece.logprobs, Unset)]
    return tuple(each for part in given for each in part or ()) if given else UNSET


def same_tokens(seen: Sequence[TokenLogprob], sent: Sequence[Likely]) -> bool:
    """Whether these are the tokens that were sent, in order, each with its number."""
    return len(seen) == len(sent) and all(map(_same, seen, sent))


def same_top(seen: Sequence[TokenLogprob], sent: Sequence[Likely]) -> bool:
    """Whether each token has the likeliest ones at its place that were sent, in any order."""
    return len(seen) == len(sent) and all(map(_same_likeliest, seen, sent))


def _same(seen: TokenLogprob | TopLogprob, sent: Likely) -> bool:
    if sent.logprob is None or not isinstance(seen.logprob, int | float):
        return seen.token == sent.token and seen.logprob is sent.logprob
    return seen.token == sent.token and same_float32(seen.logprob, sent.logprob)


def _same_likeliest(seen: TokenLogprob, sent: Likely) -> bool:
    top = seen.top if isinstance(seen.top, tuple) else ()
    return len(top) == len(sent.top) and all(any(_same(one, each) for one in top) for each in sent.top)

"""RESP: the log probabilities that the server sent come back with the text, plain and in pieces."""

from collections.abc import Sequence
from typing import Final

import pytest

from tgi_conformance.contracts.adapter import TokenLogprob, TopLogprob
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.unset import UNSET, Unset
from tgi_conformance.suites.areas.request_bodies import same_float32
from tgi_conformance.suites.areas.ways import FORM
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_success
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import NATIVE, Shape
from tgi_conformance.suites.shapes.logprobs import PROMPT, ROUTES, TOKENS, Likely, reply

SHAPE = pytest.mark.parametrize("shape", ROUTES, ids=lambda shape: shape.name)
#: What a call asks with for log probabilities, and for how many of the likeliest tokens.
_ASKED_BY: Final = {"chat": ("logprobs", "top_logprobs"), "generate": ("details", "top_n_tokens")}
_LIKELIEST: Final = 2


@clause("RESP-13", case="tokens")
@FORM
@SHAPE
def test_each_generated_token_comes_back_with_its_log_probability(
    case: Case, shape: Shape, *, stream: bool
) -> None:
    """Who scores answers by them reads a lost token, or a 0 taken for nothing, as another model."""
    case.needs(shape.capability, *(("stream",) if stream else ()))
    asked = _asking(case, shape)
    case.serve(reply(shape, streaming=stream))

    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=stream, **asked)

    seen = _told(outcome)
    expect(
        _same_tokens(seen, TOKENS),
        expected=_shown(TOKENS),
        observed=_shown(seen),
    )


@clause("RESP-13", case="likeliest", ways=("plain", "stream"))
@SHAPE
def test_the_likeliest_tokens_of_each_place_come_back(case: Case, shape: Shape) -> None:
    """They are asked for by number; a client that hands them out does so for streams too."""
    case.needs(shape.capability)
    asked = _asking(case, shape, top=True)
    forms = [False, True] if case.claims("stream") else [False]
    case.serve(*(reply(shape, streaming=stream, top=True) for stream in forms))
    endpoint = case.endpoint()

    outcomes = [case.call(endpoint=endpoint, shape=shape, stream=stream, **asked) for stream in forms]

    given = [_told(outcome) for outcome in outcomes]
    if not any(each.top for seen in given for each in seen):
        raise NotApplicable("top is not exposed")
    for seen, form in zip(given, ("plain", "stream"), strict=False):
        expect(
            _same_top(seen, TOKENS),
            expected=f"{form}: {_shown(tuple(one for each in TOKENS for one in each.top))}",
            observed=f"{form}: {[each.top for each in seen]!r}",
        )


@clause("RESP-13", case="prompt", ways="native")
def test_the_tokens_of_the_prompt_come_back(case: Case) -> None:
    """The first token of a prompt has no probability: null there is no mistake of the server's."""
    case.needs("native")
    asked = _asking(case, NATIVE)
    case.needs_parameter(NATIVE, "decoder_input_details")
    case.serve(reply(NATIVE, streaming=False, prompt=PROMPT))

    outcome = case.call(endpoint=case.endpoint(), shape=NATIVE, decoder_input_details=True, **asked)

    expect_success(outcome)
    seen = outcome.answer.prompt_logprobs if outcome.answer is not None else None
    if isinstance(seen, Unset):
        raise NotApplicable("prompt_logprobs is not exposed")
    expect(
        _same_tokens(seen or (), PROMPT),
        expected=_shown(PROMPT),
        observed=_shown(seen or ()),
    )


def _told(outcome: Outcome) -> tuple[TokenLogprob, ...]:
    """What the call gave; giving nothing at all contradicts the claim."""
    expect_success(outcome)
    seen = _given_by(outcome)
    expect(
        not isinstance(seen, Unset),
        expected="log probabilities, which are claimed",
        observed=f"{describe(outcome)}, and no logprobs in it",
    )
    return seen if isinstance(seen, tuple) else ()


def _shown(tokens: Sequence[TokenLogprob | Likely]) -> str:
    return ", ".join(f"{each.token!r} {each.logprob}" for each in tokens) or "none"


def _asking(case: Case, shape: Shape, *, top: bool = False) -> dict[str, object]:
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


def _given_by(outcome: Outcome) -> tuple[TokenLogprob, ...] | None | Unset:
    """The log probabilities that a call gave, those of its pieces joined; UNSET: it exposes none."""
    if outcome.answer is not None:
        return outcome.answer.logprobs
    given = [piece.logprobs for piece in outcome.pieces if not isinstance(piece.logprobs, Unset)]
    return tuple(each for part in given for each in part or ()) if given else UNSET


def _same_tokens(seen: Sequence[TokenLogprob], sent: Sequence[Likely]) -> bool:
    """Whether these are the tokens that were sent, in order, each with its number."""
    return len(seen) == len(sent) and all(map(_same, seen, sent))


def _same_top(seen: Sequence[TokenLogprob], sent: Sequence[Likely]) -> bool:
    """Whether each token has the likeliest ones at its place that were sent, in any order."""
    return len(seen) == len(sent) and all(map(_same_likeliest, seen, sent))


def _same(seen: TokenLogprob | TopLogprob, sent: Likely) -> bool:
    if sent.logprob is None or not isinstance(seen.logprob, int | float):
        return seen.token == sent.token and seen.logprob is sent.logprob
    return seen.token == sent.token and same_float32(seen.logprob, sent.logprob)


def _same_likeliest(seen: TokenLogprob, sent: Likely) -> bool:
    top = seen.top if isinstance(seen.top, tuple) else ()
    return len(top) == len(sent.top) and all(any(_same(one, each) for one in top) for each in sent.top)

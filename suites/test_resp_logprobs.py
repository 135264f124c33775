"""RESP: the log probabilities that the server sent come back with the text, plain and in pieces."""

from collections.abc import Sequence

import pytest

from tgi_conformance.contracts.adapter import TokenLogprob
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.unset import Unset
from tgi_conformance.suites.areas import logprobs
from tgi_conformance.suites.areas.logprobs import Likely
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_success
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import NATIVE, Shape

SHAPE = pytest.mark.parametrize("shape", logprobs.ROUTES, ids=lambda shape: shape.name)
FORM = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@clause("RESP-13", case="tokens")
@FORM
@SHAPE
def test_each_generated_token_comes_back_with_its_log_probability(
    case: Case, shape: Shape, *, stream: bool
) -> None:
    """Who scores answers by them reads a lost token, or a 0 taken for nothing, as another model."""
    case.needs(shape.capability, *(("stream",) if stream else ()))
    asked = logprobs.asking(case, shape)
    case.serve(logprobs.reply(shape, streaming=stream))

    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=stream, **asked)

    seen = _told(outcome)
    expect(
        logprobs.same_tokens(seen, logprobs.TOKENS),
        expected=_shown(logprobs.TOKENS),
        observed=_shown(seen),
    )


@clause("RESP-13", case="likeliest", ways=("plain", "stream"))
@SHAPE
def test_the_likeliest_tokens_of_each_place_come_back(case: Case, shape: Shape) -> None:
    """They are asked for by number; a client that hands them out does so for streams too."""
    case.needs(shape.capability)
    asked = logprobs.asking(case, shape, top=True)
    forms = [False, True] if case.claims("stream") else [False]
    case.serve(*(logprobs.reply(shape, streaming=stream, top=True) for stream in forms))
    endpoint = case.endpoint()

    outcomes = [case.call(endpoint=endpoint, shape=shape, stream=stream, **asked) for stream in forms]

    given = [_told(outcome) for outcome in outcomes]
    if not any(each.top for seen in given for each in seen):
        raise NotApplicable("top is not exposed")
    for seen, form in zip(given, ("plain", "stream"), strict=False):
        expect(
            logprobs.same_top(seen, logprobs.TOKENS),
            expected=f"{form}: {_shown(tuple(one for each in logprobs.TOKENS for one in each.top))}",
            observed=f"{form}: {[each.top for each in seen]!r}",
        )


@clause("RESP-13", case="prompt", ways="native")
def test_the_tokens_of_the_prompt_come_back(case: Case) -> None:
    """The first token of a prompt has no probability: null there is no mistake of the server's."""
    case.needs("native")
    asked = logprobs.asking(case, NATIVE)
    case.needs_parameter(NATIVE, "decoder_input_details")
    case.serve(logprobs.reply(NATIVE, streaming=False, prompt=logprobs.PROMPT))

    outcome = case.call(endpoint=case.endpoint(), shape=NATIVE, decoder_input_details=True, **asked)

    expect_success(outcome)
    seen = outcome.answer.prompt_logprobs if outcome.answer is not None else None
    if isinstance(seen, Unset):
        raise NotApplicable("prompt_logprobs is not exposed")
    expect(
        logprobs.same_tokens(seen or (), logprobs.PROMPT),
        expected=_shown(logprobs.PROMPT),
        observed=_shown(seen or ()),
    )


def _told(outcome: Outcome) -> tuple[TokenLogprob, ...]:
    """What the call gave; giving nothing at all contradicts the claim."""
    expect_success(outcome)
    seen = logprobs.told(outcome)
    expect(
        not isinstance(seen, Unset),
        expected="log probabilities, which are claimed",
        observed=f"{describe(outcome)}, and no logprobs in it",
    )
    return seen if isinstance(seen, tuple) else ()


def _shown(tokens: Sequence[TokenLogprob | Likely]) -> str:
    return ", ".join(f"{each.token!r} {each.logprob}" for each in tokens) or "none"

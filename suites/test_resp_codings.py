"""RESP, STREAM: a content coding that a client offers is undone, of answers and of streams, as it comes."""

import json
from collections.abc import Mapping
from typing import Final

from tgi_conformance.contracts.journal import Journal, route_of
from tgi_conformance.contracts.script import Body, Reply, Response, raw_event
from tgi_conformance.suites.areas.answers import outcomes_of
from tgi_conformance.suites.areas.codings import CODINGS, coded, offered
from tgi_conformance.suites.areas.stream_checks import expect_handed_over_as_sent
from tgi_conformance.suites.areas.streams import each_shape, needs_stream_of
from tgi_conformance.suites.areas.ways import FORM
from tgi_conformance.suites.generated.streams import Encoding
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, error_text, expect, expect_error, expect_success
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import Shape

_REFUSED: Final = 422
_WORDS: Final = "Input validation error: `temperature` must be strictly positive"
#: Tokens whose bytes get fewer in any coding that compresses, and that a wrong charset would spoil.
SAID: Final = ("compressible " * 12, " é 中 😀", " compressible" * 12, " to the end")


@clause("RESP-11", case="codings")
@FORM
@each_shape
def test_every_coding_that_was_offered_is_undone(case: Case, shape: Shape, *, stream: bool) -> None:
    """A proxy takes the client at its word: one that offers ``br`` without a library for it reads nothing."""
    codings, path = _asked(case, shape, stream=stream)
    replies = {
        coding: _coded_stream(coding, shape) if stream else _coded_answer(coding, shape, path)
        for coding in codings
    }

    outcomes = outcomes_of(case, shape, replies, stream=stream)

    named = _offered_each(case.journal(), codings)
    for coding, outcome in outcomes.items():
        expect(
            (outcome.returned and outcome.says("".join(SAID))) or not named[coding],
            expected=f"the text of {coding}, which was offered: {''.join(SAID)[-40:]!r} at its end",
            observed=describe(outcome),
        )


@clause("RESP-11", case="coded-error")
@FORM
def test_an_error_in_an_offered_coding_is_told_in_its_words(case: Case, *, stream: bool) -> None:
    """A failed answer is often read by other code, which takes the bytes as they come."""
    shape = case.shape()
    codings, _ = _asked(case, shape, stream=stream)
    coding = codings[0]
    replies = {"as-it-is": _refusal(None), coding: _refusal(coding)}

    outcomes = outcomes_of(case, shape, replies, stream=stream)

    if _WORDS not in error_text(outcomes["as-it-is"]):
        raise NotApplicable("the words of an error are not exposed")
    because = f"a {_REFUSED} in {coding}, which was offered; without a coding the error has these words"
    expect_error(outcomes[coding], contains=_WORDS, because=because)


def _refusal(coding: str | None) -> Reply:
    content = json.dumps({"error": _WORDS, "error_type": "validation"}).encode()
    if coding is not None:
        (content,) = coded(coding, [content])
    told = Body(base64=content, content_type="application/json")
    headers = () if coding is None else (("content-encoding", coding),)
    return Reply(response=Response(status=_REFUSED, body=told, headers=headers))


@clause("STREAM-20", case="gzip")
@each_shape
def test_each_token_of_a_coded_stream_is_handed_over_before_the_next_is_sent(
    case: Case, shape: Shape
) -> None:
    """A body that is flushed after each event can be undone event by event, and so it must be."""
    needs_stream_of(case, shape)
    codings, _ = _asked(case, shape, stream=True)
    if "gzip" not in codings:
        raise NotApplicable("the backend does not offer gzip")
    expect_handed_over_as_sent(case, shape, _coded_stream("gzip", shape), SAID)


def _asked(case: Case, shape: Shape, *, stream: bool) -> tuple[tuple[str, ...], str]:
    """The codings that a call of this form offers, and its path; not applicable where it offers none."""
    case.needs(shape.capability, *(("stream",) if stream else ()))
    space = case.serve(shape.reply("as it is", streaming=stream))
    expect_success(case.call(endpoint=case.endpoint(), shape=shape, stream=stream))
    sent = space.journal().generations[-1]
    codings = tuple(coding for coding in CODINGS if coding in offered(sent))
    if not codings:
        raise NotApplicable("the backend offers no content coding, and gets none")
    return codings, sent.path


def _offered_each(journal: Journal, codings: tuple[str, ...]) -> Mapping[str, bool]:
    """Whether the calls that got a coding had offered it, as the first call did."""
    sent = journal.generations
    return {coding: all(coding in offered(each) for each in sent) for coding in codings}


def _coded_answer(coding: str, shape: Shape, path: str) -> Reply:
    body = shape.body("".join(SAID))
    content = json.dumps([body] if route_of(path) == "/" else body, ensure_ascii=False).encode()
    (only,) = coded(coding, [content])
    told = Body(base64=only, content_type="application/json")
    return Reply(response=Response(body=told, headers=(("content-encoding", coding),)))


def _coded_stream(coding: str, shape: Shape) -> Reply:
    """A stream that is flushed after each event, as a proxy does that knows what it carries."""
    parts = coded(coding, Encoding().frames(shape.events(SAID)))
    return shape.frames(*map(raw_event, parts), headers=(("content-encoding", coding),))

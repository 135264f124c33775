"""RESP: the text of an answer is handed on exactly, whatever route and coding it came by."""

import dataclasses
from typing import Final, cast

import pytest

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Response, status
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.suites.areas.answers import NO_PREFIX, QUESTION, TEXTS, answer_to, expect_exact
from tgi_conformance.suites.generated.texts import texts
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_success, expect_text
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, Draft, Shape

SHAPES: Final = (CHAT, NATIVE, COMPLETIONS)
SHAPE = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)


@clause("RESP-01")
@pytest.mark.parametrize("path", ["/generate", "/"], ids=["object", "list"])
def test_both_native_shapes_parse(case: Case, path: str) -> None:
    """``/generate`` answers with an object, ``/`` with a list of one; each client is given its route's."""
    case.needs("native")
    text = "Deep learning is"
    space = case.serve(NATIVE.plain(text).times(0, None))

    outcome = case.call(endpoint=case.endpoint(), shape=NATIVE)

    sent = space.journal().generations
    if sent and sent[0].path != path:
        raise NotApplicable(f"the backend calls {sent[0].path}")
    expect_success(outcome)
    expect(outcome.text.strip() == text, expected=f"the text {text!r}", observed=repr(outcome.text))


@clause("RESP-02")
@pytest.mark.parametrize("form", sorted(TEXTS))
@SHAPE
def test_the_text_comes_back_exactly(case: Case, shape: Shape, form: str) -> None:
    """Leading blanks are tokens of the answer; a client that joins answers needs them."""
    expect_exact(case, answer_to(case, shape, shape.plain(TEXTS[form])), TEXTS[form])


@clause("RESP-02", case="property")
@SHAPE
def test_any_text_comes_back_exactly(case: Case, shape: Shape) -> None:
    """Whatever the model says."""
    case.needs(shape.capability)

    def check(example: Case, text: str) -> None:
        expect_exact(example, answer_to(example, shape, shape.plain(text)), text)

    check_property(case, texts(most=60), check)


@clause("RESP-03", ways="native")
@pytest.mark.parametrize("form", sorted(NO_PREFIX))
def test_a_text_that_does_not_begin_with_the_prompt_loses_nothing(case: Case, form: str) -> None:
    """Cutting the prompt's length off an answer without it eats the answer."""
    outcome = answer_to(case, NATIVE, NATIVE.plain(NO_PREFIX[form]), QUESTION)

    expect_success(outcome)
    expect(
        outcome.text.strip().endswith(NO_PREFIX[form].strip()),
        expected=f"the whole of {NO_PREFIX[form]!r}",
        observed=repr(outcome.text),
    )


@clause("RESP-11", case="charset")
@pytest.mark.parametrize(
    "label",
    ["application/json", "application/json; charset=latin-1", "application/json;charset=ascii"],
    ids=["none", "latin-1", "ascii"],
)
@SHAPE
def test_json_is_utf8_whatever_the_label_says(case: Case, shape: Shape, label: str) -> None:
    """JSON has no charset parameter (RFC 8259 section 8.1); ``cafÃ©`` comes of believing one."""
    text = "café 中 😀"
    reply = status(200, json=shape.body(text), root_array=True, content_type=label)

    outcome = answer_to(case, shape, reply)

    expect_text(outcome, text)


@clause("RESP-11", case="gzip")
@SHAPE
def test_a_coding_that_was_offered_is_undone(case: Case, shape: Shape) -> None:
    """Whoever offers gzip gets it; whoever does not gets the bytes as they are."""
    text = "compressible " * 40 + "to the end"
    reply = shape.plain(text)
    response = dataclasses.replace(cast("Response", reply.response), gzip=True)

    outcome = answer_to(case, shape, dataclasses.replace(reply, response=response))

    expect_text(outcome, text)


@clause("RESP-12")
@pytest.mark.parametrize("order", [(1, 0), (2, 0, 1)], ids=["two", "three"])
def test_batch_answers_are_matched_by_index(case: Case, order: tuple[int, ...]) -> None:
    """TGI lists choices as they get done, not as they were asked for."""
    case.needs("completions")
    body = cast("Draft", COMPLETIONS.body("x"))
    (choice,) = body["choices"]
    body["choices"] = [choice | {"index": index, "text": f"answer {index}"} for index in order]
    case.serve(status(200, json=cast("JSON", body)).times(0, 1))
    prompts = [case.prompt(f"question {index}") for index in range(len(order))]

    outcome = case.call(prompts[0], endpoint=case.endpoint(), shape=COMPLETIONS, subject=prompts)

    if outcome.raised and not case.journal().generations:
        raise NotApplicable(f"a list of prompts is refused: {describe(outcome)}")
    expect_success(outcome)
    if outcome.answer is None or outcome.answer.texts is UNSET:
        raise NotApplicable("texts is not exposed")
    expect(
        outcome.answer.texts == tuple(f"answer {index}" for index in range(len(order))),
        expected="each answer at the place of its prompt",
        observed=repr(outcome.answer.texts),
    )

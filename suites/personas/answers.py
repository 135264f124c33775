"""Answers of servers of other generations: how each clause about them is tried."""

from tgi_conformance.contracts.script import status
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.suites.areas.answers import TEXTS, answer_to, expect_exact
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import expect, expect_error, expect_text
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import Shape


def same_text(case: Case, shape: Shape, form: str) -> None:
    """The text comes back as it was sent."""
    expect_exact(case, answer_to(case, shape, shape.plain(TEXTS[form])), TEXTS[form])


def own_form(case: Case, shape: Shape, _: str) -> None:
    """The persona's own names, ids and missing fields cost nothing."""
    case.serve(shape.plain("as usual"))
    expect_text(case.call(endpoint=case.endpoint(), shape=shape), "as usual")


def finish_of_its_own(case: Case, shape: Shape, _: str) -> None:
    """The persona's word for a natural end parses."""
    case.serve(shape.plain("as usual", finish="stop"))
    expect_text(case.call(endpoint=case.endpoint(), shape=shape), "as usual")


def end_told(case: Case, shape: Shape, _: str) -> None:
    """The persona's word for a natural end is told apart from a cut at the limit."""
    case.serve(shape.plain("half", finish="length"), shape.plain("whole", finish="stop"))
    endpoint = case.endpoint()
    told = []
    for text in ("half", "whole"):
        outcome = case.call(endpoint=endpoint, shape=shape)
        expect_text(outcome, text)
        made = outcome.answer
        told.append((UNSET, UNSET) if made is None else (made.finish_reason, made.incomplete))
    if told[0] == (UNSET, UNSET):
        raise NotApplicable("no finish reason is exposed")
    expect(told[0] != told[1], expected="a cut told apart from an end", observed=f"{told[0]!r} for both")


def error_in_a_200(case: Case, shape: Shape, _: str) -> None:
    """The error object of the persona, in a 200."""
    event = shape.error_event("Request failed during generation: shard died")
    case.serve(in_band_fault(status(200, json=event.json)))
    outcome = case.call(endpoint=case.endpoint(), shape=shape)
    expect_error(outcome, contains="shard died", because="the 200 holds an error")

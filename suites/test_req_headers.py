"""REQ: headers that the caller gives arrive as they are, once, and where they were meant to."""

from typing import Final

import pytest

from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.suites.areas.own_headers import (
    FOR_CALL,
    FOR_ENDPOINT,
    expect_carried,
    expect_without,
    for_call,
    for_endpoint,
    needs_own_headers,
    shape_with_headers,
    takes_for_call,
    takes_for_endpoint,
)
from tgi_conformance.suites.areas.refusals import refusal, retried_status, retrying
from tgi_conformance.suites.areas.request_bodies import sent_once
from tgi_conformance.suites.areas.ways import FORM, SHAPE
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import (
    describe,
    expect,
    expect_requests,
    expect_success,
)
from tgi_conformance.suites.shapes.calls import Shape


@clause("REQ-16", case="arrive")
@FORM
@SHAPE
def test_the_callers_headers_arrive_as_given(case: Case, shape: Shape, *, stream: bool) -> None:
    """Gateways route, bill and trace by them; a stream is often sent by code that does not know them."""
    case.needs(*(("stream",) if stream else ()))
    needs_own_headers(case, shape)
    space = case.serve(shape.reply("fine", streaming=stream))
    endpoint = case.endpoint(**for_endpoint(case, FOR_ENDPOINT))
    own = for_call(case, shape, FOR_CALL)

    outcome = case.call(endpoint=endpoint, shape=shape, stream=stream, **own)

    sent = sent_once(space.journal())
    _expect_those_given(case, shape, sent)
    expect(
        sent.header_values("authorization") == (f"Bearer {case.key()}",),
        expected="one header Authorization: Bearer <key:A> beside them",
        observed=f"{len(sent.header_values('authorization'))} Authorization headers, key:{sent.key}",
    )
    expect_success(outcome)


@clause("REQ-16", case="every-attempt", ways="chat")
@FORM
def test_the_callers_headers_are_in_every_attempt(case: Case, *, stream: bool) -> None:
    """A retry that is built anew is easily built without them."""
    case.needs("retry", *(("stream",) if stream else ()))
    shape = shape_with_headers(case)
    space = case.serve(refusal(retried_status(case)), shape.reply("fine", streaming=stream))
    endpoint = retrying(case, 1, **for_endpoint(case, FOR_ENDPOINT))

    own = for_call(case, shape, FOR_CALL)
    expect_success(case.call(endpoint=endpoint, shape=shape, stream=stream, **own))

    sent = space.journal().generations
    expect_requests(sent, 2, because="one refusal, then a 200", journal=space.journal())
    for exchange in sent:
        _expect_those_given(case, shape, exchange)


def _expect_those_given(case: Case, shape: Shape, sent: Exchange) -> None:
    if takes_for_endpoint(case):
        expect_carried(sent, FOR_ENDPOINT)
    if takes_for_call(case, shape):
        expect_carried(sent, FOR_CALL)


@clause("REQ-16", case="no-further", ways="chat")
@FORM
def test_the_callers_headers_go_no_further_than_they_were_meant(case: Case, *, stream: bool) -> None:
    """Defaults that are one object for all endpoints, or that a call adds to, show one tenant to another."""
    case.needs(*(("stream",) if stream else ()))
    shape = shape_with_headers(case)
    space = case.serve(shape.reply("fine", streaming=stream).times(3 if case.claims("keys") else 2))
    endpoint = case.endpoint(**for_endpoint(case, FOR_ENDPOINT))

    own = for_call(case, shape, FOR_CALL)
    expect_success(case.call(endpoint=endpoint, shape=shape, stream=stream, **own))
    expect_success(case.call(endpoint=endpoint, shape=shape, stream=stream))
    if case.claims("keys"):
        other = case.endpoint(key="B")
        expect_success(case.call(endpoint=other, shape=shape, stream=stream))

    _, again, *others = space.journal().generations
    expect_without(again, FOR_CALL, "they were given for the call before")
    if takes_for_endpoint(case):
        expect_carried(again, FOR_ENDPOINT)
    for elsewhere in others:
        expect_without(elsewhere, {**FOR_ENDPOINT, **FOR_CALL}, "they were given for another endpoint")


@clause("REQ-13", case="own-headers", ways="chat")
@FORM
def test_the_callers_headers_are_not_changed(case: Case, *, stream: bool) -> None:
    """A client that puts its key into the caller's mapping puts it into whatever else is sent with that."""
    case.needs(*(("stream",) if stream else ()))
    shape = shape_with_headers(case)
    case.serve(shape.reply("fine", streaming=stream))

    created = case.try_endpoint(**for_endpoint(case, FOR_ENDPOINT))
    own = for_call(case, shape, FOR_CALL)
    outcome = case.call(endpoint=case.made(created), shape=shape, stream=stream, **own)

    changed = [*created.mutated, *outcome.mutated]
    expect(
        not changed,
        expected="headers that are equal before and after the call",
        observed=f"changed: {', '.join(changed)}",
    )
    expect_success(outcome)


#: Headers that a client sets by itself, in another case than most write them.
_CLIENTS_OWN: Final = {"CONTENT-TYPE": "application/json", "authorization": "Basic dXNlcjpwYXNzd29yZA=="}


@clause("REQ-16", case="the-clients-own", ways="chat")
@FORM
@pytest.mark.parametrize("name", sorted(_CLIENTS_OWN), ids=str.lower)
def test_a_header_that_the_client_sets_is_not_there_twice(case: Case, name: str, *, stream: bool) -> None:
    """Names have no case; a mapping's keys do. Whose value wins is the client's choice, or it refuses."""
    case.needs(*(("stream",) if stream else ()))
    shape = shape_with_headers(case)
    given = {name: _CLIENTS_OWN[name]}
    space = case.serve(shape.reply("fine", streaming=stream).times(0, 1))

    created = case.try_endpoint(**for_endpoint(case, given))
    if created.raised and takes_for_endpoint(case):
        return  # refused
    endpoint = case.made(created)
    outcome = case.call(endpoint=endpoint, shape=shape, stream=stream, **for_call(case, shape, given))

    if outcome.raised and not space.journal().generations:
        return  # refused
    sent = sent_once(space.journal())
    mine = {"CONTENT-TYPE": "application/json", "authorization": f"Bearer {case.key()}"}[name]
    seen = sent.header_values(name)
    types = [value.partition(";")[0].strip().lower() if name == "CONTENT-TYPE" else value for value in seen]
    expect(
        len(types) == 1 and types[0] in (mine, given[name]),
        expected=f"one {name.title()}: the client's or the caller's",
        observed=f"{len(seen)} of them, with {', '.join(seen).count(',')} commas: {describe(outcome)}",
    )
    expect_success(outcome)

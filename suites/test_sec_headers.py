"""SEC: headers that the caller gives may hold credentials, and may come from outside."""

from typing import Any, Final

import pytest

from tgi_conformance.contracts.script import status
from tgi_conformance.suites.areas.own_headers import (
    for_call,
    for_endpoint,
    needs_own_headers,
    shape_with_headers,
    takes_for_call,
    takes_for_endpoint,
)
from tgi_conformance.suites.areas.ways import FORM
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect, expect_error, expect_requests
from tgi_conformance.suites.harness.rulings import Advice, NotApplicable
from tgi_conformance.suites.shapes.calls import Shape

PLACE = pytest.mark.parametrize("place", ["endpoint", "call"])
_SECRET: Final = "own-credential-of-the-caller"


@clause("SEC-04", case="own-header", ways="chat")
@FORM
@pytest.mark.parametrize("code", [302, 307])
def test_a_credential_among_the_callers_headers_stays_at_its_origin(
    case: Case, code: int, *, stream: bool
) -> None:
    """HTTP libraries take Authorization off a redirected request; no other header is a credential to them."""
    case.needs(*(("stream",) if stream else ()))
    shape = shape_with_headers(case)
    fine = shape.reply("from the other origin", streaming=stream).times(0, None)
    paths = shape.stream_paths if stream else shape.plain_paths
    other = case.serve(fine.where(method="GET", path=paths), fine.where(method="POST", path=paths))  # type: ignore[arg-type]
    space = case.serve(status(code, ("location", other.base_url + paths[0])))
    own = {"X-Api-Key": _SECRET}

    endpoint = case.endpoint(url=space.base_url, **for_endpoint(case, own))
    case.call(endpoint=endpoint, shape=shape, stream=stream, **for_call(case, shape, own))

    leaked = [name for e in other.journal() for name, value in e.headers if _SECRET in value]
    expect(
        not leaked,
        expected="no credential of the caller's at the other origin",
        observed=f"{', '.join(leaked)} there",
        journal=other.journal(),
    )


#: What would begin a header of its own, or end the block; in a value, and in a name.
_INJECTIONS: Final = {
    "crlf": ("X-Tgic-Own", "v\r\nX-Evil: 1"),
    "lf": ("X-Tgic-Own", "v\nX-Evil: 1"),
    "cr": ("X-Tgic-Own", "v\rX-Evil: 1"),
    "nul": ("X-Tgic-Own", "v\0x"),
    "name": ("X-Tgic-Own: 1\r\nX-Evil", "1"),
}


@clause("SEC-06", case="own-header", ways=("chat", "chat stream"))
@pytest.mark.parametrize("form", sorted(_INJECTIONS))
@PLACE
def test_line_ends_in_the_callers_headers_are_refused(case: Case, place: str, form: str) -> None:
    """Tenant names and trace ids come from requests of others."""
    shape = _shape_for(case, place)
    name, value = _INJECTIONS[form]
    space = case.serve_healthy()
    own: dict[str, Any] = {"headers": {name: value}}

    created = case.try_endpoint(**own) if place == "endpoint" else case.try_endpoint()
    outcomes = [created]
    if created.returned:
        endpoint, given = case.made(created), own if place == "call" else {}
        forms = [False, True] if case.claims("stream") else [False]
        outcomes = [case.call(endpoint=endpoint, shape=shape, stream=stream, **given) for stream in forms]

    journal = space.journal()
    refused = all(outcome.raised for outcome in outcomes)
    if form == "nul" and refused and not journal.generations and journal.notes:
        raise Advice("NUL in a header value was sent, and refused by the server alone (RFC 9110 section 5.5)")
    injected = [e for e in journal if b"evil" in e.head.lower() or b"\0" in e.head]
    expect(
        not injected and not journal.notes,
        expected="nothing injected",
        observed="; ".join([*(repr(e.head[:300]) for e in injected), *journal.notes]),
        journal=journal,
    )
    for outcome in outcomes:
        expect_error(outcome, because="a header cannot hold line ends or NUL")
    expect_requests(journal.generations, 0, because="the header was refused", journal=journal)


def _shape_for(case: Case, place: str) -> Shape:
    """The shape of a call that can be given headers at that place."""
    shape = shape_with_headers(case)
    needs_own_headers(case, shape)
    if not (takes_for_endpoint(case) if place == "endpoint" else takes_for_call(case, shape)):
        raise NotApplicable(f"headers cannot be given for a single {place}")
    return shape

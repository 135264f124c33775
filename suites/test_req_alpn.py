"""REQ: over TLS a client speaks the protocol that the handshake agreed on (ALPN)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.fake_server.client import Space
from tgi_conformance.suites.areas.process.own import for_its_model
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect, expect_text
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import Shape

#: Variables by which clients are told of a certificate to trust: OpenSSL's, requests', curl's, Node's.
_TRUSTED_BY: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


#: What a server offers: HTTP/2 before HTTP/1.1, and HTTP/1.1 alone.
_OFFERS: Final = (("h2", "http/1.1"), ("http/1.1",))


@clause("REQ-17", case="agreed", ways=("chat", "chat stream"))
def test_the_protocol_that_was_agreed_on_is_spoken(case: Case, tmp_path: Path) -> None:
    """A server that agreed on h2 reads nothing else, and one without h2 does not understand it."""
    shape = case.shape()
    streams = [False, True] if case.claims("stream") else [False]
    replies = [shape.reply("as agreed", streaming=stream) for stream in streams]
    spaces = {offer: case.serve(*replies, tls=("a",), alpn=offer) for offer in _OFFERS}
    file = tmp_path / "trusted.pem"
    file.write_text("".join(space.certificate or "" for space in spaces.values()), encoding="ascii")
    case.probes.require(shape, streaming=streams[-1])

    with case.fresh_process(**dict.fromkeys(_TRUSTED_BY, str(file))) as driver:
        for offer, space in spaces.items():
            outcomes = list(_calls(case, driver, space, shape, streams))
            _expect_trusted(space)
            _expect_as_agreed(space, offer, outcomes)


def _expect_as_agreed(space: Space, offer: tuple[str, ...], outcomes: list[Outcome]) -> None:
    notes = [note for note in space.journal().notes if "ALPN" in note]
    agreed = f"the protocol that was agreed on, of {', '.join(offer)}"
    expect(not notes, expected=agreed, observed="; ".join(notes))
    for outcome in outcomes:
        expect_text(outcome, "as agreed")


def _calls(case: Case, driver: Driver, space: Space, shape: Shape, streams: list[bool]) -> Iterator[Outcome]:
    limit = case.settings.deadline
    given: dict[str, object] = {"base_url": space.base_url, "api_key": case.key(), **for_its_model(case)}
    if "max_retries" in case.description.settings:
        given["max_retries"] = 0
    created = driver.run("create_endpoint", given, deadline=limit)
    if not created.returned:
        yield created
        return
    for stream in streams:
        arguments = shape.arguments(case.prompt()) | {"endpoint_id": created.value}
        arguments |= {"stream": True} if stream else {}
        yield driver.call(shape.method, arguments, stream=stream).wait(limit)


def _expect_trusted(space: Space) -> None:
    """Not applicable where the client takes no certificate from these variables."""
    journal = space.journal()
    if not journal.exchanges and any("no TLS" in note for note in journal.notes):
        raise NotApplicable("it trusts no certificate that " + ", ".join(_TRUSTED_BY) + " names")
    if not journal.connections:
        raise NotApplicable("it opened no connection to an https URL")

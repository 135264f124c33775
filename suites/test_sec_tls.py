"""SEC: certificates are checked, whichever way a call is made."""

from pathlib import Path
from typing import Final

from tgi_conformance.contracts.journal import Journal
from tgi_conformance.suites.areas.process.own import call_in, created_in, forms
from tgi_conformance.suites.areas.ways import FORM, SHAPE
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect, expect_error
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import Shape


@clause("SEC-07", ways="chat")
def test_a_certificate_that_nobody_vouches_for_is_refused(case: Case) -> None:
    """Without the check anybody on the way reads prompt and key."""
    _expect_self_signed_refused(case, case.shape(), streaming=False)


@clause("SEC-07", case="ways")
@FORM
@SHAPE
def test_no_way_of_calling_believes_any_certificate(case: Case, shape: Shape, *, stream: bool) -> None:
    """A stream that has a connection of its own has a check of its own."""
    case.needs(shape.capability, *(("stream",) if stream else ()))
    _expect_self_signed_refused(case, shape, streaming=stream)


def _expect_self_signed_refused(case: Case, shape: Shape, *, streaming: bool) -> None:
    believed = shape.reply("believed", streaming=streaming).times(0, None)
    space = case.serve(believed, tls=("a",))

    outcome = case.try_endpoint()
    # A backend may speak to the server when an endpoint is made, and then fails there (``auxiliary``).
    if not (outcome.raised and case.description.auxiliary):
        outcome = case.call(endpoint=case.made(outcome), shape=shape, stream=streaming)

    _expect_nothing_asked(space.journal())
    expect_error(outcome, because="the certificate is self-signed")


#: Variables that name one more authority: for OpenSSL, requests, curl and Node.
AUTHORITIES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


@clause("SEC-07", case="other-name", ways=("chat", "chat stream"))
def test_a_trusted_certificate_of_another_name_is_refused(case: Case, tmp_path: Path) -> None:
    """Whoever has a certificate for any name at all could stand in for the server.

    0.0.0.0 leads to this machine, as 127.0.0.1 does, and is not in the certificate.
    """
    shape = case.shape()
    space = case.serve(shape.plain("believed").times(0, None), tls=("a",))
    file = tmp_path / "authority.pem"
    file.write_text(space.certificate or "", encoding="ascii")
    with case.fresh_process(**dict.fromkeys(AUTHORITIES, str(file))) as driver:
        known = created_in(driver, case, space.base_url, case.key())
        if not (known.returned and call_in(driver, case, shape, known.value).returned):
            raise NotApplicable(f"the client takes no authority from {', '.join(AUTHORITIES)}")
        trusted = len(space.journal().exchanges)
        other = created_in(driver, case, space.base_url.replace("127.0.0.1", "0.0.0.0"), case.key())  # noqa: S104
        outcomes = [other]
        if other.returned:
            outcomes = [call_in(driver, case, shape, other.value, stream=form) for form in forms(case, shape)]

    _expect_nothing_asked(space.journal(), trusted)
    for outcome in outcomes:
        expect_error(outcome, because="the certificate is for other names")


def _expect_nothing_asked(journal: Journal, before: int = 0) -> None:
    asked = [exchange.path for exchange in journal][before:]
    expect(not asked, expected="no request", observed=f"a request to {', '.join(asked)}")

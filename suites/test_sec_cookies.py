"""SEC: the cookies of one endpoint's server stay with that endpoint.

Clients need no cookies. Those of load balancers and login pages come unasked for, and endpoints that share
a pool of connections often share a jar.
"""

from typing import Final

from tgi_conformance.suites.areas.cookies import cookies_with, own_value, setting
from tgi_conformance.suites.areas.ways import FORM, SHAPE
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect, expect_success
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import Shape

#: Another host than 127.0.0.1, and this machine all the same.
NAME: Final = "localhost"


@clause("SEC-10")
@FORM
@SHAPE
def test_a_cookie_goes_to_no_other_host(case: Case, shape: Shape, *, stream: bool) -> None:
    """A session cookie opens a session to whoever has it, as a key does.

    Cookies are told apart by host, not by port (RFC 6265 section 8.5): the two servers differ in their host.
    """
    case.needs(shape.capability, *(("stream",) if stream else ()))
    of_one, of_other = own_value(case, "of-one"), own_value(case, "of-other")
    one = case.serve(setting(shape, "one", of_one, streaming=stream).times(1, None))
    other = case.serve(setting(shape, "other", of_other, streaming=stream).times(0, None))

    first = case.endpoint(url=one.base_url)
    expect_success(case.call(endpoint=first, shape=shape, stream=stream))
    second = case.endpoint(url=other.base_url.replace("127.0.0.1", NAME))
    case.call(endpoint=second, shape=shape, stream=stream)
    if case.claims("keys"):
        case.call(endpoint=first, shape=shape, stream=stream)

    for space, value in ((other, of_one), (one, of_other)):
        journal = space.journal()
        sent = cookies_with(journal, value)
        expect(
            not sent,
            expected="no cookie of another host",
            observed=f"a request with Cookie: {', '.join(sent)}",
            journal=journal,
        )


@clause("SEC-11", ways="chat")
@FORM
def test_a_cookie_set_for_one_key_is_not_sent_with_another(case: Case, *, stream: bool) -> None:
    """Two keys are two users: a session of one is not to be continued by the other.

    By name: there are jars that keep no cookie of an address (aiohttp).
    """
    case.needs(*(("stream",) if stream else ()))
    shape = case.shape()
    of_a = own_value(case, "of-A")
    replies = (
        setting(shape, "of A", of_a, streaming=stream).where(key="A").times(0, None),
        shape.reply("of B", streaming=stream).where(key="B").times(0, None),
    )
    space = case.serve(*replies)
    url = space.base_url.replace("127.0.0.1", NAME)

    answered = case.call(endpoint=case.endpoint(url=url), shape=shape, stream=stream)
    if not answered.returned:
        raise NotApplicable(f"the backend does not reach the server under the name {NAME}")
    case.call(endpoint=case.endpoint(url=url, key="B"), shape=shape, stream=stream)

    journal = space.journal()
    sent = cookies_with((exchange for exchange in journal if exchange.key == "B"), of_a)
    expect(
        not sent,
        expected="no cookie of key:A in a request with key:B",
        observed=f"Cookie: {', '.join(sent)}",
        journal=journal,
    )

"""What a redirect carried to another origin: secrets of this case, not what an earlier one left."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.suites.areas.cookies import MARK, own_value, set_cookie
from tgi_conformance.suites.areas.redirects import COOKIE, carried
from tgi_conformance.suites.harness.case import Case


def case_of(name: str) -> Case:
    return cast("Case", SimpleNamespace(record=SimpleNamespace(case=name, keys={"A": "hf_" + "A" * 34})))


HERE = case_of("SEC-04/other-host-301")
OURS = f"{MARK}={own_value(HERE, COOKIE)}"
EARLIER = f"{MARK}={own_value(case_of('SEC-11/by-name'), 'of-A')}"


@pytest.mark.parametrize(
    ("host", "cookie", "found"),
    [
        ("localhost:1", OURS, ["cookie"]),
        ("localhost:1", f"{EARLIER}; {OURS}", ["cookie"]),
        # A jar of the whole process has it from a server of that very host.
        ("localhost:1", EARLIER, []),
        # Another port of the same host: RFC 6265 tells cookies apart by host alone.
        ("127.0.0.1:1", OURS, []),
    ],
)
def test_a_cookie_counts_that_the_redirecting_server_set(host: str, cookie: str, found: list[str]) -> None:
    head = f"GET / HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n\r\n".encode()
    fields: dict[str, Any] = {"headers": (("host", host), ("cookie", cookie)), "head": head}
    exchange = Exchange(id=0, connection=0, method="GET", target="/", received_at=1.0, **fields)
    assert carried(HERE, Journal(exchanges=(exchange,))) == found


def test_the_value_of_a_cookie_is_that_of_one_case_and_fits_into_a_header() -> None:
    name, value = set_cookie(own_value(case_of("SEC-11/a b;c=d"), "of-A"))
    assert (name, value) == ("set-cookie", f"{MARK}=of-A.SEC-11-a-b-c-d; Path=/")
    assert own_value(HERE, COOKIE) != own_value(case_of("SEC-04/other-host-302"), COOKIE)

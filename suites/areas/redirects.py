"""Redirects of every status to every kind of place, one for each prompt, and what they carried there."""

from dataclasses import dataclass
from typing import Final

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.script import Reply, status
from tgi_conformance.suites.areas.cookies import cookies_with, own_value, set_cookie
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.oracles import find_key
from tgi_conformance.suites.shapes.calls import Shape

#: All but the last two let a client change the method.
REDIRECTS: Final = (301, 302, 303, 307, 308)
#: Header fields that hold credentials whatever their value.
CREDENTIALS: Final = ("authorization", "proxy-authorization", "x-api-key", "api-key")
ELSEWHERE: Final = "/elsewhere"
#: Whose cookie it is that a redirect sets.
COOKIE: Final = "of-the-redirecting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """A redirect to another origin."""

    code: int
    #: The same route, another path, or the route on another host.
    target: str

    @property
    def slug(self) -> str:
        """Names it in a prompt."""
        return f"{self.code}-{self.target}"

    def reply(self, case: Case, base: str, route: str) -> Reply:
        """The redirect to the server of that base URL, with a cookie beside it."""
        if self.target == "other-host":
            base = base.replace("127.0.0.1", "localhost")
        path = ELSEWHERE if self.target == "elsewhere" else route
        return status(self.code, ("location", base + path), set_cookie(own_value(case, COOKIE)))


#: Each status, each kind of place, and both where a client may go on with its POST.
AWAY: Final = (
    *(Away(code=code, target="other-host") for code in REDIRECTS),
    Away(code=302, target="elsewhere"),
    Away(code=307, target="route"),
    Away(code=308, target="route"),
)


def answers_all(shape: Shape, *, streaming: bool = False) -> tuple[Reply, Reply]:
    """A server that answers any GET and POST, on any path a client may be sent to."""
    paths = (*(shape.stream_paths if streaming else shape.plain_paths), ELSEWHERE)
    text = "from the other origin"
    reply = shape.reply(text, streaming=streaming).where(path=paths).times(0, None)  # type: ignore[arg-type]
    return reply.where(method="GET"), reply.where(method="POST")


def carried(case: Case, journal: Journal) -> list[str]:
    """What of a caller's secrets the requests at another origin carry.

    Cookies are told apart by host, not by port (RFC 6265 section 8.5): they count where the host differs.
    One that an earlier case's server set, and that a client has kept for the whole process, is not the
    redirecting server's.
    """
    return [found for exchange in journal for found in _secrets(case, exchange)]


def _secrets(case: Case, exchange: Exchange) -> list[str]:
    found = [
        name
        for name, value in exchange.headers
        if name.lower() in CREDENTIALS or find_key(value, case.record.keys)
    ]
    named = (exchange.header("host") or "").startswith("localhost")
    if named and cookies_with([exchange], own_value(case, COOKIE)):
        found.append("cookie")
    if not found and find_key(exchange.head.decode("latin-1"), case.record.keys):
        found.append("the key in the target")
    return found

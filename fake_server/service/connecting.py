"""Makes the protocol of a new connection: which kind of reading, whose answers, what opens HTTP/2."""

from collections.abc import Callable
from functools import partial

from tgi_conformance.fake_server.engine.plans import Plan
from tgi_conformance.fake_server.forwarding.onward import Onward
from tgi_conformance.fake_server.forwarding.relay import Relay
from tgi_conformance.fake_server.http.parsing import Request
from tgi_conformance.fake_server.http1.answering import Feed, Handover
from tgi_conformance.fake_server.http1.connection import Connection
from tgi_conformance.fake_server.http1.slow_reading import SlowConnection
from tgi_conformance.fake_server.journal.builder import ExchangeRecord
from tgi_conformance.fake_server.service import serving
from tgi_conformance.fake_server.space.space import Connect, Space


class ScriptedAnswers:
    """The answers of one space: what its script says, and TGI where the script says nothing.

    ``onward``: where what is forwarded goes to; None: scripts that forward are refused before.
    """

    def __init__(self, space: Space, onward: Onward | None = None) -> None:
        self._space = space
        self._onward = onward

    def accept(self, origin: str) -> tuple[str, Plan] | None:
        """What is done for a new connection, if the script has something for it: name of the reply, plan."""
        return serving.accept(self._space, origin)

    def respond(self, request: Request, record: ExchangeRecord) -> Plan:
        """What is done for a request."""
        return serving.respond(self._space, request, record)

    def early(self, request: Request, size: int, origin: str) -> Plan | None:
        """The answer that does not wait for the body, of which ``size`` bytes have come; None: read on."""
        return serving.answer_early(self._space, request, size, origin)

    def feed(self, plan: Plan, record: ExchangeRecord, wake: Callable[[], None]) -> Feed:
        """Open the feed of a plan that grows; ``wake`` is called when there is something new."""
        if self._onward is None or plan.grows is None:
            raise ValueError("this server has no upstream server, and a script that forwards was let in")
        target = record.request.target.removeprefix(self._space.script.mount)
        rooted = target if target.startswith("/") else f"/{target}"
        return Relay(self._onward, plan, plan.grows, record, self._space.journal, wake, target=rooted)

    def remember(self, request: Request, record: ExchangeRecord, plan: Plan) -> None:
        """Keep the plan that a request got for the next such request, where it would get the same."""
        serving.remember(self._space, request, record, plan)

    def refuse(self, status: int) -> bytes:
        """The answer to bytes that are no request (its status), or to a body that broke off (0)."""
        return serving.refuse(status)


def connecting_to(onward: Onward | None) -> Connect:
    """What makes the protocol of a new connection, where a real server may answer."""
    return partial(connect, onward=onward)


def connect(space: Space, origin: str, *, onward: Onward | None = None) -> Connection:
    """Make the protocol of a new connection to a space."""
    answers = ScriptedAnswers(space, onward)
    if space.script.reading is None:
        return Connection(space, origin, answers, open_http2)
    return SlowConnection(space, origin, answers, open_slow_http2)


def open_http2(handed: Handover) -> None:
    """Serve a connection by HTTP/2 from now on."""
    # Not before it is needed: whoever speaks HTTP/1 only does not pay for the library.
    from tgi_conformance.fake_server.http2.connection import Http2Connection  # noqa: PLC0415

    Http2Connection(handed).begin()


def open_slow_http2(handed: Handover) -> None:
    """As :func:`open_http2`, but read slowly."""
    from tgi_conformance.fake_server.http2.slow_reading import SlowHttp2Connection  # noqa: PLC0415

    SlowHttp2Connection(handed).begin()

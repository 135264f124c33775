"""Ties spaces to the engine: hands it state and clocks, counts permits, names replies."""

import time
from email.utils import formatdate

from tgi_conformance.contracts.script import Reply
from tgi_conformance.fake_server import engine
from tgi_conformance.fake_server.connection import Connection
from tgi_conformance.fake_server.http_parsing import Request
from tgi_conformance.fake_server.journal_builder import ExchangeRecord
from tgi_conformance.fake_server.plans import Plan, plan_nothing
from tgi_conformance.fake_server.spaces import Space


class WallClock:
    """Seconds since the epoch and the HTTP date of them, formatted once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._date = ""

    def read(self) -> tuple[int, str]:
        """The second, and its date."""
        second = int(time.time())
        if second != self._second:
            self._second, self._date = second, formatdate(second, usegmt=True)
        return second, self._date


_CLOCK = WallClock()


def connect(space: Space, origin: str) -> Connection:
    """Make the protocol of a new connection to a space."""
    return Connection(space, origin, respond=respond, accept=accept, refuse=refuse)


def state_of(space: Space, record: ExchangeRecord) -> engine.State:
    """What of a space decides the answer to a request."""
    now, date = _CLOCK.read()
    return engine.State(
        server=space.script.server,
        mount=space.script.mount,
        known_key=space.has_key(record.key),
        closed=space.closed,
        permits_used=space.permits_used,
        now=now,
        date=date,
    )


def respond(space: Space, request: Request, record: ExchangeRecord) -> Plan:
    """Decide what a request gets, and note the reply that serves it."""
    state = state_of(space, record)
    early = engine.before_script(request, state)
    if early is not None:
        return early
    path = engine.path_below(request.path, state.mount) or "/"
    taken = space.replies.take(request, path, key=record.key, origin=record.connection.origin)
    if taken is None:
        otherwise = space.script.otherwise
        plan = engine.without_reply(request, state, otherwise)
        served: Reply = otherwise or engine.HEALTHY
    else:
        record.reply, served = taken
        plan = engine.play(served, request, state)
    if engine.takes_permit(served, request, state):
        space.hold_permit(record)
    return plan


def accept(space: Space, origin: str) -> tuple[str, Plan] | None:
    """What a new connection gets before it has said anything."""
    taken = space.replies.take_at_accept(origin)
    if taken is None:
        return None
    name, reply = taken
    fault = reply.delivery.fault
    return None if fault is None else (name, plan_nothing(fault))


def refuse(status: int) -> bytes:
    """The answer to bytes that are no request (its status), or to a body that broke off (0)."""
    return engine.refuse_bytes(status, _CLOCK.read()[1])

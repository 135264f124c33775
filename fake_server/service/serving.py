"""Ties spaces to the engine: hands it state and clocks, counts permits, names replies."""

import time
from dataclasses import replace
from email.utils import formatdate

from tgi_conformance.contracts.journal import GENERATION_ROUTES
from tgi_conformance.contracts.script import Reply
from tgi_conformance.contracts.tgi.personas import PERSONAS
from tgi_conformance.fake_server.engine.answer_cache import CachedAnswer, is_whole, only_writes
from tgi_conformance.fake_server.engine.chaos import Drawn
from tgi_conformance.fake_server.engine.faults import plan_nothing
from tgi_conformance.fake_server.engine.kinds import reads_body
from tgi_conformance.fake_server.engine.late_headers import with_header
from tgi_conformance.fake_server.engine.outcomes import Played
from tgi_conformance.fake_server.engine.plan_cache import LARGEST_REQUEST
from tgi_conformance.fake_server.engine.plans import Plan
from tgi_conformance.fake_server.engine.refusing import refuse_bytes
from tgi_conformance.fake_server.engine.routing import (
    before_body,
    before_script,
    play,
    unscripted,
    without_reply,
)
from tgi_conformance.fake_server.engine.state import State, served_path
from tgi_conformance.fake_server.http.parsing import Request
from tgi_conformance.fake_server.journal.builder import ExchangeRecord
from tgi_conformance.fake_server.space.space import Space


class WallClock:
    """Seconds since the epoch and the HTTP date of them, formatted once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._date = ""
        #: Monotonic seconds at which this second ends.
        self.until = 0.0

    def read(self) -> tuple[int, str]:
        """The second, and its date."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._date = second, formatdate(second, usegmt=True)
            self.until = time.monotonic() + (second + 1 - now)
        return second, self._date


_CLOCK = WallClock()


def state_of(space: Space, record: ExchangeRecord) -> State:
    """What of a space decides the answer to a request."""
    now, date = _CLOCK.read()
    script, known_key, closed, permits = (
        space.script,
        space.admits(record.request.first.get("authorization")),
        space.closed,
        space.permits_used,
    )
    return space.plan_cache.state(
        (now, known_key, closed, permits, id(script)),
        lambda: State(
            server=script.server,
            mount=script.mount,
            known_key=known_key,
            closed=closed,
            permits_used=permits,
            persona=script.persona,
            now=now,
            date=date,
            metrics=space.metrics.text,
        ),
    )


def respond(space: Space, request: Request, record: ExchangeRecord) -> Plan:
    """Decide what a request gets, and note the reply that serves it."""
    state = state_of(space, record)
    early = before_script(request, state)
    if early is not None:
        return early
    path = served_path(request.path, state) or "/"
    drawn: Drawn | None = None
    if space.unsettled and request.method == "POST" and path in GENERATION_ROUTES:
        refusal = None if space.traffic is None else space.traffic.refusal(record, request.received_at)
        if refusal is not None:
            record.reply, refusing = refusal
            return play(refusing, request, state).plan
        drawn = None if space.lots is None else space.lots.draw(request, record.key)
        if drawn is not None and drawn.reply is not None:
            record.reply = drawn.name
            return play(drawn.reply, request, state).plan
    taken = space.replies.take(request, path, key=record.key, origin=record.connection.origin)
    served = unscripted(space.script.otherwise, path)
    if taken is not None:
        record.reply, served = taken
    if drawn is not None:
        played = _played(drawn.applied(served), request, state, scripted=taken is not None)
    else:
        played = _remembered(space, served, request, state, scripted=taken is not None)
    if played.permits:
        space.hold_permits(record, played.permits)
    if played.seen is not None:
        space.metrics.book(record, played.seen)
    if PERSONAS[space.script.persona].request_id:
        return with_header(played.plan, "x-request-id", f"{state.now:08x}-{space.id}-{record.id:06x}")
    return played.plan


def _played(served: Reply, request: Request, state: State, *, scripted: bool) -> Played:
    if scripted:
        return play(served, request, state)
    return without_reply(request, state, served)


def _remembered(space: Space, served: Reply, request: Request, state: State, *, scripted: bool) -> Played:
    """What ``_played`` gives, looked up where the same was asked in this second.

    Only POSTs are remembered: a GET may ask for metrics, which move.
    """
    body = request.body if reads_body(served) else b""
    if request.method != "POST" or len(request.head) + len(body) > LARGEST_REQUEST:
        return _played(served, request, state, scripted=scripted)
    question = (request.head, body, request.too_large, scripted, state.permits_used, state.known_key)
    return space.plan_cache.played(
        served, question, state.now, lambda: _played(served, request, state, scripted=scripted)
    )


def remember(space: Space, request: Request, record: ExchangeRecord, plan: Plan) -> None:
    """Cache the answer that a request got, if the next such request is to get the same.

    Nothing is cached where each exchange is reported to an observer, where chance or limits decide, or where
    the silence after each answer is measured.
    """
    writes = only_writes(plan)
    if writes is None or space.unsettled or space.observe is not None or space.closed:
        return
    if space.script.idle_ms is not None:
        return
    if request.method != "POST" or not is_whole(request):
        return
    state = state_of(space, record)
    path = served_path(request.path, state) or "/"
    chosen = space.replies.repeatable(request, path, key=record.key, origin=record.connection.origin)
    if chosen is None or chosen.name != record.reply:
        return
    served = chosen.reply or unscripted(space.script.otherwise, path)
    asked = request.head + request.body if reads_body(served) else request.head
    cache = space.answer_cache(record.connection.origin)
    if not cache.is_worth(asked) or before_script(request, state) is not None:
        return
    played = _remembered(space, served, request, state, scripted=chosen.reply is not None)
    # With a request id of its own, or after a second has begun, it is not the plan that was decided on.
    if played.plan is not plan:
        return
    cache.keep(
        CachedAnswer(
            asked=asked,
            request=request,
            size=len(request.head) + len(request.body),
            key=record.key,
            reply=record.reply,
            plan=plan,
            writes=writes,
            sent_bytes=sum(map(len, writes)),
            until=_CLOCK.until,
            permits_used=state.permits_used,
            permits=played.permits,
            seen=played.seen,
            count=chosen.use,
        )
    )


def answer_early(space: Space, request: Request, size: int, origin: str) -> Plan | None:
    """What a request gets before its body is whole: ``size`` bytes of it have come. None: read on."""
    now, date = _CLOCK.read()
    key = space.alias(request.first.get("authorization"))
    state = State(
        server=space.script.server,
        mount=space.script.mount,
        known_key=space.admits(request.first.get("authorization")),
        closed=space.closed,
        persona=space.script.persona,
        now=now,
        date=date,
    )
    path = served_path(request.path, state) or "/"
    plan = before_script(request, state)
    as_tgi = unscripted(space.script.otherwise, path).tgi is not None
    if plan is None and as_tgi and not space.replies.could_serve(request, path, key=key, origin=origin):
        plan = before_body(request, size, state)
    return None if plan is None else replace(plan, ending="linger")


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
    return refuse_bytes(status, _CLOCK.read()[1])

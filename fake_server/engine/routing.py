"""From a request and its space's state to a plan. Pure: the clock's readings are handed in.

The order of questions is the router's: path, method, key, then what the script says.
"""

from dataclasses import replace
from typing import Final

from tgi_conformance.contracts.journal import GENERATION_ROUTES
from tgi_conformance.contracts.script import Delivery, Generation, Reply
from tgi_conformance.contracts.tgi.errors import CONTENT_TYPE, TOO_LARGE
from tgi_conformance.contracts.tgi.info import ROUTES, wants_key
from tgi_conformance.contracts.tgi.requests.content_type import accepts
from tgi_conformance.fake_server.engine.answers import Answer, Exchange
from tgi_conformance.fake_server.engine.kinds import outcome_of
from tgi_conformance.fake_server.engine.layout import lay_out
from tgi_conformance.fake_server.engine.outcomes import Outcome, Played
from tgi_conformance.fake_server.engine.plans import Plan
from tgi_conformance.fake_server.engine.state import State, served_path, served_route
from tgi_conformance.fake_server.engine.tgi_answers import (
    empty_answer,
    error_answer,
    keyless_answer,
    text_answer,
)
from tgi_conformance.fake_server.engine.tgi_pages import page, preflight, with_origin
from tgi_conformance.fake_server.http.parsing import Request

HEALTHY: Final = Reply(tgi=Generation(echo=True))
_AT_ONCE: Final = Delivery()
_SILENT_CLOSE: Final = Delivery(close="silent")


def before_script(request: Request, state: State) -> Plan | None:
    """The answer that needs no script and leaves none used: late, outside the mount, no key."""
    path = served_path(request.path, state)
    if state.closed:
        answer = text_answer(410, "This space of the fake server is closed.")
    elif path is None:
        answer = empty_answer(404)
    elif request.method == "OPTIONS":
        answer = preflight(ROUTES.get(path))
    elif state.server.check_key and not state.known_key and wants_key(path, request.method):
        answer = keyless_answer(state.traits)
        if request.method != "POST" and path in ROUTES and not state.traits.openai:
            # The route has no such method, and its layer that asks for the key does not hide what it has.
            answer = replace(answer, headers=(*answer.headers, ("allow", ROUTES[path].allow)))
    else:
        return None
    return _tgi_plan(answer, request, state)


def before_body(request: Request, size: int, state: State) -> Plan | None:
    """The answer that TGI gives before it has read a body of which ``size`` bytes have come.

    For requests that no reply of the script is for. The connection is closed after it.
    """
    answer = _not_served(request, state)
    if answer is None and request.method == "POST" and not state.traits.openai:
        if state.server.validate and not accepts(request.first.get("content-type")):
            answer = error_answer(CONTENT_TYPE)
        elif size > state.server.payload_limit:
            answer = error_answer(TOO_LARGE)
    return None if answer is None else _tgi_plan(answer, request, state)


def unscripted(otherwise: Reply | None, path: str) -> Reply:
    """The reply for a request to ``path`` that no reply of the script is for.

    The script's ``otherwise`` is for generation requests; the tokenizer's routes answer as ever. One that
    forwards is for every request.
    """
    if otherwise is not None and otherwise.forward is not None:
        return otherwise
    if otherwise is None or (otherwise.tgi is None and path not in GENERATION_ROUTES):
        return HEALTHY
    return otherwise


def without_reply(request: Request, state: State, otherwise: Reply) -> Played:
    """The answer where no reply of the script is for the request: what TGI would say."""
    answer = _not_served(request, state) or _page(request, state)
    if answer is not None and otherwise.forward is None:
        return Played(_tgi_plan(answer, request, state))
    return play(otherwise, request, state)


def play(reply: Reply, request: Request, state: State) -> Played:
    """The plan of a reply for a request."""
    outcome = outcome_of(reply, request, state)
    plan = _laid_out(outcome, request, state, reply.delivery)
    return Played(plan, outcome.permits, outcome.seen)


def _not_served(request: Request, state: State) -> Answer | None:
    """The answer to a path or a method that TGI does not have."""
    route = served_route(served_path(request.path, state) or "/", state)
    if route is None:
        return empty_answer(404)
    if route.serves(request.method) is None:
        return empty_answer(405, ("allow", route.allow))
    return None


def _page(request: Request, state: State) -> Answer | None:
    """The answer to a GET or HEAD of a route that has one."""
    route = served_route(served_path(request.path, state) or "/", state)
    if request.method == "POST" or route is None or route.get is None:
        return None
    return page(route.get, state.server, state.metrics, state.traits)


def _tgi_plan(answer: Answer, request: Request, state: State) -> Plan:
    """An answer of TGI's own as a plan."""
    return _laid_out(Outcome(with_origin(answer, request, state.server)), request, state, _AT_ONCE)


def _laid_out(outcome: Outcome, request: Request, state: State, delivery: Delivery) -> Plan:
    """The one way from an outcome to a plan."""
    exchange = Exchange(
        date=state.date,
        head_only=request.method == "HEAD",
        close=request.version != "2" and (request.close or request.too_large or outcome.closes),
        http_1_0=request.version == "1.0",
        asked_to_keep=request.version == "1.0" and not request.close,
        http_2=request.version == "2",
    )
    if outcome.closes and request.version != "2":
        delivery = _SILENT_CLOSE
    plan = lay_out(outcome.said, exchange, delivery)
    return plan if outcome.keep_alive is None else replace(plan, keep_alive=outcome.keep_alive)

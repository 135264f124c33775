"""What a script answers to a request, without a server: for those who tell of a case afterwards. Pure."""

from email.utils import formatdate
from typing import Final

from tgi_conformance.contracts.journal import Exchange, KeptAnswer
from tgi_conformance.contracts.script import Reply, Script
from tgi_conformance.fake_server.engine.routing import before_script, play, unscripted, without_reply
from tgi_conformance.fake_server.engine.state import State, served_path
from tgi_conformance.fake_server.http.parsing import Request
from tgi_conformance.fake_server.keeping.kept import kept_answer

#: Bytes of one answer.
_MOST: Final = 512 * 1024


def planned_answer(script: Script, reply: Reply | None, asked: Exchange, now: int) -> KeptAnswer:
    """What a reply of the script (None: what the server says where no reply is for it) makes of a request.

    ``now``: seconds since the epoch, for the date that answers carry.
    """
    request = _request(asked)
    known = asked.key not in {"none", "other"}
    state = State(
        server=script.server,
        mount=script.mount,
        persona=script.persona,
        known_key=known,
        now=now,
        date=formatdate(now, usegmt=True),
    )
    plan = before_script(request, state)
    if plan is None and reply is not None:
        plan = play(reply, request, state).plan
    if plan is None:
        otherwise = unscripted(script.otherwise, served_path(request.path, state) or "/")
        plan = without_reply(request, state, otherwise).plan
    return kept_answer(plan, (), most=_MOST)


def _request(asked: Exchange) -> Request:
    first: dict[str, str] = {}
    for name, value in asked.headers:
        first.setdefault(name.lower(), value)
    return Request(
        asked.method,
        asked.target,
        asked.http_version,
        asked.headers,
        asked.head,
        asked.first_byte_at,
        asked.body,
        complete=asked.body_complete,
        received_at=asked.received_at,
        first=first,
    )

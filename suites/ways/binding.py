"""On which ways each clause binds, and why not on the others. Data, mostly.

A way binds where other code may build the request or read what comes back: bodies, headers, paths, answers,
pieces, errors and retries are often written anew for streams and for each route. Each clause has the rule of
its area unless it has one of its own. A reason is of a kind: a clause that needs a new kind of reason is
rather a clause that binds. The face (sync, async) is no way: see :mod:`.words`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tgi_conformance.suites.ways.words import FORMS, ROUTES, WAYS, Form, Route, Way


class Reason(StrEnum):
    """Why a clause does not bind on a way."""

    NO_CALL = "no generation call: it is about a handler, its description, or the run"
    CHAT_ALONE = "no such call: messages, tools and images exist on chat alone"
    NATIVE_WORDS = "native words only: no other route has them"
    NO_FIELD = "the router has no such field there"
    DONE = "no [DONE] and no choices on the native route"
    BATCH = "several prompts in one call exist on completions alone"
    STREAM_ITSELF = "a stream is what it is about"
    WHOLE_ITSELF = "a whole answer is what it is about; of streams, other clauses say it"
    BELOW = "below the route: one stands for all"
    BELOW_FORM = "below the call: the same code for plain calls and streams"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """The ways that a clause binds on: its routes in its forms.

    ``one_route``: it binds in each form on any one route, and ``not_routes`` says why that stands for all.
    """

    routes: tuple[Route, ...] = ROUTES
    forms: tuple[Form, ...] = FORMS
    not_routes: Reason | None = None
    not_forms: Reason | None = None
    one_route: bool = False

    def binds(self, way: Way) -> bool:
        """Whether the clause binds on a way; of a clause for any one route, on each."""
        return way.route in self.routes and way.form in self.forms

    def reason(self, way: Way) -> Reason | None:
        """Why it does not bind on a way, or why another may stand for it; None: it must be tried."""
        if way.route not in self.routes:
            return self.not_routes
        if way.form not in self.forms:
            return self.not_forms
        return self.not_routes if self.one_route else None

    def gaps(self, tried: Iterable[Way]) -> Iterator[str]:
        """The ways that bind and are not among those tried."""
        there = set(tried)
        if self.one_route:
            forms = {way.form for way in there}
            yield from (f"{form} (any route)" for form in self.forms if form not in forms)
            return
        yield from (str(way) for way in WAYS if self.binds(way) and way not in there)


_PLAIN: Final[tuple[Form, ...]] = ("plain",)
_STREAM: Final[tuple[Form, ...]] = ("stream",)
_OPENAI: Final[tuple[Route, ...]] = ("chat", "completions")

EVERY: Final = Binding()
NO_CALL: Final = Binding(routes=(), not_routes=Reason.NO_CALL)
STREAMS: Final = Binding(forms=_STREAM, not_forms=Reason.STREAM_ITSELF)
WHOLES: Final = Binding(forms=_PLAIN, not_forms=Reason.WHOLE_ITSELF)
CHAT: Final = Binding(routes=("chat",), not_routes=Reason.CHAT_ALONE)
CHAT_WHOLE: Final = Binding(
    routes=("chat",), forms=_PLAIN, not_routes=Reason.CHAT_ALONE, not_forms=Reason.WHOLE_ITSELF
)
CHAT_STREAM: Final = Binding(
    routes=("chat",), forms=_STREAM, not_routes=Reason.CHAT_ALONE, not_forms=Reason.STREAM_ITSELF
)
CHAT_FIELD: Final = Binding(routes=("chat",), not_routes=Reason.NO_FIELD)
NATIVE: Final = Binding(routes=("native",), not_routes=Reason.NATIVE_WORDS)
NATIVE_WHOLE: Final = Binding(
    routes=("native",), forms=_PLAIN, not_routes=Reason.NATIVE_WORDS, not_forms=Reason.WHOLE_ITSELF
)
NATIVE_STREAM: Final = Binding(
    routes=("native",), forms=_STREAM, not_routes=Reason.NATIVE_WORDS, not_forms=Reason.STREAM_ITSELF
)
PROMPT_FIELD: Final = Binding(routes=("native", "completions"), not_routes=Reason.NO_FIELD)
OPENAI_FIELD: Final = Binding(routes=_OPENAI, not_routes=Reason.NO_FIELD)
OPENAI_STREAMS: Final = Binding(
    routes=_OPENAI, forms=_STREAM, not_routes=Reason.DONE, not_forms=Reason.STREAM_ITSELF
)
NATIVE_AND_CHAT_FIELD: Final = Binding(routes=("native", "chat"), not_routes=Reason.NO_FIELD)
COUNTED_STREAMS: Final = Binding(
    routes=("native", "chat"), forms=_STREAM, not_routes=Reason.NO_FIELD, not_forms=Reason.STREAM_ITSELF
)
BATCH_WHOLE: Final = Binding(
    routes=("completions",), forms=_PLAIN, not_routes=Reason.BATCH, not_forms=Reason.WHOLE_ITSELF
)
BATCH_STREAM: Final = Binding(
    routes=("completions",), forms=_STREAM, not_routes=Reason.BATCH, not_forms=Reason.STREAM_ITSELF
)
EACH_FORM: Final = Binding(not_routes=Reason.BELOW, one_route=True)
ANY_CALL: Final = Binding(forms=_PLAIN, not_routes=Reason.BELOW, not_forms=Reason.BELOW_FORM, one_route=True)
ANY_STREAM: Final = Binding(
    forms=_STREAM, not_routes=Reason.BELOW, not_forms=Reason.STREAM_ITSELF, one_route=True
)

BY_AREA: Final[Mapping[str, Binding]] = {
    "INIT": EVERY,
    "REQ": EVERY,
    "RESP": EVERY,
    "STREAM": STREAMS,
    "GEN": EVERY,
    "MUX": EACH_FORM,
    "QUEUE": ANY_CALL,
    "RETRY": EACH_FORM,
    "ERR": EVERY,
    "IMG": CHAT,
    "STAT": EACH_FORM,
    "SEC": EACH_FORM,
    "RES": EACH_FORM,
    "TOOL": CHAT,
    "REAL": NO_CALL,
    "DECL": EVERY,
}
BY_CLAUSE: Final[Mapping[str, Binding]] = {
    "INIT-03": OPENAI_FIELD,
    "INIT-05": NO_CALL,
    "INIT-06": NO_CALL,
    "INIT-07": NO_CALL,
    "INIT-08": NO_CALL,
    "REQ-02": PROMPT_FIELD,
    "REQ-03": CHAT,
    "REQ-07": CHAT_FIELD,
    "REQ-10": OPENAI_FIELD,
    "REQ-12": EACH_FORM,
    "REQ-14": EACH_FORM,
    "REQ-17": EACH_FORM,
    "REQ-18": OPENAI_FIELD,
    "RESP-01": NATIVE_WHOLE,
    "RESP-03": NATIVE,
    "RESP-04": CHAT_WHOLE,
    "RESP-08": WHOLES,
    "RESP-09": WHOLES,
    "RESP-10": WHOLES,
    "RESP-12": BATCH_WHOLE,
    "RESP-13": NATIVE_AND_CHAT_FIELD,
    "STREAM-09": OPENAI_STREAMS,
    "STREAM-10": NATIVE_STREAM,
    "STREAM-11": NATIVE_STREAM,
    "STREAM-13": OPENAI_STREAMS,
    "STREAM-14": OPENAI_STREAMS,
    "STREAM-15": NATIVE_STREAM,
    "STREAM-16": OPENAI_STREAMS,
    "STREAM-18": OPENAI_STREAMS,
    "STREAM-21": NATIVE_STREAM,
    "STREAM-26": BATCH_STREAM,
    "STREAM-27": ANY_STREAM,
    "GEN-03": NATIVE,
    "GEN-10": NATIVE_WHOLE,
    "GEN-11": NATIVE,
    "GEN-12": CHAT_FIELD,
    "MUX-01": EVERY,
    "MUX-08": NO_CALL,
    "MUX-11": EVERY,
    "QUEUE-01": EACH_FORM,
    "QUEUE-02": ANY_STREAM,
    "QUEUE-05": EACH_FORM,
    "QUEUE-06": EACH_FORM,
    "QUEUE-07": EACH_FORM,
    "QUEUE-09": EACH_FORM,
    "QUEUE-11": EACH_FORM,
    "RETRY-08": ANY_CALL,
    "RETRY-09": ANY_CALL,
    "RETRY-10": ANY_CALL,
    "RETRY-11": ANY_STREAM,
    "RETRY-15": ANY_CALL,
    "RETRY-18": STREAMS,
    "RETRY-19": ANY_CALL,
    "RETRY-21": ANY_CALL,
    "ERR-07": EACH_FORM,
    "ERR-08": EACH_FORM,
    "ERR-10": EACH_FORM,
    "IMG-07": NATIVE,
    "STAT-02": STREAMS,
    "STAT-03": WHOLES,
    "STAT-04": STREAMS,
    "STAT-05": COUNTED_STREAMS,
    "STAT-07": ANY_CALL,
    "STAT-10": ANY_CALL,
    "SEC-01": EVERY,
    "SEC-03": EVERY,
    "SEC-04": EVERY,
    "SEC-05": EVERY,
    "SEC-07": EVERY,
    "SEC-08": NO_CALL,
    "SEC-10": EVERY,
    "RES-01": ANY_STREAM,
    "RES-03": ANY_STREAM,
    "RES-04": ANY_STREAM,
    "RES-08": ANY_STREAM,
    "TOOL-04": CHAT_WHOLE,
    "TOOL-05": CHAT_STREAM,
    "TOOL-11": NATIVE,
    "REAL-02": EVERY,
    "REAL-03": ANY_CALL,
    "REAL-04": STREAMS,
}


def binding_of(clause: str) -> Binding:
    """The ways that a clause binds on."""
    return BY_CLAUSE.get(clause) or BY_AREA[clause.partition("-")[0]]

"""The kinds of replies, and what is made of each: one table.

A kind is the type of what a reply holds. A row says what makes an outcome of it, and whether that depends on
the request's body. A new kind is a field of :class:`Reply`, a name in :data:`Content`, and a row here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from tgi_conformance.contracts.script import EventStream, Fault, Forward, Generation, Raw, Reply, Response
from tgi_conformance.fake_server.engine.faults import silencing
from tgi_conformance.fake_server.engine.outcomes import Outcome
from tgi_conformance.fake_server.engine.scripted import as_response, as_stream, as_written
from tgi_conformance.fake_server.engine.state import State
from tgi_conformance.fake_server.engine.tgi_generation import as_tgi
from tgi_conformance.fake_server.http.parsing import Request

#: What a reply holds; a fault where no answer begins.
Content: TypeAlias = Fault | Raw | Response | EventStream | Forward | Generation
_Held = TypeVar("_Held", bound=Content)


def content_of(reply: Reply) -> Content:
    """What a reply holds; where it says only how it is delivered, that is TGI's plain answer."""
    held = reply.raw or reply.response or reply.stream or reply.forward or reply.tgi
    return silencing(reply) or held or Generation()


class _Row(Protocol):
    """One kind, whatever it holds."""

    @property
    def reads_body(self) -> bool:
        """Whether the outcome may depend on the request's body, and not on its head alone."""

    def outcome(self, content: Content, request: Request, state: State) -> Outcome:
        """What is made of it."""


@dataclass(frozen=True, slots=True)
class _Kind(Generic[_Held]):
    """One kind: the type of what it holds, and what makes an outcome of that."""

    holds: type[_Held]
    make: Callable[[_Held, Request, State], Outcome]
    reads_body: bool = False

    def outcome(self, content: Content, request: Request, state: State) -> Outcome:
        """What is made of it; raises ``TypeError`` for what belongs to another row."""
        if not isinstance(content, self.holds):
            raise TypeError(f"{content!r} is no {self.holds.__name__}")
        return self.make(content, request, state)


def _silence(fault: Fault, request: Request, state: State) -> Outcome:
    """Nothing is answered."""
    del request, state
    return Outcome(fault)


def _from_elsewhere(forward: Forward, request: Request, state: State) -> Outcome:
    """What the upstream server will answer."""
    del request, state
    return Outcome(forward)


_KINDS: Final[Mapping[type[Content], _Row]] = {
    Fault: _Kind(Fault, _silence),
    Raw: _Kind(Raw, as_written),
    Response: _Kind(Response, as_response),
    EventStream: _Kind(EventStream, as_stream),
    Forward: _Kind(Forward, _from_elsewhere),
    Generation: _Kind(Generation, as_tgi, reads_body=True),
}


def reads_body(reply: Reply) -> bool:
    """Whether the plan of a reply may depend on the request's body, and not on its head alone."""
    return _KINDS[type(content_of(reply))].reads_body


def outcome_of(reply: Reply, request: Request, state: State) -> Outcome:
    """What a reply comes to for a request."""
    content = content_of(reply)
    return _KINDS[type(content)].outcome(content, request, state)

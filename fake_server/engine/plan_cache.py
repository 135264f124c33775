"""What was worked out for a space and holds again.

Deciding on an answer is pure: an equal request in an equal state gets an equal plan. Clients send the same
head, often the same body, over and over; what was decided for them a moment ago is decided again by looking
it up. Everything is forgotten when the second changes, because answers carry the date.
"""

from collections.abc import Callable, Hashable
from typing import Final

from tgi_conformance.contracts.script import Reply
from tgi_conformance.fake_server.engine.outcomes import Played
from tgi_conformance.fake_server.engine.plans import Write
from tgi_conformance.fake_server.engine.state import State

MOST_PLANS: Final = 256
MOST_BYTES: Final = 32 * 1024 * 1024
"""Bytes of planned writes that one space keeps."""
LARGEST_REQUEST: Final = 16 * 1024
"""Bytes of head and body beyond which a request is not remembered."""


class PlanCache:
    """State and plans of one space, as far as they still hold."""

    def __init__(self) -> None:
        self._facts: tuple[object, ...] | None = None
        self._state: State | None = None
        self._second = -1
        #: The reply stands beside its plan so that its id stays its own.
        self._plans: dict[Hashable, tuple[Reply, Played]] = {}
        self._bytes = 0

    def state(self, facts: tuple[object, ...], make: Callable[[], State]) -> State:
        """The state that follows from these facts, made again only when one has changed."""
        if self._state is None or facts != self._facts:
            self._facts, self._state = facts, make()
        return self._state

    def played(
        self, reply: Reply, question: tuple[Hashable, ...], second: int, make: Callable[[], Played]
    ) -> Played:
        """What a reply gives for a question: all that the answer depends on, but for reply and second."""
        if second != self._second:
            self._second, self._bytes = second, 0
            self._plans.clear()
        key = (id(reply), question)
        known = self._plans.get(key)
        if known is not None:
            return known[1]
        played = make()
        size = sum(len(step.data) for step in played.plan.steps if isinstance(step, Write))
        if size + self._bytes <= MOST_BYTES and len(self._plans) < MOST_PLANS:
            self._bytes += size
            self._plans[key] = (reply, played)
        return played

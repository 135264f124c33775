"""Answers that stand: bytes that whoever sends the same request again gets again, until something changes.

What was decided for a head holds for every request with that head as long as the second lasts (answers
carry the date), no reply is added and the space stays open. Then nothing of the way from bytes to an
answer has to be walked again: the bytes that came are compared, the bytes of the answer are sent, and
what the journal keeps of it is one short row.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tgi_conformance.fake_server.http_parsing import Request
from tgi_conformance.fake_server.metrics import Seen
from tgi_conformance.fake_server.plans import Plan, Write


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An answer, whom it is for, and until when."""

    #: A request with this head; its body and its times are of no account.
    request: Request
    #: Bytes of the head and of the body together.
    size: int
    #: The body, where the answer depends on it.
    body: bytes | None
    #: What the journal calls key and reply.
    key: str
    reply: str | None
    plan: Plan
    #: What is sent, a call each, and all the bytes of it.
    writes: tuple[bytes, ...]
    sent_bytes: int
    #: Monotonic seconds.
    until: float
    #: The space's own count of what changes answers, the permits that others held, and those it takes.
    epoch: int
    permits_used: int
    permits: int
    #: What the metrics count.
    seen: Seen | None
    #: Counts a use of the reply.
    count: Callable[[], object]

    def serves(self, data: bytes) -> bool:
        """Whether these bytes are one whole request that this answer is for."""
        head = self.request.head
        return (
            len(data) == self.size
            and data.startswith(head)
            and (self.body is None or data.endswith(self.body))
        )


def only_writes(plan: Plan) -> tuple[bytes, ...] | None:
    """The writes of a plan that is nothing else and leaves the connection open; None for any other."""
    if plan.ending != "keep" or not plan.steps:
        return None
    if not all(isinstance(step, Write) and not step.interim and step.data for step in plan.steps):
        return None
    return tuple(step.data for step in plan.steps if isinstance(step, Write))

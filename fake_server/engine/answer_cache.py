"""The answer cache: the same request gets the same answer again, until something changes.

An answer that was decided for a head is valid for every request with that head while the second lasts
(answers carry the date), no reply is added and the space stays open. A request that hits the cache skips
parsing and deciding: its bytes are looked up, the answer's bytes are sent, and the journal keeps one short
row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tgi_conformance.fake_server.engine.plans import Plan, Write
from tgi_conformance.fake_server.http.parsing import Request
from tgi_conformance.fake_server.journal.metrics import Seen

LARGEST: Final = 8 * 1024
"""Bytes of a request beyond which no answer is cached for it."""
MOST: Final = 512
"""Answers that stand at the same time for one origin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedAnswer:
    """An answer, whom it is for, and until when."""

    #: The bytes that it is found by: a head, or a head with its body where the answer depends on that.
    asked: bytes
    #: A request with this head; its body and its times are of no account.
    request: Request
    #: Bytes of the head and of the body together.
    size: int
    #: What the journal calls key and reply.
    key: str
    reply: str | None
    plan: Plan
    #: What is sent, a call each, and all the bytes of it.
    writes: tuple[bytes, ...]
    sent_bytes: int
    #: Monotonic seconds.
    until: float
    #: Permits that others held, and those that it takes.
    permits_used: int
    permits: int
    #: What the metrics count.
    seen: Seen | None
    #: Counts a use of the reply.
    count: Callable[[], object]

    @property
    def status(self) -> int | None:
        """Status of the answer."""
        return self.plan.status


class AnswerCache:
    """The cached answers to the requests of one origin of a space."""

    def __init__(self) -> None:
        self._answers: dict[bytes, CachedAnswer] = {}
        #: Hashes of what was asked once: an answer stands from the second time on.
        self._asked: set[int] = set()
        self._until = 0.0

    def find(self, data: bytes) -> CachedAnswer | None:
        """The answer for bytes that are one whole request; it may have had its time."""
        answers = self._answers
        found = answers.get(data[: data.find(b"\r\n\r\n") + 4])
        if found is None and len(data) <= LARGEST:
            found = answers.get(data)
        return found if found is not None and len(data) == found.size else None

    def is_worth(self, asked: bytes) -> bool:
        """Whether this was asked before, so that an answer should stand."""
        if len(asked) > LARGEST:
            return False
        before = len(self._asked)
        self._asked.add(hash(asked))
        if len(self._asked) == before:
            return True
        if before >= MOST:
            self._asked.clear()
        return False

    def keep(self, cached: CachedAnswer) -> None:
        """Cache an answer; those of another second are forgotten."""
        if cached.until != self._until or len(self._answers) >= MOST:
            self._answers.clear()
            self._until = cached.until
        self._answers[cached.asked] = cached

    def forget(self) -> None:
        """Empty the cache: something has changed."""
        self._answers.clear()


def only_writes(plan: Plan) -> tuple[bytes, ...] | None:
    """The writes of a plan that is nothing else and leaves the connection open; None for any other."""
    if plan.ending != "keep" or not plan.steps or plan.grows is not None:
        return None
    if not all(isinstance(step, Write) and not step.interim and step.data for step in plan.steps):
        return None
    return tuple(step.data for step in plan.steps if isinstance(step, Write))


def is_whole(request: Request) -> bool:
    """Whether its head alone tells where its body ended, and nothing else went on."""
    first = request.first
    return request.complete and "transfer-encoding" not in first and "expect" not in first

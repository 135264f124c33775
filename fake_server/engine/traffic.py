"""Rate and concurrency limits of a space. Pure but for its counts; the clock's readings are handed in."""

from dataclasses import dataclass
from math import ceil
from typing import Final, Protocol

from tgi_conformance.contracts.script import Concurrency, Limits, Reply, TokenBucket, overloaded
from tgi_conformance.contracts.script.places import RETRY_AFTER, with_retry_after

#: What the journal calls a refusal by each limit.
BUCKET: Final = "limit:bucket"
CONCURRENCY: Final = "limit:concurrency"

_OUT_OF_TOKENS: Final = overloaded(("retry-after", RETRY_AFTER))
_BUSY: Final = overloaded()


class Open(Protocol):
    """An exchange as far as a limit has to know it."""

    @property
    def key(self) -> str:
        """Alias of its key."""

    @property
    def unanswered(self) -> bool:
        """Whether it still runs."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    #: Monotonic seconds of the last reading.
    at: float


class Traffic:
    """Admits or refuses the generation requests of one space."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buckets: dict[str, _Bucket] = {}
        self._admitted: list[Open] = []

    def refusal(self, exchange: Open, now: float) -> tuple[str, Reply] | None:
        """What refuses an exchange, as the name of the limit and its answer; None: it is admitted."""
        bucket, concurrency = self._limits.bucket, self._limits.concurrency
        if concurrency is not None and self._running(exchange, concurrency) >= concurrency.most:
            return CONCURRENCY, concurrency.reply or _BUSY
        if bucket is not None:
            wait = self._take(bucket, exchange.key if bucket.by == "key" else "", now)
            if wait > 0:
                return BUCKET, with_retry_after(bucket.reply or _OUT_OF_TOKENS, ceil(wait))
        if concurrency is not None:
            self._admitted.append(exchange)
        return None

    def _running(self, exchange: Open, limit: Concurrency) -> int:
        self._admitted = [other for other in self._admitted if other.unanswered]
        return sum(limit.by == "space" or other.key == exchange.key for other in self._admitted)

    def _take(self, limit: TokenBucket, name: str, now: float) -> float:
        """Take a token; returns 0, or the seconds until there is one."""
        bucket = self._buckets.setdefault(name, _Bucket(float(limit.capacity), now))
        grown = bucket.tokens + (now - bucket.at) * limit.per_second
        bucket.tokens, bucket.at = min(grown, float(limit.capacity)), now
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / limit.per_second
        bucket.tokens -= 1
        return 0.0

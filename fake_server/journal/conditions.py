"""What a suite may wait for: conditions over a journal that is still growing. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from tgi_conformance.contracts.journal import generates
from tgi_conformance.fake_server.journal.builder import ExchangeRecord, JournalBuilder

Kind: TypeAlias = Literal["received", "open_requests", "answered", "gone", "connections_closed", "quiet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition; ``path`` and ``key`` (alias) limit which generation requests count."""

    kind: Kind
    count: int = 0
    seconds: float = 0.0
    path: str | None = None
    key: str | None = None


def received(count: int, *, path: str | None = None, key: str | None = None) -> Condition:
    """At least that many generation requests were received."""
    return Condition(kind="received", count=count, path=path, key=key)


def open_requests(count: int, *, path: str | None = None, key: str | None = None) -> Condition:
    """At least that many generation requests are received and unanswered at the same time."""
    return Condition(kind="open_requests", count=count, path=path, key=key)


def answered(count: int, *, path: str | None = None, key: str | None = None) -> Condition:
    """At least that many exchanges are over: the answer went out, or ended as the script said."""
    return Condition(kind="answered", count=count, path=path, key=key)


def gone(count: int, *, path: str | None = None, key: str | None = None) -> Condition:
    """The client of at least that many exchanges went away before its answer was over."""
    return Condition(kind="gone", count=count, path=path, key=key)


def connections_closed() -> Condition:
    """Every connection is closed (and there was at least one)."""
    return Condition(kind="connections_closed")


def quiet(seconds: float, *, path: str | None = None, key: str | None = None) -> Condition:
    """No request is open, and none has arrived for that many seconds."""
    return Condition(kind="quiet", seconds=seconds, path=path, key=key)


def holds(condition: Condition, journal: JournalBuilder, now: float, *, mount: str = "") -> bool:
    """Whether a condition holds at monotonic time ``now``."""
    if condition.kind == "connections_closed":
        connections = journal.connections
        return bool(connections) and all(record.closed_at is not None for record in connections)
    chosen = [record for record in journal.exchanges if _counts(record, condition, mount)]
    if condition.kind == "quiet":
        return not any(record.unanswered for record in chosen) and now >= quiet_at(condition, journal)
    return sum(_IS[condition.kind](record) for record in chosen) >= condition.count


def quiet_at(condition: Condition, journal: JournalBuilder) -> float:
    """When the journal will have been quiet for long enough, if nothing comes."""
    return journal.last_activity + condition.seconds


_IS: Final[Mapping[str, Callable[[ExchangeRecord], bool]]] = {
    "received": lambda _: True,
    "open_requests": lambda record: record.unanswered,
    "answered": lambda record: record.ending in {"complete", "fault"},
    "gone": lambda record: record.gone_at is not None,
}


def _counts(record: ExchangeRecord, condition: Condition, mount: str) -> bool:
    request = record.request
    path = request.path.removeprefix(mount) or "/"
    return (
        request.method == "POST"
        and generates(path)
        and condition.path in {None, path}
        and condition.key in {None, record.key}
    )

"""The second client under a row: its own classes, with other values and other collaborators."""

import http.client
import math
import sys
import threading
from pathlib import Path
from typing import Any

from rows import Stranger

sys.path.append(str(Path(__file__).parents[1] / "second_client"))

import second
from second_reading import SecondError

_HERE = threading.local()


def methods(stranger: Stranger) -> frozenset[str]:
    """The methods that the adapter has."""
    del stranger
    return frozenset(name for name in vars(second.Second) if not name.startswith("_"))


def made(stranger: Stranger) -> Any:
    """The second client's adapter, with endpoints and exchanges as the row says."""
    policy, does = stranger.row.policy, stranger.row.does
    changed = {name: policy[name] for name in ("statuses", "faults", "jitter") if name in policy}
    if "max_retry_after" in policy:
        changed["longest_wait"] = policy["max_retry_after"]
    bases = (_Keeping, second.Endpoint) if policy.get("keeps_slot") else (second.Endpoint,)
    bases = (_Patient, *bases) if "waits when full" in does else bases
    second.Endpoint = type("Endpoint", bases, changed)
    exchanges = [habit for name, habit in _HABITS.items() if name in does]
    second.Exchange = type("Exchange", (*exchanges, second.Exchange), {})
    return second.Second()


def described(adapter: Any) -> Any:
    """What the adapter says of itself."""
    return adapter.describe()


def extra_settings(stranger: Stranger) -> dict[str, object]:
    """Settings of this client that the kit has no name for: none."""
    del stranger
    return {}


def failure(kind: str, text: str) -> SecondError:
    """The client's own error for what an auxiliary request met."""
    return SecondError(kind, text, fault="timeout" if kind == "timeout" else "refused")


class _Keeping:
    """A call keeps its slot through its waits.

    ``wait_before``, ``leave``, ``sleep`` and ``enter`` of one call follow on each other in one thread.
    """

    def wait_before(self, number: int, error: SecondError) -> float | None:
        wait: float | None = super().wait_before(number, error)  # type: ignore[misc]
        _HERE.keeps = wait is not None
        return wait

    def leave(self) -> None:
        if not getattr(_HERE, "keeps", False):
            super().leave()  # type: ignore[misc]

    def sleep(self, seconds: float) -> None:
        try:
            super().sleep(seconds)  # type: ignore[misc]
        except BaseException:
            _HERE.keeps = False
            self.leave()
            raise

    def enter(self, *, accepted: bool) -> None:
        if not accepted:
            _HERE.keeps = False
            super().enter(accepted=False)  # type: ignore[misc]
        _HERE.keeps = False


class _Patient:
    """Lets any number of calls wait."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.room = math.inf


class _Slow:
    def ready(self) -> None:
        self.endpoint.sleep(1.2)  # type: ignore[attr-defined]
        super().ready()  # type: ignore[misc]


class _AsksHealth:
    def ready(self) -> None:
        super().ready()  # type: ignore[misc]
        url, secure = self.endpoint.url, self.secure  # type: ignore[attr-defined]
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(url.hostname, url.port, timeout=self.endpoint.timeout, **secure)  # type: ignore[attr-defined]
        try:
            connection.request("GET", url.path.rstrip("/") + "/health", headers={"Connection": "close"})
            connection.getresponse().read(100_000)
        finally:
            connection.close()


class _WithoutId:
    def __init__(self, endpoint: Any, path: str, body: bytes, request_id: str | None, own: Any) -> None:
        del request_id
        super().__init__(endpoint, path, body, None, own)  # type: ignore[call-arg]


_HABITS = {"slow calls": _Slow, "asks health": _AsksHealth, "no request id": _WithoutId}

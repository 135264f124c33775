"""Mistakes in the bounds of retries: deadlines, cancellation, stale connections, last errors (RETRY)."""
# ruff: noqa: ARG001, ARG005 - the parts exchanged take more than each mistake needs

from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

from seams import Broken, BrokenCalls, exchange

from tgi_conformance.backends.reference import (
    breaker,
    endpoint,
    engine,
    errors,
    failures,
    retry_policy,
    transport,
)
from tgi_conformance.contracts.adapter import Description, ErrorInfo
from tgi_conformance.contracts.unset import UNSET


class WaitsByTheTable(Broken):
    """Waits exactly base times factor to the k, as each of its copies does."""

    breaks = "RETRY-10"
    key = "backoff_factor"

    def damage(self) -> None:
        def settled(right: Callable[..., float | None]) -> Callable[..., float | None]:
            return lambda error, *, draw, **given: right(
                error, draw=lambda low, high: (low + high) / 2, **given
            )

        exchange(engine, "wait_before_retry", settled)


class DeadlineForEachAttempt(Broken):
    """Gives each attempt the whole of the deadline, and the sleeps between them none (openai-python)."""

    breaks = "RETRY-12"
    key = "max_retries"

    def damage(self) -> None:
        def unbounded(right: Callable[..., float | None]) -> Callable[..., float | None]:
            return lambda error, *, remaining, **given: right(error, remaining=float("inf"), **given)

        exchange(engine, "wait_before_retry", unbounded)
        _without_deadline()


class QueuesForEver(Broken):
    """Starts the clock of the deadline when a slot is free."""

    breaks = "RETRY-12"
    key = "max_retries"

    def damage(self) -> None:
        _without_deadline()


class SleepsOn(BrokenCalls):
    """Hands out a future whose cancellation ends the waiting for it, and not the call."""

    breaks = "RETRY-13"
    key = "max_retries"

    def submit(self, kind: Any, prompt: Any = None, *, messages: Any = None, **given: Any) -> Any:
        theirs = super().submit(kind, prompt, messages=messages, **given)
        theirs.cancel = lambda: Future.cancel(theirs)
        return theirs


class TrustsItsPool(Broken):
    """Takes a kept connection for a good one, and a connection lost on it for the server's last word."""

    breaks = "RETRY-14"
    key = "post_request"

    def damage(self) -> None:
        rule = retry_policy.is_retryable
        exchange(
            retry_policy,
            "is_retryable",
            lambda _: lambda error: not isinstance(error, errors.TransportError) and rule(error),
        )

    def describe(self) -> Description:
        right = super().describe()
        assert right.retry is not None
        return replace(right, retry=replace(right.retry, faults=frozenset({"overloaded_event"})))


class NamesEachAttempt(Broken):
    """Makes up a new request id for each attempt."""

    breaks = "RETRY-16"
    key = "request_id_tracking"

    def damage(self) -> None:
        def renamed(right: Callable[..., Any]) -> Callable[..., Any]:
            def post(self: Any, outgoing: Any) -> Any:
                return right(self, replace(outgoing, request_id=uuid4().hex))

            return post

        exchange(transport.Transport, "post", renamed)


class RetriesExceeded(Broken):
    """Ends with an error of its own that says how often it tried, and nothing of the 429 (tavily)."""

    breaks = "RETRY-17"
    key = "error_handling_rate_limit"

    def damage(self) -> None:
        def spent(right: Callable[..., float | None]) -> Callable[..., float | None]:
            def wait(error: Any, *, failures: int, settings: Any, **given: Any) -> float | None:
                decided = right(error, failures=failures, settings=settings, **given)
                if decided is None and failures > 1:
                    raise errors.TransportError(f"gave up after {failures} attempts", "closed")
                return decided

            return wait

        exchange(engine, "wait_before_retry", spent)


class DropsZero(Broken):
    """Shows ``retry_after or None``."""

    breaks = "RETRY-17"
    key = "error_handling_rate_limit"

    def classify(self, error: BaseException) -> ErrorInfo | None:
        info = super().classify(error)
        return info if info is None or info.retry_after not in (0, UNSET) else replace(info, retry_after=None)


class BelievesTheInBandCode(Broken):
    """Takes an error event for what its code says: 422, the caller's own fault (litellm)."""

    breaks = "RETRY-18"
    key = "error_handling_rate_limit"

    def damage(self) -> None:
        exchange(failures, "OVERLOADED_TYPE", lambda _: "no such type")


class OpensOnBadPrompts(Broken):
    """A circuit breaker that counts the callers' own errors as the server's."""

    breaks = "RETRY-19"
    key = "max_retries"

    def damage(self) -> None:
        exchange(breaker, "blames_server", lambda _: lambda error: isinstance(error, errors.StatusError))


class OneBreakerForAll(Broken):
    """A circuit breaker of the client, not of the endpoint."""

    breaks = "RETRY-19"
    key = "max_retries"

    def damage(self) -> None:
        shared = breaker.Breaker()
        exchange(endpoint, "Breaker", lambda _: lambda: shared)


class RushesInHalfOpen(Broken):
    """A circuit breaker that lets everybody through after its delay, not one call as a probe."""

    breaks = "RETRY-19"
    key = "max_retries"

    def damage(self) -> None:
        def rushing(right: Callable[..., Any]) -> Callable[..., Any]:
            def enter(self: Any, settings: Any, now: float) -> Any:
                self._probing = False
                return right(self, settings, now)

            return enter

        exchange(breaker.Breaker, "enter", rushing)


class NeverClosesAgain(Broken):
    """A circuit breaker whose probe changes nothing: each delay lets one call through, for ever."""

    breaks = "RETRY-19"
    key = "max_retries"

    def damage(self) -> None:
        def stuck(right: Callable[..., Any]) -> Callable[..., Any]:
            def leave(self: Any, how: Any, error: Any, settings: Any, now: float) -> None:
                right(self, how, error, settings, now)
                if how == "probe":
                    self._opened_at = now

            return leave

        exchange(breaker.Breaker, "leave", stuck)


def _without_deadline() -> None:
    """Have the client bound a call by nothing but its transport."""

    @asynccontextmanager
    async def unbounded(seconds: float, message: str) -> AsyncIterator[None]:
        yield

    exchange(engine, "_bounded", lambda _: unbounded)

"""Mistakes in retry and backoff (RETRY)."""
# ruff: noqa: ARG005 - the parts exchanged take more than each mistake needs

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from seams import Broken, BrokenCalls, exchange

from tgi_conformance.backends.reference import async_stream, engine, errors, retry_after, retry_policy
from tgi_conformance.contracts.adapter import Description


class RetriesInTwoLayers(BrokenCalls):
    """Retries round a client that retries by itself, as nanobot did over its provider's SDK."""

    breaks = "RETRY-01"
    key = "max_retries"

    def _changed(self, method: str, subject: Any, parameters: dict[str, Any]) -> Any:
        try:
            return super()._changed(method, subject, parameters)
        except (errors.OverloadedError, errors.RateLimitError, errors.ServerError):
            return super()._changed(method, subject, parameters)


class KnowsTgisRateLimitOnly(Broken):
    """Retries a 429 with TGI's error type; a proxy's HTML is a failure like any other."""

    breaks = "RETRY-02"
    key = "error_handling_rate_limit"

    def damage(self) -> None:
        def known(error: Any) -> bool:
            return isinstance(error, errors.OverloadedError) or (
                error.status != 429 and retry_policy.is_retryable(error)
            )

        _decide_by(known)


class RetriesEverything(Broken):
    """Retries whatever status came, as a bare ``except`` round the request does (litellm, lighteval)."""

    breaks = "RETRY-03"
    key = "error_handling_400"

    def damage(self) -> None:
        _decide_by(lambda error: isinstance(error, errors.StatusError) or retry_policy.is_retryable(error))


class IgnoresRetryAfter(Broken):
    """Comes back when its own backoff says so (MemOS, helicone, smolagents)."""

    breaks = "RETRY-04"
    key = "error_handling_rate_limit"

    def damage(self) -> None:
        exchange(engine, "parse_retry_after", lambda _: lambda lines, now: None)


class IgnoresRetryAfterOnStreams(Broken):
    """Heeds the header for whole answers; streams are sent by another loop, with a backoff alone."""

    breaks = "RETRY-04"
    key = "error_handling_rate_limit"
    shows_in = ("streams",)

    def damage(self) -> None:
        def deaf(right: Callable[..., float | None]) -> Callable[..., float | None]:
            def wait_after(course: engine.Course, error: errors.TGIError) -> float | None:
                if course.call.outgoing.stream:
                    error.retry_after = None
                return right(course, error)

            return wait_after

        exchange(engine.Course, "wait_after", deaf)


class TakesSecondsForMilliseconds(Broken):
    """Divides the header's figure by a thousand."""

    breaks = "RETRY-04"
    key = "error_handling_rate_limit"

    def damage(self) -> None:
        def divided(right: Callable[..., float | None]) -> Callable[..., float | None]:
            return lambda lines, now: wait / 1000 if (wait := right(lines, now)) else wait

        exchange(engine, "parse_retry_after", divided)


class KnowsNoDates(Broken):
    """Reads seconds only; a date is no figure, so its own backoff applies (azure-sdk, hol-guard)."""

    breaks = "RETRY-05"
    key = "error_handling_rate_limit"

    def damage(self) -> None:
        exchange(retry_after, "_parse_date", lambda _: lambda value: None)


class FloatsTheHeader(Broken):
    """``float(header)``, which takes ``nan``, ``inf`` and digits of any script, and dies of words."""

    breaks = "RETRY-06"
    key = "error_handling_rate_limit"

    def damage(self) -> None:
        exchange(engine, "parse_retry_after", lambda _: lambda lines, now: float(lines[0]) if lines else None)


class ShortensLongWaits(Broken):
    """Waits its own cap where the server asked for more: ``min(retry_after, max_delay)`` (CopilotKit)."""

    breaks = "RETRY-07"
    key = "error_handling_rate_limit"

    def damage(self) -> None:
        def shortened(right: Callable[..., float | None]) -> Callable[..., float | None]:
            def wait(error: Any, **given: Any) -> float | None:
                if error.retry_after is not None:
                    error.retry_after = min(error.retry_after, given["settings"].max_retry_delay)
                return right(error, **given)

            return wait

        exchange(engine, "wait_before_retry", shortened)


class HalfASecondFirst(Broken):
    """Keeps the initial delay it was born with, whatever ``create_endpoint`` was given."""

    breaks = "RETRY-08"
    key = "initial_retry_delay"

    def damage(self) -> None:
        _back_off(lambda settings: {"initial_retry_delay": 0.5})


class WaitsTheSameEachTime(Broken):
    """Stores the factor and never multiplies by it."""

    breaks = "RETRY-09"
    key = "backoff_factor"

    def damage(self) -> None:
        _back_off(lambda settings: {"backoff_factor": 1.0})


class KnowsNoCap(Broken):
    """Lets the waits grow without bound."""

    breaks = "RETRY-09"
    key = "backoff_factor"

    def damage(self) -> None:
        _back_off(lambda settings: {"max_retry_delay": 1e9})


class ReplaysStreams(Broken):
    """Begins a broken stream anew after its first tokens were shown (nanobot, open-interpreter)."""

    breaks = "RETRY-11"
    key = "streaming"

    def damage(self) -> None:
        async def replayed(course: engine.Course) -> AsyncIterator[Any]:
            for left in range(course.call.outgoing.settings.max_retries, -1, -1):
                try:
                    async with (
                        course.reply() as reply,
                        aclosing(engine._pieces(reply, course.call)) as pieces,
                    ):
                        async for piece in pieces:
                            yield piece
                        return
                except errors.TGIError:
                    if not left:
                        raise

        exchange(async_stream, "pieces_of_attempts", lambda _: replayed)


class RetriesRateLimitsOnly(Broken):
    """Declares gateway errors retryable, and retries 429 alone."""

    breaks = "RETRY-20"
    key = "max_retries"

    def damage(self) -> None:
        _decide_by(
            lambda error: (error.status in (None, 200, 429)) and retry_policy.is_retryable(error),
        )


class GivesUpLostConnections(Broken):
    """Declares lost connections retryable, and takes them for final."""

    breaks = "RETRY-20"
    key = "max_retries"

    def damage(self) -> None:
        _decide_by(
            lambda error: not isinstance(error, errors.TransportError) and retry_policy.is_retryable(error)
        )


class NeverStartsAfresh(Broken):
    """Counts failures for the endpoint, and a success does not end the count."""

    breaks = "RETRY-21"
    key = "initial_retry_delay"

    def damage(self) -> None:
        seen: Counter[str] = Counter()

        def counted(right: Callable[..., float | None]) -> Callable[..., float | None]:
            def wait(error: Any, *, settings: Any, **given: Any) -> float | None:
                decided = right(error, settings=settings, **given)
                if decided is None or error.retry_after is not None:
                    return decided
                low, high = retry_policy.Backoff.of(settings).bounds(seen[settings.base_url])
                seen[settings.base_url] += 1
                return float(given["draw"](low, high))

            return wait

        exchange(engine, "wait_before_retry", counted)


class RetriesWhatItDoesNotDeclare(Broken):
    """Says that it retries 429, and retries the gateway's errors too."""

    breaks = "DECL-01"
    key = "new:declarations"

    def describe(self) -> Description:
        right = super().describe()
        assert right.retry is not None
        return replace(right, retry=replace(right.retry, statuses=frozenset({429})))


def _decide_by(retryable: Callable[[Any], bool]) -> None:
    """Have the client retry what ``retryable`` names; the right rule stays reachable."""
    right = retry_policy.wait_before_retry
    rule = retry_policy.is_retryable

    def wait(error: Any, **given: Any) -> float | None:
        decided = retryable(error)
        retry_policy.is_retryable = lambda _: decided
        try:
            return right(error, **given)
        finally:
            retry_policy.is_retryable = rule

    exchange(engine, "wait_before_retry", lambda _: wait)


def _back_off(changes: Callable[[Any], dict[str, float]]) -> None:
    """Have the backoff computed from changed settings; how often is retried stays."""

    def changed(right: Callable[..., Any]) -> Callable[..., Any]:
        return lambda settings: right(replace(settings, **changes(settings)))

    exchange(retry_policy.Backoff, "of", changed)

"""Mistakes in usage statistics (STAT)."""
# ruff: noqa: ARG002 - the parts exchanged take more than each mistake needs

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from seams import Broken, exchange

from tgi_conformance.backends.reference import async_client, calls, endpoint, engine, stats
from tgi_conformance.backends.reference.answers import Answer, Usage
from tgi_conformance.backends.reference.stats import Stats
from tgi_conformance.backends.reference.stream_reader import StreamReader

KEY = "usage_statistics"


class ForgetsFailures(Broken):
    """Counts in the good path only: what raises is in the total and nowhere else."""

    breaks = "STAT-01"
    key = KEY

    def damage(self) -> None:
        def counted(right: Callable[..., Any]) -> Callable[..., Any]:
            return lambda ending, usage: right(ending, usage) if ending == "successful" else {}

        exchange(stats, "_counts_of", counted)


class CountsSuccessAtTheHead(Broken):
    """Counts a stream as a success when its status is seen (agent-os)."""

    breaks = "STAT-02"
    key = KEY

    def damage(self) -> None:
        def early(right: Callable[..., Any]) -> Callable[..., Any]:
            @asynccontextmanager
            async def reply(course: engine.Course) -> AsyncIterator[Any]:
                async with right(course) as made:
                    if course.call.outgoing.stream:
                        course.entry.end("successful")
                    yield made

            return reply

        exchange(engine.Course, "reply", early)


class CountsCharactersOverFour(Broken):
    """Estimates tokens as a quarter of the characters though the server said how many there were."""

    breaks = "STAT-03"
    key = KEY

    def damage(self) -> None:
        async def estimated(course: engine.Course) -> Answer:
            entry, course.entry = course.entry, _Ignored()
            try:
                answer = await engine.whole_answer(course)
            except BaseException as error:
                entry.end(engine._ending_of(error))
                raise
            entry.end("successful", Usage(10, len(answer.text) // 4))
            return answer

        exchange(async_client, "whole_answer", lambda _: estimated)


class SumsCumulativeUsage(Broken):
    """Adds up the usage of each chunk (InsForge, CLIProxyAPI)."""

    breaks = "STAT-04"
    key = KEY

    def damage(self) -> None:
        def summed(right: Callable[..., None]) -> Callable[..., None]:
            def note(reader: StreamReader, value: Any, choices: Any) -> None:
                before = reader._usage.get(None)
                right(reader, value, choices)
                now = reader._usage.get(None)
                if before is not None and now is not None and now is not before:
                    reader._usage[None] = Usage(
                        (before.prompt_tokens or 0) + (now.prompt_tokens or 0),
                        (before.completion_tokens or 0) + (now.completion_tokens or 0),
                    )

            return note

        exchange(StreamReader, "_note_usage", summed)


class NeverAsksForUsage(Broken):
    """Counts streamed tokens that it never asks the server for (hermes-agent)."""

    breaks = "STAT-05"
    key = KEY

    def damage(self) -> None:
        def silent(right: Callable[..., Any]) -> Callable[..., Any]:
            def chat_body(messages: Any, *, parameters: Any, **given: Any) -> Any:
                body = right(messages, parameters=parameters, **given)
                if "stream_options" not in parameters:
                    body.pop("stream_options", None)
                return body

            return chat_body

        exchange(calls, "chat_body", silent)


class LosesUpdates(Broken):
    """Reads a counter, works on, and writes it back: what others wrote meanwhile is gone."""

    breaks = "STAT-07"
    key = KEY

    def damage(self) -> None:
        async def racing(course: engine.Course) -> Answer:
            entry, course.entry = course.entry, _Ignored()
            counters = course.endpoint.stats
            try:
                answer = await engine.whole_answer(course)
            except BaseException as error:
                entry.end(engine._ending_of(error))
                raise
            before = counters._counts["successful_requests"]
            await asyncio.sleep(0.001)
            entry.end("successful", answer.usage)
            counters._counts["successful_requests"] = before + 1
            return answer

        exchange(async_client, "whole_answer", lambda _: racing)


class MeasuresSilence(Broken):
    """Counts 0 tokens for a call of which the server said nothing (llmr, litellm)."""

    breaks = "STAT-06"
    key = KEY

    def damage(self) -> None:
        def zeroed(right: Callable[..., Any]) -> Callable[..., Any]:
            return lambda ending, usage: right(
                ending, Usage(usage.prompt_tokens or 0, usage.completion_tokens or 0)
            )

        exchange(stats, "_counts_of", zeroed)


class EstimatesZero(Broken):
    """``tokens or estimate``: a 0 that the server said becomes a guess."""

    breaks = "STAT-06"
    key = KEY

    def damage(self) -> None:
        def guessed(right: Callable[..., Any]) -> Callable[..., Any]:
            return lambda ending, usage: right(
                ending, Usage(usage.prompt_tokens or 12, usage.completion_tokens or 3)
            )

        exchange(stats, "_counts_of", guessed)


class OneCountForAll(Broken):
    """Keeps one set of counters for all endpoints, as a mutable default of the class."""

    breaks = "STAT-08"
    key = KEY

    def damage(self) -> None:
        shared = Stats()
        exchange(endpoint, "Stats", lambda _: lambda: shared)


class CountsAttempts(Broken):
    """Counts each attempt as a request."""

    breaks = "STAT-09"
    key = KEY

    def damage(self) -> None:
        def counted(right: Callable[..., None]) -> Callable[..., None]:
            def attempt(entry: stats.CallEntry) -> None:
                again = getattr(entry, "_sent", False)
                entry._sent = True  # type: ignore[attr-defined]
                right(entry)
                if again:
                    entry._stats.add(entry._era, {"total_requests": 1})

            return attempt

        exchange(stats.CallEntry, "attempt", counted)


class ResetsAll(Broken):
    """Resets every endpoint where one was named."""

    breaks = "STAT-10"
    key = KEY

    def reset_stats(self, endpoint_id: str | None = None) -> None:
        super().reset_stats()


class _Ignored:
    """A call's entry that writes nothing: the mutant counts the end itself."""

    def attempt(self) -> None:
        return

    def end(self, *_: object) -> None:
        return

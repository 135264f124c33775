"""Mistakes in the usage statistics of streams alone (STAT): plain calls are counted right."""

from collections.abc import Callable
from typing import Any

from seams import Broken, exchange

from tgi_conformance.backends.reference import async_stream, engine, stats
from tgi_conformance.backends.reference.answers import Piece, Usage
from tgi_conformance.backends.reference.stats import Stats

KEY = "usage_statistics"


class CountsNoRefusedStream(Broken):
    """Begins to count a stream when its head is there: one that was refused is in the total alone."""

    breaks = "STAT-01"
    key = KEY
    shows_in = ("streams",)

    def damage(self) -> None:
        def only_calls(right: Callable[..., None]) -> Callable[..., None]:
            def failed(course: engine.Course, error: BaseException) -> None:
                if course.call.outgoing.stream and getattr(error, "status", None) is not None:
                    course.entry._open = False
                right(course, error)

            return failed

        exchange(engine.Course, "failed", only_calls)


class CountsPieces(Broken):
    """Takes the number of texts for that of tokens where usage does not come in a chunk of its own."""

    breaks = "STAT-04"
    key = KEY

    def damage(self) -> None:
        def counted(right: Callable[..., None]) -> Callable[..., None]:
            def hand_over(counter: Any, piece: Piece) -> None:
                right(counter, piece)
                counter.texts = getattr(counter, "texts", 0) + bool(piece.text)
                if piece.text and piece.usage is not None:
                    counter.usage = Usage(piece.usage.prompt_tokens, counter.texts)

            return hand_over

        exchange(async_stream._Counter, "hand_over", counted)


class BooksStreamsTogether(Broken):
    """Keeps one set of counters for the streams of all endpoints."""

    breaks = "STAT-08"
    key = KEY
    shows_in = ("streams",)

    def damage(self) -> None:
        streams = Stats()

        def booked(right: Callable[..., None]) -> Callable[..., None]:
            def begun(course: engine.Course) -> None:
                own = course.endpoint.stats
                if course.call.outgoing.stream:
                    course.endpoint.stats = streams
                right(course)
                course.endpoint.stats = own

            return begun

        exchange(engine.Course, "__post_init__", booked)


class CountsAttemptsOfStreams(Broken):
    """Counts each attempt of a stream as a request."""

    breaks = "STAT-09"
    key = KEY
    shows_in = ("streams",)

    def damage(self) -> None:
        def counted(right: Callable[..., float | None]) -> Callable[..., float | None]:
            def wait_after(course: engine.Course, error: Any) -> float | None:
                wait = right(course, error)
                if wait is not None and course.call.outgoing.stream:
                    entry: stats.CallEntry = course.entry
                    entry._stats.add(entry._era, {"total_requests": 1})
                return wait

            return wait_after

        exchange(engine.Course, "wait_after", counted)

"""Mistakes in streams, or in completions, where the plain chat call was mended and they were forgotten."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from seams import Broken, exchange
from ways import Body, OneWay

from tgi_conformance.backends.reference import engine, tool_calls

_LONG = 3600.0


class CompletionsNameAModel(OneWay):
    """Names a model of another server on completions, whose default nobody looked at."""

    breaks = "REQ-10"
    key = "chat_method"
    shows_in = ("completions",)

    def sent(self, kind: str, route: str, body: Body, *, stream: bool) -> tuple[str, Body]:
        if kind == "completions" and body.get("model") in (None, "tgi"):
            body["model"] = "gpt-3.5-turbo-instruct"
        return super().sent(kind, route, body, stream=stream)


class StreamsComeBackTooSoon(Broken):
    """Has a bound on the wait of a stream in place of giving up, and asks again after it."""

    breaks = "RETRY-07"
    key = "error_handling_rate_limit"
    shows_in = ("streams",)

    def damage(self) -> None:
        def bounded(right: Callable[..., float | None]) -> Callable[..., float | None]:
            def wait_after(course: engine.Course, error: Any) -> float | None:
                wait = right(course, error)
                told = getattr(error, "retry_after", None) or 0.0
                again = course.failures <= course.call.outgoing.settings.max_retries
                return 0.05 if course.call.outgoing.stream and told > _LONG and again else wait

            return wait_after

        exchange(engine.Course, "wait_after", bounded)


class StreamsEmptyBadArguments(Broken):
    """Takes ``{}`` for arguments of a stream that are no JSON."""

    breaks = "TOOL-08"
    key = "new:tool_calls"

    def damage(self) -> None:
        def emptied(right: Callable[..., Any]) -> Callable[..., Any]:
            def calls(joiner: Any, *, complete: bool) -> Any:
                made = right(joiner, complete=complete)
                return tuple(replace(one, arguments={}) if one.arguments is None else one for one in made)

            return calls

        exchange(tool_calls.ToolCallJoiner, "calls", emptied)

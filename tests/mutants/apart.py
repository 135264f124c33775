"""Mistakes that live where streams, or the calls of one route, are sent and read by code of their own."""
# ruff: noqa: ARG005 - the parts exchanged take more than each mistake needs

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

from seams import Broken, BrokenCalls, exchange

from tgi_conformance.backends.reference import engine, errors, responses, transport
from tgi_conformance.contracts.adapter import Answer, Piece

#: What waits after a failed attempt of a call; None: it gives up.
Wait = Callable[[engine.Course, errors.TGIError], float | None]


def _after_failure(change: Callable[[Wait, engine.Course, Any], float | None], route: str = "") -> None:
    """Have another rule decide after the failed attempts of streams, or of the calls of a route."""

    def make(right: Wait) -> Wait:
        def wait_after(course: engine.Course, error: errors.TGIError) -> float | None:
            outgoing = course.call.outgoing
            its_own = outgoing.route == route if route else outgoing.stream
            return change(right, course, error) if its_own else right(course, error)

        return wait_after

    exchange(engine.Course, "wait_after", make)


# --- errors ------------------------------------------------------------------------------------------------


class ErrorsAsPieces(BrokenCalls):
    """Hands the text of a failed stream's error out as its last piece."""

    breaks = "ERR-01"
    key = "error_handling_400"

    def _changed(self, method: str, subject: Any, parameters: dict[str, Any]) -> Any:
        result = super()._changed(method, subject, parameters)
        return result if isinstance(result, Answer) else _told_as_text(result)


def _told_as_text(pieces: Iterator[Piece]) -> Iterator[Piece]:
    try:
        yield from pieces
    except errors.StatusError as error:
        yield Piece(text=f"Error: {error}")


class HidesMessagesOfStreams(Broken):
    """Opens the body as a stream before it looks at the status: the message is never read."""

    breaks = "ERR-03"
    key = "error_handling_400"
    shows_in = ("streams",)

    def damage(self) -> None:
        def hidden(right: Wait, course: engine.Course, error: errors.TGIError) -> float | None:
            error.message, error.excerpt, error.args = "request failed", "", ("request failed",)
            return right(course, error)

        _after_failure(hidden)


class ParsesPagesOfCompletions(Broken):
    """Expects JSON of every failure on this route, and reports that it was none."""

    breaks = "ERR-04"
    key = "error_handling_400"

    def damage(self) -> None:
        def parsed(right: Wait, course: engine.Course, error: errors.TGIError) -> float | None:
            if error.excerpt and not error.excerpt.startswith(("{", "[")):
                raise errors.ProtocolError("not JSON")
            return right(course, error)

        _after_failure(parsed, "/v1/completions")


class IndexesErrorsOfStreams(Broken):
    """Reads ``payload["error"]`` where a stream was refused."""

    breaks = "ERR-05"
    key = "error_handling_400"
    shows_in = ("streams",)

    def damage(self) -> None:
        def indexed(right: Wait, course: engine.Course, error: errors.TGIError) -> float | None:
            if error.excerpt.startswith(("{", "[")) and error.status in (422, 500):
                json.loads(error.excerpt)["error"].strip()
            return right(course, error)

        _after_failure(indexed)


class OneKindForStreams(Broken):
    """Has one exception for all that goes wrong with a stream."""

    breaks = "ERR-06"
    key = "error_handling_400"
    shows_in = ("streams",)

    def damage(self) -> None:
        def one(right: Wait, course: engine.Course, error: errors.TGIError) -> float | None:
            wait = right(course, error)
            if wait is None and isinstance(error, errors.StatusError):
                raise errors.ServerError(error.message, status=error.status, excerpt=error.excerpt)
            return wait

        _after_failure(one)


class WaitsForEverForStreams(Broken):
    """Sets the time limit of a stream's socket when its head has come."""

    breaks = "ERR-07"
    key = "new:timeouts"
    shows_in = ("streams",)

    def damage(self) -> None:
        def unlimited(right: Any) -> Any:
            async def send(self: Any, url: Any, request: transport.Outgoing) -> Any:
                if request.stream:
                    request = replace(request, settings=replace(request.settings, timeout=3600.0))
                return await right(self, url, request)

            return send

        exchange(transport.Transport, "_send", unlimited)


class RawTransportErrorsOfStreams(Broken):
    """Lets the HTTP library's exceptions through where a stream is opened."""

    breaks = "ERR-08"
    key = "new:transport_errors"
    shows_in = ("streams",)

    def damage(self) -> None:
        def raw(right: Wait, course: engine.Course, error: errors.TGIError) -> float | None:
            wait = right(course, error)
            if wait is None and isinstance(error, errors.TransportError) and error.fault != "refused":
                raise RuntimeError(error.message)
            return wait

        _after_failure(raw)


class BlamesRequestsOfStreams(Broken):
    """Takes TGI's own failures for refusals of the request where a stream was asked for."""

    breaks = "ERR-09"
    key = "new:error_handling_server"
    shows_in = ("streams",)

    def damage(self) -> None:
        def blamed(right: Wait, course: engine.Course, error: errors.TGIError) -> float | None:
            if error.status in (424, 500) and error.error_type:
                raise errors.ValidationError(error.message, status=error.status, excerpt=error.excerpt)
            return right(course, error)

        _after_failure(blamed)


class OverlooksErrorsBesideChoices(Broken):
    """An answer that has choices is an answer; the error beside them is a field that nobody asked for."""

    breaks = "RESP-09"
    key = "error_handling_400"

    def damage(self) -> None:
        exchange(
            responses,
            "is_error_object",
            lambda right: lambda value: right(value) and "choices" not in value,
        )


# --- retries -----------------------------------------------------------------------------------------------


class OneMoreForStreams(Broken):
    """Opens a stream in a loop that counts from zero to ``max_retries`` and one more time after it."""

    breaks = "RETRY-01"
    key = "max_retries"
    shows_in = ("streams",)

    def damage(self) -> None:
        def more(right: Wait, course: engine.Course, error: errors.TGIError) -> float | None:
            wait = right(course, error)
            most = course.call.outgoing.settings.max_retries
            return 0.01 if wait is None and error.status == 429 and 0 < most == course.failures - 1 else wait

        _after_failure(more)


class GivesUpCompletions(Broken):
    """Sends this route's requests past the loop that retries."""

    breaks = "RETRY-02"
    key = "error_handling_rate_limit"

    def damage(self) -> None:
        _after_failure(lambda right, course, error: None, "/v1/completions")


def _again(right: Wait, course: engine.Course, error: errors.TGIError, *codes: int) -> float | None:
    wait = right(course, error)
    again = wait is None and error.status in codes
    return 0.01 if again and course.failures <= course.call.outgoing.settings.max_retries else wait


class RetriesStreamsOutOfCredits(Broken):
    """Takes a status that it does not know for one that passes, for streams (hermes-agent)."""

    breaks = "RETRY-03"
    key = "error_handling_400"
    shows_in = ("streams",)

    def damage(self) -> None:
        _after_failure(lambda right, course, error: _again(right, course, error, 402, 410, 431, 451))


class NamesEachAttemptOfStreams(Broken):
    """Makes up a new request id for each attempt at a stream."""

    breaks = "RETRY-16"
    key = "request_id_tracking"
    shows_in = ("streams",)

    def damage(self) -> None:
        def renamed(right: Callable[..., Any]) -> Callable[..., Any]:
            def post(self: Any, outgoing: Any) -> Any:
                fresh = replace(outgoing, request_id=uuid4().hex) if outgoing.stream else outgoing
                return right(self, fresh)

            return post

        exchange(transport.Transport, "post", renamed)


class RetriesOfStreamsExceeded(Broken):
    """Ends a stream's attempts with an error of its own, which has nothing of the 429."""

    breaks = "RETRY-17"
    key = "error_handling_rate_limit"
    shows_in = ("streams",)

    def damage(self) -> None:
        def spent(right: Wait, course: engine.Course, error: errors.TGIError) -> float | None:
            wait = right(course, error)
            if wait is None and course.failures > 1:
                raise errors.TransportError(f"gave up after {course.failures} attempts", "closed")
            return wait

        _after_failure(spent)


class RetriesStreamsOnRateLimitsOnly(Broken):
    """Declares more than its streams do."""

    breaks = "RETRY-20"
    key = "max_retries"
    shows_in = ("streams",)

    def damage(self) -> None:
        def fewer(right: Wait, course: engine.Course, error: errors.TGIError) -> float | None:
            wait = right(course, error)
            return wait if error.status in (200, 429) else None

        _after_failure(fewer)


class RetriesStreamsThatItDoesNotDeclare(Broken):
    """Tries a stream again after any failure of the server's."""

    breaks = "DECL-01"
    key = "new:declarations"
    shows_in = ("streams",)

    def damage(self) -> None:
        _after_failure(lambda right, course, error: _again(right, course, error, 500))


def _header_of_streams(change: Callable[[list[str]], list[str]]) -> None:
    """Have the lines of a stream's Retry-After be read otherwise."""

    def make(right: Any) -> Any:
        def lines(self: Any, name: str) -> list[str]:
            found: list[str] = right(self, name)
            streamed = self._response.request.headers["accept"].startswith("text")
            return change(found) if name == "retry-after" and streamed else found

        return lines

    exchange(transport.Reply, "header_lines", make)


class KnowsNoDatesOnStreams(Broken):
    """Reads seconds only where a stream is retried."""

    breaks = "RETRY-05"
    key = "error_handling_rate_limit"
    shows_in = ("streams",)

    def damage(self) -> None:
        _header_of_streams(lambda lines: [line for line in lines if line.isdigit()])


class FloatsTheHeaderOfStreams(Broken):
    """``float(header)`` where a stream is retried, which dies of words."""

    breaks = "RETRY-06"
    key = "error_handling_rate_limit"
    shows_in = ("streams",)

    def damage(self) -> None:
        _header_of_streams(lambda lines: [line for line in lines if float(line) or True])


class ShortensLongWaitsOfStreams(Broken):
    """Comes back to a stream after its own wait, if it was asked to stay away for longer than it likes."""

    breaks = "RETRY-07"
    key = "error_handling_rate_limit"
    shows_in = ("streams",)

    def damage(self) -> None:
        _header_of_streams(lambda lines: ["0" if line == "86400" else line for line in lines])


class RetriesStreamsAtOnce(Broken):
    """Opens a stream in a loop without a sleep; a Retry-After is heeded."""

    breaks = "RETRY-08"
    key = "initial_retry_delay"
    shows_in = ("streams",)

    def damage(self) -> None:
        def at_once(right: Wait, course: engine.Course, error: errors.TGIError) -> float | None:
            wait = right(course, error)
            return wait if wait is None or error.retry_after else 0.0

        _after_failure(at_once)


class TrustsItsPoolForStreams(Broken):
    """Takes a connection lost on a stream's request for the server's last word."""

    breaks = "RETRY-14"
    key = "post_request"
    shows_in = ("streams",)

    def damage(self) -> None:
        def trusting(right: Wait, course: engine.Course, error: errors.TGIError) -> float | None:
            wait = right(course, error)
            return None if isinstance(error, errors.TransportError) else wait

        _after_failure(trusting)


class RetriesStreamsThatBeganWithAnError(Broken):
    """Tries a stream again that reported an error before its first token, whatever the error is."""

    breaks = "RETRY-18"
    key = "error_handling_rate_limit"
    shows_in = ("streams",)

    def damage(self) -> None:
        _after_failure(lambda right, course, error: _again(right, course, error, 200))

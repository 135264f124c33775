"""Mistakes of clients whose streams are sent, refused and read by code of their own: calls are right."""
# ruff: noqa: ARG002 - the parts exchanged take more than each mistake needs

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from seams import Broken, exchange
from stream import BrokenStream, Pieces
from ways import Body, OneStream

from tgi_conformance.backends.reference import async_stream, engine, errors, tool_calls, transport
from tgi_conformance.backends.reference.answers import Piece
from tgi_conformance.backends.reference.stream_reader import StreamReader

Attempts = Callable[[engine.Course], AsyncGenerator[Piece, None]]


class StreamIsSentAsText(Broken):
    """Sends the body of a stream as text."""

    breaks = "REQ-01"
    key = "post_request"
    shows_in = ("streams",)

    def damage(self) -> None:
        def labelled(right: Callable[[Any], dict[str, str]]) -> Callable[[Any], dict[str, str]]:
            def headers(request: Any) -> dict[str, str]:
                made = dict(right(request))
                label = next(name for name in made if name.lower() == "content-type")
                return made | {label: "text/plain"} if request.stream else made

            return headers

        exchange(transport, "_headers", labelled)


class StreamSendsNulls(OneStream):
    """Writes the options of a stream that are not set as null."""

    breaks = "REQ-05"
    key = "post_request"

    def streamed(self, parameters: Body) -> Body:
        return {"stop": None, **parameters}


class StreamFlagIsANumber(OneStream):
    """Says 1 where it means true."""

    breaks = "REQ-08"
    key = "streaming"

    def sent(self, kind: str, route: str, body: Body, *, stream: bool) -> tuple[str, Body]:
        return route, body | {"stream": 1} if stream else body


class StreamSamplesAtZero(OneStream):
    """Makes a small temperature of 0 in native streams."""

    breaks = "GEN-03"
    key = "test_endpoint_params"

    def streamed(self, parameters: Body) -> Body:
        if parameters.get("do_sample") is False and "temperature" not in parameters:
            parameters |= {"do_sample": True, "temperature": 0.01}
        return parameters


class StreamLimitHasAnotherName(OneStream):
    """Uses the native name of the length limit for all streams."""

    breaks = "GEN-06"
    key = "test_endpoint_params"

    def streamed(self, parameters: Body) -> Body:
        if "max_tokens" in parameters:
            parameters["max_new_tokens"] = parameters.pop("max_tokens")
        return parameters


class _Refused(Broken):
    """A mistake in what becomes of a stream that was refused."""

    def damage(self) -> None:
        def changed(right: Attempts) -> Attempts:
            async def pieces_of_attempts(course: engine.Course) -> AsyncGenerator[Piece, None]:
                try:
                    async with aclosing(right(course)) as pieces:
                        async for piece in pieces:
                            yield piece
                except errors.TGIError as error:
                    text = self.told(error)
                    if text is None:
                        raise
                    yield Piece(text=text, done=True)

            return pieces_of_attempts

        exchange(async_stream, "pieces_of_attempts", changed)

    def told(self, error: errors.TGIError) -> str | None:
        """Give the text that is handed out in the error's place, or raise another; None: the error stands."""
        return None


class StreamTellsErrorsAsText(_Refused):
    """Hands the words of an error out as the piece of a stream."""

    breaks = "ERR-01"
    key = "error_handling_400"

    def told(self, error: errors.TGIError) -> str | None:
        return None if error.status is None else f"Error: {error}"


class StreamStumblesOverEmptyErrors(_Refused):
    """Parses the body of a 401 to a stream as JSON, and it has none."""

    breaks = "ERR-02"
    key = "error_handling_auth"

    def told(self, error: errors.TGIError) -> str | None:
        if error.status in (401, 403):
            raise errors.ProtocolError("Expecting value: line 1 column 1 (char 0)", status=error.status)
        return None


class StreamLosesStatusOfPages(_Refused):
    """Parses the page of a proxy as JSON where a stream was refused; the status is lost."""

    breaks = "ERR-04"
    key = "error_handling_400"

    def told(self, error: errors.TGIError) -> str | None:
        if error.status in (502, 503, 504) and not isinstance(error, errors.OverloadedError):
            raise errors.ProtocolError("Expecting value: line 1 column 1 (char 0)", status=None)
        return None


class StreamsAreNotRetried(Broken):
    """Tries a stream once: the loop around plain calls is not around streams."""

    breaks = "RETRY-02"
    key = "error_handling_rate_limit"
    shows_in = ("streams",)

    def damage(self) -> None:
        def once(right: Callable[..., float | None]) -> Callable[..., float | None]:
            def wait_after(course: engine.Course, error: Any) -> float | None:
                wait = right(course, error)
                return None if course.call.outgoing.stream else wait

            return wait_after

        exchange(engine.Course, "wait_after", once)


class StreamWaitsForToolCalls(BrokenStream):
    """Hands out the calls of a stream only behind the finish reason ``tool_calls``."""

    breaks = "TOOL-06"
    key = "new:tool_calls"

    class reader(StreamReader):  # noqa: N801
        def _closing_piece(self) -> Pieces:
            if self._finished.get(0) != "tool_calls":
                self._tools = tool_calls.ToolCallJoiner()
            return super()._closing_piece()


class StreamVouchesForCutCalls(BrokenStream):
    """Calls what a length limit cut off complete, in streams."""

    breaks = "TOOL-07"
    key = "new:tool_calls"

    class reader(StreamReader):  # noqa: N801
        def _closing_piece(self) -> Pieces:
            cut = "length" in self._finished.values()
            for piece in super()._closing_piece():
                vouched = tuple(replace(call, complete=True) for call in piece.tool_calls)
                yield replace(piece, tool_calls=vouched) if cut else piece

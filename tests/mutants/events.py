"""Mistakes with what is an event of a stream, and what is none: the reference client with one each."""

from collections.abc import Iterator
from typing import Any, ClassVar

from stream import BrokenStream

from tgi_conformance.backends.reference import answers, errors, failures, stream_reader
from tgi_conformance.backends.reference.json_values import JSON
from tgi_conformance.backends.reference.stream_reader import StreamReader
from tgi_conformance.contracts.sse import ServerSentEvent, SSEDecoder

Pieces = Iterator[answers.Piece]


class ReadsFramesWithoutData(BrokenStream):
    """Takes each blank line for the end of an event: ``retry:`` by itself is one whose JSON is empty."""

    breaks = "STREAM-29"

    class decoder(SSEDecoder):  # noqa: N801
        def _dispatch(self) -> ServerSentEvent | None:
            if self._has_fields and not self._data:
                self._data.append("")
                self._event = "error"
            return super()._dispatch()


class KeepsTheNameOfAFrameWithoutData(BrokenStream):
    """The name of a frame without data stays, and is the next event's, which is passed over for it."""

    breaks = "STREAM-29"

    class decoder(SSEDecoder):  # noqa: N801
        def _dispatch(self) -> ServerSentEvent | None:
            name = "" if self._data else self._event
            event = super()._dispatch()
            self._event = name
            return None if event is not None and event.event == "ping" else event


class TakesEmptyDataForTheEnd(BrokenStream):
    """An event whose data is empty ends the loop: ``if not data: break``."""

    breaks = "STREAM-30"

    class reader(StreamReader):  # noqa: N801
        def _event(self, event: ServerSentEvent) -> Pieces:
            self.complete = self.complete or event.data == ""
            return super()._event(event)


class KnowsUnnamedEventsOnly(BrokenStream):
    """Hands out events of the name that the standard gives to those without one, and errors."""

    breaks = "STREAM-31"

    class reader(StreamReader):  # noqa: N801
        def _event(self, event: ServerSentEvent) -> Pieces:
            return super()._event(event) if event.event in ("message", "error") else iter(())


class SkipsWithoutAWord(BrokenStream):
    """``except ValueError: continue``."""

    breaks = "STREAM-32"

    class reader(StreamReader):  # noqa: N801
        def _event(self, event: ServerSentEvent) -> Pieces:
            try:
                yield from super()._event(event)
            except errors.ProtocolError:
                return


class OverlooksErrorsBesideChunks(BrokenStream):
    """A chunk that has choices is a chunk; the error beside them is a field that nobody asked for."""

    breaks = "STREAM-16"

    def __init__(self) -> None:
        super().__init__()
        right = failures.is_error_object
        stream_reader.is_error_object = lambda value: right(value) and "choices" not in value


class IndexesTheFirstChoiceOfCompletions(BrokenStream):
    """``chunk["choices"][0]`` on every chunk of this route."""

    breaks = "STREAM-18"

    class reader(StreamReader):  # noqa: N801
        def _openai(self, value: dict[str, JSON]) -> list[answers.Piece] | None:
            if self.kind == "completions":
                value["choices"][0]  # type: ignore[call-overload,index]
            return super()._openai(value)


class IndexesTheMessageOfErrors(BrokenStream):
    """``event["error"]["message"]``, whatever the error is."""

    breaks = "ERR-05"
    key: ClassVar[str] = "error_handling_400"

    def __init__(self) -> None:
        super().__init__()
        right = failures.remote_error

        def remote_error(value: Any, **given: Any) -> errors.TGIError:
            if isinstance(value, dict) and "error_type" not in value and "error" in value:
                value["error"]["message"].strip()
            return right(value, **given)

        stream_reader.remote_error = remote_error

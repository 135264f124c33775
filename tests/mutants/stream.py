"""Broken stream readers: the reference client with one realistic mistake each.

``breaks`` is the clause that the mistake must redden, ``key`` its key of the results map.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from tgi_conformance.backends.reference import answers, engine, errors, transport
from tgi_conformance.backends.reference.adapter import ReferenceAdapter
from tgi_conformance.backends.reference.json_values import JSON
from tgi_conformance.backends.reference.stream_reader import StreamReader
from tgi_conformance.contracts.adapter import Answer, Piece
from tgi_conformance.contracts.sse import ServerSentEvent, SSEDecoder

Pieces = Iterator[answers.Piece]
#: Line ends of ``str.splitlines()`` that are none in an event stream.
_PYTHON_LINE_ENDS = ("\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e")


class BrokenStream(ReferenceAdapter):
    """Reads every stream with ``decoder`` and ``reader`` in place of the right ones."""

    breaks: ClassVar[str]
    key: ClassVar[str] = "streaming"
    decoder: ClassVar[type[SSEDecoder]] = SSEDecoder
    reader: ClassVar[type[StreamReader]] = StreamReader

    def __init__(self) -> None:
        super().__init__()

        def make(*given: Any) -> StreamReader:
            made = self.reader(*given)
            made._decoder = self.decoder()
            return made

        engine.StreamReader = make  # type: ignore[assignment,misc]


# --- bytes to events ---------------------------------------------------------------------------------------


class ParsesEachReadByItself(BrokenStream):
    """Takes each read for whole events; what is cut between two reads is lost."""

    breaks = "STREAM-01"

    class decoder(SSEDecoder):  # noqa: N801 - a collaborator of the class around it
        def feed(self, data: bytes) -> list[ServerSentEvent]:
            return SSEDecoder().feed(data)


class DecodesEachReadByItself(BrokenStream):
    """``chunk.decode("utf-8", "replace")`` on each read."""

    breaks = "STREAM-02"

    class decoder(SSEDecoder):  # noqa: N801
        def feed(self, data: bytes) -> list[ServerSentEvent]:
            return super().feed(data.decode("utf-8", "replace").encode())


class KnowsLfOnly(BrokenStream):
    """Splits at LF alone: the CR before it stays, and no line is blank."""

    breaks = "STREAM-03"

    class decoder(SSEDecoder):  # noqa: N801
        def feed(self, data: bytes) -> list[ServerSentEvent]:
            return super().feed(data.replace(b"\r", b" "))


class CutsCrlfInTwo(BrokenStream):
    """CR at the end of one read and LF at the start of the next make two line ends."""

    breaks = "STREAM-03"

    class decoder(SSEDecoder):  # noqa: N801
        def feed(self, data: bytes) -> list[ServerSentEvent]:
            self._after_cr = False
            return super().feed(data)


class SplitsLinesLikePython(BrokenStream):
    """``str.splitlines()`` on an event stream."""

    breaks = "STREAM-04"

    class decoder(SSEDecoder):  # noqa: N801
        def feed(self, data: bytes) -> list[ServerSentEvent]:
            for character in _PYTHON_LINE_ENDS:
                data = data.replace(character.encode(), b"\n")
            return super().feed(data)


class ReadsLatin1(BrokenStream):
    """No charset in the content type: a default of ISO-8859-1, as ``requests`` has it."""

    breaks = "STREAM-05"

    class decoder(SSEDecoder):  # noqa: N801
        def feed(self, data: bytes) -> list[ServerSentEvent]:
            return super().feed(data.decode("latin-1").encode())


class WantsABlankAfterTheColon(BrokenStream):
    """``line.startswith("data: ")``."""

    breaks = "STREAM-06"

    class decoder(SSEDecoder):  # noqa: N801
        def _end_line(self) -> ServerSentEvent | None:
            if self._line.startswith(b"data:") and not self._line.startswith(b"data: "):
                self._line[:] = b":"
            return super()._end_line()


class TakesCommentsForData(BrokenStream):
    """Cuts a fixed number of characters off each line, whatever the line is."""

    breaks = "STREAM-07"

    class decoder(SSEDecoder):  # noqa: N801
        def _end_line(self) -> ServerSentEvent | None:
            if self._line.startswith(b":"):
                self._line[:] = b"data: x" + self._line
            return super()._end_line()


class KeepsTheLastDataLine(BrokenStream):
    """An event is one line: the last one wins."""

    breaks = "STREAM-08"

    class decoder(SSEDecoder):  # noqa: N801
        def _set_field(self, name: str, value: str) -> bool:
            if name == "data":
                self._data.clear()
            return super()._set_field(name, value)


class KeepsTheByteOrderMark(BrokenStream):
    """The first line of a stream with a BOM is no data line."""

    breaks = "STREAM-08"

    class decoder(SSEDecoder):  # noqa: N801
        def _without_bom(self, data: bytes) -> bytes:
            self._at_start = False
            return data


# --- where a stream ends -----------------------------------------------------------------------------------


class ReadsOnAfterDone(BrokenStream):
    """Waits for the end of the body although ``[DONE]`` has come."""

    breaks = "STREAM-09"

    class reader(StreamReader):  # noqa: N801
        def _event(self, event: ServerSentEvent) -> Pieces:
            if event.data.strip() == "[DONE]":
                self._finished.setdefault(0, "stop")
                return iter(())
            return super()._event(event)


class WantsDoneAfterGeneratedText(BrokenStream):
    """Takes ``[DONE]`` for the one end there is; a native stream has none."""

    breaks = "STREAM-10"

    class reader(StreamReader):  # noqa: N801
        def _native(self, value: dict[str, JSON]) -> list[answers.Piece] | None:
            pieces = super()._native(value)
            self.complete = False
            return pieces


class DoneWhereTheKeyIs(BrokenStream):
    """``"generated_text" in event``: the key is there on every token."""

    breaks = "STREAM-11"

    class reader(StreamReader):  # noqa: N801
        def _native(self, value: dict[str, JSON]) -> list[answers.Piece] | None:
            pieces = super()._native(value)
            return [replace(piece, done="generated_text" in value) for piece in pieces or ()]


class TakesAnyEndForTheEnd(BrokenStream):
    """The body is over, so the answer is."""

    breaks = "STREAM-12"

    class reader(StreamReader):  # noqa: N801
        def end(self) -> Pieces:
            self.complete = True
            return iter(())


class WantsAFinishReason(BrokenStream):
    """``[DONE]`` alone is not believed."""

    breaks = "STREAM-13"

    class reader(StreamReader):  # noqa: N801
        def _event(self, event: ServerSentEvent) -> Pieces:
            if event.data.strip() == "[DONE]" and not self._finished and self.kind != "generate":
                raise errors.TruncatedStreamError("no finish_reason before [DONE]")
            return super()._event(event)


class WantsDone(BrokenStream):
    """A finish_reason and a clean end of the body are not believed."""

    breaks = "STREAM-14"

    class reader(StreamReader):  # noqa: N801
        def end(self) -> Pieces:
            if not self.complete:
                raise errors.TruncatedStreamError("no [DONE]")
            return iter(())


# --- errors ------------------------------------------------------------------------------------------------


class SkipsNativeErrors(BrokenStream):
    """An event without a token is passed over, errors among them."""

    breaks = "STREAM-15"

    class reader(StreamReader):  # noqa: N801
        def _event(self, event: ServerSentEvent) -> Pieces:
            if self.kind == "generate" and event.data.startswith('{"error"'):
                return iter(())
            return super()._event(event)


class SkipsOpenAIErrors(BrokenStream):
    """A chunk without choices is passed over, errors among them; ``[DONE]`` follows and all seems well."""

    breaks = "STREAM-16"

    class reader(StreamReader):  # noqa: N801
        def _event(self, event: ServerSentEvent) -> Pieces:
            if self.kind != "generate" and event.data.startswith('{"error"'):
                return iter(())
            return super()._event(event)


class SkipsOtherEventTypes(BrokenStream):
    """Only frames of the type ``message`` are looked at."""

    breaks = "STREAM-17"

    class reader(StreamReader):  # noqa: N801
        def _event(self, event: ServerSentEvent) -> Pieces:
            return iter(()) if event.event != "message" else super()._event(event)


class IndexesTheFirstChoice(BrokenStream):
    """``chunk["choices"][0]`` on every chunk."""

    breaks = "STREAM-18"

    class reader(StreamReader):  # noqa: N801
        def _openai(self, value: dict[str, JSON]) -> list[answers.Piece] | None:
            value["choices"][0]  # type: ignore[call-overload,index]
            return super()._openai(value)


class HandsOutWhatIsNotJson(BrokenStream):
    """A line that is not JSON is taken for text."""

    breaks = "STREAM-22"

    class reader(StreamReader):  # noqa: N801
        def _event(self, event: ServerSentEvent) -> Pieces:
            try:
                yield from super()._event(event)
            except errors.ProtocolError:
                yield answers.Piece(text=event.data)


class ReadsAnyBodyAsEvents(BrokenStream):
    """Never looks at the content type: a body without events is an empty success."""

    breaks = "STREAM-23"

    class decoder(SSEDecoder):  # noqa: N801
        seen = False

        def feed(self, data: bytes) -> list[ServerSentEvent]:
            events = super().feed(data)
            self.seen = self.seen or bool(events)
            return events

    class reader(StreamReader):  # noqa: N801
        def end(self) -> Pieces:
            self.complete = self.complete or not getattr(self._decoder, "seen", True)
            return super().end()

    def __init__(self) -> None:
        super().__init__()
        transport.Reply.is_event_stream = property(lambda _: True)  # type: ignore[method-assign,assignment]


class NeverLooksAtTheStatus(BrokenStream):
    """A refusal is read as a stream, and ends as an empty one."""

    breaks = "STREAM-24"
    shows_in = ("streams",)

    def chat(self, messages: Any, **given: Any) -> Answer | Iterator[Piece]:
        return _quiet(super().chat(messages, **given))

    def generate(self, prompt: Any, **given: Any) -> Answer | Iterator[Piece]:
        return _quiet(super().generate(prompt, **given))

    def completions(self, prompt: Any, **given: Any) -> Answer | Iterator[Piece]:
        return _quiet(super().completions(prompt, **given))


def _quiet(result: Answer | Iterator[Piece]) -> Answer | Iterator[Piece]:
    if isinstance(result, Answer):
        return result

    def pieces() -> Iterator[Piece]:
        try:
            yield from result
        except errors.StatusError:
            return

    return pieces()


# --- what is handed over, when, and to whom ----------------------------------------------------------------


class _Notes(SSEDecoder):
    """A decoder that its reader, which has slots, keeps things in."""

    last_text = ""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[answers.Piece] = []


class DropsRepeatedTokens(BrokenStream):
    """A token equal to the one before it is taken for a repeated delivery."""

    breaks = "STREAM-19"
    decoder = _Notes

    class reader(StreamReader):  # noqa: N801
        _decoder: _Notes

        def feed(self, data: bytes) -> Pieces:
            for piece in super().feed(data):
                if not piece.text or piece.text != self._decoder.last_text:
                    yield piece
                self._decoder.last_text = piece.text


class HandsOutTheWholeAtTheEnd(BrokenStream):
    """Gathers the answer and hands its pieces out when it is whole."""

    breaks = "STREAM-20"
    decoder = _Notes

    class reader(StreamReader):  # noqa: N801
        _decoder: _Notes

        def feed(self, data: bytes) -> Pieces:
            kept = self._decoder.kept
            try:
                kept.extend(super().feed(data))
            except errors.TGIError:
                yield from kept
                raise
            if self.complete:
                yield from kept

        def end(self) -> Pieces:
            yield from self._decoder.kept
            yield from super().end()


class HandsOutSpecialTokens(BrokenStream):
    """``</s>`` ends up in the text."""

    breaks = "STREAM-21"

    class reader(StreamReader):  # noqa: N801
        def _native(self, value: dict[str, Any]) -> list[answers.Piece] | None:
            return [
                replace(piece, text=value["token"]["text"], special=False)
                for piece in super()._native(value) or ()
            ]


class TakesTheTimeoutForATotal(BrokenStream):
    """A stream that talks steadily is cut when the read timeout is over."""

    breaks = "STREAM-25"
    shows_in = ("streams",)

    def __init__(self) -> None:
        super().__init__()
        self._timeouts: dict[str, float | None] = {}

    def create_endpoint(self, **given: Any) -> str:
        made = super().create_endpoint(**given)
        self._timeouts[made] = given.get("timeout")
        return made

    def chat(self, messages: Any, **given: Any) -> Answer | Iterator[Piece]:
        if given.get("deadline") is None:
            given["deadline"] = self._timeouts.get(given.get("endpoint_id") or "")
        return super().chat(messages, **given)


class WaitsForEver(BrokenStream):
    """The timeout is for connecting; a silent stream is waited for without end."""

    breaks = "STREAM-25"
    shows_in = ("streams",)

    def create_endpoint(self, **given: Any) -> str:
        return super().create_endpoint(**{**given, "timeout": None})


class IgnoresTheIndex(BrokenStream):
    """All choices of a stream are taken for the first."""

    breaks = "STREAM-26"

    class reader(StreamReader):  # noqa: N801
        def _choice(self, choice: dict[str, JSON]) -> answers.Piece:
            return replace(super()._choice(choice), index=0)


class SharesOneBuffer(BrokenStream):
    """The piece under way is kept in the client, for all its streams."""

    breaks = "STREAM-27"
    shows_in = ("streams",)

    def __init__(self) -> None:
        super().__init__()
        self._current: Piece | None = None
        self._lock = threading.Lock()

    def chat(self, messages: Any, **given: Any) -> Answer | Iterator[Piece]:
        result = super().chat(messages, **given)
        return result if isinstance(result, Answer) else self._through(result)

    def _through(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            with self._lock:
                self._current = piece
            time.sleep(0.001)  # whatever a client does with a piece
            with self._lock:
                shared = self._current
            if shared is not None:
                yield shared

"""Mistakes in the streams of completions alone, whose reader is often another than that of chat (STREAM)."""

from stream import BrokenStream, Pieces

from tgi_conformance.backends.reference import answers, errors
from tgi_conformance.backends.reference.stream_reader import StreamReader
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.sse import ServerSentEvent


class CompletionsWantAFinishReason(BrokenStream):
    """``[DONE]`` is believed on chat, and on completions only behind a finish reason."""

    breaks = "STREAM-13"

    class reader(StreamReader):  # noqa: N801
        def _event(self, event: ServerSentEvent) -> Pieces:
            if event.data.strip() == "[DONE]" and not self._finished and self.kind == "completions":
                raise errors.TruncatedStreamError("no finish_reason before [DONE]")
            return super()._event(event)


class CompletionsWantDone(BrokenStream):
    """A finish reason and a clean end are believed on chat, and not on completions."""

    breaks = "STREAM-14"

    class reader(StreamReader):  # noqa: N801
        def end(self) -> Pieces:
            if not self.complete and self.kind == "completions":
                raise errors.TruncatedStreamError("no [DONE]")
            return super().end()


class CompletionsIndexTheFirstChoice(BrokenStream):
    """``choices[0]`` of the usage chunk, on completions alone."""

    breaks = "STREAM-18"

    class reader(StreamReader):  # noqa: N801
        def _openai(self, value: dict[str, JSON]) -> list[answers.Piece] | None:
            if self.kind == "completions":
                value["choices"][0]  # type: ignore[call-overload,index]
            return super()._openai(value)

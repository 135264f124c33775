"""Mistakes in what is made of streams, where whole answers are read rightly (RESP, GEN)."""
# ruff: noqa: ARG002 - the parts exchanged take more than each mistake needs

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

from seams import Broken, BrokenCalls, exchange

from tgi_conformance.backends.reference import answers, engine
from tgi_conformance.backends.reference.stream_reader import StreamReader

Pieces = Iterator[answers.Piece]
#: What a client takes for a special token of some model.
_LOOKS_SPECIAL = re.compile(r"<\|[^|]*\|>|</?s>")


class _ReadsStreams(Broken):
    """A mistake in the reading of streams: ``event`` is changed before it is read, ``piece`` after it."""

    key = "chat_method"

    def damage(self) -> None:
        def changed(right: Callable[..., Any]) -> Callable[..., Any]:
            def read(reader: StreamReader, event: dict[str, Any]) -> list[answers.Piece] | None:
                self.event(event)
                pieces = right(reader, event)
                return None if pieces is None else [self.piece(piece, reader) for piece in pieces]

            return read

        exchange(StreamReader, "_native", changed)
        exchange(StreamReader, "_openai", changed)

    def event(self, event: dict[str, Any]) -> None:
        """Look at an event before it is read."""

    def piece(self, piece: answers.Piece, reader: StreamReader) -> answers.Piece:
        """Change a piece."""
        return piece


class DropsLookAlikes(_ReadsStreams):
    """Takes what looks like a special token out of the streams of completions."""

    breaks = "RESP-02"
    key = "post_request"

    def piece(self, piece: answers.Piece, reader: StreamReader) -> answers.Piece:
        if reader.kind != "completions":
            return piece
        return replace(piece, text=_LOOKS_SPECIAL.sub("", piece.text))


class LosesTheLastText(_ReadsStreams):
    """Takes the event with the finish reason for a mark alone; there may be text in it."""

    breaks = "RESP-02"
    key = "post_request"

    def piece(self, piece: answers.Piece, reader: StreamReader) -> answers.Piece:
        return replace(piece, text="") if piece.finish_reason else piece


class CutsThePromptsLength(BrokenCalls):
    """Takes as many characters off a stream as the prompt has."""

    breaks = "RESP-03"
    key = "post_request"

    def generate(self, prompt: Any, **given: Any) -> Any:
        made = super().generate(prompt, **given)
        return self._cut(made, len(prompt)) if given.get("stream") and isinstance(prompt, str) else made

    @staticmethod
    def _cut(pieces: Any, left: int) -> Any:
        for piece in pieces:
            yield replace(piece, text=piece.text[left:])
            left = max(0, left - len(piece.text))


class NeedsContentInDeltas(_ReadsStreams):
    """Reads ``delta["content"]`` of every chunk."""

    breaks = "RESP-04"

    def event(self, event: dict[str, Any]) -> None:
        for choice in event.get("choices") or ():
            if "delta" in choice and choice["delta"].get("tool_calls"):
                choice["delta"]["content"]


class BelievesTheObjectOfChunks(_ReadsStreams):
    """Insists on the word in ``object`` of each chunk."""

    breaks = "RESP-05"

    def event(self, event: dict[str, Any]) -> None:
        if event.get("object", "chat.completion.chunk") not in ("chat.completion.chunk", "text_completion"):
            raise ValueError(f"no chunk: {event['object']}")


class CountsOnLogprobs(_ReadsStreams):
    """Adds the log probabilities of a native stream up; the first may be null."""

    breaks = "RESP-05"

    def event(self, event: dict[str, Any]) -> None:
        if "token" in event:
            _ = event["token"]["logprob"] + 0.0


class AnyListIsCalls(Broken):
    """Takes an answer for one of tool calls where the key is there; an empty list holds none (openclaw)."""

    breaks = "RESP-05"
    key = "chat_method"

    def damage(self) -> None:
        def parsed(right: Callable[..., Any]) -> Callable[..., Any]:
            def parse(kind: Any, body: bytes, headers: Any, request_id: str) -> Any:
                made = right(kind, body, headers, request_id)
                message = made.raw["choices"][0]["message"] if kind == "chat" else {}
                empty = message.get("tool_calls", ...) in ([], None)
                return replace(made, text="", texts=("",)) if empty else made

            return parse

        exchange(engine, "parse_answer", parsed)


class ClosedFinishReasonsOfStreams(_ReadsStreams):
    """Keeps the finish reasons of streams in an enum."""

    breaks = "RESP-06"

    def piece(self, piece: answers.Piece, reader: StreamReader) -> answers.Piece:
        if piece.finish_reason not in (
            None,
            "",
            "stop",
            "length",
            "eos_token",
            "stop_sequence",
            "tool_calls",
        ):
            raise ValueError(f"{piece.finish_reason!r} is not a valid FinishReason")
        return piece


class LosesTheFinishOfStreams(_ReadsStreams):
    """Has a place for the finish reason in its pieces, and never fills it."""

    breaks = "RESP-07"

    def piece(self, piece: answers.Piece, reader: StreamReader) -> answers.Piece:
        return replace(piece, finish_reason=None)


class FinishesEachPiece(_ReadsStreams):
    """Gives each piece a finish reason: "stop" where there is none yet."""

    breaks = "RESP-07"

    def piece(self, piece: answers.Piece, reader: StreamReader) -> answers.Piece:
        return replace(piece, finish_reason=piece.finish_reason or "stop")


class CutsStreamsAtStop(Broken):
    """Ends a stream where it finds a stop string, although the server went on."""

    breaks = "GEN-09"
    key = "test_endpoint_params"

    def damage(self) -> None:
        def cutting(right: Callable[..., AsyncIterator[answers.Piece]]) -> Callable[..., Any]:
            async def pieces(reply: Any, call: Any) -> AsyncIterator[answers.Piece]:
                sent = json.loads(call.outgoing.body)
                stops = sent.get("stop") or (sent.get("parameters") or {}).get("stop") or []
                async for piece in right(reply, call):
                    hit = next((stop for stop in stops if stop in piece.text), None)
                    if hit:
                        yield replace(piece, text=piece.text[: piece.text.index(hit)], done=True)
                        return
                    yield piece

            return pieces

        exchange(engine, "_pieces", cutting)


class EndsStreamsInsideAToken(CutsStreamsAtStop):
    """The same, of a text that TGI went on with because the stop string stood inside a token."""

    breaks = "RESP-02"
    key = "post_request"


class SwapsUsage(BrokenCalls):
    """Has the counts of prompt and completion in each other's places."""

    breaks = "RESP-15"
    key = "chat_method"

    def answered(self, answer: Any, subject: Any, parameters: dict[str, Any]) -> Any:
        usage = answer.usage
        swapped = replace(usage, prompt_tokens=usage.completion_tokens, completion_tokens=usage.prompt_tokens)
        return replace(answer, usage=swapped)


class CountsTheTotalOfStreams(_ReadsStreams):
    """Takes the total of a stream for the tokens of its completion."""

    breaks = "RESP-15"

    def piece(self, piece: answers.Piece, reader: StreamReader) -> answers.Piece:
        usage = piece.usage
        if usage is None:
            return piece
        return replace(piece, usage=answers.Usage(usage.prompt_tokens, usage.total_tokens))


class FirstUsageStands(_ReadsStreams):
    """Keeps the first usage that a stream states; later ones count what was said since."""

    breaks = "RESP-15"

    def piece(self, piece: answers.Piece, reader: StreamReader) -> answers.Piece:
        if piece.usage is None:
            return piece
        first = reader._usage.setdefault(-1, piece.usage)
        return replace(piece, usage=first)


class LosesUsageWithoutChoices(_ReadsStreams):
    """Passes over a chunk without choices, where the usage stands."""

    breaks = "RESP-15"

    def event(self, event: dict[str, Any]) -> None:
        if event.get("choices") == []:
            event["usage"] = None

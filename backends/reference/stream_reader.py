"""The events of a stream as pieces, and whether the stream has ended well. Pure, without I/O.

Terminal marks: native, the event whose ``generated_text`` is a string; OpenAI routes, ``[DONE]``,
or a finish reason for every choice followed by a proper end of the body. Anything else at the
end of the body is truncation. An error event ends the stream, whatever follows it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tgi_conformance.backends.reference import json_values, logprobs
from tgi_conformance.backends.reference.answers import CUT_BY_LENGTH, Piece, Usage
from tgi_conformance.backends.reference.errors import (
    EXCERPT_LIMIT,
    ProtocolError,
    TruncatedStreamError,
)
from tgi_conformance.backends.reference.failures import is_error_object, remote_error
from tgi_conformance.backends.reference.json_values import (
    JSON,
    as_count,
    as_object,
    as_text,
)
from tgi_conformance.backends.reference.responses import Kind, usage_from
from tgi_conformance.backends.reference.tool_calls import ToolCallJoiner, deltas
from tgi_conformance.contracts.sse import ServerSentEvent, SSEDecoder, SSEError

_DONE: Final = "[DONE]"
_OK: Final = 200


@dataclass(slots=True)
class StreamReader:
    """Reads one stream. ``choices`` is how many prompts it answers.

    Feed it the body's bytes as they come, until ``complete``; call ``end`` if the body ends.
    """

    kind: Kind
    request_id: str
    choices: int = 1
    complete: bool = False
    """Whether a mark that ends the stream by itself was seen: nothing after it is read."""

    _decoder: SSEDecoder = field(default_factory=SSEDecoder)
    _finished: dict[int, str] = field(default_factory=dict)
    _tools: ToolCallJoiner = field(default_factory=ToolCallJoiner)
    _usage: dict[int | None, Usage] = field(default_factory=dict)

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Yield the pieces that ``data`` finishes.

        Raises ``RemoteError`` for an error event and ``ProtocolError`` for what is not TGI's,
        each after the pieces before it.
        """
        try:
            events = self._decoder.feed(data)
            broken = None
        except SSEError as error:
            events, broken = list(error.events), str(error)
        for event in events:
            yield from self._event(event)
            if self.complete:
                return
        if broken is not None:
            raise ProtocolError(f"unreadable stream: {broken}", status=_OK)

    def end(self) -> Iterator[Piece]:
        """Take note of a proper end of the body; yields what only the end can settle."""
        if self.complete:
            return
        self._decoder.close()
        if not self._finished or len(self._finished) < self.choices:
            raise TruncatedStreamError(
                "the stream ended without [DONE], a finish reason or generated_text: the answer is cut short",
                status=_OK,
            )
        self.complete = True
        yield from self._closing_piece()

    @property
    def usage(self) -> Usage:
        """The token counts of the stream as a total.

        Usage is cumulative: the last statement counts. TGI states the usage of several prompts
        one by one, on each prompt's last chunk, and these add up.
        """
        if None in self._usage:
            return self._usage[None]
        parts = self._usage.values()
        return Usage(
            _sum_known([part.prompt_tokens for part in parts]),
            _sum_known([part.completion_tokens for part in parts]),
        )

    def _event(self, event: ServerSentEvent) -> Iterator[Piece]:
        if event.event == "error":
            raise remote_error(_json_or_none(event.data), status=_OK, raw=event.data)
        data = event.data.strip()
        if data == _DONE:
            self.complete = True
            yield from self._closing_piece()
        if data in ("", _DONE):
            return
        try:
            value = json_values.decode(event.data.encode())
        except ValueError as error:
            raise _unreadable(f"not JSON ({error})", event.data) from None
        if is_error_object(value):
            raise remote_error(value, status=_OK, raw=event.data)
        if not isinstance(value, dict):
            raise _unreadable("not an object", event.data)
        pieces = self._native(value) if self.kind == "generate" else self._openai(value)
        if pieces is None:
            raise _unreadable("without the fields of a chunk", event.data)
        yield from pieces

    def _native(self, value: dict[str, JSON]) -> list[Piece] | None:
        token = value.get("token")
        text = as_object(token).get("text")
        final = value.get("generated_text")
        if not isinstance(text, str) and not isinstance(final, str):
            return None
        special = as_object(token).get("special") is True
        if isinstance(final, str):
            self.complete = True
            self._usage[None] = usage_from(None, value.get("details"))
        return [
            Piece(
                text=text if isinstance(text, str) and not special else "",
                special=special,
                done=self.complete,
                finish_reason=as_text(as_object(value.get("details")).get("finish_reason")),
                usage=self.usage if self.complete else None,
                request_id=self.request_id,
                logprobs=logprobs.native_event(value),
            )
        ]

    def _openai(self, value: dict[str, JSON]) -> list[Piece] | None:
        choices = value.get("choices")
        if not isinstance(choices, list):
            return None
        self._note_usage(value, choices)
        pieces = [self._choice(as_object(choice)) for choice in choices]
        if not pieces and self._usage:
            pieces = [Piece(usage=self.usage, request_id=self.request_id)]
        return pieces

    def _choice(self, choice: dict[str, JSON]) -> Piece:
        index = as_count(choice.get("index")) or 0
        delta = as_object(choice.get("delta"))
        text = choice.get("text") if self.kind == "completions" else delta.get("content")
        # An empty finish reason is how TGI's completions say "not finished".
        reason = as_text(choice.get("finish_reason")) or None
        if reason is not None:
            self._finished[index] = reason
        fragments = deltas(delta["tool_calls"]) if delta.get("tool_calls") else ()
        self._tools.add(index, fragments)
        return Piece(
            text=as_text(text) or "",
            index=index,
            done=reason is not None and len(self._finished) >= self.choices,
            finish_reason=reason,
            role=as_text(delta.get("role")),
            tool_call_deltas=fragments,
            usage=self.usage if self._usage else None,
            request_id=self.request_id,
            logprobs=logprobs.chat_tokens(choice) if self.kind == "chat" else None,
        )

    def _note_usage(self, value: dict[str, JSON], choices: list[JSON]) -> None:
        stated = value.get("usage")
        if not isinstance(stated, dict):
            return
        place: int | None = None
        if self.choices > 1 and choices:
            place = as_count(as_object(choices[0]).get("index")) or 0
        self._usage[place] = usage_from(stated)

    def _closing_piece(self) -> Iterator[Piece]:
        """Hand out the joined tool calls, which no single event holds."""
        cut = CUT_BY_LENGTH in self._finished.values()
        calls = self._tools.calls(complete=not cut)
        if calls:
            yield Piece(
                done=True,
                finish_reason=self._finished.get(0),
                tool_calls=calls,
                usage=self.usage if self._usage else None,
                request_id=self.request_id,
            )


def _sum_known(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _unreadable(reason: str, data: str) -> ProtocolError:
    excerpt = data[:EXCERPT_LIMIT]
    return ProtocolError(f"an event of the stream is {reason}: {excerpt}", status=_OK, excerpt=excerpt)


def _json_or_none(data: str) -> JSON:
    try:
        return json_values.decode(data.encode())
    except ValueError:
        return None

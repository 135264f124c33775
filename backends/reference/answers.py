"""What a call gives back: frozen values, the same for every route."""

from dataclasses import dataclass
from typing import Final

from tgi_conformance.backends.reference.json_values import JSON

CUT_BY_LENGTH: Final = "length"
"""The finish reason of an answer that the token limit cut."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the server gave them; ``None``: it did not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    @property
    def total_tokens(self) -> int | None:
        """The sum, if both parts are known."""
        if self.prompt_tokens is None or self.completion_tokens is None:
            return None
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One tool call of the model.

    ``arguments`` is the decoded object, or ``None`` where ``raw_arguments`` is not valid JSON.
    ``complete`` is false if the call may be cut short: such a call must not be carried out.
    """

    name: str | None
    arguments: JSON
    raw_arguments: str
    id: str | None = None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A fragment of a tool call in a stream, as it came."""

    index: int
    id: str | None
    name: str | None
    arguments: str | None


@dataclass(frozen=True, slots=True)
class Logprob:
    """A token that was likely at some place; ``logprob`` is a natural logarithm."""

    token: str | None
    logprob: float | None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token of a text with its log probability, and the likeliest ones at its place."""

    token: str | None
    logprob: float | None
    top: tuple[Logprob, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer. ``texts`` has one text for each prompt; ``text`` is the first."""

    text: str
    texts: tuple[str, ...]
    finish_reason: str | None = None
    usage: Usage = Usage()
    tool_calls: tuple[ToolCall, ...] = ()
    request_id: str | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    prompt_logprobs: tuple[TokenLogprob, ...] | None = None
    raw: JSON = None

    @property
    def incomplete(self) -> bool:
        """Whether the token limit cut the answer, so that JSON or a tool call may be torn."""
        return self.finish_reason == CUT_BY_LENGTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One item of a stream.

    ``index`` is the prompt it belongs to. Joined, the texts are the answer: a special token (such
    as end of sequence) has ``special`` set and no text. The joined ``tool_calls`` come once, on
    the last piece, when the stream has ended well; ``usage`` is the total so far.
    """

    text: str = ""
    index: int = 0
    special: bool = False
    done: bool = False
    finish_reason: str | None = None
    role: str | None = None
    tool_call_deltas: tuple[ToolCallDelta, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    request_id: str | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None

"""What an adapter says of its backend, and what a call gives back.

Adapter authors import from here (as ``tgi_conformance.adapter``) or return plain mappings with the same keys.

A field left out is UNSET: "not exposed", which is not the same as null.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.unset import UNSET, Unset

#: The methods of an adapter; `describe` and `create_endpoint` must exist, the rest by capability.
METHODS = (
    "describe",
    "create_endpoint",
    "generate",
    "chat",
    "completions",
    "test_endpoint",
    "get_stats",
    "classify",
    "close_endpoint",
    "close",
    "update_endpoint",
    "reset_stats",
    "submit",
    "public_objects",
)

#: The settings of ``create_endpoint`` beside ``base_url`` and ``api_key``.
SETTINGS = (
    "model",
    "max_concurrent_requests",
    "queue_size",
    "queue_enabled",
    "max_retries",
    "initial_retry_delay",
    "backoff_factor",
    "max_retry_delay",
    "timeout",
    "pool_size",
    "breaker_failures",
    "breaker_delay",
    "headers",
)

#: Faults of the transport that a retry policy may name as retryable.
Fault = Literal["refused", "reset", "closed", "timeout", "overloaded_event"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """What the backend retries and how long it waits. ``None`` in a field: unknown.

    Delays are seconds. Wait k (k = 0 before the second attempt) is
    ``min(max_delay, initial_delay * factor**k)`` times a value inside ``jitter``.
    """

    statuses: frozenset[int] | None = None
    faults: frozenset[Fault] | None = None
    max_retries: int | None = None
    initial_delay: float | None = None
    factor: float | None = None
    max_delay: float | None = None
    jitter: tuple[float, float] | None = None
    #: The longest Retry-After that is waited out; a longer one ends the call.
    max_retry_after: float | None = None
    #: Whether a call asleep in backoff keeps its concurrency slot.
    keeps_slot: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The circuit breaker of an endpoint, as it is when no setting says otherwise. ``None``: unknown."""

    #: Failed calls in a row after which calls are held back; 0: it is off.
    failures: int | None = None
    #: Seconds from then until one call is let through as a probe.
    delay: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a call may return in place of raising: one of ``values``, or a mapping that has ``key``.

    The message is what stands under ``key``, the HTTP status what stands under ``status_key``.
    """

    values: tuple[JSON, ...] = ()
    key: str | None = None
    status_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Defaults that hold when a setting is not given; ``None``: unknown.

    Timeouts are seconds; ``inf`` says that there is none.
    """

    connect_timeout: float | None = None
    read_timeout: float | None = None
    total_timeout: float | None = None
    max_concurrent_requests: int | None = None
    queue_size: int | None = None
    #: Generation parameters sent although the caller gave none: wire name -> value.
    parameters: Mapping[str, JSON] = field(default_factory=dict)
    #: Sent as bearer token when there is no key (else the header is absent).
    placeholder_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """An adapter's account of its backend; the oracles are computed from it (clause DECL-01)."""

    name: str
    version: str = "unknown"
    capabilities: frozenset[str] = frozenset({"core"})
    retry: RetryPolicy | None = None
    breaker: Breaker | None = None
    #: Values that the calls return in place of raising (clause ERR-01); null: a failed call raises.
    failure: Failure | None = None
    defaults: Defaults = field(default_factory=Defaults)
    #: The settings of ``create_endpoint`` that take effect.
    settings: frozenset[str] = frozenset()
    #: Generation parameters offered, by method, under the names the adapter's methods take.
    #: A method left out offers none.
    parameters: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: Requests sent beside the generation request, as "GET /info".
    auxiliary: tuple[str, ...] = ()
    #: The header that carries ``request_id``.
    request_id_header: str | None = None
    #: What a call over the queue's size meets.
    full_queue: Literal["refuse", "wait"] = "refuse"
    #: Whether a generate answer is the completion alone or prompt and completion.
    returns: Literal["completion", "full_text"] = "completion"
    #: Whether returned text is trimmed of white space (an option that is on).
    trims: bool = False
    #: Whether the setting ``timeout`` is whole seconds: a fraction is refused.
    whole_seconds: bool = False
    #: The backend's packages or modules, where they are not just what the adapter imports: they tell in
    #: whose code an exception began (:mod:`.fault`).
    packages: frozenset[str] = frozenset()
    notes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts as the backend exposes them."""

    prompt_tokens: int | None | Unset = UNSET
    completion_tokens: int | None | Unset = UNSET
    total_tokens: int | None | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One tool call; ``arguments`` decoded, or the raw text where it is not valid JSON."""

    name: str | None | Unset = UNSET
    arguments: JSON | Unset = UNSET
    #: As the backend gives it: TGI 1.4 numbers its calls.
    id: str | int | None | Unset = UNSET
    #: Whether the backend vouches for the call as complete; UNSET: it has no such flag.
    complete: bool | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class TopLogprob:
    """A token that was likely at some place, and the natural logarithm of its probability there."""

    token: str | None | Unset = UNSET
    logprob: float | None | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogprob:
    """A token of a text with its log probability, one form for what each route calls otherwise.

    Native: an item of ``details.tokens`` or ``details.prefill``, or the ``token`` of an event; chat: an item
    of ``logprobs.content``.
    """

    token: str | None | Unset = UNSET
    #: Null where the server gave none, as for the first token of a prompt.
    logprob: float | None | Unset = UNSET
    #: The likeliest tokens at its place (``top_tokens``, ``top_logprobs``), in the server's order.
    top: tuple[TopLogprob, ...] | None | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one call gave back."""

    text: str | None | Unset = UNSET
    #: One text per prompt (``completions`` with a list of prompts).
    texts: tuple[str, ...] | Unset = UNSET
    finish_reason: str | None | Unset = UNSET
    usage: Usage | None | Unset = UNSET
    tool_calls: tuple[ToolCall, ...] | None | Unset = UNSET
    request_id: str | None | Unset = UNSET
    #: True where the backend itself says that the answer is cut short.
    incomplete: bool | Unset = UNSET
    #: The generated tokens in order, special ones too where the server lists them.
    logprobs: tuple[TokenLogprob, ...] | None | Unset = UNSET
    #: The tokens of the prompt (native ``prefill``).
    prompt_logprobs: tuple[TokenLogprob, ...] | None | Unset = UNSET
    #: Anything else; scanned for secrets, never judged.
    raw: JSON | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta:
    """A fragment of a tool call in a stream; without an index it is the first call's."""

    index: int | None | Unset = UNSET
    id: str | int | None | Unset = UNSET
    name: str | None | Unset = UNSET
    arguments: str | None | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One item of a stream."""

    text: str | None | Unset = UNSET
    #: The prompt it belongs to (``completions`` with a list of prompts).
    index: int | Unset = UNSET
    #: True for an end-of-sequence or other special token.
    special: bool | Unset = UNSET
    #: True on the piece that ends the stream.
    done: bool | Unset = UNSET
    finish_reason: str | None | Unset = UNSET
    tool_call_delta: tuple[ToolCallDelta, ...] | None | Unset = UNSET
    #: The joined calls, where the backend hands them out at the end of a stream.
    tool_calls: tuple[ToolCall, ...] | None | Unset = UNSET
    usage: Usage | None | Unset = UNSET
    request_id: str | None | Unset = UNSET
    role: str | None | Unset = UNSET
    #: The tokens of this piece.
    logprobs: tuple[TokenLogprob, ...] | None | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorInfo:
    """An exception of the backend, classified by its adapter."""

    kind: ErrorKind
    status: int | None | Unset = UNSET
    message: str | None | Unset = UNSET
    retry_after: float | None | Unset = UNSET
    error_type: str | None | Unset = UNSET
    request_id: str | None | Unset = UNSET

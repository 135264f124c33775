"""Adapters that join the reference client to the kit: one class a face."""

from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Future
from typing import Any, Final

from tgi_conformance.backends import reference
from tgi_conformance.backends.reference import errors, retry_policy, settings
from tgi_conformance.contracts.adapter import (
    Answer,
    Breaker,
    Defaults,
    Description,
    ErrorInfo,
    Piece,
    RetryPolicy,
    TokenLogprob,
    ToolCall,
    ToolCallDelta,
    TopLogprob,
    Usage,
)
from tgi_conformance.contracts.catalogue.capabilities import CAPABILITIES
from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.unset import UNSET

VERSION: Final = "0.1.0"

#: Each face claims all that there is, but for being the other one.
_SYNC: Final = frozenset(CAPABILITIES) - {"async"}
_ASYNC: Final = frozenset(CAPABILITIES)

#: What each call takes.
_COMMON: Final = frozenset(
    {"deadline", "frequency_penalty", "headers", "seed", "stop", "temperature", "top_p"}
)
_PARAMETERS: Final[Mapping[str, frozenset[str]]] = {
    "generate": _COMMON
    | {
        "adapter_id", "best_of", "decoder_input_details", "details", "do_sample", "grammar",
        "max_new_tokens", "repetition_penalty", "return_full_text", "top_k", "top_n_tokens", "truncate",
        "typical_p", "watermark",
    },
    "chat": _COMMON
    | {
        "guideline", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "model", "n",
        "presence_penalty", "response_format", "stream_options", "tool_choice", "tool_prompt", "tools",
        "top_logprobs",
    },
    "completions": _COMMON | {"max_tokens", "model", "repetition_penalty", "suffix"},
}  # fmt: skip

#: The first class that an exception is an instance of decides its kind.
_KINDS: Final[tuple[tuple[type[BaseException], ErrorKind], ...]] = (
    (errors.QueueFullError, ErrorKind.REFUSED),
    (errors.CircuitOpenError, ErrorKind.REFUSED),
    (errors.ClosedError, ErrorKind.CLOSED),
    (errors.InvalidArgumentError, ErrorKind.INVALID_ARGUMENT),
    (errors.TruncatedStreamError, ErrorKind.TRUNCATED_STREAM),
    (errors.ProtocolError, ErrorKind.PROTOCOL),
    (errors.RequestTimeoutError, ErrorKind.TIMEOUT),
    (errors.TransportError, ErrorKind.TRANSPORT),
    (errors.AuthenticationError, ErrorKind.AUTH),
    (errors.NotFoundError, ErrorKind.NOT_FOUND),
    (errors.PayloadTooLargeError, ErrorKind.PAYLOAD_TOO_LARGE),
    (errors.ValidationError, ErrorKind.VALIDATION),
    (errors.BadRequestError, ErrorKind.BAD_REQUEST),
    (errors.OverloadedError, ErrorKind.OVERLOADED),
    (errors.RateLimitError, ErrorKind.RATE_LIMITED),
    (errors.ServerError, ErrorKind.SERVER_ERROR),
    (errors.RemoteError, ErrorKind.REMOTE_ERROR),
)


class ReferenceAdapter:
    """The synchronous face; the kit's default backend."""

    def __init__(self) -> None:
        self._client = reference.Client()

    def describe(self) -> Description:
        """What the reference client claims."""
        return _description("reference", _SYNC)

    def create_endpoint(self, **given: Any) -> str:
        """Make an endpoint; takes the guide's settings."""
        return self._client.create_endpoint(**given)

    def update_endpoint(self, endpoint_id: str, **given: Any) -> None:
        """Change an endpoint's settings."""
        self._client.update_endpoint(endpoint_id, **given)

    def generate(self, prompt: Any, **given: Any) -> Answer | Iterator[Piece]:
        """Call the native route."""
        return _result(self._client.generate(prompt, **given))

    def chat(self, messages: Any, **given: Any) -> Answer | Iterator[Piece]:
        """Call the chat route."""
        return _result(self._client.chat(messages, **given))

    def completions(self, prompt: Any, **given: Any) -> Answer | Iterator[Piece]:
        """Call the completions route."""
        return _result(self._client.completions(prompt, **given))

    def submit(
        self, kind: Any, prompt: Any = None, *, messages: Any = None, **given: Any
    ) -> "Future[Answer]":
        """Begin a call whose future can be cancelled."""
        theirs = self._client.submit(kind, messages if prompt is None else prompt, **given)
        return _Converted(theirs)

    def test_endpoint(self, **given: Any) -> reference.EndpointCheck:
        """Ask an endpoint for one token."""
        return self._client.test_endpoint(**given)

    def get_stats(self, endpoint_id: str | None = None) -> dict[str, int]:
        """Return the counters."""
        return self._client.get_stats(endpoint_id)

    def reset_stats(self, endpoint_id: str | None = None) -> None:
        """Set the counters to 0."""
        self._client.reset_stats(endpoint_id)

    def public_objects(self) -> list[object]:
        """What a user may print."""
        return [self._client, *self._client.endpoints.items()]

    def classify(self, error: BaseException) -> ErrorInfo | None:
        """Name the kind of an exception."""
        return classify(error)

    def close_endpoint(self, endpoint_id: str) -> None:
        """Close one endpoint."""
        self._client.close_endpoint(endpoint_id)

    def close(self) -> None:
        """Close the client."""
        self._client.close()


class AsyncReferenceAdapter:
    """The asynchronous face."""

    def __init__(self) -> None:
        self._client = reference.AsyncClient()

    def describe(self) -> Description:
        """What the reference client claims."""
        return _description("reference-async", _ASYNC)

    async def create_endpoint(self, **given: Any) -> str:
        """Make an endpoint; takes the guide's settings."""
        return self._client.create_endpoint(**given)

    async def update_endpoint(self, endpoint_id: str, **given: Any) -> None:
        """Change an endpoint's settings."""
        self._client.update_endpoint(endpoint_id, **given)

    async def generate(self, prompt: Any, **given: Any) -> Answer | AsyncIterator[Piece]:
        """Call the native route."""
        return await _async_result(self._client.generate(prompt, **given))

    async def chat(self, messages: Any, **given: Any) -> Answer | AsyncIterator[Piece]:
        """Call the chat route."""
        return await _async_result(self._client.chat(messages, **given))

    async def completions(self, prompt: Any, **given: Any) -> Answer | AsyncIterator[Piece]:
        """Call the completions route."""
        return await _async_result(self._client.completions(prompt, **given))

    async def test_endpoint(self, **given: Any) -> reference.EndpointCheck:
        """Ask an endpoint for one token."""
        return await self._client.test_endpoint(**given)

    async def get_stats(self, endpoint_id: str | None = None) -> dict[str, int]:
        """Return the counters."""
        return self._client.get_stats(endpoint_id)

    async def reset_stats(self, endpoint_id: str | None = None) -> None:
        """Set the counters to 0."""
        self._client.reset_stats(endpoint_id)

    async def public_objects(self) -> list[object]:
        """What a user may print."""
        return [self._client, *self._client.endpoints.items()]

    def classify(self, error: BaseException) -> ErrorInfo | None:
        """Name the kind of an exception."""
        return classify(error)

    async def close_endpoint(self, endpoint_id: str) -> None:
        """Close one endpoint."""
        await self._client.close_endpoint(endpoint_id)

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()


def classify(error: BaseException) -> ErrorInfo | None:
    """The kit's name for an exception of the client; None for any other."""
    kind = next((kind for cls, kind in _KINDS if isinstance(error, cls)), None)
    if kind is None or not isinstance(error, errors.TGIError):
        return None
    return ErrorInfo(
        kind=kind,
        status=UNSET if error.status is None else error.status,
        message=error.message,
        retry_after=UNSET if error.retry_after is None else error.retry_after,
        error_type=UNSET if error.error_type is None else error.error_type,
        request_id=UNSET if error.request_id is None else error.request_id,
    )


def _description(name: str, capabilities: frozenset[str]) -> Description:
    # The defaults of a dataclass with slots can be read from an instance only.
    default = settings.EndpointSettings(base_url="http://localhost")
    return Description(
        name=name,
        version=VERSION,
        capabilities=capabilities,
        retry=RetryPolicy(
            statuses=retry_policy.RETRYABLE_STATUSES,
            faults=frozenset({"refused", "reset", "closed", "overloaded_event"}),
            max_retries=default.max_retries,
            initial_delay=default.initial_retry_delay,
            factor=default.backoff_factor,
            max_delay=default.max_retry_delay,
            jitter=retry_policy.JITTER,
            max_retry_after=default.max_retry_after,
            keeps_slot=False,
        ),
        breaker=Breaker(failures=default.breaker_failures, delay=default.breaker_delay),
        defaults=Defaults(
            connect_timeout=settings.CONNECT_TIMEOUT,
            read_timeout=settings.READ_TIMEOUT,
            total_timeout=settings.TOTAL_TIMEOUT,
            max_concurrent_requests=default.max_concurrent_requests,
            queue_size=default.queue_size,
        ),
        settings=frozenset(
            {
                "max_concurrent_requests", "queue_size", "queue_enabled", "max_retries",
                "initial_retry_delay", "backoff_factor", "max_retry_delay", "timeout", "pool_size", "model",
                "breaker_failures", "breaker_delay", "headers",
            }
        ),
        parameters=_PARAMETERS,
        request_id_header="X-Request-Id",
        full_queue="refuse",
    )  # fmt: skip


def _result(given: reference.Answer | reference.Stream) -> Answer | Iterator[Piece]:
    return _pieces(given) if isinstance(given, reference.Stream) else _answer(given)


def _pieces(stream: reference.Stream) -> Iterator[Piece]:
    # Leaving this generator, in whatever way, leaves the stream.
    with stream:
        for piece in stream:
            yield _piece(piece)


async def _async_result(given: Any) -> Answer | AsyncIterator[Piece]:
    return _async_pieces(given) if isinstance(given, reference.AsyncStream) else _answer(await given)


async def _async_pieces(stream: reference.AsyncStream) -> AsyncIterator[Piece]:
    async with stream:
        async for piece in stream:
            yield _piece(piece)


def _answer(given: reference.Answer) -> Answer:
    return Answer(
        text=given.text,
        texts=given.texts,
        finish_reason=given.finish_reason,
        usage=_usage(given.usage),
        tool_calls=tuple(map(_tool_call, given.tool_calls)),
        request_id=given.request_id,
        incomplete=given.incomplete,
        logprobs=_logprobs(given.logprobs),
        prompt_logprobs=_logprobs(given.prompt_logprobs),
        raw=given.raw,
    )


def _piece(given: reference.Piece) -> Piece:
    return Piece(
        text=given.text,
        index=given.index,
        special=given.special,
        done=given.done,
        finish_reason=given.finish_reason,
        tool_call_delta=tuple(
            ToolCallDelta(index=delta.index, id=delta.id, name=delta.name, arguments=delta.arguments)
            for delta in given.tool_call_deltas
        ),
        tool_calls=tuple(map(_tool_call, given.tool_calls)) if given.done else UNSET,
        usage=UNSET if given.usage is None else _usage(given.usage),
        request_id=given.request_id,
        role=UNSET if given.role is None else given.role,
        logprobs=UNSET if given.logprobs is None else _logprobs(given.logprobs),
    )


def _logprobs(given: tuple[reference.TokenLogprob, ...] | None) -> tuple[TokenLogprob, ...] | None:
    if given is None:
        return None
    return tuple(
        TokenLogprob(
            token=each.token,
            logprob=each.logprob,
            top=tuple(TopLogprob(token=one.token, logprob=one.logprob) for one in each.top),
        )
        for each in given
    )


def _usage(given: reference.Usage) -> Usage:
    return Usage(
        prompt_tokens=given.prompt_tokens,
        completion_tokens=given.completion_tokens,
        total_tokens=given.total_tokens,
    )


def _tool_call(given: reference.ToolCall) -> ToolCall:
    # Arguments that are not valid JSON are shown as the text that came.
    arguments: JSON = given.raw_arguments if given.arguments is None else given.arguments
    return ToolCall(name=given.name, arguments=arguments, id=given.id, complete=given.complete)


class _Converted(Future[Answer]):
    """The client's future, its answer in the kit's form."""

    def __init__(self, theirs: "Future[reference.Answer]") -> None:
        super().__init__()
        self._theirs = theirs
        theirs.add_done_callback(self._take)

    def cancel(self) -> bool:
        """Take the call back."""
        return self._theirs.cancel()

    def _take(self, theirs: "Future[reference.Answer]") -> None:
        if theirs.cancelled():
            super().cancel()
            self.set_running_or_notify_cancel()
            return
        error = theirs.exception()
        if error is not None:
            self.set_exception(error)
        else:
            self.set_result(_answer(theirs.result()))

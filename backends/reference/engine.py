"""One call's life: queue, attempts, waits, outcome. The deadline spans all of them."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from tgi_conformance.backends.reference.answers import Answer, Piece
from tgi_conformance.backends.reference.calls import Call
from tgi_conformance.backends.reference.endpoint import Endpoint
from tgi_conformance.backends.reference.errors import (
    CircuitOpenError,
    ClosedError,
    QueueFullError,
    RateLimitError,
    RequestTimeoutError,
    TGIError,
)
from tgi_conformance.backends.reference.failures import status_error
from tgi_conformance.backends.reference.interruption import Interruptible
from tgi_conformance.backends.reference.responses import parse_answer
from tgi_conformance.backends.reference.retry_after import parse_retry_after
from tgi_conformance.backends.reference.retry_policy import wait_before_retry
from tgi_conformance.backends.reference.settings import TOTAL_TIMEOUT
from tgi_conformance.backends.reference.stats import CallEntry, Ending
from tgi_conformance.backends.reference.stream_reader import StreamReader
from tgi_conformance.backends.reference.transport import Reply, Transport

_OK = 200
_DRAIN_TIME = 0.05
"""Seconds that a finished stream is given to end its body, so that its connection can be kept."""
_DRAIN_BYTES = 64 * 1024


@dataclass(slots=True)
class Course:
    """A call under way on its endpoint. ``not_before`` is a time of the monotonic clock."""

    endpoint: Endpoint
    call: Call
    not_before: float = 0.0
    failures: int = 0
    deadline_at: float = field(init=False)
    transport: Transport = field(init=False)
    entry: CallEntry = field(init=False)
    _number: int | None = None

    def __post_init__(self) -> None:
        limit = self.call.deadline
        self.deadline_at = float("inf") if limit is None else time.monotonic() + limit
        self.transport = self.endpoint.transport
        self.entry = self.endpoint.stats.begin()

    @property
    def remaining(self) -> float:
        """Seconds to the deadline."""
        return self.deadline_at - time.monotonic()

    @asynccontextmanager
    async def guarded(self, handle: Interruptible) -> AsyncIterator[None]:
        """Bound a block by the deadline, and let ``handle`` end it when the endpoint is closed."""
        if self.endpoint.closed:
            raise ClosedError("the endpoint was closed")
        with self.endpoint.through_breaker(), self.endpoint.registered(handle):
            async with handle, _bounded(self.remaining, "the deadline of the call is over"):
                yield

    @asynccontextmanager
    async def reply(self) -> AsyncIterator[Reply]:
        """Send one attempt as soon as a slot is free, and hold the slot for the block."""
        if self._number is None:
            await self._await_key()
            self._number = self.endpoint.admission.arrive()
        async with self.endpoint.admission.slot(self._number):
            self.entry.attempt()
            async with self.transport.post(self.call.outgoing) as reply:
                if reply.status != _OK:
                    raise status_error(
                        reply.status,
                        await reply.read_error(),
                        retry_after=parse_retry_after(reply.header_lines("retry-after"), time.time()),
                    )
                yield reply

    def wait_after(self, error: TGIError) -> float | None:
        """Note a failed attempt; return the wait before the next one, or ``None``: give up."""
        self.failures += 1
        self.endpoint.note_failure(error)
        return wait_before_retry(
            error,
            failures=self.failures,
            settings=self.call.outgoing.settings,
            remaining=self.remaining,
            draw=random.uniform,
        )

    def failed(self, error: BaseException) -> None:
        """Book the end of a call that did not succeed, and complete its error."""
        self.entry.end(_ending_of(error))
        if isinstance(error, TGIError):
            error.complete(self.call.request_id, self.call.outgoing.settings.redact)

    async def _await_key(self) -> None:
        wait = self.not_before - time.monotonic()
        if wait <= 0:
            return
        if wait > self.call.outgoing.settings.max_retry_after or wait >= self.remaining:
            raise RateLimitError(
                f"the server asked to wait before this key is used again: {wait:.1f} s more",
                retry_after=wait,
            )
        await asyncio.sleep(wait)


async def whole_answer(course: Course) -> Answer:
    """Run a call to its answer."""
    try:
        async with course.guarded(Interruptible()):
            answer = await _answer_of_attempts(course)
    except BaseException as error:
        course.failed(error)
        raise
    course.endpoint.note_success()
    course.entry.end("successful", answer.usage)
    return answer


async def _answer_of_attempts(course: Course) -> Answer:
    call = course.call
    while True:
        try:
            async with course.reply() as reply:
                limit = _bounded(TOTAL_TIMEOUT, f"the answer took longer than {TOTAL_TIMEOUT:g} s")
                async with limit:
                    body = await reply.read()
                return parse_answer(call.kind, body, reply.headers, call.request_id)
        except TGIError as error:
            wait = course.wait_after(error)
            if wait is None:
                raise
        await asyncio.sleep(wait)


async def pieces_of_attempts(course: Course) -> AsyncGenerator[Piece, None]:
    """Yield the pieces of a stream; once one was handed out nothing is sent again."""
    while True:
        handed_out = False
        try:
            async with course.reply() as reply, aclosing(_pieces(reply, course.call)) as pieces:
                async for piece in pieces:
                    handed_out = True
                    yield piece
                return
        except TGIError as error:
            wait = course.wait_after(error)
            if handed_out or wait is None:
                raise
        await asyncio.sleep(wait)


async def _pieces(reply: Reply, call: Call) -> AsyncGenerator[Piece, None]:
    if not reply.is_event_stream:
        answer = parse_answer(call.kind, await reply.read(), reply.headers, call.request_id)
        for piece in _as_pieces(answer):
            yield piece
        return
    reader = StreamReader(call.kind, call.request_id, call.choices)
    async with aclosing(reply.chunks()) as chunks:
        async for chunk in chunks:
            for piece in reader.feed(chunk):
                yield piece
            if reader.complete:
                await _drain(chunks)
                return
    for piece in reader.end():
        yield piece


async def _drain(chunks: AsyncGenerator[bytes, None]) -> None:
    """Read the end of a finished stream's body if it is there; what it holds does not matter."""
    seen = 0
    try:
        async with asyncio.timeout(_DRAIN_TIME):
            async for chunk in chunks:
                seen += len(chunk)
                if seen > _DRAIN_BYTES:
                    return
    except (TimeoutError, TGIError):
        return


def _as_pieces(answer: Answer) -> list[Piece]:
    """Return the pieces for a server that answers a stream call with one whole answer."""
    last = len(answer.texts) - 1
    return [
        Piece(
            text=text,
            index=index,
            done=index == last,
            finish_reason=answer.finish_reason,
            tool_calls=answer.tool_calls if index == last else (),
            usage=answer.usage if index == last else None,
            request_id=answer.request_id,
            logprobs=answer.logprobs if index == 0 else None,
        )
        for index, text in enumerate(answer.texts)
    ]


@asynccontextmanager
async def _bounded(seconds: float, message: str) -> AsyncIterator[None]:
    """Turn the end of ``seconds`` (``inf``: none) into this client's timeout error."""
    limit = asyncio.timeout(None if seconds == float("inf") else seconds)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
    else:
        return
    raise RequestTimeoutError(message, "total")


def _ending_of(error: BaseException) -> Ending:
    if isinstance(error, QueueFullError | CircuitOpenError):
        return "refused"
    if isinstance(error, asyncio.CancelledError | ClosedError | GeneratorExit | KeyboardInterrupt):
        return "cancelled"
    return "failed"

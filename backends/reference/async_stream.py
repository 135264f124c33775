"""A stream as the asynchronous face hands it out."""

import asyncio
import contextlib
from contextlib import aclosing
from types import TracebackType

from tgi_conformance.backends.reference.answers import Piece, Usage
from tgi_conformance.backends.reference.calls import Call
from tgi_conformance.backends.reference.endpoint import Endpoint
from tgi_conformance.backends.reference.engine import Course, pieces_of_attempts
from tgi_conformance.backends.reference.errors import ClosedError
from tgi_conformance.backends.reference.interruption import Interruptible


class _Counter:
    """Where the task that reads a stream hands over one piece for each time it is asked.

    It reads nothing ahead: a slow reader holds the server back. Knows nothing of ``AsyncStream``,
    so that a stream that is dropped can be collected while its task still waits.
    """

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self.over = False
        self.usage = Usage()
        self.finish_reason: str | None = None
        self.text_ended = False
        self._asked = asyncio.Event()
        self._order: asyncio.Future[Piece | None] | None = None
        self._failure: Exception | None = None

    def ask(self) -> "asyncio.Future[Piece | None]":
        """Ask for a piece; ``None`` in the future is the end."""
        self._order = asyncio.get_running_loop().create_future()
        self._asked.set()
        return self._order

    async def asked(self) -> None:
        """Wait until a piece is asked for."""
        await self._asked.wait()
        self._asked.clear()

    def hand_over(self, piece: Piece) -> None:
        """Note what a piece says, and give it to whoever asked."""
        self.usage = piece.usage or self.usage
        self.text_ended = self.text_ended or piece.done
        if piece.index == 0:
            self.finish_reason = piece.finish_reason or self.finish_reason
        if self._order is not None and not self._order.done():
            self._order.set_result(piece)

    def finish(self, error: Exception | asyncio.CancelledError | None) -> None:
        """Note the end; an error that nobody waits for is kept for the next read."""
        self.over = True
        order = self._order
        waited_for = order is not None and not order.done()
        if error is not None and (waited_for or isinstance(error, asyncio.CancelledError)):
            self._failure = ClosedError(
                "the stream was broken off before this read", request_id=self._request_id
            )
        else:
            self._failure = error
        if order is None or not waited_for:
            return
        if error is None:
            order.set_result(None)
        elif isinstance(error, asyncio.CancelledError):
            order.cancel()
        else:
            order.set_exception(error)

    def at_the_end(self) -> None:
        """Raise what a read after the end must raise, if anything."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Let later reads see a plain end."""
        self.over = True
        self._failure = None


class AsyncStream:
    """Pieces of an answer, as the server sends them.

    The request is made when the first piece is asked for, and holds a slot of its endpoint until
    the stream ends, fails, is closed or is dropped; the last two close its connection, so that the
    server stops generating. After an error, reading on raises ``ClosedError``: a broken stream
    never looks like one that ended.

    A task of its own reads the stream, one piece for each that is asked for. So the deadline
    holds between two reads as well, and an event loop that shuts down ends the stream in order.
    """

    def __init__(self, endpoint: Endpoint, call: Call, *, not_before: float = 0.0) -> None:
        self._endpoint = endpoint
        self._call = call
        self._not_before = not_before
        self._counter = _Counter(call.request_id)
        self._handle = Interruptible()
        self._course: Course | None = None
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def request_id(self) -> str:
        """The caller's id, or the one made for the call."""
        return self._call.request_id

    @property
    def usage(self) -> Usage:
        """The server's token counts so far."""
        return self._counter.usage

    @property
    def finish_reason(self) -> str | None:
        """Why the (first) answer ended, once the server has said so."""
        return self._counter.finish_reason

    def __aiter__(self) -> "AsyncStream":
        return self

    async def __anext__(self) -> Piece:
        piece = await self.pull()
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def pull(self) -> Piece | None:
        """Return the next piece, or ``None`` after the last."""
        if self._counter.over:
            self._counter.at_the_end()
            return None
        task = self._begun()
        try:
            return await self._counter.ask()
        except asyncio.CancelledError as error:
            task.cancel()
            await asyncio.wait({task})
            if not self._counter.over:  # the task had not begun
                self._leave()
                self._counter.finish(error)
            raise

    async def aclose(self) -> None:
        """Leave the stream: close its connection at once. May be repeated."""
        self._leave()
        if self._task is not None and not self._task.done():
            self._handle.interrupt(ClosedError("the stream was closed during a read"))
            await asyncio.wait({self._task})
        self._counter.close()

    async def __aenter__(self) -> "AsyncStream":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        # May run in any thread, and after the loop has ended.
        self._leave()
        if self._loop is not None and self._task is not None and not self._task.done():
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._handle.interrupt, ClosedError("the stream was dropped"))

    def _begun(self) -> asyncio.Task[None]:
        if self._task is None:
            self._loop = asyncio.get_running_loop()
            self._course = Course(self._endpoint, self._call, self._not_before)
            self._task = self._loop.create_task(
                _read(self._course, self._counter, self._handle), name="tgi-stream"
            )
        return self._task

    def _leave(self) -> None:
        """Book a stream that its reader left; one whose text had ended was read well."""
        if self._course is not None:
            if self._counter.text_ended:
                self._course.entry.end("successful", self._counter.usage)
            else:
                self._course.entry.end("cancelled")


async def _read(course: Course, counter: _Counter, handle: Interruptible) -> None:
    """Read a stream to its end, a piece at a time."""
    try:
        async with (
            course.guarded(handle),
            aclosing(pieces_of_attempts(course)) as pieces,
        ):
            await counter.asked()
            async for piece in pieces:
                counter.hand_over(piece)
                await counter.asked()
    except asyncio.CancelledError as error:
        course.failed(error)
        counter.finish(error)
        raise
    except Exception as error:  # noqa: BLE001 -- it is raised where the stream is read
        course.failed(error)
        counter.finish(error)
    else:
        course.endpoint.note_success()
        course.entry.end("successful", counter.usage)
        counter.finish(None)

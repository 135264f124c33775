"""A stream as the asynchronous face hands it out."""

from collections.abc import AsyncGenerator
from types import TracebackType

from tgi_conformance.backends.reference.answers import Piece, Usage
from tgi_conformance.backends.reference.calls import Call
from tgi_conformance.backends.reference.endpoint import Endpoint
from tgi_conformance.backends.reference.engine import Course, pieces_of_attempts
from tgi_conformance.backends.reference.errors import ClosedError
from tgi_conformance.backends.reference.interruption import Interruptible


class AsyncStream:
    """Pieces of an answer, as the server sends them.

    The request is made when the first piece is asked for, and holds a slot of its endpoint until
    the stream ends, fails, is closed or is dropped; the last two close its connection, so that the
    server stops generating. After an error, reading on raises ``ClosedError``: a broken stream
    never looks like one that ended.
    """

    def __init__(self, endpoint: Endpoint, call: Call, *, not_before: float = 0.0) -> None:
        self._endpoint = endpoint
        self._call = call
        self._not_before = not_before
        self._course: Course | None = None
        self._pieces: AsyncGenerator[Piece, None] | None = None
        self._pull: Interruptible | None = None
        self._over = False
        self._failure: Exception | None = None
        self._text_ended = False
        self.usage = Usage()
        """The server's token counts so far."""
        self.finish_reason: str | None = None
        """Why the (first) answer ended, once the server has said so."""
        endpoint.streams.add(self)

    @property
    def request_id(self) -> str:
        """The caller's id, or the one made for the call."""
        return self._call.request_id

    def __aiter__(self) -> "AsyncStream":
        return self

    async def __anext__(self) -> Piece:
        piece = await self.pull()
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def pull(self) -> Piece | None:
        """Return the next piece, or ``None`` after the last."""
        if self._failure is not None:
            raise self._failure
        if self._over:
            return None
        course, pieces = self._begun()
        self._pull = Interruptible()
        try:
            async with course.guarded(self._pull):
                piece = await anext(pieces, None)
        except BaseException as error:
            self._over = True
            self._failure = ClosedError("the stream ended with an error before this read")
            self._failure.complete(self.request_id, str)
            course.failed(error)
            await pieces.aclose()
            raise
        finally:
            self._pull = None
        if piece is None:
            self._over = True
            course.endpoint.note_success()
            course.entry.end("successful", self.usage)
        else:
            self._note(piece)
        return piece

    async def aclose(self) -> None:
        """Leave the stream: close its connection at once. May be repeated."""
        if self._pull is not None:
            self._pull.interrupt(ClosedError("the stream was closed during a read"))
            return
        self._leave()
        if self._pieces is not None:
            await self._pieces.aclose()

    async def abort(self, error: Exception) -> None:
        """End the stream as ``aclose`` does; if it was not over, later reads raise ``error``."""
        if not self._over:
            self._failure = error
        await self.aclose()

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
        # The loop closes the dropped generator, and with it the connection; the books are ours.
        self._leave()

    def _begun(self) -> tuple[Course, AsyncGenerator[Piece, None]]:
        if self._course is None or self._pieces is None:
            self._course = Course(self._endpoint, self._call, self._not_before)
            self._pieces = pieces_of_attempts(self._course)
        return self._course, self._pieces

    def _note(self, piece: Piece) -> None:
        self.usage = piece.usage or self.usage
        self._text_ended = self._text_ended or piece.done
        if piece.index == 0:
            self.finish_reason = piece.finish_reason or self.finish_reason

    def _leave(self) -> None:
        """Book a stream that its reader left; one whose text had ended was read well."""
        self._over = True
        if self._course is not None:
            if self._text_ended:
                self._course.entry.end("successful", self.usage)
            else:
                self._course.entry.end("cancelled")

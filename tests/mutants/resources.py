"""Broken clean-up: the reference client with one realistic leak each.

``breaks`` is the clause that the mistake must redden, ``key`` its key of the results map.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ClassVar

from seams import exchange

from tgi_conformance.backends import reference
from tgi_conformance.backends.reference import errors, transport
from tgi_conformance.backends.reference.adapter import ReferenceAdapter
from tgi_conformance.contracts.adapter import Answer, Piece

Result = Answer | Iterator[Piece]


class BrokenCleanUp(ReferenceAdapter):
    """A client whose streams pass through ``through``."""

    breaks: ClassVar[str]
    key: ClassVar[str] = "new:resource_cleanup"

    def through(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """What is done with a stream before it is handed out."""
        return pieces

    def generate(self, prompt: Any, **given: Any) -> Result:
        return self._through(super().generate(prompt, **given))

    def chat(self, messages: Any, **given: Any) -> Result:
        return self._through(super().chat(messages, **given))

    def completions(self, prompt: Any, **given: Any) -> Result:
        return self._through(super().completions(prompt, **given))

    def _through(self, result: Result) -> Result:
        return result if isinstance(result, Answer) else self.through(result)


class _WithoutClose:
    """An iterator that offers nothing but its next piece."""

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[Piece]:
        return self

    def __next__(self) -> Piece:
        return next(self._pieces)


class KeepsStreamsThatWereLeft(BrokenCleanUp):
    """A stream has no close(), and the client keeps it: leaving it early changes nothing on the wire."""

    breaks = "RES-01"
    shows_in = ("streams",)

    def __init__(self) -> None:
        super().__init__()
        self._streams: list[Iterator[Piece]] = []

    def through(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        self._streams.append(pieces)
        return _WithoutClose(pieces)


class CannotCancelWhatRuns(BrokenCleanUp):
    """``submit`` hands the call to a thread; the future of a running thread cannot be cancelled."""

    breaks = "RES-02"

    def __init__(self) -> None:
        super().__init__()
        self._pool = ThreadPoolExecutor(64)

    def submit(
        self, kind: Any, prompt: Any = None, *, messages: Any = None, **given: Any
    ) -> "Future[Answer]":
        subject = messages if prompt is None else prompt
        return self._pool.submit(getattr(self, kind), subject, **given)


class _OwnClients(BrokenCleanUp):
    """Each stream gets a client of its own; ``keep`` says which of them are left open."""

    def __init__(self) -> None:
        super().__init__()
        self._settings: dict[str, dict[str, Any]] = {}
        self._main = self._client
        self._left: list[reference.Client] = []

    def create_endpoint(self, **given: Any) -> str:
        made = super().create_endpoint(**given)
        self._settings[made] = given
        return made

    def _call(self, method: Callable[..., Result], subject: Any, given: dict[str, Any]) -> Result:
        if not given.get("stream"):
            return method(subject, **given)
        own = reference.Client()
        endpoint = own.create_endpoint(**self._settings[given["endpoint_id"]])
        theirs = getattr(own, method.__name__)(subject, **{**given, "endpoint_id": endpoint})
        return self._pieces(own, theirs)

    def _pieces(self, own: reference.Client, stream: Any) -> Iterator[Piece]:
        failed: BaseException | None = None
        try:
            for piece in stream:
                yield Piece(text=piece.text, special=piece.special, done=piece.done)
        except errors.StatusError as error:
            failed = error
            raise
        finally:
            if self.keep(failed):
                self._left.append(own)
            else:
                own.close()

    def keep(self, failed: BaseException | None) -> bool:
        """Whether a stream's client stays open after it."""
        return failed is None

    def generate(self, prompt: Any, **given: Any) -> Result:
        return self._call(super().generate, prompt, given)

    def chat(self, messages: Any, **given: Any) -> Result:
        return self._call(super().chat, messages, given)

    def completions(self, prompt: Any, **given: Any) -> Result:
        return self._call(super().completions, prompt, given)

    def close_endpoint(self, endpoint_id: str) -> None:
        self._close_left()
        super().close_endpoint(endpoint_id)

    def close(self) -> None:
        self._close_left()
        super().close()

    def _close_left(self) -> None:
        while self._left:
            self._left.pop().close()


class ConnectsAnewForEachStream(_OwnClients):
    """A session for each stream that nobody closes when the stream is read."""

    breaks = "RES-03"
    shows_in = ("streams",)


class LeavesRefusedStreamsOpen(_OwnClients):
    """The error path forgets to close what the good path closes."""

    breaks = "RES-04"
    shows_in = ("streams",)

    def keep(self, failed: BaseException | None) -> bool:
        return failed is not None


class ClosesNothing(BrokenCleanUp):
    """close() is there, and empty."""

    breaks = "RES-05"

    def close(self) -> None:
        return


class ForgetsWhoWaits(BrokenCleanUp):
    """close() closes the sockets and leaves the callers waiting."""

    breaks = "RES-05"

    def chat(self, messages: Any, **given: Any) -> Result:
        try:
            return super().chat(messages, **given)
        except errors.ClosedError:
            if given.get("stream"):
                raise
            threading.Event().wait()
            raise


class KeepsAThreadForEachCall(BrokenCleanUp):
    """A worker thread a call, and none is told to end."""

    breaks = "RES-06"

    def chat(self, messages: Any, **given: Any) -> Result:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        return super().chat(messages, **given)


class OutlivesItsCalls(BrokenCleanUp):
    """A worker that is no daemon keeps the interpreter alive."""

    breaks = "RES-07"

    def create_endpoint(self, **given: Any) -> str:
        made = super().create_endpoint(**given)
        if threading.active_count() < 32:
            threading.Thread(target=threading.Event().wait, name="stats").start()
        return made


class ReadsAhead(BrokenCleanUp):
    """A thread reads the stream into a queue without bound, whether or not anybody takes from it."""

    breaks = "RES-08"

    def through(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        ahead: queue.SimpleQueue[Piece | BaseException | None] = queue.SimpleQueue()

        def read() -> None:
            try:
                for piece in pieces:
                    ahead.put(piece)
                ahead.put(None)
            except BaseException as error:  # noqa: BLE001 - handed on to the reader
                ahead.put(error)

        threading.Thread(target=read, daemon=True).start()
        while (taken := ahead.get()) is not None:
            if isinstance(taken, BaseException):
                raise taken
            yield taken


class _Keeps(BrokenCleanUp):
    """Keeps something of each call for a debugger that nobody attaches."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[Any] = []


class KeepsAnswers(_Keeps):
    """Keeps each answer."""

    breaks = "RES-10"

    def chat(self, messages: Any, **given: Any) -> Result:
        result = super().chat(messages, **given)
        if isinstance(result, Answer):
            self._kept.append(result)
        return result


class KeepsPieces(_Keeps):
    """Keeps the pieces of each stream, to join them if it should ever be asked to."""

    breaks = "RES-10"

    def through(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            self._kept.append(piece)
            yield piece


class KeepsFailures(_Keeps):
    """Keeps the exceptions of refused calls, and with their tracebacks the bodies that were read."""

    breaks = "RES-10"

    def chat(self, messages: Any, **given: Any) -> Result:
        try:
            return super().chat(messages, **given)
        except errors.StatusError as error:
            self._kept.append(error)
            raise


class ConnectsAnew(BrokenCleanUp):
    """Asks the server to close the connection after each answer, as clients made for scripts do."""

    breaks = "RES-09"

    def __init__(self) -> None:
        super().__init__()
        exchange(
            transport, "_headers", lambda right: lambda request: right(request) | {"Connection": "close"}
        )


class ConnectsAnewForStreams(BrokenCleanUp):
    """The same for streams alone."""

    breaks = "RES-09"
    shows_in = ("streams",)

    def __init__(self) -> None:
        def make(right: Callable[[Any], dict[str, str]]) -> Callable[[Any], dict[str, str]]:
            return lambda request: right(request) | ({"Connection": "close"} if request.stream else {})

        super().__init__()
        exchange(transport, "_headers", make)

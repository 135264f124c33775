"""The synchronous face: the same client, run in a loop of its own. Safe to use from any thread."""

import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Literal, overload

from tgi_conformance.backends.reference.answers import Answer, Piece, Usage
from tgi_conformance.backends.reference.async_client import AsyncClient, EndpointCheck
from tgi_conformance.backends.reference.async_stream import AsyncStream
from tgi_conformance.backends.reference.errors import ClosedError
from tgi_conformance.backends.reference.loop_thread import LoopThread
from tgi_conformance.backends.reference.messages import Message
from tgi_conformance.backends.reference.responses import Kind
from tgi_conformance.backends.reference.settings import EndpointSettings
from tgi_conformance.backends.reference.stats import Counts


class Stream:
    """Pieces of an answer, as the server sends them: see ``AsyncStream``.

    ``close`` may be called from another thread during a read, which then raises ``ClosedError``.
    """

    def __init__(self, stream: AsyncStream, thread: LoopThread, client: "Client") -> None:
        self._stream = stream
        self._thread = thread
        self._client = client  # whose loop ends when nobody refers to it any more

    @property
    def request_id(self) -> str:
        """The caller's id, or the one made for the call."""
        return self._stream.request_id

    @property
    def usage(self) -> Usage:
        """The server's token counts so far."""
        return self._stream.usage

    @property
    def finish_reason(self) -> str | None:
        """Why the (first) answer ended, once the server has said so."""
        return self._stream.finish_reason

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> Piece:
        piece = self._thread.run(self._stream.pull())
        if piece is None:
            raise StopIteration
        return piece

    def close(self) -> None:
        """Leave the stream: close its connection at once. May be repeated."""
        try:
            self._thread.run(self._stream.aclose())
        except ClosedError:
            return  # with the client everything of the stream was closed

    def __enter__(self) -> "Stream":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Client:
    """A client for one or several TGI endpoints: ``AsyncClient`` for callers without a loop.

    Calls block; each runs in the client's own loop, so waiting callers are served in the order in
    which they came. A client that is dropped, or still open when the interpreter ends, closes
    itself.
    """

    def __init__(self) -> None:
        self._core = AsyncClient()
        self._thread = LoopThread()
        # Not at exit: then LoopThread sees to it, and waits for the end.
        weakref.finalize(self, self._thread.stop, wait=False).atexit = False

    def __repr__(self) -> str:
        return f"<Client of {self._core!r}>"

    @property
    def endpoints(self) -> Mapping[str, EndpointSettings]:
        """The settings of all endpoints by id; their keys do not show when printed."""
        return self._core.endpoints

    def create_endpoint(self, **settings: Any) -> str:
        """Make an endpoint and return its id: see ``AsyncClient.create_endpoint``."""
        return self._core.create_endpoint(**settings)

    def update_endpoint(self, endpoint_id: str, **settings: Any) -> None:
        """Change settings for the calls made from now on; those under way keep what they have."""

        async def update() -> None:
            self._core.update_endpoint(endpoint_id, **settings)

        self._thread.run(update())

    def close_endpoint(self, endpoint_id: str) -> None:
        """End the endpoint's calls with ``ClosedError`` and close its connections."""
        self._thread.run(self._core.close_endpoint(endpoint_id))

    @overload
    def generate(
        self,
        prompt: str | Sequence[object],
        *,
        endpoint_id: str | None = None,
        request_id: str | None = None,
        stream: Literal[False] = False,
        deadline: float | None = None,
        headers: Mapping[str, str] | None = None,
        **parameters: object,
    ) -> Answer: ...
    @overload
    def generate(
        self,
        prompt: str | Sequence[object],
        *,
        endpoint_id: str | None = None,
        request_id: str | None = None,
        stream: Literal[True],
        deadline: float | None = None,
        headers: Mapping[str, str] | None = None,
        **parameters: object,
    ) -> Stream: ...
    def generate(
        self, prompt: str | Sequence[object], *, stream: bool = False, **options: Any
    ) -> Answer | Stream:
        """Continue a prompt on TGI's own route: see ``AsyncClient.generate``."""
        return self._call("generate", prompt, stream=stream, options=options)

    @overload
    def chat(
        self,
        messages: Sequence[Message],
        *,
        endpoint_id: str | None = None,
        request_id: str | None = None,
        stream: Literal[False] = False,
        deadline: float | None = None,
        headers: Mapping[str, str] | None = None,
        **parameters: object,
    ) -> Answer: ...
    @overload
    def chat(
        self,
        messages: Sequence[Message],
        *,
        endpoint_id: str | None = None,
        request_id: str | None = None,
        stream: Literal[True],
        deadline: float | None = None,
        headers: Mapping[str, str] | None = None,
        **parameters: object,
    ) -> Stream: ...
    def chat(self, messages: Sequence[Message], *, stream: bool = False, **options: Any) -> Answer | Stream:
        """Answer a conversation: see ``AsyncClient.chat``."""
        return self._call("chat", messages, stream=stream, options=options)

    @overload
    def completions(
        self,
        prompt: str | Sequence[str],
        *,
        endpoint_id: str | None = None,
        request_id: str | None = None,
        stream: Literal[False] = False,
        deadline: float | None = None,
        headers: Mapping[str, str] | None = None,
        **parameters: object,
    ) -> Answer: ...
    @overload
    def completions(
        self,
        prompt: str | Sequence[str],
        *,
        endpoint_id: str | None = None,
        request_id: str | None = None,
        stream: Literal[True],
        deadline: float | None = None,
        headers: Mapping[str, str] | None = None,
        **parameters: object,
    ) -> Stream: ...
    def completions(
        self, prompt: str | Sequence[str], *, stream: bool = False, **options: Any
    ) -> Answer | Stream:
        """Continue one prompt or several: see ``AsyncClient.completions``."""
        return self._call("completions", prompt, stream=stream, options=options)

    def submit(self, kind: Kind, subject: str | Sequence[object], **options: Any) -> "Future[Answer]":
        """Begin a call of ``kind`` ("generate", "chat", "completions") and return its future.

        ``cancel()`` takes it back: waiting, it is never sent; running, its connection is closed.
        """
        return self._thread.submit(self._core.answer(self._core.assign(kind, subject, **options)))

    def test_endpoint(
        self, *, base_url: str, api_key: str | None = None, model: str | None = None
    ) -> EndpointCheck:
        """Ask an endpoint for one token, once: see ``AsyncClient.test_endpoint``."""
        return self._thread.run(self._core.test_endpoint(base_url=base_url, api_key=api_key, model=model))

    def get_stats(self, endpoint_id: str | None = None) -> Counts:
        """Return a copy of the counters: see ``AsyncClient.get_stats``."""
        return self._core.get_stats(endpoint_id)

    def reset_stats(self, endpoint_id: str | None = None) -> None:
        """Set the counters of one endpoint to 0, or of all."""
        self._core.reset_stats(endpoint_id)

    def close(self) -> None:
        """End all calls with ``ClosedError``, close all connections, end the thread.

        May be repeated; later calls raise ``ClosedError``.
        """
        closing = self._core.aclose()
        try:
            self._thread.run(closing)
        except ClosedError:
            return
        finally:
            self._thread.stop()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _call(
        self,
        kind: Kind,
        subject: str | Sequence[object],
        *,
        stream: bool,
        options: Mapping[str, Any],
    ) -> Answer | Stream:
        assigned = self._core.assign(kind, subject, stream=stream, **options)
        if stream:
            return Stream(self._core.stream(assigned), self._thread, self)
        return self._thread.run(self._core.answer(assigned))

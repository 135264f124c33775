"""One call of the backend: how it is run, in a thread or in the loop, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import inspect
import queue
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, Protocol

from .encoding import printed
from .frames import definition, place
from .loop import Loop
from .protocol import LEADING, Message, now
from .texts import cut, exception_chain, shown
from .values import as_info, is_future, is_stream, runs_on_loop, same, truth
from .watch import current_call
from .wire import Wire


class CallHost(Protocol):
    """What a call asks of the host that runs it."""

    wire: Wire
    loop: Loop
    implemented: frozenset[str]

    def method(self, name: str) -> Callable[..., Any]:
        """Return one of the adapter's methods."""

    def forget(self, call: Call) -> None:
        """A call has ended."""

    def interrupt(self, call: Call) -> None:
        """Raise KeyboardInterrupt in a plain call."""


class ConsumerError(Exception):
    """What a consumer raises in the midst of a stream (``leave`` with how "throw")."""


class Call:
    """One call of the driver's: its arguments, what is asked of its stream, how it is taken back."""

    def __init__(self, host: CallHost, message: Message) -> None:
        self.host = host
        self.id: int = message["id"]
        self.method: str = message["method"]
        self.args: dict[str, Any] = message["args"]
        self.before = copy.deepcopy(self.args)
        self.stream_asked: bool = bool(message.get("stream", False))
        self.warnings: list[str] = []
        self.commands: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self.leaving = False
        self.cancelled = False
        self.cancel_due = False
        self.interrupted = False
        self.thread: int | None = None
        self.future: Any = None
        self.task: asyncio.Task[Any] | None = None
        self.wake: asyncio.Event | None = None
        self.ended = False
        #: A method of the adapter that cannot be called as the contract calls it.
        self.unfit: Callable[..., Any] | None = None

    # what the driver asks, in the reader's thread

    def command(self, op: str, value: Any) -> None:
        """Queue ``read`` or ``leave`` for whoever holds the stream."""
        if op == "leave":
            self.leaving = True
        self.commands.put((op, value))
        if self.wake is not None:
            self.host.loop.submit(self.wake.set)

    def cancel(self, how: str) -> None:
        """Take the call back: task, future, or (``how="interrupt"``) the thread of a plain call."""
        self.cancelled = True
        if self.task is not None or runs_on_loop(self.target):
            self.cancel_due = True
            self.host.loop.submit(self._cancel_task)
            return
        if self.future is not None:
            self._cancel_future()
        elif how == "interrupt":
            self.interrupted = True
            self.host.interrupt(self)
        self.command("leave", "close")  # a plain stream is left; a plain call never looks

    def _cancel_task(self) -> None:
        self.cancel_due = False
        if self.task is not None and not self.ended:
            self.task.cancel()

    def _cancel_future(self) -> None:
        try:
            self.future.cancel()
        except BaseException as error:  # noqa: BLE001 -- foreign code; told with the call
            self.warnings.append(f"cancel() of the future raised {error!r}")

    # how it is run

    @property
    def target(self) -> Callable[..., Any]:
        """The adapter's method."""
        return self.host.method(self.method)

    def invoke(self) -> Any:
        """Say ``entered`` and call the backend."""
        args = dict(self.args)
        leading = LEADING.get(self.method)
        positional = (args.pop(leading),) if leading in args else ()
        target = self.target
        self.host.wire.send("entered", id=self.id, at=now())
        try:
            return target(*positional, **args)
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is None:
                self.unfit = target  # its parameters are not those of the contract: no line of it ran
            raise

    def run(self) -> None:
        """Run the whole call in this thread (or hand it to the loop when it turns out to be async)."""
        self.thread = threading.get_ident()
        token = current_call.set(self)
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001 -- KeyboardInterrupt and SystemExit are outcomes too
            self.fail(error)
        finally:
            current_call.reset(token)

    def _run(self) -> None:
        value = self.invoke()
        if inspect.isawaitable(value) or hasattr(value, "__aiter__"):
            self.host.loop.submit(self.start_task, [value])
            return
        if is_future(value):
            self.future = value
            if self.cancelled:
                self._cancel_future()
            value = value.result()
            self.future = None
        if not is_stream(value, asked=self.stream_asked):
            self.finish("result", value=value, truthy=truth(value))
            return
        holder = [iter(value)]
        del value
        self._stream(holder)

    def _stream(self, holder: list[Any]) -> None:
        """Serve a stream; ``holder`` has the only reference to it, so that it can be dropped."""
        self.host.wire.send("stream", id=self.id, at=now())
        while not self.ended:
            op, value = self.commands.get()
            if op == "read":
                self._read(holder[0], value)
            else:
                self._leave(holder, value)

    def _read(self, stream: Any, count: int) -> None:
        for _ in range(count):
            if self.leaving:
                return
            try:
                piece = next(stream)
            except StopIteration:
                self.finish("end")
                return
            if not self.host.wire.send("piece", id=self.id, value=piece, at=now()):
                self.ended = True
                return

    def _leave(self, holder: list[Any], how: str) -> None:
        closes = how == "close" and callable(getattr(holder[0], "close", None))
        if closes:
            holder[0].close()
        elif how == "throw":
            with contextlib.suppress(ConsumerError):
                _raise_while_holding(holder.pop())
        holder.clear()
        if not closes:  # what cannot be closed is let go of
            gc.collect()
        self.finish("left")

    # the same in the loop

    def start_task(self, given: list[Any]) -> None:
        """Start the task of an async call (in the loop's thread); ``given``: what a plain method returned."""
        self.wake = asyncio.Event()
        self.task = self.host.loop.spawn(self._run_async(given), f"tgic-call-{self.id}")
        self.task.add_done_callback(self._done)
        if self.cancelled:
            self.task.cancel()

    def _done(self, task: asyncio.Task[Any]) -> None:
        # A task cancelled before its first step never ran a line of its coroutine.
        if task.cancelled() and not self.ended:
            self.fail_with(asyncio.CancelledError("cancelled before it began"), None, None)

    async def _run_async(self, given: list[Any]) -> None:
        current_call.set(self)
        try:
            await self._run_inside(given)
        except BaseException as error:  # noqa: BLE001 -- CancelledError is what the awaiter sees: an outcome
            info, problem = await self._classify_async(error)
            self.fail_with(error, info, problem)

    async def _run_inside(self, given: list[Any]) -> None:
        value = given.pop() if given else self.invoke()
        while inspect.isawaitable(value):
            value = await value
        if is_future(value):
            self.future = value
            value = await self._future_value(value)
            self.future = None
        if not is_stream(value, asked=self.stream_asked):
            self.finish("result", value=value, truthy=truth(value))
            return
        holder = [value.__aiter__() if hasattr(value, "__aiter__") else _aiter(value)]
        del value
        await self._stream_async(holder)

    async def _future_value(self, future: Any) -> Any:
        if isinstance(future, Future):
            return await asyncio.wrap_future(future)
        return await self.host.loop.loop.run_in_executor(None, future.result)

    async def _stream_async(self, holder: list[Any]) -> None:
        self.host.wire.send("stream", id=self.id, at=now())
        while not self.ended:
            op, value = await self._command()
            if op == "read":
                await self._read_async(holder[0], value)
            else:
                await self._leave_async(holder, value)

    async def _command(self) -> tuple[str, Any]:
        wake = self.wake
        assert wake is not None  # noqa: S101 -- start_task made it
        while True:
            if self.cancel_due:  # it was asked for before whatever is queued now
                await asyncio.Event().wait()
            wake.clear()
            try:
                return self.commands.get_nowait()
            except queue.Empty:
                await wake.wait()

    async def _read_async(self, stream: Any, count: int) -> None:
        for _ in range(count):
            if self.leaving:
                return
            try:
                piece = await stream.__anext__()
            except StopAsyncIteration:
                self.finish("end")
                return
            if not self.host.wire.send("piece", id=self.id, value=piece, at=now()):
                self.ended = True
                return

    async def _leave_async(self, holder: list[Any], how: str) -> None:
        names = (name for name in ("aclose", "close") if callable(getattr(holder[0], name, None)))
        name = next(names, "") if how == "close" else ""
        if name:
            closing = getattr(holder[0], name)()
            if inspect.isawaitable(closing):
                await closing
        elif how == "throw":
            with contextlib.suppress(ConsumerError):
                _raise_while_holding(holder.pop())
        holder.clear()
        if not name:
            gc.collect()
            for _ in range(3):  # the loop makes a task that closes a dropped generator, then runs it
                await asyncio.sleep(0)
        self.finish("left")

    # how it ends

    def finish(self, event: str, **fields: Any) -> None:
        """Send the last message of the call."""
        at = now()
        if event == "result" and self.method == "public_objects":
            fields["value"] = printed(fields["value"])
        self.ended = True
        self.host.forget(self)
        mutated = [name for name, value in self.before.items() if not same(value, self.args.get(name))]
        self.host.wire.send(event, id=self.id, **fields, mutated=mutated, warnings=self.warnings, at=at)

    def fail(self, error: BaseException) -> None:
        """Send an exception of the backend, classified by the adapter."""
        try:
            info, problem = self._classify(error)
        except BaseException as fault:  # noqa: BLE001 -- an interrupt may hit here too
            info, problem = None, f"classify() raised {fault!r}"
        self.fail_with(error, info, problem)

    def fail_with(self, error: BaseException, info: Any, problem: str | None) -> None:
        """Send an exception with what ``classify`` made of it."""
        if self.ended:
            return
        chain = exception_chain(error)
        if self.unfit is not None and not chain[0]["frames"]:
            chain[0].update(frames=definition(self.unfit), began="called")
        self.finish("error", info=info, exception=chain, problem=problem)

    def _classify(self, error: BaseException) -> tuple[Any, str | None]:
        if "classify" not in self.host.implemented:
            return {"kind": "unmapped"}, None
        try:
            info = self.host.method("classify")(error)
            if inspect.isawaitable(info):
                info = self.host.loop.settle(info)
        except BaseException as fault:  # noqa: BLE001 -- the adapter's fault, told beside the exception
            return None, cut(f"classify() raised {shown(repr, fault)}{place(fault)}")
        return as_info(info), None

    async def _classify_async(self, error: BaseException) -> tuple[Any, str | None]:
        if "classify" not in self.host.implemented:
            return {"kind": "unmapped"}, None
        try:
            info = self.host.method("classify")(error)
            if inspect.isawaitable(info):
                info = await info
        except BaseException as fault:  # noqa: BLE001
            return None, cut(f"classify() raised {shown(repr, fault)}{place(fault)}")
        return as_info(info), None


def _raise_while_holding(stream: Any) -> None:
    """Be a consumer whose loop body raises: the stream's last reference goes with this frame."""
    raise ConsumerError(f"the consumer of a {type(stream).__name__} failed")


async def _aiter(items: Iterable[Any]) -> Any:
    for item in items:
        yield item

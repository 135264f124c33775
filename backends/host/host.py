"""The host: serves one driver, by the adapter protocol, with one adapter."""

from __future__ import annotations

import dataclasses
import gc
import inspect
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from .adapter_code import code_of
from .call import Call
from .descriptors import open_descriptors
from .fence import Fence
from .lines import Assembler
from .loading import StartError, check_protocol, load_adapter
from .loop import Loop
from .protocol import METHODS, OWN_THREAD, PROTOCOL, Message, now
from .texts import exception_chain, own_traceback, type_name
from .values import runs_on_loop
from .watch import Watch
from .wire import Wire

#: Seconds after which a signal that was not heard is sent again.
SIGNAL_AGAIN = 0.05
#: Seconds that a call waits for the main thread to leave the call before it, which has ended.
FREE_SOON = 0.25


class Host:
    """Serves one driver over two descriptors until ``bye`` or the end of input."""

    def __init__(self, read_fd: int, write_fd: int, *, own_process: bool = True) -> None:
        self._calls: dict[int, Call] = {}
        self.wire = Wire(write_fd, lambda call_id: self._calls.pop(call_id, None))
        self._read_fd = read_fd
        self._own_process = own_process
        known = open_descriptors()
        self.loop = Loop()
        self.watch = Watch({read_fd, write_fd, 0, 1, 2} | (open_descriptors() - known))
        self.fence = Fence()
        self.adapter: Any = None
        self.implemented: frozenset[str] = frozenset()
        self._main_work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._main_free = True
        self._main_call: Call | None = None
        self._main = threading.Condition()
        self.said_bye = False

    # the main thread

    def serve(self) -> None:
        """Run until the driver leaves. A plain call runs in this thread if it is free, else in its own."""
        self.watch.start()
        if self._own_process:
            signal.signal(signal.SIGINT, self._on_sigint)
        threading.Thread(target=self._read_all, name=f"{OWN_THREAD}reader", daemon=True).start()
        try:
            while (work := self._main_work.get()) is not None:
                work()
        finally:
            self.watch.stop()
            self.loop.stop()
            if not self._own_process:  # else what runs at exit stays behind the fence, too
                self.fence.fall()

    def _on_sigint(self, *_: object) -> None:
        call = self._main_call
        if call is not None and call.interrupted and not call.ended:
            call.interrupted = False
            raise KeyboardInterrupt

    def interrupt(self, call: Call) -> None:
        """Raise KeyboardInterrupt in a plain call: SIGINT in the main thread, else at its next bytecode."""
        if call is self._main_call and self._own_process:
            threading.Thread(
                target=self._signal_until_heard, args=(call,), name=f"{OWN_THREAD}interrupt", daemon=True
            ).start()
        elif call.thread is not None:
            import ctypes  # noqa: PLC0415 -- takes milliseconds of every start, and is needed by few calls

            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(call.thread), ctypes.py_object(KeyboardInterrupt)
            )

    def _signal_until_heard(self, call: Call) -> None:
        # A signal that comes just before the thread sleeps on a lock does not wake it: its handler waits
        # for a bytecode. The next signal wakes it. The handler raises once, whatever comes after.
        while call is self._main_call and call.interrupted and not call.ended:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(SIGNAL_AGAIN)

    # the reader's thread

    def _read_all(self) -> None:
        assembler = Assembler()
        with open(self._read_fd, "rb", closefd=False) as lines:
            for line in lines:
                try:
                    message = assembler.feed(line.rstrip(b"\r\n"))
                    if message is not None:
                        self._dispatch(message)
                except Exception as error:  # noqa: BLE001 -- one bad line must not end the host
                    self.wire.send("refused", id=None, text=f"{type(error).__name__}: {error}", at=now())
                if self.said_bye:
                    break
        if not self.said_bye and self._own_process:
            _exit_after(2.0)
        self._main_work.put(None)

    def _dispatch(self, message: Message) -> None:
        handler = self._OPS.get(message.get("op", ""))
        if handler is None:
            self._refuse(message, f"unknown op {message.get('op')!r}; known: {sorted(self._OPS)}")
            return
        handler(self, message)

    def _refuse(self, message: Message, text: str) -> None:
        self.wire.send("refused", id=message.get("id"), text=text, at=now())

    def _hello(self, message: Message) -> None:
        self._main_work.put(lambda: self._start(message))

    def _call(self, message: Message) -> None:
        if message["method"] not in self.implemented:
            self._refuse(message, f"the adapter has no method {message['method']!r}")
            return
        if message.get("loop") == "fresh":
            self.loop.renew()
        call = Call(self, message)
        self._calls[call.id] = call
        if runs_on_loop(call.target):
            self.loop.submit(call.start_task, [])
            return
        with self._main:
            leaving = self._main_call
            if leaving is not None and leaving.ended:  # its outcome is out, and the thread free in a moment
                self._main.wait_for(lambda: self._main_free, FREE_SOON)
            free, self._main_free = self._main_free, False
        if free:
            self._main_work.put(lambda: self._run_in_main(call))
            return
        thread = threading.Thread(target=call.run, name=f"{OWN_THREAD}call-{call.id}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self.forget(call)
            self._refuse(message, f"no thread for the call: {error}")

    def _run_in_main(self, call: Call) -> None:
        self._main_call = call
        try:
            call.run()
        except KeyboardInterrupt as error:  # it came as the call was ending
            call.fail_with(error, None, None)
        finally:
            with self._main:
                self._main_call = None
                self._main_free = True
                self._main.notify()

    def _stream_command(self, message: Message) -> None:
        call = self._calls.get(message["id"])
        if call is not None:  # else it has ended meanwhile, and said so
            op = message["op"]
            call.command(op, message["n"] if op == "read" else message.get("how", "close"))

    def _cancel(self, message: Message) -> None:
        call = self._calls.get(message["id"])
        if call is not None:
            call.cancel(message.get("how", "cancel"))

    def _census(self, message: Message) -> None:
        if not message.get("collect", True):
            self._report(message["id"])
            return
        # What is collected may run code of the backend, which must not keep the reader.
        threading.Thread(
            target=self._collect_and_report,
            args=(message["id"],),
            name=f"{OWN_THREAD}census",
            daemon=True,
        ).start()

    def _bye(self, _message: Message) -> None:
        self.said_bye = True

    _OPS: dict[str, Callable[[Host, Message], None]] = {  # noqa: RUF012 -- a table, never written to
        "hello": _hello,
        "call": _call,
        "read": _stream_command,
        "leave": _stream_command,
        "cancel": _cancel,
        "census": _census,
        "bye": _bye,
    }

    # replies

    def method(self, name: str) -> Callable[..., Any]:
        """Return one of the adapter's methods."""
        found: Callable[..., Any] = getattr(self.adapter, name)
        return found

    def forget(self, call: Call) -> None:
        """A call has ended."""
        self._calls.pop(call.id, None)

    def _start(self, message: Message) -> None:
        stage = "import"
        try:
            check_protocol(message["protocol"])
            self.fence.stand(message.get("network"))
            sys.path[:0] = [path for path in message.get("path", []) if path not in sys.path]
            made = load_adapter(message["adapter"])
            stage = "create"
            self.adapter = made() if callable(made) else made
            self.implemented = frozenset(m for m in METHODS if callable(getattr(self.adapter, m, None)))
            stage = "describe"
            description = self._describe()
        except BaseException as error:  # noqa: BLE001 -- whatever an import or a constructor raises is reported
            self.wire.send(
                "failed",
                id=message.get("id"),
                stage=error.stage if isinstance(error, StartError) else stage,
                text=f"{type(error).__name__}: {error}" if not isinstance(error, StartError) else str(error),
                exception=[] if isinstance(error, StartError) else exception_chain(error),
                traceback="" if isinstance(error, StartError) else own_traceback(error),
            )
            return
        # What stands now stays: each census then looks through what the calls left only (10 ms less).
        gc.collect()
        gc.freeze()
        self.wire.send(
            "hello",
            id=message["id"],
            protocol=PROTOCOL,
            language=f"Python {sys.version.split()[0]}",  # the module platform takes a millisecond to import
            description=description,
            code=code_of(self.adapter),
            implemented=sorted(self.implemented),
            pid=os.getpid(),
            fence=self.fence.kind,
            fresh_loop=True,
        )

    def _describe(self) -> Any:
        for name in ("describe", "create_endpoint"):
            if name not in self.implemented:
                raise StartError(
                    "create", f"the adapter {type_name(type(self.adapter))} has no method {name}"
                )
        description = self.method("describe")()
        if inspect.isawaitable(description):
            description = self.loop.settle(description)
        if isinstance(description, Mapping) and not isinstance(description.get("name"), str):
            raise StartError(
                "describe", f"describe() gave no name, which is a string; it gave {description!r:.200}"
            )
        if isinstance(description, Mapping) or dataclasses.is_dataclass(description):
            return description
        kind = type_name(type(description))
        raise StartError("describe", f"describe() gave a {kind}; a Description or a mapping is needed")

    def _collect_and_report(self, census_id: int) -> None:
        gc.collect()
        self._report(census_id)

    def _report(self, census_id: int) -> None:
        descriptors, sockets = self.watch.descriptors()
        logs, logs_dropped = self.watch.logs.take()
        threads = [t.name for t in threading.enumerate() if not t.name.startswith(OWN_THREAD)]
        self.wire.send(
            "census",
            id=census_id,
            at=now(),
            threads=[name for name in threads if name != threading.main_thread().name],
            tasks=self.loop.tasks(),
            descriptors=descriptors,
            sockets=sockets,
            connects=self.fence.connects.take()[0],
            lookups=self.fence.lookups.take()[0],
            outside=self.fence.outside(),
            tick_gap=self.loop.tick_gap(),
            logs=[{"level": level, "logger": name, "text": text} for level, name, text in logs],
            logs_dropped=logs_dropped,
            warnings=self.watch.warnings.take()[0],
            open_calls=len(self._calls),
        )


def _exit_after(seconds: float) -> None:
    """The driver is gone: leave even where a thread of the backend would keep the interpreter."""

    def leave() -> None:
        time.sleep(seconds)
        os._exit(0)

    threading.Thread(target=leave, name=f"{OWN_THREAD}exit", daemon=True).start()

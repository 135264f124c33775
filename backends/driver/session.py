"""One life of a host process: its pipes, the thread that reads them, the calls that run in it."""

import itertools
import os
import select
import selectors
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from errno import EACCES, EISDIR, ELOOP, ENOENT, ENOEXEC, ENOTDIR, EPERM
from typing import Any, Final

from tgi_conformance.backends.driver.call import Call
from tgi_conformance.backends.driver.events import PREFIX, Census, Event, Failed, Hello, Refused, read_event
from tgi_conformance.backends.driver.network import network_for
from tgi_conformance.backends.driver.output import OutputLog
from tgi_conformance.backends.driver.process import HostProcess, open_process, what_is_missing
from tgi_conformance.backends.driver.spec import BackendSpec
from tgi_conformance.backends.host.encoding import Encoder
from tgi_conformance.backends.host.lines import Assembler, to_lines
from tgi_conformance.backends.host.protocol import LINE_LIMIT, PROTOCOL, WireError
from tgi_conformance.contracts.adapter import Failure
from tgi_conformance.contracts.fault import Ownership

WRITE_DEADLINE: Final = 10.0
"""Seconds that a host may leave its input unread."""
CHUNK: Final = 1 << 18
MACHINE: Final = "machine"
"""Stage of a start that failed for want of memory, processes, open files or room: no fault of the backend."""
#: Errors of a program that is not there, or is none.
_WRONG_PROGRAM: Final = frozenset({ENOENT, EACCES, EPERM, ENOTDIR, EISDIR, ENOEXEC, ELOOP})


class BackendStartError(RuntimeError):
    """The backend cannot be used: at which stage, what is wrong and what to do; with what it printed.

    ``label`` names the backend. It stands behind what is wrong, because a label may be a long command
    line, and what is shown in one line is cut at its end.
    """

    def __init__(self, stage: str, text: str, output: str = "", *, label: str = "") -> None:
        first, line_end, rest = text.partition("\n")
        self.stage = stage
        self.text = f"{first} (backend: {label}){line_end}{rest}" if label else text
        self.output = output
        told = not output.strip() or output.strip() in text
        shown = "" if told else f"\nits output:\n{output}"
        super().__init__(f"the backend did not start ({stage}): {self.text}{shown}")


class BackendGoneError(RuntimeError):
    """The backend's process ended, or was silent, while it was asked about itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How the backend's process ended."""

    #: Exit status; negative: the signal that killed it.
    status: int | None
    #: Seconds from the farewell to the end.
    seconds: float
    #: Whether it had to be killed.
    killed: bool

    def __str__(self) -> str:
        how = describe_status(self.status)
        return f"{how} after {self.seconds:.1f} s" + (", killed" if self.killed else "")


def describe_status(status: int | None) -> str:
    """Return an exit status in words."""
    if status is None:
        return "still runs"
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


class Reply:
    """A reply that someone waits for: hello or census."""

    def __init__(self) -> None:
        self._there = threading.Event()
        self.event: Event | None = None
        self.problem = ""

    def put(self, event: Event | None, problem: str = "") -> None:
        """Give the reply, or say why there is none."""
        self.event, self.problem = event, problem
        self._there.set()

    def get(self, timeout: float) -> Event | None:
        """Wait for it; None after the time-out or where there is none (``problem`` says why)."""
        if not self._there.wait(timeout):
            self.problem = f"no reply within {timeout:g} s"
        return self.event


#: Stands in a line that was meant for us, though it was taken for a print.
_NEAR: Final = '"tgic"'


class Session:
    """A running host. Its end is final; the driver opens another one."""

    def __init__(
        self, spec: BackendSpec, env: Mapping[str, str], output: OutputLog, *, inproc: bool = False
    ) -> None:
        self.output = output
        self.violations: list[str] = []
        #: What calls may return in place of raising; known once the adapter has described itself.
        self.failure: Failure | None = None
        #: Whose code an exception began in; known then too.
        self.ownership = Ownership()
        #: Whether it declares that it trims texts.
        self.trims = False
        self._spec = spec
        self._calls: dict[int, Call] = {}
        self._replies: dict[int, Reply] = {}
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._over = ""
        self._released = False
        self._killed = False
        self._reason = ""
        self._assembler = Assembler()
        self._line = bytearray()
        try:
            self._process: HostProcess = open_process(spec, env, inproc=inproc)
        except OSError as error:
            if error.errno not in _WRONG_PROGRAM:
                raise BackendStartError(MACHINE, f"no process could be started ({error.strerror})") from error
            raise BackendStartError("spawn", f"{what_is_missing(spec)} ({error.strerror})") from error
        self._reader = threading.Thread(target=self._read_all, name="tgic-driver-reader", daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        """Whether calls can still be made."""
        return not self._over and not self._reason

    @property
    def pid(self) -> int:
        """Process id of the host."""
        return self._process.pid

    # what the driver asks

    def hello(self, deadline: float) -> Hello:
        """Introduce ourselves; raises :class:`BackendStartError`."""
        mark = self.output.mark()
        event, problem = self._ask(
            {
                "op": "hello",
                "protocol": [PROTOCOL],
                "adapter": self._spec.adapter,
                "path": list(self._spec.path),
                "network": network_for(open_to_all=self._spec.allow_network),
            },
            deadline,
        )
        if isinstance(event, Hello):
            return event
        self.kill("it did not start")
        output = self.output.since(mark)
        if isinstance(event, Failed):
            text = event.text if not event.traceback else f"{event.text}\n{event.traceback}"
            raise BackendStartError(event.stage, text, output, label=self._spec.label)
        if _NEAR in output:
            problem += (
                f"; a line of the protocol begins {PREFIX.decode()} with no blank, and this one did not"
            )
        raise BackendStartError("hello", problem, output, label=self._spec.label)

    def start_call(
        self, method: str, args: Mapping[str, object], *, stream: bool, fresh_loop: bool
    ) -> Call | None:
        """Send a call; None where the host has ended.

        Raises TypeError or UnsendableError for arguments that cannot travel.
        """
        encoded = Encoder(strict=True).encode(args)
        call = Call(next(self._ids), method, self, self.failure, self.ownership, trims=self.trims)
        with self._lock:
            if self._over:
                return None
            self._calls[call.id] = call
        message = {"op": "call", "id": call.id, "method": method, "args": encoded, "stream": stream}
        self.send(message | {"loop": "fresh"} if fresh_loop else message)
        return call

    def census(self, deadline: float, *, collect: bool = True) -> Census:
        """Ask what lives in the backend's process; raises :class:`BackendGoneError`."""
        event, problem = self._ask({"op": "census", "collect": collect}, deadline)
        if isinstance(event, Census):
            return event
        raise BackendGoneError(f"no census of the backend: {problem}")

    def close(self, grace: float) -> Exit:
        """Say farewell and wait; after ``grace`` seconds it is killed."""
        began = time.monotonic()
        self._reason = self._reason or "the driver closed it"
        self.send({"op": "bye"})
        status = self._process.wait(grace)
        seconds = time.monotonic() - began
        self.kill(self._reason)
        return Exit(
            status=self._process.poll() if status is None else status, seconds=seconds, killed=status is None
        )

    def kill(self, reason: str) -> None:
        """End the process and every call in it."""
        self._reason = self._reason or reason
        self._process.kill()
        self._killed = True
        if threading.current_thread() is not self._reader:
            self._reader.join(5.0)

    def send(self, message: Mapping[str, object]) -> None:
        """Send a message whose values are encoded; nothing happens where the host is gone."""
        lines = to_lines({"tgic": PROTOCOL, **message}, next(self._ids))
        with self._write_lock:
            read = self._released or all(self._write(line) for line in lines)
        if not read:
            self.kill(f"it left its input unread for {WRITE_DEADLINE:g} s")

    def give_up(self, call: Call, reason: str) -> None:
        """End a host that does not answer (asked by the call that waited)."""
        self.kill(f"call {call.id} hung: {reason}")

    def _ask(self, message: dict[str, object], deadline: float) -> tuple[Event | None, str]:
        reply = Reply()
        reply_id = next(self._ids)
        with self._lock:
            if self._over:
                return None, self._over
            self._replies[reply_id] = reply
        self.send({**message, "id": reply_id})
        event = reply.get(deadline)
        with self._lock:
            self._replies.pop(reply_id, None)
        return event, reply.problem

    def _write(self, data: bytes) -> bool:
        view = memoryview(data)
        until = time.monotonic() + WRITE_DEADLINE
        while view:
            try:
                view = view[os.write(self._process.stdin, view) :]
            except BlockingIOError:
                if not self._writable(until - time.monotonic()):
                    return False
            except OSError:  # gone: the reader will tell every call so
                return True
        return True

    def _writable(self, seconds: float) -> bool:
        if seconds <= 0:
            return False
        poll = select.poll()
        poll.register(self._process.stdin, select.POLLOUT)
        return bool(poll.poll(seconds * 1000))

    # the reader's thread

    def _read_all(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._process.stdout, selectors.EVENT_READ)
                if self._process.stderr is not None:
                    selector.register(self._process.stderr, selectors.EVENT_READ)
                while self._read_some(selector):
                    pass
        finally:
            self._finish()

    def _read_some(self, selector: selectors.BaseSelector) -> bool:
        ready = selector.select(0.5)
        data = self._read(self._process.stdout)
        # What was printed before a message was sent is in the pipe by now: keep it first.
        prints = self._process.stderr
        if self._drain_prints() and prints is not None and prints in selector.get_map():
            selector.unregister(prints)
        if data:
            self._take(data)
        # After the kill nothing more is waited for, even where a descendant still holds the pipe.
        return data != b"" and (bool(ready) or not (self._killed or self._process.poll() is not None))

    def _read(self, fd: int) -> bytes | None:
        """Return bytes, b"" at the end, None when there are none now."""
        try:
            return os.read(fd, CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def _drain_prints(self) -> bool:
        """Keep what is in the pipe of prints; True at its end."""
        if self._process.stderr is None:
            return False
        while data := self._read(self._process.stderr):
            self.output.append(data)
            if len(data) < CHUNK:
                return False
        return data == b""

    def _take(self, data: bytes) -> None:
        self._line += data
        *lines, rest = bytes(self._line).split(b"\n")
        self._line = bytearray(rest)
        for line in lines:
            self._take_line(line)
        if len(self._line) > LINE_LIMIT + len(PREFIX):
            self._take_line(bytes(self._line))
            self._line.clear()

    def _take_line(self, line: bytes) -> None:
        if not line.startswith(PREFIX):
            self.output.append(line + b"\n")
            return
        message: dict[str, Any] | None = None
        try:
            message = self._assembler.feed(line)
            if message is not None:
                self._deliver(read_event(message))
        except WireError as error:
            shown = line[:200].decode("ascii", "backslashreplace")
            self._violate(f"the host sent {shown!r}: {error.rule}", message)

    def _deliver(self, event: Event) -> None:
        call = self._calls.get(event.id) if event.id is not None else None
        reply = self._replies.get(event.id) if event.id is not None else None
        if call is not None and not isinstance(event, Hello | Failed | Census):
            if call.on_event(event):
                self._calls.pop(call.id, None)
        elif reply is not None and isinstance(event, Hello | Failed | Census):
            reply.put(event)
        elif reply is not None and isinstance(event, Refused):
            reply.put(None, event.text)
        else:
            raise WireError(f"{type(event).__name__} for id {event.id}, which nothing waits for")

    def _violate(self, text: str, message: Mapping[str, Any] | None) -> None:
        """Fail the call that the bad line names, or, where it names none, all that wait."""
        self.violations.append(text)
        named = message.get("id") if message is not None else None
        if isinstance(named, int) and named not in self._replies:
            if (call := self._calls.get(named)) is not None:
                call.violate(text)
            return
        for each in list(self._calls.values()):
            each.violate(text)
        for reply in list(self._replies.values()):
            reply.put(None, text)

    def _finish(self) -> None:
        if (
            not self._killed and self._process.wait(1.0) is None
        ):  # it closed its output, and cannot be talked with any longer
            self._reason = self._reason or "it closed its output"
        self._process.kill()
        self._drain_prints()
        if self._line:
            self.output.append(bytes(self._line))
        why = f" ({self._reason})" if self._reason else ""
        tail = self.output.tail().strip()
        text = f"the backend's process {describe_status(self._process.poll())}{why}"
        with self._lock:
            self._over = f"{text}; its last output:\n{tail}" if tail else text
            calls, self._calls = list(self._calls.values()), {}
            replies = list(self._replies.values())
        for call in calls:
            call.crash(self._over)
        for reply in replies:
            reply.put(None, self._over)
        with self._write_lock:  # a descriptor's number is given out again: nothing may be written to it
            self._released = True
            self._process.release()

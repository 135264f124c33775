#!/usr/bin/env python3
"""The Python host: runs one adapter in a process of its own, by the adapter protocol.

The protocol is told in docs/adapter-protocol.md and in the schema adapter-message.

One file, standard library only, Python 3.9 or later, so that ``python host.py`` works under an interpreter
that holds the adapter's dependencies and nothing of this project. The driver takes the wire form (tags,
lines, parts) from here too, so that it is written down once.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import contextvars
import copy
import ctypes
import dataclasses
import functools
import gc
import importlib
import importlib.util
import inspect
import itertools
import json
import logging
import os
import platform
import queue
import signal
import stat
import sys
import threading
import time
import traceback
import warnings
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Future
from enum import Enum
from pathlib import Path
from typing import Any

PROTOCOL = 1
PREFIX = b'{"tgic":1,'
#: Longest line, and longest message put together from its parts; bytes of JSON text.
LINE_LIMIT = 1 << 20
VALUE_LIMIT = 64 << 20
#: Characters of JSON text in one part: escaping it again may double it and must stay under LINE_LIMIT.
PART_TEXT = 256 << 10
EXACT_INT = 1 << 53
DEPTH_LIMIT = 200
TAGS = frozenset({"$float", "$int", "$bytes", "$object", "$map"})

#: Longest text of an exception, a log record, an object's repr; characters.
TEXT_LIMIT = 16 << 10
CHAIN_LIMIT = 20
#: Of one kind of records between two censuses: their number, and characters of text.
RECORDS_LIMIT = 10_000
RECORDS_TEXT = 8 << 20
TICK = 0.02
#: Seconds after which a signal that was not heard is sent again.
SIGNAL_AGAIN = 0.05
#: Seconds that a call waits for the main thread to leave the call before it, which has ended.
FREE_SOON = 0.25
DESCRIPTORS = "/proc/self/fd" if Path("/proc/self/fd").is_dir() else "/dev/fd"
OWN_THREAD = "tgic-"

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
#: Arguments handed over by position, so that an adapter may name them as it likes.
LEADING = {
    "generate": "prompt",
    "chat": "messages",
    "completions": "prompt",
    "get_stats": "endpoint_id",
    "close_endpoint": "endpoint_id",
    "update_endpoint": "endpoint_id",
    "reset_stats": "endpoint_id",
    "submit": "kind",
}

#: Loggers of libraries below a client. Clause SEC-02 asks at DEBUG for the client's own only, and these say a
#: dozen things a call that nobody looks at.
LIBRARIES = frozenset({"aiohttp", "asyncio", "h11", "httpcore", "httpcore2", "httpx", "httpx2", "urllib3"})

Message = dict[str, Any]


# --- the wire: values, lines, parts ------------------------------------------------------------------


class UnsendableError(ValueError):
    """A value or message that the protocol cannot carry."""


class WireError(ValueError):
    """A line that is not of the protocol; ``rule`` says what it breaks."""

    def __init__(self, rule: str, line: bytes = b"") -> None:
        super().__init__(rule)
        self.rule = rule
        self.line = line[:200].decode("ascii", "backslashreplace")


class Encoder:
    """Turns one value into JSON values, with tags for what JSON lacks.

    ``strict``: an object of an unknown type is an error; else it goes out as ``$object``, with its texts.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._left = VALUE_LIMIT

    def encode(self, value: object, depth: int = 0) -> Any:
        """Return the JSON value; raises :class:`UnsendableError` over the limits, TypeError when strict."""
        if isinstance(value, Enum):
            return self.encode(value.value, depth)
        if isinstance(value, str):
            self._spend(len(value) + 2)
            return str(value)
        if value is None or isinstance(value, bool):
            self._spend(5)
            return value
        if isinstance(value, (int, float)):
            return self._number(value)
        if depth > DEPTH_LIMIT:
            raise UnsendableError(f"the value is nested more than {DEPTH_LIMIT} deep, or holds itself")
        return self._container(value, depth + 1)

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise UnsendableError(f"the value is over the limit of {VALUE_LIMIT >> 20} MiB")

    def _number(self, value: float) -> Any:
        self._spend(20)
        if isinstance(value, int):
            return int(value) if abs(value) <= EXACT_INT else {"$int": str(int(value))}
        if value != value:  # NaN is the one value that differs from itself
            return {"$float": "nan"}
        if value in (float("inf"), float("-inf")):
            return {"$float": "inf" if value > 0 else "-inf"}
        return float(value)

    def _container(self, value: object, depth: int) -> Any:
        if isinstance(value, Printed):
            return self._texts(value.value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            self._spend(len(value) * 4 // 3)
            return {"$bytes": base64.b64encode(bytes(value)).decode("ascii")}
        if isinstance(value, Mapping):
            return self._mapping(value.items(), depth)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            pairs = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
            return self._mapping(pairs, depth)
        if isinstance(value, (list, tuple, deque)):
            return [self.encode(item, depth) for item in value]
        if isinstance(value, (set, frozenset)):
            return [self.encode(item, depth) for item in sorted(value, key=_sort_key)]
        return self._object(value, depth)

    def _mapping(self, pairs: Iterable[tuple[Any, Any]], depth: int) -> Any:
        out = {}
        for key, item in pairs:
            if is_unset(item):
                continue
            name = key.value if isinstance(key, Enum) else key
            name = name if isinstance(name, str) else str(name)
            self._spend(len(name) + 4)
            out[name] = self.encode(item, depth)
        if len(out) == 1 and not TAGS.isdisjoint(out):
            return {"$map": [[key, item] for key, item in out.items()]}
        return out

    def _object(self, value: object, depth: int) -> Any:
        if hasattr(type(value), "__index__"):
            return self.encode(value.__index__(), depth)  # type: ignore[attr-defined]
        if self._strict:
            raise TypeError(f"{type(value).__qualname__} cannot be an argument of a call")
        if hasattr(type(value), "__float__"):
            return self._number(float(value))  # type: ignore[arg-type]
        return self._texts(value)

    def _texts(self, value: object) -> Any:
        texts = {"type": type_name(type(value)), "repr": shown(repr, value), "str": shown(str, value)}
        self._spend(sum(map(len, texts.values())))
        return {"$object": texts}


class Printed:
    """An object of which only the texts go out, whatever it is (``public_objects``)."""

    def __init__(self, value: object) -> None:
        self.value = value


def printed(value: object) -> list[Printed]:
    """Mark what ``public_objects`` gave: not its fields but what a user sees who prints it is judged."""
    items = value if isinstance(value, (list, tuple)) else [value]
    return [Printed(item) for item in items]


def is_unset(value: object) -> bool:
    """Whether a value is the kit's UNSET (known by its name: the kit may not be importable here)."""
    return isinstance(value, Enum) and value.name == "UNSET"


def _sort_key(item: object) -> tuple[str, str]:
    return (type(item).__name__, str(item))


def _untag(value: dict[str, Any]) -> Any:
    """Undo the tags; called by the JSON decoder on each object, the innermost first."""
    if len(value) != 1:
        return value
    ((key, item),) = value.items()
    if key not in TAGS or key == "$object":
        return value
    try:
        return _UNTAG[key](item)
    except (ValueError, TypeError, KeyError) as error:
        raise WireError(f"bad tag {key}: {error}") from error


_UNTAG: dict[str, Callable[[Any], Any]] = {
    "$float": {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}.__getitem__,
    "$int": int,
    "$bytes": functools.partial(base64.b64decode, validate=True),
    "$map": dict,
}


def _no_constant(token: str) -> Any:
    raise WireError(f"{token} is not JSON; the tag $float carries it")


def to_lines(message: Message, part_of: int) -> list[bytes]:
    """Write one message (values already encoded) as its lines; ``part_of`` numbers it if it needs parts."""
    text = json.dumps(message, separators=(",", ":"), allow_nan=False)
    if len(text) < LINE_LIMIT:
        return [text.encode("ascii") + b"\n"]
    if len(text) > VALUE_LIMIT:
        raise UnsendableError(f"the message is {len(text)} bytes, over the limit of {VALUE_LIMIT >> 20} MiB")
    count = -(-len(text) // PART_TEXT)
    parts = (
        {"of": part_of, "index": i, "count": count, "text": text[i * PART_TEXT : (i + 1) * PART_TEXT]}
        for i in range(count)
    )
    return [
        json.dumps({"tgic": 1, "part": part}, separators=(",", ":")).encode("ascii") + b"\n" for part in parts
    ]


class Assembler:
    """Protocol lines in, messages out; puts parts together."""

    def __init__(self) -> None:
        self._texts: dict[int, list[str]] = {}

    def feed(self, line: bytes) -> Message | None:
        """Take one line (without its LF); None while a message is incomplete. Raises :class:`WireError`."""
        if len(line) >= LINE_LIMIT:
            raise WireError(f"a line of {len(line)} bytes: the limit is {LINE_LIMIT}", line)
        message = parse(line)
        if "part" not in message:
            return message
        text = self._join(message["part"], line)
        return None if text is None else parse(text.encode("ascii", "replace"))

    def _join(self, part: Any, line: bytes) -> str | None:
        try:
            of, index, count, text = part["of"], part["index"], part["count"], part["text"]
        except (TypeError, KeyError) as error:
            raise WireError("a part needs of, index, count and text", line) from error
        if not (type(of) is type(index) is type(count) is int and isinstance(text, str)):
            raise WireError("of, index and count of a part are integers, text is a string", line)
        texts = self._texts.setdefault(of, [])
        if index != len(texts) or index >= count:
            del self._texts[of]
            raise WireError(f"part {index} of {count} came where part {len(texts)} was due", line)
        texts.append(text)
        if sum(map(len, texts)) > VALUE_LIMIT:
            del self._texts[of]
            raise WireError(f"a message over {VALUE_LIMIT >> 20} MiB", line)
        return "".join(self._texts.pop(of)) if index == count - 1 else None


def parse(text: bytes) -> Message:
    """Parse one message; raises :class:`WireError`."""
    if not text.isascii():
        raise WireError("a protocol line is ASCII only", text)
    try:
        message = json.loads(text, object_hook=_untag, parse_constant=_no_constant)
    except WireError as error:
        raise WireError(error.rule, text) from error
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON: {error}", text) from error
    if not isinstance(message, dict) or message.get("tgic") != PROTOCOL:
        raise WireError('a message is an object with "tgic":1', text)
    return message


def write_all(fd: int, data: bytes) -> None:
    """Write every byte to a blocking descriptor."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


class Wire:
    """The host's sending side; messages of several threads do not mix."""

    def __init__(self, fd: int, on_refusal: Callable[[Any], object]) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._on_refusal = on_refusal

    def send(self, event: str, **fields: Any) -> bool:
        """Send one event; False where a value in it cannot be sent: ``refused`` goes out instead."""
        sent = True
        try:
            encoder = Encoder()
            body = {key: encoder.encode(value) for key, value in fields.items()}
            lines = to_lines({"tgic": PROTOCOL, "event": event, **body}, next(self._numbers))
        except Exception as error:  # noqa: BLE001 -- a foreign mapping or dataclass may raise anything
            sent = False
            self._on_refusal(fields.get("id"))
            text = cut(f"cannot send this {event}: {error if str(error) else type(error).__name__}")
            refusal = {
                "tgic": PROTOCOL,
                "event": "refused",
                "id": fields.get("id"),
                "text": text,
                "at": now(),
            }
            lines = to_lines(refusal, next(self._numbers))
        with self._lock, contextlib.suppress(BrokenPipeError):  # without a driver nobody listens
            for line in lines:
                write_all(self._fd, line)
        return sent


# --- exceptions, arguments ---------------------------------------------------------------------------


now = time.monotonic


def type_name(cls: type) -> str:
    """Return ``module.Class``, without the module for builtins."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def cut(text: str) -> str:
    """Bound a text, saying how much is missing."""
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}[+{len(text) - TEXT_LIMIT} characters]"


def shown(how: Callable[[Any], str], value: object) -> str:
    """Return ``repr(value)`` or ``str(value)``, bounded, also where the value's own method fails."""
    try:
        return cut(str(how(value)))
    except BaseException as error:  # noqa: BLE001 -- foreign code; whatever it raises is what it shows
        return f"<{how.__name__}() raised {type(error).__name__}>"


def exception_chain(error: BaseException) -> list[Message]:
    """List the exception, then what it came from, breadth first; a suppressed context stays out."""
    links: list[Message] = []
    seen: set[int] = set()
    todo: deque[tuple[BaseException, str]] = deque([(error, "raised")])
    while todo and len(links) < CHAIN_LIMIT:
        link, relation = todo.popleft()
        if id(link) in seen:
            continue
        seen.add(id(link))
        links.append(_link(link, relation))
        if link.__cause__ is not None:
            todo.append((link.__cause__, "cause"))
        elif link.__context__ is not None and not link.__suppress_context__:
            todo.append((link.__context__, "context"))
        members = getattr(link, "exceptions", ())
        if isinstance(members, tuple):
            todo.extend((member, "group") for member in members if isinstance(member, BaseException))
    return links


def _link(error: BaseException, relation: str) -> Message:
    args = error.args if isinstance(error.args, tuple) else ()
    notes = getattr(error, "__notes__", None) or ()
    return {
        "type": type_name(type(error)),
        "message": shown(str, error),
        "repr": shown(repr, error),
        "args": [
            *(shown(repr, item) for item in args[:20]),
            *(f"note: {note}"[:TEXT_LIMIT] for note in notes),
        ],
        "relation": relation,
    }


def same(left: object, right: object) -> bool:
    """Deep equality by type and value, where NaN equals NaN."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right or (left != left and right != right)  # NaN


def is_future(value: object) -> bool:
    """Whether a value behaves like ``concurrent.futures.Future``."""
    return isinstance(value, Future) or (
        not isinstance(value, Mapping)
        and all(callable(getattr(value, name, None)) for name in ("result", "cancel", "done"))
    )


def is_stream(value: object, *, asked: bool) -> bool:
    """Whether a call's value is a stream; when one was asked for, any iterable that is no answer will do."""
    if isinstance(value, (str, bytes, Mapping)) or value is None or dataclasses.is_dataclass(value):
        return False
    if hasattr(value, "__next__") or hasattr(value, "__anext__") or hasattr(value, "__aiter__"):
        return True
    return asked and hasattr(value, "__iter__")


def runs_on_loop(method: Callable[..., Any]) -> bool:
    """Whether calling the method gives a coroutine or an async generator."""
    call = getattr(method, "__call__", method)  # noqa: B004 -- its code is asked for, not whether it exists
    return any(
        test(candidate)
        for candidate in (inspect.unwrap(method), call)
        for test in (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    )


# --- what the host watches ---------------------------------------------------------------------------


class Journal:
    """Bounded list of records between two censuses."""

    def __init__(self, *, distinct: bool = False) -> None:
        self._lock = threading.Lock()
        self._distinct = distinct
        self._items: dict[Any, None] = {}
        self._dropped = 0
        self._room = RECORDS_TEXT

    def add(self, item: Any, size: int = 100) -> None:
        """Add a record of ``size`` characters; over the limits it is counted only."""
        with self._lock:
            if len(self._items) >= RECORDS_LIMIT or size > self._room:
                self._dropped += 1
            else:
                self._room -= size
                self._items[item if self._distinct else (len(self._items), item)] = None

    def take(self) -> tuple[list[Any], int]:
        """Return the records and the number dropped, and start anew."""
        with self._lock:
            items, self._items = self._items, {}
            dropped, self._dropped = self._dropped, 0
            self._room = RECORDS_TEXT
        return (list(items) if self._distinct else [item for _, item in items]), dropped


class LogTap(logging.Handler):
    """Root handler that keeps every record as (level, logger, text)."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(level=0)
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record; one that cannot be formatted is kept unformatted."""
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 -- foreign arguments; kept raw instead
            text = f"{record.msg!r} % {record.args!r}"
        if record.exc_info and record.exc_info[1] is not None:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info))
        text = cut(text)
        self._journal.add((record.levelno, record.name, text), len(text))


#: The call whose thread or task runs now.
current_call: contextvars.ContextVar[Call | None] = contextvars.ContextVar("tgic_call", default=None)


class Watch:
    """Logs, warnings, connects, name look-ups and descriptors of this process."""

    audited: Watch | None = None
    hooked = False

    def __init__(self, own_descriptors: set[int]) -> None:
        self.logs = Journal()
        self.warnings = Journal()
        self.connects = Journal(distinct=True)
        self.lookups = Journal(distinct=True)
        self._own = own_descriptors
        self._tap = LogTap(self.logs)
        self._before: tuple[Any, ...] = ()
        self._hushed: list[logging.Logger] = []

    def start(self) -> None:
        """Hook in. An audit hook cannot be taken out again, so there is one for the whole process."""
        root = logging.getLogger()
        self._before = (root.level, warnings.showwarning, warnings.filters[:])
        root.addHandler(self._tap)
        root.setLevel(1)
        self._hushed = [one for one in map(logging.getLogger, LIBRARIES) if one.level == logging.NOTSET]
        for library in self._hushed:
            library.setLevel(logging.INFO)
        warnings.simplefilter("always")
        warnings.showwarning = self._show_warning
        Watch.audited = self
        if not Watch.hooked:
            sys.addaudithook(_audit)
            Watch.hooked = True

    def stop(self) -> None:
        """Hook out, so that what is said at exit goes to stderr as usual."""
        level, show, filters = self._before
        root = logging.getLogger()
        root.removeHandler(self._tap)
        root.setLevel(level)
        for library in self._hushed:
            if library.level == logging.INFO:  # else the backend has set it
                library.setLevel(logging.NOTSET)
        warnings.showwarning = show
        warnings.resetwarnings()  # also makes the interpreter forget what it decided by the old filters
        warnings.filters[:] = filters  # type: ignore[index]
        Watch.audited = None

    def _show_warning(self, message: Any, category: type[Warning], *_args: Any, **_kwargs: Any) -> None:
        text = cut(f"{category.__name__}: {message}")
        self.warnings.add(text, len(text))
        call = current_call.get()
        if call is not None and len(call.warnings) < CHAIN_LIMIT * 5:
            call.warnings.append(text)

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        """Note a connect or a look-up."""
        if event == "socket.connect":
            address = args[1]
            where = f"{address[0]}:{address[1]}" if isinstance(address, tuple) else repr(address)
            self.connects.add(where)
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            host = args[0]
            self.lookups.add(host.decode("ascii", "replace") if isinstance(host, bytes) else str(host))

    def descriptors(self) -> tuple[int, int]:
        """Count open descriptors and, among them, sockets; the host's own are left out."""
        foreign = _open_descriptors() - self._own
        sockets = 0
        for fd in foreign:
            with contextlib.suppress(OSError):
                sockets += stat.S_ISSOCK(os.fstat(fd).st_mode)
        return len(foreign), sockets


def _audit(event: str, args: tuple[Any, ...]) -> None:
    watch = Watch.audited
    if watch is not None and event.startswith("socket."):
        watch.audit(event, args)


class Loop:
    """The one event loop of async calls, in a thread; a ticker measures how long it was held up."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None
        self._last_tick: float | None = None
        self._gap = 0.0
        self.own: set[asyncio.Task[Any]] = set()

    def submit(self, what: Callable[..., object], *args: object) -> None:
        """Call ``what`` in the loop's thread; the thread starts with its first work."""
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"{OWN_THREAD}loop", daemon=True)
                self._thread.start()
        self.loop.call_soon_threadsafe(what, *args)

    def spawn(self, coroutine: Any, name: str) -> asyncio.Task[Any]:
        """Start a task of the host's own (in the loop's thread)."""
        task = self.loop.create_task(coroutine, name=name)
        self.own.add(task)
        task.add_done_callback(self.own.discard)
        return task

    def settle(self, awaitable: Awaitable[Any]) -> Any:
        """Await something from another thread and return its value."""
        done: Future[Any] = Future()

        async def wait() -> None:
            try:
                done.set_result(await awaitable)
            except BaseException as error:  # noqa: BLE001 -- handed to the thread that waits
                done.set_exception(error)

        self.submit(lambda: self.spawn(wait(), "tgic-settle"))
        return done.result()

    def tick_gap(self) -> float | None:
        """Return the largest gap between ticks since it was last asked for, seconds; None: no loop yet."""
        if self._last_tick is None:
            return None
        gap, self._gap = max(self._gap, now() - self._last_tick), 0.0
        return gap

    def tasks(self) -> list[str]:
        """Names of the unfinished tasks that are not the host's own."""
        for _ in range(3):
            try:
                return [
                    t.get_name() for t in asyncio.all_tasks(self.loop) if t not in self.own and not t.done()
                ]
            except RuntimeError:  # the set changed while it was copied
                continue
        return ["unknown: the tasks change too fast to be counted"]

    def stop(self) -> None:
        """End the loop as ``asyncio.run`` does: cancel what is left, close the generators."""
        if self._thread is not None:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(1.0)
            if self._thread.is_alive():
                return
            self._drain()
        self.loop.close()

    def _drain(self) -> None:
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        with contextlib.suppress(Exception):
            self.loop.run_until_complete(asyncio.wait_for(_gather(tasks), 1.0))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(lambda: self.spawn(self._tick(), "tgic-tick"))
        while True:
            try:
                self.loop.run_forever()
            except BaseException as error:  # noqa: BLE001 -- SystemExit of a backend's task must not end the host
                traceback.print_exception(type(error), error, error.__traceback__)
            else:
                return

    async def _tick(self) -> None:
        while True:
            self._last_tick = now()
            await asyncio.sleep(TICK)
            self._gap = max(self._gap, now() - self._last_tick)


async def _gather(tasks: Iterable[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


# --- calls -------------------------------------------------------------------------------------------


class ConsumerError(Exception):
    """What a consumer raises in the midst of a stream (``leave`` with how "throw")."""


class Call:
    """One call of the driver's: its arguments, what is asked of its stream, how it is taken back."""

    def __init__(self, host: Host, message: Message) -> None:
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
        return target(*positional, **args)

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
        if how == "close" and callable(getattr(holder[0], "close", None)):
            holder[0].close()
        elif how == "throw":
            with contextlib.suppress(ConsumerError):
                _raise_while_holding(holder.pop())
        holder.clear()
        if how != "close":
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
        if how == "close":
            close = getattr(holder[0], "aclose", None) or getattr(holder[0], "close", None)
            closing = close() if callable(close) else None
            if inspect.isawaitable(closing):
                await closing
        elif how == "throw":
            with contextlib.suppress(ConsumerError):
                _raise_while_holding(holder.pop())
        holder.clear()
        if how != "close":
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
        self.finish("error", info=info, exception=exception_chain(error), problem=problem)

    def _classify(self, error: BaseException) -> tuple[Any, str | None]:
        if "classify" not in self.host.implemented:
            return {"kind": "unmapped"}, None
        try:
            info = self.host.method("classify")(error)
            if inspect.isawaitable(info):
                info = self.host.loop.settle(info)
        except BaseException as fault:  # noqa: BLE001 -- the adapter's fault, told beside the exception
            return None, cut(f"classify() raised {shown(repr, fault)}")
        return as_info(info), None

    async def _classify_async(self, error: BaseException) -> tuple[Any, str | None]:
        if "classify" not in self.host.implemented:
            return {"kind": "unmapped"}, None
        try:
            info = self.host.method("classify")(error)
            if inspect.isawaitable(info):
                info = await info
        except BaseException as fault:  # noqa: BLE001
            return None, cut(f"classify() raised {shown(repr, fault)}")
        return as_info(info), None


def as_info(info: Any) -> Any:
    """``None`` and a bare kind are short for an ErrorInfo."""
    if info is None:
        return {"kind": "unmapped"}
    return {"kind": info} if isinstance(info, str) else info


def truth(value: Any) -> bool | None:
    """``bool(value)``; None where that fails."""
    try:
        return bool(value)
    except Exception:  # noqa: BLE001 -- a value that has no truth; said as null
        return None


def _raise_while_holding(stream: Any) -> None:
    """Be a consumer whose loop body raises: the stream's last reference goes with this frame."""
    raise ConsumerError(f"the consumer of a {type(stream).__name__} failed")


async def _aiter(items: Iterable[Any]) -> Any:
    for item in items:
        yield item


# --- the host ----------------------------------------------------------------------------------------


class StartError(Exception):
    """The adapter cannot be used; ``stage`` is import, create, describe or protocol."""

    def __init__(self, stage: str, text: str) -> None:
        super().__init__(text)
        self.stage = stage


def check_protocol(offered: list[int]) -> None:
    """Raise :class:`StartError` where the driver does not speak this protocol."""
    if PROTOCOL not in offered:
        raise StartError("protocol", f"this host speaks protocol {PROTOCOL}, not {offered}")


def load_adapter(spec: str) -> Any:
    """Load and make the adapter that ``package.module:Class`` or ``folder/file.py:Class`` names."""
    where, _, attribute = spec.rpartition(":")
    if not where or not attribute:
        raise StartError("import", f"{spec!r} is not of the form module:Class or file.py:Class")
    module = _load_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    try:
        made = functools.reduce(getattr, attribute.split("."), module)
    except AttributeError as error:
        names = [name for name, item in vars(module).items() if isinstance(item, type)]
        raise StartError("import", f"{where} has no {attribute}; its classes: {names}") from error
    return made


def _module_name(path: Path) -> str:
    """The file's stem, unless another module has it: an adapter in queue.py must not hide the standard."""
    standard = getattr(sys, "stdlib_module_names", sys.builtin_module_names)
    there = sys.modules.get(path.stem)
    other = there is not None and getattr(there, "__file__", None) != str(path)
    return f"adapter_{path.stem}" if path.stem in standard or other else path.stem


def _load_file(path: Path) -> Any:
    if not path.is_file():
        raise StartError("import", f"there is no file {path}")
    name = _module_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StartError("import", f"{path} cannot be loaded as a module")
    sys.path.append(str(path.resolve().parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class Host:
    """Serves one driver over two descriptors until ``bye`` or the end of input."""

    def __init__(self, read_fd: int, write_fd: int, *, own_process: bool = True) -> None:
        self._calls: dict[int, Call] = {}
        self.wire = Wire(write_fd, lambda call_id: self._calls.pop(call_id, None))
        self._read_fd = read_fd
        self._own_process = own_process
        known = _open_descriptors()
        self.loop = Loop()
        self.watch = Watch({read_fd, write_fd, 0, 1, 2} | (_open_descriptors() - known))
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
                traceback="" if isinstance(error, StartError) else cut(traceback.format_exc()),
            )
            return
        # What stands now stays: each census then looks through what the calls left only (10 ms less).
        gc.collect()
        gc.freeze()
        self.wire.send(
            "hello",
            id=message["id"],
            protocol=PROTOCOL,
            language=f"Python {platform.python_version()}",
            description=description,
            implemented=sorted(self.implemented),
            pid=os.getpid(),
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
            connects=self.watch.connects.take()[0],
            lookups=self.watch.lookups.take()[0],
            tick_gap=self.loop.tick_gap(),
            logs=[{"level": level, "logger": name, "text": text} for level, name, text in logs],
            logs_dropped=logs_dropped,
            warnings=self.watch.warnings.take()[0],
            open_calls=len(self._calls),
        )


def _open_descriptors() -> set[int]:
    found = set()
    for name in os.listdir(DESCRIPTORS):  # noqa: PTH208
        with contextlib.suppress(
            OSError, ValueError
        ):  # the descriptor of the listing itself is closed by now
            os.fstat(int(name))
            found.add(int(name))
    return found


def _exit_after(seconds: float) -> None:
    """The driver is gone: leave even where a thread of the backend would keep the interpreter."""

    def leave() -> None:
        time.sleep(seconds)
        os._exit(0)

    threading.Thread(target=leave, name=f"{OWN_THREAD}exit", daemon=True).start()


def move_protocol() -> tuple[int, int]:
    """Give the protocol private descriptors; input is then empty, and prints go to standard error."""
    read_fd, write_fd = os.dup(0), os.dup(1)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through=True, errors="backslashreplace")  # type: ignore[union-attr]
    return read_fd, write_fd


def main() -> None:
    """Run as a script."""
    # The folder of this file would shadow the adapter's own modules.
    here = Path(__file__).resolve().parent
    sys.path[:] = [path for path in sys.path if path and Path(path).resolve() != here]
    Host(*move_protocol()).serve()


if __name__ == "__main__":
    main()

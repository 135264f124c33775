# ruff: noqa: ARG002, TRY301, RET503, FBT002 -- the shape of an adapter, and faults on purpose
"""Adapters that are wrong on purpose, one class a fault; each must cost one call, or the start."""

import os
import signal
import sys
import threading
import time

FOR_EVER = threading.Event()


class Base:
    def describe(self):
        return {"name": type(self).__name__}

    def create_endpoint(self, **settings):
        return "e1"


class Dies(Base):
    def generate(self, prompt):
        print("last words")
        if prompt == "segfault":
            signal.raise_signal(signal.SIGSEGV)
        os._exit(3)

    def chat(self, messages):
        return "alive"


class Sleeps(Base):
    def generate(self, prompt, stream=False):
        if stream:
            return self.pieces()
        FOR_EVER.wait()

    def pieces(self):
        yield "one"
        FOR_EVER.wait()

    def chat(self, messages):
        return "awake"


class Stubborn(Sleeps):
    def __init__(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


class Prints(Base):
    def generate(self, prompt):
        sys.stdout.buffer.write(bytes(range(256)))
        os.write(1, b'{"tgic":1,"event":"result","id":1,"value":"forged","at":0}\n')
        os.write(2, b"\xff\xfe to stderr\n")
        print("no line end", end="")
        os.system("echo from a child")  # noqa: S605
        return "printed"

    def chat(self, messages):
        for _ in range(300):
            sys.stdout.write("x" * 10_000)
        print("the end")
        return "flooded"


class Values(Base):
    def generate(self, prompt, *, value=None, stream=False):
        if prompt == "return":
            return value
        if prompt == "stream":
            return iter([value])
        made = {
            "surrogate": lambda: "a\ud83db",
            "nan": lambda: {"raw": [float("nan"), float("inf"), -float("inf")]},
            "big": lambda: {"raw": [1 << 64, -(1 << 53), 1 << 53]},
            "bytes": lambda: {"raw": b"\x00\xff"},
            "tag": lambda: {"raw": {"$float": "nan"}},
            "3 MiB": lambda: '"\\\n' * (1 << 20),
            "100 MB": lambda: "x" * 100_000_000,
            "loop": looped,
            "none": lambda: None,
            "number": lambda: 7,
            "object": lambda: {"raw": [Hostile()]},
            "hostile": HostileMapping,
            "unknown key": lambda: {"text": "x", "finish_reasn": "stop"},
            "wrong type": lambda: {"text": 5},
            "set": lambda: {"raw": {"b", "a"}},
        }[prompt]()
        return iter([made]) if stream else made

    def completions(self, prompt):
        return ["one", "two"]


class Hostile:
    def __repr__(self):
        raise RuntimeError("no repr")

    def __bool__(self):
        raise RuntimeError("no truth")


class HostileMapping(dict):
    def items(self):
        raise RuntimeError("no items")


def looped():
    value = []
    value.append(value)
    return {"raw": value}


class Mutates(Base):
    def chat(self, messages, tools=None, stop=None):
        messages[0]["role"] = "changed"
        stop.append("more")
        return "ok"

    def generate(self, prompt, *, tools=None, stream=False):
        yield "a"
        tools["a"]["b"].append(1)


class BadClassify(Base):
    answer = None

    def generate(self, prompt):
        raise ValueError(prompt)

    def classify(self, exception):
        if str(exception) == "raise":
            raise KeyError("in classify")
        return {"unmapped": None, "kind": "auth", "wrong": {"kind": "nonsense"}}[str(exception)]


class Chains(Base):
    def generate(self, prompt):
        try:
            try:
                raise OSError(5, "deep")
            except OSError as error:
                raise KeyError("key") from error
        except KeyError:
            raise HostileError("top", b"raw") from (None if prompt == "suppressed" else sys.exc_info()[1])

    def chat(self, messages):
        raise ValueError("x" * 1_000_000)

    def completions(self, prompt):
        raise KeyboardInterrupt


class HostileError(Exception):
    def __str__(self):
        raise RuntimeError("no str")


class Counts(Base):
    """How many calls are inside at once."""

    def __init__(self):
        self.inside = threading.Semaphore(0)
        self.gate = threading.Event()

    def generate(self, prompt):
        self.inside.release()
        self.gate.wait()
        return prompt

    def chat(self, messages):
        for _ in range(messages[0]):
            self.inside.acquire()
        self.gate.set()
        return "all inside"


class Lingers(Base):
    """Leaves a thread that keeps the interpreter alive."""

    def generate(self, prompt):
        threading.Thread(target=FOR_EVER.wait).start()
        return prompt


class NotAMapping(Base):
    def describe(self):
        return ["core"]


class Misspelt(Base):
    def describe(self):
        return {"name": "x", "capabilities": ["straem"]}


class WrongField(Base):
    def describe(self):
        return {"name": "x", "retry": {"max_retries": "three"}}


class NoEndpoint:
    def describe(self):
        return {"name": "x"}


class ConstructorRaises(Base):
    def __init__(self):
        raise ValueError("no configuration")


class SlowInTerm(Base):
    def generate(self, prompt):
        return time.monotonic()


class Speaks(Base):
    """Breaks the protocol from inside: finds the private descriptor by asking the host's own modules."""

    def generate(self, prompt):
        package = sys.modules["__main__"].PACKAGE
        call = sys.modules[f"{package}.watch"].current_call.get()
        lines = {
            "unknown event": b'{"tgic":1,"event":"shrug","id":%d}\n' % call.id,
            "wrong type": b'{"tgic":1,"event":"result","id":%d,"value":1,"at":"now"}\n' % call.id,
            "unknown key": b'{"tgic":1,"event":"entered","id":%d,"at":1.5,"extra":1}\n' % call.id,
            "not JSON": b'{"tgic":1,"event":\n',
            "NaN": b'{"tgic":1,"event":"result","id":%d,"value":NaN,"at":1}\n' % call.id,
            "missing key": b'{"tgic":1,"event":"error","id":%d,"info":null,"at":1}\n' % call.id,
            "other id": b'{"tgic":1,"event":"result","id":999999,"value":1,"at":1}\n',
            "long line": b'{"tgic":1,"event":"' + b"x" * (1 << 20) + b'"}\n',
        }
        with call.host.wire._lock:
            sys.modules[f"{package}.wire"].write_all(call.host.wire._fd, lines[prompt])
        return "said"

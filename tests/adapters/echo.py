# ruff: noqa: ARG002, TRY301 -- the shape of an adapter, and faults on purpose
"""A well-behaved adapter without a network: what the host does with good values."""

import asyncio
import logging
import socket
import threading
import warnings
from concurrent.futures import Future

BLOCKED = threading.Event()


class EchoError(Exception):
    pass


class Held:
    """An iterator that only a collection of garbage lets go of, since it holds itself."""

    def __init__(self, text):
        self.pieces, self.me = iter(text), self

    def __iter__(self):
        return self.pieces

    def __del__(self):
        logging.getLogger("echo.stream").info("closed")


class Echo:
    def __init__(self):
        self.entered = threading.Event()
        self.tasks = []

    def describe(self):
        return {"name": "echo", "capabilities": ["stream", "native"], "retry": {"max_delay": float("inf")}}

    def create_endpoint(self, **settings):
        return "e1"

    def generate(self, text, *, endpoint_id=None, stream=False, **parameters):
        """Do what the parameter ``act`` says, else give the prompt back."""
        act = parameters.get("act")
        if act is not None:
            return getattr(self, f"act_{act}")(text, **parameters)
        return (piece for piece in text) if stream else text

    async def chat(self, messages, *, stream=False, act="", **parameters):
        if act == "raise":
            raise EchoError(messages)
        if act == "sleep":
            await asyncio.Event().wait()
        if act == "task":
            self.tasks.append(asyncio.ensure_future(asyncio.Event().wait()))
        if act == "block":
            threading.Event().wait(0.1)
        return {"text": messages[-1]["content"], "finish_reason": "stop"}

    async def completions(self, prompt, *, stream=False, act=""):
        try:
            for piece in prompt:
                yield {"text": piece}
                if act == "sleep":
                    await asyncio.Event().wait()
        finally:
            logging.getLogger("echo.stream").info("closed")

    def get_stats(self, endpoint_id=None):
        return {"endpoint": endpoint_id, "threads": threading.current_thread().name}

    def classify(self, exception):
        if isinstance(exception, EchoError):
            return {"kind": "validation", "status": 422, "message": str(exception)}
        return None

    def submit(self, kind, **arguments):
        future = Future()
        if "prompt" in arguments:
            future.set_result(arguments["prompt"])
        return future

    def public_objects(self):
        return [object(), EchoError("shown")]

    # acts

    def act_raise(self, text, **_):
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise EchoError(text, 7) from error

    def act_exit(self, text, **_):
        raise SystemExit(text)

    def act_warn(self, text, **_):
        warnings.warn(f"old {text}", DeprecationWarning, stacklevel=1)
        logging.getLogger("echo.wire").debug("said %s", text)
        print(f"printed {text}")
        return text

    def act_log_of_libraries(self, text, **_):
        for name in ("httpx", "httpcore.http11"):
            logging.getLogger(name).debug("below %s", text)
            logging.getLogger(name).info("said %s", text)
        logging.getLogger("urllib3").setLevel(logging.DEBUG)
        logging.getLogger("urllib3.pool").debug("asked for %s", text)
        return text

    def act_block(self, text, **_):
        BLOCKED.wait()

    def act_fruitless(self, text, **_):
        while not BLOCKED.wait(0.005):
            pass

    def act_connect(self, text, **_):
        host, _, port = text.partition(":")
        with socket.socket() as sock:
            socket.getaddrinfo(host, int(port))
            sock.connect_ex((host, int(port)))
        return text

    def act_garbage(self, text, **_):
        """Leave a socket behind that only a collection of garbage closes."""
        ring = [socket.socket()]
        ring.append(ring)
        return text

    def act_map(self, text, **_):
        return map(str, _through(Held(text)))

    def act_keep(self, text, **_):
        self.kept = socket.socket(), threading.Thread(target=BLOCKED.wait, name="kept", daemon=True)
        self.kept[1].start()
        return text

    def act_values(self, text, value, **_):
        return {"text": repr(value)}

    def act_parameters(self, text, **parameters):
        return {"raw": {"prompt": text, **parameters}}


def _through(held):
    """Keep the iterator's owner alive as long as its pieces are read."""
    yield from held

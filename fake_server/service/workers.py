"""Several processes on one port, for load beyond what one core serves.

The kernel deals connections out to whoever listens with SO_REUSEPORT. Workers know nothing of one another,
so only what each can do by itself is served: no reply that is used up, no limit, hold or chaos, no control
API and no journal. Linux only: elsewhere the last one to listen gets every connection.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from tgi_conformance.contracts.script import Limits, Reply, Script
from tgi_conformance.fake_server.service.connecting import connect
from tgi_conformance.fake_server.service.draining import drain
from tgi_conformance.fake_server.service.precise_timers import precise_event_loop
from tgi_conformance.fake_server.space.spaces import Spaces

MOST_WORKERS: Final = 64


def why_not(script: Script) -> Iterator[str]:
    """What of a script needs one memory for all its requests, with the place of it; nothing: it may load."""
    for pointer, needs, wanted in _RULES:
        if wanted(script):
            yield f"{pointer}: {needs}"
    if script.otherwise is not None:
        for pointer, needs in _of_delivery(script.otherwise):
            yield f"/otherwise{pointer}: {needs}"
    for index, reply in enumerate(script.replies):
        for pointer, needs in _of_reply(reply):
            yield f"/replies/{index}{pointer}: {needs}"


_RULES: Final[tuple[tuple[str, str, Callable[[Script], bool]], ...]] = (
    ("/limits", "a limit counts the requests of all workers", lambda script: script.limits != Limits()),
    ("/chaos", "the attempts of a call may reach different workers", lambda script: script.chaos is not None),
    (
        "/origins",
        "workers share one port, so there can be one origin",
        lambda script: script.origins != ("a",),
    ),
    ("/tls", "each worker would show a certificate of its own", lambda script: bool(script.tls)),
    (
        "/reading/gate",
        "nobody can release a gate: workers have no control API",
        lambda script: script.reading is not None and script.reading.gate is not None,
    ),
)


def _of_reply(reply: Reply) -> Iterator[tuple[str, str]]:
    if reply.requests[1] is not None:
        yield "/requests", 'each worker would count for itself; write "requests": [0, null]'
    yield from _of_delivery(reply)


def _of_delivery(reply: Reply) -> Iterator[tuple[str, str]]:
    if reply.delivery.holds:
        yield "/delivery/holds", "nobody can release a hold: workers have no control API"


def run_workers(
    script: Script, keys: Mapping[str, str], host: str, port: int, count: int, max_body: int
) -> int:
    """Fork workers, print the ready line once all listen, and end with the first that ends.

    Raises ``OSError`` where the port cannot be had, ``ValueError`` where workers cannot serve the script.
    """
    _refuse(script, count)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as reserved:
        # Bound and not listening: it keeps the port, and gets no connection.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind((host, port))
        taken: int = reserved.getsockname()[1]
        reader, writer = os.pipe()
        pids = [_fork(script, keys, host, taken, max_body, (reader, writer)) for _ in range(count)]
        os.close(writer)
        ready = b""
        while len(ready) < count and (piece := os.read(reader, count)):
            ready += piece
        os.close(reader)
        if len(ready) == count:
            shown = f"[{host}]" if ":" in host else host
            told = {"ready": True, "base_url": f"http://{shown}:{taken}{script.mount}", "workers": count}
            print(json.dumps(told), flush=True)  # noqa: T201
        return _wait(pids)


def _refuse(script: Script, count: int) -> None:
    if not 1 <= count <= MOST_WORKERS:
        raise ValueError(f"--workers {count}: from 1 to {MOST_WORKERS}")
    if sys.platform != "linux":
        raise ValueError("--workers: only Linux deals connections out to several listeners of one port")
    reasons = list(why_not(script))
    if reasons:
        raise ValueError(
            "--workers: this script needs one memory for all its requests: " + "; ".join(reasons)
        )


def _fork(
    script: Script, keys: Mapping[str, str], host: str, port: int, max_body: int, pipe: tuple[int, int]
) -> int:
    pid = os.fork()
    if pid:
        return pid
    os.close(pipe[0])
    status = 1
    try:
        with asyncio.Runner(loop_factory=precise_event_loop) as runner:
            runner.run(_serve(script, keys, host, port, max_body, pipe[1]))
        status = 0
    finally:
        # Not through the parent's clean-up: that is the parent's to do.
        sys.stderr.flush()
        os._exit(status)


async def _serve(
    script: Script, keys: Mapping[str, str], host: str, port: int, max_body: int, ready: int
) -> None:
    spaces = Spaces(connect, host, max_body=max_body, max_exchanges=0, shared_port=True)
    await spaces.open(script, keys, port=port)
    ended = asyncio.Event()
    draining = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: ended.set() if draining.is_set() else draining.set())
    loop.add_signal_handler(signal.SIGINT, ended.set)
    os.write(ready, b"r")
    os.close(ready)
    told = [loop.create_task(event.wait()) for event in (ended, draining)]
    await asyncio.wait(told, return_when=asyncio.FIRST_COMPLETED)
    if not ended.is_set():
        await drain(spaces, ended)
    spaces.retire_all()
    for task in told:
        task.cancel()


def _wait(pids: list[int]) -> int:
    """Wait for the workers; a signal to this process, or the end of one of them, ends them all."""

    def pass_on(number: int, _: object) -> None:
        for pid in living:
            os.kill(pid, number)

    living = set(pids)
    status = 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    while living:
        pid, how = os.wait()
        living.discard(pid)
        if os.waitstatus_to_exitcode(how):
            status = 1
            pass_on(signal.SIGTERM, None)
    return status

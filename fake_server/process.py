"""The fake server as a process: options in, one ready line out, a clean end."""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import secrets
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tgi_conformance.contracts.script import Script
from tgi_conformance.contracts.script_loading import ScriptError, load_script
from tgi_conformance.fake_server.control import Control, ControlConnection
from tgi_conformance.fake_server.draining import drain
from tgi_conformance.fake_server.heartbeat import Heartbeat
from tgi_conformance.fake_server.launcher import add_launcher_options, launched
from tgi_conformance.fake_server.precise_timers import precise_event_loop
from tgi_conformance.fake_server.serving import connect
from tgi_conformance.fake_server.spaces import Spaces

#: Bytes of one request body that are read at all; TGI's own limit (413) is the script's.
MAX_BODY: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How one process is started."""

    script: Script
    keys: dict[str, str]
    host: str = "127.0.0.1"
    port: int = 0
    owner_pipe: bool = False
    max_body: int = MAX_BODY


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until SIGTERM, SIGINT or (with --owner-pipe) the end of stdin."""
    try:
        options = read_options(arguments)
    except (OSError, ScriptError, ValueError) as error:
        print(f"fake server: {error}", file=sys.stderr)  # noqa: T201
        return 2
    _raise_file_limit()
    with asyncio.Runner(loop_factory=precise_event_loop) as runner:
        return runner.run(serve(options))


def read_options(arguments: Sequence[str] | None) -> Options:
    """Options from the command line; the launcher's names are TGI's."""
    given = _parser().parse_args(arguments)
    # Loading also the empty script compiles the schema before the first space needs it.
    value = {} if given.script is None else json.loads(given.script.read_text(encoding="utf-8"))
    script = load_script(value)
    return Options(
        script=launched(script, given, scripted=given.script is not None),
        keys={} if given.api_key is None else {"A": given.api_key},
        host=given.hostname,
        port=given.port,
        owner_pipe=given.owner_pipe,
        max_body=given.max_body,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fake-tgi", description="A scriptable TGI server.")
    parser.add_argument("--hostname", default="127.0.0.1", help="address to bind (default: loopback)")
    parser.add_argument(
        "--port", type=int, default=0, help="port of the first listener (default: a free one)"
    )
    parser.add_argument("--script", type=Path, help="script (JSON) that the first listener plays")
    parser.add_argument("--max-body", type=int, default=MAX_BODY, help="bytes of a request body read at all")
    parser.add_argument("--owner-pipe", action="store_true", help="end when standard input closes")
    add_launcher_options(parser)
    return parser


async def serve(options: Options) -> int:
    """Serve until told to end; prints the ready line once everything listens."""
    loop = asyncio.get_running_loop()
    spaces = Spaces(connect, options.host, max_body=options.max_body)
    heartbeat = Heartbeat(spaces.late)
    token = secrets.token_urlsafe(24)
    control = Control(spaces, heartbeat, token)
    listener = await loop.create_server(lambda: ControlConnection(control), "127.0.0.1", 0)
    try:
        space = await spaces.open(options.script, options.keys, port=options.port)
    except OSError as error:
        print(f"fake server: cannot listen on {options.host}:{options.port}: {error}", file=sys.stderr)  # noqa: T201
        listener.close()
        return 2
    ended = asyncio.Event()
    draining = asyncio.Event()
    # The first SIGTERM lets answers end, as TGI does; a second one does not.
    loop.add_signal_handler(signal.SIGTERM, lambda: ended.set() if draining.is_set() else draining.set())
    if options.owner_pipe:
        # Ctrl-C reaches the whole process group; the owner still wants its journals then.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _watch_owner(loop, ended)
    else:
        loop.add_signal_handler(signal.SIGINT, ended.set)
    heartbeat.start()
    host = f"[{options.host}]" if ":" in options.host else options.host
    first = next(port for origin, port in space.ports.items() if not origin.startswith("refused:"))
    ready = {
        "ready": True,
        "control": f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}",
        "token": token,
        "base_url": f"http://{host}:{first}{options.script.mount}",
    }
    print(json.dumps(ready), flush=True)  # noqa: T201
    drained = asyncio.create_task(_drain_when(draining, spaces, ended))
    await ended.wait()
    drained.cancel()
    heartbeat.stop()
    listener.close()
    spaces.retire_all()
    return 0


async def _drain_when(told: asyncio.Event, spaces: Spaces, ended: asyncio.Event) -> None:
    await told.wait()
    await drain(spaces, ended)


def _watch_owner(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    """End when the owner closes our stdin, which also happens when it dies."""
    descriptor = sys.stdin.fileno()

    def read() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            ended.set()

    loop.add_reader(descriptor, read)


def _raise_file_limit() -> None:
    """Two hundred closed spaces keep their listeners: take as many descriptors as are allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

"""The fake server as a process: options in, one ready line out, a clean end."""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import resource
import secrets
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Script
from tgi_conformance.contracts.script.loading import ScriptError, hold_upstream, load_script, prepare
from tgi_conformance.fake_server.control.api import Control, ControlConnection
from tgi_conformance.fake_server.control.heartbeat import Heartbeat
from tgi_conformance.fake_server.forwarding.onward import ByEgress, Onward, Straight
from tgi_conformance.fake_server.forwarding.upstream import Upstream
from tgi_conformance.fake_server.journal.builder import MAX_EXCHANGES
from tgi_conformance.fake_server.recording.recorder import Recorder
from tgi_conformance.fake_server.recording.replay import Replay, read_recordings
from tgi_conformance.fake_server.service.connecting import connecting_to
from tgi_conformance.fake_server.service.draining import drain
from tgi_conformance.fake_server.service.launcher import add_launcher_options, launched
from tgi_conformance.fake_server.service.observers import Observer
from tgi_conformance.fake_server.service.options import (
    STDIN,
    ServeOptions,
    add_serve_options,
    observing,
    read_keys,
    read_serve_options,
    script_with_options,
    warn_of_reach,
)
from tgi_conformance.fake_server.service.precise_timers import precise_event_loop
from tgi_conformance.fake_server.service.workers import run_workers
from tgi_conformance.fake_server.space.accepting import tell_of_refused
from tgi_conformance.fake_server.space.spaces import Spaces

#: Bytes of one request body that are read at all; TGI's own limit (413) is the script's.
MAX_BODY: Final = 64 * 1024 * 1024
PROGRAM: Final = "python -m tgi_conformance.fake_server"
_LAST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How one process is started."""

    script: Script
    keys: dict[str, str]
    host: str = "127.0.0.1"
    port: int = 0
    owner_pipe: bool = False
    max_body: int = MAX_BODY
    max_exchanges: int = MAX_EXCHANGES
    workers: int = 1
    serve: ServeOptions = field(default_factory=ServeOptions)


def main(arguments: Sequence[str] | None = None, *, program: str = PROGRAM) -> int:
    """Run the server until SIGTERM, SIGINT or (with --owner-pipe) the end of stdin.

    ``program`` is what the command calls itself in its help and its errors.
    """
    try:
        options = read_options(arguments, program=program)
    except (OSError, ScriptError, ValueError) as error:
        print(f"fake server: {error}", file=sys.stderr)  # noqa: T201
        return 2
    _raise_file_limit()
    _collect_seldom()
    warn_of_reach(options.host)
    try:
        if options.workers != 1:
            return run_workers(
                options.script, options.keys, options.host, options.port, options.workers, options.max_body
            )
        with observing(options.serve) as observe, asyncio.Runner(loop_factory=precise_event_loop) as runner:
            return runner.run(serve(options, observe))
    except (OSError, ValueError) as error:
        print(f"fake server: {error}", file=sys.stderr)  # noqa: T201
        return 2


def read_options(arguments: Sequence[str] | None, *, program: str = PROGRAM) -> Options:
    """Options from the command line; the launcher's names are TGI's."""
    given = _parser(program).parse_args(arguments)
    script = load_script({} if given.script is None else _json_of(given.script))
    scripted = given.script is not None
    whole = script_with_options(launched(script, given, scripted=scripted), given)
    serving = read_serve_options(given)
    if serving.upstream is None and serving.egress is None:
        hold_upstream(whole)
    return Options(
        script=whole,
        keys=read_keys(given),
        serve=serving,
        host=given.hostname,
        port=given.port,
        owner_pipe=given.owner_pipe,
        max_body=given.max_body,
        max_exchanges=given.journal_exchanges,
        workers=given.workers,
    )


def _json_of(path: Path) -> JSON:
    text = sys.stdin.read() if str(path) == STDIN else path.read_text(encoding="utf-8")
    try:
        value: JSON = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"--script {path}: no JSON: {error}") from error
    return value


def _port(word: str) -> int:
    """Read a port; argparse shows what is said of a wrong one."""
    if not (word.isdecimal() and int(word) <= _LAST_PORT):
        raise argparse.ArgumentTypeError(f"{word!r} is no port: 1 to {_LAST_PORT}, or 0 for a free one")
    return int(word)


def _parser(program: str) -> argparse.ArgumentParser:
    # The usage that argparse makes of 70 options fills a screen before an error says what is wrong.
    parser = argparse.ArgumentParser(
        prog=program,
        usage="%(prog)s [--port PORT] [--script FILE] [OPTION ...]",
        description="A scriptable TGI server.",
        epilog="Once it listens it prints one line of JSON, with its base_url. Stop it with Ctrl-C.",
    )
    parser.add_argument("--hostname", default="127.0.0.1", help="address to bind (default: loopback)")
    parser.add_argument(
        "--port", type=_port, default=0, help="port of the first listener (default: a free one)"
    )
    parser.add_argument("--script", type=Path, help="script (JSON) that the first listener plays; -: stdin")
    parser.add_argument("--max-body", type=int, default=MAX_BODY, help="bytes of a request body read at all")
    parser.add_argument(
        "--journal-exchanges",
        type=int,
        default=MAX_EXCHANGES,
        help="exchanges (and connections) that a journal keeps; later ones are answered, and a note says so",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        help="processes that share the port; for stateless scripts, without control API and journal (Linux)",
    )
    parser.add_argument("--owner-pipe", action="store_true", help="end when standard input closes")
    add_serve_options(parser)
    add_launcher_options(parser)
    return parser


async def serve(options: Options, observe: Observer | None = None) -> int:
    """Serve until told to end; prints the ready line once everything listens."""
    if options.serve.record is not None:
        return await _record(options, options.serve.record)
    loop = asyncio.get_running_loop()
    onward = _onward(options.serve)
    spaces = Spaces(
        connecting_to(onward),
        options.host,
        max_body=options.max_body,
        max_exchanges=options.max_exchanges,
    )
    spaces.observe = observe
    loop.set_exception_handler(tell_of_refused(spaces.refused))
    heartbeat = Heartbeat(spaces.late)
    token = secrets.token_urlsafe(24)
    control = Control(spaces, heartbeat, token, forwards=onward is not None)
    listener = await loop.create_server(lambda: ControlConnection(control), "127.0.0.1", 0)
    try:
        space = await spaces.open(options.script, options.keys, port=options.port)
    except OSError as error:
        print(f"fake server: cannot listen on {options.host}:{options.port}: {error}", file=sys.stderr)  # noqa: T201
        listener.close()
        return 2
    if options.serve.replay is not None:
        space.replies = Replay(read_recordings(options.serve.replay), speed=options.serve.replay_speed)
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
    ready = {
        "ready": True,
        "control": f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}",
        "token": token,
        "base_url": next(url for origin, url in space.urls.items() if not origin.startswith("refused:")),
    }
    if len(space.urls) > 1:
        ready["urls"] = space.urls
    if space.certificate is not None:
        ready["certificate"] = space.certificate
    print(json.dumps(ready), flush=True)  # noqa: T201
    # While the owner reads that line; before the heartbeat, which would take it for lateness.
    prepare()
    heartbeat.start()
    drained = asyncio.create_task(_drain_when(draining, spaces, ended))
    await ended.wait()
    drained.cancel()
    heartbeat.stop()
    listener.close()
    spaces.retire_all()
    return 0


def _onward(options: ServeOptions) -> Onward | None:
    """Where what is forwarded goes to."""
    if options.egress is not None:
        return ByEgress(*options.egress)
    return None if options.upstream is None else Straight(Upstream(options.upstream))


async def _record(options: Options, folder: Path) -> int:
    """Record until told to end; there are no spaces, so no control API either."""
    recorder = Recorder(
        Upstream(options.serve.upstream or "", identity=True, whole_chunks=True),
        folder,
        max_body=options.max_body,
    )
    server = await asyncio.start_server(recorder.serve, options.host, options.port)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    host = f"[{options.host}]" if ":" in options.host else options.host
    base_url = f"http://{host}:{server.sockets[0].getsockname()[1]}"
    print(json.dumps({"ready": True, "base_url": base_url, "record": str(folder)}), flush=True)  # noqa: T201
    await ended.wait()
    server.close()
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


def _collect_seldom() -> None:
    """Leave what stands now out of every collection, and look for cycles less often.

    A journal's records live long and hold no cycles: walking over them took a tenth of the time.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def _raise_file_limit() -> None:
    """Two hundred closed spaces keep their listeners: take as many descriptors as are allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

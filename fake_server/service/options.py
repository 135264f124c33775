"""The options that TGI's launcher does not have: keys, TLS, live view, journal file, record and replay."""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal

from tgi_conformance.contracts.script import Script, forwarded
from tgi_conformance.fake_server.forwarding.upstream import Upstream
from tgi_conformance.fake_server.service.observers import JournalFile, LiveView, Observer, all_of

Live = Literal["auto", "on", "off"]
STDIN: Final = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What was asked for beyond the server itself."""

    live: Live = "auto"
    journal: Path | None = None
    record: Path | None = None
    upstream: str | None = None
    #: URL and token of the egress of a run, which stands for an upstream.
    egress: tuple[str, str] | None = None
    replay: Path | None = None
    replay_speed: float = 1.0


def add_serve_options(parser: argparse.ArgumentParser) -> None:
    """Add them to a parser."""
    group = parser.add_argument_group("beyond TGI's launcher")
    group.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="ALIAS=KEY",
        help="a key, and the alias that scripts and journals use for it; repeatable",
    )
    group.add_argument("--tls", action="store_true", help="speak TLS with a self-signed certificate")
    group.add_argument(
        "--alpn",
        metavar="NAMES",
        help="protocols to offer over TLS, the preferred one first: h2,http/1.1 (default: no ALPN)",
    )
    group.add_argument(
        "--idle-timeout",
        type=float,
        metavar="MS",
        help="close a connection that was silent for so many milliseconds after an answer (default: never)",
    )
    group.add_argument("--nagle", action="store_true", help="delay small writes as TGI does (no TCP_NODELAY)")
    group.add_argument(
        "--live",
        choices=("auto", "on", "off"),
        default="auto",
        help="show each exchange on standard error (auto: only if that is a terminal)",
    )
    group.add_argument("--journal", type=Path, metavar="FILE", help="append a line of JSON for each exchange")
    group.add_argument(
        "--record",
        type=Path,
        metavar="DIR",
        help="forward requests to --upstream and write each exchange to a file",
    )
    group.add_argument(
        "--upstream",
        metavar="URL",
        help="base URL of a real server, which answers what the script has no reply for, or forwards",
    )
    group.add_argument("--egress-on-stdin", action="store_true", help=argparse.SUPPRESS)
    group.add_argument("--replay", type=Path, metavar="DIR", help="answer with the exchanges recorded there")
    group.add_argument(
        "--replay-speed",
        type=float,
        default=1.0,
        metavar="X",
        help="2 halves the recorded waits, 0 leaves them out",
    )


def read_serve_options(given: argparse.Namespace) -> ServeOptions:
    """What was asked for; raises ValueError for what does not go together."""
    _hold_upstream(given)
    if given.record is not None and (given.replay is not None or given.script is not None):
        raise ValueError("--record forwards everything: it cannot be combined with --script or --replay")
    if given.alpn is not None and not given.tls and given.script is None:
        raise ValueError("--alpn is offered over TLS: it needs --tls")
    if given.idle_timeout is not None and given.idle_timeout <= 0:
        raise ValueError("--idle-timeout: more than 0 milliseconds are needed")
    if given.record is not None and (given.tls or given.journal is not None or given.api_key is not None):
        raise ValueError("--record cannot be combined with --tls, --journal or --api-key")
    if given.replay is not None and given.script is not None:
        raise ValueError("--replay and --script cannot be combined")
    watched = (given.record, given.replay, given.journal)
    if given.workers != 1 and (any(option is not None for option in watched) or given.live == "on"):
        raise ValueError("--workers share nothing: no --record, --replay, --journal or --live on with them")
    if given.replay_speed < 0:
        raise ValueError("--replay-speed: a number from 0 on is needed")
    return ServeOptions(
        live=given.live,
        journal=given.journal,
        record=given.record,
        upstream=given.upstream,
        egress=_read_egress() if given.egress_on_stdin else None,
        replay=given.replay,
        replay_speed=given.replay_speed,
    )


def _read_egress() -> tuple[str, str]:
    """URL and token of the egress: the first line of standard input, so that no argument shows a secret."""
    # Byte by byte: whoever watches the pipe for its end must find what follows.
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(sys.stdin.fileno(), 1)):
        line += byte
    try:
        given = json.loads(line)
        return str(given["url"]), str(given["token"])
    except (ValueError, KeyError, TypeError):
        raise ValueError("--egress-on-stdin: a line of JSON with url and token is needed") from None


def _hold_upstream(given: argparse.Namespace) -> None:
    if given.upstream is None:
        if given.record is not None:
            raise ValueError("--record needs --upstream URL, the server to record")
        return
    Upstream(given.upstream)  # refuses a URL that is none
    if given.replay is not None:
        raise ValueError("--replay answers from files: it cannot be combined with --upstream")
    if given.workers != 1:
        raise ValueError("--workers share nothing: no --upstream with them")


def read_keys(given: argparse.Namespace) -> dict[str, str]:
    """Key by alias; ``--api-key`` is key A."""
    keys = {} if given.api_key is None else {"A": given.api_key}
    for pair in given.key:
        alias, equals, key = pair.partition("=")
        if not (alias and equals and key):
            # Not quoted: it may be the key itself.
            raise ValueError("--key: ALIAS=KEY is needed, as --key A=hf_...")
        keys[alias] = key
    return keys


def script_with_options(script: Script, given: argparse.Namespace) -> Script:
    """The script with what the options change in it."""
    changes: dict[str, object] = {}
    unscripted = script.otherwise is None or given.script is None
    if given.upstream is not None and given.record is None and unscripted:
        changes["otherwise"] = forwarded()
    if given.nagle:
        changes["nagle"] = True
    if given.tls:
        changes["tls"] = tuple(name for name in script.origins if not name.startswith("refused:"))
    if given.alpn is not None:
        changes["alpn"] = _protocols(given.alpn)
    if given.idle_timeout is not None:
        changes["idle_ms"] = given.idle_timeout
    return replace(script, **changes) if changes else script  # type: ignore[arg-type]


def _protocols(names: str) -> tuple[str, ...]:
    found = tuple(name.strip() for name in names.split(","))
    if not set(found) <= {"h2", "http/1.1"}:
        raise ValueError(f"--alpn: h2, http/1.1 or both are needed, not {names!r}")
    return found


@contextlib.contextmanager
def observing(options: ServeOptions) -> Iterator[Observer | None]:
    """Open the live view and the journal file as asked; gives who is to be told of each exchange."""
    with contextlib.ExitStack() as stack:
        observers: list[Observer] = []
        if options.live == "on" or (options.live == "auto" and sys.stderr.isatty()):
            observers.append(LiveView(sys.stderr))
        if options.journal is not None:
            file = JournalFile(options.journal)
            stack.callback(file.close)
            observers.append(file)
        yield all_of(observers)


def warn_of_reach(host: str) -> None:
    """Say who can reach what, where the server is not bound to loopback."""
    try:
        inside = ip_address(host).is_loopback
    except ValueError:
        inside = host == "localhost"
    if not inside:
        text = f"{host} can be reached from other machines; the control API stays on loopback (127.0.0.1)"
        print(f"fake server: warning: {text}", file=sys.stderr)  # noqa: T201

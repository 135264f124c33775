"""The fake server under the same load: with scripted bytes, and with TGI's own answers."""

import json
import sys
from pathlib import Path
from typing import Final

from peers import Running
from servers import Process, free_port
from workload import COMPLETION, TEXT, Kind

JSON = dict[str, object]

_SCRIPTED: Final[JSON] = {"response": {"body": {"json": COMPLETION}}}
_TGI: Final[JSON] = {"tgi": {"text": TEXT}}
_AT_ONCE: Final[JSON] = {"tgi": {"text": TEXT}, "delivery": {"splits": "whole"}}

#: What plays for each name, by kind of scenario.
PLAYS: Final[dict[str, tuple[Kind, JSON]]] = {
    "tgi-conformance, scripted answer": ("plain", _SCRIPTED),
    "tgi-conformance, TGI's answer": ("plain", _TGI),
    "tgi-conformance, a write an event": ("stream", _TGI),
    "tgi-conformance, one write": ("stream", _AT_ONCE),
}


def start(name: str, version: str, folder: Path, *options: str, python: str = sys.executable) -> Running:
    """Start a fake server that plays one reply for every request, under an interpreter that holds the kit."""
    reply = {**PLAYS[name][1], "requests": [0, None]}
    script = folder / f"{_slug(name)}-{_slug(version)}.json"
    script.write_text(json.dumps({"replies": [reply]}), encoding="utf-8")
    port = free_port()
    command = [
        python,
        "-m",
        "tgi_conformance.fake_server",
        "--script",
        str(script),
        "--port",
        str(port),
    ]
    process = Process([*command, *options], folder / f"{_slug(name)}-{_slug(version)}.log")
    process.wait_for(port)
    return Running(name, version, port, process)


def _slug(name: str) -> str:
    return "".join(character if character.isalnum() else "-" for character in name)

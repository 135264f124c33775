"""Hostile JSON for every route that takes a body, thrown at a real fake server.

    python tests/fuzz_json.py --inputs 40000 --seed 1

A request must be answered in bounded time, with a status and a body that TGI gives (500 on /vertex only,
where TGI masks every error so); the server must stay alive and say nothing on standard error.
"""

import argparse
import http.client
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final
from urllib.parse import urlsplit

from json_attacks import Attack, attacks

from tgi_conformance.contracts.schema.registry import problems
from tgi_conformance.contracts.script import Generation, Reply, Script, Server
from tgi_conformance.contracts.tgi.errors import CONTENT_TYPE, TOO_LARGE
from tgi_conformance.fake_server.client import FakeServer, Space

#: Seconds for an answer, and seconds more for each megabyte asked.
PATIENCE: Final = 5.0
PER_MEGABYTE: Final = 2.0
#: Larger answers are parsed, and not held against a schema.
CHECKED_BYTES: Final = 100_000
_TOY: Final = Reply(tgi=Generation(toy=True))
_ECHO: Final = Reply(tgi=Generation(echo=True))
_ROOMY: Final = Server(payload_limit=64_000_000)
#: Space's name -> how it is set up.
SPACES: Final[Mapping[str, Script]] = {
    "toy": Script(otherwise=_TOY),
    "toy, 64 MB": Script(otherwise=_TOY, server=_ROOMY),
    "echo, images": Script(otherwise=_ECHO, server=Server(vision=True)),
    "echo, lenient": Script(otherwise=_ECHO, server=Server(validate=False)),
    "toy, lenient": Script(otherwise=_TOY, server=Server(validate=False)),
    "tgi-2": Script(otherwise=_TOY, persona="tgi-2"),
    "tgi-1.4": Script(otherwise=_TOY, persona="tgi-1.4"),
    "openai-proxy": Script(otherwise=_TOY, persona="openai-proxy"),
    "hosted-router": Script(otherwise=_TOY, persona="hosted-router"),
}
STATUSES: Final = frozenset({200, 400, 413, 415, 422, 429})
#: 404: a persona does not serve the route, or not the model. 424: the hosted router's form of some errors.
MORE_STATUSES: Final[Mapping[str, frozenset[int]]] = {
    "tgi-1.4": frozenset({404}),
    "openai-proxy": frozenset({404}),
    "hosted-router": frozenset({404, 424}),
}
#: Ends of the names of the spaces whose answers have the form of TGI 3.3.
CHECKED: Final = ("toy", "MB", "images")
#: Answers that may come before the body was read; the server closes behind them.
ANSWERED_EARLY: Final = frozenset({404, 413, 415})
VERTEX_MASK: Final = b'{"error":"Incomplete generation","error_type":"Incomplete generation"}'
PLAIN: Final[Mapping[int, tuple[bytes, ...]]] = {
    400: (b"Failed to parse the request body as JSON: ", b"Failed to buffer the request body: "),
    413: (TOO_LARGE.message.encode(),),
    415: (CONTENT_TYPE.message.encode(),),
    422: (b"Failed to deserialize the JSON body into the target type: ",),
}
ANSWERS: Final[Mapping[str, tuple[str, str]]] = {
    "/": ("compat-response", "native-token-event"),
    "/generate": ("generate-response", ""),
    "/generate_stream": ("", "native-token-event"),
    "/v1/chat/completions": ("chat-completion", "chat-chunk"),
    "/v1/completions": ("completion", "completion-chunk"),
    "/tokenize": ("tokenize-response", ""),
    "/chat_tokenize": ("chat-tokenize-response", ""),
    "/vertex": ("vertex-response", ""),
}
ERROR_EVENTS: Final = ("native-error-event", "openai-error-event")


@dataclass(slots=True)
class Findings:
    """What a run showed; ``problems`` has to be empty."""

    kinds: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    sent: int = 0
    slowest: tuple[float, str] = (0.0, "")
    problems: list[str] = field(default_factory=list)

    @property
    def inputs(self) -> int:
        """How many requests were answered or judged."""
        return self.kinds.total()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    content_type: str
    body: bytes


class Thrower:
    """A kept connection to one space."""

    def __init__(self, space: Space) -> None:
        parts = urlsplit(space.base_url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port)

    def throw(self, attack: Attack) -> Answer:
        """One exchange; raises OSError or HTTPException where there is no answer in time."""
        patience = PATIENCE + PER_MEGABYTE * len(attack.body) / 1e6
        self._connection.timeout = patience
        if self._connection.sock is not None:
            self._connection.sock.settimeout(patience)
        headers = {} if attack.content_type is None else {"content-type": attack.content_type}
        try:
            self._send(attack, headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        if response.status in ANSWERED_EARLY:
            self._connection.close()
        return Answer(response.status, response.headers.get("content-type", ""), body)

    def _send(self, attack: Attack, headers: dict[str, str]) -> None:
        try:
            self._connection.request("POST", attack.path, attack.body, headers)
        except (BrokenPipeError, ConnectionResetError):
            # An early answer (413, 415) closes the connection while the body still goes out.
            if self._connection.sock is None:
                raise

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def run(count: int, seed: int, *, seconds: float | None = None, large_one_in: int = 400) -> Findings:
    """Throw so many attacks at a server of its own, at each kind of space in turn."""
    found = Findings()
    with tempfile.TemporaryFile() as errors:
        with FakeServer.start(stderr=errors) as server:
            opened = {name: server.space(script) for name, script in SPACES.items()}
            chosen = islice(attacks(seed, large_one_in=large_one_in), count)
            _attack(opened, chosen, seconds, found)
            server.status()
        errors.seek(0)
        if said := errors.read().decode("utf-8", "replace"):
            found.problems.append(f"standard error: {said[-6000:]}")
    return found


def _attack(
    opened: Mapping[str, Space], chosen: Iterable[Attack], seconds: float | None, found: Findings
) -> None:
    until = None if seconds is None else time.monotonic() + seconds
    throwers = {name: Thrower(space) for name, space in opened.items()}
    names = tuple(opened)
    for number, attack in enumerate(chosen):
        if until is not None and time.monotonic() > until:
            break
        name = names[number % len(names)]
        begun = time.monotonic()
        found.kinds[attack.kind] += 1
        found.sent += len(attack.body)
        try:
            answer = throwers[name].throw(attack)
        except (OSError, http.client.HTTPException) as error:
            found.problems.append(f"input {number} ({name}): no answer: {error!r}: {shown(attack)}")
            if isinstance(error, TimeoutError):
                break
            continue
        found.slowest = max(found.slowest, (time.monotonic() - begun, f"{name}: {shown(attack)}"))
        found.statuses[answer.status] += 1
        problem = judged(name, attack, answer)
        if problem is not None:
            found.problems.append(f"input {number} ({name}): {problem}: {shown(attack)}")
    for thrower in throwers.values():
        thrower.close()


def shown(attack: Attack) -> str:
    """An attack on one line."""
    body = attack.body
    text = repr(body) if len(body) < 1500 else f"{body[:700]!r} ... {body[-200:]!r} ({len(body)} bytes)"
    return f"{attack.kind}: POST {attack.path} {attack.content_type!r} {text}"


def judged(name: str, attack: Attack, answer: Answer) -> str | None:
    """What is wrong with an answer, or None."""
    status = answer.status
    if status == 500 and attack.path == "/vertex" and answer.body == VERTEX_MASK:
        return None
    if status not in STATUSES | MORE_STATUSES.get(name, frozenset()):
        return f"status {status}: {answer.body[:300]!r}"
    if not name.endswith(CHECKED):
        return _unreadable(answer)
    return _misfit_of_success(attack, answer) if status == 200 else _misfit_of_error(answer)


def _unreadable(answer: Answer) -> str | None:
    """Whether a body is what its content type says."""
    try:
        if answer.content_type == "application/json":
            json.loads(answer.body)
        elif answer.content_type == "text/event-stream":
            events(answer.body)
    except ValueError as error:
        return f"unreadable ({error}): {answer.body[:300]!r}"
    return None


def events(body: bytes) -> list[object]:
    """The data of a stream's events; raises ValueError where one is none."""
    every = body.decode().split("\n\n")
    blocks = [block.removeprefix("data:").strip() for block in every if block and not block.startswith(":")]
    return [json.loads(block) for block in blocks if block != "[DONE]"]


def _misfit_of_error(answer: Answer) -> str | None:
    if answer.content_type == "application/json":
        wrong = problems("tgi/error-response", json.loads(answer.body))
        return f"error: {wrong}" if wrong else None
    if not answer.body.startswith(PLAIN.get(answer.status, ())):
        return f"error {answer.status}: {answer.body[:300]!r}"
    return None


def _misfit_of_success(attack: Attack, answer: Answer) -> str | None:
    unreadable = _unreadable(answer)
    plain, event = ANSWERS.get(attack.path, ("", ""))
    if unreadable is not None or len(answer.body) > CHECKED_BYTES or attack.path == "/invocations":
        return unreadable
    if answer.content_type == "text/event-stream":
        for value in events(answer.body):
            is_error = isinstance(value, Mapping) and "error" in value
            names = ERROR_EVENTS if is_error else (event,)
            wrong = [problems(f"tgi/{name}", value) for name in names]
            if all(wrong):
                return f"event: {wrong[0]}"
        return None
    wrong_answer = problems(f"tgi/{plain}", json.loads(answer.body))
    return f"answer: {wrong_answer[:3]}: {answer.body[:500]!r}" if wrong_answer else None


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Hostile JSON against the fake server.")
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    begun = time.monotonic()
    found = run(given.inputs, given.seed)
    took = time.monotonic() - begun
    print(f"{found.inputs} inputs, {found.sent / 1e6:.1f} MB, {took:.0f} s, seed {given.seed}")
    print(", ".join(f"{name}: {count}" for name, count in found.kinds.most_common()))
    print(", ".join(f"{status}: {count}" for status, count in found.statuses.most_common()))
    print(f"slowest: {found.slowest[0]:.2f} s, {found.slowest[1][:400]}")
    for problem in found.problems:
        print(f"PROBLEM {problem}")
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())

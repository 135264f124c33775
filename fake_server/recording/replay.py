"""``serve --replay``: answers with what was recorded for the same request."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

from tgi_conformance.contracts.codec import from_json
from tgi_conformance.contracts.journal import ReplyUse
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.recording import RecordedAnswer, RecordedRequest, Recording
from tgi_conformance.contracts.schema.registry import problems
from tgi_conformance.contracts.script import Delivery, Event, EventStream, Fault, Pause, Reply, status
from tgi_conformance.fake_server.http.parsing import Request
from tgi_conformance.fake_server.recording.recorder import stripped_request

Asked = tuple[str, str, str]
#: Shorter gaps than this (milliseconds) are what any machine shows.
_LEAST_GAP: Final = 0.5


class RecordingsError(ValueError):
    """A folder without recordings, or a file that is none."""


def read_recordings(folder: Path) -> dict[str, Recording]:
    """The recordings of a folder by file name, in order; raises :class:`RecordingsError`."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise RecordingsError(f"--replay {folder}: no recordings (*.json) there")
    return {file.name: _read(file) for file in files}


def _read(file: Path) -> Recording:
    try:
        value: JSON = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise RecordingsError(f"{file}: no JSON: {error}") from error
    found = problems("recording", value)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise RecordingsError(f"{file}: {found[0]}{more}")
    return from_json(Recording, value)


class Replay:
    """Replies from recordings: those of one request in turn, the last of them from then on."""

    def __init__(self, recordings: dict[str, Recording], *, speed: float) -> None:
        self._speed = speed
        self._by_request: dict[Asked, list[tuple[str, Recording]]] = {}
        self._uses = dict.fromkeys(recordings, 0)
        self._appended: list[Reply] = []
        for name, recording in recordings.items():
            self._by_request.setdefault(asked(recording.request), []).append((name, recording))

    def extend(self, replies: Iterable[Reply]) -> None:
        """Refuse nothing, use nothing: a replay has its answers already."""
        self._appended += replies

    def take(self, request: Request, path: str, *, key: str, origin: str) -> tuple[str, Reply] | None:
        """The next recording of a request, or a 404 that says what is recorded."""
        del path, key, origin
        wanted = asked(stripped_request(request))
        found = self._by_request.get(wanted)
        if found is None:
            return "unrecorded", self._unrecorded(wanted)
        name, recording = found[0] if len(found) == 1 else found.pop(0)
        self._uses[name] += 1
        return name, reply_of(recording.answer, speed=self._speed)

    def could_serve(self, request: Request, path: str, *, key: str, origin: str) -> bool:
        """Any request may be a recorded one until its body is known."""
        del request, path, key, origin
        return True

    def repeatable(self, request: Request, path: str, *, key: str, origin: str) -> None:
        """No reply stands: which recording is next depends on those before."""

    def take_at_accept(self, origin: str) -> tuple[str, Reply] | None:
        """Nothing is recorded of connections."""
        del origin
        return None

    def uses(self) -> tuple[ReplyUse, ...]:
        """How often each recording was played."""
        return tuple(
            ReplyUse(reply=name, requests=count, at_least=0, at_most=None)
            for name, count in self._uses.items()
        )

    def _unrecorded(self, wanted: Asked) -> Reply:
        method, target, _ = wanted
        bodies = sum(known[:2] == (method, target) for known in self._by_request)
        others = sorted({f"{known[0]} {known[1]}" for known in self._by_request})
        what = f"{bodies} with another body" if bodies else f"there are {', '.join(others)}"
        problem = f"no recording of {method} {target} with this body: {what}"
        return status(404, json={"error": problem, "error_type": "not_recorded"})


def asked(request: RecordedRequest) -> Asked:
    """What makes two requests the same: method, target, and the body (JSON by its value)."""
    content = request.body.bytes
    try:
        body = json.dumps(json.loads(content), sort_keys=True)
    except (ValueError, RecursionError):
        body = content.decode("latin-1")
    return request.method, request.target, body


def reply_of(answer: RecordedAnswer, *, speed: float) -> Reply:
    """The reply that writes an answer again; ``speed`` 2 halves the waits, 0 leaves them out."""
    contents = [part.content.bytes for part in answer.parts]
    framing = _framing(answer)
    offset, pauses = 0, []
    for part, content in zip(answer.parts, contents, strict=True):
        if speed and part.after_ms >= _LEAST_GAP:
            pauses.append(Pause(before=offset, ms=part.after_ms / speed))
        offset += len(content)
    fault = None if answer.ending == "complete" else Fault(ending=answer.ending, byte=offset)
    headers = _headers(answer, offset)
    return Reply(
        stream=EventStream(
            events=tuple(Event(raw=content) for content in contents),
            status=answer.status,
            headers=headers,
            content_type=None,
            framing=framing,
            reason=answer.reason,
        ),
        delivery=Delivery(
            delay_ms=answer.head_ms / speed if speed else 0.0,
            splits="events" if framing == "chunked" else "whole",
            pauses=tuple(pauses),
            fault=fault,
        ),
    )


def _framing(answer: RecordedAnswer) -> Literal["chunked", "content-length", "close"]:
    if answer.framing is not None:
        return answer.framing
    if answer.header("transfer-encoding") is not None:
        return "chunked"
    bodiless = answer.status in {204, 304}
    return "content-length" if bodiless or answer.header("content-length") is not None else "close"


def _headers(answer: RecordedAnswer, size: int) -> tuple[tuple[str, str], ...]:
    """The recorded headers; the length is that of the stripped body, unless the answer broke off."""
    if answer.ending != "complete" or not answer.parts:
        return answer.headers
    return tuple(
        (name, str(size) if name.lower() == "content-length" else value) for name, value in answer.headers
    )

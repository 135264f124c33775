"""The recorded exchanges of a genuine TGI router (``recordings/``), typed.

    for recording in load_recordings():
        for instance in recording.instances():  # JSON values with the schema that they belong to

What a recording's request, answer and events *are* (its kind) follows from route and content; the
tables are here.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.sse import SSEDecoder

FOLDER: Final = Path(__file__).parents[1] / "recordings"
DONE: Final = "[DONE]"


@dataclass(frozen=True, slots=True)
class Frame:
    """Bytes that came in one piece of the chunked body, as text, and the ms before it."""

    raw: str
    gap_ms: int


@dataclass(frozen=True, slots=True)
class Request:
    """What the client sent; ``raw`` instead of the rest where it was not ordinary HTTP."""

    method: str = ""
    path: str = ""
    version: str = "HTTP/1.1"
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    raw: str | None = None
    half_close: bool = False
    note: str = ""

    @property
    def route(self) -> tuple[str, str]:
        """Method and path without a query."""
        return self.method, self.path.partition("?")[0]

    def text(self) -> str:
        """Return the body without chunk framing; ASCII only where it was chunked."""
        text = self.body or ""
        if ("transfer-encoding", "chunked") not in self.headers:
            return text
        pieces = []
        while (size := int(text.partition("\r\n")[0], 16)) > 0:
            text = text.partition("\r\n")[2]
            pieces.append(text[:size])
            text = text[size:].removeprefix("\r\n")
        return "".join(pieces)


@dataclass(frozen=True, slots=True)
class Response:
    """An ordinary answer; a stream has ``frames`` and no ``body``."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    framing: str
    body_end: str
    connection_after: str
    body: str | None = None
    frames: tuple[Frame, ...] | None = None
    http_chunks: int | None = None

    def header(self, name: str) -> str | None:
        """Return the first header of a name in lower case."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def events(self) -> tuple[str, ...]:
        """Return the data of every event of the stream, ``[DONE]`` too, comments not."""
        decoder = SSEDecoder()
        raw = "".join(frame.raw for frame in self.frames or ()).encode()
        return tuple(event.data for event in decoder.feed(raw) + decoder.close())


@dataclass(frozen=True, slots=True)
class Instance:
    """One JSON value of a recording and the name of the schema that it belongs to."""

    case: str
    schema: str
    value: JSON


@dataclass(frozen=True, slots=True)
class Recording:
    """One exchange. ``facts`` stands for the answer where it was no ordinary one."""

    case: str
    set: str
    flags: tuple[str, ...]
    request: Request
    response: Response | None
    facts: Mapping[str, JSON] = field(default_factory=dict)
    note: str = ""
    shard_script: JSON = None
    shard_saw: JSON = None

    @property
    def kind(self) -> "Kind | None":
        """The schemas of this route; None where nothing on it is JSON."""
        kind = KINDS.get(self.request.route)
        if kind is SAGEMAKER:
            return _sagemaker_kind(self.request)
        return kind

    def request_value(self) -> JSON:
        """Return the JSON document that the request's body begins with, as the router reads it.

        Raises ``ValueError`` where there is none.
        """
        value, _ = json.JSONDecoder().raw_decode(self.request.text().lstrip(" \t\r\n"))
        return json_value(value)

    def error_message(self) -> str | None:
        """Return the error's text, in the body or in the stream; None for a good answer."""
        response = self.response
        if response is None:
            return None
        if response.status >= 400:
            return response.body or ""
        errors = (data for data in response.events() if data.startswith('{"error"'))
        return next(errors, None)

    def accepted(self) -> bool:
        """Whether the router found nothing wrong with this request to a JSON route."""
        response = self.response
        if self.kind is None or self.kind.request is None or response is None:
            return False
        return response.status == 200 and self.error_message() is None

    def instances(self) -> Iterator[Instance]:
        """Yield answer and events with their schemas, and the request if it was accepted."""
        kind, response = self.kind, self.response
        if response is None:
            return
        if self.accepted() and kind is not None and kind.request is not None:
            yield Instance(self.case, kind.request, self.request_value())
        if response.body and response.header("content-type") == "application/json":
            if response.status >= 400:
                yield Instance(self.case, "tgi/error-response", loads(response.body))
            elif kind is not None:
                yield Instance(self.case, kind.answer, loads(response.body))
        if kind is not None:
            for data in response.events():
                if data != DONE:
                    yield self._event(kind, data)

    def _event(self, kind: "Kind", data: str) -> Instance:
        value = loads(data)
        is_error = isinstance(value, Mapping) and "error" in value
        return Instance(self.case, kind.error_event if is_error else kind.event, value)


@dataclass(frozen=True, slots=True)
class Kind:
    """The schema names of one route; empty where there is nothing of the sort."""

    answer: str
    request: str | None = None
    event: str = ""
    error_event: str = ""


def _native(request: str, answer: str) -> Kind:
    return Kind(answer, request, "tgi/native-token-event", "tgi/native-error-event")


COMPAT: Final = _native("tgi/compat-request", "tgi/compat-response")
CHAT: Final = Kind("tgi/chat-completion", "tgi/chat-request", "tgi/chat-chunk", "tgi/openai-error-event")
COMPLETIONS: Final = Kind(
    "tgi/completion", "tgi/completion-request", "tgi/completion-chunk", "tgi/openai-error-event"
)
SAGEMAKER: Final = Kind("", "tgi/sagemaker-request")

KINDS: Final[Mapping[tuple[str, str], Kind]] = {
    ("POST", "/"): COMPAT,
    ("POST", "/generate"): _native("tgi/generate-request", "tgi/generate-response"),
    ("POST", "/generate_stream"): _native("tgi/generate-stream-request", ""),
    ("POST", "/v1/chat/completions"): CHAT,
    ("POST", "/v1/completions"): COMPLETIONS,
    ("POST", "/invocations"): SAGEMAKER,
    ("POST", "/vertex"): Kind("tgi/vertex-response", "tgi/vertex-request"),
    ("POST", "/tokenize"): Kind("tgi/tokenize-response", "tgi/tokenize-request"),
    ("POST", "/chat_tokenize"): Kind("tgi/chat-tokenize-response", "tgi/chat-tokenize-request"),
    ("GET", "/info"): Kind("tgi/info"),
    ("GET", "/v1/models"): Kind("tgi/models"),
}


def _sagemaker_kind(request: Request) -> Kind:
    """/invocations answers as the route would whose request its body decodes to."""
    by_key = {"inputs": COMPAT, "messages": CHAT, "prompt": COMPLETIONS}
    body = loads(request.body or "null")
    found = (kind for key, kind in by_key.items() if isinstance(body, Mapping) and key in body)
    kind = next(found, SAGEMAKER)
    return Kind(kind.answer, SAGEMAKER.request, kind.event, kind.error_event)


def json_value(value: object) -> JSON:
    """Narrow what the json module returned to JSON."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    raise TypeError(f"no JSON value: {value!r}")


def loads(text: str) -> JSON:
    """Parse one JSON document."""
    return json_value(json.loads(text))


@cache
def load_recordings() -> tuple[Recording, ...]:
    """Read all recordings, sorted by set and case."""
    source = tomllib.loads((FOLDER / "SOURCE.toml").read_text(encoding="utf-8"))
    recordings: list[Recording] = []
    for entry in source["set"]:
        default = () if entry["name"] == "timing" else source["default_flags"]
        flags = (*default, *entry["flags"])
        lines = (FOLDER / f"{entry['name']}.jsonl").read_text(encoding="utf-8").splitlines()
        recordings += [_recording(json.loads(line), entry["name"], flags) for line in lines]
        if len(lines) != entry["recordings"]:
            raise ValueError(f"{entry['name']}.jsonl: {len(lines)} lines, not {entry['recordings']}")
    return tuple(recordings)


def _recording(line: dict[str, Any], set_name: str, flags: tuple[str, ...]) -> Recording:
    answer = line["response"]
    ordinary = "status" in answer
    return Recording(
        case=line["case"],
        set=set_name,
        flags=flags,
        request=_request(line["request"]),
        response=_response(answer) if ordinary else None,
        facts={} if ordinary else answer,
        note=line.get("note", ""),
        shard_script=line.get("shard_script"),
        shard_saw=line.get("shard_saw"),
    )


def _pairs(headers: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in headers)


def _request(fields: dict[str, Any]) -> Request:
    return Request(**{**fields, "headers": _pairs(fields.get("headers", []))})


def _response(fields: dict[str, Any]) -> Response:
    frames = fields.get("frames")
    return Response(
        **{
            **fields,
            "headers": _pairs(fields["headers"]),
            "frames": None if frames is None else tuple(Frame(raw, gap) for raw, gap in frames),
        }
    )

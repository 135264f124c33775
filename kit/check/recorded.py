"""Recordings as requests and answers of a check; and those of the laboratory in the kit's form. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from tgi_conformance.check.asked import Answered, Asked
from tgi_conformance.contracts.recording import Content, Part, RecordedAnswer, RecordedRequest, Recording

#: What stands at the end of a body that the laboratory cut, since its length alone mattered.
_CUT: Final = ("...(cut)", " bytes)")
#: How a whole body ends: by its length, by the last chunk, or there was none to come (HEAD, 204).
_WHOLE: Final = frozenset({None, "complete", "last-chunk", "none"})


class ForeignRecordingError(ValueError):
    """A recording that cannot be had in the kit's form, and why."""


def asked_of(name: str, request: RecordedRequest) -> Asked:
    """A recorded request, to be asked again."""
    types = [value for header, value in request.headers if header.lower() == "content-type"]
    body = request.body.bytes
    return Asked(
        name=name,
        method=request.method,
        path=request.target,
        body=body if body or request.method == "POST" else None,
        content_type=types[0] if types else None,
    )


def answered_of(answer: RecordedAnswer) -> Answered:
    """A recorded answer, to be judged."""
    body = b"".join(part.content.bytes for part in answer.parts)
    problem = "" if answer.ending == "complete" else f"the answer broke off ({answer.ending})"
    return Answered(answer.status, answer.headers, body, problem)


def converted(value: Mapping[str, Any]) -> Recording:
    """A recording of the laboratory (``case``, ``request``, ``response``) in the kit's form.

    Raises :class:`ForeignRecordingError` for raw bytes, for what was cut, for what was no ordinary answer.
    """
    request, response = value.get("request") or {}, value.get("response") or {}
    if request.get("raw") is not None or "status" not in response:
        raise ForeignRecordingError("it is no ordinary exchange")
    bodies = (request.get("body"), response.get("body"))
    if any(isinstance(body, str) and body.endswith(_CUT) for body in bodies):
        raise ForeignRecordingError("a body in it was cut")
    return Recording(
        request=RecordedRequest(
            method=str(request["method"]),
            target=str(request["path"]),
            headers=_pairs(request.get("headers")),
            body=Content(text=request["body"]) if request.get("body") else Content(),
        ),
        answer=RecordedAnswer(
            status=int(response["status"]),
            headers=_pairs(response.get("headers")),
            head_ms=float(response.get("head_ms") or 0.0),
            parts=_parts(response),
            ending="complete" if response.get("body_end") in _WHOLE else "fin",
            reason=response.get("reason"),
            framing=_framing(response.get("framing")),
        ),
    )


def _pairs(headers: Any) -> tuple[tuple[str, str], ...]:
    of_the_connection = {"connection", "keep-alive"}
    return tuple(
        (str(name), str(value)) for name, value in headers or () if name.lower() not in of_the_connection
    )


def _parts(response: Mapping[str, Any]) -> tuple[Part, ...]:
    frames = response.get("frames")
    if frames:
        return tuple(
            Part(content=Content(text=frame["raw"]), after_ms=max(0.0, float(frame["gap_ms"])))
            for frame in frames
        )
    body = response.get("body")
    return (Part(content=Content(text=body)),) if body else ()


def _framing(word: Any) -> Any:
    return word if word in {"content-length", "chunked", "close"} else None

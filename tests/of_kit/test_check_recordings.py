"""The judge of servers finds nothing in what a genuine router answered: the recordings say what is right."""

import pytest
from recorded import Recording, load_recordings
from replaying import LIMITS, SETS, STATEFUL

from tgi_conformance.check.asked import Answered, Asked, Finding
from tgi_conformance.check.expecting import expected
from tgi_conformance.check.judging import judge
from tgi_conformance.contracts.script import Server

#: Cases in which the router, or the shard behind it, was made to fail, and what no request of the check is.
LEFT_OUT = {
    "fail-": "the shard failed",
    "over-": "the permits were used up",
    "health-unhealthy": "the shard was away",
    "shard-": "the shard was away",
    "router-": "the router was killed",
    "cors-": "preflights",
    "options-": "a preflight",
    "chat-tools-no-tool-prompt": "the shard was made to call a tool that was not offered",
    "http-oversized": "over the limit of a body",
    "http-invalid-utf8": "the recording holds its body as text",
}


def asked_of(recording: Recording) -> Asked:
    request = recording.request
    content_type = next((value for name, value in request.headers if name.lower() == "content-type"), None)
    return Asked(
        name=recording.case,
        method=request.method,
        path=request.path,
        body=None if request.body is None else request.text().encode(),
        content_type=content_type,
    )


def answered_of(recording: Recording) -> Answered:
    response = recording.response
    assert response is not None
    frames = "".join(frame.raw for frame in response.frames or ())
    return Answered(response.status, response.headers, (response.body or frames).encode())


def findings(recording: Recording) -> list[Finding]:
    asked = asked_of(recording)
    server = Server(**{**LIMITS, **SETS[recording.set]})  # type: ignore[arg-type]
    return [*judge(asked, expected(asked, server), answered_of(recording))]


RECORDINGS = [
    recording
    for recording in load_recordings()
    if recording.response is not None
    and recording.request.raw is None
    and recording.set in SETS
    and recording.set not in {"auth", "cors"}
    and not recording.case.startswith((*LEFT_OUT, *STATEFUL))
]


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.case)
def test_nothing_is_found_in_what_a_genuine_router_answered(recording: Recording) -> None:
    assert [(found.rule, found.expected, found.observed) for found in findings(recording)] == []


def test_what_is_left_out_is_there() -> None:
    cases = [recording.case for recording in load_recordings()]
    assert all(any(case.startswith(prefix) for case in cases) for prefix in LEFT_OUT)
    assert len(RECORDINGS) > 200

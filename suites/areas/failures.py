"""Ways in which a call may fail, by slug: statuses with bodies of every form, connections, no HTTP at all."""

from collections.abc import Callable, Mapping
from typing import Final

from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Reply, silence, status, tgi_error
from tgi_conformance.contracts.wire_examples import wire_example
from tgi_conformance.suites.harness.expect import describe, expect, expect_error
from tgi_conformance.suites.shapes.calls import Shape


def recorded(name: str) -> Reply:
    """A recorded error answer."""
    example = wire_example(name)
    return status(example.status, json=example.json) if example.body else status(example.status)


#: Ways to fail, by slug; each gives the reply of one call of a shape.
FAILURES: Final[Mapping[str, Callable[[Shape], Reply]]] = {
    "400": lambda _: status(400, text="Failed to parse the request body as JSON"),
    "401": lambda _: recorded("auth-wrong"),
    "403": lambda _: status(403, json={"error": "forbidden"}),
    "404": lambda _: status(404),
    "422": lambda _: tgi_error(422, "Input validation error: `seed`", "validation"),
    "424": lambda _: recorded("fail-shard-error-first-gen"),
    "429": lambda _: recorded("over-429-compat"),
    "500": lambda _: recorded("fail-incomplete-gen"),
    "502": lambda _: status(502, html="<html><body>Bad Gateway</body></html>"),
    "503": lambda _: recorded("health-unhealthy-root"),
    "204": lambda _: status(204),
    "302": lambda _: status(302),
    "closed": lambda _: silence("fin"),
    "reset": lambda _: silence("rst"),
    "answer-under-500": lambda shape: status(500, json=shape.body("not to be believed")),
}
#: TGI's own errors: status, error type, message.
TGI_ERRORS: Final[Mapping[str, tuple[int, str, str]]] = {
    "422-validation": (422, "validation", "Input validation error: `temperature` must be strictly positive"),
    "424-generation": (
        424,
        "generation",
        "Request failed during generation: Server error: CUDA out of memory",
    ),
    "429-overloaded": (429, "overloaded", "Model is overloaded"),
    "500-incomplete": (500, "incomplete_generation", "Incomplete generation"),
    "422-template": (422, "template_error", "Template error: the template has no tools"),
    "422-tool": (422, "tool_error", "Tool error: Tool 'x' not found"),
}

#: A proxy's page; its last words stand nowhere but in the body.
_HTML: Final = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>proxy-7.example</body></html>"
#: Bodies that are no JSON, and words of them that an excerpt shows.
NO_JSON: Final[Mapping[str, tuple[int, Reply, str]]] = {
    "400-text": (400, status(400, text="Failed to parse the request body as JSON: EOF"), "Failed to parse"),
    "404-empty": (404, status(404), ""),
    "405-empty": (405, status(405), ""),
    "413-text": (413, status(413, text="length limit exceeded"), "length limit exceeded"),
    "415-text": (415, status(415, text="Expected request with `Content-Type: application/json`"), "Expected"),
    "422-text": (
        422,
        status(422, text="Failed to deserialize the JSON body into the target type: missing field `inputs`"),
        "missing field `inputs`",
    ),
    "500-empty": (500, status(500), ""),
    "502-html": (502, status(502, html=_HTML.format("502 Bad Gateway")), "proxy-7.example"),
    "503-html": (503, status(503, html=_HTML.format("503 Service Unavailable")), "proxy-7.example"),
    "504-html": (504, status(504, html=_HTML.format("504 Gateway Time-out")), "proxy-7.example"),
    "500-cut-json": (
        500,
        status(500, text='{"error": "Incompl', content_type="application/json"),
        "Incompl",
    ),
}
#: JSON that an error path may not expect.
ODD_ERRORS: Final[Mapping[str, JSON]] = {
    "list": [{"error": "x"}],
    "list-empty": [],
    "string": "something went wrong",
    "number": 42,
    "null": None,
    "true": True,
    "empty": {},
    "error-null": {"error": None},
    "error-list": {"error": ["first", "second"]},
    "error-number": {"error": 1},
    "error-object": {"error": {"message": {"nested": "x"}, "code": "odd"}},
    "error-empty": {"error": ""},
    "error-type-null": {"error": "x", "error_type": None},
    "error-type-object": {"error": "x", "error_type": {"a": 1}},
    "detail-list": {"detail": [{"loc": ["body", "x"], "msg": "field required", "type": "missing"}]},
    "detail-string": {"detail": "Not Found"},
    "message-only": {"message": "x"},
    "deep": {"error": {"error": {"error": {"error": ["x"]}}}},
    "estimated-time-odd": {"error": "loading", "estimated_time": "soon"},
}
#: What is no HTTP answer.
MALFORMED: Final[Mapping[str, bytes]] = {
    "no-http": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "no-status": b"HTTP/1.1 \r\ncontent-length: 0\r\n\r\n",
    "status-no-number": b"HTTP/1.1 abc OK\r\ncontent-length: 0\r\n\r\n",
    "cut-head": b"HTTP/1.1 200 OK\r\ncontent-ty",
    "bad-chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "html-only": b"<html>gateway</html>\r\n\r\n",
}
#: A connection that fails, by slug.
BROKEN: Final[Mapping[str, Reply]] = {
    "reset": silence("rst"),
    "closed": silence("fin"),
    "reset-at-accept": silence("rst", at="accept"),
    "closed-at-accept": silence("fin", at="accept"),
}


def expect_client_error(outcome: Outcome, code: int) -> None:
    """The call failed with one of the client's own errors, which has the status."""
    info = expect_error(outcome, status=code, because=f"the server answered {code}")
    expect(
        info is not None and info.kind is not ErrorKind.UNMAPPED,
        expected="one of the client's own errors",
        observed=describe(outcome),
    )

"""Runs against a real endpoint: pytest-httpserver, which plays recordings of the genuine router."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mini_backend import run_cli
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tgi_conformance.contracts.wire_examples import WireExample, wire_example

KEY = "hf_" + "RealKeyOfTheUser" * 2
#: Path and whether it is to be streamed -> what the router answered.
RECORDED = {
    ("/info", False): "get-info",
    ("/v1/models", False): "get-v1-models",
    ("/generate", False): "gen-details-length",
    ("/generate_stream", False): "gens-details-eos",
    ("/v1/chat/completions", False): "chat-eos",
    ("/v1/chat/completions", True): "chat-stream-eos",
    ("/v1/completions", False): "cmpl-basic",
    ("/v1/completions", True): "cmpl-stream-length",
}
#: One forwarded case a route and form, and what cuts, splits and holds real bytes.
CASES = (
    *(f"RESP-02/whatever-comes-{way}" for way in ("native-plain", "chat-plain", "completions-plain")),
    *(f"STREAM-01/whatever-comes-{route}" for route in ("native", "chat", "completions")),
    "STREAM-12/whatever-comes-chat",
    "STREAM-20/whatever-comes-native",
)
RUN = ("run", "-n", "0", *(word for case in CASES for word in ("--case", case)))


@pytest.fixture
def endpoint(httpserver: HTTPServer) -> Iterator[HTTPServer]:
    """A router behind a path, as recorded; it wants the key."""
    httpserver.expect_request(re.compile(".*")).respond_with_handler(_answer)
    yield httpserver
    httpserver.check()


def _answer(request: Request) -> Response:
    path = request.path.removeprefix("/deep")
    if path == "/health":
        return Response("")
    if request.headers.get("Authorization") != f"Bearer {KEY}":
        return _said(wire_example("auth-wrong"))
    body = request.get_json(silent=True) or {}
    name = RECORDED.get((path, bool(body.get("stream")) and path.startswith("/v1/")))
    return _said(wire_example(name)) if name else Response("", 404)


def _said(example: WireExample) -> Response:
    kind = dict(example.headers).get("content-type", "text/plain")
    frames = iter(frame.encode() for frame in example.frames)
    return Response(frames if example.frames else example.body, example.status, content_type=kind)


def generations(endpoint: HTTPServer) -> list[Request]:
    return [request for request, _ in endpoint.log if request.method == "POST"]


def test_recorded_answers_decide_each_route_and_form(endpoint: HTTPServer, tmp_path: Path) -> None:
    done = run_cli(tmp_path, *RUN, TGI_ENDPOINT=endpoint.url_for("/deep"), HF_API_KEY=KEY)
    assert done.code == 0, done.out
    decided = {v["case"]: (v["ruling"], v.get("real")) for v in done.verdicts(narrowed=True)}
    assert {case: decided[case] for case in CASES} == dict.fromkeys(CASES, ("passed", "forwarded"))
    asked = generations(endpoint)
    assert len(asked) == len(CASES)
    assert all(request.path.startswith("/deep/") for request in asked)
    assert f"{len(endpoint.log)} of 300 requests sent" in done.out


def test_the_budget_bounds_what_it_is_asked(endpoint: HTTPServer, tmp_path: Path) -> None:
    bounds = ("--max-requests", "3")
    done = run_cli(tmp_path, *RUN, *bounds, TGI_ENDPOINT=endpoint.url_for("/deep"), HF_API_KEY=KEY)
    assert done.code == 14, done.out
    assert len(endpoint.log) == 3  # what was asked before the first case counts


def test_a_wrong_key_is_14_before_any_case(endpoint: HTTPServer, tmp_path: Path) -> None:
    done = run_cli(tmp_path, *RUN, TGI_ENDPOINT=endpoint.url_for("/deep"), HF_API_KEY="hf_" + "wrong" * 6)
    assert done.code == 14, done.out
    assert "401" in done.out
    assert not (tmp_path / "collected_results").exists()


def test_a_proxy_of_the_environment_is_the_egress_own_affair(endpoint: HTTPServer, tmp_path: Path) -> None:
    """The endpoint has no address here: only who asks the proxy reaches it. The backend never does."""
    variables = {"http_proxy": endpoint.url_for(""), "no_proxy": "127.0.0.1,localhost"}
    done = run_cli(tmp_path, *RUN, TGI_ENDPOINT="http://tgi.invalid/deep", HF_API_KEY=KEY, **variables)
    assert done.code == 0, done.out
    asked = generations(endpoint)
    assert {request.headers["Host"] for request in asked} == {"tgi.invalid"}
    assert len(asked) == len(CASES)


def test_what_cannot_be_asked_for_is_told_by_the_first_line(endpoint: HTTPServer, tmp_path: Path) -> None:
    endpoint.clear_all_handlers()
    page = "<html><title>Gateway</title></html>"
    endpoint.expect_request(re.compile(".*")).respond_with_data(page, content_type="text/html")
    done = run_cli(tmp_path, *RUN, TGI_ENDPOINT=endpoint.url_for(""), HF_API_KEY=KEY)
    assert done.code == 14, done.out
    assert "gave a page for people (200): this is a gateway, or the path is wrong" in done.out

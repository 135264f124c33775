"""What is refused before a permit is asked for, with it, and for each of several prompts by itself."""

import json
from collections.abc import Iterator
from typing import Final

import pytest
from raw_http import Wire, ask, request

from tgi_conformance.contracts.script import Generation, Reply, Script, Server
from tgi_conformance.fake_server.client import FakeServer, Space, open_requests

OVERLOADED: Final = "Model is overloaded"
EMPTY: Final = "Input validation error: `inputs` cannot be empty"
NOT_POSITIVE: Final = "Input validation error: `max_new_tokens` must be strictly positive"
LONG: Final = "word " * 200


@pytest.fixture(scope="module")
def space() -> Iterator[Space]:
    said = Reply(tgi=Generation(tokens=("a", "b"), finish_reason="length"))
    limits = Server(max_concurrent_requests=2, max_input_tokens=64, max_total_tokens=96)
    with FakeServer.start() as server:
        yield server.space(Script(server=limits, otherwise=said))


def streamed(space: Space, *prompts: str, max_tokens: int = 2) -> list[object]:
    """Each event as the prompt it is of, or as its error."""
    body = {"prompt": prompts, "max_tokens": max_tokens, "stream": True}
    answer = ask(space.base_url, "/v1/completions", body)
    assert answer.status == 200
    *events, last = [part.removeprefix("data: ") for part in answer.body.decode().split("\n\n")[:-1]]
    assert last == "[DONE]"
    return [told(json.loads(event)) for event in events]


def told(event: dict[str, object]) -> object:
    if "error" in event:
        return event["error"]["message"]  # type: ignore[index]
    return event["choices"][0]["index"]  # type: ignore[index]


def test_prompts_beyond_the_permits_fail_alone(space: Space) -> None:
    assert streamed(space, "p", "q", "r", "s") == [0, 1, OVERLOADED, OVERLOADED, 0, 1]


def test_a_prompt_that_is_refused_at_once_leaves_its_permit_to_the_next(space: Space) -> None:
    assert streamed(space, "", "q", "r") == [EMPTY, 1, 2, 1, 2]


def test_a_prompt_that_only_the_tokenizer_refuses_holds_its_permit(space: Space) -> None:
    first, *rest = streamed(space, LONG, "q", "r")
    assert "tokens" in str(first)
    assert rest == [1, OVERLOADED, 1]


def test_each_prompt_tells_the_mistake_of_all(space: Space) -> None:
    assert streamed(space, "p", "q", "r", max_tokens=0) == [NOT_POSITIVE] * 3


def test_plain_arrays_fail_whole_and_what_needs_no_tokenizer_is_found_first(space: Space) -> None:
    for prompts, status, message in (
        (("p", "q", "r"), 429, OVERLOADED),
        ((LONG, ""), 422, EMPTY),
        (("", "q", "r"), 422, EMPTY),
    ):
        answer = ask(space.base_url, "/v1/completions", {"prompt": prompts})
        assert (answer.status, json.loads(answer.body)["error"]) == (status, message)


TOOL: Final = {"type": "function", "function": {"name": "f", "parameters": {}}}
CHAT: Final = {"messages": [{"role": "user", "content": "Hi"}]}
NOT_FOUND: Final = "Tool error: Tool with name g not found"


def test_what_makes_no_prompt_is_told_on_the_routes_that_wrap_a_chat(space: Space) -> None:
    forced = {**CHAT, "tools": [TOOL], "tool_choice": "g"}
    for path, body in (
        ("/v1/chat/completions", {**forced, "stream": True}),
        ("/chat_tokenize", forced),
        ("/vertex", {"instances": [{"inputs": ""}, forced]}),
        ("/invocations", forced),
    ):
        answer = ask(space.base_url, path, body)
        assert (path, answer.status, json.loads(answer.body)["error"]) == (path, 422, NOT_FOUND)


def test_a_conversation_that_asks_for_a_stream_is_an_instance_like_any_other(space: Space) -> None:
    answer = ask(space.base_url, "/vertex", {"instances": [{**CHAT, "stream": True}]})
    assert json.loads(answer.body) == {"predictions": ["ab"]}


@pytest.mark.parametrize(
    ("path", "parameters", "status", "message"),
    [
        ("/generate", {"best_of": 9}, 422, "`best_of` must be > 0 and <= 2. Given: 9"),
        ("/generate", {"best_of": 2, "temperature": 0.0}, 429, OVERLOADED),
        ("/generate", {"temperature": 0.0}, 429, OVERLOADED),
        ("/generate_stream", {"best_of": 0}, 200, "`best_of` != 1 is not supported when streaming tokens"),
        ("/generate_stream", {"decoder_input_details": True}, 200, "is not supported when streaming tokens"),
        ("/generate_stream", {"temperature": 0.0}, 200, OVERLOADED),
    ],
)
def test_what_stands_before_permits_and_what_behind(
    path: str, parameters: dict[str, object], status: int, message: str
) -> None:
    held = Reply(tgi=Generation(text="x")).held("go", before="head").times(1)
    with FakeServer.start() as server:
        space = server.space(Script(server=Server(max_concurrent_requests=1), replies=(held,)))
        with Wire(space.base_url) as holder:
            holder.send(request("/generate"))
            space.wait(open_requests(1), 5)
            answer = ask(space.base_url, path, {"inputs": "x", "parameters": parameters})
            space.release("go")
    assert (answer.status, message in answer.body.decode()) == (status, True)

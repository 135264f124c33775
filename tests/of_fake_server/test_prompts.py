"""Several prompts in one completions request: each asks for a permit and is checked for itself."""

import json
from collections.abc import Iterator
from typing import Final

import pytest
from raw_http import ask

from tgi_conformance.contracts.script import Generation, Reply, Script, Server
from tgi_conformance.fake_server.client import FakeServer, Space

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

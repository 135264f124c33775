"""The reference client's reading of log probabilities, and its checks of the caller's headers."""

import json

import pytest

from tgi_conformance.backends.reference import EndpointSettings, InvalidArgumentError
from tgi_conformance.backends.reference.answers import Logprob, TokenLogprob
from tgi_conformance.backends.reference.own_headers import checked_headers, merged
from tgi_conformance.backends.reference.responses import parse_answer
from tgi_conformance.backends.reference.stream_reader import StreamReader

DEEP = {"id": 463, "text": " Deep", "logprob": -0.05, "special": False}
FIRST = {"id": 1, "text": "<s>", "logprob": None}
ITEM = {"token": " Deep", "logprob": 0, "top_logprobs": [{"token": " Deep", "logprob": -0.05}]}


def test_native_tokens_their_alternatives_and_the_prompts_are_read():
    details = {"tokens": [DEEP, DEEP], "top_tokens": [[DEEP]], "prefill": [FIRST]}
    answer = parse_answer(
        "generate", json.dumps({"generated_text": "x", "details": details}).encode(), {}, "id"
    )
    top = (Logprob(" Deep", -0.05),)
    assert answer.logprobs == (TokenLogprob(" Deep", -0.05, top), TokenLogprob(" Deep", -0.05))
    assert answer.prompt_logprobs == (TokenLogprob("<s>", None),)


def test_chat_tokens_are_read_from_answers_and_chunks():
    read = (TokenLogprob(" Deep", 0.0, (Logprob(" Deep", -0.05),)),)
    choice = {"message": {"content": "x"}, "logprobs": {"content": [ITEM]}}
    assert parse_answer("chat", json.dumps({"choices": [choice]}).encode(), {}, "id").logprobs == read

    chunk = {"choices": [{"index": 0, "delta": {"content": "x"}, "logprobs": {"content": [ITEM]}}]}
    (piece,) = StreamReader("chat", "id").feed(f"data: {json.dumps(chunk)}\n\n".encode())
    assert piece.logprobs == read


@pytest.mark.parametrize("given", [None, {}, {"content": None}, [], "x"])
def test_what_is_no_list_of_tokens_is_none(given):
    choice = {"message": {"content": "x"}, "logprobs": given}
    assert parse_answer("chat", json.dumps({"choices": [choice]}).encode(), {}, "id").logprobs is None


@pytest.mark.parametrize(
    "given",
    [
        {"X-Own": "a\r\nX-Evil: 1"}, {"X-Own\r\nX-Evil": "1"}, {"X Own": "1"}, {"": "1"}, {"X-Own": "\0"},
        {"X-Own": " a"}, {"X-Own": "é"}, {"X-Own": 1}, {"AUTHORIZATION": "Basic x"}, {"content-type": "a/b"},
        {"Content-Length": "3"}, {"X-Own": "1", "x-own": "2"}, "X-Own: 1",
    ],
)  # fmt: skip
def test_headers_that_cannot_be_sent_are_refused_without_their_values(given):
    with pytest.raises(InvalidArgumentError) as raised:
        checked_headers(given)
    assert "Evil: 1" not in str(raised.value)
    with pytest.raises(InvalidArgumentError):
        EndpointSettings(base_url="http://localhost", headers=given)


def test_the_last_word_on_a_header_counts_in_any_case():
    assert merged({"Accept": "a", "User-Agent": "me"}, {"accept": "b"}, {"ACCEPT": "c"}) == {
        "User-Agent": "me",
        "ACCEPT": "c",
    }


def test_settings_keep_a_copy_of_the_callers_headers_and_do_not_show_them():
    mine = {"X-Own": "secret"}
    settings = EndpointSettings(base_url="http://localhost", headers=mine)
    mine["X-Own"] = "other"
    assert dict(settings.headers) == {"X-Own": "secret"}
    assert "secret" not in repr(settings)

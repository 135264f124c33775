"""What makes TGI's own answers quick must not show: the quick way and the plain way agree."""

import json
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_conformance.contracts import tgi_streams
from tgi_conformance.contracts.json_texts import HOLE, between_holes, dumps
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.personas import PERSONAS, stream_frames
from tgi_conformance.contracts.script import Generation
from tgi_conformance.contracts.tgi_answers import Stamp
from tgi_conformance.contracts.tgi_decoding import decode
from tgi_conformance.contracts.tgi_generated import made
from tgi_conformance.contracts.tgi_requests import GenerationRequest, RouteKind, request_of
from tgi_conformance.contracts.tgi_tokens import count_tokens, tokenize

#: What words, signs and special tokens are made of, with the letters that IGNORECASE takes for ASCII ones.
BITS = st.sampled_from(
    [
        *(
            "a",
            "the",
            "machine",
            "LEARNING",
            "\u017fay",
            "\u0130s",
            "\u0131s",
            "\u212a",
            "é",
            "漢字",
            "_",
            "1",
        ),
        *(
            "xyz",
            "list",
            "😀",
            " ",
            "  ",
            "\n",
            "\u2028",
            "\x1c",
            ".",
            "<",
            "</",
            "|",
            ">",
            "|>",
            "<s>",
            "<|end|>",
        ),
    ]
)
TEXTS = st.lists(BITS, max_size=12).map("".join)
STAMP = Stamp(7, "m")


@given(TEXTS | st.text(max_size=40))
def test_a_text_has_as_many_tokens_as_it_is_cut_into(text: str) -> None:
    assert count_tokens(text, special=False) == len(tokenize(text, special=False))


# --- events filled in, and events written one by one --------------------------------------------------

STREAMED: tuple[tuple[RouteKind, JSON], ...] = (
    ("generate_stream", {"inputs": "Say it", "parameters": {"details": True, "seed": 3}}),
    ("compat", {"inputs": "Say it", "stream": True}),
    ("chat", {"messages": [], "stream": True, "stream_options": {"include_usage": True}}),
    ("chat", {"messages": [], "model": HOLE, "stream": True}),
    ("completions", {"prompt": ["a", "b", "c"], "stream": True}),
)


def streamed(route: RouteKind, body: JSON) -> GenerationRequest:
    return request_of(route, decode(route, json.dumps(body).encode(), "application/json"))


@pytest.mark.parametrize(("route", "body"), STREAMED)
@given(
    tokens=st.lists(st.text(st.characters() | st.sampled_from('"\\\0\n\x7f\u2028'), max_size=4), max_size=9),
    ended=st.sampled_from(["eos_token", "length"]),
)
def test_events_are_filled_in_as_they_would_be_written(
    route: RouteKind, body: JSON, tokens: list[str], ended: str
) -> None:
    request = streamed(route, body)
    generation = Generation(tokens=tuple(tokens), finish_reason=ended)  # type: ignore[arg-type]
    quick = tgi_streams.stream_data(generation, request, STAMP)
    with mock.patch.object(tgi_streams, "encodable", return_value=False):
        assert quick == tgi_streams.stream_data(generation, request, STAMP)
    # Nothing of a pair of surrogates in two tokens can be encoded, so the whole document is escaped.
    assert all(data == "[DONE]" or dumps(json.loads(data)) == data for data in quick if "\\ud" not in data)


def test_a_text_that_already_has_the_mark_of_a_hole_is_not_cut() -> None:
    assert between_holes([HOLE, HOLE], 1) is None
    assert between_holes(["\ud800", HOLE], 1) is None
    assert between_holes({"a": HOLE, "b": 1}, 1) == ('{"a":', ',"b":1}')


def test_a_generation_without_tokens_has_one_that_is_empty() -> None:
    one = made(Generation(tokens=(), finish_reason="length"), streamed(*STREAMED[0]))
    assert [token.text for token in one.tokens] == [""]
    assert (one.completion_tokens, one.last_token) == (1, one.tokens[-1])


@pytest.mark.parametrize("persona", PERSONAS)
def test_a_lone_surrogate_is_escaped_in_every_persona(persona: str) -> None:
    request = streamed("generate_stream", {"inputs": "x"})
    frames = tgi_streams.stream_data(Generation(tokens=("a\ud800é",)), request, STAMP)
    told = stream_frames(PERSONAS[persona], "generate_stream", frames, ())  # type: ignore[index]
    assert all(frame.isascii() for frame in told)
    assert json.loads(told[0])["token"]["text"] == "a\ud800é"

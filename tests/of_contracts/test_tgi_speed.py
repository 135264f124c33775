"""What makes TGI's own answers quick must not show: the quick way and the plain way agree."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgi_conformance.contracts.json_texts import HOLE, between_holes, dumps
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.json_reader import whole_value
from tgi_conformance.contracts.schema.serde_errors import SerdeError
from tgi_conformance.contracts.script import Generation
from tgi_conformance.contracts.tgi.answers import streams as tgi_streams
from tgi_conformance.contracts.tgi.answers.bodies import Stamp
from tgi_conformance.contracts.tgi.answers.generated import made
from tgi_conformance.contracts.tgi.answers.tool_output import ArgumentPiece, argument_pieces
from tgi_conformance.contracts.tgi.personas import PERSONAS, stream_frames
from tgi_conformance.contracts.tgi.requests import decoding
from tgi_conformance.contracts.tgi.requests.asked import GenerationRequest, RouteKind, request_of
from tgi_conformance.contracts.tgi.requests.decoding import BodyError, decode
from tgi_conformance.contracts.tgi.requests.fitting import Doubt
from tgi_conformance.contracts.tgi.requests.images import image_problem
from tgi_conformance.contracts.tgi.requests.request_types import _PARAMETERS, REQUESTS
from tgi_conformance.contracts.tgi.stopping import MOST_STOPS, stopped
from tgi_conformance.contracts.tgi.tokens import count_tokens, tokenize, tokens_text

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
ESCAPES = [
    rb"\ud83d\ude00",
    rb"\ud83d",
    rb"\ude00",
    rb"\\",
    rb"\u0041",
    rb"\n",
    rb"\uD83D\uDE00",
    b"x",
    b"ud83d",
]
STAMP = Stamp(7, "m")


@settings(deadline=None)
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
@settings(deadline=None)
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


# --- bounded work -------------------------------------------------------------------------------------


@settings(deadline=None)
@given(TEXTS)
def test_the_tokens_of_a_text_are_written_as_they_are_told(text: str) -> None:
    pieces = tokenize(text)
    assert tokens_text(text) == dumps([piece.json() for piece in pieces])
    assert "".join(piece.text for piece in pieces) == text
    assert [piece.start for piece in pieces[1:]] == [piece.stop for piece in pieces[:-1]]


@pytest.mark.parametrize("more", range(5))
@pytest.mark.parametrize("bit", ["word ", "é", " ", "<"])
def test_a_long_text_is_cut_into_as_many_tokens_as_are_counted(bit: str, more: int) -> None:
    text = (bit * 40_000)[: 32_768 + more]
    assert len(tokenize(text)) == count_tokens(text)
    assert "".join(piece.text for piece in tokenize(text)) == text


def argument_pieces_plainly(tokens: list[str]) -> list[ArgumentPiece]:
    """The rule as it stands: parse all that there is after each token."""
    text, name, pieces = "", None, []
    for index, token in enumerate(tokens):
        text += token
        if name is None:
            name = parsed_name(text)
            if name is None:
                continue
            pieces.append(ArgumentPiece(index, name, "{"))
            if is_json(text):
                return [*pieces, ArgumentPiece(index, None, "}")]
        elif is_json(text):
            return [*pieces, ArgumentPiece(index, None, token.removesuffix("}"))]
        else:
            pieces.append(ArgumentPiece(index, None, token))
    return pieces


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def parsed_name(text: str) -> str | None:
    closed = text.rstrip(" \t\n\r,") + "}}"
    value = json.loads(closed) if is_json(closed) else json.loads(text) if is_json(text) else None
    function = value.get("function") if isinstance(value, dict) else None
    name = function.get("_name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else None


CALL_BITS = st.sampled_from(
    [
        *(
            '{"function":',
            ' {"_name":',
            '"f"',
            '"_name": "g"',
            '"a"',
            ":",
            ",",
            "1",
            "{",
            "}",
            "}}",
            "[",
            "]",
            '"',
        ),
        *("\\", '\\"', "\\\\", " ", "\n", "x", '{"b": "}}"}', "null", '{"function": {"_name": "f"', '"}'),
    ]
)


@settings(deadline=None)
@given(st.lists(CALL_BITS, max_size=14))
def test_a_growing_call_is_read_as_if_it_were_parsed_after_each_token(tokens: list[str]) -> None:
    for start in ([], ['{"function": {"_name": "f"', ', "a": ']):
        assert list(argument_pieces([*start, *tokens])) == argument_pieces_plainly([*start, *tokens])


def test_images_without_an_end_are_no_images() -> None:
    assert image_problem("![](" * 300_000) is None
    assert image_problem("![](" * 3 + "x)") == "invalid image content: ![](![](![](x)"


def test_stop_sequences_beyond_any_limit_are_not_looked_at() -> None:
    ends = tuple(f"s{number}" for number in range(MOST_STOPS))
    assert stopped(("a", "s9", "b"), None, ends).finish_reason == "stop_sequence"
    assert stopped(("a", "b"), None, (*ends, "b")).finish_reason == "eos_token"


@settings(deadline=None)
@given(st.binary(max_size=60) | st.lists(st.sampled_from(ESCAPES), max_size=6).map(b"".join))
def test_escaped_pairs_are_told_from_lone_surrogates(content: bytes) -> None:
    body = b'{"inputs":"' + content + b'"}'
    told = outcome("generate", body)
    assert isinstance(told, dict) or problem_of(body) in told.message  # type: ignore[attr-defined]
    if problem_of(body) not in {"", "trailing characters"}:
        assert not isinstance(told, dict)


def problem_of(body: bytes) -> str:
    try:
        whole_value(body)
    except SerdeError as problem:
        return problem.message
    return ""


@contextmanager
def carefully() -> Iterator[None]:
    """Read every body in full."""
    with mock.patch.object(decoding, "quick_value", side_effect=Doubt):
        yield


NUMBERS = (0, 1, -1, 2**31, 2**32, 2**63, 2**64, -(2**63) - 1, 0.5, 1e300)
VALUES = st.sampled_from(
    (
        *NUMBERS,
        *(None, True, False, "", "auto", "x", [], {}, ["a"], ["a", 1]),
        *([{"role": "user", "content": "x"}], {"type": "json", "value": {}}, {"include_usage": True}),
    )
)


@pytest.mark.parametrize("route", ["generate", "compat", "chat", "completions"])
@settings(deadline=None)
@given(data=st.data())
def test_a_quick_look_at_a_body_and_a_careful_one_agree(route: RouteKind, data: st.DataObject) -> None:
    kind = REQUESTS[route]
    names = st.sampled_from([*kind.fields, *kind.aliases, "unknown"])
    value = data.draw(st.dictionaries(names, VALUES, max_size=5))
    if route in {"generate", "compat"}:
        inner = st.dictionaries(st.sampled_from([*_PARAMETERS.fields]), VALUES, max_size=4)
        value = {"inputs": "x", "parameters": data.draw(inner), **value}
    body = json.dumps(value).encode()
    cut = data.draw(st.integers(0, len(body)))
    body = body[:cut] + data.draw(st.sampled_from([b"", b",", b"}", b'"', b"1", b"\xff"])) + body[cut:]
    quick = outcome(route, body)
    with carefully():
        assert outcome(route, body) == quick


def outcome(route: RouteKind, body: bytes) -> object:
    try:
        return decode(route, body, "application/json")
    except BodyError as refused:
        return refused.error

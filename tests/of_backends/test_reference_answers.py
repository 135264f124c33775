"""The reference client's reading of answers, streams and errors: bytes in, values out, no I/O."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_conformance.backends.reference import (
    AuthenticationError,
    BadRequestError,
    GenerationError,
    OverloadedError,
    ProtocolError,
    RateLimitError,
    RemoteError,
    ServerError,
    TGIError,
    TruncatedStreamError,
    ValidationError,
)
from tgi_conformance.backends.reference.failures import status_error
from tgi_conformance.backends.reference.responses import parse_answer
from tgi_conformance.backends.reference.stream_reader import StreamReader

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def parsed(kind, value, headers=None):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return parse_answer(kind, body, headers or {}, "id")


def chat(message, reason="stop", **more):
    return {"choices": [{"index": 0, "message": message, "finish_reason": reason}], **more}


def test_both_native_shapes_give_the_same_text_untrimmed():
    value = {"generated_text": "  \n x ", "details": {"finish_reason": "length", "generated_tokens": 3}}
    headers = {"x-prompt-tokens": "7", "x-generated-tokens": "9"}
    for shape in (value, [value]):
        answer = parsed("generate", shape, headers)
        assert answer.text == "  \n x "
        assert answer.incomplete
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (7, 3)


def test_native_usage_comes_from_the_headers_where_there_are_no_details():
    usage = parsed("generate", {"generated_text": "x"}, {"x-generated-tokens": "9"}).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (None, 9, None)


@pytest.mark.parametrize("kind", ["generate", "chat", "completions"])
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"null", b"<html>", b'{"choices":[]}', b'"text"', b"NaN", b"\xff"]
)
def test_a_200_that_is_no_answer_is_an_error_with_its_status(kind, body):
    with pytest.raises(ProtocolError) as caught:
        parsed(kind, body)
    assert caught.value.status == 200


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ({"error": "x", "error_type": "generation"}, RemoteError, "x"),
        ({"error": {"message": "y"}}, RemoteError, "y"),
        ({"error": "Model is overloaded", "error_type": "overloaded"}, OverloadedError, "overloaded"),
        (
            {"error": {"message": "Model is overloaded", "http_status_code": 422}},
            OverloadedError,
            "overloaded",
        ),
    ],
)
def test_an_error_object_in_a_200_is_an_error(value, kind, message):
    with pytest.raises(kind, match=message):
        parsed("chat", value)


def test_answers_of_several_prompts_are_sorted_by_index():
    choices = [
        {"index": 1, "text": "b", "finish_reason": "length"},
        {"index": 0, "text": "a", "finish_reason": ""},
    ]
    answer = parsed("completions", {"choices": choices})
    assert answer.texts == ("a", "b")


@pytest.mark.parametrize("arguments", ['{"é": {"a": [1]}}', {"é": {"a": [1]}}])
@pytest.mark.parametrize("as_list", [True, False])
def test_tool_calls_parse_in_every_form_and_without_content(arguments, as_list):
    call = {"id": "0", "type": "function", "function": {"name": "f", "arguments": arguments}}
    answer = parsed("chat", chat({"role": "assistant", "tool_calls": [call] if as_list else call}))
    (read,) = answer.tool_calls
    assert (read.name, read.arguments, read.id, read.complete) == ("f", {"é": {"a": [1]}}, "0", True)


def test_broken_arguments_are_raw_and_a_length_cut_call_is_not_complete():
    def answer(arguments, reason):
        call = {"function": {"name": "f", "arguments": arguments}}
        return parsed("chat", chat({"content": None, "tool_calls": [call]}, reason)).tool_calls[0]

    broken = answer('{"a": ', "stop")
    assert (broken.arguments, broken.raw_arguments, broken.complete) == (None, '{"a": ', False)
    assert not answer("{}", "length").complete


@given(json_values)
def test_any_json_in_a_200_gives_an_answer_or_an_error(value):
    for kind in ("generate", "chat", "completions"):
        try:
            answer = parsed(kind, value)
        except TGIError:
            continue
        assert isinstance(answer.text, str)


# errors by status


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b"Failed to parse", BadRequestError),
        (401, b"", AuthenticationError),
        (403, b"no", AuthenticationError),
        (405, b"", BadRequestError),
        (418, b"", BadRequestError),
        (422, b'{"error":"bad","error_type":"validation"}', ValidationError),
        (424, b'{"error":"bad","error_type":"generation"}', GenerationError),
        (429, b"", RateLimitError),
        (429, b'{"error":"Model is overloaded","error_type":"overloaded"}', OverloadedError),
        (500, b'{"error":"bad","error_type":"incomplete_generation"}', GenerationError),
        (502, b"<html>", ServerError),
        (599, b"", ServerError),
    ],
)
def test_a_status_has_its_error(status, body, kind):
    error = status_error(status, body, retry_after=2.0)
    assert type(error) is kind
    assert error.status == status
    assert error.retry_after == 2.0
    if b"bad" in body:
        assert "bad" in error.message


@given(json_values, st.sampled_from([400, 404, 429, 503]))
def test_no_error_body_breaks_the_error_path(value, status):
    error = status_error(status, json.dumps({"error": value, "detail": value}).encode())
    assert error.status == status
    assert len(error.message) < 600


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [("20.0", 20.0), ("1e999", 1e9), ("NaN", None), ("-1", None), ("true", None), ("9" * 400, 1e9)],
)
def test_an_estimated_time_is_read_with_care(estimate, expected):
    body = f'{{"error":"loading","estimated_time":{estimate}}}'.encode()
    assert status_error(503, body).estimated_time == expected


# streams


def event(value, *, blank=True):
    data = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"data:{' ' if blank else ''}{data}\n\n".encode()


def delta(text, reason=None, **more):
    return event(
        {
            "choices": [
                {"index": 0, "delta": {"role": "assistant", "content": text, **more}, "finish_reason": reason}
            ],
            "usage": None,
        }
    )


def tool_delta(index, name, arguments, id_="0"):
    call = {"index": index, "id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
    return event({"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]})


def token(text, *, final=None, special=False):
    details = (
        None if final is None else {"finish_reason": "eos_token", "generated_tokens": 2, "input_length": 5}
    )
    return event({"token": {"text": text, "special": special}, "generated_text": final, "details": details})


USAGE = event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
DONE = event("[DONE]")
CHAT = b":\n\n" + delta("é✅") + delta(" 中\u0085") + delta(None) + delta("", "stop") + USAGE + DONE


def read(kind, chunks, *, choices=1, end=True):
    """Return the pieces and the error that a stream gives."""
    reader = StreamReader(kind, "id", choices)
    pieces = []
    try:
        for chunk in chunks:
            if not reader.complete:
                pieces += reader.feed(chunk)
        if end:
            pieces += reader.end()
    except TGIError as error:
        return pieces, error, reader
    return pieces, None, reader


@given(st.lists(st.integers(0, len(CHAT)), max_size=12))
def test_any_split_gives_the_same_pieces(cuts):
    edges = [0, *sorted(cuts), len(CHAT)]
    pieces, error, _ = read("chat", [CHAT[a:b] for a, b in itertools.pairwise(edges)])
    assert error is None
    assert pieces == read("chat", [CHAT])[0]
    assert "".join(piece.text for piece in pieces) == "é✅ 中\u0085"


@pytest.mark.parametrize("cut", range(0, len(CHAT), 7))
def test_a_stream_cut_before_its_mark_is_truncated_and_what_came_is_a_prefix(cut):
    whole, _, _ = read("chat", [CHAT])
    pieces, error, _ = read("chat", [CHAT[:cut]])
    assert pieces == whole[: len(pieces)]
    finished = any(piece.finish_reason for piece in pieces)
    assert (error is None) == finished
    assert error is None or isinstance(error, TruncatedStreamError)


def test_done_ends_a_stream_and_nothing_after_it_counts():
    pieces, error, reader = read(
        "chat", [delta("a") + event("[DONE]", blank=False) + b"data: junk\n\n"], end=False
    )
    assert error is None
    assert reader.complete
    assert [piece.text for piece in pieces] == ["a"]


def test_a_native_stream_ends_with_generated_text():
    frames = token("a") + token("b") + token("</s>", final="ab", special=True)
    pieces, error, reader = read("generate", [frames], end=False)
    assert error is None
    assert reader.complete
    assert [piece.done for piece in pieces] == [False, False, True]
    assert "".join(piece.text for piece in pieces) == "ab"
    assert (reader.usage.prompt_tokens, reader.usage.completion_tokens) == (5, 2)
    assert isinstance(read("generate", [token("a")])[1], TruncatedStreamError)


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (event({"error": "x", "error_type": "generation"}), RemoteError),
        (event({"error": {"message": "x", "http_status_code": 422}}), RemoteError),
        (event({"error": {"message": "Model is overloaded", "http_status_code": 422}}), OverloadedError),
        (b"event: error\ndata: x\n\n", RemoteError),
        (event("x {"), ProtocolError),
        (event("[1]"), ProtocolError),
        (event({"object": "x"}), ProtocolError),
    ],
)
def test_an_error_event_or_junk_raises_after_the_pieces_before_it(frame, kind):
    pieces, error, _ = read("chat", [delta("a") + frame + DONE])
    assert [piece.text for piece in pieces] == ["a"]
    assert type(error) is kind
    assert "x" in error.message or kind in (OverloadedError, ProtocolError)


@pytest.mark.parametrize("repeats", [1, 3])
def test_usage_is_a_total_and_not_summed(repeats):
    _, _, reader = read("chat", [delta("a", "stop") + USAGE * repeats + DONE])
    assert reader.usage.total_tokens == 10


def test_prompts_of_a_completions_stream_are_kept_apart_and_their_usage_added():
    def chunk(index, text, reason, **more):
        return event({"choices": [{"index": index, "text": text, "finish_reason": reason}], **more})

    usage = {"usage": {"prompt_tokens": 2, "completion_tokens": 1}}
    frames = chunk(1, "b", "") + chunk(0, "a", "length", **usage) + chunk(1, "B", "length", **usage)
    pieces, error, reader = read("completions", [frames], choices=2)
    assert error is None
    assert [(piece.index, piece.text) for piece in pieces] == [(1, "b"), (0, "a"), (1, "B")]
    assert reader.usage.total_tokens == 6
    assert isinstance(read("completions", [chunk(0, "a", "length")], choices=2)[1], TruncatedStreamError)


def test_tool_fragments_are_joined_by_index_and_handed_out_at_the_end():
    frames = (
        tool_delta(0, "f", '{"a"')
        + tool_delta(1, "g", "{", "1")
        + tool_delta(0, None, ": 1}")
        + tool_delta(1, None, "}", "1")
    )
    pieces, error, _ = read("chat", [frames + DONE])
    assert error is None
    calls = pieces[-1].tool_calls
    assert [(call.id, call.name, call.arguments, call.complete) for call in calls] == [
        ("0", "f", {"a": 1}, True),
        ("1", "g", {}, True),
    ]
    torn, error, _ = read("chat", [frames])
    assert isinstance(error, TruncatedStreamError)
    assert not any(piece.tool_calls for piece in torn)


def test_a_tool_call_cut_by_length_is_not_complete():
    pieces, _, _ = read("chat", [tool_delta(0, "f", "{}") + delta("", "length") + DONE])
    assert not pieces[-1].tool_calls[0].complete

"""Kinds of stimuli: told from the script as data, each of them by a script that has it and nothing else."""

import json

import pytest

from tgi_conformance.contracts.causes.answers import Asked
from tgi_conformance.contracts.causes.kinds import WORDS, family, in_words
from tgi_conformance.contracts.causes.stimulus import stimulus_of
from tgi_conformance.contracts.script import (
    Body,
    Delivery,
    Event,
    EventStream,
    Fault,
    Reply,
    Response,
    Script,
)
from tgi_conformance.contracts.script.replies import Encoding, Raw
from tgi_conformance.contracts.sse import encode_data

CHAT = Asked(route="chat")
STREAM = Asked(route="chat", streamed=True)
NATIVE = Asked(route="native")


def chunk(content: str = "a", *, finish: str | None = None, **more: object) -> Event:
    delta = {"role": "assistant", "content": content, **more}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return Event(json={"object": "chat.completion.chunk", "choices": [choice]})


DONE = Event(done=True)
WHOLE = (chunk(), chunk(finish="stop"), DONE)


def stream(*events: Event, **more: object) -> Reply:
    return Reply(stream=EventStream(events=events, **more))  # type: ignore[arg-type]


def raw(text: str) -> Event:
    return Event(raw=text.encode())


def line(event: Event) -> str:
    return json.dumps(event.json)


def chat_answer(**choice: object) -> Reply:
    message = {"role": "assistant", "content": "hello"}
    whole = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"} | choice
    return Reply(response=Response(body=Body(json={"choices": [whole]})))


def status(code: int, **body: object) -> Reply:
    return Reply(response=Response(status=code, body=Body(**body)))  # type: ignore[arg-type]


def told(reply: Reply, asked: Asked, **script: object) -> str:
    return stimulus_of(Script(replies=(reply,), **script), [reply], asked)  # type: ignore[arg-type]


def test_an_ordinary_answer_and_an_ordinary_stream_are_no_stimulus() -> None:
    assert told(chat_answer(), CHAT) == ""
    assert told(stream(*WHOLE), STREAM) == ""


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("line-end-cr", stream(*WHOLE, encoding=Encoding(line_end="\r"))),
        ("line-end-crlf", stream(*WHOLE, encoding=Encoding(line_end="\r\n"))),
        ("no-blank-after-colon+done-no-blank", stream(*WHOLE, encoding=Encoding(blank=False))),
        ("done-no-blank", stream(*WHOLE[:-1], raw("data:[DONE]\n\n"))),
        ("several-data-lines", stream(Event(json=WHOLE[0].json, multi_line=True), *WHOLE[1:])),
        ("byte-order-mark", stream(raw("\ufeff" + encode_data(line(WHOLE[0])).decode()), *WHOLE[1:])),
        ("comment", stream(Event(comment="ping"), *WHOLE)),
        ("foreign-line-ends", stream(chunk("b\u2028c"), *WHOLE)),
        ("event-error", stream(Event(json=WHOLE[0].json, fields=(("event", "error"),)), *WHOLE)),
        ("event-name", stream(Event(json=WHOLE[0].json, fields=(("event", "message"),)), *WHOLE)),
        ("no-data-line+event-name", stream(raw("event: ping\n\n"), *WHOLE)),
        ("empty-data", stream(raw("data:\n\n"), *WHOLE)),
        ("data-not-json", stream(Event(text="hello"), *WHOLE)),
        ("no-end-mark", stream(WHOLE[0])),
        ("no-end-mark", stream()),
        ("no-done", stream(*WHOLE[:-1])),
        ("after-done", stream(*WHOLE, chunk("junk"))),
        ("error-event", stream(WHOLE[0], Event(json={"error": "x", "error_type": "generation"}))),
        ("error-beside-choices", stream(Event(json={"choices": [], "error": {"message": "x"}}), *WHOLE)),
        ("choices-empty", stream(*WHOLE[:-1], Event(json={"choices": [], "usage": {}}), DONE)),
        ("cut-rst", stream(*WHOLE).cut("rst", event=1)),
        ("stall", stream(*WHOLE).cut("stall", event=1)),
        ("no-last-chunk", stream(*WHOLE).cut("no-last-chunk", event=1)),
        ("no-end-mark", stream(*WHOLE, framing="close").cut("fin", event=1)),
        ("split-writes", stream(*WHOLE).deliver(splits=(3, 9))),
        ("not-a-stream", chat_answer()),
    ],
)
def test_a_stream_is_told_by_what_is_unusual_in_it(kind: str, reply: Reply) -> None:
    assert set(told(reply, STREAM).split("+")) == set(kind.split("+"))


@pytest.mark.parametrize(
    ("kind", "reply", "asked"),
    [
        ("status-401+error-empty", status(401), CHAT),
        ("status-400+error-text", status(400, text="no"), CHAT),
        ("status-502+error-html", status(502, html="<p>no</p>"), CHAT),
        ("status-422+error-no-object", status(422, json=[]), CHAT),
        ("status-422+error-odd", status(422, json={"detail": []}), CHAT),
        ("status-422", status(422, json={"error": "no", "error_type": "validation"}), CHAT),
        ("not-json", status(200, html="<p>log in</p>"), CHAT),
        ("not-json", status(200), CHAT),
        ("no-answer-in-json", status(200, json={"choices": []}), CHAT),
        ("no-answer-in-json", status(200, json={"generated_text": "for another route"}), CHAT),
        ("no-answer-in-json", chat_answer(), NATIVE),
        ("error-in-200", status(200, json={"error": "died"}), CHAT),
        ("redirect", status(302), CHAT),
        ("finish-reason-null", chat_answer(finish_reason=None), CHAT),
        ("finish-reason-new", chat_answer(finish_reason="content_filter"), CHAT),
        (
            "finish-reason-new",
            status(200, json={"generated_text": "a", "details": {"finish_reason": "stop"}}),
            NATIVE,
        ),
        ("malformed-http", Reply(raw=Raw(base64=b"HTTP")), CHAT),
    ],
)
def test_an_answer_is_told_by_its_status_and_its_body(kind: str, reply: Reply, asked: Asked) -> None:
    assert told(reply, asked) == kind


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("retry-after", "1"),
        ("retry-after-date", "Mon, 30 Nov 2026 10:00:00 GMT"),
        ("retry-after-bad", "soon"),
        ("retry-after-bad", "99999999999"),
    ],
)
def test_the_form_of_retry_after_is_told(kind: str, value: str) -> None:
    body = Body(json={"error": "busy", "error_type": "overloaded"})
    reply = Reply(response=Response(status=429, headers=(("Retry-After", value),), body=body))
    assert told(reply, CHAT).split("+") == [kind, "status-429"]


def test_the_space_counts_too_and_a_fault_without_an_answer() -> None:
    silent = Reply(delivery=Delivery(fault=Fault(ending="stall", at="request")))
    assert told(silent, CHAT) == "no-answer-stall"
    assert told(chat_answer(), CHAT, tls=("a",)) == "tls"
    assert told(chat_answer(), CHAT, mount="/gw") == "mount"


def test_every_kind_reads_as_words_and_families_are_kinds_to_a_reader_too() -> None:
    assert in_words("status-429+retry-after") == "status 429, Retry-After in seconds"
    assert {family(f"status-{code}") for code in (401, 503)} == {"error-status"}
    assert all(family(kind) in WORDS for kind in WORDS)

"""Healthy replies as a real server's answers: what is forwarded, what came back, whether it could decide."""

import json
from dataclasses import replace

import pytest

from tgi_conformance.contracts.journal import AnswerPart, Exchange, Journal, KeptAnswer
from tgi_conformance.contracts.script import Forward, Reply, Script, done, status
from tgi_conformance.fake_server.client import FakeServer
from tgi_conformance.suites.real.replies import forwarded_replies, is_used_up, lost, trouble, was_forwarded
from tgi_conformance.suites.real.said import text_of, texts_said, told_by
from tgi_conformance.suites.real.table import Where, forwarded_cases, one_each, where, why_embedded
from tgi_conformance.suites.shapes.calls import CHAT, NATIVE, SHAPES, Healthy, Shape, healthy
from tgi_conformance.suites.ways.words import WAY_BY_NAME

STREAMED = (("content-type", "text/event-stream"),)
JSON_TYPE = (("Content-Type", "application/json"),)


def journal(**answer: object) -> Journal:
    kept = KeptAnswer(**{"status": 200, "upstream": "complete"} | answer)  # type: ignore[arg-type]
    return Journal(exchanges=(Exchange(id=0, connection=0, method="POST", target="/generate", answer=kept),))


def parts(*contents: bytes) -> tuple[AnswerPart, ...]:
    return tuple(AnswerPart(content=content, at=float(at)) for at, content in enumerate(contents))


def test_what_is_only_to_be_healthy_is_forwarded_with_its_delivery_and_its_requests() -> None:
    held = CHAT.reply("fine", streaming=True).times(2).where(path="/x").held("gate", event=1).named("held")
    (made,) = forwarded_replies([held])
    assert made == Reply(
        name="held", when=held.when, requests=(2, 2), forward=Forward(), delivery=held.delivery
    )


def test_what_says_something_of_its_own_stays_scripted() -> None:
    scripted = (status(429), CHAT.plain("text", finish="stop"), NATIVE.frames(done()))
    assert forwarded_replies(scripted) == scripted


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
@pytest.mark.parametrize("streaming", [False, True])
def test_a_healthy_reply_of_each_shape_may_be_a_real_servers(shape: Shape, *, streaming: bool) -> None:
    assert isinstance(shape.reply("fine", streaming=streaming), Healthy)
    assert isinstance(healthy(), Healthy)


def test_scripts_with_healthy_replies_load_as_any_other() -> None:
    with FakeServer.start() as fake, fake.space(Script(replies=(CHAT.reply("fine", streaming=False),))):
        pass


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, ""),
        ({"upstream": "left"}, ""),
        ({"upstream": "failed", "status": None, "problem": "x cannot be reached"}, "x cannot be reached"),
        ({"upstream": "failed", "status": None}, "nothing"),
        ({"upstream": "fin", "parts": parts(b"abc")}, "an answer that broke off after 3 bytes (fin)"),
        ({"status": 503, "reason": "Busy", "parts": parts(b"{}\n ")}, "503 Busy: {}"),
        ({"status": 422, "reason": "No"}, "422 No"),
    ],
)
def test_an_answer_that_the_case_cannot_use_is_said_in_words(answer: dict[str, object], words: str) -> None:
    assert trouble([journal(**answer)]) == words
    assert was_forwarded([journal(**answer)])
    assert not was_forwarded([Journal()])


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ({"gone_at": 10.0}, "nothing more for 10.0 s, and then the client had left"),
        ({"gone_at": 10.0, "answer_at": 2.0}, "nothing more for 8.0 s, and then the client had left"),
        ({"gone_at": 1.4}, ""),
        ({"gone_at": 10.0, "answer_at": 9.0}, ""),
    ],
)
def test_a_client_that_leaves_a_silent_server_shows_nothing(times: dict[str, float], words: str) -> None:
    came = () if "answer_at" not in times else (AnswerPart(content=b"x", at=times["answer_at"]),)
    late = "the rest of the answer had not come"
    answer = KeptAnswer(status=200, upstream="left", parts=came, problem=late)
    exchange = Exchange(
        id=0, connection=0, method="POST", target="/", answer=answer, gone_at=times["gone_at"]
    )
    assert trouble([Journal(exchanges=(exchange,))]) == words
    # Where a delivery held the answer, the silence is not the real server's.
    held = replace(exchange, answer=replace(answer, problem=""))
    assert trouble([Journal(exchanges=(held,))]) == ""


def test_only_the_runs_own_budget_makes_further_tries_useless() -> None:
    assert is_used_up("the budget of 3 requests is used up (--max-requests)")
    assert not is_used_up("429 Too Many Requests: the budget of 3")


def test_what_will_not_get_better_by_waiting_is_told_as_data() -> None:
    assert lost("the budget of 3 requests is used up (--max-requests)") == "used up"
    assert lost("127.0.0.1:9 cannot be reached: Connection refused") == "unreachable"
    assert lost("429 Too Many Requests: the budget of 3") == ""
    assert lost("a dry run sends nothing") == ""


def stream(*values: object) -> bytes:
    return (
        b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values) + b"data: [DONE]\n\n"
    )


@pytest.mark.parametrize(
    ("headers", "body", "text"),
    [
        (JSON_TYPE, b'{"generated_text": "\xc3\xa9"}', "é"),
        (JSON_TYPE, b'[{"generated_text": "a"}]', "a"),
        (JSON_TYPE, b'{"choices": [{"message": {"content": "b"}}]}', "b"),
        (JSON_TYPE, b'{"choices": [{"message": {"content": null}}]}', None),
        (JSON_TYPE, b'{"choices": [{"text": "c"}]}', "c"),
        (JSON_TYPE, b"<html>", None),
        (JSON_TYPE, b'{"other": 1}', None),
        (
            STREAMED,
            stream(
                {"token": {"text": "a", "special": False}},
                {"token": {"text": "</s>", "special": True}, "generated_text": "a"},
            ),
            "a",
        ),
        (
            STREAMED,
            stream({"choices": [{"delta": {"content": "a"}, "index": 0}]}, {"choices": [{"delta": {}}]}),
            "a",
        ),
        (STREAMED, stream({"choices": [{"text": "a"}]}, {"choices": [], "usage": {}}), "a"),
    ],
)
def test_the_text_of_an_answer_is_read_from_its_bytes(
    headers: tuple[tuple[str, str], ...], body: bytes, text: str | None
) -> None:
    (exchange,) = journal(headers=headers, parts=parts(body[:7], body[7:]))
    assert text_of(exchange) == text


def test_expected_texts_are_the_real_ones_only_where_a_real_server_answers() -> None:
    said = journal(headers=JSON_TYPE, parts=parts(b'{"generated_text": "real"}'))
    assert texts_said() == ()
    with told_by(lambda: [said, journal(status=500)]):
        assert texts_said() == ("real",)
    with told_by(None):
        assert texts_said() == ()


def test_one_case_a_clause_and_call_shape_is_chosen() -> None:
    chat, chat_stream, native = (frozenset({WAY_BY_NAME[way]}) for way in ("chat", "chat stream", "native"))
    cases = [("REQ-01/a", chat), ("REQ-01/b", chat_stream), ("REQ-01/c", native), ("REQ-02/a", chat)]
    assert one_each(cases) == ["REQ-01/a", "REQ-01/c", "REQ-02/a"]


def test_each_case_says_where_its_answers_come_from() -> None:
    forwarded = min(forwarded_cases())
    assert where(forwarded) is Where.FORWARDED
    assert why_embedded(forwarded, load=False) == ""
    assert where("ERR-01/none-such") is Where.EMBEDDED
    assert why_embedded("ERR-01/none-such", load=False) == "a scripted answer is needed"
    assert why_embedded("ERR-01/none-such", load=True) == "load belongs on no server of others"
    clause = forwarded.partition("/")[0]
    assert why_embedded(f"{clause}/none-such", load=False) == "another case of its clause is forwarded"

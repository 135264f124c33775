"""What a server is checked as: genuine servers without a finding, and departures that are found."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tgi_conformance.check.asked import Answered, Asked
from tgi_conformance.check.expecting import expected
from tgi_conformance.check.generating import every_request
from tgi_conformance.check.kinds import KINDS
from tgi_conformance.check.running import check
from tgi_conformance.check.sending import Target, sending_to
from tgi_conformance.contracts.script import Server
from tgi_conformance.fake_server.client import FakeServer
from tgi_conformance.fake_server.egress.budget import Budget

#: Server -> case -> path, body, status, headers, answer; of vLLM 0.32.0, SGLang 0.5.23, llama-server b11434
#: and TGI 2.4.1.
GENUINE = json.loads(Path(__file__).with_name("kind_answers.json").read_text(encoding="utf-8"))
TGI_2 = "tgi-2.4.1"
CASES = [(server, case) for server, cases in GENUINE.items() if server != TGI_2 for case in cases]


def genuine(server: str, case: str) -> tuple[Asked, Answered]:
    path, body, status, headers, text = GENUINE[server][case]
    pairs = tuple((name, value) for name, value in headers)
    return Asked(name=case, path=path, body=body.encode()), Answered(status, pairs, text.encode())


def rules(kind: str, asked: Asked, answered: Answered) -> list[str]:
    return [one.rule for one in KINDS[kind].judge(asked, expected(asked, Server()), answered)]


@pytest.mark.parametrize(("server", "case"), CASES)
def test_genuine_servers_answer_as_openai_does(server: str, case: str) -> None:
    asked, answered = genuine(server, case)
    assert KINDS["openai"].asks(expected(asked, Server()))
    assert rules("openai", asked, answered) == []


def changed(answered: Answered, old: str, new: str) -> Answered:
    text = answered.body.decode()
    assert old in text
    return replace(answered, body=text.replace(old, new).encode())


@pytest.mark.parametrize(
    ("case", "old", "new", "rule"),
    [
        ("chat-basic", '"object":"chat.completion"', '"object":"chat"', "object"),
        ("chat-basic", '"finish_reason":"', '"finish_reason":"x', "finish reason"),
        ("chat-basic", '"total_tokens":', '"total_tokens":9', "usage"),
        ("chat-basic", '"message":{', '"text":{', "choice"),
        ("chat-basic", '"choices":[', '"choices":[],"x":[', "choices"),
        ("chat-basic", "{", "[", "body"),
        ("chat-tools-required", '"name":"get_weather"', '"name":"get_rain"', "tool call"),
        ("chat-stream-include-usage", "data: [DONE]", ": done", "end mark"),
        ("chat-stream-include-usage", '"usage":{', '"used":{', "usage"),
        ("chat-stream-length", '"finish_reason":"length"', '"finish_reason":null', "finish reason"),
        ("chat-stream-length", '"choices":[', '"error":"x","choices":[', "events"),
        ("chat-stream-length", "data: {", "data: ", "events"),
        ("cmpl-eos", '"text":', '"words":', "choice"),
        ("chat-rf-regex", '"message":', '"words":', "error body"),
    ],
)
def test_a_departure_from_openais_form_is_found(case: str, old: str, new: str, rule: str) -> None:
    asked, answered = genuine("vllm", case)
    assert rule in rules("openai", asked, changed(answered, old, new))


def test_what_is_asked_plainly_must_be_answered_and_a_failure_is_no_refusal() -> None:
    asked, answered = genuine("vllm", "chat-rf-regex")
    assert answered.status == 400
    assert rules("openai", replace(asked, name="as plain as can be"), answered) == ["status"]
    assert rules("openai", asked, replace(answered, status=500)) == ["status"]
    assert rules("openai", asked, Answered(0, problem="no answer: refused")) == ["answer"]


@pytest.mark.parametrize("case", ["chat-stream-length"])
def test_a_stream_that_is_none_is_found(case: str) -> None:
    asked, answered = genuine("vllm", case)
    page = replace(answered, headers=(("content-type", "application/json"),))
    assert rules("openai", asked, page) == ["content type"]


def test_the_fake_is_a_tgi_of_both_generations_and_openai_but_for_what_tgi_does_in_another_way() -> None:
    found: dict[str, set[tuple[str, str]]] = {}
    with FakeServer.start() as fake:
        for name, kind in KINDS.items():
            send = sending_to(Target(url=fake.base_url))
            checked = check(send, fake.base_url, Budget(10_000, 1_000_000), kind=kind)
            found[name] = {(one.rule, one.asked.name.partition("=")[0]) for one in checked.findings}
            assert checked.asked > 80
    assert found == {
        "tgi-3.3": set(),
        "tgi-2": set(),
        # TGI takes no notice of n, and ends a stream of tool calls without a reason (both recorded).
        "openai": {("choices", "n"), ("finish reason", "n"), ("finish reason", "tool_choice")},
    }


def of_the_check(name: str, path: str) -> Asked:
    return next(asked for asked in every_request() if (asked.name, asked.path) == (name, path))


@pytest.mark.parametrize(
    ("case", "as_3_3"),
    [
        ("gens-minimal", []),
        ("chat-tools-required", ["schema"]),
        ("chat-stream-tools-required", ["event schema"]),
        ("chat-stream-include-usage", ["event schema"]),
        ("chat-content-null", ["error text"]),
    ],
)
def test_a_genuine_tgi_2_is_right_as_such_and_differs_from_3_3(case: str, as_3_3: list[str]) -> None:
    asked, answered = genuine(TGI_2, case)
    assert rules("tgi-2", asked, answered) == []
    assert rules("tgi-3.3", asked, answered) == as_3_3


@pytest.mark.parametrize(
    ("case", "old", "new", "rule"),
    [
        ("chat-tools-required", '"total_tokens":', '"total_tokens":9', "usage"),
        ("chat-tools-required", '"arguments":{', '"arguments":7,"x":{', "schema"),
        ("chat-stream-include-usage", '"total_tokens":', '"total_tokens":9', "usage"),
        ("chat-stream-include-usage", "data: [DONE]", ": done", "end mark"),
        ("chat-stream-tools-required", '"tool_calls":{', '"tool_calls":7,"x":{', "event schema"),
    ],
)
def test_a_departure_from_tgi_2_is_found(case: str, old: str, new: str, rule: str) -> None:
    asked, answered = genuine(TGI_2, case)
    assert rule in rules("tgi-2", asked, changed(answered, old, new))


def test_the_text_about_a_body_that_cannot_be_decoded_is_3_3s_alone() -> None:
    asked = of_the_check('temperature="hot"', "/generate")
    other = Answered(422, (("content-type", "text/plain; charset=utf-8"),), b"Failed to deserialize: hot")
    assert rules("tgi-3.3", asked, other) == ["error text"]
    assert rules("tgi-2", asked, other) == []
    assert rules("tgi-2", asked, replace(other, status=400)) == ["status"]

"""RESP: an answer is read in any form that TGI or a proxy may send.

Stimuli are cut from recorded answers, one thing changed at a time.
"""

import json
from collections.abc import Mapping
from typing import Final, cast

import pytest

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Reply, status
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.contracts.wire_examples import wire_example
from tgi_conformance.suites.areas.answers import FINISH, Change, answer_to, everywhere
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect, expect_success, expect_text
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, Draft, Shape

SHAPES: Final = (CHAT, NATIVE, COMPLETIONS)
SHAPE = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)


def _tool_message(**content: JSON) -> JSON:
    """The recorded tool answer of TGI, whose message has no content, or the content given."""
    body = json.loads(json.dumps(wire_example("chat-tools-auto").json))
    message = body["choices"][0]["message"]
    message.pop("content", None)
    message.update(content)
    return cast("JSON", body)


@clause("RESP-04")
@pytest.mark.parametrize("form", ["absent", "null", "empty"])
def test_a_message_of_tool_calls_without_content_is_an_answer(case: Case, form: str) -> None:
    """TGI leaves the key out altogether; ``message["content"]`` is a crash there."""
    case.needs("chat")
    content: dict[str, dict[str, JSON]] = {"absent": {}, "null": {"content": None}, "empty": {"content": ""}}
    body = _tool_message(**content[form])
    function = cast("Draft", body)["choices"][0]["message"]["tool_calls"][0]["function"]
    offers = "tools" in case.description.parameters.get("chat", frozenset())
    tool = {"type": "function", "function": {"name": function["name"], "parameters": {"type": "object"}}}
    space = case.serve(status(200, json=body))

    outcome = case.call(endpoint=case.endpoint(), shape=CHAT, **({"tools": [tool]} if offers else {}))

    expect_success(outcome)
    calls = outcome.answer.tool_calls if outcome.answer is not None else UNSET
    if calls is UNSET and not case.claims("tools"):
        return  # the answer came through; calls are what `tools` claims
    names = [call.name for call in calls] if isinstance(calls, tuple) else []
    expect(
        names == [function["name"]],
        expected=f"a tool call of {function['name']}",
        observed=repr(calls),
        journal=space.journal(),
    )


def _choice(body: Draft) -> Draft:
    return cast("Draft", body["choices"][0])


_TOKEN: Final = {"id": 3, "text": "x", "logprob": None, "special": False}
_SEQUENCE: Final = {
    "generated_text": "other",
    "finish_reason": "length",
    "generated_tokens": 1,
    "seed": None,
    "prefill": [],
    "tokens": [],
}
#: Answers that differ from the usual in what a client has no business to insist on.
TOLERATED: Final[Mapping[str, Mapping[str, Change]]] = {
    "native": {
        "extra-everywhere": everywhere,
        "no-details": lambda body: body.pop("details", None),
        "details-null": lambda body: body.update(details=None),
        "logprob-null": lambda body: body["details"].update(tokens=[_TOKEN], prefill=[_TOKEN]),
        "no-top-tokens": lambda body: body["details"].pop("top_tokens", None),
        "top-tokens": lambda body: body["details"].update(top_tokens=[[_TOKEN]]),
        "best-of": lambda body: body["details"].update(best_of_sequences=[_SEQUENCE]),
        "seed-64-bit": lambda body: body["details"].update(seed=2**64 - 1),
    },
    "chat": {
        "extra-everywhere": everywhere,
        "id-empty": lambda body: body.update(id=""),
        "object-of-text-completion": lambda body: body.update(object="text_completion"),
        "object-unknown": lambda body: body.update(object="chat.completion.v2"),
        "no-logprobs": lambda body: _choice(body).pop("logprobs", None),
        "logprobs-null": lambda body: _choice(body).update(logprobs=None),
        "logprob-null": lambda body: _choice(body).update(
            logprobs={"content": [{"token": "x", "logprob": None, "top_logprobs": []}]}
        ),
        "tool-calls-empty": lambda body: _choice(body)["message"].update(tool_calls=[]),
        "tool-calls-null": lambda body: _choice(body)["message"].update(tool_calls=None),
    },
    "completions": {
        "extra-everywhere": everywhere,
        "id-empty": lambda body: body.update(id=""),
        "object-unknown": lambda body: body.update(object="completion.v2"),
        "no-logprobs": lambda body: _choice(body).pop("logprobs", None),
        "logprobs-null": lambda body: _choice(body).update(logprobs=None),
    },
}
_TOLERATED: Final = {
    f"{shape.name}-{form}": (shape, change)
    for shape in SHAPES
    for form, change in TOLERATED[shape.name].items()
}


@clause("RESP-05", ways=("native", "chat", "completions"))
@pytest.mark.parametrize("form", sorted(_TOLERATED))
def test_unknown_fields_and_missing_options_are_accepted(case: Case, form: str) -> None:
    """TGI's versions and the proxies before it differ in just these."""
    shape, change = _TOLERATED[form]
    body = shape.body("as usual")
    change(cast("Draft", body))

    outcome = answer_to(case, shape, status(200, json=body, root_array=True))

    if form in _WITHOUT_DETAILS and _asked_for_details(case):
        raise NotApplicable("the backend asks for details, and TGI gives them then")
    expect_text(outcome, "as usual")


_WITHOUT_DETAILS: Final = frozenset({"native-no-details", "native-details-null"})


def _asked_for_details(case: Case) -> bool:
    return any(NATIVE.parameters_of(e.json()).get("details") is True for e in case.journal().generations)


def _finishing(shape: Shape, text: str, reason: str | None) -> Reply:
    body = cast("Draft", shape.body(text))
    place = body["details"] if shape.name == NATIVE.name else _choice(body)
    place["finish_reason"] = reason
    return status(200, json=cast("JSON", body), root_array=True)


@clause("RESP-06")
@pytest.mark.parametrize("form", sorted(FINISH))
@SHAPE
def test_any_finish_reason_parses(case: Case, shape: Shape, form: str) -> None:
    """The set is open: a word that is new to the client must not cost the answer."""
    outcome = answer_to(case, shape, _finishing(shape, "as usual", FINISH[form]))

    expect_text(outcome, "as usual")


@clause("RESP-07")
@pytest.mark.parametrize("natural", ["eos", "stop-sequence"])
@SHAPE
def test_a_cut_answer_can_be_told_from_a_finished_one(case: Case, shape: Shape, natural: str) -> None:
    """What was cut at the length limit is not the model's last word."""
    case.needs(shape.capability)
    ended = {"eos": "eos_token" if shape.name == NATIVE.name else "stop", "stop-sequence": "stop_sequence"}[
        natural
    ]
    case.serve(_finishing(shape, "half", "length"), _finishing(shape, "whole", ended))
    endpoint = case.endpoint()

    cut, whole = (_end_told(case.call(endpoint=endpoint, shape=shape)) for _ in range(2))

    if cut == (UNSET, UNSET):
        raise NotApplicable("no finish reason is exposed")
    expect(
        cut != whole,
        expected=f"length and {ended} told apart by finish_reason or incomplete",
        observed=f"{cut!r} for both",
    )


def _end_told(outcome: Outcome) -> tuple[object, object]:
    expect_success(outcome)
    answer = outcome.answer
    return (UNSET, UNSET) if answer is None else (answer.finish_reason, answer.incomplete)

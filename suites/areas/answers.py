"""One call that gets a given answer, and its text held against what was sent."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tgi_conformance.contracts.error_kinds import kinds_for_status
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Reply
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import expect, expect_error, expect_success, expect_text
from tgi_conformance.suites.harness.oracles import renamed
from tgi_conformance.suites.shapes.calls import Draft, Shape
from tgi_conformance.suites.shapes.personas import model_served

_NOT_FOUND: Final = 404


def answer_to(case: Case, shape: Shape, reply: Reply, prompt: str | None = None) -> Outcome:
    """Make one call that gets this reply."""
    case.needs(shape.capability)
    case.serve(reply)
    return case.call(prompt, endpoint=case.endpoint(), shape=shape)


def serve_each(case: Case, replies: Mapping[str, Reply]) -> dict[str, str]:
    """Open a space in which each reply is for one prompt, as often as it comes; the prompts by slug.

    So a call that is made again by the client takes nothing from the call after it.
    """
    prompts = {slug: case.prompt(slug) for slug in replies}
    case.serve(
        *(
            renamed(reply, slug).where(contains=prompts[slug]).times(1, None)
            for slug, reply in replies.items()
        )
    )
    return prompts


def outcomes_of(
    case: Case, shape: Shape, replies: Mapping[str, Reply], *, stream: bool, **arguments: object
) -> dict[str, Outcome]:
    """Make one call a reply, one after the other and of this form; the outcomes by slug."""
    case.needs(shape.capability, *(("stream",) if stream else ()))
    prompts = serve_each(case, replies)
    endpoint = case.endpoint()
    return {
        slug: case.call(prompt, endpoint=endpoint, shape=shape, stream=stream, **arguments)
        for slug, prompt in prompts.items()
    }


def is_other_model(case: Case) -> bool:
    """Whether a server that routes by model turned away, for theirs, the calls of the space opened last.

    Where no setting changes the backend's model, its 404 is the right answer, and an error to the caller.
    """
    if "model" in case.description.settings or model_served(case.persona) is None:
        return False
    statuses = {exchange.status for exchange in case.journal().generations}
    return statuses == {_NOT_FOUND}


def expect_not_found(outcome: Outcome) -> None:
    """The call failed with the 404 of a server that does not have its model."""
    expect_error(
        outcome,
        *sorted(kinds_for_status(_NOT_FOUND)),
        status=_NOT_FOUND,
        because="the server does not have the model that the backend names, and no setting changes it",
    )


#: Texts that a client may be tempted to clean up.
TEXTS: Final[Mapping[str, str]] = {
    "blanks-and-newlines": "  \n x ",
    "one-leading-blank": " Deep learning",
    "trailing-newlines": "x\n\n",
    "blanks-only": " \n",
    "empty": "",
    "odd-spaces": "\u00a0\u2003x\u3000\u200b",
    "line-separators": "a\u2028b\u2029c\u0085d",
    "nul": "a\0b",
    "byte-order-mark": "\ufeffx",
    "sse-words": "data: [DONE]\n\n",
    "special-tokens": "</s> <|endoftext|> <unk>",
    "chat-marks": "one <|im_end|> two </s> three <end_of_turn> [/INST] <|eot_id|>",
    "markup": "<b>&amp;</b> ```json\n{}\n```",
    "json": '{"a": 1}',
    "number": "42",
    "null-word": "null",
    "astral": "😀 é e\u0301 中",
}


#: The prompt of the answers below.
QUESTION: Final = "What is Deep Learning?"
#: Answers that do not begin with the prompt, though some look so.
NO_PREFIX: Final[Mapping[str, str]] = {
    "unlike": " A branch of machine learning, and a longer text than the prompt was.",
    "shorter": " Yes.",
    "half-of-it": "What is Deep Space? I do not know either, to be honest.",
    "without-its-last-mark": "What is Deep Learning, really? A good question.",
    "in-the-middle": " You ask: What is Deep Learning? Well.",
    "other-case": "what is deep learning? You tell me.",
}
#: Values that servers put into ``finish_reason``, by slug.
FINISH: Final[Mapping[str, str | None]] = {
    "stop": "stop",
    "length": "length",
    "eos_token": "eos_token",
    "stop_sequence": "stop_sequence",
    "tool_calls": "tool_calls",
    "empty": "",
    "null": None,
    "unknown": "model_went_home",
}

#: A change of one JSON object, made in place.
Change = Callable[[Draft], object]


def everywhere(value: Any) -> None:
    """Add an unknown field to every object of a body."""
    if isinstance(value, dict):
        for inner in list(value.values()):
            everywhere(inner)
        value["x_tgi_next"] = {"nested": [1, None, "two"]}
    elif isinstance(value, list):
        for inner in value:
            everywhere(inner)


def expect_exact(case: Case, outcome: Outcome, text: str) -> None:
    """The call gives the text that was sent; trimmed, where the backend declares that it trims."""
    if case.description.trims:
        expect_success(outcome)
        expect(
            outcome.text == text.strip(),
            expected=f"the text, trimmed as declared: {text.strip()!r}",
            observed=repr(outcome.text),
        )
    else:
        expect_text(outcome, text)

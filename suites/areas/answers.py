"""One call that gets a given answer, and its text held against what was sent."""

from collections.abc import Mapping
from typing import Final

from tgi_conformance.contracts.error_kinds import kinds_for_status
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Reply
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import expect, expect_error, expect_success, expect_text
from tgi_conformance.suites.harness.oracles import renamed
from tgi_conformance.suites.shapes.calls import Shape
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
    "markup": "<b>&amp;</b> ```json\n{}\n```",
    "json": '{"a": 1}',
    "number": "42",
    "null-word": "null",
    "astral": "😀 é e\u0301 中",
}


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

"""How each clause of the persona matrix is tried, by its own oracle."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from tgi_conformance.contracts.script import Persona
from tgi_conformance.suites.areas.stream_checks import (
    TOKEN_LISTS,
    expect_bad_line_unheard,
    expect_done_ends,
    expect_error_event_told,
    expect_error_frame_told,
    expect_pieces_joined,
    expect_whole_or_error,
)
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.personas import answers, errors, streams, tools
from tgi_conformance.suites.personas.matrix import Pair, pairs
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, Shape
from tgi_conformance.suites.shapes.personas import served

Run = Callable[[Case, Shape, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How one clause is tried: on which shapes, in which forms (the first stands for all)."""

    run: Run
    needs: tuple[str, ...] = ()
    shapes: tuple[Shape, ...] = (CHAT, NATIVE, COMPLETIONS)
    forms: tuple[str, ...] = ("",)
    #: Forms where they differ by persona.
    forms_of: Mapping[Persona, tuple[str, ...]] = field(default_factory=dict)


_OPENAI: Final = (CHAT, COMPLETIONS)
#: Failures of a persona, the one that stands for all first.
_FAILURES: Final[Mapping[Persona, tuple[str, ...]]] = {
    "openai-proxy": ("overloaded", "validation", "conflict", "timeout", "generation"),
    "hosted-router": ("loading",),
}
#: Those of them that come as JSON, with the server's words.
_TOLD: Final[Mapping[Persona, tuple[str, ...]]] = {
    "openai-proxy": ("validation", "overloaded", "conflict", "timeout"),
    "hosted-router": ("loading",),
}
_PAGE: Final[Mapping[Persona, tuple[str, ...]]] = {"openai-proxy": ("generation",)}


def _answer(run: Run, *forms: str) -> Check:
    return Check(run=run, shapes=_OPENAI, forms=forms or ("",))


def _stream(run: Run, *forms: str, shapes: tuple[Shape, ...] = (CHAT, NATIVE, COMPLETIONS)) -> Check:
    return Check(run=run, needs=("stream",), shapes=shapes, forms=forms or ("",))


def _error(run: Run, failures: Mapping[Persona, tuple[str, ...]], *needs: str) -> Check:
    return Check(run=run, needs=needs, forms_of=failures)


def _tools(run: Run, *needs: str) -> Check:
    return Check(run=run, needs=("tools", *needs), shapes=(CHAT,))


CHECKS: Final[Mapping[str, Check]] = {
    "RESP-02": _answer(answers.same_text, "blanks-and-newlines", "astral", "json"),
    "RESP-05": _answer(answers.own_form),
    "RESP-06": _answer(answers.finish_of_its_own),
    "RESP-07": _answer(answers.end_told),
    "RESP-09": _answer(answers.error_in_a_200),
    **{name: _stream(streams.same_events(name)) for name in streams.TOLD_OTHERWISE},
    "STREAM-09": _stream(expect_done_ends, "blank", "no-blank", shapes=_OPENAI),
    "STREAM-10": _stream(streams.whole_stream, shapes=(NATIVE,)),
    "STREAM-11": _stream(streams.no_early_end, shapes=(NATIVE,)),
    "STREAM-12": _stream(streams.no_end_mark),
    "STREAM-13": _stream(streams.done_alone, shapes=_OPENAI),
    "STREAM-14": _stream(streams.finish_alone, shapes=_OPENAI),
    "STREAM-15": _stream(streams.native_error, shapes=(NATIVE,)),
    "STREAM-16": _stream(
        lambda case, shape, _: expect_error_event_told(case, shape, 2),
        shapes=_OPENAI,
    ),
    "STREAM-17": _stream(expect_error_frame_told, "json", "text", "empty-object"),
    "STREAM-18": _stream(streams.whole_stream, shapes=(CHAT,)),
    "STREAM-19": _stream(
        expect_pieces_joined,
        "repeated",
        *sorted({*TOKEN_LISTS} - {"repeated"}),
    ),
    "STREAM-20": _stream(streams.as_they_come),
    "STREAM-21": _stream(streams.special_tokens, shapes=(NATIVE,)),
    "STREAM-22": _stream(expect_bad_line_unheard, "words", "half-an-object", "html"),
    "STREAM-23": _stream(
        lambda case, shape, _: expect_whole_or_error(case, shape),
        shapes=_OPENAI,
    ),
    "STREAM-24": _error(errors.refused_stream, _TOLD, "stream"),
    "ERR-01": _error(errors.raises, _FAILURES),
    "ERR-02": _error(errors.wrong_key, {}),
    "ERR-03": _error(errors.message, _TOLD),
    "ERR-04": _error(errors.keeps_status, _PAGE),
    "ERR-05": _error(errors.no_crash, _FAILURES),
    "ERR-06": _error(errors.kind_and_status, _FAILURES),
    "ERR-09": _error(errors.not_the_requests_fault, _PAGE),
    "TOOL-04": _tools(tools.same_call),
    "TOOL-05": _tools(tools.raw_call, "stream"),
    "TOOL-06": _tools(tools.same_call),
    "TOOL-07": _tools(tools.cut_call, "stream"),
    "TOOL-10": _tools(tools.tolerated, "stream"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One pair tried in one form; ``shape`` None: the first that is claimed."""

    pair: Pair
    form: str
    shape: Shape | None = None


def trials(*, thorough: bool) -> Iterator[tuple[str, Trial]]:
    """The trials by slug: one a pair, or every form on every shape."""
    for pair in pairs():
        if pair.left_out:
            continue
        check = CHECKS[pair.clause]
        forms = check.forms_of.get(pair.persona, check.forms)
        slug = f"persona-{pair.persona}"
        yield slug, Trial(pair=pair, form=forms[0])
        if thorough:
            there = [shape for shape in served(pair.persona) if shape in check.shapes]
            for shape in there:
                for form in forms:
                    yield (
                        f"{slug}-{shape.name}{f'-{form}' if form else ''}",
                        Trial(pair=pair, form=form, shape=shape),
                    )

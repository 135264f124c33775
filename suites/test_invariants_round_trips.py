"""REQ, GEN, TOOL, IMG: whatever the caller asks for arrives as it was asked for (P-05)."""

import base64
import copy
from collections.abc import Mapping, Sequence
from typing import Any, cast

from hypothesis import strategies as st

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.suites.areas.parameters import (
    Given,
    call_healthy,
    in_json,
    needs_any,
    offered,
    sent_if_let,
    sent_with,
    widest_integer,
)
from tgi_conformance.suites.areas.request_bodies import (
    Number,
    expect_strict,
    same_float32,
    written_parameters,
)
from tgi_conformance.suites.areas.tools import needs_tool_definitions
from tgi_conformance.suites.areas.ways import SHAPE
from tgi_conformance.suites.generated.images import Image, images
from tgi_conformance.suites.generated.requests import FALSY, PARAMETERS, messages, parameters, with_falsy
from tgi_conformance.suites.generated.schemas import grammars, tools
from tgi_conformance.suites.generated.texts import surrogate_texts, texts
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect, expect_error
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.shapes.calls import CHAT, NATIVE, Shape


@clause("REQ-01", case="property-p05", ways="chat")
def test_whatever_is_asked_for_goes_out_as_one_strict_document(case: Case) -> None:
    """Property P-05: any text, halves of surrogate pairs among them, and any parameters."""
    shape = case.shape()
    asked = st.tuples(
        texts() | surrogate_texts(), parameters(shape, offered(case, shape), most=widest_integer(case))
    )

    def check(inner: Case, drawn: tuple[str, Given]) -> None:
        text, given = drawn
        outcome = call_healthy(inner, shape, text, **given)
        for sent in inner.journal().generations:
            types = sent.header_values("content-type")
            expect(
                len(types) == 1 and types[0].partition(";")[0].strip().lower() == "application/json",
                expected="one Content-Type: application/json",
                observed=", ".join(types) or "none",
            )
            expect(
                sent.body_complete, expected="a body as long as announced", observed=f"{len(sent.body)} bytes"
            )
            expect_strict(sent)
        if not inner.journal().generations:
            expect_error(outcome, because="nothing was sent")

    check_property(case, asked, check, shared=3)


@clause("REQ-03", case="property-p05", ways="chat")
def test_any_conversation_arrives_as_it_was_given(case: Case) -> None:
    """Property P-05 for messages: roles, order and texts, code point for code point."""
    case.needs("chat")

    def check(inner: Case, said: list[JSON]) -> None:
        sent = sent_with(inner, CHAT, subject=copy.deepcopy(said))
        observed = cast("dict[str, Any]", sent.json()).get("messages")
        read = _pairs(observed)
        expect(read == _pairs(said), expected=f"messages {in_json(said)}", observed=in_json(observed))

    check_property(case, messages(), check, shared=3)


def _pairs(said: object) -> list[tuple[object, object]]:
    if not isinstance(said, list) or not all(isinstance(message, Mapping) for message in said):
        return []
    return [(message.get("role"), message.get("content")) for message in said]


@clause("REQ-09", case="property-p05")
@SHAPE
def test_any_number_goes_out_as_the_json_number_it_is(case: Case, shape: Shape) -> None:
    """Property P-05 for numbers as they are written: integers whole, fractions no text."""
    case.needs(shape.capability)
    names = needs_any(case, shape, PARAMETERS[shape.method])

    def check(inner: Case, given: Given) -> None:
        numbers = {k: v for k, v in given.items() if isinstance(v, int | float) and not isinstance(v, bool)}
        sent = sent_if_let(inner, shape, given)
        # What is lost altogether is GEN-01's and GEN-02's.
        written = {} if sent is None else written_parameters(shape, sent)
        for name in sorted(numbers.keys() & written.keys()):
            lexeme = written[name]
            shown = lexeme.lexeme if isinstance(lexeme, Number) else repr(lexeme)
            expect(_same_number(lexeme, numbers[name]), expected=f"{name}: {numbers[name]}", observed=shown)

    check_property(case, parameters(shape, names, most=widest_integer(case)), check, shared=3)


def _same_number(lexeme: object, value: float) -> bool:
    if not isinstance(lexeme, Number):
        return False
    if isinstance(value, int):
        return lexeme.lexeme == str(value)
    return same_float32(float(lexeme.lexeme), value)


@clause("GEN-02", case="property-p05")
@SHAPE
def test_a_falsy_value_arrives_in_any_company(case: Case, shape: Shape) -> None:
    """Property P-05 for what ``if value:`` takes for unset (an empty list of stops says nothing)."""
    case.needs(shape.capability)
    names = needs_any(case, shape, FALSY[shape.method])

    def falsy(given: Given) -> dict[str, JSON]:
        return {name: value for name, value in given.items() if not value and value != []}

    def check(inner: Case, given: Given) -> None:
        wire = shape.parameters_of(sent_with(inner, shape, **given).json())
        for name, value in falsy(given).items():
            expect(
                name in wire
                and wire[name] == value
                and isinstance(wire[name], bool) == isinstance(value, bool),
                expected=f"{name}: {in_json(value)}",
                observed=f"{name}: {in_json(wire[name])}" if name in wire else f"no {name}",
            )

    check_property(case, with_falsy(shape, names, most=widest_integer(case)), check, shared=3)


@clause("TOOL-01", case="property-p05", ways="chat")
def test_any_tool_definitions_arrive_unchanged(case: Case) -> None:
    """Property P-05 for tools: names, descriptions, and schemas to the last leaf."""
    needs_tool_definitions(case)

    def check(inner: Case, offered: list[JSON]) -> None:
        wire = cast("dict[str, Any]", sent_with(inner, CHAT, tools=copy.deepcopy(offered)).json()).get(
            "tools"
        )
        expect(wire == offered, expected=f"tools {in_json(offered)}", observed=in_json(wire))

    check_property(case, tools(), check, shared=3)


@clause("TOOL-11", case="property-p05", ways="native")
def test_any_grammar_arrives_intact(case: Case) -> None:
    """Property P-05 for grammars: schema or expression equal, wherever they have their backslashes."""
    case.needs("grammar", "native")
    case.needs_parameter(NATIVE, "grammar")

    def check(inner: Case, grammar: JSON) -> None:
        sent = sent_with(inner, NATIVE, grammar=copy.deepcopy(grammar))
        wire = NATIVE.parameters_of(sent.json()).get("grammar")
        expect(wire == grammar, expected=f"grammar {in_json(grammar)}", observed=in_json(wire))

    check_property(case, grammars(), check, shared=3)


@clause("IMG-01", case="property-p05", ways="chat")
def test_any_parts_go_out_in_the_callers_order(case: Case) -> None:
    """Property P-05 for images between texts: kinds and order kept, the images as data URLs."""
    case.needs("img", "chat")
    as_bytes = case.claims("img-bytes")
    part = st.one_of(st.sampled_from(["See ", " and ", "é ✅"]), images(most=60))

    def check(inner: Case, parts: Sequence[str | Image]) -> None:
        given = [
            {"type": "text", "text": one} if isinstance(one, str) else _part(one, as_bytes=as_bytes)
            for one in parts
        ]
        body = cast(
            "dict[str, Any]", sent_with(inner, CHAT, subject=[{"role": "user", "content": given}]).json()
        )
        content = body["messages"][-1]["content"]
        wanted = [one if isinstance(one, str) else "image" for one in parts]
        expect(_kinds(content) == wanted, expected=f"parts {wanted}", observed=in_json(content))

    parts = st.lists(part, min_size=1, max_size=4).filter(
        lambda all_: any(isinstance(p, Image) for p in all_)
    )
    check_property(case, parts, check, shared=3)


def _part(image: Image, *, as_bytes: bool) -> dict[str, object]:
    """An image as a caller gives it: its bytes, or a data URL of them."""
    if as_bytes:
        return {"type": "image", "image": image.content}
    url = f"data:{image.media_type};base64,{base64.b64encode(image.content).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def _kinds(content: object) -> list[object]:
    """Texts and images of a content of parts; what is neither stands as it is."""
    if not isinstance(content, list):
        return [content]
    return [part.get("text") if part.get("type") == "text" else _image_or(part) for part in content]


def _image_or(part: Mapping[str, Any]) -> object:
    url = (part.get("image_url") or {}).get("url") if part.get("type") == "image_url" else None
    return "image" if isinstance(url, str) and url.startswith("data:image/") else part

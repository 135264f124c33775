"""The generators of the suites say what TGI says, and properties fail as the design wants them to."""

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from hypothesis.internal.conjecture import providers
from jsonschema import Draft202012Validator

from tgi_conformance.contracts.adapter import Description
from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Body, Script, Server
from tgi_conformance.contracts.script.loading import load_script
from tgi_conformance.contracts.sse import SSEDecoder
from tgi_conformance.contracts.tgi.requests.asked import request_of
from tgi_conformance.contracts.tgi.requests.decoding import decode
from tgi_conformance.contracts.tgi.requests.validation import refusal
from tgi_conformance.contracts.wire_examples import wire_example
from tgi_conformance.suites.areas.router import router_refuses
from tgi_conformance.suites.generated.errors import FailedAnswer, date_ahead, failed_answers
from tgi_conformance.suites.generated.images import BEGINNINGS, Image, images
from tgi_conformance.suites.generated.requests import (
    FALSY,
    PARAMETERS,
    bad_parameters,
    messages,
    parameters,
    with_falsy,
)
from tgi_conformance.suites.generated.schemas import schemas, tools
from tgi_conformance.suites.generated.scripts import PlannedCall, loads
from tgi_conformance.suites.generated.streams import (
    Encoding,
    Telling,
    encodings,
    splits,
    stratified,
    tellings,
    tender_places,
    utf8_places,
)
from tgi_conformance.suites.generated.texts import token_lists
from tgi_conformance.suites.harness import properties
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import CameLate, ClauseFailed, expect
from tgi_conformance.suites.harness.properties import budget, check_property, seed_of, whole_of
from tgi_conformance.suites.harness.session import CaseRecord
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, SHAPES, Shape
from tgi_conformance.suites.test_invariants_answers import readings

QUICK = settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
RECORDED = {"native": "gens-minimal", "chat": "chat-stream-length", "completions": "cmpl-stream-length"}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_plain_encoding_writes_the_recorded_bytes(shape: Shape) -> None:
    example = wire_example(RECORDED[shape.name])
    recorded = [frame.encode() for frame in example.frames]
    tokens = ["x"] * (len(recorded) - shape.ends_with_done)
    events = list(shape.events(tokens))
    for at, value in enumerate(example.events):
        events[at] = type(events[at])(json=dict(value))
    assert list(Encoding().frames(events)) == recorded


@QUICK
@given(
    encodings(line_ends=True, blanks=True, comments=True, fields=True, spread=True),
    token_lists(),
    st.sampled_from(SHAPES),
)
def test_every_encoding_decodes_to_the_same_data(
    encoding: Encoding, tokens: tuple[str, ...], shape: Shape
) -> None:
    events = shape.events(tokens)
    decoded = SSEDecoder().feed(encoding.stream(events))
    datas = [event.data for event in decoded]
    assert [None if data == "[DONE]" else json.loads(data) for data in datas] == [
        None if event.done else event.json for event in events
    ]


@QUICK
@given(st.text(max_size=20).map(lambda text: f"data: {text}é\r\n\r\n".encode()), st.data())
def test_splits_lie_inside_and_ascend(content: bytes, draws: st.DataObject) -> None:
    cuts = draws.draw(splits(content))
    if not isinstance(cuts, str):
        assert all(0 < at < len(content) for at in cuts)
        assert list(cuts) == sorted(set(cuts))


def test_tender_places_are_inside_words_line_ends_and_characters() -> None:
    content = "data: é\r\n\r\n".encode()
    assert utf8_places(content) == (7,)
    assert tender_places(content) == (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
    assert tender_places(b"abcdef") == ()


def test_stratified_offsets_cover_the_whole() -> None:
    assert stratified(5, 40) == (0, 1, 2, 3, 4)
    assert stratified(400, 40) == tuple(range(0, 400, 10))
    assert stratified(400, 40, whole=True) == tuple(range(400))


@QUICK
@given(st.data())
@pytest.mark.parametrize(
    ("shape", "route"),
    [(NATIVE, "generate"), (CHAT, "chat"), (COMPLETIONS, "completions")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_generated_parameters_are_valid_to_the_router(shape: Shape, route: Any, draws: st.DataObject) -> None:
    given_parameters = draws.draw(parameters(shape, frozenset(PARAMETERS[shape.method])))
    if shape is CHAT:
        body: dict[str, Any] = {"messages": draws.draw(messages()), **given_parameters}
    elif shape is NATIVE:
        body = {"inputs": "hello", "parameters": given_parameters}
    else:
        body = {"prompt": "hello", **given_parameters}
    decoded = decode(route, json.dumps(body).encode(), "application/json")
    server = Server()
    assert refusal(request_of(route, decoded), server) is None


# --- the machinery ----------------------------------------------------------------------------------------


def _case(seed: int = 1) -> Case:
    record = CaseRecord(case="STREAM-01/property", clause="STREAM-01", backend="none")
    driver = SimpleNamespace(description=Description(name="none"), implemented=frozenset())
    given_settings = SimpleNamespace(profile="quick", seed=seed)
    return Case(*cast("Any", (SimpleNamespace(), driver, SimpleNamespace(), record, given_settings)))


def test_a_failure_is_shrunk_and_told_with_both_sides() -> None:
    def check(_: Case, value: int) -> None:
        expect(value < 100, expected="less than 100", observed=value)

    with pytest.raises(ClauseFailed) as caught:
        check_property(_case(), st.integers(0, 100_000), check)
    assert (caught.value.expected, caught.value.observed) == ("less than 100", "100")
    assert "example: 100" in str(caught.value)


def test_an_example_that_comes_late_once_is_no_failure_and_one_that_always_does_is() -> None:
    late = {"once": 1, "always": 10**6}

    def check(_: Case, word: str) -> None:
        late[word] -= 1
        if late[word] >= 0:
            raise CameLate("by then", f"later, {word}")

    check_property(_case(), st.just("once"), check)
    with pytest.raises(ClauseFailed) as caught:
        check_property(_case(), st.just("always"), check)
    assert caught.value.observed == "later, always"


def test_the_same_seed_gives_the_same_examples() -> None:
    def seen(seed: int) -> list[int]:
        values: list[int] = []
        check_property(_case(seed), st.integers(0, 10**9), lambda _, value: values.append(value))
        return values

    assert seen(1) == seen(1) != seen(2)
    assert seed_of(_case(1)) != seed_of(_case(2))


def test_modules_that_are_loaded_change_no_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis looks through modules outside site-packages; a user's may be any."""

    def seen() -> list[float]:
        values: list[float] = []
        check_property(_case(), st.floats(), lambda _, value: values.append(value))
        return values

    looks = providers._get_local_constants
    before = seen()
    (tmp_path / "of_the_user.py").write_text(f"NUMBERS = {[number / 7 for number in range(500)]}\n")
    monkeypatch.syspath_prepend(tmp_path)
    import_module("of_the_user")
    assert list(map(repr, seen())) == list(map(repr, before))
    assert providers._get_local_constants is looks


@pytest.mark.parametrize("ending", ["hang", "crash"])
def test_a_hang_or_crash_ends_the_examples_at_once(ending: Any) -> None:
    tried: list[int] = []

    def check(case: Case, value: int) -> None:
        tried.append(value)
        case._outcomes.append(("call", Outcome(ending=ending)))
        expect(False, expected="an answer", observed=ending)  # noqa: FBT003

    with pytest.raises(ClauseFailed):
        check_property(_case(), st.integers(), check)
    assert len(tried) == 1


def test_a_fault_of_the_kit_is_raised_as_it_is() -> None:
    def check(_: Case, __: int) -> None:
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        check_property(_case(), st.integers(), check)


def test_shrinking_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(10**6))
    monkeypatch.setattr(properties.time, "monotonic", lambda: float(next(now)))
    tried: list[int] = []

    def check(_: Case, value: int) -> None:
        tried.append(value)
        expect(value < 100, expected="less than 100", observed=value)

    with pytest.raises(ClauseFailed, match="less than 100"):
        check_property(_case(), st.integers(0, 10**9), check)
    assert sum(value >= 100 for value in tried) <= properties.SHRINKING + 1


# --- the generators of invariants -------------------------------------------------------------------------


@QUICK
@given(st.data())
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_bad_parameters_are_refused_in_the_words_that_are_said(shape: Shape, draws: st.DataObject) -> None:
    bad = draws.draw(bad_parameters(shape, frozenset(PARAMETERS[shape.method]) | {"best_of"}))
    said = router_refuses(shape, bad.parameters)
    assert said is not None
    assert bad.message in said
    assert bad.status == 422
    assert bad.culprit in bad.parameters


@QUICK
@given(st.sampled_from(SHAPES).flatmap(tellings))
def test_a_telling_says_its_tokens_in_every_persona(said: Telling) -> None:
    data = [event.data for event in SSEDecoder().feed(said.encoding.stream(said.events))]
    values = [json.loads(each) for each in data if each != "[DONE]"]
    if said.shape is NATIVE:
        texts = [value["token"]["text"] for value in values]
    else:
        choices = [choice for value in values for choice in value["choices"]]
        texts = [c["text"] if "text" in c else c["delta"].get("content") or "" for c in choices]
    assert "".join(texts) == said.heard


@QUICK
@given(tools())
def test_generated_tools_decode_as_tgi_decodes_them(offered: list[Any]) -> None:
    body = {"messages": [{"role": "user", "content": "hello"}], "tools": offered}
    decoded = decode("chat", json.dumps(body).encode(), "application/json")
    assert [tool["function"]["name"] for tool in cast("Any", decoded)["tools"]] == [
        tool["function"]["name"] for tool in offered
    ]


@QUICK
@given(schemas())
def test_generated_schemas_are_schemas(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)


@QUICK
@given(images())
def test_an_image_begins_as_its_media_type_does(image: Image) -> None:
    assert image.content.startswith(BEGINNINGS[image.media_type])


@QUICK
@given(st.sampled_from([1.2, 1.5, 2.0, 86_400.0]))
def test_a_date_ahead_is_the_whole_second_that_is_still_ahead(seconds: float) -> None:
    now = datetime(2026, 11, 24, 12, 0, 0, 700_000, tzinfo=UTC)
    header = date_ahead(now, seconds)
    assert header.least is not None
    assert seconds - 1.0 < header.least <= seconds
    moment = parsedate_to_datetime(header.lines[0])
    assert moment.timestamp() - now.timestamp() == pytest.approx(header.least)


@QUICK
@given(failed_answers((400, 500, 503)))
def test_the_words_of_a_failed_answer_stand_in_its_body(answer: FailedAnswer) -> None:
    assert answer.words in f"{answer.body.text}{answer.body.html}"
    assert load_script({"replies": [to_json(answer.reply)]}).replies == (answer.reply,)


@QUICK
@given(st.sampled_from(SHAPES), loads(streaming=True))
def test_each_call_of_a_load_has_a_script_that_loads(shape: Shape, calls: tuple[PlannedCall, ...]) -> None:
    replies = tuple(call.reply(shape, "x").named(f"{at}-{call.fate}") for at, call in enumerate(calls))
    script = to_json(Script(replies=replies))
    assert to_json(load_script(script)) == script


def test_examples_are_shared_out_but_never_below_the_least() -> None:
    assert [budget("default", "io", shared) for shared in (1, 2, 3, 9)] == [25, 12, 8, 8]
    assert budget("thorough", "io", 9) == 80
    assert budget("quick", "io", 9) == 3
    assert budget("default", "waits", 3) == 2


def test_the_readings_of_a_body_are_those_of_any_route() -> None:
    assert readings(Body(json=NATIVE.body("a"))) == {"a"}
    assert readings(Body(json=[NATIVE.body("a")])) == {"a"}
    assert readings(Body(json=CHAT.body("b"))) == {"b"}
    assert readings(Body(json=COMPLETIONS.body("c"))) == {"c"}
    assert (
        readings(Body(base64=b"{"))
        == readings(Body(json=[]))
        == readings(Body(json={"choices": None}))
        == set()
    )


def test_rows_that_wait_are_all_in_the_first_example_and_some_in_each_other() -> None:
    rows, seen = ("a", "b", "c"), []

    @settings(QUICK, max_examples=40)
    @given(whole_of(rows))
    def look(chosen: list[str]) -> None:
        seen.append(tuple(chosen))

    look()
    assert seen[0] == rows
    assert all(seen)
    assert len(set(seen)) == 2 ** len(rows) - 1


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_every_parameter_that_can_be_falsy_is_known_as_such(shape):
    def can_be_falsy(values):
        try:
            find(values, lambda value: not value and value != [])
        except NoSuchExample:
            return False
        return True

    known = {name for name, values in PARAMETERS[shape.method].items() if can_be_falsy(values)}
    assert known == set(FALSY[shape.method])
    for name, value in FALSY[shape.method].items():
        assert router_refuses(shape, {name: value}) is None


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_falsy_value_is_drawn_whatever_little_is_offered(shape):
    for name in FALSY[shape.method]:
        drawn = find(with_falsy(shape, frozenset({name})), lambda _: True)
        assert drawn == {name: FALSY[shape.method][name]}

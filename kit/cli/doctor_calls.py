"""The calls that ``doctor`` makes beside the healthy ones: endpoints, an error, an image, a tool call."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.cli.remark import Remark
from tgi_conformance.contracts.error_kinds import ErrorKind, kinds_for_status
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Reply, Script, always, tgi_error
from tgi_conformance.fake_server.client import FakeServer
from tgi_conformance.suites.areas.tools import WEATHER, answer_of, call, decoded
from tgi_conformance.suites.harness.expect import describe, error_text
from tgi_conformance.suites.harness.keys import canary
from tgi_conformance.suites.shapes.calls import CHAT, NATIVE, Shape

#: Seconds that one of these calls may take.
DEADLINE: Final = 10.0
#: TGI's refusal of a value: a status that no client repeats.
_STATUS: Final = 422
_MESSAGE: Final = "Input validation error: `temperature` must be strictly positive"
#: One pixel, whole and valid.
_BASE64: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_PIXEL: Final = f"data:image/png;base64,{_BASE64}"
#: Capability -> the image as it is handed to chat().
_IMAGES: Final[Mapping[str, Mapping[str, object]]] = {
    "img": {"type": "image_url", "image_url": {"url": _PIXEL}},
    "img-bytes": {"type": "image", "image": base64.b64decode(_BASE64)},
}
_ARGUMENTS: Final[Mapping[str, JSON]] = {"location": "Paris", "format": "celsius"}


def endpoints_remarks(driver: Driver, server: FakeServer) -> Iterator[Remark]:
    """Two endpoints have two ids, where several are claimed."""
    if "keys" not in driver.description.capabilities:
        return
    with server.space(Script(), keys={}) as space:
        made = [_endpoint(driver, space.base_url, name) for name in ("first", "second")]
    ids = [outcome.value for outcome in made if outcome.returned]
    if len(ids) == len(made) and ids[0] == ids[1]:
        yield Remark(
            tone="bad",
            text=f"create_endpoint() gave the id {ids[0]!r} twice: for two endpoints, one after the other",
            help="give each endpoint an id of its own, such as a count, or leave 'keys' out of capabilities",
        )
    for outcome in made:
        _close(driver, outcome)


def error_remarks(driver: Driver, server: FakeServer, shapes: Sequence[Shape]) -> Iterator[Remark]:
    """A refused call raises, and ``classify`` says what it was."""
    for shape in shapes:
        reply = tgi_error(_STATUS, _MESSAGE, "validation")
        outcome, _ = _call(driver, server, shape, reply, shape.arguments("Say ready."))
        yield judge_error(shape.method, outcome, classifies="classify" in driver.implemented)


def judge_error(method: str, outcome: Outcome, *, classifies: bool) -> Remark:
    """What a call showed that the server refused with 422."""
    what = f"a {method}() call that the server refuses with {_STATUS}"
    if not outcome.raised:
        return Remark(
            tone="bad",
            text=f"{what}: {describe(outcome)} in place of an error",
            help="let the client's exception through; where the client returns a value for a failure, "
            'declare it as "failure" in describe()',
        )
    if not classifies:
        return Remark(tone="good", text=f"{what} raises {_raised(outcome)}")
    right = kinds_for_status(_STATUS)
    if outcome.error is not None and outcome.error.kind == ErrorKind.UNMAPPED:
        return Remark(
            tone="note",
            text=f"{what} raises {_raised(outcome)}, which classify() does not map: "
            "clauses about the kind of an error will fail",
            help=_classified(right),
        )
    if outcome.error is None or outcome.error.kind not in right:
        return Remark(
            tone="bad",
            text=f"{what}: {describe(outcome)}",
            help=_classified(right),
        )
    return _told(what, outcome)


def _classified(right: Iterable[str]) -> str:
    fields = f'{{"kind": …, "status": {_STATUS}, "message": …}}'
    return f"have classify() return {fields} for it, where the kind is {' or '.join(sorted(right))}"


def _told(what: str, outcome: Outcome) -> Remark:
    """Whether a classified error tells its status, and what the server said."""
    info = outcome.error
    if info is None or info.status != _STATUS:
        return Remark(
            tone="note",
            text=f"{what}: classify() gives no status {_STATUS}, and clauses about the status will fail",
            help='add "status" to what classify() returns, where the exception has it',
        )
    if _MESSAGE not in error_text(outcome):
        return Remark(
            tone="note",
            text=f"{what}: neither the exception nor classify() shows what the server said, {_MESSAGE!r}",
            help='where the client keeps that text in an attribute, return it as "message" of classify()',
        )
    return Remark(tone="good", text=f"{what} raises {_raised(outcome)}, of kind {info.kind}")


def image_remarks(driver: Driver, server: FakeServer, shapes: Sequence[Shape]) -> Iterator[Remark]:
    """An image that is handed over reaches the server."""
    claimed = driver.description.capabilities
    text = {"type": "text", "text": "What is this?"}
    for capability, part in _IMAGES.items():
        if capability in claimed and CHAT in shapes:
            messages = [{"role": "user", "content": [text, part]}]
            yield _image(driver, server, CHAT, {"messages": messages}, capability)
    if "img-native" in claimed and NATIVE in shapes:
        prompt = ["What is this?", _IMAGES["img-bytes"]]
        yield _image(driver, server, NATIVE, {"prompt": prompt}, "img-native")


def _image(
    driver: Driver, server: FakeServer, shape: Shape, arguments: Mapping[str, object], capability: str
) -> Remark:
    outcome, bodies = _call(driver, server, shape, shape.plain("a pixel"), arguments)
    what = f"a {shape.method}() call with an image ({capability})"
    if outcome.returned and any(_PIXEL in body for body in bodies):
        return Remark(tone="good", text=f"{what} is answered, and the image is in the request")
    where = "in an image_url part of the message" if shape is CHAT else "as ![](data:…) in the prompt"
    observed = f"the request holds no such image: {bodies[0]:.300}" if bodies else "no request was sent"
    return Remark(
        tone="bad",
        text=f"{what}: {observed if outcome.returned else describe(outcome)}",
        help=f"the image goes out as a data URL, {where}; or leave {capability!r} out of capabilities",
    )


def tool_remarks(driver: Driver, server: FakeServer, shapes: Sequence[Shape]) -> Iterator[Remark]:
    """A tool call that the server answers with comes out as one."""
    about = driver.description
    if "tools" not in about.capabilities or CHAT not in shapes:
        return
    offered: dict[str, object] = {"tools": [WEATHER], "tool_choice": "auto"}
    names = about.parameters.get("chat", frozenset())
    arguments = CHAT.arguments("The weather in Paris?") | {
        name: value for name, value in offered.items() if name in names
    }
    reply = answer_of([call(json.dumps(_ARGUMENTS))])
    yield judge_tool_call(_call(driver, server, CHAT, reply, arguments)[0])


def judge_tool_call(outcome: Outcome) -> Remark:
    """What a call showed that the server answered with one tool call."""
    what = "a chat() call that the server answers with a tool call"
    calls = outcome.answer.tool_calls if outcome.answer is not None else None
    seen = [(call.name, decoded(call.arguments)) for call in calls] if isinstance(calls, tuple) else None
    if seen == [("get_weather", _ARGUMENTS)]:
        return Remark(tone="good", text=f"{what} gives the tool call")
    if not outcome.returned:
        observed = describe(outcome)
    else:
        observed = (
            "the answer exposes no tool_calls" if seen is None else f"the answer has tool_calls {seen!r}"
        )
    return Remark(
        tone="bad",
        text=f"{what}: {observed}",
        help='return {"text": None, "tool_calls": [{"name": …, "arguments": …, "id": …}]}, '
        "or leave 'tools' out of capabilities",
    )


def _call(
    driver: Driver, server: FakeServer, shape: Shape, reply: Reply, arguments: Mapping[str, object]
) -> tuple[Outcome, list[str]]:
    """Make one call on an endpoint of its own; returns how it ended, and the bodies of its requests."""
    with server.space(Script(replies=(always(reply),)), keys={}) as space:
        created = _endpoint(driver, space.base_url, "only")
        if not created.returned:
            return created, []
        given = {**arguments, "endpoint_id": created.value}
        outcome = driver.run(shape.method, given, deadline=DEADLINE)
        _close(driver, created)
        bodies = [json.dumps(sent.json(), ensure_ascii=False) for sent in space.journal().generations]
    return outcome, bodies


def _endpoint(driver: Driver, base_url: str, name: str) -> Outcome:
    arguments = {"base_url": base_url, "api_key": canary("doctor", name)}
    return driver.run("create_endpoint", arguments, deadline=DEADLINE)


def _close(driver: Driver, created: Outcome) -> None:
    if created.returned and "close_endpoint" in driver.implemented:
        driver.run("close_endpoint", {"endpoint_id": created.value}, deadline=DEADLINE)


def _raised(outcome: Outcome) -> str:
    return outcome.exception[0].type if outcome.exception else "an exception"

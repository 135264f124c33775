"""The pure parts of HTTP/2: the second layout of an answer, field lists, frames."""

import itertools
from dataclasses import replace

import pytest
from http2_inputs import frame
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_parts import deliveries, parts, payload

from tgi_conformance.contracts.script import Delivery, Fault
from tgi_conformance.fake_server.engine.answers import Answer, Exchange
from tgi_conformance.fake_server.engine.late_headers import with_header
from tgi_conformance.fake_server.engine.layout import plan_answer
from tgi_conformance.fake_server.engine.plans import Gate, Plan, Step, Wait, Write
from tgi_conformance.fake_server.http2.frames import MAX_FRAME, FrameCutter, FrameError
from tgi_conformance.fake_server.http2.requests import list_size, malformed, request_from

OLD = Exchange(date="Tue, 24 Nov 2026 09:00:00 GMT")
NEW = Exchange(date="Tue, 24 Nov 2026 09:00:00 GMT", http_2=True)
framings = st.sampled_from(["content-length", "chunked"])
faults = st.one_of(
    st.none(),
    st.builds(Fault, ending=st.sampled_from(["fin", "rst", "stall", "half-close"]), byte=st.integers(0, 80)),
)


def written(plan: Plan) -> bytes:
    return b"".join(step.data for step in plan.steps if isinstance(step, Write))


def waits(steps: tuple[Step, ...]) -> list[Step]:
    return [step for step in steps if isinstance(step, Wait | Gate)]


@settings(max_examples=200, deadline=None)
@given(parts=parts, delivery=deliveries, fault=faults, framing=framings, streamed=st.booleans())
def test_both_layouts_of_an_answer_have_the_same_payload_waits_and_end(
    parts: tuple[bytes, ...],
    delivery: Delivery,
    fault: Fault | None,
    framing: str,
    streamed: bool,  # noqa: FBT001
) -> None:
    delivery = replace(delivery, fault=fault)
    answer = Answer(200, (("X-A", "b"),), parts, framing=framing, streamed=streamed)  # type: ignore[arg-type]
    old, new = plan_answer(answer, OLD, delivery), plan_answer(answer, NEW, delivery)
    body = written(old).partition(b"\r\n\r\n")[2]
    assert written(new) == (payload(body)[0] if framing == "chunked" else body)
    assert waits(new.steps) == waits(old.steps)
    assert (new.ending, new.faulty, new.status) == (old.ending, old.faulty, old.status)


def test_the_head_is_the_same_list_without_what_is_of_the_connection() -> None:
    answer = Answer(200, (("X-A", "b"), ("Keep-Alive", "5")), (b"x",), framing="chunked", streamed=True)
    plan = with_header(plan_answer(answer, NEW), "X-Request-Id", "7")
    (head,) = [step.head for step in plan.steps if isinstance(step, Write) and step.head is not None]
    assert head.fields == (("x-a", "b"), ("x-request-id", "7"), ("date", NEW.date))


GOOD = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/generate"), (b":authority", b"x")]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ([], None),
        ([(b"te", b"trailers")], None),
        ([(b"te", b"gzip")], "no place in HTTP/2"),
        ([(b"upgrade", b"h2c")], "no place in HTTP/2"),
        ([(b"Host", b"x")], "no field name"),
        ([(b"", b"x")], "no field name"),
        ([(b"a", b"\r\n")], "a line end"),
        ([(b":status", b"200")], "no pseudo-header"),
        ([(b"a", b"b"), (b":protocol", b"c")], "after other fields"),
        ([(b":path", b"/")], "comes twice"),
    ],
)
def test_what_makes_a_field_list_malformed(more: list[tuple[bytes, bytes]], problem: str | None) -> None:
    found = malformed([*GOOD, *more])
    assert found is None if problem is None else problem in (found or "")


@pytest.mark.parametrize("missing", range(3))
def test_a_request_has_method_scheme_and_path(missing: int) -> None:
    assert (malformed([*GOOD[:missing], *GOOD[missing + 1 :]]) or "").startswith("without :")


def test_connect_has_no_path() -> None:
    fields = [(b":method", b"CONNECT"), (b":authority", b"x:80")]
    assert malformed(fields) is None
    assert request_from(fields, 0.0).target == "x:80"


def test_a_request_keeps_its_field_list_and_gets_a_host() -> None:
    fields = [*GOOD, (b"cookie", b"a=b"), (b"cookie", b"c=\xff")]
    request = request_from(fields, 7.0)
    assert (request.method, request.target, request.version) == ("POST", "/generate", "2")
    assert request.headers == (("host", "x"), ("cookie", "a=b"), ("cookie", "c=\xff"))
    assert request.head.split(b"\r\n") == [b": ".join(field) for field in fields] + [b"", b""]
    assert request.first["cookie"] == "a=b"
    assert list_size(GOOD[:1]) == len(b":methodPOST") + 32


SENT = [frame(4, 0, 0), frame(0, 1, 3, b"x" * 300), frame(6, 0, 0, b"12345678")]


@given(cuts=st.lists(st.integers(0, 350), max_size=8))
def test_frames_are_the_same_however_they_come(cuts: list[int]) -> None:
    data, cutter, got = b"".join(SENT), FrameCutter(), []
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(places):
        got += cutter.feed(data[start:end])
    assert [one.raw for one in got] == SENT
    assert [(one.type, one.stream) for one in got] == [(4, 0), (0, 3), (6, 0)]


def test_a_frame_too_long_is_refused_by_its_head_and_what_came_before_it_counts() -> None:
    taken = FrameCutter().feed(SENT[0] + (MAX_FRAME + 1).to_bytes(3, "big") + b"\0\0\0\0\0\1")
    assert next(taken).raw == SENT[0]
    with pytest.raises(FrameError) as caught:
        next(taken)
    assert caught.value.code == 6

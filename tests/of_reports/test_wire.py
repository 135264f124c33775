"""The picture of the wire, the answers beside it, and what changed since the last run."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence

import pytest
from verdict_builder import evidence, verdict

from tgi_conformance.contracts.codec import from_json
from tgi_conformance.contracts.journal import (
    AnswerPart,
    Connection,
    Exchange,
    Journal,
    KeptAnswer,
    ReplyUse,
)
from tgi_conformance.contracts.outcome import ExceptionLink, Outcome
from tgi_conformance.contracts.script import (
    Body,
    Encoding,
    Event,
    EventStream,
    Fault,
    Generation,
    Raw,
    Reply,
    Response,
    Script,
    overloaded,
)
from tgi_conformance.contracts.verdict import Ruling
from tgi_conformance.reports.changes import changes
from tgi_conformance.reports.html.evidence import evidence_view
from tgi_conformance.reports.html.wire.answers import FROM_SCRIPT, NOT_KEPT, answer_of
from tgi_conformance.reports.html.wire.drawing import svg
from tgi_conformance.reports.html.wire.lanes import MOST_LANES, Picture, picture
from tgi_conformance.reports.html.wire.octets import bytes_matter, hexdump
from tgi_conformance.reports.html.wire.waits import asked_wait, least_wait, own_waits


def exchange(number: int, at: float, **fields: object) -> Exchange:
    """An exchange that is asked at ``at``, answered 10 ms later and over after another 10 ms."""
    given = {
        "id": number,
        "connection": 0,
        "method": "POST",
        "target": "/generate",
        "reply": "0",
        "status": 429,
        "ending": "complete",
        "first_byte_at": at,
        "received_at": at + 0.001,
        "reply_at": at + 0.01,
        "replied_at": at + 0.02,
        **fields,
    }
    return Exchange(**given)  # type: ignore[arg-type]


def drawn(
    *exchanges: Exchange, expected: str = "", script: Script | None = None, **fields: object
) -> Picture:
    connection = Connection(
        id=0, opened_at=5.0, closed_at=6.0, closed_by="client-fin", requests=len(exchanges)
    )
    journal = Journal(exchanges=exchanges, connections=(connection,), **fields)  # type: ignore[arg-type]
    outcome = Outcome(ending="answer", entered_at=4.99, ended_at=6.01, piece_times=(5.5,))
    return picture(journal, script, (("chat('hi')", outcome),), expected)


TOLD_TO_WAIT = Script(replies=(overloaded(("retry-after", "1")).times(2),))


# --- the picture ---


def test_an_attempt_that_comes_too_early_stands_inside_the_band_of_its_wait() -> None:
    (call, request, connection) = drawn(exchange(0, 5.0), exchange(1, 5.082), script=TOLD_TO_WAIT).lanes
    assert [lane.group for lane in (call, request, connection)] == ["call", "request", "connection"]
    first, second = request.bands
    assert (first.start, first.end) == pytest.approx((20, 1020))
    assert first.breach == pytest.approx(92)
    assert first.waited == pytest.approx(0.072)
    assert second.breach is None


def test_an_attempt_at_the_right_time_is_no_breach_and_waits_are_told_apart() -> None:
    shown = drawn(exchange(0, 5.0), exchange(1, 6.011), script=TOLD_TO_WAIT)
    assert shown.breaches == ()
    kinds = [part.kind for part in shown.lanes[1].parts]
    assert kinds == ["asked", "server", "answer", "asked", "server", "answer", "client"]
    waits = shown.lanes[1].parts[-1]
    assert (waits.start, waits.end) == pytest.approx((30, 1021))


def test_only_attempts_of_one_request_are_held_against_its_wait() -> None:
    shown = drawn(exchange(0, 5.0), exchange(1, 5.05, body=b"another"), script=TOLD_TO_WAIT)
    assert [lane.label for lane in shown.lanes if lane.group == "request"] == ["/generate", "/generate"]
    assert shown.breaches == ()


def test_the_clients_own_wait_is_taken_from_what_the_verdict_expected() -> None:
    expected = "the client's own first wait of at least 0.020 s"
    (band,) = drawn(exchange(0, 5.0), exchange(1, 5.015), expected=expected).lanes[1].bands
    assert (band.seconds, band.breach is not None) == (0.02, True)


def test_a_wait_between_two_bounds_has_a_time_by_which_an_attempt_is_expected() -> None:
    expected = "wait 0 within 0.020 to 0.060 s (3 retries)"
    for at, missed in ((5.05, ""), (5.2, "an attempt came after 0.190 s, expected within 0.06 s")):
        shown = drawn(exchange(0, 5.0), exchange(1, at), expected=expected)
        (band,) = shown.lanes[1].bands
        assert (band.end - band.start, band.due) == (20.0, band.start + 60.0)
        assert band.missed == missed
        assert shown.breaches == ((missed,) if missed else ())
        assert 'class="due"' in svg(shown)


def test_a_request_that_never_came_is_marked_where_it_was_expected() -> None:
    shown = drawn(exchange(0, 5.0), expected="2 requests with key A within 0.5 s")
    (band,) = shown.lanes[1].bands
    assert band.due == band.start + 500
    assert shown.breaches == ("no further request within 0.5 s",)
    assert "breach: no further request within 0.5 s" in svg(shown)
    # The other space of such a case had all of its requests.
    whole = drawn(exchange(0, 5.0), exchange(1, 5.3), expected="2 requests with key A within 0.5 s")
    assert whole.breaches == ()


def test_a_request_too_many_is_marked_with_what_was_expected() -> None:
    use = ReplyUse(reply="0", requests=3, at_least=1, at_most=2)
    shown = drawn(exchange(0, 5.0), exchange(1, 5.1), exchange(2, 5.2), replies=(use,))
    assert shown.breaches == ("one request too many: at most 2 expected",)
    assert shown.lanes[1].unwanted[0][0] == pytest.approx(211)
    unscripted = drawn(exchange(0, 5.0, reply=None))
    assert unscripted.breaches == ("a request that no reply was scripted for",)


def test_a_wait_far_beyond_the_picture_does_not_squeeze_what_happened() -> None:
    day = Script(replies=(overloaded(("retry-after", "86400")).times(2),))
    shown = drawn(exchange(0, 5.0), exchange(1, 5.1), script=day)
    assert shown.end < 2000
    assert shown.breaches == ("an attempt came after 0.090 s, within Retry-After: 86400 s",)


@pytest.mark.parametrize(("ending", "label"), [("fin", "FIN"), ("rst", "RST"), ("half-close", "half-close")])
def test_a_cut_says_its_kind(ending: str, label: str) -> None:
    reply = Reply(stream=EventStream(), delivery=overloaded().cut(ending, byte=3).delivery)
    shown = drawn(exchange(0, 5.0, ending="fault", status=200), script=Script(replies=(reply,)))
    assert [(mark.kind, mark.label) for mark in shown.lanes[1].marks] == [("cut", label)]


def test_pieces_are_ticks_where_they_were_sent_and_where_they_came_out() -> None:
    parts = (AnswerPart(content=b"a", at=5.02), AnswerPart(content=b"b", at=5.03))
    shown = drawn(exchange(0, 5.0, answer=KeptAnswer(status=200, parts=parts)))
    assert [mark.kind for mark in shown.lanes[0].marks] == ["piece", "ended"]
    assert [mark.at for mark in shown.lanes[1].marks] == pytest.approx([30, 40])


def test_the_drawing_is_xml_of_shapes_whatever_the_texts_are() -> None:
    nasty = "/<script>alert(1)</script>\x00\u202e\"'&"
    failed = Outcome(ending="error", exception=(ExceptionLink(type="a.<b>"),), entered_at=5.0, ended_at=5.1)
    journal = Journal(exchanges=(exchange(0, 5.0, target=nasty),))
    root = ET.fromstring(str(svg(picture(journal, None, ((nasty, failed),)))))  # noqa: S314 - our own text
    names = {element.tag for element in root.iter()}
    assert names == {"svg", "g", "rect", "path", "text", "title"}
    assert not [
        name for element in root.iter() for name in element.attrib if name.startswith(("on", "style"))
    ]


def test_a_picture_has_no_more_lanes_than_can_be_read_and_says_how_many_are_left_out() -> None:
    many = [exchange(number, 5.0 + number / 100, body=b"%d" % number) for number in range(20)]
    shown = drawn(*many)
    assert sum(lane.group == "request" for lane in shown.lanes) == MOST_LANES
    assert shown.more == 20 - MOST_LANES
    assert drawn().lanes != ()
    assert str(svg(Picture())) == ""


def test_the_picture_stands_in_the_evidence_of_a_case() -> None:
    (space,) = evidence_view(evidence("STREAM-12/a")).spaces
    assert [lane.group for lane in space.wire.lanes] == ["call", "request", "connection"]
    assert "ValueError" in space.drawing


# --- waits ---


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((("Retry-After", "2"),), 2.0),
        ((("retry-after", "soon"),), None),
        ((("retry-after", "٣"),), None),
        ((), None),
        (
            (
                ("date", "Mon, 30 Nov 2026 10:00:00 GMT"),
                ("retry-after", "Mon, 30 Nov 2026 10:00:07 GMT"),
            ),
            6.0,
        ),
        ((("retry-after", "Mon, 30 Nov 2026 10:00:07 GMT"),), None),
    ],
)
def test_what_an_answer_asks_for(headers: Sequence[tuple[str, str]], seconds: float | None) -> None:
    reply = Reply(response=Response(status=429, headers=tuple(headers)))
    assert asked_wait(answer_of(Script(replies=(reply,)), exchange(0, 5.0))) == seconds


def test_waits_in_the_words_of_verdicts() -> None:
    assert own_waits("a second wait of at least 0.320 s (0.04 s x 8)") == {1: 0.32}
    assert least_wait("at least 1.0 s between attempts (Retry-After: 1 on a stream)") == 1.0
    assert least_wait("no attempt for 1.000 s (Retry-After: 1)") == 1.0
    assert least_wait("3 requests") is None


# --- answers ---


def test_an_answer_that_was_kept_is_shown_as_it_was() -> None:
    kept = KeptAnswer(status=200, headers=(("x", "y"),), parts=(AnswerPart(content=b"hi", at=1.0),))
    told = answer_of(None, exchange(0, 5.0, answer=kept, status=200))
    assert (told.head, told.body, told.note) == ("HTTP/1.1 200 OK\nx: y", b"hi", "")


def test_an_answer_that_was_not_kept_is_rebuilt_from_the_script_and_says_so() -> None:
    told = answer_of(TOLD_TO_WAIT, exchange(0, 5.0))
    assert told.head == "HTTP/1.1 429 Too Many Requests\ncontent-type: application/json\nretry-after: 1"
    assert b"overloaded" in told.body
    assert told.note == FROM_SCRIPT


def test_a_stream_is_rebuilt_in_its_own_encoding() -> None:
    events = (Event(json={"a": "\ud800"}, fields=(("id", "7"),)), Event(comment="x"), Event(done=True))
    stream = EventStream(events=events, encoding=Encoding(line_end="\r", blank=False, bom=True))
    told = answer_of(Script(replies=(Reply(stream=stream),)), exchange(0, 5.0, status=200))
    assert told.body == b'\xef\xbb\xbfid:7\rdata:{"a": "\\ud800"}\r\r: x\r\rdata:[DONE]\r\r'


@pytest.mark.parametrize(
    ("reply", "status", "note"),
    [
        (Reply(raw=Raw(base64=b"x")), None, FROM_SCRIPT),
        (Reply(tgi=Generation(text="hi")), 200, "TGI's own answer, not kept: the text 'hi'."),
        (Reply(tgi=Generation(text="hi")), 422, NOT_KEPT),
        (Reply(response=Response(status=200, body=Body(text="a"))), 401, NOT_KEPT),
        (
            Reply(delivery=overloaded().delivery, tgi=Generation(echo=True)),
            200,
            "TGI's own answer, not kept: an",
        ),
    ],
)
def test_what_cannot_be_rebuilt_is_said(reply: Reply, status: int | None, note: str) -> None:
    told = answer_of(Script(replies=(reply,)), exchange(0, 5.0, status=status, sent_bytes=9))
    assert told.note.startswith(note)


def test_nothing_answered_is_said() -> None:
    fault = Fault(ending="rst", at="request")
    script = Script(replies=(Reply(delivery=overloaded().deliver(fault=fault).delivery),))
    assert answer_of(script, exchange(0, 5.0, status=None)).note == "Nothing was answered."


# --- bytes ---


@pytest.mark.parametrize(
    ("content", "matter"),
    [(b"plain\n\xc3\xa9", False), (b"a\rb", True), (b"\xff", True), (b"\xef\xbb\xbf", True), (b"\x00", True)],
)
def test_bytes_matter_where_a_text_would_hide_them(content: bytes, matter: bool) -> None:  # noqa: FBT001
    assert bytes_matter(content) is matter


def test_a_hexdump_begins_near_what_is_of_note() -> None:
    lines = hexdump(b"x" * 1000 + b"\r" + b"y" * 1000)
    first, *_ = lines.text.splitlines()
    assert first.startswith("000003c0  78 78")
    assert "000003e0  78 78 78 78 78 78 78 78  0d 79 79 79 79 79 79 79  |xxxxxxxx.yyyyyyy|" in lines.text
    assert lines.cut == 2001 - 0x3C0 - 512


# --- what changed ---


def test_what_changed_is_told_case_by_case() -> None:
    last = (
        verdict("GEN-01/a", Ruling.FAILED),
        verdict("GEN-01/b", Ruling.FAILED),
        verdict("GEN-01/c"),
        verdict("GEN-01/d", Ruling.FAILED),
        verdict("GEN-01/e", Ruling.FAILED),
    )
    now = (
        verdict("GEN-01/a"),
        verdict("GEN-01/b", Ruling.KIT_FAULT),
        verdict("GEN-01/c", Ruling.FAILED),
        verdict("GEN-01/e", Ruling.NOT_HERE),
        verdict("GEN-01/f", Ruling.FAILED),
    )
    told = changes(last, now)
    assert [v.case for v in told.new_red] == ["GEN-01/c", "GEN-01/f"]
    assert [(v.case, v.ruling) for v in told.fixed] == [("GEN-01/a", Ruling.PASSED)]
    assert [v.case for v in told.still_red] == ["GEN-01/b"]
    assert [v.case for v in told.gone] == ["GEN-01/d", "GEN-01/e"]
    assert told.headline == "2 new red, 1 fixed, 1 still red, 2 not judged this time"
    assert told
    assert not changes(last[1:2], now[1:2])


def test_evidence_of_a_script_that_does_not_load_is_shown_all_the_same() -> None:
    shown = evidence("STREAM-12/a")
    assert isinstance(shown.spaces[0], dict)
    broken = {**shown.spaces[0], "script": {"replies": [{"name": "x"}]}}
    again = from_json(type(shown), {"case": "a", "backend": "b", "spaces": [broken]})
    (space,) = evidence_view(again).spaces
    assert space.script is not None
    assert space.exchanges[0].answer.note.startswith(NOT_KEPT)

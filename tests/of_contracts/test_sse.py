"""The SSE codec against WHATWG HTML, section 9.2."""

import codecs
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_conformance.contracts import sse
from tgi_conformance.contracts.sse import ServerSentEvent, SSEDecoder, SSEError


def decode(*pieces: bytes) -> list[ServerSentEvent]:
    decoder = SSEDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.close()


def data_of(*pieces: bytes) -> list[str]:
    return [event.data for event in decode(*pieces)]


def bytewise(raw: bytes) -> list[bytes]:
    return [raw[i : i + 1] for i in range(len(raw))]


# The four sample streams of the standard's own section on interpretation, and its edge rules.
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [ServerSentEvent(data="YHOO\n+2\n10")]),
        (
            (b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"),
            [
                ServerSentEvent(data="first event", id="1"),
                ServerSentEvent(data="second event"),
                ServerSentEvent(data=" third event"),
            ],
        ),
        (b"data\n\ndata\ndata\n\ndata:", [ServerSentEvent(data=""), ServerSentEvent(data="\n")]),
        (b"data:test\n\ndata: test\n\n", [ServerSentEvent(data="test")] * 2),
        (
            b"event: add\ndata: 1\n\ndata: 2\n\n",
            [ServerSentEvent("add", "1"), ServerSentEvent(data="2")],
        ),
        (b"event: add\n\ndata: 2\n\n", [ServerSentEvent(data="2")]),
        (b"id: 7\n\ndata: a\n\n", [ServerSentEvent(data="a", id="7")]),
        (
            b"id: 7\ndata: a\n\nid: 8\x00\ndata: b\n\n",
            [ServerSentEvent(data=d, id="7") for d in "ab"],
        ),
        (
            b"retry: 150\ndata: a\n\nretry: 1x\ndata: b\n\n",
            [ServerSentEvent(data="a", retry=150), ServerSentEvent(data="b")],
        ),
        (b"retry: \xc2\xb2\ndata: a\n\n", [ServerSentEvent(data="a")]),
        (b"DATA: x\n data: y\nfoo: z\ndata: a\n\n", [ServerSentEvent(data="a")]),
        (b":data: x\n\n", []),
        (b"data: a: b\n\n", [ServerSentEvent(data="a: b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [ServerSentEvent(data="a")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
        (b"data: \xef\xbb\xbfa\n\n", [ServerSentEvent(data="\ufeffa")]),
    ],
)
def test_interpretation_is_the_standards_whole_and_bytewise(
    raw: bytes, expected: list[ServerSentEvent]
) -> None:
    assert decode(raw) == expected
    assert decode(*bytewise(raw)) == expected


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"])
def test_every_line_end_ends_lines(line_end: str) -> None:
    raw = f"data: a{line_end}data: b{line_end}{line_end}data: c{line_end}{line_end}".encode()
    assert data_of(raw) == ["a\nb", "c"]
    assert data_of(*bytewise(raw)) == ["a\nb", "c"]


def test_mixed_line_ends_in_one_event() -> None:
    assert data_of(b"data: a\rdata: b\r\ndata: c\n\r\ndata: d\n\r") == ["a\nb\nc", "d"]


def test_crlf_split_over_feeds_is_one_line_end() -> None:
    assert data_of(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == ["a\nb"]
    assert data_of(b"data: a\r", b"", b"\ndata: b\r\n\r\n") == ["a\nb"]


def test_event_after_lone_cr_is_delivered_at_once() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"data: a\r\r") == [ServerSentEvent(data="a")]
    assert not decoder.pending
    assert decoder.feed(b"\ndata: b\r\n\r") == [ServerSentEvent(data="b")]


@pytest.mark.parametrize("char", ["\u0085", "\u2028", "\u2029", "\v", "\f", "\x1c", "\0"])
def test_other_separators_are_data(char: str) -> None:
    assert data_of(f"data: a{char}b\n\n".encode()) == [f"a{char}b"]


@pytest.mark.parametrize(
    "bad", [b"\xff", b"\xe2\x82", b"\xf0\x9f\x98", b"\xc0\x80", b"\xed\xa0\xbd", b"a\x80b"]
)
def test_bad_utf8_becomes_replacement_characters(bad: bytes) -> None:
    expected = bad.decode("utf-8", "replace")
    assert "\ufffd" in expected
    assert data_of(b"data: " + bad + b"\n\n") == [expected]
    assert data_of(*bytewise(b"data: " + bad + b"\n\n")) == [expected]


@pytest.mark.parametrize(
    ("raw", "pending"),
    [
        (b"", False),
        (b"data: a\n\n", False),
        (b"data: a\n\n:keep-alive\n", False),
        (b"data: a\n\n\n", False),
        (b"unknown: a\n", False),
        (b"data: a", True),
        (b"data: a\n", True),
        (b"event: a\n", True),
        (b"id: 1\n", True),
        (b":", True),
        (b"\xef\xbb", True),
        (b"\xef\xbb\xbf", False),
    ],
)
def test_pending_tells_what_the_end_of_input_drops(raw: bytes, *, pending: bool) -> None:
    decoder = SSEDecoder()
    decoder.feed(raw)
    assert decoder.pending is pending
    assert decoder.close() == []
    assert decoder.pending is pending


def test_unfinished_event_does_not_move_the_last_event_id() -> None:
    decoder = SSEDecoder()
    decoder.feed(b"id: 1\ndata: a\n\nid: 2\ndata: b\n")
    decoder.close()
    assert decoder.last_event_id == "1"


def test_retry_without_data_sets_the_reconnection_time() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"retry: 42\n\nretry: " + b"9" * 5000 + b"\n\n") == []
    assert decoder.reconnection_time == 42


def test_feed_after_close_is_refused() -> None:
    decoder = SSEDecoder()
    decoder.close()
    with pytest.raises(SSEError, match="after close"):
        decoder.feed(b"data: a\n\n")


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_event_over_the_limit_is_an_error_that_keeps_what_was_finished(size: int) -> None:
    raw = b"data: ok\n\ndata: " + b"x" * 58 + b"\n\n" + b"data: " + b"x" * 30 + b"\ndata: " + b"y" * 30
    decoder = SSEDecoder(max_event_bytes=64)
    got: list[str] = []

    def feed_all() -> None:
        for start in range(0, len(raw), size):
            got.extend(event.data for event in decoder.feed(raw[start : start + size]))

    with pytest.raises(SSEError, match="longer than 64 bytes") as caught:
        feed_all()
    got += [event.data for event in caught.value.events]
    assert got == ["ok", "x" * 58]
    with pytest.raises(SSEError, match="longer than 64 bytes"):
        decoder.feed(b"\n\n")


def test_comments_do_not_count_towards_the_limit() -> None:
    decoder = SSEDecoder(max_event_bytes=64)
    assert decoder.feed(b"data: a\n" + b": keep-alive\n" * 100 + b"\n") == [ServerSentEvent(data="a")]


def test_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="max_event_bytes"):
        SSEDecoder(max_event_bytes=0)


def test_one_mebibyte_line_fed_by_the_byte_scans_each_byte_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Work is counted, not timed: bytes given to the line-end search equal bytes fed."""
    scanned = 0
    real = sse._LINE_END

    class Counting:
        def finditer(self, data: bytes) -> object:
            nonlocal scanned
            scanned += len(data)
            return real.finditer(data)

    monkeypatch.setattr(sse, "_LINE_END", Counting())
    decoder = SSEDecoder()
    raw = b"data: " + b"x" * (1 << 20) + b"\n\n"
    events = [event for byte in bytewise(raw) for event in decoder.feed(byte)]
    assert [len(event.data) for event in events] == [1 << 20]
    assert scanned == len(raw)


def test_encoder_writes_what_tgi_writes() -> None:
    assert sse.encode_data('{"a":1}') == b'data: {"a":1}\n\n'
    assert sse.encode_data('{"a":1}', blank=False) == b'data:{"a":1}\n\n'
    assert (
        sse.encode_data("a\nb\r\nc\rd", line_end="\r\n")
        == b"data: a\r\ndata: b\r\ndata: c\r\ndata: d\r\n\r\n"
    )
    assert sse.encode_comment() == b":\n\n"
    assert sse.encode_comment("hi", line_end="\r") == b": hi\r\r"
    assert sse.encode_comment("a\nb", blank_line=False) == b": a\n: b\n"


def test_encoder_keeps_a_leading_blank_of_the_value() -> None:
    assert data_of(sse.encode_data(" a", blank=False)) == [" a"]


@pytest.mark.parametrize(
    "event", [ServerSentEvent(event="a\nb"), ServerSentEvent(id="a\rb"), ServerSentEvent(id="\0")]
)
def test_encoder_refuses_what_cannot_stand_on_one_line(event: ServerSentEvent) -> None:
    with pytest.raises(ValueError, match="must be one line"):
        sse.encode(event)


def test_encoder_refuses_another_line_end() -> None:
    with pytest.raises(ValueError, match="line_end"):
        sse.encode_data("a", line_end="\v")
    with pytest.raises(ValueError, match="line_end"):
        sse.encode_comment(line_end="")


# -- properties ------------------------------------------------------------------------------------

TEXT = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("\0\u0085\u2028\u2029\v\f\ufeff \n:")
)
ONE_LINE = TEXT.map(lambda text: re.sub(r"[\r\n]", "", text))
EVENTS = st.builds(
    ServerSentEvent,
    event=ONE_LINE.map(lambda name: name or "message"),
    data=TEXT.map(lambda text: re.sub(r"\r\n?", "\n", text)),
    id=st.just(""),
    retry=st.none() | st.integers(0, 10**9),
)


def split(raw: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
    return [raw[a:b] for a, b in itertools.pairwise(edges)]


@given(
    events=st.lists(EVENTS, max_size=5),
    line_end=st.sampled_from(["\n", "\r", "\r\n"]),
    blank=st.booleans(),
    bom=st.booleans(),
    cuts=st.lists(st.integers(0, 10_000), max_size=12),
)
def test_encoded_events_come_back_however_they_are_split(
    events: list[ServerSentEvent], *, line_end: str, blank: bool, bom: bool, cuts: list[int]
) -> None:
    raw = b"".join(sse.encode(event, line_end=line_end, blank=blank) for event in events)
    if bom or raw.startswith(sse.BOM):
        raw = sse.BOM + raw
    assert decode(*split(raw, cuts)) == events
    assert decode(*bytewise(raw)) == events


def reference(raw: bytes) -> list[ServerSentEvent]:
    """Do the standard's text literally on a whole stream: slow, another way round."""
    text = codecs.decode(raw, "utf-8", "replace").removeprefix("\ufeff")
    *lines, _unfinished = re.split(r"\r\n|\r|\n", text)
    events, data, name, last_id, retry = [], "", "", "", None
    committed = ""
    for line in lines:
        if line == "":
            committed = last_id
            if data:
                events.append(ServerSentEvent(name or "message", data.removesuffix("\n"), committed, retry))
            data, name, retry = "", "", None
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "data":
                data += value + "\n"
            elif field == "event":
                name = value
            elif field == "id" and "\0" not in value:
                last_id = value
            elif field == "retry" and value and all(c in "0123456789" for c in value):
                retry = int(value)
    return events


FIELDS = (b"data", b"event: e", b"id: 1", b"id", b"retry: 5", b"data: x", b"data:")
LINE_ENDS_AND_MARKS = (b":", b" ", b"\r", b"\n", b"\r\n", b"\0", b"\xef\xbb\xbf")
BROKEN_UTF8 = (b"\xe2\x82\xac", b"\xe2", b"\x82", b"\xff", b"\xef\xbb", b"\xc2\x85")
FRAGMENTS = st.sampled_from(FIELDS + LINE_ENDS_AND_MARKS + BROKEN_UTF8)


@given(
    raw=st.lists(FRAGMENTS | st.binary(max_size=3), max_size=40).map(b"".join),
    cuts=st.lists(st.integers(0, 10_000), max_size=12),
)
def test_any_bytes_decode_as_the_standard_says_however_they_are_split(raw: bytes, cuts: list[int]) -> None:
    expected = reference(raw)
    assert decode(raw) == expected
    assert decode(*split(raw, cuts)) == expected
    assert decode(*bytewise(raw)) == expected

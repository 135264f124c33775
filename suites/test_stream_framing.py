"""STREAM: from bytes to events. Each stream is judged against the same events in TGI's own encoding."""

from dataclasses import replace

import pytest
from hypothesis import strategies as st

from tgi_conformance.contracts.sse import BOM
from tgi_conformance.contracts.wire_examples import wire_example
from tgi_conformance.suites.areas.streams import (
    bytes_reply,
    each_shape,
    expect_end,
    expect_same_events,
    heard,
    needs_stream_of,
    play,
)
from tgi_conformance.suites.generated.streams import (
    Encoding,
    LineEnd,
    deliveries,
    encodings,
    stratified,
    utf8_places,
)
from tgi_conformance.suites.generated.texts import texts, token_lists
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_requests
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.shapes.calls import Shape

#: Recorded streams of the genuine router, by call shape.
RECORDED = {
    "native": "gens-details-eos",
    "chat": "chat-stream-include-usage",
    "completions": "cmpl-stream-length",
}
WORDS = (" Deep", " learning", " is", " fun")
MIB = 1 << 20


@clause("STREAM-01", case="recorded")
@each_shape
def test_any_split_of_a_recorded_stream_gives_the_same_events(case: Case, shape: Shape) -> None:
    """TCP keeps no message borders: a write may carry half an event, or many."""
    needs_stream_of(case, shape)
    content = "".join(wire_example(RECORDED[shape.name]).frames).encode()
    cuts = stratified(len(content), 6, whole=case.settings.profile == "thorough")[1:]
    replies = {
        "whole": bytes_reply(shape, content),
        "every-byte": bytes_reply(shape, content, splits="bytes"),
    }
    replies |= {f"cut-{at}": bytes_reply(shape, content, splits=(at,)) for at in cuts}

    outcomes = play(case, shape, replies)

    expect_same_events(outcomes, "whole", "only the writes differ")


@clause("STREAM-01", case="property-p01", ways="chat stream")
def test_any_split_of_any_stream_gives_the_same_events(case: Case) -> None:
    """Property P-01 for writes alone: plain tokens in TGI's own encoding, cut anywhere, with pauses."""
    case.needs("stream")
    shape = case.shape()

    def example(tokens: tuple[str, ...]) -> st.SearchStrategy[tuple[bytes, dict[str, object]]]:
        content = Encoding(ascii=True).stream(shape.events(tokens))
        return st.tuples(st.just(content), deliveries(content))

    def check(inner: Case, drawn: tuple[bytes, dict[str, object]]) -> None:
        content, written = drawn
        replies = {"whole": bytes_reply(shape, content), "cut": bytes_reply(shape, content, **written)}
        expect_same_events(play(inner, shape, replies), "whole", "only the writes differ")

    check_property(case, token_lists(plain=True, most=4).flatmap(example), check, cost="split", shared=3)


@clause("STREAM-01", case="one-mib-line", ways="chat stream")
def test_a_data_line_of_one_mib_is_one_event(case: Case) -> None:
    """A long line comes in many reads; buffers of fixed size lose its tail."""
    case.needs("stream")
    shape = case.shape()
    long = "x" * MIB

    outcomes = play(case, shape, {"long": shape.stream([" begin ", long, " end"])})

    text = outcomes["long"].text
    expect(
        outcomes["long"].returned and outcomes["long"].says(f" begin {long} end"),
        expected=f"a normal end with {MIB + 11} characters",
        observed=f"{outcomes['long'].ending} with {len(text)} characters",
    )


#: Characters of two, three and four bytes in UTF-8.
WIDE = {"2-bytes": "éß", "3-bytes": "中✅", "4-bytes": "😀𝄞"}


@clause("STREAM-02")
@pytest.mark.parametrize("width", sorted(WIDE))
@each_shape
def test_a_character_cut_between_writes_decodes_whole(case: Case, shape: Shape, width: str) -> None:
    """Decoding each read by itself turns the halves into U+FFFD, or raises."""
    needs_stream_of(case, shape)
    content = Encoding().stream(shape.events([" a", WIDE[width], " b"]))
    inside = utf8_places(content)[:6]
    replies = {"before-it": bytes_reply(shape, content, splits=(_before(content, inside[0]),))}
    replies |= {f"cut-{at}": bytes_reply(shape, content, splits=(at,)) for at in inside}

    outcomes = play(case, shape, replies)

    expect_same_events(outcomes, "before-it", "the cut lies inside a character, not before it")


@clause("STREAM-02", case="property-p01", ways="chat stream")
def test_any_cut_inside_any_characters_decodes_whole(case: Case) -> None:
    """Property P-01 for cuts inside characters alone, on any text."""
    case.needs("stream")
    shape = case.shape()

    def example(text: str) -> st.SearchStrategy[tuple[bytes, tuple[int, ...]]]:
        content = Encoding().stream(shape.events([" a", f"{text}é"]))
        cuts = st.sets(st.sampled_from(utf8_places(content)), min_size=1, max_size=6)
        return st.tuples(st.just(content), cuts.map(lambda chosen: tuple(sorted(chosen))))

    def check(inner: Case, drawn: tuple[bytes, tuple[int, ...]]) -> None:
        content, cuts = drawn
        between = tuple(sorted({_before(content, at) for at in cuts}))
        replies = {
            "between": bytes_reply(shape, content, splits=between),
            "inside": bytes_reply(shape, content, splits=cuts),
        }
        expect_same_events(play(inner, shape, replies), "between", "the cuts lie inside characters")

    check_property(case, texts(most=6).flatmap(example), check, cost="split", shared=3)


def _before(content: bytes, at: int) -> int:
    """The offset of the character that the byte at an offset belongs to."""
    while content[at] & 0xC0 == 0x80:
        at -= 1
    return at


#: How the lines of a stream may end.
LINE_ENDS: dict[str, tuple[LineEnd, ...]] = {
    "crlf": ("\r\n",),
    "cr": ("\r",),
    "mixed": ("\r\n", "\n", "\r"),
}


@clause("STREAM-03")
@pytest.mark.parametrize("style", sorted(LINE_ENDS))
@each_shape
def test_lf_cr_and_crlf_all_end_a_line(case: Case, shape: Shape, style: str) -> None:
    """The standard names three line ends; a proxy may rewrite TGI's LF."""
    needs_stream_of(case, shape)
    events = shape.events(WORDS)
    replies = {
        "lf": bytes_reply(shape, Encoding().stream(events)),
        style: bytes_reply(shape, Encoding(line_ends=LINE_ENDS[style]).stream(events)),
    }

    expect_same_events(play(case, shape, replies), "lf", "only the line ends differ")


@clause("STREAM-03", case="crlf-cut")
@each_shape
def test_a_crlf_cut_in_two_is_one_line_end(case: Case, shape: Shape) -> None:
    """CR ending one read and LF starting the next must not make a blank line inside an event."""
    needs_stream_of(case, shape)
    events = shape.events(WORDS[:2])
    spread = Encoding(spread=(True, False))
    lf, crlf = spread.stream(events), replace(spread, line_ends=("\r\n",)).stream(events)
    replies = {
        "lf": bytes_reply(shape, lf, splits=_before_each_lf(lf)),
        "crlf-cut": bytes_reply(shape, crlf, splits=_before_each_lf(crlf)),
    }

    expect_same_events(play(case, shape, replies), "lf", "each CRLF was cut between CR and LF")


def _before_each_lf(content: bytes) -> tuple[int, ...]:
    return tuple(at for at in range(1, len(content)) if content[at : at + 1] == b"\n")


#: Characters that some splitters take for a line end, and that are none in an event stream.
NO_LINE_ENDS = {
    "U+0085": "\x85",
    "U+2028": "\u2028",
    "U+2029": "\u2029",
    "VT": "\x0b",
    "FF": "\x0c",
    "FS": "\x1c",
    "GS": "\x1d",
    "RS": "\x1e",
}


@clause("STREAM-04")
@pytest.mark.parametrize("name", sorted(NO_LINE_ENDS))
@each_shape
def test_no_other_character_ends_a_line(case: Case, shape: Shape, name: str) -> None:
    """``splitlines()`` cuts at eleven characters, an event stream at two.

    TGI sends the raw character inside a token where JSON allows it (U+0085, U+2028, U+2029); the control
    characters, which JSON wants escaped, stand in a comment.
    """
    needs_stream_of(case, shape)
    character = NO_LINE_ENDS[name]
    if character > "\x1f":
        events = shape.events([" a", f" b{character}data: c", " d"])
        harmless, raw = Encoding(ascii=True).stream(events), Encoding().stream(events)
    else:
        harmless, raw = (
            Encoding(before=((f": x{mark}data: hello{mark}{mark}",),)).stream(shape.events(WORDS))
            for mark in ("_", character)
        )
    replies = {"harmless": bytes_reply(shape, harmless), "raw": bytes_reply(shape, raw)}

    outcomes = play(case, shape, replies)

    wanted, got = (heard(outcomes[slug].pieces) for slug in ("harmless", "raw"))
    # A client that reads the stream as ISO-8859-1 fails STREAM-05, and this clause only if it splits as well.
    as_latin1 = tuple(text.encode().decode("latin-1") for text in wanted)
    expect(
        outcomes["raw"].ending == outcomes["harmless"].ending and got in (wanted, as_latin1),
        expected=f"the events of the stream without a raw {name}, {list(wanted)!r}: it ends no line",
        observed=f"{describe(outcomes['raw'])} {list(got)!r}",
    )


#: Content types of a stream; the router's own names no charset.
CONTENT_TYPES = {
    "no-charset": "text/event-stream",
    "charset": "text/event-stream; charset=utf-8",
    "charset-quoted": 'text/event-stream;charset="UTF-8"',
}


@clause("STREAM-05")
@pytest.mark.parametrize("declared", sorted(CONTENT_TYPES))
@each_shape
def test_the_stream_is_utf8_whatever_charset_is_declared(case: Case, shape: Shape, declared: str) -> None:
    """The standard fixes UTF-8; a default of ISO-8859-1 turns ``é`` into two letters."""
    needs_stream_of(case, shape)
    tokens = (" é", "✅", " 中", " end")

    outcomes = play(case, shape, {declared: shape.stream(tokens, content_type=CONTENT_TYPES[declared])})

    expect_end(outcomes[declared], "".join(tokens), f"content-type: {CONTENT_TYPES[declared]}")


#: Blanks after the colon; TGI up to 2.0 sent none.
BLANKS = {"none": (False,), "mixed": (False, True, True)}


@clause("STREAM-06")
@pytest.mark.parametrize("style", sorted(BLANKS))
@each_shape
def test_a_blank_after_the_colon_is_optional(case: Case, shape: Shape, style: str) -> None:
    """``data:x`` and ``data: x`` mean the same."""
    needs_stream_of(case, shape)
    events = shape.events(WORDS)
    replies = {
        "blank": bytes_reply(shape, Encoding().stream(events)),
        style: bytes_reply(shape, Encoding(blanks=BLANKS[style]).stream(events)),
    }

    expect_same_events(play(case, shape, replies), "blank", "only the blank after the colon differs")


@clause("STREAM-06", case="one-blank-at-most")
@each_shape
def test_further_blanks_after_the_colon_belong_to_the_data(case: Case, shape: Shape) -> None:
    """Blanks before JSON are JSON's own white space: the event reads the same."""
    needs_stream_of(case, shape)
    frames = Encoding().frames(shape.events(WORDS))
    content = b"".join(
        frame.replace(b"data: {", b"data:   {", 1) if at % 2 else frame for at, frame in enumerate(frames)
    )
    replies = {"one": bytes_reply(shape, b"".join(frames)), "three": bytes_reply(shape, content)}

    expect_same_events(play(case, shape, replies), "one", "blanks before JSON mean nothing")


#: Comment lines before each frame and after the last; an empty one is a blank line.
COMMENTS = {
    "tgi-keep-alive": (":", ""),
    "ping": (": ping", ""),
    "no-blank": (":x", ""),
    "like-data": (':data: {"a":1}', ""),
    "before-the-data-line": (": ping",),
}


@clause("STREAM-07")
@pytest.mark.parametrize("form", sorted(COMMENTS))
@each_shape
def test_comments_are_passed_over(case: Case, shape: Shape, form: str) -> None:
    """TGI sends an empty comment after 15 s of silence; none of them is text, an event or an end."""
    needs_stream_of(case, shape)
    events = shape.events(WORDS)
    content = Encoding(before=(COMMENTS[form],)).stream(events)
    tail = "".join(f"{line}\n" for line in COMMENTS[form]).encode()
    replies = {
        "none": bytes_reply(shape, Encoding().stream(events)),
        form: bytes_reply(shape, content + tail),
    }

    expect_same_events(play(case, shape, replies), "none", "comments say nothing to a client")


@clause("STREAM-07", case="after-the-data-line")
@each_shape
def test_a_comment_between_data_and_blank_line_is_passed_over(case: Case, shape: Shape) -> None:
    """A comment ends no event, and does not join its data."""
    needs_stream_of(case, shape)
    frames = Encoding().frames(shape.events(WORDS))
    content = b"".join(frame.removesuffix(b"\n") + b": ping\n\n" for frame in frames)
    replies = {"none": bytes_reply(shape, b"".join(frames)), "after": bytes_reply(shape, content)}

    expect_same_events(play(case, shape, replies), "none", "comments say nothing to a client")


@clause("STREAM-08", case="three-data-lines")
@each_shape
def test_data_lines_of_one_event_join_with_lf(case: Case, shape: Shape) -> None:
    """JSON over several lines is one value, as a proxy that pretty-prints sends it."""
    needs_stream_of(case, shape)
    events = shape.events(WORDS)
    replies = {
        "one-line": bytes_reply(shape, Encoding().stream(events)),
        "spread": bytes_reply(shape, Encoding(spread=(True,)).stream(events)),
    }

    expect_same_events(play(case, shape, replies), "one-line", "the lines join with LF")


#: Field lines that say nothing to this kind of client.
IGNORED = {
    "id": ("id: 7",),
    "retry": ("retry: 10",),
    "unknown": ("x-cost: 3", "meta"),
    "all": ("id", "retry: 1", "x:y"),
}


@clause("STREAM-08", case="field")
@pytest.mark.parametrize("field", sorted(IGNORED))
@each_shape
def test_other_fields_are_ignored(case: Case, shape: Shape, field: str) -> None:
    """``retry:`` is for clients that reconnect: a generation is not asked for twice because of it."""
    needs_stream_of(case, shape)
    events = shape.events(WORDS)
    replies = {
        "data-only": bytes_reply(shape, Encoding().stream(events)),
        field: bytes_reply(shape, Encoding(before=(IGNORED[field],)).stream(events)),
    }

    expect_same_events(play(case, shape, replies), "data-only", "the field says nothing to a client")
    expect_requests(case.journal().generations, 2, because="one a call", journal=case.journal())


@clause("STREAM-08", case="bom")
@each_shape
def test_a_leading_byte_order_mark_is_ignored(case: Case, shape: Shape) -> None:
    """The standard strips one BOM at the start; left in, the first line is no data line."""
    needs_stream_of(case, shape)
    content = Encoding().stream(shape.events(WORDS))
    replies = {
        "none": bytes_reply(shape, content),
        "bom": bytes_reply(shape, BOM + content),
    }

    expect_same_events(play(case, shape, replies), "none", "a byte order mark is no data")


#: What varies in the encodings of a property, and the clause that allows it.
VARIED = [
    pytest.param(encodings(line_ends=True), id="line-ends", marks=clause("STREAM-03", case="property-p01")),
    pytest.param(encodings(blanks=True), id="blanks", marks=clause("STREAM-06", case="property-p01")),
    pytest.param(encodings(comments=True), id="comments", marks=clause("STREAM-07", case="property-p01")),
    pytest.param(
        encodings(fields=True, spread=True), id="fields", marks=clause("STREAM-08", case="property-p01")
    ),
]


@pytest.mark.parametrize("varied", VARIED)
def test_any_encoding_of_the_same_data_gives_the_same_events(
    case: Case, varied: st.SearchStrategy[Encoding]
) -> None:
    """Property P-01 for encodings: whatever the standard allows around the same data."""
    case.needs("stream")
    shape = case.shape()
    events = shape.events(WORDS)

    def check(inner: Case, encoding: Encoding) -> None:
        replies = {
            "plain": bytes_reply(shape, Encoding().stream(events)),
            "encoded": bytes_reply(shape, encoding.stream(events)),
        }
        expect_same_events(play(inner, shape, replies), "plain", f"only the encoding differs: {encoding}")

    check_property(case, varied, check, shared=2)

"""STREAM: what holds of every stream, whatever it says and however it is written (P-01 to P-04, P-17)."""

from dataclasses import dataclass

from hypothesis import strategies as st

from tgi_conformance.contracts.outcome import Outcome, same_text
from tgi_conformance.contracts.script import Reply, done, raw_event, tokens
from tgi_conformance.suites.areas.streams import (
    ALL,
    bytes_reply,
    expect_end,
    expect_heard,
    heard,
    needs_stream_of,
    play,
)
from tgi_conformance.suites.generated.streams import (
    Encoding,
    Telling,
    deliveries,
    failing_tellings,
    tellings,
)
from tgi_conformance.suites.generated.texts import token_lists
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_error, expect_success
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, Shape

Tokens = tuple[str, ...]
#: The first of these shapes that is claimed ends its streams with ``[DONE]``.
OPENAI = (CHAT, COMPLETIONS)


# --- P-01: splits and encodings -----------------------------------------------------------------------------

#: Characters that are no line ends, and that JSON lets stand raw.
_NO_LINE_ENDS = ("\x85", "\u2028", "\u2029")


@clause("STREAM-04", case="property-p01", ways="chat stream")
def test_no_character_of_any_token_ends_a_line(case: Case) -> None:
    """Property P-01 for the characters that some splitters take for line ends, raw and cut anywhere."""
    case.needs("stream")
    shape = case.shape()
    token = st.lists(st.sampled_from([*_NO_LINE_ENDS, "data: ", "a", ":"]), min_size=1, max_size=5).map(
        "".join
    )

    def example(said: list[str]) -> st.SearchStrategy[tuple[list[str], dict[str, object]]]:
        return st.tuples(st.just(said), deliveries(Encoding().stream(shape.events(said))))

    def check(inner: Case, drawn: tuple[list[str], dict[str, object]]) -> None:
        said, written = drawn
        events = shape.events(said)
        replies = {
            "escaped": bytes_reply(shape, Encoding(ascii=True).stream(events)),
            "raw": bytes_reply(shape, Encoding().stream(events), **written),
        }
        outcomes = play(inner, shape, replies)
        wanted, got = (heard(outcomes[slug].pieces) for slug in ("escaped", "raw"))
        # Read as ISO-8859-1 the stream fails STREAM-05, and this clause only if it is split as well.
        as_latin1 = tuple(text.encode().decode("latin-1") for text in wanted)
        expect(
            outcomes["raw"].ending == outcomes["escaped"].ending and got in (wanted, as_latin1),
            expected=f"the events of the escaped stream, {list(wanted)!r}: nothing in them ends a line",
            observed=f"{describe(outcomes['raw'])} {list(got)!r}",
        )

    check_property(
        case, st.lists(token, min_size=1, max_size=3).flatmap(example), check, cost="split", shared=3
    )


# --- P-02: prefixes -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A stream whose body ends properly behind a mark that ends it, and what stands behind that mark."""

    tokens: Tokens
    framing: str
    rest: bytes = b""


def _ended(rest: st.SearchStrategy[bytes] | None = None) -> st.SearchStrategy[Ended]:
    return st.builds(
        Ended,
        tokens=token_lists(plain=True),
        framing=st.sampled_from(["chunked", "close", "content-length"]),
        rest=st.just(b"") if rest is None else rest,
    )


#: Frames and bytes that may stand behind ``[DONE]``, whole or cut.
_AFTER_DONE = st.sampled_from(
    [
        b'data: {"choices":[{"index":0,"delta":{"content":" junk"},"text":" junk"}]}\n\n',
        b'data: {"error":{"message":"junk","http_status_code":422}}\n\n',
        b"event: error\ndata: junk\n\n",
        b"data: junk\n\n",
        b": ping\n\n",
        b"data: [DONE]\n\n",
        b"\xff\xfe\0",
        b"\n\n\n",
    ]
)


@clause("STREAM-09", case="property-p02", ways="chat stream")
def test_whatever_stands_behind_done_the_stream_ended_there(case: Case) -> None:
    """Property P-02 behind the last mark: a normal end, and nothing of the rest, whole or cut short."""
    shape = case.shape(*OPENAI)
    needs_stream_of(case, shape)
    frames = st.lists(_AFTER_DONE, max_size=3).map(b"".join)
    rest = frames.flatmap(lambda whole: st.integers(0, len(whole)).map(lambda at: whole[:at]))

    def check(inner: Case, drawn: Ended) -> None:
        events = [*shape.events(drawn.tokens), *([raw_event(drawn.rest)] if drawn.rest else [])]
        outcome = play(inner, shape, {"done": shape.frames(*events, framing=drawn.framing)})["done"]
        expect_end(outcome, "".join(drawn.tokens), "[DONE] came before the rest")

    check_property(case, _ended(rest), check, shared=3)


@clause("STREAM-10", case="property-p02")
def test_any_native_stream_is_complete_at_its_generated_text(case: Case) -> None:
    """Property P-02: the event with ``generated_text`` is mark enough, whatever the tokens and framing."""
    needs_stream_of(case, NATIVE)

    def check(inner: Case, drawn: Ended) -> None:
        reply = NATIVE.stream(drawn.tokens, framing=drawn.framing)
        expect_end(
            play(inner, NATIVE, {"native": reply})["native"], "".join(drawn.tokens), "generated_text came"
        )

    check_property(case, _ended(), check, shared=3)


@clause("STREAM-13", case="property-p02", ways="chat stream")
def test_done_alone_completes_any_chat_stream(case: Case) -> None:
    """Property P-02: ``[DONE]`` is mark enough where no finish reason came at all."""
    needs_stream_of(case, CHAT)

    def check(inner: Case, drawn: Ended) -> None:
        reply = CHAT.frames(*CHAT.open_events(drawn.tokens), done(), framing=drawn.framing)
        expect_end(play(inner, CHAT, {"done": reply})["done"], "".join(drawn.tokens), "[DONE] is mark enough")

    check_property(case, _ended(), check, shared=3)


@clause("STREAM-14", case="property-p02", ways="chat stream")
def test_a_finish_reason_and_a_clean_end_complete_any_chat_stream(case: Case) -> None:
    """Property P-02: a finish reason is mark enough where the body ends as it should."""
    needs_stream_of(case, CHAT)

    def check(inner: Case, drawn: Ended) -> None:
        reply = CHAT.frames(*CHAT.events(drawn.tokens)[:-1], framing=drawn.framing)
        outcome = play(inner, CHAT, {"finish": reply})["finish"]
        expect_end(outcome, "".join(drawn.tokens), "a finish_reason, then a proper end of the body")

    check_property(case, _ended(), check, shared=3)


@clause("STREAM-28", case="property-p02", ways="chat stream")
def test_what_becomes_of_any_event_without_its_blank_line_is_recorded(case: Case) -> None:
    """Property P-02 between the marks: with the last line end missing either is right; no other text is."""
    case.needs("stream")
    shape = case.shape()
    seen: set[str] = set()

    def check(inner: Case, said: Tokens) -> None:
        frames = Encoding().frames(shape.events(said))[: len(said)]
        content = b"".join(frames)[:-1]
        outcome = play(inner, shape, {"cut": shape.frames(raw_event(content))})["cut"]
        allowed = {"".join(said): "handed out", "".join(said[:-1]): "dropped"}
        became = next((what for text, what in allowed.items() if outcome.says(text)), None)
        expect(
            outcome.ending in ("end", "error") and became is not None,
            expected=f"the text {' or '.join(map(repr, allowed))}",
            observed=describe(outcome),
        )
        seen.add(f"{became}, {outcome.ending}")

    check_property(case, token_lists(plain=True).filter(lambda said: said[-1] != ""), check, shared=3)
    case.note({"last event": sorted(seen)})


# --- P-03: errors inside a stream ---------------------------------------------------------------------------


@clause("STREAM-15", case="property-p03")
def test_a_native_error_ends_the_stream_after_exactly_the_tokens_before_it(case: Case) -> None:
    """Property P-03: k tokens and an exception, whatever the server sends behind its error."""
    needs_stream_of(case, NATIVE)
    check_property(case, failing_tellings(NATIVE), _check_dominance, shared=2)


@clause("STREAM-16", case="property-p03", ways="chat stream")
def test_an_openai_error_ends_the_stream_after_exactly_the_tokens_before_it(case: Case) -> None:
    """Property P-03 on the OpenAI routes: neither ``[DONE]`` nor further tokens make it a success."""
    shape = case.shape(*OPENAI)
    needs_stream_of(case, shape)
    check_property(case, failing_tellings(shape), _check_dominance, shared=2)


def _check_dominance(case: Case, said: Telling) -> None:
    shape = said.shape
    outcome = play(case, shape, {"error": in_band_fault(shape.frames(*said.events))})["error"]
    because = f"an error event after {said.error_at} tokens"
    expect_error(outcome, contains=said.message, because=because)
    expect_heard(outcome, [said.heard], because)


# --- P-04: texts --------------------------------------------------------------------------------------------


@clause("STREAM-19", case="property-p04-forms", ways="chat stream")
def test_any_telling_of_the_same_tokens_gives_the_same_text(case: Case) -> None:
    """Property P-04 for the forms that servers give a stream: role chunks, empty deltas, ``usage: null``."""
    case.needs("stream")
    shape = case.shape()

    def check(inner: Case, said: Telling) -> None:
        content = said.encoding.stream(said.events)
        outcome = play(inner, shape, {said.persona: bytes_reply(shape, content)})[said.persona]
        _expect_text(outcome, said.heard)

    check_property(case, tellings(shape), check, shared=2)


@clause("STREAM-19", case="property-p04-differential", ways="chat stream")
def test_a_stream_and_a_plain_answer_of_one_script_give_one_text(case: Case) -> None:
    """Property P-04: the same server, asked in both ways, says the same."""
    case.needs("stream")
    shape = case.shape()

    def check(inner: Case, said: Tokens) -> None:
        inner.serve(tokens(*said).times(2))
        endpoint, prompt = inner.endpoint(), inner.prompt()
        plain = inner.call(prompt, endpoint=endpoint, shape=shape)
        streamed = inner.call(prompt, endpoint=endpoint, shape=shape, stream=True)
        expect_success(plain, "the plain call")
        # Only a whole answer of the native form has the prompt before it, where the client asks for that.
        full = shape.name == NATIVE.name and case.description.returns == "full_text"
        _expect_text(streamed, plain.text.removeprefix(prompt) if full else plain.text)

    check_property(case, token_lists(plain=True), check, shared=2)


def _expect_text(outcome: Outcome, text: str) -> None:
    expect_success(outcome, "the stream")
    joined = "".join(heard(outcome.pieces))
    same = same_text(joined, text, trims=outcome.trims)
    expect(same, expected=f"the text {text!r}", observed=repr(joined))


# --- P-17: streams at once ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AtOnce:
    """One of several streams that run together."""

    tokens: int
    gap_ms: float
    #: After how many bytes of the stream its writes are cut, again and again; 0: one write an event.
    writes_of: int


@clause("STREAM-27", case="property-p17", ways="chat stream")
def test_streams_at_once_keep_to_their_callers(case: Case) -> None:
    """Property P-17: pieces of streams that run together stay with their calls, however they interleave."""
    case.needs("stream")
    shape = case.shape()
    stream = st.builds(
        AtOnce,
        tokens=st.integers(1, 6),
        gap_ms=st.sampled_from([0.0, 1.0, 3.0]),
        writes_of=st.sampled_from([0, 7, 64]),
    )

    def check(inner: Case, streams: list[AtOnce]) -> None:
        said = {
            inner.prompt(letter): (tuple(f" {letter * 3}{at}" for at in range(one.tokens)), one)
            for letter, one in zip("abcdefgh", streams, strict=False)
        }
        inner.serve(
            *(_written(shape, texts, one).where(contains=prompt) for prompt, (texts, one) in said.items())
        )
        endpoint = inner.endpoint(max_concurrent_requests=len(said), queue_size=8, pool_size=8)
        running = {p: inner.start(p, endpoint=endpoint, shape=shape, stream=True) for p in said}
        for call in running.values():
            call.call.pull(ALL)
        for prompt, call in running.items():
            expect_end(call.wait(), "".join(said[prompt][0]), "each stream has letters of its own")

    check_property(case, st.lists(stream, min_size=2, max_size=6), check, shared=2)


def _written(shape: Shape, said: Tokens, one: AtOnce) -> Reply:
    reply = shape.stream(said).deliver(event_gap_ms=one.gap_ms)
    if not one.writes_of:
        return reply
    length = len(Encoding().stream(shape.events(said)))
    return reply.deliver(splits=tuple(range(one.writes_of, length, one.writes_of)))

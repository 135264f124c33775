"""Many calls at once, of several endpoints and kinds, some failing, some cancelled: what holds of them all.

What the server saw and what the callers got is held together afterwards; nothing is asked of the order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Reply, status
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.suites.areas.statistics import statistics
from tgi_conformance.suites.harness.case import ALIASES, Case, Running
from tgi_conformance.suites.harness.expect import describe
from tgi_conformance.suites.model.fates import Fate, sequel
from tgi_conformance.suites.model.state import breach_of, broken
from tgi_conformance.suites.shapes.calls import Shape

#: What becomes of a call.
LoadFate = Literal["good", "500", "422", "cancelled"]
#: Settings of each endpoint, by number.
CAPS: Final = (8, 2, 1)
#: Calls of the largest load, where the client takes that many; the room that is asked for takes them all.
MOST_CALLS: Final = 24
_ROOM: Final = 64
#: Seconds that a call may take until it ends, with the others of its load before it.
_ALL_SENT: Final = 3.0
#: An overlap shorter than this is not counted (seconds; design, section 4); the longest answers take more.
_GRACE: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCall:
    """One call of a load."""

    endpoint: int = 0
    streaming: bool = False
    fate: LoadFate = "good"
    #: How long the server takes for it (milliseconds).
    delay: int = 0


@dataclass(slots=True, kw_only=True)
class Loaded:
    """A call that was made under load."""

    call: LoadCall
    name: str
    key: str
    prompt: str
    request_id: str
    running: Running

    @property
    def text(self) -> str:
        """The text of its good answer, which no other call has."""
        return f"for {self.name} alone"


def loads(*, endpoints: int, most: int) -> SearchStrategy[tuple[LoadCall, ...]]:
    """Loads of up to ``most`` calls over so many endpoints (g_load); half of them on the first."""
    call = st.builds(
        LoadCall,
        endpoint=st.sampled_from([0] * endpoints + list(range(endpoints))),
        streaming=st.booleans(),
        fate=st.sampled_from(["good", "good", "good", "500", "422", "cancelled"]),
        delay=st.sampled_from([0, 0, 0, 2, 2, 70]),
    )
    few, many = st.lists(call, min_size=2, max_size=6), st.lists(call, min_size=most // 2, max_size=most)
    return st.one_of(few, many, many).map(tuple)


def expect_load(case: Case, load: Sequence[LoadCall]) -> None:
    """Make all calls of a load at once, and hold what came of them together (P-16 to P-19)."""
    shape = case.shape()
    endpoints = 1 + max(call.endpoint for call in load)
    case.serve()
    ids = [
        case.endpoint(key=ALIASES[number], max_concurrent_requests=CAPS[number], queue_size=_ROOM)
        for number in range(endpoints)
    ]
    before = statistics(case) if case.claims("stats") else {}
    made = _start(case, shape, [_final(case, call, ids[call.endpoint]) for call in load], ids)
    for each in made:
        if each.call.fate == "cancelled" and _cancellable(case, each.call):
            each.running.cancel()
    outcomes = [each.running.wait_briefly(_patience(case)) for each in made]
    journal = case.journal()
    for each, outcome in zip(made, outcomes, strict=True):
        if outcome is None:
            broken("QUEUE-07", expected=f"{each.name} ends", observed="it goes on")
        _expect_own_answer(each, outcome)
    by_prompt = {each.prompt: each for each in made}
    # What was taken back while it was being sent cannot be said to be whose it was.
    for exchange in filter(lambda exchange: exchange.body_complete, journal.generations):
        _expect_pairing(case, exchange, _whose(exchange, by_prompt))
    _expect_caps(journal, endpoints)
    if case.claims("stats"):
        _expect_counts(case, made, ids, before)


def _final(case: Case, call: LoadCall, endpoint: str) -> LoadCall:
    """The call with a failure that ends it: a client may retry a 500 by itself, and at its own pace."""
    fate = Fate(kind="status", status=500)
    if call.fate != "500" or sequel(case.policy(endpoint), fate, attempts=1) == "end":
        return call
    return replace(call, fate="422")


def _patience(case: Case) -> float:
    # One behind the other on the smallest cap, each after the time that the client takes.
    return case.patience(case.journal()).soon(_ALL_SENT)


def _start(case: Case, shape: Shape, load: Sequence[LoadCall], ids: Sequence[str]) -> list[Loaded]:
    streams, by_id = case.claims("stream"), case.description.request_id_header is not None
    prompts = [case.prompt(f"call {number}") for number in range(len(load))]
    names = [f"call {number}" for number in range(len(load))]
    space = case.space
    space.play(
        *(
            _reply(shape, call, f"for {name} alone", streaming=call.streaming and streams)
            .where(contains=prompt)
            .times(0, None)
            for call, name, prompt in zip(load, names, prompts, strict=True)
        )
    )
    made: list[Loaded] = []
    for call, name, prompt in zip(load, names, prompts, strict=True):
        streaming = call.streaming and streams
        given: dict[str, object] = {"request_id": f"id-{len(made)}"} if by_id else {}
        if call.fate == "cancelled" and not streaming and _by_future(case):
            given |= {"method": "submit", "kind": shape.method}
        running = case.start(
            prompt,
            endpoint=ids[call.endpoint],
            shape=shape,
            stream=streaming,
            **given,  # type: ignore[arg-type]
        )
        if streaming:
            running.call.ask(1 << 30)
        made.append(
            Loaded(
                call=call,
                name=name,
                key=ALIASES[call.endpoint],
                prompt=prompt,
                request_id=str(given.get("request_id", "")),
                running=running,
            )
        )
    return made


def _reply(shape: Shape, call: LoadCall, text: str, *, streaming: bool) -> Reply:
    if call.fate in ("500", "422"):
        reply = status(int(call.fate), json={"error": "no", "error_type": "generation"})
    else:
        reply = shape.reply(text, streaming=streaming)
    return reply.deliver(delay_ms=float(call.delay))


def _by_future(case: Case) -> bool:
    return not case.claims("async") and "submit" in case.driver.implemented


def _cancellable(case: Case, call: LoadCall) -> bool:
    if not case.claims("cancel") or (call.streaming and case.claims("stream")):
        return False
    return case.claims("async") or _by_future(case)


def _whose(exchange: Exchange, by_prompt: dict[str, Loaded]) -> Loaded:
    text = exchange.body.decode("utf-8", "replace").replace("\\/", "/")
    for prompt, each in by_prompt.items():
        if prompt in text:
            return each
    raise breach_of("REQ-15")("requests of the calls that were made", text[:300])


def _expect_own_answer(each: Loaded, outcome: Outcome) -> None:
    """A call gets its own answer, its own failure, its own request id."""
    if each.call.fate in ("500", "422"):
        if outcome.returned:
            broken(
                "ERR-01", expected=f"an error: {each.name} got {each.call.fate}", observed=describe(outcome)
            )
        return
    if not outcome.returned and each.call.fate == "cancelled":
        return
    if not outcome.returned or not outcome.says(each.text):
        clause = "STREAM-27" if outcome.returned and outcome.answer is None else "QUEUE-09"
        broken(clause, expected=f"{each.text!r} from {each.name}", observed=describe(outcome))
    shown = None if outcome.answer is None else outcome.answer.request_id
    if each.request_id and isinstance(shown, str) and shown not in (UNSET, each.request_id):
        broken("REQ-11", expected=f"the request id {each.request_id}", observed=shown)


def _expect_pairing(case: Case, exchange: Exchange, each: Loaded) -> None:
    """Prompt, key and request id of a request belong together."""
    if exchange.key != each.key:
        broken(
            "MUX-03",
            expected=f"key:{each.key} with the prompt of {each.name}",
            observed=f"key:{exchange.key}",
        )
    header = case.description.request_id_header
    if header is not None and each.request_id and exchange.header(header) != each.request_id:
        broken("REQ-11", expected=f"{header}: {each.request_id}", observed=str(exchange.header(header)))


def _expect_caps(journal: Journal, endpoints: int) -> None:
    for number in range(endpoints):
        mine = [exchange for exchange in journal.generations if exchange.key == ALIASES[number]]
        most = journal.most_open(mine, grace=_GRACE + journal.lag)
        if most > CAPS[number]:
            broken(
                "QUEUE-01",
                expected=f"at most {CAPS[number]} open of key:{ALIASES[number]}",
                observed=str(most),
            )


def _expect_counts(case: Case, made: Iterable[Loaded], ids: Sequence[str], before: dict[str, object]) -> None:
    """No update is lost: the counters of each endpoint, and their sum."""
    every, grown = list(made), 0
    for number, endpoint in enumerate(ids):
        mine = [each for each in every if each.call.endpoint == number]
        good = sum(each.running.wait(0).returned for each in mine)
        free = sum(each.call.fate == "cancelled" and not each.running.wait(0).returned for each in mine)
        shown = statistics(case, endpoint)
        wanted = {
            "total_requests": (len(mine) - free, len(mine)),
            "successful_requests": (good, good + free),
            "failed_requests": (len(mine) - good - free, len(mine) - good),
        }
        for name, (least, most) in wanted.items():
            value = shown.get(name)
            if not isinstance(value, int) or not least <= value <= most:
                raise breach_of("STAT-07")(
                    f"{name} {least} to {most} after {len(mine)} calls at once", repr(value)
                )
        grown += int(str(shown["total_requests"]))
    after, name = statistics(case), "total_requests"
    if isinstance(before.get(name), int) and isinstance(after.get(name), int):
        sum_shown = int(str(after[name])) - int(str(before[name]))
        if sum_shown != grown:
            broken("STAT-08", expected=f"an aggregate that grew by {grown}", observed=str(sum_shown))

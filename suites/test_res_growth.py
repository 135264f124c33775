"""RES: threads, tasks and descriptors do not grow with the calls, and nothing keeps the interpreter alive."""

from typing import Final

from tgi_conformance.contracts.script import tgi_error
from tgi_conformance.suites.areas.process.growth import Count, count_of, grown
from tgi_conformance.suites.areas.process.own import created_in
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause, load, timing
from tgi_conformance.suites.harness.expect import expect, expect_success
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import Shape

WORDS = (" one", " two", " three", " four")

#: What every third call is answered with.
FAILURE: Final = tgi_error(500, "Incomplete generation", "incomplete_generation")


@clause("RES-06", case="sequential", ways="chat")
def test_calls_in_turn_do_not_grow_the_process(case: Case) -> None:
    """One descriptor a call is a crash after a day; failures are where they leak."""
    _judge_growth(case, rounds=4, at_once=1, calls=12)


@clause("RES-06", case="concurrent", ways="chat")
@load
def test_calls_at_once_do_not_grow_the_process(case: Case) -> None:
    """What a burst of calls needed must be given back after it."""
    _judge_growth(case, rounds=8, at_once=20, calls=20)


def _judge_growth(case: Case, *, rounds: int, at_once: int, calls: int) -> None:
    """Make rounds of calls, every third of them failing; compare the counts after the first and the last."""
    shape = case.shape()
    case.serve(FAILURE.times(1, None).where(contains="please fail"), shape.plain("fine").times(1, None))
    endpoint = case.endpoint(max_concurrent_requests=max(at_once, 1), queue_size=calls)
    plateau: Count | None = None
    for _ in range(rounds):
        for _ in range(max(1, calls // at_once)):
            texts = ["please fail" if n % 3 == 2 else "go" for n in range(max(at_once, 3))]
            _make(case, endpoint, shape, texts, together=at_once > 1)
        if plateau is None:
            plateau = count_of(case.driver)
    if plateau is None or plateau == Count(threads=None, tasks=None, descriptors=None):
        raise NotApplicable("the backend's host cannot count threads, tasks or descriptors")
    # A pool may fill later than in the first round, where fewer calls happened to meet.
    over = grown(case.driver, plateau, case.patience(), pooled=at_once if at_once > 1 else 0)
    expect(not over, expected="as many threads, tasks and descriptors", observed="; ".join(over))


def _make(case: Case, endpoint: str, shape: Shape, texts: list[str], *, together: bool) -> None:
    if not together:
        for text in texts:
            case.call(case.prompt(text), endpoint=endpoint, shape=shape)
        return
    for call in [case.start(case.prompt(text), endpoint=endpoint, shape=shape) for text in texts]:
        call.wait()


#: What Python says on stderr where something was left behind.
COMPLAINTS: Final = ("ResourceWarning", "Unclosed", "unclosed", "was destroyed", "never awaited", "Traceback")


@clause("RES-07", case="exit", ways=("chat", "chat stream"))
@timing
def test_nothing_of_the_client_keeps_the_interpreter_alive(case: Case) -> None:
    """A program that has done its calls must end; threads and tasks left behind hang it or complain."""
    shape = case.shape()
    streaming = case.claims("stream")
    space = case.serve(
        shape.plain("hello"), *([shape.stream(WORDS).cut("fin", event=2)] if streaming else [])
    )
    with case.fresh_process(PYTHONDEVMODE="1") as driver:
        created = created_in(driver, case, space.base_url, case.key())
        expect_success(created, "create_endpoint")
        arguments = shape.arguments(case.prompt()) | {"endpoint_id": created.value}
        driver.run(shape.method, arguments)
        if streaming:
            driver.run(shape.method, arguments, stream=True)
        bound = case.patience(space.journal()).soon(2.0)
        left = driver.close(grace=bound + 1.0)
        output = driver.output()

    expect(
        not left.killed and left.seconds < bound,
        expected=f"the interpreter ends within {bound:.1f} s of the last call",
        observed=str(left),
    )
    seen = [line for line in output.splitlines() if any(word in line for word in COMPLAINTS)]
    expect(not seen, expected="no complaint at exit", observed="; ".join(seen[:3]))
